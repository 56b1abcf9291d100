//! Levels that requests made, and the overrides of levels and rates that operators set.
//!
//! This room stores the overrides. It does not interpret them and does not know the files that they override.

use crate::ledger::state::level_renames::LevelRenames;
use crate::{
    domain::{
        events::{
            global_event::GlobalEvent,
            overrides::{LevelState, Overrides},
        },
        rules::level::{LEVELS_MAX, LevelKey},
        vocabulary::{direction::Direction, money::Currency, names::Name, time::Millis},
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

/// A level that a request made. Operators see it; it is not configured until it is assigned to a project.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MadeLevel {
    /// As sent.
    pub name: Name,
    /// The direction of the payment.
    pub direction: Direction,
    /// The currency of the payment.
    pub currency: Currency,
    /// When the level was made.
    pub created: Millis,
}

/// The size of a record of overrides, in bytes, from which on the next override starts a new record.
const RECORD_BYTES: usize = 1 << 20;

/// All made levels and overrides. Records are appended under the lock: a reader that sees a change finds it in the
/// journal.
#[derive(Default)]
pub(in crate::ledger) struct MadeLevels {
    state: Mutex<State>,
    rejected: AtomicU64,
}

#[derive(Default)]
struct State {
    /// In the order in which they were made.
    by_merchant: HashMap<Name, Vec<MadeLevel>>,
    overlay: Overrides,
}

impl State {
    /// Applies an override. A deleted level is no longer a made level.
    fn apply(&mut self, event: &GlobalEvent) {
        self.overlay.apply(event);
        match *event {
            GlobalEvent::LevelDeleted { key: LevelKey { merchant, direction, currency, name }, .. } => {
                if let Some(levels) = self.by_merchant.get_mut(&merchant) {
                    levels.retain(|made| (made.direction, made.currency, made.name) != (direction, currency, name));
                }
            }
            GlobalEvent::LevelCreated { merchant, name, direction, currency, at: created } => {
                let levels = self.by_merchant.entry(merchant).or_default();
                if !levels.iter().any(|known| known.name == name) {
                    levels.push(MadeLevel { name, direction, currency, created });
                }
            }
            GlobalEvent::InstrumentBlocks { .. }
            | GlobalEvent::InstrumentBlocked { .. }
            | GlobalEvent::ExternalIdsGenerated { .. }
            | GlobalEvent::ConfigurationApplied { .. }
            | GlobalEvent::OperationAudited(_)
            | GlobalEvent::LevelPut { .. }
            | GlobalEvent::LevelFileApplied { .. }
            | GlobalEvent::LevelRenamed { .. }
            | GlobalEvent::SegmentsReleased { .. }
            | GlobalEvent::ArchiveLossAccepted { .. }
            | GlobalEvent::RatesFileApplied { .. }
            | GlobalEvent::MerchantFileApplied { .. }
            | GlobalEvent::RatesPut { .. }
            | GlobalEvent::ClockAccepted { .. } => {}
        }
    }
}

impl MadeLevels {
    /// Makes a level and records it, unless a level of that name was made or the merchant has [`LEVELS_MAX`] of them.
    pub(in crate::ledger) fn make(&self, merchant: Name, level: MadeLevel, journal: &Journal) {
        let MadeLevel { name, direction, currency, created: at } = level;
        self.add(merchant, level, || {
            let mut body = Vec::with_capacity(64);
            encoding::encode_global(&GlobalEvent::LevelCreated { merchant, name, direction, currency, at }, &mut body);
            journal.append(0, &body);
        });
    }

    /// Adds a level that is already recorded.
    pub(in crate::ledger) fn restore(&self, merchant: Name, level: MadeLevel) {
        self.add(merchant, level, || {});
    }

    fn add(&self, merchant: Name, level: MadeLevel, record: impl FnOnce()) {
        let mut state = self.state.lock();
        let levels = state.by_merchant.entry(merchant).or_default();
        if levels.iter().any(|known| known.name == level.name) {
            return;
        }
        if levels.len() >= LEVELS_MAX {
            self.rejected.fetch_add(1, Ordering::Relaxed);
            return;
        }
        record();
        levels.push(level);
    }

    /// All made levels with their merchants.
    pub(in crate::ledger) fn all(&self) -> Vec<(Name, MadeLevel)> {
        let state = self.state.lock();
        let mut all: Vec<_> = state
            .by_merchant
            .iter()
            .flat_map(|(merchant, levels)| levels.iter().map(|level| (*merchant, *level)))
            .collect();
        all.sort_by_key(|(merchant, level)| (*merchant, level.created));
        all
    }

    pub(in crate::ledger) fn of_merchant(&self, merchant: Name) -> Vec<MadeLevel> {
        self.state.lock().by_merchant.get(&merchant).cloned().unwrap_or_default()
    }

    /// Whether a level of this name was renamed, and no new level has the name.
    pub(in crate::ledger) fn is_renamed(
        &self,
        renames: &LevelRenames,
        merchant: Name,
        direction: Direction,
        name: Name,
    ) -> bool {
        if !renames.contains(merchant, direction, name) {
            return false;
        }
        let state = self.state.lock();
        let has_name = |key: &LevelKey| (key.merchant, key.direction, key.name) == (merchant, direction, name);
        let exists = |level_state: &LevelState| match &level_state.api_override {
            Some(api_override) => api_override.body.is_some(),
            None => level_state.file_entry.is_some(),
        };
        let made = state.by_merchant.get(&merchant).into_iter().flatten().any(|made| made.name == name);
        !made && !state.overlay.levels().any(|(key, level_state)| has_name(key) && exists(level_state))
    }

    /// Records a rename of a level and overrides of the same step in one record.
    pub(in crate::ledger) fn record_rename(
        &self,
        rename: &GlobalEvent,
        overrides: &[GlobalEvent],
        journal: &Journal,
    ) -> Appended {
        let mut state = self.state.lock();
        let mut body = Vec::new();
        for event in std::iter::once(rename).chain(overrides) {
            encoding::encode_global(event, &mut body);
            state.apply(event);
        }
        journal.append(0, &body)
    }

    /// Applies an override that is already recorded.
    pub(in crate::ledger) fn restore_override(&self, event: &GlobalEvent) {
        self.state.lock().apply(event);
    }

    /// Applies the overrides of a snapshot, which contains made levels separately.
    pub(in crate::ledger) fn restore_overrides(&self, events: &[GlobalEvent]) {
        let mut state = self.state.lock();
        events.iter().for_each(|event| state.overlay.apply(event));
    }

    /// Records overrides, all of them or none, and applies them.
    pub(in crate::ledger) fn record_overrides(&self, events: &[GlobalEvent], journal: &Journal) -> Lsn {
        let mut state = self.state.lock();
        let mut parts: Vec<(u64, Vec<u8>)> = Vec::new();
        for event in events {
            if parts.last().is_none_or(|(_, body)| body.len() >= RECORD_BYTES) {
                parts.push((0, Vec::new()));
            }
            parts.last_mut().into_iter().for_each(|(_, body)| encoding::encode_global(event, body));
            state.apply(event);
        }
        match parts.as_slice() {
            [] => journal.last(),
            [(owner, body)] => journal.append(*owner, body).lsn,
            _ => journal.append_group(&parts).1,
        }
    }

    pub(in crate::ledger) fn overrides(&self) -> Overrides {
        self.state.lock().overlay.clone()
    }

    pub(in crate::ledger) fn rejected(&self) -> u64 {
        self.rejected.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deleted_level_is_no_longer_made_and_may_be_made_again() {
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
        levels.record_overrides(&[deleted("USD")], &journal);
        assert_eq!(levels.of_merchant(merchant), [level("EUR", 1)], "the deleted level has another currency");
        levels.record_overrides(&[deleted("EUR")], &journal);
        assert_eq!(levels.of_merchant(merchant), []);
        levels.make(merchant, level("USD", 3), &journal);
        assert_eq!(levels.of_merchant(merchant), [level("USD", 3)]);
        // A snapshot that contains the level and the earlier deletion restores both.
        let restored = MadeLevels::default();
        restored.restore(merchant, level("USD", 3));
        restored.restore_overrides(&[
            GlobalEvent::LevelFileApplied { key: key("USD"), digest: Some(1), created: Millis(1), at: Millis(1) },
            deleted("USD"),
        ]);
        assert_eq!(restored.of_merchant(merchant), [level("USD", 3)]);
    }

    #[test]
    fn requests_make_no_more_levels_than_the_limit() {
        let (levels, merchant) = (MadeLevels::default(), Name::parse("acme").unwrap());
        let journal = Journal::in_memory();
        let currency = Currency::parse("EUR").unwrap();
        for n in 0..LEVELS_MAX + 5 {
            let name = Name::parse(&format!("made-{n}")).unwrap();
            let level = MadeLevel { name, direction: Direction::Deposit, currency, created: Millis(0) };
            levels.make(merchant, level, &journal);
            levels.make(merchant, level, &journal);
        }
        assert_eq!(levels.of_merchant(merchant).len(), LEVELS_MAX);
        assert_eq!(levels.rejected(), 10, "each attempt beyond the limit is counted");
    }
}
