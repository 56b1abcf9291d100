//! Look-ups of transactions that have left memory.

use crate::domain::transaction::{log_offset::LogOffset, summaries::newest::TimedSlot};
use std::io;

/// Looks up transactions that have left memory.
pub trait ArchivedTransactions: Send + Sync {
    /// The transactions whose ids have this key: customer, slot, and the place of the last record.
    ///
    /// # Errors
    /// The index cannot be read.
    fn transactions(&self, key: u64) -> io::Result<Vec<(u64, u32, LogOffset)>>;

    /// The transactions of a customer in slots `from..to`, ascending, with the places of their last records.
    ///
    /// # Errors
    /// The index cannot be read.
    fn of_customer(&self, customer: u64, from: u32, to: u32) -> io::Result<Vec<(u32, LogOffset)>>;

    /// The newest transactions of a customer before a place in the order of time, the newest first, with the places of their
    /// last records. At most `limit`.
    ///
    /// # Errors
    /// The index cannot be read.
    fn newest_of_customer(
        &self,
        customer: u64,
        before: Option<TimedSlot>,
        limit: usize,
    ) -> io::Result<Vec<(TimedSlot, LogOffset)>>;

    /// Every record before this place is indexed.
    fn archived_before(&self) -> LogOffset;
}
