//! Keys in memory, found by their customers.

use super::entry::Entry;
use std::mem::size_of;

/// The key of an erased one; no key is random and that.
const ERASED: [u8; 32] = [0; 32];

/// So many keys are nearly 2 KiB, and the allocator gives memory in multiples of that.
const BLOCK: usize = 39;

/// A key in memory. Packed, because millions of customers have one each.
#[derive(Clone, Copy)]
#[repr(C, packed(4))]
pub(super) struct Held {
    customer: u64,
    number: u64,
    key: [u8; 32],
    slot: u32,
}

const _: () = assert!(size_of::<Held>() == 52, "what a key takes");

impl Held {
    pub(super) fn new(slot: u32, entry: &Entry) -> Self {
        Self { customer: entry.customer, number: entry.number, key: entry.key.unwrap_or(ERASED), slot }
    }

    /// Its number.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// Its entry in the file; a customer's newest key has the highest.
    pub(super) fn slot(&self) -> u32 {
        self.slot
    }

    /// The key; `None`: it is erased.
    pub(super) fn key(&self) -> Option<[u8; 32]> {
        (self.key != ERASED).then_some(self.key)
    }

    pub(super) fn erase(&mut self) {
        self.key = ERASED;
    }

    fn order(&self) -> (u64, u32) {
        (self.customer, self.slot)
    }
}

/// The keys of one shard, by customer and then by slot. Customers get their keys about in the order of their numbers, so
/// that nearly every key goes behind all others, and nothing but the keys themselves takes memory.
#[derive(Default)]
pub(super) struct Ring(Vec<Held>);

impl Ring {
    /// All keys of a customer, the oldest first.
    pub(super) fn of(&self, customer: u64) -> &[Held] {
        let from = self.0.partition_point(|held| held.customer < customer);
        let behind = &self.0[from..];
        &behind[..behind.iter().take_while(|held| held.customer == customer).count()]
    }

    /// [`Ring::of`], to be changed.
    pub(super) fn of_mut(&mut self, customer: u64) -> impl Iterator<Item = &mut Held> {
        let from = self.0.partition_point(|held| held.customer < customer);
        self.0[from..].iter_mut().take_while(move |held| held.customer == customer)
    }

    /// The live keys of a customer, the oldest first.
    pub(super) fn live(&self, customer: u64) -> impl DoubleEndedIterator<Item = (u64, [u8; 32])> {
        self.of(customer).iter().filter_map(|held| Some((held.number, held.key()?)))
    }

    pub(super) fn all(&self) -> &[Held] {
        &self.0
    }

    pub(super) fn add(&mut self, held: Held) {
        let place = match self.0.last() {
            Some(last) if last.order() > held.order() => self.0.partition_point(|known| known.order() < held.order()),
            _ => self.0.len(),
        };
        self.make_room();
        self.0.insert(place, held);
    }

    /// Adds one where many come, each wherever it belongs; [`Ring::sort`] puts them in order.
    pub(super) fn add_unsorted(&mut self, held: Held) {
        self.make_room();
        self.0.push(held);
    }

    pub(super) fn sort(&mut self) {
        self.0.sort_unstable_by_key(Held::order);
    }

    /// Grows by an eighth or a little more: doubling would leave a third of the memory empty.
    fn make_room(&mut self) {
        let len = self.0.len();
        if len == self.0.capacity() {
            let room = len + len / 8 + 4;
            let room = if room < BLOCK { room } else { room.next_multiple_of(BLOCK) };
            self.0.reserve_exact(room - len);
        }
    }
}
