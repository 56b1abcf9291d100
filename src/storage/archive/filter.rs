//! What the archive surely does not know, told from memory: a new id, which nearly every payment brings, asks no file.
//!
//! A Bloom filter in blocks of half a cache line: a key names one block and eight bits in it, one of each word. It has
//! [`PARTS`] parts by the first bits of a key, and each part has the room that its keys need. One that has become too
//! full, or that holds too much of what is no more, is built again from the index, where its keys lie side by side; the
//! rest stays as it is, and whoever asks meanwhile waits for nothing but one pointer. A part that is not built yet
//! excludes nothing. So there is never a false no, and a false yes costs one look into the index.
//!
//! Memory: [`KEY_BITS`] bits a key when a part is full, a quarter more when it was just built: under two bytes an id,
//! beside at most 192 bytes a part.

use parking_lot::RwLock;
use std::ops::RangeInclusive;

/// How many parts there are.
pub(super) const PARTS: usize = 1 << PART_BITS;
const PART_BITS: u32 = 10;
/// Bits of a part for each key that it has room for: of a hundred new keys fewer than one is taken for a known one.
const KEY_BITS: usize = 12;
/// Keys for which the smallest part has room.
const ROOM_MIN: usize = 64;
/// Odd numbers that make eight bits' places of one number: those of the split block filter that Parquet describes.
const SALTS: [u32; 8] =
    [0x47b6_137b, 0x4497_4d91, 0x8824_ad5b, 0xa2b7_289d, 0x7054_95c7, 0x2df1_424b, 0x9efc_4947, 0x5c6b_fb31];

/// Keys of which each may be there; what is not in it is not there.
pub(super) struct Filter(Box<[RwLock<Option<Part>>]>);

#[derive(Clone, Copy, Default)]
#[repr(align(32))]
struct Block([u32; 8]);

struct Part {
    blocks: Box<[Block]>,
    /// Keys that were added, also those that are no more.
    added: usize,
    /// Keys that are no more.
    gone: usize,
    /// Keys for which it was built.
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
        let mut part = Self { blocks: vec![Block::default(); blocks].into(), added: 0, gone: 0, room };
        keys.iter().for_each(|key| part.add(*key));
        part
    }

    /// The block of a key, by the bits behind those that name its part.
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

    /// Whether it is too full, or larger than what it holds needs.
    fn is_due(&self) -> bool {
        let known = self.added.saturating_sub(self.gone);
        self.added > self.room || (self.room > ROOM_MIN && known * 4 < self.room * 3)
    }
}

/// The part of a key.
fn part_of(key: u64) -> usize {
    usize::try_from(key >> (u64::BITS - PART_BITS)).unwrap_or(0)
}

impl Filter {
    /// Of no keys, or of keys that are yet to be told.
    pub(super) fn new(is_empty: bool) -> Self {
        Self((0..PARTS).map(|_| RwLock::new(is_empty.then(|| Part::of(&[])))).collect())
    }

    /// Whether a key is certainly not there.
    pub(super) fn excludes(&self, key: u64) -> bool {
        self.0[part_of(key)].read().as_ref().is_some_and(|part| part.excludes(key))
    }

    /// Adds keys. Where the part is not built yet, whoever builds it finds them in the index.
    pub(super) fn add(&self, keys: impl IntoIterator<Item = u64>) {
        keys.into_iter().for_each(|key| self.0[part_of(key)].write().iter_mut().for_each(|part| part.add(key)));
    }

    /// Takes note of keys that are no more.
    pub(super) fn forget(&self, keys: impl IntoIterator<Item = u64>) {
        keys.into_iter().for_each(|key| self.0[part_of(key)].write().iter_mut().for_each(|part| part.gone += 1));
    }

    /// A part that is to be built, or built again.
    pub(super) fn first_due(&self) -> Option<usize> {
        let is_due = |part: &RwLock<Option<Part>>| part.read().as_ref().is_none_or(Part::is_due);
        self.0.iter().position(is_due)
    }

    /// Builds a part of all its keys; the caller sees to it that none is added meanwhile.
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

    /// Bytes of memory.
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

    /// Numbers as a keyed digest spreads them.
    fn spread(n: u64) -> u64 {
        let n = (n ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let n = (n ^ (n >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        n ^ (n >> 31)
    }

    fn keys(range: std::ops::Range<u64>) -> impl Iterator<Item = u64> {
        range.map(|n| spread(n.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
    }

    /// Builds what is due from all keys, as the archive does from its index.
    fn tend(filter: &Filter, all: &BTreeSet<u64>) {
        while let Some(part) = filter.first_due() {
            let keys: Vec<u64> = all.range(Filter::keys_of(part)).copied().collect();
            filter.build(part, &keys);
        }
    }

    #[test]
    fn two_bytes_an_id_tell_ninety_nine_of_a_hundred_new_ones_however_many_there_are() {
        let (filter, mut all) = (Filter::new(true), BTreeSet::new());
        let overhead = Filter::new(true).bytes();
        for step in 0..40 {
            let count = all.len() as u64;
            let more: Vec<u64> = keys(count..count + 10_000 * (1 + step / 8)).collect();
            filter.add(more.iter().copied());
            all.extend(more);
            tend(&filter, &all);
            assert!(all.iter().all(|key| !filter.excludes(*key)), "{} keys", all.len());
            let strangers = keys(1 << 40..(1 << 40) + 100_000);
            let excluded = strangers.filter(|key| filter.excludes(*key)).count();
            assert!(excluded >= 99_000, "{} keys: {excluded} of 100,000 strangers", all.len());
            let bytes = filter.bytes() - overhead;
            assert!(bytes <= 2 * all.len(), "{} keys take {bytes} bytes", all.len());
        }
        assert!(all.len() > 1_000_000);
    }

    proptest! {
        #[test]
        fn what_was_added_is_never_excluded(
            steps in proptest::collection::vec((0_u8..4, any::<u64>(), 1_u64..400), 1..30),
            is_empty: bool,
        ) {
            let (filter, mut all) = (Filter::new(is_empty), BTreeSet::new());
            for (what, first, count) in steps {
                // Keys of few parts, so that parts grow, and of all.
                let of = |n: u64| if what == 0 { spread(n) >> 12 } else { spread(n) };
                let more: Vec<u64> = (0..count).map(|n| of(first.wrapping_add(n))).collect();
                all.extend(more.iter().copied());
                filter.add(more);
                if what == 3 {
                    tend(&filter, &all);
                }
                prop_assert!(all.iter().all(|key| !filter.excludes(*key)));
            }
        }
    }
}
