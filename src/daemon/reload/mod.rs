//! The configuration of a running daemon: reloads, changes through the API, and what the log and the audit report of them.

mod audited_changes;
pub(crate) mod differences;
mod level_changes;
pub(crate) mod name_table;
mod preview;
pub(crate) mod reloader;
mod trials;
