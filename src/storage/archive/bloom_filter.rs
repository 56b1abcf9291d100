//! A Bloom filter over the keys of archived transactions: a new id, which nearly every payment has, reads no file.
//!
//! Its blocks are half a cache line: a key selects one block and eight bits in it, one in each word. The first bits of a key
//! select one of [`PARTS`] parts, and each part is as large as its keys need. A part that is too full, or that contains too
//! many removed keys, is built again from the index, where its keys are adjacent. The other parts stay, and readers wait
//! only for the swap of one pointer. A part that is not built excludes nothing. So there are no false negatives, and a false
//! positive costs one read of the index.
//!
//! Memory: [`KEY_BITS`] bits per key when a part is full, and a quarter more after it was built: under two bytes per id, plus
//! at most 192 bytes per part.

use parking_lot::RwLock;
use std::ops::RangeInclusive;

/// The number of parts.
pub(super) const PARTS: usize = 1 << PART_BITS;
const PART_BITS: u32 = 10;
/// Bits of a part per key that it has room for. Fewer than 1 % of new keys are false positives.
const KEY_BITS: usize = 12;
/// The room of the smallest part, in keys.
const ROOM_MIN: usize = 64;
/// Odd numbers that derive eight bit positions from one number, from the split block Bloom filter of Parquet.
const SALTS: [u32; 8] =
    [0x47b6_137b, 0x4497_4d91, 0x8824_ad5b, 0xa2b7_289d, 0x7054_95c7, 0x2df1_424b, 0x9efc_4947, 0x5c6b_fb31];

/// A set of keys without false negatives.
pub(super) struct BloomFilter(Box<[RwLock<Option<Part>>]>);

#[derive(Clone, Copy, Default)]
#[repr(align(32))]
struct Block([u32; 8]);

struct Part {
    blocks: Box<[Block]>,
    /// Added keys, including removed ones.
    added: usize,
    /// Removed keys.
    removed: usize,
    /// The number of keys for which it was built.
    room: usize,
}

impl Block {
    fn mask(key: u64) -> [u32; 8] {
        let low = low(key);
        SALTS.map(|salt| 1 << (low.wrapping_mul(salt) >> 27))
    }
}

fn low(key: u64) -> u32 {
    u32::try_from(key & u64::from(u32::MAX)).unwrap_or(0)
}

impl Part {
    fn of(keys: &[u64]) -> Self {
        let room = ROOM_MIN.max(keys.len() + keys.len() / 4);
        let blocks = (room * KEY_BITS).div_ceil(8 * size_of::<Block>());
        let mut part = Self { blocks: vec![Block::default(); blocks].into(), added: 0, removed: 0, room };
        keys.iter().for_each(|key| part.add(*key));
        part
    }

    /// The block of a key, by the bits after those that select its part.
    fn block(&self, key: u64) -> usize {
        let place = u128::from(key << PART_BITS) * self.blocks.len() as u128;
        usize::try_from(place >> 64).unwrap_or(0)
    }

    fn add(&mut self, key: u64) {
        let block = self.block(key);
        self.blocks[block].0.iter_mut().zip(Block::mask(key)).for_each(|(word, bit)| *word |= bit);
        self.added += 1;
    }

    fn excludes(&self, key: u64) -> bool {
        let block = &self.blocks[self.block(key)].0;
        block.iter().zip(Block::mask(key)).any(|(word, bit)| word & bit == 0)
    }

    /// Whether it is too full, or too large for its keys.
    fn is_due(&self) -> bool {
        let known = self.added.saturating_sub(self.removed);
        self.added > self.room || (self.room > ROOM_MIN && known * 4 < self.room * 3)
    }
}

/// The part of a key.
fn part_of(key: u64) -> usize {
    usize::try_from(key >> (u64::BITS - PART_BITS)).unwrap_or(0)
}

impl BloomFilter {
    /// An empty filter, or one whose parts are not built.
    pub(super) fn new(is_empty: bool) -> Self {
        Self((0..PARTS).map(|_| RwLock::new(is_empty.then(|| Part::of(&[])))).collect())
    }

    /// Whether a key is certainly not in the set.
    pub(super) fn excludes(&self, key: u64) -> bool {
        self.0[part_of(key)].read().as_ref().is_some_and(|part| part.excludes(key))
    }

    /// Adds keys. A part that is not built gets them from the index later.
    pub(super) fn add(&self, keys: impl IntoIterator<Item = u64>) {
        keys.into_iter().for_each(|key| self.0[part_of(key)].write().iter_mut().for_each(|part| part.add(key)));
    }

    /// Counts removed keys.
    pub(super) fn remove(&self, keys: impl IntoIterator<Item = u64>) {
        keys.into_iter().for_each(|key| self.0[part_of(key)].write().iter_mut().for_each(|part| part.removed += 1));
    }

    /// The first part that must be built.
    pub(super) fn first_due(&self) -> Option<usize> {
        let is_due = |part: &RwLock<Option<Part>>| part.read().as_ref().is_none_or(Part::is_due);
        self.0.iter().position(is_due)
    }

    /// Builds a part from all its keys. The caller must not add keys at the same time.
    pub(super) fn build(&self, part: usize, keys: &[u64]) {
        let built = Part::of(keys);
        *self.0[part].write() = Some(built);
    }

    /// The keys that belong to a part.
    pub(super) fn keys_of(part: usize) -> RangeInclusive<u64> {
        let bits = u64::BITS - PART_BITS;
        let first = (part as u64) << bits;
        first..=first | (u64::MAX >> PART_BITS)
    }

    /// The memory in bytes.
    pub(super) fn bytes(&self) -> usize {
        let blocks = |part: &RwLock<Option<Part>>| part.read().as_ref().map_or(0, |part| part.blocks.len());
        self.0.iter().map(|part| blocks(part) * size_of::<Block>() + size_of_val(part)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    /// Spreads numbers like a keyed digest.
    fn spread(n: u64) -> u64 {
        let n = (n ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let n = (n ^ (n >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        n ^ (n >> 31)
    }

    fn keys(range: std::ops::Range<u64>) -> impl Iterator<Item = u64> {
        range.map(|n| spread(n.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
    }

    /// Builds the parts that are due, as the archive does from its index.
    fn build_due_parts(filter: &BloomFilter, all: &BTreeSet<u64>) {
        while let Some(part) = filter.first_due() {
            let keys: Vec<u64> = all.range(BloomFilter::keys_of(part)).copied().collect();
            filter.build(part, &keys);
        }
    }

    #[test]
    fn two_bytes_per_id_exclude_ninety_nine_percent_of_new_ids() {
        let (filter, mut all) = (BloomFilter::new(true), BTreeSet::new());
        let overhead = BloomFilter::new(true).bytes();
        for step in 0..40 {
            let count = all.len() as u64;
            let more: Vec<u64> = keys(count..count + 10_000 * (1 + step / 8)).collect();
            filter.add(more.iter().copied());
            all.extend(more);
            build_due_parts(&filter, &all);
            assert!(all.iter().all(|key| !filter.excludes(*key)), "{} keys", all.len());
            let new_keys = keys(1 << 40..(1 << 40) + 100_000);
            let excluded = new_keys.filter(|key| filter.excludes(*key)).count();
            assert!(excluded >= 99_000, "{} keys: {excluded} of 100,000 new keys", all.len());
            let bytes = filter.bytes() - overhead;
            assert!(bytes <= 2 * all.len(), "{} keys take {bytes} bytes", all.len());
        }
        assert!(all.len() > 1_000_000);
    }

    proptest! {
        #[test]
        fn added_keys_are_never_excluded(
            steps in proptest::collection::vec((0_u8..4, any::<u64>(), 1_u64..400), 1..30),
            is_empty: bool,
        ) {
            let (filter, mut all) = (BloomFilter::new(is_empty), BTreeSet::new());
            for (what, first, count) in steps {
                // Keys of few parts, so that parts grow, and keys of all parts.
                let of = |n: u64| if what == 0 { spread(n) >> 12 } else { spread(n) };
                let more: Vec<u64> = (0..count).map(|n| of(first.wrapping_add(n))).collect();
                all.extend(more.iter().copied());
                filter.add(more);
                if what == 3 {
                    build_due_parts(&filter, &all);
                }
                prop_assert!(all.iter().all(|key| !filter.excludes(*key)));
            }
        }
    }
}
