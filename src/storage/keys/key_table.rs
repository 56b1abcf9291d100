//! Keys in memory, found by their customers. Millions of customers have one each, so that a key takes what it must.

use crate::storage::keys::entry::Entry;
use siphasher::sip::SipHasher24;
use std::{collections::BTreeMap, mem::size_of};

/// The key of an erased one; no key is random and that.
const ERASED: [u8; 32] = [0; 32];

/// The number that a key gets: SipHash-2-4 of its last half, keyed with its first. So it takes no memory beside the key,
/// and tells nothing of it. A file may hold keys with other numbers.
pub(super) fn number_of(key: &[u8; 32]) -> u64 {
    let mut first = [0; 16];
    first.copy_from_slice(&key[..16]);
    SipHasher24::new_with_key(&first).hash(&key[16..])
}

/// A key, as it is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Known {
    /// Names it in what it has sealed.
    pub(super) number: u64,
    /// Its entry in the file; a customer's newest key has the highest.
    pub(super) slot: u32,
    /// `None`: it is erased.
    pub(super) key: Option<[u8; 32]>,
}

/// A key in memory, of a customer whose number a `C` holds.
#[derive(Clone, Copy)]
struct Held<C> {
    customer: C,
    slot: u32,
    key: [u8; 32],
}

const _: () = assert!(size_of::<Held<u32>>() == 40, "what a customer's key takes");

/// Keys by customer and then by slot. Customers get their keys about in the order of their numbers, so that nearly every
/// key goes behind all others, and nothing but the keys themselves takes memory.
struct Sorted<C>(Vec<Held<C>>);

impl<C> Default for Sorted<C> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<C: Copy + Ord> Sorted<C> {
    fn place_of(&self, customer: C) -> std::ops::Range<usize> {
        let from = self.0.partition_point(|held| held.customer < customer);
        let count = self.0[from..].iter().take_while(|held| held.customer == customer).count();
        from..from + count
    }

    fn of(&self, customer: C) -> &[Held<C>] {
        &self.0[self.place_of(customer)]
    }

    fn of_mut(&mut self, customer: C) -> &mut [Held<C>] {
        let place = self.place_of(customer);
        &mut self.0[place]
    }

    fn add(&mut self, held: Held<C>) {
        let order = |held: &Held<C>| (held.customer, held.slot);
        let place = match self.0.last() {
            Some(last) if order(last) > order(&held) => self.0.partition_point(|known| order(known) < order(&held)),
            _ => self.0.len(),
        };
        self.make_room();
        self.0.insert(place, held);
    }

    fn add_unsorted(&mut self, held: Held<C>) {
        self.make_room();
        self.0.push(held);
    }

    fn sort(&mut self) {
        self.0.sort_unstable_by_key(|held| (held.customer, held.slot));
    }

    /// Grows by an eighth or a little more, where doubling would leave a third of the memory empty; to nearly a multiple of
    /// 2 KiB, in which the allocator gives memory.
    fn make_room(&mut self) {
        let len = self.0.len();
        if len == self.0.capacity() {
            let (room, block) = (len + len / 8 + 4, 2048 / size_of::<Held<C>>());
            let room = if room < block { room } else { room.next_multiple_of(block) };
            self.0.reserve_exact(room - len);
        }
    }
}

/// The keys of one shard.
#[derive(Default)]
pub(super) struct Ring {
    customers: Sorted<u32>,
    /// Of what bears a larger number than customers do.
    others: Sorted<u64>,
    /// The numbers that do not follow from the keys, by slot: of those that are erased, and of those made otherwise.
    numbers: BTreeMap<u32, u64>,
}

impl Ring {
    /// All keys of a customer, the oldest first.
    pub(super) fn of(&self, customer: u64) -> impl DoubleEndedIterator<Item = Known> {
        let (customers, others) = match u32::try_from(customer) {
            Ok(customer) => (self.customers.of(customer), &[][..]),
            Err(_) => (&[][..], self.others.of(customer)),
        };
        let known = |slot, key: &[u8; 32]| Known {
            number: self.numbers.get(&slot).copied().unwrap_or_else(|| number_of(key)),
            slot,
            key: (*key != ERASED).then_some(*key),
        };
        let others = others.iter().map(move |held| known(held.slot, &held.key));
        customers.iter().map(move |held| known(held.slot, &held.key)).chain(others)
    }

    /// The live keys of a customer, the oldest first.
    pub(super) fn live(&self, customer: u64) -> impl DoubleEndedIterator<Item = (u64, [u8; 32])> {
        self.of(customer).filter_map(|known| Some((known.number, known.key?)))
    }

    /// How many keys there are, live and erased.
    pub(super) fn counts(&self) -> (usize, usize) {
        let all = self.customers.0.iter().map(|held| &held.key).chain(self.others.0.iter().map(|held| &held.key));
        all.fold((0, 0), |(live, erased), key| if *key == ERASED { (live, erased + 1) } else { (live + 1, erased) })
    }

    /// Erases all keys of a customer here; returns what is to stand of them in the file.
    pub(super) fn erase(&mut self, customer: u64) -> Vec<(u32, Entry)> {
        let known: Vec<Known> = self.of(customer).collect();
        self.numbers.extend(known.iter().map(|known| (known.slot, known.number)));
        match u32::try_from(customer) {
            Ok(customer) => self.customers.of_mut(customer).iter_mut().for_each(|held| held.key = ERASED),
            Err(_) => self.others.of_mut(customer).iter_mut().for_each(|held| held.key = ERASED),
        }
        known.into_iter().map(|known| (known.slot, Entry { number: known.number, customer, key: None })).collect()
    }

    pub(super) fn add(&mut self, slot: u32, entry: &Entry) {
        let key = self.note(slot, entry);
        match u32::try_from(entry.customer) {
            Ok(customer) => self.customers.add(Held { customer, slot, key }),
            Err(_) => self.others.add(Held { customer: entry.customer, slot, key }),
        }
    }

    /// Adds one where many come, each wherever it belongs; [`Ring::sort`] puts them in order.
    pub(super) fn add_unsorted(&mut self, slot: u32, entry: &Entry) {
        let key = self.note(slot, entry);
        match u32::try_from(entry.customer) {
            Ok(customer) => self.customers.add_unsorted(Held { customer, slot, key }),
            Err(_) => self.others.add_unsorted(Held { customer: entry.customer, slot, key }),
        }
    }

    pub(super) fn sort(&mut self) {
        self.customers.sort();
        self.others.sort();
    }

    /// The key as it is held; its number is kept where it does not follow from that.
    fn note(&mut self, slot: u32, entry: &Entry) -> [u8; 32] {
        let follows = entry.key.is_some_and(|key| number_of(&key) == entry.number);
        if !follows {
            self.numbers.insert(slot, entry.number);
        }
        entry.key.unwrap_or(ERASED)
    }
}
