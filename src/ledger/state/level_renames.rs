//! The renames of levels.

use crate::domain::{
    transaction::log_offset::LogOffset,
    vocabulary::{direction::Direction, names::Name},
};
use parking_lot::RwLock;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A rename of a level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::ledger) struct LevelRename {
    pub(in crate::ledger) merchant: Name,
    pub(in crate::ledger) direction: Direction,
    pub(in crate::ledger) from: Name,
    pub(in crate::ledger) to: Name,
    /// The offset of its record. Records before it contain the old name.
    pub(in crate::ledger) offset: LogOffset,
}

/// All renames, in the order of their records.
#[derive(Default)]
pub(in crate::ledger) struct LevelRenames {
    all: RwLock<Vec<LevelRename>>,
    /// The number of renames. While it is 0, a lookup takes no lock.
    len: AtomicUsize,
}

impl LevelRenames {
    /// Adds a rename, unless it is already known.
    pub(in crate::ledger) fn add(&self, rename: LevelRename) {
        let mut all = self.all.write();
        if let Err(index) = all.binary_search_by_key(&rename.offset, |known| known.offset) {
            all.insert(index, rename);
        }
        self.len.store(all.len(), Ordering::Release);
    }

    pub(in crate::ledger) fn all(&self) -> Vec<LevelRename> {
        self.all.read().clone()
    }

    /// The current name of a level that the record at an offset calls `name`.
    pub(in crate::ledger) fn current_name(
        &self,
        merchant: Name,
        direction: Direction,
        offset: LogOffset,
        name: Name,
    ) -> Name {
        if self.len.load(Ordering::Acquire) == 0 {
            return name;
        }
        let all = self.all.read();
        let later = all.iter().skip(all.partition_point(|rename| rename.offset <= offset));
        let of_direction = later.filter(|rename| (rename.merchant, rename.direction) == (merchant, direction));
        of_direction.fold(name, |name, rename| if rename.from == name { rename.to } else { name })
    }

    /// The renames of a merchant whose records are at `from` or after it and before `to`.
    pub(in crate::ledger) fn between(&self, merchant: Name, from: LogOffset, to: LogOffset) -> Vec<LevelRename> {
        let is_between = |rename: &&LevelRename| rename.merchant == merchant && (from..to).contains(&rename.offset);
        self.all.read().iter().filter(is_between).copied().collect()
    }

    /// Whether a level of this name was ever renamed.
    pub(in crate::ledger) fn contains(&self, merchant: Name, direction: Direction, from: Name) -> bool {
        let is_renamed =
            |rename: &LevelRename| (rename.merchant, rename.direction, rename.from) == (merchant, direction, from);
        self.len.load(Ordering::Acquire) > 0 && self.all.read().iter().any(is_renamed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recorded_name_becomes_the_name_after_all_later_renames() {
        let name = |text| Name::parse(text).unwrap();
        let renames = LevelRenames::default();
        let add = |from, to, offset| {
            let (merchant, direction) = (name("m"), Direction::Deposit);
            renames.add(LevelRename { merchant, direction, from: name(from), to: name(to), offset: LogOffset(offset) });
        };
        let current =
            |offset, text| renames.current_name(name("m"), Direction::Deposit, LogOffset(offset), name(text)).as_str();
        assert_eq!(current(0, "a"), "a");
        add("b", "c", 20);
        add("a", "b", 10);
        add("a", "b", 10);
        add("c", "a", 30);
        assert_eq!(renames.all().len(), 3);
        assert_eq!(
            (current(5, "a"), current(10, "a"), current(15, "b"), current(25, "c"), current(30, "c")),
            ("a", "a", "a", "a", "c")
        );
        assert_eq!(current(15, "a"), "a", "a new level with the old name");
        assert_eq!(renames.current_name(name("m"), Direction::Withdrawal, LogOffset(5), name("b")), name("b"));
        assert_eq!(renames.current_name(name("other"), Direction::Deposit, LogOffset(5), name("b")), name("b"));
        assert!(
            renames.contains(name("m"), Direction::Deposit, name("a"))
                && !renames.contains(name("m"), Direction::Deposit, name("z"))
        );
        assert_eq!(renames.between(name("m"), LogOffset(10), LogOffset(30)).len(), 2);
    }
}
