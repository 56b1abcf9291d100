//! Records about evicted transactions that the archive does not index yet.

use crate::domain::transaction::log_offset::LogOffset;
use crate::ledger::index::transaction_index::TransactionSlot;
use parking_lot::Mutex;
use smallvec::SmallVec;
use std::collections::BTreeMap;

/// The offsets of the last records about evicted transactions, by (key, customer, slot). There are few: only a small
/// share of facts arrives after eviction, and the archive indexes each with the next segment.
#[derive(Default)]
pub(in crate::ledger) struct ArchivedFacts(Mutex<BTreeMap<(u64, u64, u32), LogOffset>>);

impl ArchivedFacts {
    pub(in crate::ledger) fn insert(&self, key: u64, slot: TransactionSlot, offset: LogOffset) {
        self.0.lock().insert((key, slot.customer, slot.slot), offset);
    }

    pub(in crate::ledger) fn find(&self, key: u64) -> SmallVec<[(TransactionSlot, LogOffset); 1]> {
        let all = self.0.lock();
        let of_key = all.range((key, 0, 0)..=(key, u64::MAX, u32::MAX));
        of_key
            .map(|((_, customer, slot), offset)| (TransactionSlot { customer: *customer, slot: *slot }, *offset))
            .collect()
    }

    /// Those of a customer, by slot.
    pub(in crate::ledger) fn of_customer(&self, number: u64) -> SmallVec<[(u32, LogOffset); 1]> {
        let all = self.0.lock();
        let of_customer = all.iter().filter(|((_, customer, _), _)| *customer == number);
        of_customer.map(|((_, _, slot), offset)| (*slot, *offset)).collect()
    }

    pub(in crate::ledger) fn all(&self) -> Vec<(u64, TransactionSlot, LogOffset)> {
        let all = self.0.lock();
        let entry = |((key, customer, slot), offset): (&(u64, u64, u32), &LogOffset)| {
            (*key, TransactionSlot { customer: *customer, slot: *slot }, *offset)
        };
        all.iter().map(entry).collect()
    }

    /// Removes the records before an offset: the archive indexes them.
    pub(in crate::ledger) fn remove_before(&self, archived: LogOffset) {
        self.0.lock().retain(|_, offset| *offset >= archived);
    }
}
