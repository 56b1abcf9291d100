//! The identities of one shard: from digests to customers.

use crate::ledger::index::{
    hash_table::{BlockStorage, Table, TableEntry},
    number_set::NumberSet,
};
use std::collections::{BTreeMap, btree_map::Entry};

/// The identities of one shard.
#[derive(Default)]
pub(super) struct IdentityShard {
    /// The oldest customer of each digest.
    pub(super) oldest: Table<IdentityEntry>,
    /// The other customers of digests that several customers share.
    pub(super) others: BTreeMap<u128, NumberSet>,
}

impl IdentityShard {
    pub(super) fn insert(&mut self, digest: u128, number: u32) {
        match self.oldest.get_mut(high_half(digest), |entry| entry.has_digest(digest)) {
            Some(entry) if entry.number == number => {}
            Some(entry) => {
                let younger = entry.number.max(number);
                entry.number = entry.number.min(number);
                match self.others.entry(digest) {
                    Entry::Occupied(mut others) => others.get_mut().insert(younger),
                    Entry::Vacant(none) => _ = none.insert(NumberSet::One(younger)),
                }
            }
            None => self.oldest.insert(IdentityEntry::new(digest, number)),
        }
    }

    pub(super) fn remove(&mut self, digest: u128, number: u32) {
        let high = high_half(digest);
        if self.others.get(&digest).is_some_and(|others| others.contains(number)) {
            self.remove_other(digest, number);
            return;
        }
        let next = self.others_from(digest, 0).next();
        if let Some(entry) = self.oldest.get_mut(high, |entry| entry.has_digest(digest) && entry.number == number) {
            match next {
                Some(next) => {
                    entry.number = next;
                    self.remove_other(digest, next);
                }
                None => self.oldest.remove(high, |entry| entry.has_digest(digest)),
            }
        }
    }

    fn remove_other(&mut self, digest: u128, number: u32) {
        if let Entry::Occupied(mut others) = self.others.entry(digest)
            && !others.get_mut().remove(number)
        {
            others.remove();
        }
    }

    pub(super) fn others_from(&self, digest: u128, first: u32) -> impl Iterator<Item = u32> {
        self.others.get(&digest).into_iter().flat_map(move |others| others.starting_at(first))
    }

    /// All customers of a digest from a number on, the oldest first.
    pub(super) fn all_from(&self, digest: u128, first: u32) -> impl Iterator<Item = u64> {
        let mut entries = self.oldest.candidates(high_half(digest));
        let oldest = entries.find(|entry| entry.has_digest(digest)).map(|entry| entry.number);
        let oldest = oldest.into_iter().filter(move |number| *number >= first);
        oldest.chain(self.others_from(digest, first)).map(u64::from)
    }
}

/// The first 96 bits of a digest and the oldest customer that has it. 96 bits identify an identity: among 10^9 digests
/// two agree in them with a probability of 10^-11, and without the key a caller cannot construct two.
#[derive(Clone, Copy)]
pub(super) struct IdentityEntry {
    high: u64,
    low: u32,
    pub(super) number: u32,
}

impl IdentityEntry {
    fn new(digest: u128, number: u32) -> Self {
        let low = u32::try_from(digest >> 32 & u128::from(u32::MAX)).unwrap_or_default();
        Self { high: high_half(digest), low, number }
    }

    pub(super) fn has_digest(&self, digest: u128) -> bool {
        let other = Self::new(digest, self.number);
        (self.high, self.low) == (other.high, other.low)
    }
}

impl TableEntry for IdentityEntry {
    // The first customer has a larger number.
    const EMPTY: Self = Self { high: 0, low: 0, number: 0 };
    // Every customer has entries permanently, and customers are rarely created: the table is kept small.
    const ONE_EMPTY_IN: usize = 8;
    const GROWTH_DIVISOR: usize = 8;
    type Storage = BlockStorage<Self, 64>;

    fn is_empty(&self) -> bool {
        self.number == 0
    }

    fn hash(&self) -> u64 {
        self.high
    }
}

/// The half of a digest that selects its shard and its slot in the table.
pub(super) fn high_half(digest: u128) -> u64 {
    u64::try_from(digest >> 64).unwrap_or_default()
}
