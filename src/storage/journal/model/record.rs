//! Records as they are appended and replayed.

use crate::{domain::transaction::log_offset::LogOffset, storage::journal::model::ids::Lsn};

/// An appended record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// Its number, to wait for.
    pub lsn: Lsn,
    /// Its offset, to read it.
    pub offset: LogOffset,
}

/// A replayed record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    /// Its number.
    pub lsn: Lsn,
    /// The number of the daemon's start that wrote it.
    pub epoch: u32,
    /// The customer, or 0.
    pub owner: u64,
    /// Its offset.
    pub offset: LogOffset,
    /// Its encoded events.
    pub events: &'a [u8],
}
