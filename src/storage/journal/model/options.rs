//! How a journal is kept.

use std::time::Duration;

/// The most bytes of records that may wait to be written before callers should refuse new work.
pub const BACKLOG_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// When a record counts as committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sync {
    /// When it is on the medium.
    Always,
    /// When the system has it. It is synced every [`Options::sync_interval`].
    Interval,
    /// When the system has it. Only [`Journal::sync`](crate::storage::journal::Journal::sync) syncs.
    Never,
}

/// The options of a journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// When a record counts as committed.
    pub sync: Sync,
    /// The time between syncs with [`Sync::Interval`].
    pub sync_interval: Duration,
    /// The length from which on a segment is full. A batch is never split, so a file may be larger by one batch, and up to
    /// twice as large until the thread that rotates has begun the next one.
    pub segment_bytes: u64,
    /// Bytes of written records that stay in memory for reading.
    pub tail_bytes: usize,
}
