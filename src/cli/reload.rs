//! `levelgate reload`: makes a running daemon read its configuration again.

use crate::cli::support::daemon_client::DaemonAddress;
use std::process::ExitCode;

/// Requests the reload.
pub(super) fn run(daemon: &DaemonAddress) -> anyhow::Result<ExitCode> {
    daemon.post_and_print("/v1/reload")
}
