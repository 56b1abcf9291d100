//! What a snapshot holds, without bringing back the state.

use crate::storage::{
    fs::Store,
    journal::{Instance, Lsn},
    snapshot,
};

/// What a snapshot holds, without taking it.
#[derive(Debug, Clone, Copy)]
pub struct Summary {
    /// Records behind this one are to be applied to it.
    pub begin: Lsn,
    /// The journal was synced up to here when it was written.
    pub end: Lsn,
    /// How many.
    pub customers: u64,
    /// Transactions in memory.
    pub summaries: u64,
}

/// Reads a snapshot to its end.
///
/// # Errors
/// It is damaged, or no snapshot of this journal.
pub fn verify_snapshot(store: &dyn Store, path: &str, instance: &Instance) -> anyhow::Result<Summary> {
    let mut reader = snapshot::Reader::open(store.open(path)?, instance.id.0)?;
    let begin = Lsn(reader.header().begin_lsn);
    while let Some(piece) = reader.next_piece()? {
        if let snapshot::Piece::End { end_lsn, customers, summaries, .. } = piece {
            return Ok(Summary { begin, end: Lsn(end_lsn), customers, summaries });
        }
    }
    Err(snapshot::SnapshotError::Unfinished.into())
}
