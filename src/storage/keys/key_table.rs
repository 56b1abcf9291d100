//! Keys in memory, by customer. Millions of customers have one key each, so a key takes as few bytes as possible.

use crate::storage::keys::entry::KeyEntry;
use siphasher::sip::SipHasher24;
use std::{collections::BTreeMap, mem::size_of};

/// The mark of an erased key. No random key has this value.
const ERASED: [u8; 32] = [0; 32];

/// The number of a new key: SipHash-2-4 of its last half, keyed with its first half. The number takes no memory and reveals nothing about the key. A file may contain keys with other numbers.
pub(super) fn number_of(key: &[u8; 32]) -> u64 {
    let mut first = [0; 16];
    first.copy_from_slice(&key[..16]);
    SipHasher24::new_with_key(&first).hash(&key[16..])
}

/// A key that was looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct StoredKey {
    /// Its number in sealed bytes.
    pub(super) number: u64,
    /// The slot of its entry in the file. The newest key of a customer has the highest slot.
    pub(super) slot: u32,
    /// `None`: the key is erased.
    pub(super) key: Option<[u8; 32]>,
}

/// A key in memory, with the customer's number as a `C`.
#[derive(Clone, Copy)]
struct KeyRecord<C> {
    customer: C,
    slot: u32,
    key: [u8; 32],
}

const _: () = assert!(size_of::<KeyRecord<u32>>() == 40, "the bytes of a customer's key");

/// Keys, sorted by customer and slot. Customers get their keys about in the order of their numbers, so nearly every key is
/// appended at the end. Only the keys themselves take memory.
struct SortedKeys<C>(Vec<KeyRecord<C>>);

impl<C> Default for SortedKeys<C> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<C: Copy + Ord> SortedKeys<C> {
    fn range_of(&self, customer: C) -> std::ops::Range<usize> {
        let from = self.0.partition_point(|record| record.customer < customer);
        let count = self.0[from..].iter().take_while(|record| record.customer == customer).count();
        from..from + count
    }

    fn of(&self, customer: C) -> &[KeyRecord<C>] {
        &self.0[self.range_of(customer)]
    }

    fn of_mut(&mut self, customer: C) -> &mut [KeyRecord<C>] {
        let range = self.range_of(customer);
        &mut self.0[range]
    }

    fn add(&mut self, record: KeyRecord<C>) {
        let order = |record: &KeyRecord<C>| (record.customer, record.slot);
        let index = match self.0.last() {
            Some(last) if order(last) > order(&record) => self.0.partition_point(|other| order(other) < order(&record)),
            _ => self.0.len(),
        };
        self.reserve_one();
        self.0.insert(index, record);
    }

    fn add_unsorted(&mut self, record: KeyRecord<C>) {
        self.reserve_one();
        self.0.push(record);
    }

    fn sort(&mut self) {
        self.0.sort_unstable_by_key(|record| (record.customer, record.slot));
    }

    /// Makes room for one key. Grows by about an eighth, since doubling would leave a third of the memory empty, and to about
    /// a multiple of 2 KiB, the unit of the allocator.
    fn reserve_one(&mut self) {
        let len = self.0.len();
        if len == self.0.capacity() {
            let (room, block) = (len + len / 8 + 4, 2048 / size_of::<KeyRecord<C>>());
            let room = if room < block { room } else { room.next_multiple_of(block) };
            self.0.reserve_exact(room - len);
        }
    }
}

/// The keys of one shard.
#[derive(Default)]
pub(super) struct KeyTable {
    customers: SortedKeys<u32>,
    /// Keys of owners whose number is larger than that of any customer, such as jobs.
    others: SortedKeys<u64>,
    /// The numbers that differ from [`number_of`], by slot: those of erased keys, and of keys with another numbering.
    numbers: BTreeMap<u32, u64>,
}

impl KeyTable {
    /// All keys of a customer, the oldest first.
    pub(super) fn keys_of(&self, customer: u64) -> impl DoubleEndedIterator<Item = StoredKey> {
        let (customers, others) = match u32::try_from(customer) {
            Ok(customer) => (self.customers.of(customer), &[][..]),
            Err(_) => (&[][..], self.others.of(customer)),
        };
        let stored_key = |slot, key: &[u8; 32]| StoredKey {
            number: self.numbers.get(&slot).copied().unwrap_or_else(|| number_of(key)),
            slot,
            key: (*key != ERASED).then_some(*key),
        };
        let others = others.iter().map(move |record| stored_key(record.slot, &record.key));
        customers.iter().map(move |record| stored_key(record.slot, &record.key)).chain(others)
    }

    /// The live keys of a customer, the oldest first.
    pub(super) fn live_keys_of(&self, customer: u64) -> impl DoubleEndedIterator<Item = (u64, [u8; 32])> {
        self.keys_of(customer).filter_map(|key| Some((key.number, key.key?)))
    }

    /// How many live and erased keys there are.
    pub(super) fn counts(&self) -> (usize, usize) {
        let all =
            self.customers.0.iter().map(|record| &record.key).chain(self.others.0.iter().map(|record| &record.key));
        all.fold((0, 0), |(live, erased), key| if *key == ERASED { (live, erased + 1) } else { (live + 1, erased) })
    }

    /// Erases all keys of a customer in memory. Returns the entries that the file must contain for them.
    pub(super) fn erase(&mut self, customer: u64) -> Vec<(u32, KeyEntry)> {
        let keys: Vec<StoredKey> = self.keys_of(customer).collect();
        self.numbers.extend(keys.iter().map(|key| (key.slot, key.number)));
        match u32::try_from(customer) {
            Ok(customer) => self.customers.of_mut(customer).iter_mut().for_each(|record| record.key = ERASED),
            Err(_) => self.others.of_mut(customer).iter_mut().for_each(|record| record.key = ERASED),
        }
        keys.into_iter().map(|key| (key.slot, KeyEntry { number: key.number, customer, key: None })).collect()
    }

    /// Erases one key of a customer in memory. Returns the entry that the file must contain for it; `None`: there is no live
    /// key with this number.
    pub(super) fn erase_key(&mut self, customer: u64, number: u64) -> Option<(u32, KeyEntry)> {
        let slot = self.keys_of(customer).find(|key| key.number == number && key.key.is_some())?.slot;
        self.numbers.insert(slot, number);
        match u32::try_from(customer) {
            Ok(customer) => {
                let keys = self.customers.of_mut(customer).iter_mut();
                keys.filter(|record| record.slot == slot).for_each(|record| record.key = ERASED);
            }
            Err(_) => {
                let keys = self.others.of_mut(customer).iter_mut();
                keys.filter(|record| record.slot == slot).for_each(|record| record.key = ERASED);
            }
        }
        Some((slot, KeyEntry { number, customer, key: None }))
    }

    /// All keys with their slots, in no order.
    pub(super) fn entries(&self) -> impl Iterator<Item = (u32, KeyEntry)> {
        let customers = self.customers.0.iter().map(|record| (record.slot, u64::from(record.customer), record.key));
        let others = self.others.0.iter().map(|record| (record.slot, record.customer, record.key));
        customers.chain(others).map(|(slot, customer, key)| {
            let number = self.numbers.get(&slot).copied().unwrap_or_else(|| number_of(&key));
            (slot, KeyEntry { number, customer, key: (key != ERASED).then_some(key) })
        })
    }

    pub(super) fn add(&mut self, slot: u32, entry: &KeyEntry) {
        let key = self.record_number(slot, entry);
        match u32::try_from(entry.customer) {
            Ok(customer) => self.customers.add(KeyRecord { customer, slot, key }),
            Err(_) => self.others.add(KeyRecord { customer: entry.customer, slot, key }),
        }
    }

    /// Appends a key without sorting. After the last one the caller must call [`KeyTable::sort`].
    pub(super) fn add_unsorted(&mut self, slot: u32, entry: &KeyEntry) {
        let key = self.record_number(slot, entry);
        match u32::try_from(entry.customer) {
            Ok(customer) => self.customers.add_unsorted(KeyRecord { customer, slot, key }),
            Err(_) => self.others.add_unsorted(KeyRecord { customer: entry.customer, slot, key }),
        }
    }

    pub(super) fn sort(&mut self) {
        self.customers.sort();
        self.others.sort();
    }

    /// Returns the key as it is stored, and stores its number if [`number_of`] does not give it.
    fn record_number(&mut self, slot: u32, entry: &KeyEntry) -> [u8; 32] {
        let is_derived = entry.key.is_some_and(|key| number_of(&key) == entry.number);
        if !is_derived {
            self.numbers.insert(slot, entry.number);
        }
        entry.key.unwrap_or(ERASED)
    }
}
