//! Rebuilds the indexes from recovered customers.

use crate::ledger::{
    index::{
        customer_numbers::FIRST_CUSTOMER,
        normal_forms::ChangedForm,
        search_index::{SearchEntry, SearchKeys},
        sharding::{SHARDS, shard_of},
        transaction_index::{IndexedSlot, TransactionSlot},
    },
    state::{ledger::Ledger, shards::Shard},
};
use std::sync::atomic::Ordering;

/// The entries of one partition for the indexes that are filled when all partitions are in the ledger.
pub(super) struct IndexEntries {
    /// The slots of transactions, by the stripe of their ids.
    pub(super) slots: Vec<Vec<IndexedSlot>>,
    pub(super) search_entries: Vec<SearchEntry>,
    /// Texts whose normal form differed in earlier versions.
    pub(super) changed_forms: Vec<ChangedForm>,
}

impl Ledger {
    /// Moves the shards of a partition into the ledger. `transactions` is about the number of their transactions. Indexes
    /// the identities, and returns the entries for the other indexes.
    pub(super) fn restore_shards(
        &self,
        transactions: usize,
        shards: impl Iterator<Item = (usize, Shard)>,
    ) -> IndexEntries {
        let capacity = transactions / SHARDS + transactions / SHARDS / 8;
        let mut slots: Vec<Vec<IndexedSlot>> = (0..SHARDS).map(|_| Vec::with_capacity(capacity)).collect();
        let (mut search_entries, mut changed_forms) = (Vec::new(), Vec::new());
        for (index, shard) in shards {
            let (mut customers, mut transactions, mut evicted) = (0, 0, 0);
            for customer in shard.values() {
                let number = customer.number();
                for (slot, key) in customer.summaries().keys() {
                    slots[shard_of(key)].push(IndexedSlot::new(key, TransactionSlot { customer: number, slot }));
                }
                transactions += customer.summaries().len() as u64;
                evicted += u64::from(customer.summaries().next_slot()) - customer.summaries().len() as u64;
                if number >= FIRST_CUSTOMER {
                    customers += 1;
                    self.identities.insert_all(self.identities.of_stored(customer, &mut changed_forms), number);
                    customer.instruments().iter().for_each(|instrument| self.index_holder(&instrument.id, number));
                    match customer.merged_into() {
                        Some(target) => self.identities.merge_targets.set(number, target),
                        None => {
                            let (merchant, keys) = (customer.merchant, SearchKeys::of(customer));
                            search_entries.push(SearchEntry { merchant, number, keys });
                        }
                    }
                    // The process stopped after the record and before the key was erased.
                    if customer.is_erased() && !self.keys.is_erased(number) {
                        self.search.add_key_due(number);
                    }
                }
            }
            self.customer_count.fetch_add(customers, Ordering::Relaxed);
            self.transaction_count.fetch_add(transactions, Ordering::Relaxed);
            self.evicted_count.fetch_add(evicted, Ordering::Relaxed);
            *self.customers.shard(index) = shard;
        }
        IndexEntries { slots, search_entries, changed_forms }
    }

    /// Fills the stripes `n`, `n + of`, `n + 2 of`, ... with the slots of all partitions. Each stripe is filled at once, so
    /// that its memory stays in the cache.
    pub(super) fn index_slots(&self, partitions: &[Vec<Vec<IndexedSlot>>], n: usize, of: usize) {
        for stripe in (n..SHARDS).step_by(of) {
            let index = &mut self.id_stripes.lock(stripe as u64).index;
            index.reserve(partitions.iter().map(|slots| slots[stripe].len()).sum());
            partitions.iter().flat_map(|slots| &slots[stripe]).for_each(|entry| index.insert_entry(*entry));
        }
    }
}
