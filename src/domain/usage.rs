//! Usage: what one customer's transactions of one (direction, currency, level) add up to, in any range of time.
//!
//! A [`Book`] keeps one entry per counting transaction, sorted by time, in chunks of at most [`CHUNK`]. Each chunk
//! knows the sum of everything before it, so the sum of a range is two lookups and two scans within a chunk,
//! whatever the number of transactions in the window: nothing is bucketed and no window needs state of its own, so a
//! new filter, another time zone or a question about another instant are answered from the same entries.

use super::{calendar::Range, money::Currency, name::Name, rules::Direction, time::Millis};

/// The most entries of one chunk.
pub const CHUNK: usize = 64;

/// What one transaction contributes now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Contribution {
    /// Minor units where cancels are not subtracted.
    pub gross: u64,
    /// Minor units where they are.
    pub net: u64,
    /// Whether it counts in the quantity where cancels are not subtracted.
    pub gross_counts: bool,
    /// Whether it does where they are.
    pub net_counts: bool,
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

    fn subtract(&mut self, c: &Contribution) {
        self.gross -= u128::from(c.gross);
        self.net -= u128::from(c.net);
        self.gross_count -= u64::from(c.gross_counts);
        self.net_count -= u64::from(c.net_counts);
    }

    /// This sum less one that is contained in it.
    #[must_use]
    pub fn less(self, part: Self) -> Self {
        Self {
            gross: self.gross - part.gross,
            net: self.net - part.net,
            gross_count: self.gross_count - part.gross_count,
            net_count: self.net_count - part.net_count,
        }
    }

    /// The amount and the quantity, with cancels subtracted or not.
    #[must_use]
    pub fn view(&self, subtract_cancels: bool) -> (u128, u64) {
        if subtract_cancels { (self.net, self.net_count) } else { (self.gross, self.gross_count) }
    }
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    at: i64,
    slot: u32,
    is: Contribution,
}

#[derive(Debug, Clone, Default)]
struct Chunk {
    /// Of the first entry, so that finding a chunk touches no entries.
    first_at: i64,
    /// The sum of all chunks before this one.
    before: Sums,
    /// Sorted by (at, slot), never empty.
    entries: Vec<Entry>,
}

/// The usage of one customer under one (direction, currency, level).
///
/// Invariant: `chunks[k].before` is the sum of all entries in `chunks[..k]`, and `total` that of all chunks.
#[derive(Debug, Clone)]
pub struct Book {
    /// Which way the money goes.
    pub direction: Direction,
    /// Of the amounts.
    pub currency: Currency,
    /// The level name under which the transactions were decided.
    pub level: Name,
    total: Sums,
    chunks: Vec<Chunk>,
}

impl Book {
    /// An empty book.
    #[must_use]
    pub fn new(direction: Direction, currency: Currency, level: Name) -> Self {
        Self { direction, currency, level, total: Sums::default(), chunks: Vec::new() }
    }

    /// The sum of the entries in the range.
    #[must_use]
    pub fn sum(&self, range: Range) -> Sums {
        self.before(range.to).less(self.before(range.from))
    }

    /// Everything.
    #[must_use]
    pub fn total(&self) -> Sums {
        self.total
    }

    /// The earliest instant in the range at which something counts, with cancels subtracted or not.
    #[must_use]
    pub fn oldest_in(&self, range: Range, subtract_cancels: bool) -> Option<Millis> {
        let from = self.chunks.partition_point(|chunk| chunk.first_at < range.from).saturating_sub(1);
        let entries = self.chunks.iter().skip(from).flat_map(|chunk| &chunk.entries);
        let counts = |e: &&Entry| if subtract_cancels { e.is.net > 0 || e.is.net_counts } else { e.is.gross > 0 };
        entries
            .skip_while(|e| e.at < range.from)
            .take_while(|e| e.at < range.to)
            .find(counts)
            .map(|entry| Millis(entry.at))
    }

    /// The sum of the entries earlier than `at`.
    fn before(&self, at: i64) -> Sums {
        let place = self.chunks.partition_point(|chunk| chunk.first_at < at);
        let Some(chunk) = place.checked_sub(1).and_then(|place| self.chunks.get(place)) else {
            return Sums::default();
        };
        let behind = self.chunks.get(place).map_or(self.total, |next| next.before);
        // Most windows end behind the last entry; then no other entry is looked at.
        if chunk.entries.last().is_some_and(|last| last.at < at) {
            return behind;
        }
        let cut = chunk.entries.partition_point(|entry| entry.at < at);
        // Whichever side of the cut is shorter is summed.
        if cut * 2 > chunk.entries.len() {
            let mut sums = behind;
            chunk.entries.iter().skip(cut).for_each(|entry| sums.subtract(&entry.is));
            sums
        } else {
            let mut sums = chunk.before;
            chunk.entries.iter().take(cut).for_each(|entry| sums.add(&entry.is));
            sums
        }
    }

    /// Sets what the transaction in this slot contributes at its own time; nothing at all takes its entry away.
    pub fn set(&mut self, at: Millis, slot: u32, is: Contribution) {
        let key = (at.0, slot);
        let mut place = self.chunks.partition_point(|chunk| chunk.first_at <= at.0);
        // Entries of one instant may straddle chunks; step back to the chunk that holds or should hold the key.
        while place > 1
            && self.chunks.get(place - 1).and_then(|c| c.entries.first()).is_some_and(|e| (e.at, e.slot) > key)
        {
            place -= 1;
        }
        let place = place.saturating_sub(1);
        let Some(chunk) = self.chunks.get_mut(place) else {
            if is != Contribution::default() {
                let before = Sums::default();
                self.chunks.push(Chunk { first_at: at.0, before, entries: vec![Entry { at: at.0, slot, is }] });
                self.total.add(&is);
            }
            return;
        };
        let spot = chunk.entries.partition_point(|e| (e.at, e.slot) < key);
        let found = chunk.entries.get(spot).filter(|e| (e.at, e.slot) == key).map(|e| e.is);
        let was = found.unwrap_or_default();
        if was == is {
            return;
        }
        match (found, is == Contribution::default()) {
            (None, _) => chunk.entries.insert(spot, Entry { at: at.0, slot, is }),
            (Some(_), false) => chunk.entries[spot].is = is,
            (Some(_), true) => {
                chunk.entries.remove(spot);
            }
        }
        chunk.first_at = chunk.entries.first().map_or(i64::MAX, |entry| entry.at);
        for later in self.chunks.iter_mut().skip(place + 1) {
            later.before.subtract(&was);
            later.before.add(&is);
        }
        self.total.subtract(&was);
        self.total.add(&is);
        self.keep_shape(place);
    }

    /// Takes an empty chunk away, splits an overfull one.
    fn keep_shape(&mut self, place: usize) {
        let Some(chunk) = self.chunks.get_mut(place) else { return };
        if chunk.entries.is_empty() {
            self.chunks.remove(place);
            return;
        }
        if chunk.entries.len() <= CHUNK {
            return;
        }
        // History grows at its end: there the old chunk stays full and one entry starts the next.
        let cut = if place + 1 == self.chunks.len() { CHUNK } else { CHUNK / 2 };
        let chunk = &mut self.chunks[place];
        let mut before = chunk.before;
        chunk.entries.iter().take(cut).for_each(|entry| before.add(&entry.is));
        let entries = chunk.entries.split_off(cut);
        let first_at = entries.first().map_or(i64::MAX, |entry| entry.at);
        self.chunks.insert(place + 1, Chunk { first_at, before, entries });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn book() -> Book {
        Book::new(Direction::Deposit, Currency::parse("EUR").unwrap(), Name::parse("gold").unwrap())
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
            let (mut book, mut list) = (book(), BTreeMap::new());
            for (at, slot, is) in edits {
                // A transaction has one time: the slot decides it.
                let at = (at + i64::from(slot) * 7) % 200;
                let at = if let Some((known, _)) = list.get(&slot) { *known } else { at };
                list.insert(slot, (at, is));
                book.set(Millis(at), slot, is);
            }
            for (a, b) in ranges {
                let range = Range { from: a.min(b), to: a.max(b) };
                let mut want = Sums::default();
                list.values().filter(|(at, _)| range.holds(Millis(*at))).for_each(|(_, is)| want.add(is));
                prop_assert_eq!(book.sum(range), want);
            }
            let mut before = Sums::default();
            for chunk in &book.chunks {
                prop_assert_eq!(chunk.before, before);
                prop_assert!((1..=CHUNK).contains(&chunk.entries.len()));
                prop_assert_eq!(chunk.first_at, chunk.entries[0].at);
                chunk.entries.iter().for_each(|e| before.add(&e.is));
            }
            prop_assert_eq!(book.total(), before);
        }
    }

    #[test]
    fn entries_of_one_instant_find_their_chunk() {
        let mut book = book();
        let is = Contribution { gross: 1, net: 1, gross_counts: true, net_counts: true };
        (0..500).for_each(|slot| book.set(Millis(7), slot, is));
        (0..500).step_by(2).for_each(|slot| book.set(Millis(7), slot, Contribution::default()));
        assert_eq!(book.total().gross, 250);
        assert_eq!(book.sum(Range { from: 7, to: 8 }).net_count, 250);
        assert_eq!(book.oldest_in(Range { from: 0, to: 100 }, true), Some(Millis(7)));
    }
}
