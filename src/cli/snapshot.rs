//! `levelgate snapshot`: makes a running daemon write a snapshot.

use crate::cli::support::daemon_client::DaemonAddress;
use std::process::ExitCode;

/// Requests the snapshot.
pub(super) fn run(daemon: &DaemonAddress) -> anyhow::Result<ExitCode> {
    daemon.post_and_print("/v1/snapshot")
}
