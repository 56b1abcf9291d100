//! How keys are spread over shards, stripes and hash buckets.

use std::hash::{BuildHasherDefault, Hasher};

/// The number of shards and of stripes: two requests seldom share one, and all of them are cheap to allocate.
pub(in crate::ledger) const SHARDS: usize = 4_096;

/// The shard of a customer number, or the stripe of a digest. Consecutive numbers are in different shards.
pub(in crate::ledger) fn shard_of(key: u64) -> usize {
    usize::try_from(key % SHARDS as u64).unwrap_or(0)
}

/// A hasher for keys that are uniformly distributed.
#[derive(Default)]
pub(in crate::ledger) struct SpreadHasher(u64);

impl Hasher for SpreadHasher {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    fn write_u128(&mut self, digest: u128) {
        self.0 = u64::try_from(digest >> 64).unwrap_or_default();
    }
    fn write_u64(&mut self, number: u64) {
        // Numbers of one shard have the same low bits; the multiplication spreads the high bits over the whole word.
        self.0 = (number >> 12).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
    fn finish(&self) -> u64 {
        self.0
    }
}

pub(in crate::ledger) type SpreadHashBuilder = BuildHasherDefault<SpreadHasher>;
