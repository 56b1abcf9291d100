//! A hash table of small entries with linear probing. Hashes are uniformly distributed.
//!
//! An entry is at the slot of its hash or after it. A lookup of an absent entry and its insertion, which every new
//! transaction does, therefore load the same cache line once.

use prefetch_index::prefetch_index;

/// An entry of a [`Table`].
pub(in crate::ledger) trait TableEntry: Copy {
    /// The value of an empty slot.
    const EMPTY: Self;
    /// At least one slot in this many is empty.
    const ONE_EMPTY_IN: usize;
    /// A full table grows by its length divided by this. With 1 it is rarely rebuilt, and half of it may be empty; with a
    /// larger value it is rebuilt more often and takes less memory.
    const GROWTH_DIVISOR: usize;
    /// The memory of the slots.
    type Storage: TableStorage<Self>;

    /// Whether it is [`TableEntry::EMPTY`].
    fn is_empty(&self) -> bool;

    /// The hash. Its high bits select the slot.
    fn hash(&self) -> u64;
}

/// The slots of a [`Table`].
pub(in crate::ledger) trait TableStorage<E>: Default {
    fn len(&self) -> usize;

    /// An existing slot.
    fn at(&self, index: usize) -> &E;

    /// An existing slot.
    fn at_mut(&mut self, index: usize) -> &mut E;

    /// The bytes of its allocations.
    fn heap_bytes(&self) -> usize;

    /// Empties all slots and grows to at least `len` of them. It never shrinks. Returns the entries.
    fn rebuild(&mut self, len: usize) -> Vec<E>;
}

/// One allocation: access takes one step, and growth replaces all of it.
impl<E: TableEntry> TableStorage<E> for Box<[E]> {
    fn len(&self) -> usize {
        <[E]>::len(self)
    }

    fn at(&self, index: usize) -> &E {
        &self[index]
    }

    fn at_mut(&mut self, index: usize) -> &mut E {
        &mut self[index]
    }

    fn heap_bytes(&self) -> usize {
        size_of_val::<[E]>(self)
    }

    fn rebuild(&mut self, len: usize) -> Vec<E> {
        std::mem::replace(self, vec![E::EMPTY; len].into_boxed_slice()).into_vec()
    }
}

/// Blocks of one size, of `SLOTS` entries, that are never freed. Thousands of tables that grow in small steps, each to an
/// allocation of a new size, would fragment the heap to twice their size. One KiB is a good size of a block.
pub(in crate::ledger) struct BlockStorage<E, const SLOTS: usize>(Vec<Box<[E; SLOTS]>>);

impl<E, const SLOTS: usize> Default for BlockStorage<E, SLOTS> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<E: TableEntry, const SLOTS: usize> TableStorage<E> for BlockStorage<E, SLOTS> {
    fn len(&self) -> usize {
        self.0.len() * SLOTS
    }

    fn at(&self, index: usize) -> &E {
        &self.0[index / SLOTS][index % SLOTS]
    }

    fn at_mut(&mut self, index: usize) -> &mut E {
        &mut self.0[index / SLOTS][index % SLOTS]
    }

    fn heap_bytes(&self) -> usize {
        self.0.capacity() * size_of::<Box<[E; SLOTS]>>() + self.0.len() * size_of::<[E; SLOTS]>()
    }

    fn rebuild(&mut self, len: usize) -> Vec<E> {
        let old = self.0.iter().flat_map(|block| block.iter()).filter(|entry| !entry.is_empty()).copied().collect();
        self.0.iter_mut().for_each(|block| **block = [E::EMPTY; SLOTS]);
        let blocks = len.div_ceil(SLOTS).max(self.0.len());
        self.0.reserve_exact(blocks - self.0.len());
        self.0.resize_with(blocks, || Box::new([E::EMPTY; SLOTS]));
        old
    }
}

/// Entries by hash; several may have the same hash.
///
/// Invariant: one in [`TableEntry::ONE_EMPTY_IN`] slots is empty, and no empty slot is between an entry and the slot of
/// its hash.
pub(in crate::ledger) struct Table<E: TableEntry> {
    slots: E::Storage,
    len: usize,
}

impl<E: TableEntry> Default for Table<E> {
    fn default() -> Self {
        Self { slots: E::Storage::default(), len: 0 }
    }
}

const SLOTS_MIN: usize = 4;

impl<E: TableEntry> Table<E> {
    fn start(&self, hash: u64) -> usize {
        usize::try_from((u128::from(hash) * self.slots.len() as u128) >> 64).unwrap_or(0)
    }

    fn next(&self, index: usize) -> usize {
        if index + 1 == self.slots.len() { 0 } else { index + 1 }
    }

    /// The number of steps from one slot to another.
    fn distance(&self, from: usize, to: usize) -> usize {
        if to >= from { to - from } else { to + self.slots.len() - from }
    }

    /// The probed slots of a hash, up to the first empty one.
    fn occupied(&self, hash: u64) -> impl Iterator<Item = (usize, &E)> {
        let (len, start) = (self.slots.len(), self.start(hash));
        let all = (start..len).chain(0..start).map(|index| (index, self.slots.at(index)));
        all.take_while(|(_, entry)| !entry.is_empty())
    }

    fn position(&self, hash: u64, matches: impl Fn(&E) -> bool) -> Option<usize> {
        self.occupied(hash).find(|(_, entry)| matches(entry)).map(|(index, _)| index)
    }

    /// The bytes of its allocations.
    pub(in crate::ledger) fn heap_bytes(&self) -> usize {
        self.slots.heap_bytes()
    }

    /// Loads the slot of a hash into the cache.
    pub(in crate::ledger) fn prefetch(&self, hash: u64) {
        if self.slots.len() > 0 {
            prefetch_index(std::slice::from_ref(self.slots.at(self.start(hash))), 0);
        }
    }

    /// All entries with this hash, and possibly others.
    pub(in crate::ledger) fn candidates(&self, hash: u64) -> impl Iterator<Item = &E> {
        self.occupied(hash).map(|(_, entry)| entry)
    }

    /// The first entry with this hash that matches.
    pub(in crate::ledger) fn get_mut(&mut self, hash: u64, matches: impl Fn(&E) -> bool) -> Option<&mut E> {
        let index = self.position(hash, matches)?;
        Some(self.slots.at_mut(index))
    }

    /// Makes room for `count` more entries.
    pub(in crate::ledger) fn reserve(&mut self, count: usize) {
        let (len, slots) = (self.len + count, self.slots.len());
        if len * E::ONE_EMPTY_IN > slots * (E::ONE_EMPTY_IN - 1) {
            let least = (len * E::ONE_EMPTY_IN).div_ceil(E::ONE_EMPTY_IN - 1);
            // An eighth more, so that a table that is filled at once does not grow with the next entry.
            let room = (least + least / 8).max(slots + slots / E::GROWTH_DIVISOR).max(SLOTS_MIN);
            let old = self.slots.rebuild(room);
            old.into_iter().filter(|entry| !entry.is_empty()).for_each(|entry| self.place(entry));
        }
    }

    /// Adds an entry.
    pub(in crate::ledger) fn insert(&mut self, entry: E) {
        self.reserve(1);
        self.place(entry);
        self.len += 1;
    }

    fn place(&mut self, entry: E) {
        let mut index = self.start(entry.hash());
        while !self.slots.at(index).is_empty() {
            index = self.next(index);
        }
        *self.slots.at_mut(index) = entry;
    }

    /// Removes the first entry with this hash that matches.
    pub(in crate::ledger) fn remove(&mut self, hash: u64, matches: impl Fn(&E) -> bool) {
        let Some(mut hole) = self.position(hash, matches) else { return };
        // Later entries that belong at the hole or before it move there, so that no lookup stops at the hole.
        let mut index = hole;
        loop {
            index = self.next(index);
            let entry = *self.slots.at(index);
            if entry.is_empty() {
                break;
            }
            if self.distance(self.start(entry.hash()), index) >= self.distance(hole, index) {
                *self.slots.at_mut(hole) = entry;
                hole = index;
            }
        }
        *self.slots.at_mut(hole) = E::EMPTY;
        self.len -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// An entry of a table whose storage the marker `P` selects.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
    struct TestEntry<P>(u64, u32, std::marker::PhantomData<P>);

    macro_rules! entry {
        ($storage:ty, $one_empty_in:literal, $growth_divisor:literal, $marker:ty) => {
            impl TableEntry for TestEntry<$marker> {
                const EMPTY: Self = Self(0, u32::MAX, std::marker::PhantomData);
                const ONE_EMPTY_IN: usize = $one_empty_in;
                const GROWTH_DIVISOR: usize = $growth_divisor;
                type Storage = $storage;
                fn is_empty(&self) -> bool {
                    self.1 == u32::MAX
                }
                fn hash(&self) -> u64 {
                    self.0
                }
            }
        };
    }
    entry!(Box<[Self]>, 4, 1, [u8; 1]);
    entry!(BlockStorage<Self, 64>, 8, 8, [u8; 2]);

    /// A table contains what a list contains. The hashes are few, and the last slot is among them, so that entries are
    /// displaced and wrap around the end.
    fn behaves_as_a_bag<P: Copy + Ord + std::fmt::Debug>(steps: &[(u8, u64, u32)])
    where
        TestEntry<P>: TableEntry,
    {
        let (mut table, mut bag): (Table<TestEntry<P>>, Vec<TestEntry<P>>) = (Table::default(), Vec::new());
        for (adds, hash, number) in steps {
            let entry = TestEntry(hash << 60, *number, std::marker::PhantomData);
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
            let with_hash = |start: u64| table.candidates(start << 60).filter(move |known| known.0 == start << 60);
            let mut found: Vec<TestEntry<P>> = starts.flat_map(with_hash).copied().collect();
            found.sort_unstable();
            assert_eq!(found, bag);
            let is_there = table.get_mut(entry.0, |known| *known == entry).is_some();
            assert_eq!(is_there, bag.contains(&entry));
        }
    }

    proptest! {
        #[test]
        fn a_table_contains_what_a_list_contains(steps in proptest::collection::vec((0_u8..4, 0_u64..16, 0_u32..4), 0..300)) {
            behaves_as_a_bag::<[u8; 1]>(&steps);
            behaves_as_a_bag::<[u8; 2]>(&steps);
        }
    }
}
