//! A table of small entries, found by a hash that is spread already.
//!
//! An entry lies where its hash says or behind it, so that looking for one that is not there, which every new
//! transaction does, and putting it there wait for the same piece of memory once.

use std::hint::black_box;

/// What a [`Table`] holds.
pub(crate) trait Entry: Copy {
    /// What stands where none is.
    const NONE: Self;

    /// Whether it is [`Entry::NONE`].
    fn is_none(&self) -> bool;

    /// Where it goes: the high bits decide.
    fn hash(&self) -> u64;
}

/// Entries by hash; several may have the same.
///
/// Invariant: its length is zero or a power of two, at least a quarter of the places are free, and no free place lies
/// between an entry and the place that its hash names.
pub(crate) struct Table<E> {
    places: Box<[E]>,
    len: usize,
}

impl<E> Default for Table<E> {
    fn default() -> Self {
        Self { places: Box::default(), len: 0 }
    }
}

const PLACES_MIN: usize = 4;

impl<E: Entry> Table<E> {
    fn start(&self, hash: u64) -> usize {
        if self.places.is_empty() {
            return 0;
        }
        let bits = self.places.len().trailing_zeros();
        usize::try_from(hash >> (64 - bits)).unwrap_or(0)
    }

    fn behind(&self, place: usize) -> usize {
        (place + 1) & (self.places.len() - 1)
    }

    /// The place of an entry that `is` picks among those that may have this hash.
    fn place(&self, hash: u64, is: impl Fn(&E) -> bool) -> Option<usize> {
        let mut place = self.start(hash);
        loop {
            let entry = self.places.get(place).filter(|entry| !entry.is_none())?;
            if is(entry) {
                return Some(place);
            }
            place = self.behind(place);
        }
    }

    /// Reads the place of a hash, so that it is on its way from memory while something else is.
    pub(crate) fn touch(&self, hash: u64) {
        black_box(self.places.get(self.start(hash)).map(E::hash));
    }

    /// All that may have this hash, and some that do not.
    pub(crate) fn near(&self, hash: u64) -> impl Iterator<Item = &E> {
        let (behind, before) = self.places.split_at(self.start(hash));
        before.iter().chain(behind).take_while(|entry| !entry.is_none())
    }

    /// The entry that `is` picks.
    pub(crate) fn get_mut(&mut self, hash: u64, is: impl Fn(&E) -> bool) -> Option<&mut E> {
        let place = self.place(hash, is)?;
        Some(&mut self.places[place])
    }

    /// Makes room for so many more.
    pub(crate) fn reserve(&mut self, count: usize) {
        let len = self.len + count;
        if len * 4 > self.places.len() * 3 {
            let places = (len * 4).div_ceil(3).next_power_of_two().max(PLACES_MIN);
            let old = std::mem::replace(&mut self.places, vec![E::NONE; places].into_boxed_slice());
            old.into_iter().filter(|entry| !entry.is_none()).for_each(|entry| self.put(entry));
        }
    }

    /// Adds an entry.
    pub(crate) fn insert(&mut self, entry: E) {
        self.reserve(1);
        self.put(entry);
        self.len += 1;
    }

    fn put(&mut self, entry: E) {
        let mut place = self.start(entry.hash());
        while !self.places[place].is_none() {
            place = self.behind(place);
        }
        self.places[place] = entry;
    }

    /// Takes the entry away that `is` picks.
    pub(crate) fn remove(&mut self, hash: u64, is: impl Fn(&E) -> bool) {
        let Some(mut hole) = self.place(hash, is) else { return };
        // Those behind it that would rather lie in the hole move there, so that nobody stops at it too early.
        let (mut place, last) = (hole, self.places.len() - 1);
        loop {
            place = self.behind(place);
            let entry = self.places[place];
            if entry.is_none() {
                break;
            }
            let from_its_start = place.wrapping_sub(self.start(entry.hash())) & last;
            let from_the_hole = place.wrapping_sub(hole) & last;
            if from_its_start >= from_the_hole {
                self.places[hole] = entry;
                hole = place;
            }
        }
        self.places[hole] = E::NONE;
        self.len -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    impl Entry for (u64, u32) {
        const NONE: Self = (0, u32::MAX);
        fn is_none(&self) -> bool {
            self.1 == u32::MAX
        }
        fn hash(&self) -> u64 {
            self.0
        }
    }

    proptest! {
        #[test]
        fn a_table_is_a_bag(steps in proptest::collection::vec((any::<bool>(), 0_u64..16, 0_u32..4), 0..300)) {
            let (mut table, mut bag) = (Table::default(), Vec::new());
            for (adds, hash, number) in steps {
                // Few starts, the last place among them, so that entries are displaced and go round the end.
                let entry = (hash << 60, number);
                if adds && bag.len() < 40 {
                    table.insert(entry);
                    bag.push(entry);
                } else {
                    table.remove(entry.0, |known| *known == entry);
                    if let Some(place) = bag.iter().position(|known| *known == entry) {
                        bag.swap_remove(place);
                    }
                }
                bag.sort_unstable();
                let mut found: Vec<(u64, u32)> = Vec::new();
                for start in 0..16_u64 {
                    found.extend(table.near(start << 60).filter(|known| known.0 == start << 60));
                }
                found.sort_unstable();
                prop_assert_eq!(&found, &bag);
                let is_there = table.get_mut(entry.0, |known| *known == entry).is_some();
                prop_assert_eq!(is_there, bag.contains(&entry));
            }
        }
    }
}
