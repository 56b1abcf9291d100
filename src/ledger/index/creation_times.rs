//! The creation times of a merchant's customers, from times to customers.
//!
//! A set of numbers takes at most two bytes for each customer; the time of each customer would take thirty. So the sets
//! are exact to a period, and a reader looks at the customers of the periods at the ends of a span.

use crate::domain::vocabulary::time::Millis;
use roaring::RoaringBitmap;
use std::collections::BTreeMap;

/// About the most customers of a time span that are collected exactly. In a span with more, the candidates are all
/// customers of the number blocks that overlap the span.
const EXACT_MAX: u64 = 20_000;
/// Customers are grouped by creation time into periods of 2^22 ms, about seventy minutes.
pub(in crate::ledger) const PERIOD_BITS: u32 = 22;
/// Customers are also grouped by number into blocks of 2^8. Numbers grow with time, so that few blocks overlap the ends
/// of a time span.
pub(in crate::ledger) const NUMBER_BLOCK_BITS: u32 = 8;

/// The creation times of a merchant's customers.
#[derive(Default)]
pub(in crate::ledger) struct CreationTimes {
    by_period: BTreeMap<i64, RoaringBitmap>,
    /// The earliest and the latest creation time of each number block, removed customers included.
    block_spans: BTreeMap<u32, (Millis, Millis)>,
}

/// Periods of creation in the order of a page.
#[derive(Debug, Clone, Copy)]
pub(in crate::ledger) struct PeriodCursor {
    /// The next period.
    pub(in crate::ledger) next: i64,
    /// The last period.
    pub(in crate::ledger) last: i64,
    /// From the latest period to the earliest.
    pub(in crate::ledger) descending: bool,
}

/// Customers that were created in one period.
#[derive(Debug)]
pub(in crate::ledger) struct CreationPeriod {
    pub(in crate::ledger) number: i64,
    pub(in crate::ledger) customers: RoaringBitmap,
}

/// The creation times of a block of numbers: the earliest and the latest one, removed customers included.
#[derive(Debug, Clone, Copy)]
pub(in crate::ledger) struct BlockSpan {
    /// The first and the last number of the block.
    pub(in crate::ledger) numbers: (u32, u32),
    pub(in crate::ledger) created: (Millis, Millis),
}

/// The period of a creation time.
pub(in crate::ledger) fn period(at: Millis) -> i64 {
    at.0 >> PERIOD_BITS
}

impl CreationTimes {
    pub(in crate::ledger) fn add(&mut self, number: u32, at: Millis) {
        self.by_period.entry(period(at)).or_default().insert(number);
        let (first, last) = self.block_spans.entry(number >> NUMBER_BLOCK_BITS).or_insert((at, at));
        (*first, *last) = (at.min(*first), at.max(*last));
    }

    pub(in crate::ledger) fn remove(&mut self, number: u32, at: Millis) {
        let Some(set) = self.by_period.get_mut(&period(at)) else { return };
        set.remove(number);
        if set.is_empty() {
            self.by_period.remove(&period(at));
        }
    }

    /// A superset of the customers among `all` created from one time to another. It contains some customers of the same
    /// blocks and periods, and in a span with more than [`EXACT_MAX`] customers all of these blocks.
    pub(in crate::ledger) fn within(&self, from: Millis, last: Millis, all: &RoaringBitmap) -> RoaringBitmap {
        if from > last {
            return RoaringBitmap::new();
        }
        let blocks = self.blocks_within(from, last, all);
        let mut within = RoaringBitmap::new();
        for set in self.by_period.range(period(from)..=period(last)).map(|(_, set)| set) {
            within |= set & &blocks;
            if within.len() > EXACT_MAX {
                return blocks;
            }
        }
        within
    }

    /// The customers of all number blocks that overlap a time span.
    fn blocks_within(&self, from: Millis, last: Millis, all: &RoaringBitmap) -> RoaringBitmap {
        let mut blocks = RoaringBitmap::new();
        for (block, (earliest, latest)) in &self.block_spans {
            if *latest >= from && *earliest <= last {
                let (first, last) = numbers_of(*block);
                blocks.insert_range(first..=last);
            }
        }
        blocks & all
    }

    /// The customers of a set that were created in the next period of a walk that has any.
    pub(in crate::ledger) fn next_period(&self, set: &RoaringBitmap, cursor: PeriodCursor) -> Option<CreationPeriod> {
        let PeriodCursor { next, last, descending } = cursor;
        let (first, end) = if descending { (last, next) } else { (next, last) };
        if first > end {
            return None;
        }
        let mut periods = self.by_period.range(first..=end);
        loop {
            let (number, created) = if descending { periods.next_back()? } else { periods.next()? };
            let customers = created & set;
            if !customers.is_empty() {
                return Some(CreationPeriod { number: *number, customers });
            }
        }
    }

    /// The blocks of numbers that contain customers of a set.
    pub(in crate::ledger) fn block_spans(&self, set: &RoaringBitmap) -> Vec<BlockSpan> {
        let span = |(block, created): (&u32, &(Millis, Millis))| {
            let numbers = numbers_of(*block);
            let has_some = set.range(numbers.0..=numbers.1).next().is_some();
            has_some.then_some(BlockSpan { numbers, created: *created })
        };
        self.block_spans.iter().filter_map(span).collect()
    }

    #[cfg(test)]
    pub(in crate::ledger) fn has_no_period(&self) -> bool {
        self.by_period.is_empty()
    }
}

/// The first and the last number of a block.
fn numbers_of(block: u32) -> (u32, u32) {
    let first = block << NUMBER_BLOCK_BITS;
    (first, first | ((1 << NUMBER_BLOCK_BITS) - 1))
}
