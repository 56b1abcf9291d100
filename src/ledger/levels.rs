//! Levels that requests have made: visible to operators, not configured until somebody gives them a project.

use crate::domain::{
    money::Currency,
    name::Name,
    rules::{Direction, LEVELS_MAX},
    time::Millis,
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
    /// Makes a level, unless one of that name was made or the merchant has [`LEVELS_MAX`].
    pub(crate) fn make(&self, merchant: Name, level: MadeLevel) {
        let mut by_merchant = self.by_merchant.lock();
        let levels = by_merchant.entry(merchant).or_default();
        if levels.iter().any(|known| known.name == level.name) {
            return;
        }
        if levels.len() >= LEVELS_MAX {
            self.turned_away.fetch_add(1, Ordering::Relaxed);
            return;
        }
        levels.push(level);
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
        let currency = Currency::parse("EUR").unwrap();
        for n in 0..LEVELS_MAX + 5 {
            let name = Name::parse(&format!("made-{n}")).unwrap();
            let level = MadeLevel { name, direction: Direction::Deposit, currency, created: Millis(0) };
            levels.make(merchant, level);
            levels.make(merchant, level);
        }
        assert_eq!(levels.of(merchant).len(), LEVELS_MAX);
        assert_eq!(levels.turned_away(), 10, "each attempt beyond the bound is counted");
    }
}
