//! Summaries in the order of their times, the newest first.
//!
//! Slots are numbered in the order of recording, and a payment can be placed in the past or linked later. So the order of
//! slots is nearly the order of times, and not quite. No index contains the order of times. Each chunk knows bounds of its
//! times, so a page reads the rows of the few chunks that can contain its transactions, and of every other chunk two
//! numbers.

use crate::domain::{
    transaction::{
        summaries::{CHUNK_LEN, Chunk, TransactionSummaries},
        summary::{TIME_COLUMN, TransactionSummary},
    },
    vocabulary::time::Millis,
};
use std::{cmp::Reverse, collections::BinaryHeap};

/// The place of a transaction among those of its customer: by time, and by slot where times are equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct TimedSlot {
    /// The time of the transaction.
    pub at: Millis,
    /// Its slot.
    pub slot: u32,
}

/// The greatest places before a bound.
struct Newest {
    before: Option<TimedSlot>,
    limit: usize,
    /// The least of them first.
    kept: BinaryHeap<Reverse<TimedSlot>>,
}

impl Newest {
    /// Whether a place with one of these times can be among them.
    fn may_take(&self, earliest: Millis, latest: Millis) -> bool {
        let is_full = self.kept.len() >= self.limit;
        self.before.is_none_or(|before| earliest <= before.at)
            && self.kept.peek().is_none_or(|Reverse(least)| !is_full || latest >= least.at)
    }

    fn add(&mut self, place: TimedSlot) {
        if self.before.is_some_and(|before| place >= before) {
            return;
        }
        if self.kept.len() < self.limit {
            self.kept.push(Reverse(place));
        } else if let Some(mut least) = self.kept.peek_mut()
            && place > least.0
        {
            *least = Reverse(place);
        }
    }
}

impl TransactionSummaries {
    /// The newest summaries before a place in the order of time, the newest first: at most `limit`, with their slots. It
    /// takes a step for each chunk and for each pinned summary, and reads the chunks whose times can be among these.
    #[must_use]
    pub fn newest_before(&self, before: Option<TimedSlot>, limit: usize) -> Vec<(u32, TransactionSummary)> {
        if limit == 0 {
            return Vec::new();
        }
        let mut newest = Newest { before, limit, kept: BinaryHeap::new() };
        // The newest chunks first: the others then seldom have a time that can be among the newest.
        for piece in (0..=self.older()).rev() {
            self.add_chunk(piece, &mut newest);
        }
        for (slot, summary) in self.pinned() {
            newest.add(TimedSlot { at: summary.at, slot: *slot });
        }
        let places = newest.kept.into_sorted_vec();
        places.into_iter().filter_map(|Reverse(place)| Some((place.slot, self.get(place.slot)?))).collect()
    }

    fn piece(&self, piece: usize) -> Option<&Chunk> {
        match &self.past {
            Some(past) if piece < past.older.len() => past.older.get(piece),
            _ => Some(&self.newest),
        }
    }

    fn add_chunk(&self, piece: usize, newest: &mut Newest) {
        let Some(chunk) = self.piece(piece) else { return };
        let Some((low, high)) = chunk.bounds(TIME_COLUMN) else { return };
        let time = TransactionSummary::time_of_column;
        if !newest.may_take(time(low), time(high)) {
            return;
        }
        // The first chunk begins with evicted summaries.
        let gone = self.gone as usize;
        let first = if piece == 0 { gone } else { 0 };
        for spot in (first..chunk.len()).rev() {
            let slot = u32::try_from(piece * CHUNK_LEN + spot - gone).unwrap_or(u32::MAX).saturating_add(self.first);
            newest.add(TimedSlot { at: time(chunk.number(spot, TIME_COLUMN)), slot });
        }
    }
}
