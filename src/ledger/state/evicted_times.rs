//! The times of evicted transactions that a list by last payment has read from the archive.
//!
//! To keep the time and the place of the last transaction of every customer would take 16 bytes for each of millions of
//! customers. Only a list by last payment needs them, of at most 10,000 customers, so the times that such lists read are
//! kept: about 1 MB. The first page of a list reads the archive, and the pages after it do not.

use crate::domain::{transaction::log_offset::LogOffset, vocabulary::time::Millis};
use crate::ledger::index::transaction_index::TransactionSlot;
use parking_lot::Mutex;
use std::collections::HashMap;

/// The most transactions that are kept.
const ENTRIES_MAX: usize = 20_000;

/// When an evicted transaction was made, and its last record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::ledger) struct EvictedTime {
    pub(in crate::ledger) at: Millis,
    pub(in crate::ledger) last_record: LogOffset,
}

/// Times of evicted transactions, by customer: each is that of a slot.
#[derive(Default)]
pub(in crate::ledger) struct EvictedTimes(Mutex<HashMap<u64, (u32, EvictedTime)>>);

impl EvictedTimes {
    /// The time of a transaction, which `read` returns where it is not kept. `None`: it is forgotten.
    ///
    /// # Errors
    /// Those of `read`.
    pub(in crate::ledger) fn time_of<Error>(
        &self,
        slot: TransactionSlot,
        forgotten_before: LogOffset,
        read: impl FnOnce() -> Result<Option<EvictedTime>, Error>,
    ) -> Result<Option<Millis>, Error> {
        let kept = self.0.lock().get(&slot.customer).copied().filter(|(known, _)| *known == slot.slot);
        // The record of a kept time may have been deleted; a later record of the transaction may not.
        if let Some((_, kept)) = kept.filter(|(_, kept)| kept.last_record >= forgotten_before) {
            return Ok(Some(kept.at));
        }
        let Some(time) = read()? else { return Ok(None) };
        let mut all = self.0.lock();
        if all.len() >= ENTRIES_MAX && !all.contains_key(&slot.customer) {
            all.clear();
        }
        all.insert(slot.customer, (slot.slot, time));
        Ok(Some(time.at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_transaction_is_read_once_while_its_record_is_kept() {
        let (times, mut reads) = (EvictedTimes::default(), 0);
        let mut time_of = |customer: u64, slot, forgotten_before, found: bool| {
            let read = || {
                reads += 1;
                let time = EvictedTime { at: Millis(7), last_record: LogOffset(customer) };
                Ok::<_, ()>(found.then_some(time))
            };
            let time = times.time_of(TransactionSlot { customer, slot }, LogOffset(forgotten_before), read).unwrap();
            (time, reads)
        };
        assert_eq!(time_of(100, 3, 50, true), (Some(Millis(7)), 1));
        assert_eq!(time_of(100, 3, 50, true), (Some(Millis(7)), 1), "it is kept");
        assert_eq!(time_of(100, 4, 50, true), (Some(Millis(7)), 2), "a later transaction of the customer");
        assert_eq!(time_of(100, 4, 101, false), (None, 3), "its record is deleted");
        for page in 0..3 {
            for customer in 200..10_200 {
                time_of(customer, 0, 50, true);
            }
            assert_eq!(time_of(200, 0, 50, true).1, 3 + 10_000, "page {page}");
        }
        for customer in 0..50_000 {
            time_of(20_000 + customer, 0, 50, true);
        }
        assert!(times.0.lock().len() <= ENTRIES_MAX);
    }
}
