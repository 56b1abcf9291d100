//! `levelgate completions`: prints the completions for a shell.

use std::{
    io::{ErrorKind, Write},
    process::ExitCode,
};

/// The arguments of `completions`.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// The shell
    shell: clap_complete::Shell,
}

/// Prints the script. A closed pipe is no error; a full disk is one, because the script is incomplete.
pub(super) fn run(options: &Options, command: &mut clap::Command) -> anyhow::Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(options.shell, command, "levelgate", &mut script);
    let mut out = std::io::stdout();
    match out.write_all(&script).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(ExitCode::SUCCESS),
    }
}
