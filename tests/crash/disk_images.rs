//! What is left of a store: by a killed process, by a power cut in several ways.

use levelgate::storage::fs::memory::{Keep, Memory, Unsynced};
use support::random::Random;

/// A way to lose what was not synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImageKind {
    /// The process is killed: the system keeps all that it took.
    Killed,
    /// Nothing is kept that was not synced.
    Nothing,
    /// All is kept.
    All,
    /// Files have their lengths, with zeroes in them.
    Lengths,
    /// Each change is kept, lost or torn for itself.
    Torn(u64),
    /// Whole changes, any of them: as if they had been written in another order.
    Some(u64),
}

impl ImageKind {
    /// One for each number.
    pub fn of(number: u64) -> Self {
        match number % 8 {
            0 => Self::Killed,
            1 => Self::Nothing,
            2 => Self::All,
            3 => Self::Lengths,
            4 | 5 => Self::Some(number),
            _ => Self::Torn(number),
        }
    }

    /// The image of a store.
    pub fn of_store(self, store: &Memory) -> Memory {
        let (seed, torn) = match self {
            Self::Killed => return store.kill_image(),
            Self::Nothing => return store.crash_image(&mut |_| Keep::Nothing),
            Self::All => return store.crash_image(&mut |_| Keep::All),
            Self::Lengths => return store.crash_image(&mut |_| Keep::Length),
            Self::Torn(seed) => (seed, true),
            Self::Some(seed) => (seed, false),
        };
        let mut random = Random::seeded(seed);
        store.crash_image(&mut |change| match (random.between(0, 5), change) {
            (0 | 1, _) => Keep::Nothing,
            (2, Unsynced::Write { bytes, .. }) if torn => Keep::Prefix(random.place(bytes + 1)),
            (3, _) if torn => Keep::Sectors(random.between(0, i64::MAX - 1).cast_unsigned()),
            (4, _) if torn => Keep::Length,
            _ => Keep::All,
        })
    }
}
