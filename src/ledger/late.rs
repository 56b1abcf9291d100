//! Facts about transactions that had left memory: where their last records lie until the archive knows them.

use super::index::Seat;
use crate::domain::transaction::Place;
use parking_lot::Mutex;
use smallvec::SmallVec;
use std::collections::BTreeMap;

/// By (key, seat). Few: a fact comes late for one in thousands, and the archive takes it with the next segment.
#[derive(Default)]
pub(super) struct Late(Mutex<BTreeMap<(u64, u64, u32), Place>>);

impl Late {
    pub(super) fn insert(&self, key: u64, seat: Seat, place: Place) {
        self.0.lock().insert((key, seat.customer, seat.slot), place);
    }

    pub(super) fn find(&self, key: u64) -> SmallVec<[(Seat, Place); 1]> {
        let late = self.0.lock();
        let same = late.range((key, 0, 0)..=(key, u64::MAX, u32::MAX));
        same.map(|((_, customer, slot), place)| (Seat { customer: *customer, slot: *slot }, *place)).collect()
    }

    /// Of a customer, by slot.
    pub(super) fn of_customer(&self, number: u64) -> SmallVec<[(u32, Place); 1]> {
        let late = self.0.lock();
        let same = late.iter().filter(|((_, customer, _), _)| *customer == number);
        same.map(|((_, _, slot), place)| (*slot, *place)).collect()
    }

    pub(super) fn all(&self) -> Vec<(u64, Seat, Place)> {
        let late = self.0.lock();
        let each = late.iter();
        each.map(|((key, customer, slot), place)| (*key, Seat { customer: *customer, slot: *slot }, *place)).collect()
    }

    /// Forgets those whose records the archive knows: all before a place.
    pub(super) fn forget_before(&self, archived: Place) {
        self.0.lock().retain(|_, place| *place >= archived);
    }
}
