//! Locks and maps: customers in shards, stripes for what has no lock of its own, keys that are digests.

use crate::domain::{customer::Customer, name::Name, rules::Attribute};
use parking_lot::{Mutex, MutexGuard};
use siphasher::sip128::{Hasher128, SipHasher24};
use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
};

/// How many shards and stripes there are: so many that two requests seldom meet, few enough to pre-size.
pub(crate) const SHARDS: usize = 4_096;

/// A hasher for keys that are spread already.
#[derive(Default)]
pub(crate) struct Spread(u64);

impl Hasher for Spread {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    fn write_u128(&mut self, digest: u128) {
        self.0 = u64::try_from(digest >> 64).unwrap_or_default();
    }
    fn write_u64(&mut self, number: u64) {
        // Numbers of one shard share their low bits; the multiplication spreads the high ones over the whole word.
        self.0 = (number >> 12).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
    fn finish(&self) -> u64 {
        self.0
    }
}

pub(crate) type Spreading = BuildHasherDefault<Spread>;
pub(crate) type Shard = HashMap<u64, Customer, Spreading>;

/// All customers, each shard behind its own lock. A customer's lock is the lock of its shard.
pub(crate) struct Customers(Box<[Mutex<Shard>]>);

impl Customers {
    pub(crate) fn new() -> Self {
        Self((0..SHARDS).map(|_| Mutex::default()).collect())
    }

    /// Locks the shard of a customer.
    pub(crate) fn lock(&self, number: u64) -> MutexGuard<'_, Shard> {
        self.0[slot(number)].lock()
    }

    /// Locks the shards of several customers, each once, in ascending order.
    pub(crate) fn lock_all(&self, numbers: &[u64]) -> LockedShards<'_> {
        let mut slots: Vec<usize> = numbers.iter().map(|number| slot(*number)).collect();
        slots.sort_unstable();
        slots.dedup();
        LockedShards(slots.into_iter().map(|slot| (slot, self.0[slot].lock())).collect())
    }

    /// Locks a shard by its place.
    pub(crate) fn shard(&self, place: usize) -> MutexGuard<'_, Shard> {
        self.0[place].lock()
    }
}

/// Several shards, locked.
pub(crate) struct LockedShards<'a>(Vec<(usize, MutexGuard<'a, Shard>)>);

impl LockedShards<'_> {
    pub(crate) fn customer(&mut self, number: u64) -> Option<&mut Customer> {
        let place = self.0.binary_search_by_key(&slot(number), |(slot, _)| *slot).ok()?;
        self.0[place].1.get_mut(&number)
    }
}

/// Numbers of customers go round the shards, so that neighbours do not meet.
pub(crate) fn slot(key: u64) -> usize {
    usize::try_from(key % SHARDS as u64).unwrap_or(0)
}

/// Locks that stand for keys: whoever holds the stripe of a key is alone with it, and with what lies in the stripe.
pub(crate) struct Stripes<T = ()>(Box<[Mutex<T>]>);

impl<T: Default> Stripes<T> {
    pub(crate) fn new() -> Self {
        Self((0..SHARDS).map(|_| Mutex::default()).collect())
    }

    pub(crate) fn lock(&self, key: u64) -> MutexGuard<'_, T> {
        self.0[slot(key)].lock()
    }

    /// Locks the stripes of several keys, each once, in ascending order.
    pub(crate) fn lock_all(&self, keys: impl Iterator<Item = u128>) -> Vec<MutexGuard<'_, T>> {
        let mut slots: Vec<usize> = keys.map(|key| slot(u64::try_from(key >> 64).unwrap_or(0))).collect();
        slots.sort_unstable();
        slots.dedup();
        slots.into_iter().map(|slot| self.0[slot].lock()).collect()
    }
}

/// The key of the digests: a secret of the data folder, drawn when it is made.
#[derive(Clone, Copy)]
pub(crate) struct DigestKey(u64, u64);

impl DigestKey {
    pub(crate) fn new(words: (u64, u64)) -> Self {
        Self(words.0, words.1)
    }

    fn digest(&self, parts: &[&str]) -> u128 {
        let mut hasher = SipHasher24::new_with_keys(self.0, self.1);
        for part in parts {
            hasher.write(part.as_bytes());
            hasher.write_u8(0xff);
        }
        hasher.finish128().as_u128()
    }

    /// Of a transaction's id: 64 bits, because whoever finds one compares the id itself.
    pub(crate) fn transaction(&self, merchant: &str, id: &str) -> u64 {
        let mut hasher = siphasher::sip::SipHasher13::new_with_keys(self.0, self.1);
        hasher.write(merchant.as_bytes());
        hasher.write_u8(0xff);
        hasher.write(id.as_bytes());
        hasher.finish()
    }

    pub(crate) fn identifier(&self, merchant: Name, identifier: &str) -> u128 {
        self.digest(&["i", merchant.as_str(), identifier])
    }

    pub(crate) fn attribute(&self, merchant: Name, attribute: Attribute, normalised: &str) -> u128 {
        self.digest(&["a", merchant.as_str(), attribute.word(), normalised])
    }

    pub(crate) fn instrument(&self, id: &str) -> u128 {
        self.digest(&["p", id])
    }

    /// A customer as sent: which field and what it says.
    pub(crate) fn sent(&self, parts: &[&str]) -> u128 {
        self.digest(parts)
    }
}
