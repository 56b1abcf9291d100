//! Records about evicted transactions that the archive does not index yet.

use crate::domain::transaction::log_offset::LogOffset;
use crate::ledger::index::transaction_index::TransactionSlot;
use parking_lot::Mutex;
use smallvec::SmallVec;
use std::collections::BTreeMap;

/// The offsets of the last records about evicted transactions. There are few: only a small share of facts arrives after
/// eviction, and the archive indexes each with the next segment.
#[derive(Default)]
pub(in crate::ledger) struct ArchivedFacts(Mutex<FactMaps>);

/// Invariant: both maps contain the same records.
#[derive(Default)]
struct FactMaps {
    /// By (key, customer, slot).
    by_key: BTreeMap<(u64, u64, u32), LogOffset>,
    /// By (customer, slot, key), for the list of one customer's transactions.
    by_customer: BTreeMap<(u64, u32, u64), LogOffset>,
}

impl ArchivedFacts {
    pub(in crate::ledger) fn insert(&self, key: u64, slot: TransactionSlot, offset: LogOffset) {
        let mut all = self.0.lock();
        all.by_key.insert((key, slot.customer, slot.slot), offset);
        all.by_customer.insert((slot.customer, slot.slot, key), offset);
    }

    pub(in crate::ledger) fn find(&self, key: u64) -> SmallVec<[(TransactionSlot, LogOffset); 1]> {
        let all = self.0.lock();
        let of_key = all.by_key.range((key, 0, 0)..=(key, u64::MAX, u32::MAX));
        of_key
            .map(|((_, customer, slot), offset)| (TransactionSlot { customer: *customer, slot: *slot }, *offset))
            .collect()
    }

    /// Those of a customer in some slots, ascending by slot. It takes a logarithm, and a step for each of them.
    pub(in crate::ledger) fn of_customer(
        &self,
        number: u64,
        slots: std::ops::Range<u32>,
    ) -> SmallVec<[(u32, LogOffset); 1]> {
        if slots.is_empty() {
            return SmallVec::new();
        }
        let all = self.0.lock();
        let of_customer = all.by_customer.range((number, slots.start, 0)..(number, slots.end, 0));
        of_customer.map(|((_, slot, _), offset)| (*slot, *offset)).collect()
    }

    pub(in crate::ledger) fn all(&self) -> Vec<(u64, TransactionSlot, LogOffset)> {
        let all = self.0.lock();
        let entry = |((key, customer, slot), offset): (&(u64, u64, u32), &LogOffset)| {
            (*key, TransactionSlot { customer: *customer, slot: *slot }, *offset)
        };
        all.by_key.iter().map(entry).collect()
    }

    /// Removes the records before an offset: the archive indexes them.
    pub(in crate::ledger) fn remove_before(&self, archived: LogOffset) {
        let mut all = self.0.lock();
        all.by_key.retain(|_, offset| *offset >= archived);
        all.by_customer.retain(|_, offset| *offset >= archived);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_facts_of_a_customer_are_those_in_the_slots() {
        let facts = ArchivedFacts::default();
        for slot in 0..100_u32 {
            for customer in [7, 8] {
                let offset = LogOffset(u64::from(slot) * 10 + customer);
                facts.insert(u64::from(slot % 9), TransactionSlot { customer, slot }, offset);
            }
        }
        let of = |range| facts.of_customer(7, range).into_vec();
        assert_eq!(of(10..12), [(10, LogOffset(107)), (11, LogOffset(117))]);
        assert_eq!(of(5..5), []);
        assert_eq!(of(98..u32::MAX).len(), 2);
        facts.remove_before(LogOffset(987));
        assert_eq!(of(0..100), [(98, LogOffset(987)), (99, LogOffset(997))]);
        assert_eq!(facts.all().len(), 4);
    }
}
