//! The index of transaction ids: from the digest of an id to the slot of its transaction.

use crate::ledger::index::{
    customer_numbers::to_u32,
    hash_table::{Table, TableEntry},
};

/// The location of a transaction in memory: a customer, and a slot in that customer's summaries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct TransactionSlot {
    /// The number of the customer.
    pub(crate) customer: u64,
    pub(crate) slot: u32,
}

/// The key of a transaction and its slot, in 16 bytes.
#[derive(Clone, Copy)]
pub(crate) struct IndexedSlot {
    key: u64,
    customer: u32,
    slot: u32,
}

impl IndexedSlot {
    pub(crate) fn new(key: u64, slot: TransactionSlot) -> Self {
        Self { key, customer: to_u32(slot.customer), slot: slot.slot }
    }

    fn transaction_slot(&self) -> TransactionSlot {
        TransactionSlot { customer: u64::from(self.customer), slot: self.slot }
    }
}

impl TableEntry for IndexedSlot {
    // Slots are counted from 0, and no customer reaches the last number.
    const EMPTY: Self = Self { key: 0, customer: 0, slot: u32::MAX };
    // Every new payment looks up one entry and adds one: both must be fast.
    const ONE_EMPTY_IN: usize = 4;
    const GROWTH_DIVISOR: usize = 1;
    type Storage = Box<[Self]>;

    fn is_empty(&self) -> bool {
        self.slot == u32::MAX
    }

    fn hash(&self) -> u64 {
        self.key
    }
}

/// The index of the transaction ids of one stripe. Two ids may have the same key: a caller compares the id itself.
#[derive(Default)]
pub(crate) struct TransactionIndex(Table<IndexedSlot>);

impl TransactionIndex {
    pub(crate) fn find(&self, key: u64) -> impl Iterator<Item = TransactionSlot> {
        self.0.candidates(key).filter(move |entry| entry.key == key).map(IndexedSlot::transaction_slot)
    }

    /// See [`Table::prefetch`].
    pub(crate) fn prefetch(&self, key: u64) {
        self.0.prefetch(key);
    }

    /// See [`Table::reserve`].
    pub(crate) fn reserve(&mut self, count: usize) {
        self.0.reserve(count);
    }

    pub(crate) fn insert(&mut self, key: u64, slot: TransactionSlot) {
        self.insert_entry(IndexedSlot::new(key, slot));
    }

    pub(crate) fn insert_entry(&mut self, entry: IndexedSlot) {
        self.0.insert(entry);
    }

    pub(crate) fn remove(&mut self, key: u64, slot: TransactionSlot) {
        self.0.remove(key, |entry| entry.key == key && entry.transaction_slot() == slot);
    }
}
