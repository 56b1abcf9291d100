//! A table of small entries, found by a hash that is spread already.
//!
//! An entry lies where its hash says or behind it, so that looking for one that is not there, which every new
//! transaction does, and putting it there wait for the same piece of memory once.

use std::hint::black_box;

/// What a [`Table`] holds.
pub(crate) trait Entry: Copy {
    /// What stands where none is.
    const NONE: Self;
    /// One place in so many is free at least.
    const FREE: usize;
    /// A full table grows by its length divided by this: by 1, it is seldom moved, and half of it may be empty; by more,
    /// it is moved more often and takes less memory.
    const GROWS_BY: usize;
    /// How the places lie in memory.
    type Places: Places<Self>;

    /// Whether it is [`Entry::NONE`].
    fn is_none(&self) -> bool;

    /// Where it goes: its share of all hashes is its share of the table.
    fn hash(&self) -> u64;
}

/// The places of a [`Table`].
pub(crate) trait Places<E>: Default {
    /// How many there are.
    fn len(&self) -> usize;

    /// One of them; there is one.
    fn at(&self, place: usize) -> &E;

    /// See [`Places::at`].
    fn at_mut(&mut self, place: usize) -> &mut E;

    /// Becomes at least so many, and never fewer than there were, of which each is free; returns what stood in them.
    fn renew(&mut self, len: usize) -> Vec<E>;
}

/// In one piece, which is another when they become more: read with one step, and moved whole.
impl<E: Entry> Places<E> for Box<[E]> {
    fn len(&self) -> usize {
        <[E]>::len(self)
    }

    fn at(&self, place: usize) -> &E {
        &self[place]
    }

    fn at_mut(&mut self, place: usize) -> &mut E {
        &mut self[place]
    }

    fn renew(&mut self, len: usize) -> Vec<E> {
        std::mem::replace(self, vec![E::NONE; len].into_boxed_slice()).into_vec()
    }
}

/// A block's places: one KiB of 16-byte entries.
const BLOCK: usize = 64;

/// In blocks of one size, of which none is ever given back. Thousands of tables that grow a little at a time, each into
/// a piece of another size, would leave the allocator with as much memory that fits nobody as they take themselves.
pub(crate) struct Blocks<E>(Vec<Box<[E; BLOCK]>>);

impl<E> Default for Blocks<E> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<E: Entry> Places<E> for Blocks<E> {
    fn len(&self) -> usize {
        self.0.len() * BLOCK
    }

    fn at(&self, place: usize) -> &E {
        &self.0[place / BLOCK][place % BLOCK]
    }

    fn at_mut(&mut self, place: usize) -> &mut E {
        &mut self.0[place / BLOCK][place % BLOCK]
    }

    fn renew(&mut self, len: usize) -> Vec<E> {
        let old = self.0.iter().flat_map(|block| block.iter()).filter(|entry| !entry.is_none()).copied().collect();
        self.0.iter_mut().for_each(|block| **block = [E::NONE; BLOCK]);
        let blocks = len.div_ceil(BLOCK).max(self.0.len());
        self.0.reserve_exact(blocks - self.0.len());
        self.0.resize_with(blocks, || Box::new([E::NONE; BLOCK]));
        old
    }
}

/// Entries by hash; several may have the same.
///
/// Invariant: one in [`Entry::FREE`] places is free, and no free place lies between an entry and the place that its hash
/// names.
pub(crate) struct Table<E: Entry> {
    places: E::Places,
    len: usize,
}

impl<E: Entry> Default for Table<E> {
    fn default() -> Self {
        Self { places: E::Places::default(), len: 0 }
    }
}

const PLACES_MIN: usize = 4;

impl<E: Entry> Table<E> {
    fn start(&self, hash: u64) -> usize {
        usize::try_from((u128::from(hash) * self.places.len() as u128) >> 64).unwrap_or(0)
    }

    fn behind(&self, place: usize) -> usize {
        if place + 1 == self.places.len() { 0 } else { place + 1 }
    }

    /// How many places one lies behind another.
    fn distance(&self, from: usize, to: usize) -> usize {
        if to >= from { to - from } else { to + self.places.len() - from }
    }

    /// The places where one with this hash may lie, and what is there.
    fn occupied(&self, hash: u64) -> impl Iterator<Item = (usize, &E)> {
        let (len, start) = (self.places.len(), self.start(hash));
        let all = (start..len).chain(0..start).map(|place| (place, self.places.at(place)));
        all.take_while(|(_, entry)| !entry.is_none())
    }

    /// The place of an entry that `is` picks among those that may have this hash.
    fn place(&self, hash: u64, is: impl Fn(&E) -> bool) -> Option<usize> {
        self.occupied(hash).find(|(_, entry)| is(entry)).map(|(place, _)| place)
    }

    /// Reads the place of a hash, so that it is on its way from memory while something else is.
    pub(crate) fn touch(&self, hash: u64) {
        if self.places.len() > 0 {
            black_box(self.places.at(self.start(hash)).hash());
        }
    }

    /// All that may have this hash, and some that do not.
    pub(crate) fn near(&self, hash: u64) -> impl Iterator<Item = &E> {
        self.occupied(hash).map(|(_, entry)| entry)
    }

    /// The entry that `is` picks.
    pub(crate) fn get_mut(&mut self, hash: u64, is: impl Fn(&E) -> bool) -> Option<&mut E> {
        let place = self.place(hash, is)?;
        Some(self.places.at_mut(place))
    }

    /// Makes room for so many more.
    pub(crate) fn reserve(&mut self, count: usize) {
        let (len, places) = (self.len + count, self.places.len());
        if len * E::FREE > places * (E::FREE - 1) {
            let least = (len * E::FREE).div_ceil(E::FREE - 1);
            // Room for an eighth more, so that what was filled at once does not grow at the next entry.
            let room = (least + least / 8).max(places + places / E::GROWS_BY).max(PLACES_MIN);
            let old = self.places.renew(room);
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
        while !self.places.at(place).is_none() {
            place = self.behind(place);
        }
        *self.places.at_mut(place) = entry;
    }

    /// Takes the entry away that `is` picks.
    pub(crate) fn remove(&mut self, hash: u64, is: impl Fn(&E) -> bool) {
        let Some(mut hole) = self.place(hash, is) else { return };
        // Those behind it that would rather lie in the hole move there, so that nobody stops at it too early.
        let mut place = hole;
        loop {
            place = self.behind(place);
            let entry = *self.places.at(place);
            if entry.is_none() {
                break;
            }
            if self.distance(self.start(entry.hash()), place) >= self.distance(hole, place) {
                *self.places.at_mut(hole) = entry;
                hole = place;
            }
        }
        *self.places.at_mut(hole) = E::NONE;
        self.len -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// One whose places lie in `P`.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
    struct One<P>(u64, u32, std::marker::PhantomData<P>);

    macro_rules! entry {
        ($places:ty, $free:literal, $grows_by:literal, $marker:ty) => {
            impl Entry for One<$marker> {
                const NONE: Self = Self(0, u32::MAX, std::marker::PhantomData);
                const FREE: usize = $free;
                const GROWS_BY: usize = $grows_by;
                type Places = $places;
                fn is_none(&self) -> bool {
                    self.1 == u32::MAX
                }
                fn hash(&self) -> u64 {
                    self.0
                }
            }
        };
    }
    entry!(Box<[Self]>, 4, 1, [u8; 1]);
    entry!(Blocks<Self>, 8, 8, [u8; 2]);

    /// A table holds what a list would: few hashes, the last place among them, so that entries are displaced and go round
    /// the end.
    fn is_a_bag<P: Copy + Ord + std::fmt::Debug>(steps: &[(u8, u64, u32)])
    where
        One<P>: Entry,
    {
        let (mut table, mut bag): (Table<One<P>>, Vec<One<P>>) = (Table::default(), Vec::new());
        for (adds, hash, number) in steps {
            let entry = One(hash << 60, *number, std::marker::PhantomData);
            if *adds > 0 {
                table.insert(entry);
                bag.push(entry);
            } else {
                table.remove(entry.0, |known| *known == entry);
                if let Some(place) = bag.iter().position(|known| *known == entry) {
                    bag.swap_remove(place);
                }
            }
            bag.sort_unstable();
            let starts = 0..16_u64;
            let of = |start: u64| table.near(start << 60).filter(move |known| known.0 == start << 60);
            let mut found: Vec<One<P>> = starts.flat_map(of).copied().collect();
            found.sort_unstable();
            assert_eq!(found, bag);
            let is_there = table.get_mut(entry.0, |known| *known == entry).is_some();
            assert_eq!(is_there, bag.contains(&entry));
        }
    }

    proptest! {
        #[test]
        fn a_table_is_a_bag(steps in proptest::collection::vec((0_u8..4, 0_u64..16, 0_u32..4), 0..300)) {
            is_a_bag::<[u8; 1]>(&steps);
            is_a_bag::<[u8; 2]>(&steps);
        }
    }
}
