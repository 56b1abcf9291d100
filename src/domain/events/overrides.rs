//! Overrides of the configuration files: levels and rates that were set through the API, and the entries of the files that
//! were applied last: of levels, of the rates, and of merchants.
//!
//! A level in force is its last override through the API, or the file's entry where there is no override. A reload
//! records [`GlobalEvent::LevelFileApplied`] for each entry that differs from the one applied before; that event
//! removes the override. So a reload changes a level only where its entry in the file has changed, and a deletion
//! through the API lasts until then.
//!
//! Each event sets its value and depends on no earlier value, so records that a snapshot contains already can be
//! applied again in their order.

use crate::domain::{
    events::global_event::GlobalEvent,
    rules::level::LevelKey,
    vocabulary::{names::Name, time::Millis},
};
use std::collections::BTreeMap;

/// The most bytes of a level's or a rate table's body.
pub const BODY_BYTES_MAX: usize = 65_536;

/// The entry of a file that was applied last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileEntry {
    /// Digest of the entry.
    pub digest: u128,
    /// When the level was created.
    pub created: Millis,
    /// When this version of the entry was first applied.
    pub modified: Millis,
}

/// A level that was set or deleted through the API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LevelOverride {
    /// The body as sent; `None`: the level is deleted.
    pub body: Option<Box<str>>,
    /// When the level was created.
    pub created: Millis,
    /// When the override was made.
    pub at: Millis,
    /// Who made it, where known.
    pub by: Option<Name>,
}

/// The last applied file entry of a level and its override.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LevelState {
    /// The file entry that was applied last.
    pub file_entry: Option<FileEntry>,
    /// The override made after that.
    pub api_override: Option<LevelOverride>,
}

/// A rate table that was set through the API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RatesOverride {
    /// The body as sent.
    pub body: Box<str>,
    /// When the table was set.
    pub at: Millis,
    /// Who made it, where known.
    pub by: Option<Name>,
}

/// The rate table of the files that was applied last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RatesFile {
    /// The table: JSON with the keys of the file; `None`: the files had none.
    pub body: Option<Box<str>>,
    /// When it was first applied.
    pub at: Millis,
}

/// A merchant of the files that was applied last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MerchantFile {
    /// Whether it is a test merchant.
    pub is_sandbox: bool,
    /// When it was first applied so.
    pub at: Millis,
}

/// All overrides.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overrides {
    levels: BTreeMap<LevelKey, LevelState>,
    rates: Option<RatesOverride>,
    rates_file: Option<RatesFile>,
    merchant_files: BTreeMap<Name, MerchantFile>,
}

impl Overrides {
    /// The state of a level.
    #[must_use]
    pub fn level(&self, key: &LevelKey) -> Option<&LevelState> {
        self.levels.get(key)
    }

    /// The states of all levels, in the order of their keys.
    pub fn levels(&self) -> impl Iterator<Item = (&LevelKey, &LevelState)> {
        self.levels.iter()
    }

    /// The rate table that was set through the API.
    #[must_use]
    pub fn rates(&self) -> Option<&RatesOverride> {
        self.rates.as_ref()
    }

    /// The rate table of the files that was applied last; `None`: a version that recorded none applied it.
    #[must_use]
    pub fn rates_file(&self) -> Option<&RatesFile> {
        self.rates_file.as_ref()
    }

    /// The merchant as the files that were applied last had it, also after its file was removed; `None`: it was in no file,
    /// or a version that recorded no merchants applied it.
    #[must_use]
    pub fn merchant_file(&self, merchant: Name) -> Option<MerchantFile> {
        self.merchant_files.get(&merchant).copied()
    }

    /// Applies an event; only events about levels and rates change the overrides.
    pub fn apply(&mut self, event: &GlobalEvent) {
        match event {
            GlobalEvent::LevelPut { key, body, created, at, by } => {
                let api_override = LevelOverride { body: Some(body.clone()), created: *created, at: *at, by: *by };
                self.levels.entry(*key).or_default().api_override = Some(api_override);
            }
            GlobalEvent::LevelDeleted { key, at, by } => {
                let api_override = LevelOverride { body: None, created: *at, at: *at, by: *by };
                self.levels.entry(*key).or_default().api_override = Some(api_override);
            }
            GlobalEvent::LevelFileApplied { key, digest: Some(digest), created, at } => {
                let file_entry = FileEntry { digest: *digest, created: *created, modified: *at };
                self.levels.insert(*key, LevelState { file_entry: Some(file_entry), api_override: None });
            }
            GlobalEvent::LevelFileApplied { key, digest: None, .. } => _ = self.levels.remove(key),
            GlobalEvent::RatesPut { body, at, by } => {
                self.rates = Some(RatesOverride { body: body.clone(), at: *at, by: *by });
            }
            GlobalEvent::RatesFileApplied { body, at } => {
                self.rates_file = Some(RatesFile { body: body.clone(), at: *at });
            }
            GlobalEvent::MerchantFileApplied { merchant, is_sandbox, at } => {
                self.merchant_files.insert(*merchant, MerchantFile { is_sandbox: *is_sandbox, at: *at });
            }
            GlobalEvent::InstrumentBlocks { .. }
            | GlobalEvent::InstrumentBlocked { .. }
            | GlobalEvent::LevelCreated { .. }
            | GlobalEvent::LevelRenamed { .. }
            | GlobalEvent::ClockAccepted { .. }
            | GlobalEvent::ExternalIdsGenerated { .. }
            | GlobalEvent::SegmentsReleased { .. }
            | GlobalEvent::ArchiveLossAccepted { .. }
            | GlobalEvent::OperationAudited(_)
            | GlobalEvent::ConfigurationApplied { .. } => {}
        }
    }

    /// The events that build these overrides from empty ones, in order. The deletion of a level that is in no file is
    /// left out, because there is nothing left to delete.
    #[must_use]
    pub fn events(&self) -> Vec<GlobalEvent> {
        let mut events = Vec::new();
        for (key, LevelState { file_entry, api_override }) in &self.levels {
            let key = *key;
            if let Some(FileEntry { digest, created, modified }) = *file_entry {
                events.push(GlobalEvent::LevelFileApplied { key, digest: Some(digest), created, at: modified });
            }
            match api_override {
                Some(LevelOverride { body: Some(body), created, at, by }) => {
                    events.push(GlobalEvent::LevelPut { key, body: body.clone(), created: *created, at: *at, by: *by });
                }
                Some(LevelOverride { body: None, at, by, .. }) if file_entry.is_some() => {
                    events.push(GlobalEvent::LevelDeleted { key, at: *at, by: *by });
                }
                _ => {}
            }
        }
        let rates = self.rates.iter();
        events.extend(rates.map(|rates| GlobalEvent::RatesPut {
            body: rates.body.clone(),
            at: rates.at,
            by: rates.by,
        }));
        let file = self.rates_file.iter();
        events.extend(file.map(|RatesFile { body, at }| GlobalEvent::RatesFileApplied { body: body.clone(), at: *at }));
        let merchants = self.merchant_files.iter();
        events.extend(merchants.map(|(merchant, &MerchantFile { is_sandbox, at })| GlobalEvent::MerchantFileApplied {
            merchant: *merchant,
            is_sandbox,
            at,
        }));
        events
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::vocabulary::{direction::Direction, money::Currency};

    fn key(name: &str) -> LevelKey {
        let currency = Currency::parse("EUR").unwrap();
        LevelKey {
            merchant: Name::parse("m").unwrap(),
            direction: Direction::Deposit,
            currency,
            name: Name::parse(name).unwrap(),
        }
    }

    fn put(name: &str, body: &str, at: i64) -> GlobalEvent {
        GlobalEvent::LevelPut { key: key(name), body: body.into(), created: Millis(1), at: Millis(at), by: None }
    }

    fn deleted(name: &str, at: i64) -> GlobalEvent {
        GlobalEvent::LevelDeleted { key: key(name), at: Millis(at), by: None }
    }

    fn file_applied(name: &str, digest: Option<u128>, at: i64) -> GlobalEvent {
        GlobalEvent::LevelFileApplied { key: key(name), digest, created: Millis(1), at: Millis(at) }
    }

    fn of(events: &[GlobalEvent]) -> Overrides {
        let mut overlay = Overrides::default();
        events.iter().for_each(|event| overlay.apply(event));
        overlay
    }

    #[test]
    fn an_override_lasts_until_the_file_entry_changes() {
        let overlay = of(&[file_applied("a", Some(1), 1), put("a", "{}", 2)]);
        assert!(overlay.level(&key("a")).unwrap().api_override.is_some());
        for entry in [Some(2), None] {
            let overlay = of(&[file_applied("a", Some(1), 1), put("a", "{}", 2), file_applied("a", entry, 3)]);
            assert!(overlay.level(&key("a")).is_none_or(|level| level.api_override.is_none()), "{entry:?}");
        }
    }

    #[test]
    fn its_events_rebuild_it_and_applying_old_records_again_changes_nothing() {
        let rates = |body: &str, at| GlobalEvent::RatesPut { body: body.into(), at: Millis(at), by: None };
        let story = [
            file_applied("a", Some(1), 1),
            file_applied("b", Some(1), 1),
            put("a", "{}", 2),
            deleted("b", 3),
            put("c", "{}", 4),
            deleted("c", 5),
            rates("{}", 6),
            put("c", "{\"status\": \"active\"}", 7),
            file_applied("a", Some(2), 8),
            file_applied("c", Some(2), 9),
            deleted("c", 10),
            put("a", "{}", 11),
            file_applied("a", None, 12),
            rates("{\"base\": \"EUR\"}", 13),
        ];
        for end in 0..=story.len() {
            let whole = of(&story[..end]);
            assert_eq!(of(&whole.events()).events(), whole.events(), "{end}");
            for begin in 0..=end {
                let mut again = of(&whole.events());
                story[begin..end].iter().for_each(|event| again.apply(event));
                assert_eq!(again.events(), whole.events(), "{begin} to {end}");
            }
        }
    }
}
