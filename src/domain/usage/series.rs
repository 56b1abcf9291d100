//! Usage: what one customer's transactions of one (direction, currency, level) add up to, in any range of time.
//!
//! A [`UsageSeries`] keeps one entry per counting transaction, sorted by time, in chunks of at most [`CHUNK`]. Each chunk
//! knows the sum of everything before it, so the sum of a range is two lookups and two scans within a chunk,
//! whatever the number of transactions in the window: nothing is bucketed and no window needs state of its own, so a
//! new filter, another time zone or a question about another instant are answered from the same entries.

use crate::domain::{
    rules::configuration::Direction,
    vocabulary::{calendar::Range, money::Currency, names::Name, time::Millis},
};
use prefetch_index::prefetch_index;

/// The most entries of one chunk.
pub const CHUNK: usize = 64;

/// What one transaction contributes now. Amount and quantity are separate: a refund that gives usage back takes from
/// the amount and leaves the quantity, so that paying and refunding in turns does not escape a quantity limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Contribution {
    /// Minor units where cancels are not subtracted.
    pub gross: u64,
    /// Minor units where they are.
    pub net: u64,
    /// Whether it counts in the quantity where cancels are not subtracted.
    pub gross_counts: bool,
    /// Whether it counts in the quantity where they are.
    pub net_counts: bool,
}

impl Contribution {
    /// Nothing.
    pub const NONE: Self = Self { gross: 0, net: 0, gross_counts: false, net_counts: false };

    /// One transaction of this amount, of which nothing was cancelled; no amount is no transaction.
    #[must_use]
    pub const fn of_amount(amount: u64) -> Self {
        Self { gross: amount, net: amount, gross_counts: amount > 0, net_counts: amount > 0 }
    }
}

/// A sum of contributions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sums {
    /// Minor units where cancels are not subtracted.
    pub gross: u128,
    /// Minor units where they are.
    pub net: u128,
    /// Transactions where cancels are not subtracted.
    pub gross_count: u64,
    /// Transactions where they are.
    pub net_count: u64,
}

impl Sums {
    fn add(&mut self, c: &Contribution) {
        self.gross += u128::from(c.gross);
        self.net += u128::from(c.net);
        self.gross_count += u64::from(c.gross_counts);
        self.net_count += u64::from(c.net_counts);
    }

    fn join(&mut self, other: &Self) {
        self.gross += other.gross;
        self.net += other.net;
        self.gross_count += other.gross_count;
        self.net_count += other.net_count;
    }

    fn subtract(&mut self, c: &Contribution) {
        self.gross -= u128::from(c.gross);
        self.net -= u128::from(c.net);
        self.gross_count -= u64::from(c.gross_counts);
        self.net_count -= u64::from(c.net_counts);
    }

    /// The amount and the quantity, with cancels subtracted or not.
    #[must_use]
    pub fn view(&self, subtract_cancels: bool) -> (u128, u64) {
        if subtract_cancels { (self.net, self.net_count) } else { (self.gross, self.gross_count) }
    }
}

/// What a transaction contributes, with its fields in an order that needs 32 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Entry {
    at: i64,
    gross: u64,
    net: u64,
    slot: u32,
    gross_counts: bool,
    net_counts: bool,
}

const _: () = assert!(size_of::<Entry>() == 32, "an entry of a book");

impl Entry {
    #[inline]
    fn new(at: Millis, slot: u32, is: Contribution) -> Self {
        let Contribution { gross, net, gross_counts, net_counts } = is;
        Self { at: at.0, gross, net, slot, gross_counts, net_counts }
    }

    #[inline]
    fn is(&self) -> Contribution {
        let Self { gross, net, gross_counts, net_counts, .. } = *self;
        Contribution { gross, net, gross_counts, net_counts }
    }

    fn key(&self) -> (i64, u32) {
        (self.at, self.slot)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Chunk {
    /// Of the first entry, behind all time where there is none: so that finding a chunk touches no entries.
    first_at: i64,
    /// Of the last entry, before all time where there is none: so that most windows touch no entries either.
    last_at: i64,
    /// Sorted by (at, slot); empty only where the book is.
    entries: Vec<Entry>,
}

impl Chunk {
    fn new(entries: Vec<Entry>) -> Self {
        let mut chunk = Self { first_at: i64::MAX, last_at: i64::MIN, entries };
        chunk.note_ends();
        chunk
    }

    fn note_ends(&mut self) {
        self.first_at = self.entries.first().map_or(i64::MAX, |entry| entry.at);
        self.last_at = self.entries.last().map_or(i64::MIN, |entry| entry.at);
    }
}

/// Which transactions a book counts.
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
/// Invariant: `before` of a chunk is the sum of what has left and of all entries in the chunks before it, and `total` that
/// of everything. No entry of an older chunk lies behind one of a newer.
///
/// Every decision reads the book, so what a short history does without lies elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageSeries {
    /// What it counts.
    pub key: UsageSeriesKey,
    total: Sums,
    /// The newest, kept here because most payments look nowhere else.
    last: Chunk,
    /// `None`: nothing has left memory, and there was no chunk but the last.
    past: Option<Box<Past>>,
}

/// What lies before a book's last chunk.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Past {
    /// What counts of transactions that have left memory: older than any window that ends.
    left: Sums,
    /// Full chunks, and what was split off them.
    older: Vec<Older>,
    /// The sum of all that lies before the last chunk.
    before_last: Sums,
}

/// A chunk that is not the last, and the sum of all before it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Older {
    before: Sums,
    chunk: Chunk,
}

impl Past {
    /// What lies before each chunk, the last included, from the chunk in this place on.
    fn befores(&mut self, from: usize) -> impl Iterator<Item = &mut Sums> {
        self.older.iter_mut().map(|older| &mut older.before).chain([&mut self.before_last]).skip(from)
    }
}

impl UsageSeries {
    /// An empty book.
    #[must_use]
    pub fn new(key: UsageSeriesKey) -> Self {
        Self { key, total: Sums::default(), last: Chunk::new(Vec::new()), past: None }
    }

    /// A book that goes on from what has left memory.
    #[must_use]
    pub fn resumed(key: UsageSeriesKey, left: Sums) -> Self {
        let past = (left != Sums::default()).then(|| Box::new(Past { left, older: Vec::new(), before_last: left }));
        Self { key, total: left, last: Chunk::new(Vec::new()), past }
    }

    /// What counts of transactions that have left memory.
    #[must_use]
    pub fn left(&self) -> Sums {
        self.past.as_ref().map_or_else(Sums::default, |past| past.left)
    }

    fn older(&self) -> &[Older] {
        self.past.as_ref().map_or(&[], |past| &past.older)
    }

    fn before_last(&self) -> Sums {
        self.past.as_ref().map_or_else(Sums::default, |past| past.before_last)
    }

    /// See [`crate::domain::customer::aggregate::Customer::touch`].
    #[inline]
    pub(in crate::domain) fn touch(&self) -> u64 {
        prefetch_index(&self.last.entries, self.last.entries.len());
        self.total.gross_count ^ self.last.last_at.cast_unsigned()
    }

    /// The amount and the quantity in the range, with cancels subtracted or not; a range without a beginning also holds
    /// what has left memory.
    #[must_use]
    #[inline]
    pub fn used(&self, range: Range, subtract_cancels: bool) -> (u128, u64) {
        let is_from_the_first = range.from == i64::MIN || (range.from <= self.last.first_at && self.past.is_none());
        // Most windows hold all that there is.
        if is_from_the_first && self.last.last_at < range.to {
            return self.total.view(subtract_cancels);
        }
        self.used_between(range, is_from_the_first, subtract_cancels)
    }

    /// [`UsageSeries::used`] of a range that does not hold all that there is. CachePadded, so that the other needs no room for it.
    #[inline(never)]
    fn used_between(&self, range: Range, is_from_the_first: bool, subtract_cancels: bool) -> (u128, u64) {
        let (amount, quantity) = self.before(range.to).view(subtract_cancels);
        if is_from_the_first {
            return (amount, quantity);
        }
        let (amount_before, quantity_before) = self.before(range.from).view(subtract_cancels);
        (amount - amount_before, quantity - quantity_before)
    }

    /// Everything.
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

    /// The earliest instant in the range at which something counts, with cancels subtracted or not.
    #[must_use]
    pub fn oldest_in(&self, range: Range, subtract_cancels: bool) -> Option<Millis> {
        let from = self.older().partition_point(|older| older.chunk.first_at < range.from).saturating_sub(1);
        let entries = self.chunks().skip(from).flat_map(|chunk| &chunk.entries);
        let counts = |e: &&Entry| if subtract_cancels { e.net_counts } else { e.gross_counts };
        entries
            .skip_while(|e| e.at < range.from)
            .take_while(|e| e.at < range.to)
            .find(counts)
            .map(|entry| Millis(entry.at))
    }

    /// The sum of what has left memory and of the entries earlier than `at`.
    fn before(&self, at: i64) -> Sums {
        let (before, chunk, behind) = if self.last.first_at < at {
            (self.before_last(), &self.last, self.total)
        } else {
            let all = self.older();
            let place = all.partition_point(|older| older.chunk.first_at < at);
            let Some(older) = place.checked_sub(1).and_then(|place| all.get(place)) else { return self.left() };
            (older.before, &older.chunk, all.get(place).map_or_else(|| self.before_last(), |next| next.before))
        };
        // Most windows end behind the last entry; then no entry is looked at.
        if chunk.last_at < at {
            return behind;
        }
        let cut = chunk.entries.partition_point(|entry| entry.at < at);
        // Whichever side of the cut is shorter is summed.
        if cut * 2 > chunk.entries.len() {
            let mut sums = behind;
            chunk.entries.iter().skip(cut).for_each(|entry| sums.subtract(&entry.is()));
            sums
        } else {
            let mut sums = before;
            chunk.entries.iter().take(cut).for_each(|entry| sums.add(&entry.is()));
            sums
        }
    }

    /// Sets what the transaction in this slot contributes at its own time; nothing at all takes its entry away.
    #[inline]
    pub fn set(&mut self, at: Millis, slot: u32, is: Contribution) {
        // Most transactions come behind all others, and then no other entry is looked at.
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
            let behind = self.older().partition_point(|older| starts_before(&older.chunk));
            // A key before everything goes into the first chunk there is.
            behind.saturating_sub(usize::from(behind > 0))
        };
        let chunk = self.chunk_mut(place);
        let spot = chunk.entries.partition_point(|entry| entry.key() < key);
        let found = chunk.entries.get(spot).filter(|entry| entry.key() == key).map(Entry::is);
        let was = found.unwrap_or_default();
        if was == is {
            return;
        }
        match found {
            None => chunk.entries.insert(spot, Entry::new(at, slot, is)),
            Some(_) if is != Contribution::NONE => chunk.entries[spot] = Entry::new(at, slot, is),
            Some(_) => drop(chunk.entries.remove(spot)),
        }
        chunk.note_ends();
        for before in self.past.iter_mut().flat_map(|past| past.befores(place + 1)) {
            before.subtract(&was);
            before.add(&is);
        }
        self.total.subtract(&was);
        self.total.add(&is);
        self.keep_shape(place);
    }

    /// Makes room for so many entries that are about to be added, and for no more.
    pub(in crate::domain) fn expect(&mut self, count: usize) {
        let entries = &mut self.last.entries;
        entries.reserve_exact(count.min(CHUNK.saturating_sub(entries.len())));
    }

    /// Adds an entry behind all others to a last chunk that has room.
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
        last.entries.push(Entry::new(at, slot, is));
        self.total.add(&is);
    }

    /// Takes the entry of a transaction away that leaves memory; what it contributes goes on counting without a time.
    pub fn leave(&mut self, at: Millis, slot: u32, is: Contribution) {
        if is == Contribution::NONE {
            return;
        }
        self.set(at, slot, Contribution::NONE);
        self.adjust_left(Contribution::NONE, is);
    }

    /// What a transaction that has left memory contributes has changed.
    pub fn adjust_left(&mut self, was: Contribution, is: Contribution) {
        let past = self.past.get_or_insert_default();
        let change = |sums: &mut Sums| {
            sums.subtract(&was);
            sums.add(&is);
        };
        change(&mut self.total);
        change(&mut past.left);
        past.befores(0).for_each(change);
    }

    /// Takes an empty chunk away, splits an overfull one.
    fn keep_shape(&mut self, place: usize) {
        let last = self.older().len();
        let chunk = self.chunk_mut(place);
        if chunk.entries.is_empty() {
            chunk.entries = Vec::new();
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
        // History grows at its end: there the old chunk stays full and one entry starts the next.
        let cut = if place == last { CHUNK } else { CHUNK / 2 };
        let mut added = Sums::default();
        chunk.entries.iter().take(cut).for_each(|entry| added.add(&entry.is()));
        let mut entries = Vec::with_capacity(CHUNK + 1);
        entries.extend(chunk.entries.drain(cut..));
        chunk.note_ends();
        let behind = Chunk::new(entries);
        let past = self.past.get_or_insert_default();
        match past.older.get(place) {
            None => {
                let (before, full) = (past.before_last, std::mem::replace(&mut self.last, behind));
                past.older.push(Older { before, chunk: full });
                past.before_last.join(&added);
            }
            Some(split) => {
                let mut before = split.before;
                before.join(&added);
                past.older.insert(place + 1, Older { before, chunk: behind });
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

    fn used(series: &UsageSeries, range: Range) -> Sums {
        let ((gross, gross_count), (net, net_count)) = (series.used(range, false), series.used(range, true));
        Sums { gross, net, gross_count, net_count }
    }

    fn contribution() -> impl Strategy<Value = Contribution> {
        (0_u64..5, 0_u64..5, any::<bool>(), any::<bool>())
            .prop_map(|(gross, net, gross_counts, net_counts)| Contribution { gross, net, gross_counts, net_counts })
    }

    proptest! {
        #[test]
        fn a_book_sums_like_a_list(
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
                let range = Range { from: a.min(b), to: a.max(b) };
                let mut want = Sums::default();
                list.values().filter(|(at, _)| range.holds(Millis(*at))).for_each(|(_, is)| want.add(is));
                prop_assert_eq!(used(&series, range), want);
            }
            check_shape(&series);
        }

        #[test]
        fn what_leaves_counts_where_no_beginning_is_asked_for(
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
                series.leave(at(*slot), *slot, *is);
            }
            // What has left may change all the same.
            if let Some((_, was)) = all.range_mut(..leaving).next() {
                let is = Contribution { net: 7, ..Contribution::of_amount(9) };
                series.adjust_left(*was, is);
                *was = is;
            }
            let sum = |slots: &mut dyn Iterator<Item = &Contribution>| {
                let mut sums = Sums::default();
                slots.for_each(|is| sums.add(is));
                sums
            };
            prop_assert_eq!(used(&series, Range { from: i64::MIN, to: i64::MAX }), sum(&mut all.values()));
            let kept = Range { from: at(leaving).0 + 1, to: i64::MAX };
            let rest = all.iter().filter(|(slot, _)| kept.holds(at(**slot))).map(|(_, is)| is);
            prop_assert_eq!(used(&series, kept), sum(&mut rest.into_iter()));
            check_shape(&series);
        }
    }

    fn check_shape(series: &UsageSeries) {
        let mut before = series.left();
        let said = series.older().iter().map(|older| older.before).chain([series.before_last()]);
        for (chunk, said) in series.chunks().zip(said) {
            assert_eq!(said, before);
            assert!(chunk.entries.len() <= CHUNK && (!chunk.entries.is_empty() || series.older().is_empty()));
            assert_eq!(chunk.entries.first().map_or(i64::MAX, |entry| entry.at), chunk.first_at);
            assert_eq!(chunk.entries.last().map_or(i64::MIN, |entry| entry.at), chunk.last_at);
            assert!(chunk.entries.is_sorted_by_key(Entry::key));
            chunk.entries.iter().for_each(|entry| before.add(&entry.is()));
        }
        assert_eq!(series.total(), before);
    }

    #[test]
    fn entries_of_one_instant_find_their_chunk() {
        let mut series = series();
        let is = Contribution::of_amount(1);
        (0..500).for_each(|slot| series.set(Millis(7), slot, is));
        (0..500).step_by(2).for_each(|slot| series.set(Millis(7), slot, Contribution::NONE));
        assert_eq!(series.total().gross, 250);
        assert_eq!(used(&series, Range { from: 7, to: 8 }).net_count, 250);
        assert_eq!(series.oldest_in(Range { from: 0, to: 100 }, true), Some(Millis(7)));
    }
}
