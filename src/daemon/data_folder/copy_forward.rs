//! Copying the transactions that begin in a segment to the end of the journal, before the segment is deleted or leaves Redis.

use crate::{
    domain::{events::customer_event::CustomerEvent, vocabulary::time::Millis},
    ledger::{CompactionOutcome, Ledger},
    scheduling::give_way,
    storage::{
        encoding,
        journal::{Journal, Record, SegmentInfo},
    },
};

/// Copied transactions are committed in groups of this size, so that the write backlog stays small.
const COPIES_A_COMMIT: u32 = 256;

/// A segment whose transactions are copied.
pub(crate) struct CopiedSegment<'a> {
    pub(crate) journal: &'a Journal,
    pub(crate) ledger: &'a Ledger,
    pub(crate) segment: &'a SegmentInfo,
    pub(crate) now: Millis,
}

impl CopiedSegment<'_> {
    /// Copies the transactions (customer, slot) that `is_wanted` accepts. Calls `unknown` with customer, slot and key of each
    /// that is unknown from now on. Returns the number of copies.
    ///
    /// # Errors
    /// The segment or a transaction cannot be read, or the journal has failed.
    pub(crate) fn copy(
        &self,
        is_wanted: &dyn Fn(u64, u32) -> bool,
        unknown: &mut dyn FnMut(u64, u32, u64),
    ) -> anyhow::Result<u32> {
        let mut copied = 0_u32;
        let mut visit = |record: &Record<'_>| {
            give_way();
            for event in encoding::decode(record.events, &mut |_| Ok(None)).map_err(|error| error.to_string())? {
                let encoding::RecordedEvent::Customer(
                    CustomerEvent::TransactionOpened { slot, opening }
                    | CustomerEvent::Compacted { slot, opening, .. }
                    | CustomerEvent::Assigned { slot, opening, .. },
                ) = event
                else {
                    continue;
                };
                if !is_wanted(record.owner, slot) {
                    continue;
                }
                let outcome = self.ledger.compact(self.segment.end_offset, (record.owner, slot), &opening, self.now);
                match outcome.map_err(|refusal| format!("{refusal:?}"))? {
                    CompactionOutcome::Unknown(key) => unknown(record.owner, slot, key),
                    CompactionOutcome::NotNeeded => {}
                    CompactionOutcome::Copied(lsn) => {
                        copied += 1;
                        if copied.is_multiple_of(COPIES_A_COMMIT) {
                            self.journal.commit(lsn).map_err(|failed| failed.to_string())?;
                        }
                    }
                }
            }
            Ok(())
        };
        if self.journal.is_accepted_as_lost(self.segment) {
            self.journal.scan_readable(self.segment, &mut visit)?;
        } else {
            self.journal.scan(self.segment, &mut visit)?;
        }
        Ok(copied)
    }
}
