//! The receiver of replayed records.

use crate::storage::{
    archive_list::Demanded,
    journal::model::{ids::Lsn, record::Record},
};

/// Why a record cannot be replayed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The record, which was passed to the replay before.
    pub lsn: Lsn,
    /// The reason.
    pub what: String,
}

/// Receives the records that count, in order. It may process them later; [`Replay::end_replay`] reports the remaining errors.
pub trait Replay {
    /// Receives the next record.
    ///
    /// # Errors
    /// This record, or one before it, cannot be replayed.
    fn record(&mut self, record: &Record<'_>) -> Result<(), Refused>;

    /// Ends the replay.
    ///
    /// # Errors
    /// A record cannot be replayed; the first of them is returned.
    fn end_replay(&mut self) -> Result<(), Refused> {
        Ok(())
    }

    /// The segments that the archive must have, by the snapshot from which the replay continues.
    fn archive(&self) -> Demanded {
        Demanded::default()
    }
}

impl<F: FnMut(&Record<'_>) -> Result<(), String>> Replay for F {
    fn record(&mut self, record: &Record<'_>) -> Result<(), Refused> {
        self(record).map_err(|what| Refused { lsn: record.lsn, what })
    }
}
