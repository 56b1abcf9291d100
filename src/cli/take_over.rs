//! `levelgate take-over`: makes a standby the primary.

use crate::cli::support::daemon_client::DaemonAddress;
use std::process::ExitCode;

/// Requests the take-over.
pub(super) fn run(daemon: &DaemonAddress) -> anyhow::Result<ExitCode> {
    daemon.post_and_print("/v1/take-over")
}
