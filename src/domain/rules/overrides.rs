//! What stands beside the files: levels and rates that were set through the API, and which entries of files were applied.
//!
//! A level in force is what was last said of it through the API, where anything was, else the file's entry. Whoever
//! applies a file notes each entry that differs from the one applied before ([`GlobalEvent::LevelFiled`]); by that the file
//! takes the level back, and what had been said through the API is gone. So a reload changes a level only where its
//! entry in the file has changed, and a deletion stands until then.
//!
//! Each event sets what it says whatever stood there, so that records which are in a snapshot already may be applied to
//! it once more, all of them in their order.

use crate::domain::{
    events::global_event::GlobalEvent,
    rules::configuration::{Direction, words},
    vocabulary::{money::Currency, names::Name, time::Millis},
};
use std::collections::BTreeMap;

/// The most bytes of a level's or a rate table's body.
pub const BODY_BYTES_MAX: usize = 65_536;

words! {
    /// Where something that is configured came from.
    Origin {
        /// A file of the configuration.
        File = "file",
        /// A call of an operator.
        Api = "api",
        /// A payment that named it.
        Request = "request",
    }
}

/// Which level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LevelKey {
    /// Whose.
    pub merchant: Name,
    /// Which way the money goes.
    pub direction: Direction,
    /// Of its limits and settings.
    pub currency: Currency,
    /// By which customers are put on it.
    pub name: Name,
}

impl std::fmt::Display for LevelKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { merchant, direction, currency, name } = self;
        write!(f, "level `{name}` for {}s in {currency} of merchant `{merchant}`", direction.word())
    }
}

/// Where something that is in force came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Provenance {
    /// Whence.
    pub origin: Origin,
    /// When it was first there, where that is known.
    pub created: Option<Millis>,
    /// When it became what it is, where that is known.
    pub modified: Option<Millis>,
    /// Who made it so, where that is known.
    pub by: Option<Name>,
}

impl Default for Provenance {
    fn default() -> Self {
        Self { origin: Origin::File, created: None, modified: None, by: None }
    }
}

/// An entry of a file that was applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Filed {
    /// Of what it says.
    pub digest: u128,
    /// When the level was first there.
    pub created: Millis,
    /// When the entry was first applied as it is now.
    pub modified: Millis,
}

/// What was said of a level through the API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OverrideCommand {
    /// As it was sent; `None`: that it is deleted.
    pub body: Option<Box<str>>,
    /// When the level was first there.
    pub created: Millis,
    /// When it was said.
    pub at: Millis,
    /// By whom, where that is known.
    pub by: Option<Name>,
}

/// What is known of a level besides the file as it is now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Beside {
    /// The entry that was last applied.
    pub filed: Option<Filed>,
    /// What was said since.
    pub said: Option<OverrideCommand>,
}

/// A rate table that was set through the API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SaidRates {
    /// As it was sent.
    pub body: Box<str>,
    /// When.
    pub at: Millis,
    /// By whom, where that is known.
    pub by: Option<Name>,
}

/// All that stands beside the files.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overlay {
    levels: BTreeMap<LevelKey, Beside>,
    rates: Option<SaidRates>,
}

impl Overlay {
    /// What is known of a level.
    #[must_use]
    pub fn level(&self, key: &LevelKey) -> Option<&Beside> {
        self.levels.get(key)
    }

    /// What is known of every level, in the order of the keys.
    pub fn levels(&self) -> impl Iterator<Item = (&LevelKey, &Beside)> {
        self.levels.iter()
    }

    /// The rate table that was set through the API.
    #[must_use]
    pub fn rates(&self) -> Option<&SaidRates> {
        self.rates.as_ref()
    }

    /// Takes what happened; what concerns neither levels nor rates changes nothing.
    pub fn apply(&mut self, event: &GlobalEvent) {
        match event {
            GlobalEvent::LevelPut { key, body, created, at, by } => {
                let said = OverrideCommand { body: Some(body.clone()), created: *created, at: *at, by: *by };
                self.levels.entry(*key).or_default().said = Some(said);
            }
            GlobalEvent::LevelDeleted { key, at, by } => {
                let said = OverrideCommand { body: None, created: *at, at: *at, by: *by };
                self.levels.entry(*key).or_default().said = Some(said);
            }
            GlobalEvent::LevelFiled { key, digest: Some(digest), created, at } => {
                let filed = Filed { digest: *digest, created: *created, modified: *at };
                self.levels.insert(*key, Beside { filed: Some(filed), said: None });
            }
            GlobalEvent::LevelFiled { key, digest: None, .. } => _ = self.levels.remove(key),
            GlobalEvent::RatesPut { body, at, by } => {
                self.rates = Some(SaidRates { body: body.clone(), at: *at, by: *by });
            }
            GlobalEvent::InstrumentBlocks { .. }
            | GlobalEvent::InstrumentBlocked { .. }
            | GlobalEvent::LevelMade { .. }
            | GlobalEvent::LevelRenamed { .. }
            | GlobalEvent::ClockAccepted { .. }
            | GlobalEvent::Counted { .. }
            | GlobalEvent::SegmentsLetGo { .. }
            | GlobalEvent::ArchiveLossAccepted { .. }
            | GlobalEvent::Configured { .. } => {}
        }
    }

    /// What makes an overlay the same as this one, in the order in which it is to be applied. A deletion of what no file
    /// has is left out: nothing is left to be deleted.
    #[must_use]
    pub fn events(&self) -> Vec<GlobalEvent> {
        let mut events = Vec::new();
        for (key, Beside { filed, said }) in &self.levels {
            let key = *key;
            if let Some(Filed { digest, created, modified }) = *filed {
                events.push(GlobalEvent::LevelFiled { key, digest: Some(digest), created, at: modified });
            }
            match said {
                Some(OverrideCommand { body: Some(body), created, at, by }) => {
                    events.push(GlobalEvent::LevelPut { key, body: body.clone(), created: *created, at: *at, by: *by });
                }
                Some(OverrideCommand { body: None, at, by, .. }) if filed.is_some() => {
                    events.push(GlobalEvent::LevelDeleted { key, at: *at, by: *by });
                }
                _ => {}
            }
        }
        let rates = self.rates.iter();
        events.extend(rates.map(|said| GlobalEvent::RatesPut { body: said.body.clone(), at: said.at, by: said.by }));
        events
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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

    fn filed(name: &str, digest: Option<u128>, at: i64) -> GlobalEvent {
        GlobalEvent::LevelFiled { key: key(name), digest, created: Millis(1), at: Millis(at) }
    }

    fn of(events: &[GlobalEvent]) -> Overlay {
        let mut overlay = Overlay::default();
        events.iter().for_each(|event| overlay.apply(event));
        overlay
    }

    #[test]
    fn what_was_said_stands_until_the_file_s_entry_is_another() {
        let overlay = of(&[filed("a", Some(1), 1), put("a", "{}", 2)]);
        assert!(overlay.level(&key("a")).unwrap().said.is_some());
        for entry in [Some(2), None] {
            let overlay = of(&[filed("a", Some(1), 1), put("a", "{}", 2), filed("a", entry, 3)]);
            assert!(overlay.level(&key("a")).is_none_or(|beside| beside.said.is_none()), "{entry:?}");
        }
    }

    #[test]
    fn its_events_make_it_again_and_records_that_it_holds_change_nothing() {
        let rates = |body: &str, at| GlobalEvent::RatesPut { body: body.into(), at: Millis(at), by: None };
        let story = [
            filed("a", Some(1), 1),
            filed("b", Some(1), 1),
            put("a", "{}", 2),
            deleted("b", 3),
            put("c", "{}", 4),
            deleted("c", 5),
            rates("{}", 6),
            put("c", "{\"status\": \"active\"}", 7),
            filed("a", Some(2), 8),
            filed("c", Some(2), 9),
            deleted("c", 10),
            put("a", "{}", 11),
            filed("a", None, 12),
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
