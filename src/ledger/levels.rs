//! Levels that requests have made: visible to operators, not configured until somebody gives them a project.

use crate::{
    domain::{
        common::Common,
        money::Currency,
        name::Name,
        rules::{Direction, LEVELS_MAX},
        time::Millis,
    },
    journal::{Journal, event},
};
use parking_lot::Mutex;
use std::{
    collections::HashMap,
    sync::atomic::{AtomicU64, Ordering},
};

/// A level that a request made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MadeLevel {
    /// As sent.
    pub name: Name,
    /// Of the payment that brought it.
    pub direction: Direction,
    /// Of the payment that brought it.
    pub currency: Currency,
    /// When.
    pub created: Millis,
}

/// All of them, by merchant, in the order in which they came.
#[derive(Default)]
pub(crate) struct MadeLevels {
    by_merchant: Mutex<HashMap<Name, Vec<MadeLevel>>>,
    turned_away: AtomicU64,
}

impl MadeLevels {
    /// Makes a level and records it, unless one of that name was made or the merchant has [`LEVELS_MAX`].
    pub(crate) fn make(&self, merchant: Name, level: MadeLevel, journal: &Journal) {
        let MadeLevel { name, direction, currency, created: at } = level;
        self.make_by(merchant, level, || {
            let mut body = Vec::with_capacity(64);
            event::encode_common(&Common::LevelMade { merchant, name, direction, currency, at }, &mut body);
            journal.append(0, &body);
        });
    }

    /// Takes a level that was recorded.
    pub(crate) fn resume(&self, merchant: Name, level: MadeLevel) {
        self.make_by(merchant, level, || {});
    }

    fn make_by(&self, merchant: Name, level: MadeLevel, record: impl FnOnce()) {
        let mut by_merchant = self.by_merchant.lock();
        let levels = by_merchant.entry(merchant).or_default();
        if levels.iter().any(|known| known.name == level.name) {
            return;
        }
        if levels.len() >= LEVELS_MAX {
            self.turned_away.fetch_add(1, Ordering::Relaxed);
            return;
        }
        record();
        levels.push(level);
    }

    /// All of them, with their merchants.
    pub(crate) fn all(&self) -> Vec<(Name, MadeLevel)> {
        let by_merchant = self.by_merchant.lock();
        let mut all: Vec<_> =
            by_merchant.iter().flat_map(|(merchant, levels)| levels.iter().map(|level| (*merchant, *level))).collect();
        all.sort_by_key(|(merchant, level)| (*merchant, level.created));
        all
    }

    pub(crate) fn of(&self, merchant: Name) -> Vec<MadeLevel> {
        self.by_merchant.lock().get(&merchant).cloned().unwrap_or_default()
    }

    pub(crate) fn turned_away(&self) -> u64 {
        self.turned_away.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_merchant_s_requests_make_so_many_levels_and_no_more() {
        let (levels, merchant) = (MadeLevels::default(), Name::parse("acme").unwrap());
        let journal = Journal::in_memory();
        let currency = Currency::parse("EUR").unwrap();
        for n in 0..LEVELS_MAX + 5 {
            let name = Name::parse(&format!("made-{n}")).unwrap();
            let level = MadeLevel { name, direction: Direction::Deposit, currency, created: Millis(0) };
            levels.make(merchant, level, &journal);
            levels.make(merchant, level, &journal);
        }
        assert_eq!(levels.of(merchant).len(), LEVELS_MAX);
        assert_eq!(levels.turned_away(), 10, "each attempt beyond the bound is counted");
    }
}
