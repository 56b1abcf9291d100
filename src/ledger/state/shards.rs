//! Locks and maps: customers in shards, stripes for what has no lock of its own, keys that are digests.

use crate::domain::{customer::aggregate::Customer, rules::configuration::Attribute, vocabulary::names::Name};
use crate::ledger::{FIRST_CUSTOMER, LAST_CUSTOMER};
use parking_lot::{Mutex, MutexGuard};
use siphasher::{
    sip::SipHasher13,
    sip128::{Hasher128, SipHasher24},
};
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

/// The customers of one shard. Numbers are given out one after another, so a number says where its customer lies and no
/// key is compared on the way.
#[derive(Default)]
pub(crate) struct Shard {
    places: Vec<Option<Customer>>,
    /// Numbers that no customer gets: those of nobody.
    others: HashMap<u64, Customer, Spreading>,
}

/// The place of a number in its shard; `None`: it is one of nobody.
fn place_of(number: u64) -> Option<usize> {
    let numbers = FIRST_CUSTOMER..=LAST_CUSTOMER;
    let place = numbers.contains(&number).then(|| (number - FIRST_CUSTOMER) / SHARDS as u64)?;
    usize::try_from(place).ok()
}

impl Shard {
    pub(crate) fn get(&self, number: &u64) -> Option<&Customer> {
        match place_of(*number) {
            Some(place) => self.places.get(place)?.as_ref(),
            None => self.others.get(number),
        }
    }

    pub(crate) fn get_mut(&mut self, number: &u64) -> Option<&mut Customer> {
        match place_of(*number) {
            Some(place) => self.places.get_mut(place)?.as_mut(),
            None => self.others.get_mut(number),
        }
    }

    /// The customers of these ascending numbers that are here, at once.
    fn several(&mut self, numbers: &[u64]) -> Vec<&mut Customer> {
        let (mut found, mut places, mut behind) = (Vec::new(), self.places.iter_mut(), 0);
        for place in numbers.iter().filter_map(|number| place_of(*number)) {
            found.extend(places.nth(place - behind).and_then(Option::as_mut));
            behind = place + 1;
        }
        let others = self.others.iter_mut().filter(|(number, _)| numbers.contains(number));
        found.extend(others.map(|(_, customer)| customer));
        found
    }

    pub(crate) fn insert(&mut self, number: u64, customer: Customer) {
        match place_of(number) {
            Some(place) => {
                if self.places.len() <= place {
                    // By an eighth and not by doubling: a third of the memory would be empty.
                    if self.places.capacity() <= place {
                        self.places.reserve_exact(place + 1 + place / 8 - self.places.len());
                    }
                    self.places.resize_with(place + 1, || None);
                }
                self.places[place] = Some(customer);
            }
            None => _ = self.others.insert(number, customer),
        }
    }

    /// Whoever a number of nobody stands for, made where there is none.
    pub(crate) fn nobody(&mut self, number: u64, made: impl FnOnce() -> Customer) -> &mut Customer {
        self.others.entry(number).or_insert_with(made)
    }

    /// Makes the customer of a number where there is none.
    pub(crate) fn make(&mut self, number: u64, made: impl FnOnce() -> Customer) {
        if self.get(&number).is_none() {
            self.insert(number, made());
        }
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = &Customer> {
        self.places.iter().flatten().chain(self.others.values())
    }

    pub(crate) fn values_mut(&mut self) -> impl Iterator<Item = &mut Customer> {
        self.places.iter_mut().flatten().chain(self.others.values_mut())
    }

    pub(crate) fn numbers(&self) -> Vec<u64> {
        self.values().map(|customer| customer.number()).collect()
    }
}

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
    /// Puts a customer into a shard that is locked.
    pub(crate) fn insert(&mut self, number: u64, customer: Customer) {
        if let Ok(place) = self.0.binary_search_by_key(&slot(number), |(slot, _)| *slot) {
            self.0[place].1.insert(number, customer);
        }
    }

    pub(crate) fn get(&self, number: u64) -> Option<&Customer> {
        let place = self.0.binary_search_by_key(&slot(number), |(slot, _)| *slot).ok()?;
        self.0[place].1.get(&number)
    }

    /// Customers of these numbers at once, each once; not in the order of the numbers.
    pub(crate) fn several(&mut self, numbers: &[u64]) -> Vec<&mut Customer> {
        let mut numbers: Vec<u64> = numbers.to_vec();
        numbers.sort_unstable();
        numbers.dedup();
        let of_shard = |(place, shard)| {
            let here: Vec<u64> = numbers.iter().copied().filter(|number| slot(*number) == place).collect();
            Shard::several(shard, &here)
        };
        self.0.iter_mut().map(|(place, shard)| (*place, &mut **shard)).flat_map(of_shard).collect()
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

    /// Does something to what lies in each stripe, one after another.
    pub(crate) fn each(&self, visit: impl Fn(&mut T)) {
        self.0.iter().for_each(|stripe| visit(&mut stripe.lock()));
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

/// A digest on its way.
pub struct Digester(SipHasher24);

impl crate::ledger::Ledger {
    /// Digests what comes in pieces, with the secret of the folder.
    #[must_use]
    pub fn digester(&self) -> Digester {
        Digester(self.key.hasher())
    }
}

impl Digester {
    /// Takes the next piece; where pieces end makes no difference.
    pub fn take(&mut self, piece: &[u8]) {
        self.0.write(piece);
    }

    /// Of all pieces.
    #[must_use]
    pub fn digest(&self) -> u128 {
        self.0.finish128().as_u128()
    }
}

impl DigestKey {
    pub(crate) fn new(words: (u64, u64)) -> Self {
        Self(words.0, words.1)
    }

    /// Of what comes in pieces.
    pub(crate) fn hasher(&self) -> SipHasher24 {
        SipHasher24::new_with_keys(self.0, self.1)
    }

    fn digest(&self, parts: &[&str]) -> u128 {
        let hasher = self.hasher();
        if let Some(text) = joined(parts, &mut [0; JOINED_MAX]) {
            return hasher.hash(text).as_u128();
        }
        let mut hasher = hasher;
        for part in parts {
            hasher.write(part.as_bytes());
            hasher.write_u8(0xff);
        }
        hasher.finish128().as_u128()
    }

    /// Of a transaction's id: 64 bits, because whoever finds one compares the id itself.
    pub(crate) fn transaction(&self, merchant: &str, id: &str) -> u64 {
        let hasher = SipHasher13::new_with_keys(self.0, self.1);
        if let Some([text @ .., _]) = joined(&[merchant, id], &mut [0; JOINED_MAX]) {
            return hasher.hash(text);
        }
        let mut hasher = hasher;
        hasher.write(merchant.as_bytes());
        hasher.write_u8(0xff);
        hasher.write(id.as_bytes());
        hasher.finish()
    }

    pub(crate) fn attribute(&self, merchant: Name, attribute: Attribute, normalised: &str) -> u128 {
        self.digest(&["a", merchant.as_str(), attribute.word(), normalised])
    }

    pub(crate) fn instrument(&self, id: &str) -> u128 {
        self.digest(&["p", id.trim()])
    }

    /// A customer as sent: which field and what it says.
    pub(crate) fn sent(&self, parts: &[&str]) -> u128 {
        self.digest(parts)
    }
}

/// The most bytes that are digested in one piece.
const JOINED_MAX: usize = 192;

/// Texts as one, each with a byte behind it that no text holds; `None` where they are too long. A digest of one piece
/// costs half of one of several.
#[inline]
fn joined<'t>(parts: &[&str], text: &'t mut [u8; JOINED_MAX]) -> Option<&'t [u8]> {
    let mut len = 0;
    for part in parts {
        let behind = len + part.len();
        text.get_mut(len..behind)?.copy_from_slice(part.as_bytes());
        *text.get_mut(behind)? = 0xff;
        len = behind + 1;
    }
    text.get(..len)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_the_same_in_one_piece_and_in_several() {
        let key = DigestKey::new((7, 9));
        for len in [0, 1, 7, 8, 9, 100, 180, 181, 182, 183, 184, 185, 186, 200, 300] {
            let text = "x".repeat(len);
            let (mut wide, mut narrow) = (SipHasher24::new_with_keys(7, 9), SipHasher13::new_with_keys(7, 9));
            for part in ["merchant", &text] {
                wide.write(part.as_bytes());
                wide.write_u8(0xff);
            }
            narrow.write(b"merchant");
            narrow.write_u8(0xff);
            narrow.write(text.as_bytes());
            assert_eq!(key.sent(&["merchant", &text]), wide.finish128().as_u128(), "{len}");
            assert_eq!(key.transaction("merchant", &text), narrow.finish(), "{len}");
        }
    }
}
