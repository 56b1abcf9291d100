//! The index of transaction ids: from the digest of an id to the slot of its transaction.

use crate::ledger::index::{
    customer_numbers::to_u32,
    hash_table::{BlockStorage, Table, TableEntry},
};

/// The location of a transaction in memory: a customer, and a slot in that customer's summaries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct TransactionSlot {
    /// The number of the customer.
    pub(crate) customer: u64,
    pub(crate) slot: u32,
}

/// A transaction in the index, in 8 bytes: 24 bits of the key, the customer, and the lowest 8 bits of the slot.
///
/// The summaries of the customer contain the keys, so a reader finds the slots there. A stripe has thousands of entries at
/// most, so two of its keys seldom agree in 24 bits, and a reader compares the whole key before it reads a record.
#[derive(Clone, Copy)]
pub(crate) struct IndexedSlot(u64);

/// The bits of the key.
const KEY_BITS: u64 = 0xFFFF_FF00_0000_0000;
const CUSTOMER_SHIFT: u32 = 8;

impl IndexedSlot {
    pub(crate) fn new(key: u64, slot: TransactionSlot) -> Self {
        let [low_bits, ..] = slot.slot.to_le_bytes();
        Self(key & KEY_BITS | u64::from(to_u32(slot.customer)) << CUSTOMER_SHIFT | u64::from(low_bits))
    }

    /// The number of the customer.
    pub(crate) fn customer(self) -> u64 {
        (self.0 & !KEY_BITS) >> CUSTOMER_SHIFT
    }

    /// The lowest 8 bits of the slot.
    pub(crate) fn slot_bits(self) -> u8 {
        self.0.to_le_bytes()[0]
    }
}

impl TableEntry for IndexedSlot {
    // No customer reaches the last number.
    const EMPTY: Self = Self(u64::MAX);
    // Every new payment looks up one entry and adds one: both must be fast, and every transaction has an entry.
    const ONE_EMPTY_IN: usize = 6;
    const GROWTH_DIVISOR: usize = 4;
    type Storage = BlockStorage<Self, 128>;

    fn is_empty(&self) -> bool {
        self.0 == u64::MAX
    }

    fn hash(&self) -> u64 {
        self.0 & KEY_BITS
    }
}

/// The index of the transaction ids of one stripe. Two ids may have the same key: a caller compares the id itself.
#[derive(Default)]
pub(crate) struct TransactionIndex(Table<IndexedSlot>);

impl TransactionIndex {
    /// The entries that may be those of a key: the caller compares the keys of the transactions.
    pub(crate) fn find(&self, key: u64) -> impl Iterator<Item = IndexedSlot> {
        self.0.candidates(key & KEY_BITS).filter(move |entry| entry.hash() == key & KEY_BITS).copied()
    }

    /// See [`Table::heap_bytes`].
    pub(crate) fn heap_bytes(&self) -> usize {
        self.0.heap_bytes()
    }

    /// See [`Table::prefetch`].
    pub(crate) fn prefetch(&self, key: u64) {
        self.0.prefetch(key & KEY_BITS);
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

    /// Removes the entry of a transaction. An equal entry of another transaction does as well.
    pub(crate) fn remove(&mut self, key: u64, slot: TransactionSlot) {
        let removed = IndexedSlot::new(key, slot);
        self.0.remove(removed.hash(), |entry| entry.0 == removed.0);
    }
}
