//! The ends of a customer's open holds, earliest first.
//!
//! An entry is never removed early: an entry whose transaction has changed is ignored when its time comes.

use crate::domain::vocabulary::time::Millis;
use prefetch_index::prefetch_index;
use std::{
    cmp::Reverse,
    collections::{BinaryHeap, VecDeque},
};

/// The end of a hold and the slot of its transaction, in 12 bytes: the halves of the time, and the slot.
#[derive(Debug, Clone, Copy)]
struct HoldEnd([u32; 3]);

impl HoldEnd {
    fn new(until: Millis, slot: u32) -> Self {
        let [a, b, c, d, e, f, g, h] = until.0.to_le_bytes();
        Self([u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h]), slot])
    }

    fn parts(self) -> (Millis, u32) {
        let Self([low, high, slot]) = self;
        (Millis((u64::from(high) << 32 | u64::from(low)).cast_signed()), slot)
    }
}

/// Ends of holds, each with the slot of its transaction.
///
/// Holds of one length end in the order in which they were opened, so they go into a queue without comparisons; an entry
/// earlier than the last one of the queue goes into a heap.
#[derive(Debug, Clone)]
pub struct Holds {
    /// The earliest end. Every payment reads it, and it is mostly in the future.
    first: Millis,
    /// The latest end in the queue.
    last: Millis,
    queue: VecDeque<HoldEnd>,
    /// `None`: no entry needed the heap, as for most customers.
    rest: Option<Box<Rest>>,
}

type Rest = BinaryHeap<Reverse<(Millis, u32)>>;

const NEVER: Millis = Millis(i64::MAX);

/// The least room that the queue grows by.
const ROOM_MIN: usize = 5;

impl Default for Holds {
    fn default() -> Self {
        Self { first: NEVER, last: Millis(i64::MIN), queue: VecDeque::new(), rest: None }
    }
}

impl Holds {
    /// See [`crate::domain::customer::aggregate::Customer::prefetch`].
    #[inline]
    pub(in crate::domain) fn prefetch(&self) -> u64 {
        let (first, second) = self.queue.as_slices();
        let end = if second.is_empty() { first } else { second };
        prefetch_index(end, end.len());
        self.queue.len() as u64 ^ u64::from(self.rest.is_some())
    }

    /// The bytes of its allocations.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        let rest =
            self.rest.as_ref().map_or(0, |rest| size_of::<Rest>() + rest.capacity() * size_of::<(Millis, u32)>());
        self.queue.capacity() * size_of::<HoldEnd>() + rest
    }

    /// Adds a hold.
    #[inline]
    pub fn push(&mut self, until: Millis, slot: u32) {
        self.first = self.first.min(until);
        if until >= self.last {
            self.last = until;
            if self.queue.len() == self.queue.capacity() {
                // A quarter more: doubling would leave a third of the memory empty.
                self.queue.reserve_exact(ROOM_MIN.max(self.queue.len() / 4));
            }
            self.queue.push_back(HoldEnd::new(until, slot));
        } else {
            self.rest.get_or_insert_default().push(Reverse((until, slot)));
        }
    }

    /// Removes the earliest hold that has ended; `None`: none has.
    pub fn pop(&mut self, now: Millis) -> Option<u32> {
        if self.first > now {
            return None;
        }
        let queued = self.queue.front().map(|end| end.parts());
        let other = self.next_of_rest();
        let (_, slot) = match (queued, other) {
            (Some(queued), Some(other)) if other < queued => self.pop_of_rest(),
            (None, Some(_)) => self.pop_of_rest(),
            _ => self.queue.pop_front().map(HoldEnd::parts),
        }?;
        if self.queue.is_empty() {
            self.last = Millis(i64::MIN);
        }
        if self.queue.capacity() > 2 * (self.queue.len() + ROOM_MIN) {
            self.queue.shrink_to(self.queue.len() + self.queue.len() / 4);
        }
        let queued = self.queue.front().map_or(NEVER, |end| end.parts().0);
        self.first = self.next_of_rest().map_or(NEVER, |(until, _)| until).min(queued);
        Some(slot)
    }

    fn next_of_rest(&self) -> Option<(Millis, u32)> {
        self.rest.as_ref()?.peek().map(|Reverse(next)| *next)
    }

    fn pop_of_rest(&mut self) -> Option<(Millis, u32)> {
        self.rest.as_mut()?.pop().map(|Reverse(next)| next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn holds_end_in_the_order_of_their_ends(ends in proptest::collection::vec(0_i64..50, 0..100)) {
            let mut holds = Holds::default();
            let mut want: Vec<(i64, u32)> = Vec::new();
            for (slot, end) in (0..).zip(ends) {
                holds.push(Millis(end), slot);
                want.push((end, slot));
                if slot % 3 == 0 {
                    want.sort_unstable();
                    let ended = want.first().filter(|(end, _)| *end <= 20).copied();
                    prop_assert_eq!(holds.pop(Millis(20)), ended.map(|(_, slot)| slot));
                    want.drain(..usize::from(ended.is_some()));
                }
            }
            want.sort_unstable();
            let ended: Vec<u32> = std::iter::from_fn(|| holds.pop(Millis(100))).collect();
            prop_assert_eq!(ended, want.into_iter().map(|(_, slot)| slot).collect::<Vec<_>>());
        }
    }
}
