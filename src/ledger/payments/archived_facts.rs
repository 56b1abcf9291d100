//! Facts about transactions that had left memory: where their last records lie until the archive knows them.

use crate::domain::transaction::record::LogOffset;
use crate::ledger::state::index::TransactionSlot;
use parking_lot::Mutex;
use smallvec::SmallVec;
use std::collections::BTreeMap;

/// By (key, seat). Few: a fact comes late for one in thousands, and the archive takes it with the next segment.
#[derive(Default)]
pub(in crate::ledger) struct Late(Mutex<BTreeMap<(u64, u64, u32), LogOffset>>);

impl Late {
    pub(in crate::ledger) fn insert(&self, key: u64, transaction_slot: TransactionSlot, place: LogOffset) {
        self.0.lock().insert((key, transaction_slot.customer, transaction_slot.slot), place);
    }

    pub(in crate::ledger) fn find(&self, key: u64) -> SmallVec<[(TransactionSlot, LogOffset); 1]> {
        let late = self.0.lock();
        let same = late.range((key, 0, 0)..=(key, u64::MAX, u32::MAX));
        same.map(|((_, customer, slot), place)| (TransactionSlot { customer: *customer, slot: *slot }, *place))
            .collect()
    }

    /// Of a customer, by slot.
    pub(in crate::ledger) fn of_customer(&self, number: u64) -> SmallVec<[(u32, LogOffset); 1]> {
        let late = self.0.lock();
        let same = late.iter().filter(|((_, customer, _), _)| *customer == number);
        same.map(|((_, _, slot), place)| (*slot, *place)).collect()
    }

    pub(in crate::ledger) fn all(&self) -> Vec<(u64, TransactionSlot, LogOffset)> {
        let late = self.0.lock();
        let each = late.iter();
        each.map(|((key, customer, slot), place)| (*key, TransactionSlot { customer: *customer, slot: *slot }, *place))
            .collect()
    }

    /// Forgets those whose records the archive knows: all before a place.
    pub(in crate::ledger) fn forget_before(&self, archived: LogOffset) {
        self.0.lock().retain(|_, place| *place >= archived);
    }
}
