//! Levels that requests have made: visible to operators, not configured until somebody gives them a project. And what
//! operators have said of levels and rates: this room keeps it, and knows neither its meaning nor the files beside it.

use crate::ledger::{
    Ledger,
    customers::rename_level::{Gate, Renames},
};
use crate::{
    domain::{
        events::global_event::GlobalEvent,
        rules::{
            configuration::{Direction, LEVELS_MAX},
            overrides::{Beside, LevelKey, Overlay},
        },
        vocabulary::{money::Currency, names::Name, time::Millis},
    },
    storage::{
        encoding,
        journal::{Appended, Journal, Lsn},
    },
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

/// The bytes of a record behind which what operators say goes into another.
const RECORD_BYTES: usize = 1 << 20;

/// All of them, and what operators have said. What is recorded is recorded under the lock, so that whoever has seen the
/// state behind a record sees what the record says.
#[derive(Default)]
pub(crate) struct MadeLevels {
    state: Mutex<State>,
    pub(in crate::ledger) renames: Renames,
    pub(in crate::ledger) gate: Gate,
    /// Held while a snapshot is taken: what it knows of a customer in several pieces goes by one set of names.
    pub(in crate::ledger) keeping: Mutex<()>,
    turned_away: AtomicU64,
}

#[derive(Default)]
struct State {
    /// In the order in which they came.
    by_merchant: HashMap<Name, Vec<MadeLevel>>,
    overlay: Overlay,
}

impl State {
    /// Takes what operators have said. A level that is deleted is no longer one that a request made.
    fn apply(&mut self, event: &GlobalEvent) {
        self.overlay.apply(event);
        if let GlobalEvent::LevelDeleted { key: LevelKey { merchant, direction, currency, name }, .. } = *event
            && let Some(levels) = self.by_merchant.get_mut(&merchant)
        {
            levels.retain(|made| (made.direction, made.currency, made.name) != (direction, currency, name));
        }
        if let GlobalEvent::LevelMade { merchant, name, direction, currency, at: created } = *event {
            let levels = self.by_merchant.entry(merchant).or_default();
            if !levels.iter().any(|known| known.name == name) {
                levels.push(MadeLevel { name, direction, currency, created });
            }
        }
    }
}

impl MadeLevels {
    /// Makes a level and records it, unless one of that name was made or the merchant has [`LEVELS_MAX`].
    pub(crate) fn make(&self, merchant: Name, level: MadeLevel, journal: &Journal) {
        let MadeLevel { name, direction, currency, created: at } = level;
        self.make_by(merchant, level, || {
            let mut body = Vec::with_capacity(64);
            encoding::encode_common(&GlobalEvent::LevelMade { merchant, name, direction, currency, at }, &mut body);
            journal.append(0, &body);
        });
    }

    /// Takes a level that was recorded.
    pub(crate) fn resume(&self, merchant: Name, level: MadeLevel) {
        self.make_by(merchant, level, || {});
    }

    fn make_by(&self, merchant: Name, level: MadeLevel, record: impl FnOnce()) {
        let mut state = self.state.lock();
        let levels = state.by_merchant.entry(merchant).or_default();
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
        let state = self.state.lock();
        let mut all: Vec<_> = state
            .by_merchant
            .iter()
            .flat_map(|(merchant, levels)| levels.iter().map(|level| (*merchant, *level)))
            .collect();
        all.sort_by_key(|(merchant, level)| (*merchant, level.created));
        all
    }

    pub(crate) fn of(&self, merchant: Name) -> Vec<MadeLevel> {
        self.state.lock().by_merchant.get(&merchant).cloned().unwrap_or_default()
    }

    /// Whether a level of this name was renamed, and none of it has come since.
    pub(crate) fn is_renamed(&self, merchant: Name, direction: Direction, name: Name) -> bool {
        if !self.renames.knows(merchant, direction, name) {
            return false;
        }
        let state = self.state.lock();
        let is_of = |key: &LevelKey| (key.merchant, key.direction, key.name) == (merchant, direction, name);
        let is_there = |beside: &Beside| match &beside.said {
            Some(said) => said.body.is_some(),
            None => beside.filed.is_some(),
        };
        let made = state.by_merchant.get(&merchant).into_iter().flatten().any(|made| made.name == name);
        !made && !state.overlay.levels().any(|(key, beside)| is_of(key) && is_there(beside))
    }

    /// Records as one that a level was renamed, and what else is said in that step.
    pub(in crate::ledger) fn say_renamed(
        &self,
        renamed: &GlobalEvent,
        besides: &[GlobalEvent],
        journal: &Journal,
    ) -> Appended {
        let mut state = self.state.lock();
        let mut body = Vec::new();
        for event in std::iter::once(renamed).chain(besides) {
            encoding::encode_common(event, &mut body);
            state.apply(event);
        }
        journal.append(0, &body)
    }

    /// Takes what was recorded of what operators have said.
    pub(crate) fn resume_said(&self, event: &GlobalEvent) {
        self.state.lock().apply(event);
    }

    /// Takes what a snapshot holds of what operators have said. Levels that requests made are there on their own.
    pub(crate) fn resume_overlay(&self, events: &[GlobalEvent]) {
        let mut state = self.state.lock();
        events.iter().for_each(|event| state.overlay.apply(event));
    }

    /// Records what operators say, all of it or nothing, and takes it.
    fn say(&self, events: &[GlobalEvent], journal: &Journal) -> Lsn {
        let mut state = self.state.lock();
        let mut parts: Vec<(u64, Vec<u8>)> = Vec::new();
        for event in events {
            if parts.last().is_none_or(|(_, body)| body.len() >= RECORD_BYTES) {
                parts.push((0, Vec::new()));
            }
            parts.last_mut().into_iter().for_each(|(_, body)| encoding::encode_common(event, body));
            state.apply(event);
        }
        match parts.as_slice() {
            [] => journal.last(),
            [(owner, body)] => journal.append(*owner, body).lsn,
            _ => journal.append_group(&parts).1,
        }
    }

    pub(crate) fn overlay(&self) -> Overlay {
        self.state.lock().overlay.clone()
    }

    pub(crate) fn turned_away(&self) -> u64 {
        self.turned_away.load(Ordering::Relaxed)
    }
}

impl Ledger {
    /// What operators have said of levels and rates, and which entries of files were applied.
    #[must_use]
    pub fn overlay(&self) -> Overlay {
        self.made_levels.overlay()
    }

    /// Records what operators say, all of it or nothing. Returns the record that it rests on.
    pub fn say(&self, events: &[GlobalEvent]) -> Lsn {
        self.made_levels.say(events, &self.journal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_that_is_deleted_is_made_no_more_and_may_be_made_again() {
        let (levels, merchant) = (MadeLevels::default(), Name::parse("acme").unwrap());
        let journal = Journal::in_memory();
        let (name, direction) = (Name::parse("made").unwrap(), Direction::Deposit);
        let level = |currency, at| MadeLevel {
            name,
            direction,
            currency: Currency::parse(currency).unwrap(),
            created: Millis(at),
        };
        let key = |currency| LevelKey { merchant, direction, currency: Currency::parse(currency).unwrap(), name };
        let deleted = |currency| GlobalEvent::LevelDeleted { key: key(currency), at: Millis(2), by: None };
        levels.make(merchant, level("EUR", 1), &journal);
        levels.say(&[deleted("USD")], &journal);
        assert_eq!(levels.of(merchant), [level("EUR", 1)], "another level of the name");
        levels.say(&[deleted("EUR")], &journal);
        assert_eq!(levels.of(merchant), []);
        levels.make(merchant, level("USD", 3), &journal);
        assert_eq!(levels.of(merchant), [level("USD", 3)]);
        // A snapshot that holds the level and the deletion before it gives back both.
        let resumed = MadeLevels::default();
        resumed.resume(merchant, level("USD", 3));
        resumed.resume_overlay(&[
            GlobalEvent::LevelFiled { key: key("USD"), digest: Some(1), created: Millis(1), at: Millis(1) },
            deleted("USD"),
        ]);
        assert_eq!(resumed.of(merchant), [level("USD", 3)]);
    }

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
