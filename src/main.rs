//! The `levelgate` program: see `levelgate --help`.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // The client of Redis panics without it when it uses TLS.
    levelgate::replication::client::tls_provider::install();
    levelgate::cli::run()
}
