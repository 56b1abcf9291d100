//! Usage series: the sums of one customer's transactions of one (direction, currency, level) in any range of time.
//!
//! A [`UsageSeries`] keeps one entry per counting transaction, sorted by time, in chunks of at most [`CHUNK`]. Each chunk
//! knows the sum of everything before it, so the sum of a range is two lookups and two scans within a chunk, for any
//! number of transactions. Nothing is bucketed and no window needs its own state, so a new filter, another time zone or
//! another instant are read from the same entries.

use crate::domain::{
    usage::{
        contribution::{Contribution, Sums},
        entries::{UsageEntries, UsageEntry},
    },
    vocabulary::{calendar::TimeRange, direction::Direction, money::Currency, names::Name, time::Millis},
};

/// The most entries of one chunk.
pub const CHUNK: usize = 64;

#[derive(Debug, Clone, PartialEq, Eq)]
struct Chunk {
    /// The time of the first entry, `i64::MAX` if there is none, so that finding a chunk reads no entries.
    first_at: i64,
    /// The time of the last entry, `i64::MIN` if there is none, so that most windows read no entries either.
    last_at: i64,
    /// Sorted by (at, slot); empty only if the series is.
    entries: UsageEntries,
}

impl Chunk {
    fn new(entries: UsageEntries) -> Self {
        let mut chunk = Self { first_at: i64::MAX, last_at: i64::MIN, entries };
        chunk.update_ends();
        chunk
    }

    fn update_ends(&mut self) {
        self.first_at = self.entries.first().map_or(i64::MAX, |entry| entry.at);
        self.last_at = self.entries.last().map_or(i64::MIN, |entry| entry.at);
    }
}

/// The transactions that a series counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct UsageSeriesKey {
    /// Which way the money goes.
    pub direction: Direction,
    /// Of the amounts.
    pub currency: Currency,
    /// The level name under which the transactions were decided; `None`: under no level.
    pub level: Option<Name>,
}

/// The usage of one customer under one (direction, currency, level).
///
/// Invariant: `before` of a chunk is the sum of all evicted transactions and of all entries in earlier chunks; `total` is
/// the sum of everything. Entries of an earlier chunk are not later than entries of a later chunk.
///
/// Every decision reads the series, so the fields that a short history does not need are in a box.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageSeries {
    /// The transactions that it counts.
    pub key: UsageSeriesKey,
    total: Sums,
    /// The newest chunk, stored inline because most payments read only this one.
    last: Chunk,
    /// `None`: nothing was evicted, and there is only the last chunk.
    past: Option<Box<EarlierChunks>>,
}

/// Everything before the last chunk of a series.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct EarlierChunks {
    /// The sum of evicted transactions, which are older than any window with a beginning.
    evicted: Sums,
    /// Earlier chunks, in order.
    older: Vec<SummedChunk>,
    /// The sum of everything before the last chunk.
    before_last: Sums,
}

/// A chunk that is not the last, and the sum of everything before it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct SummedChunk {
    before: Sums,
    chunk: Chunk,
}

impl EarlierChunks {
    /// The sums before each chunk from this index on, the last chunk included.
    fn befores(&mut self, from: usize) -> impl Iterator<Item = &mut Sums> {
        self.older.iter_mut().map(|older| &mut older.before).chain([&mut self.before_last]).skip(from)
    }
}

impl UsageSeries {
    /// An empty series.
    #[must_use]
    pub fn new(key: UsageSeriesKey) -> Self {
        Self { key, total: Sums::default(), last: Chunk::new(UsageEntries::default()), past: None }
    }

    /// A series without entries that starts with the sum of evicted transactions.
    #[must_use]
    pub fn with_evicted(key: UsageSeriesKey, evicted: Sums) -> Self {
        let past = (evicted != Sums::default())
            .then(|| Box::new(EarlierChunks { evicted, older: Vec::new(), before_last: evicted }));
        Self { key, total: evicted, last: Chunk::new(UsageEntries::default()), past }
    }

    /// The sum of evicted transactions.
    #[must_use]
    pub fn evicted(&self) -> Sums {
        self.past.as_ref().map_or_else(Sums::default, |past| past.evicted)
    }

    fn older(&self) -> &[SummedChunk] {
        self.past.as_ref().map_or(&[], |past| &past.older)
    }

    fn before_last(&self) -> Sums {
        self.past.as_ref().map_or_else(Sums::default, |past| past.before_last)
    }

    /// See [`crate::domain::customer::aggregate::Customer::prefetch`].
    #[inline]
    pub(in crate::domain) fn prefetch(&self) -> u64 {
        self.last.entries.prefetch();
        self.total.gross_count ^ self.last.last_at.cast_unsigned()
    }

    /// The amount and the quantity in the range, with cancels subtracted or not; a range without a beginning includes
    /// evicted transactions.
    #[must_use]
    #[inline]
    pub fn used(&self, range: TimeRange, subtract_cancels: bool) -> (u128, u64) {
        let is_from_the_first = range.from == i64::MIN || (range.from <= self.last.first_at && self.past.is_none());
        // Most windows contain the whole series.
        if is_from_the_first && self.last.last_at < range.to {
            return self.total.view(subtract_cancels);
        }
        self.used_between(range, is_from_the_first, subtract_cancels)
    }

    /// [`UsageSeries::used`] of a range that does not contain the whole series. A separate function keeps the fast path
    /// small.
    #[inline(never)]
    fn used_between(&self, range: TimeRange, is_from_the_first: bool, subtract_cancels: bool) -> (u128, u64) {
        let (amount, quantity) = self.before(range.to).view(subtract_cancels);
        if is_from_the_first {
            return (amount, quantity);
        }
        let (amount_before, quantity_before) = self.before(range.from).view(subtract_cancels);
        (amount - amount_before, quantity - quantity_before)
    }

    /// The bytes of its allocations.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        let past = self.past.as_ref().map_or(0, |past| {
            let entries: usize = past.older.iter().map(|older| older.chunk.entries.heap_bytes()).sum();
            size_of::<EarlierChunks>() + past.older.capacity() * size_of::<SummedChunk>() + entries
        });
        self.last.entries.heap_bytes() + past
    }

    /// The sum of everything.
    #[must_use]
    pub fn total(&self) -> Sums {
        self.total
    }

    fn chunks(&self) -> impl Iterator<Item = &Chunk> {
        self.older().iter().map(|older| &older.chunk).chain([&self.last])
    }

    fn chunk_mut(&mut self, place: usize) -> &mut Chunk {
        match self.past.as_mut().and_then(|past| past.older.get_mut(place)) {
            Some(older) => &mut older.chunk,
            None => &mut self.last,
        }
    }

    /// The time of the earliest counting entry in the range, with cancels subtracted or not.
    #[must_use]
    pub fn oldest_in(&self, range: TimeRange, subtract_cancels: bool) -> Option<Millis> {
        let from = self.older().partition_point(|older| older.chunk.first_at < range.from).saturating_sub(1);
        let entries = self.chunks().skip(from).flat_map(|chunk| chunk.entries.iter());
        let counts = |e: &UsageEntry| if subtract_cancels { e.is.net_counts } else { e.is.gross_counts };
        entries
            .skip_while(|e| e.at < range.from)
            .take_while(|e| e.at < range.to)
            .find(counts)
            .map(|entry| Millis(entry.at))
    }

    /// The sum of evicted transactions and of the entries earlier than `at`.
    fn before(&self, at: i64) -> Sums {
        let (before, chunk, after) = if self.last.first_at < at {
            (self.before_last(), &self.last, self.total)
        } else {
            let all = self.older();
            let place = all.partition_point(|older| older.chunk.first_at < at);
            let Some(older) = place.checked_sub(1).and_then(|place| all.get(place)) else { return self.evicted() };
            (older.before, &older.chunk, all.get(place).map_or_else(|| self.before_last(), |next| next.before))
        };
        // Most windows end after the last entry; then no entry is read.
        if chunk.last_at < at {
            return after;
        }
        let cut = chunk.entries.earlier_than(at);
        // The shorter side of the cut is summed.
        if cut * 2 > chunk.entries.len() {
            let mut sums = after;
            chunk.entries.starting_at(cut).for_each(|entry| sums.subtract(&entry.is));
            sums
        } else {
            let mut sums = before;
            chunk.entries.iter().take(cut).for_each(|entry| sums.add(&entry.is));
            sums
        }
    }

    /// Sets the contribution of the transaction in this slot at its time; [`Contribution::NONE`] removes the entry.
    #[inline]
    pub fn set(&mut self, at: Millis, slot: u32, is: Contribution) {
        // Most transactions are later than all others; then no other entry is read.
        if at.0 > self.last.last_at && self.last.entries.len() < CHUNK {
            self.append(at, slot, is);
        } else {
            self.set_anywhere(at, slot, is);
        }
    }

    fn set_anywhere(&mut self, at: Millis, slot: u32, is: Contribution) {
        let key = (at.0, slot);
        let starts_before = |chunk: &Chunk| chunk.entries.first().is_none_or(|first| first.key() <= key);
        let place = if starts_before(&self.last) {
            self.older().len()
        } else {
            let after = self.older().partition_point(|older| starts_before(&older.chunk));
            // A key before all others goes into the first chunk.
            after.saturating_sub(usize::from(after > 0))
        };
        let chunk = self.chunk_mut(place);
        let spot = chunk.entries.before(at.0, slot);
        let found = chunk.entries.get(spot).filter(|entry| entry.key() == key).map(|entry| entry.is);
        let was = found.unwrap_or_default();
        if was == is {
            return;
        }
        match found {
            None => chunk.entries.insert(spot, UsageEntry::new(at, slot, is)),
            Some(_) if is != Contribution::NONE => chunk.entries.set(spot, UsageEntry::new(at, slot, is)),
            Some(_) => chunk.entries.remove(spot),
        }
        chunk.update_ends();
        for before in self.past.iter_mut().flat_map(|past| past.befores(place + 1)) {
            before.subtract(&was);
            before.add(&is);
        }
        self.total.subtract(&was);
        self.total.add(&is);
        self.rebalance(place);
    }

    /// Appends an entry to a last chunk that has room.
    #[inline]
    fn append(&mut self, at: Millis, slot: u32, is: Contribution) {
        if is == Contribution::NONE {
            return;
        }
        let last = &mut self.last;
        if last.entries.is_empty() {
            last.first_at = at.0;
        }
        last.last_at = at.0;
        last.entries.push(UsageEntry::new(at, slot, is));
        self.total.add(&is);
    }

    /// Removes the entry of an evicted transaction; its contribution still counts, without a time.
    pub fn evict(&mut self, at: Millis, slot: u32, is: Contribution) {
        if is == Contribution::NONE {
            return;
        }
        self.set(at, slot, Contribution::NONE);
        self.adjust_evicted(Contribution::NONE, is);
    }

    /// Changes the contribution of an evicted transaction.
    pub fn adjust_evicted(&mut self, was: Contribution, is: Contribution) {
        let past = self.past.get_or_insert_default();
        let change = |sums: &mut Sums| {
            sums.subtract(&was);
            sums.add(&is);
        };
        change(&mut self.total);
        change(&mut past.evicted);
        past.befores(0).for_each(change);
    }

    /// Removes an empty chunk or splits an overfull one.
    fn rebalance(&mut self, place: usize) {
        let last = self.older().len();
        let chunk = self.chunk_mut(place);
        if chunk.entries.is_empty() {
            if let Some(past) = &mut self.past {
                if place < last {
                    past.older.remove(place);
                } else if let Some(newest) = past.older.pop() {
                    (past.before_last, self.last) = (newest.before, newest.chunk);
                }
            }
            return;
        }
        if chunk.entries.len() <= CHUNK {
            return;
        }
        // A history grows at its end: the full chunk stays and one entry starts the next.
        let cut = if place == last { CHUNK } else { CHUNK / 2 };
        let mut added = Sums::default();
        chunk.entries.iter().take(cut).for_each(|entry| added.add(&entry.is));
        let after = Chunk::new(chunk.entries.split_off(cut));
        chunk.update_ends();
        let past = self.past.get_or_insert_default();
        match past.older.get(place) {
            None => {
                let (before, full) = (past.before_last, std::mem::replace(&mut self.last, after));
                past.older.push(SummedChunk { before, chunk: full });
                past.before_last.join(&added);
            }
            Some(split) => {
                let mut before = split.before;
                before.join(&added);
                past.older.insert(place + 1, SummedChunk { before, chunk: after });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn series() -> UsageSeries {
        let (currency, level) = (Currency::parse("EUR").unwrap(), Some(Name::parse("gold").unwrap()));
        UsageSeries::new(UsageSeriesKey { direction: Direction::Deposit, currency, level })
    }

    fn used(series: &UsageSeries, range: TimeRange) -> Sums {
        let ((gross, gross_count), (net, net_count)) = (series.used(range, false), series.used(range, true));
        Sums { gross, net, gross_count, net_count }
    }

    fn contribution() -> impl Strategy<Value = Contribution> {
        (0_u64..5, 0_u64..5, any::<bool>(), any::<bool>())
            .prop_map(|(gross, net, gross_counts, net_counts)| Contribution { gross, net, gross_counts, net_counts })
    }

    proptest! {
        #[test]
        fn a_series_sums_like_a_list(
            edits in proptest::collection::vec((0_i64..200, 0_u32..300, contribution()), 1..600),
            ranges in proptest::collection::vec((-5_i64..205, -5_i64..205), 20),
        ) {
            let (mut series, mut list) = (series(), BTreeMap::new());
            for (at, slot, is) in edits {
                // A transaction has one time: the slot decides it.
                let at = (at + i64::from(slot) * 7) % 200;
                let at = if let Some((known, _)) = list.get(&slot) { *known } else { at };
                list.insert(slot, (at, is));
                series.set(Millis(at), slot, is);
            }
            for (a, b) in ranges {
                let range = TimeRange { from: a.min(b), to: a.max(b) };
                let mut want = Sums::default();
                list.values().filter(|(at, _)| range.holds(Millis(*at))).for_each(|(_, is)| want.add(is));
                prop_assert_eq!(used(&series, range), want);
            }
            check_shape(&series);
        }

        #[test]
        fn evicted_transactions_count_in_ranges_without_a_beginning(
            edits in proptest::collection::vec((0_u32..300, contribution()), 1..600),
            leaving in 0_u32..300,
        ) {
            let (mut series, mut all) = (series(), BTreeMap::new());
            let at = |slot: u32| Millis(i64::from(slot / 3));
            for (slot, is) in &edits {
                series.set(at(*slot), *slot, *is);
                all.insert(*slot, *is);
            }
            for (slot, is) in all.range(..leaving) {
                series.evict(at(*slot), *slot, *is);
            }
            // An evicted transaction may still change.
            if let Some((_, was)) = all.range_mut(..leaving).next() {
                let is = Contribution { net: 7, ..Contribution::of_amount(9) };
                series.adjust_evicted(*was, is);
                *was = is;
            }
            let sum = |slots: &mut dyn Iterator<Item = &Contribution>| {
                let mut sums = Sums::default();
                slots.for_each(|is| sums.add(is));
                sums
            };
            prop_assert_eq!(used(&series, TimeRange { from: i64::MIN, to: i64::MAX }), sum(&mut all.values()));
            let kept = TimeRange { from: at(leaving).0 + 1, to: i64::MAX };
            let rest = all.iter().filter(|(slot, _)| kept.holds(at(**slot))).map(|(_, is)| is);
            prop_assert_eq!(used(&series, kept), sum(&mut rest.into_iter()));
            check_shape(&series);
        }
    }

    fn check_shape(series: &UsageSeries) {
        let mut before = series.evicted();
        let stored = series.older().iter().map(|older| older.before).chain([series.before_last()]);
        for (chunk, stored) in series.chunks().zip(stored) {
            assert_eq!(stored, before);
            assert!(chunk.entries.len() <= CHUNK && (!chunk.entries.is_empty() || series.older().is_empty()));
            assert_eq!(chunk.entries.first().map_or(i64::MAX, |entry| entry.at), chunk.first_at);
            assert_eq!(chunk.entries.last().map_or(i64::MIN, |entry| entry.at), chunk.last_at);
            assert!(chunk.entries.iter().is_sorted_by_key(|entry| entry.key()));
            chunk.entries.iter().for_each(|entry| before.add(&entry.is));
        }
        assert_eq!(series.total(), before);
    }

    /// The payments of one customer, one each few hours, with amounts of some digits.
    #[test]
    fn usual_entries_take_little_memory() {
        let mut series = series();
        for n in 0..1_000_u32 {
            let at = 1_790_000_000_000 + i64::from(n) * 10_000_019 + i64::from(n * n % 5_000_011);
            series.set(Millis(at), n, Contribution::of_amount(500 + u64::from(n) * 7_919 % 50_000));
        }
        let bytes = series.heap_bytes() / 1_000;
        assert!(bytes <= 11, "an entry takes {bytes} bytes, with the slack of the list");
    }

    #[test]
    fn entries_of_one_instant_find_their_chunk() {
        let mut series = series();
        let is = Contribution::of_amount(1);
        (0..500).for_each(|slot| series.set(Millis(7), slot, is));
        (0..500).step_by(2).for_each(|slot| series.set(Millis(7), slot, Contribution::NONE));
        assert_eq!(series.total().gross, 250);
        assert_eq!(used(&series, TimeRange { from: 7, to: 8 }).net_count, 250);
        assert_eq!(series.oldest_in(TimeRange { from: 0, to: 100 }, true), Some(Millis(7)));
    }
}
