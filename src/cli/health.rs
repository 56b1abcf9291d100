//! `levelgate health`: asks a running daemon whether it decides.

use crate::cli::support::daemon_client::DaemonAddress;
use std::process::ExitCode;

/// Prints the answer of `/readyz`.
pub(super) fn run(daemon: &DaemonAddress) -> anyhow::Result<ExitCode> {
    daemon.get_and_print("/readyz")
}
