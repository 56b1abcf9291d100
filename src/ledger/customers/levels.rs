//! Levels: made by requests, and overrides by operators.

use crate::domain::{
    events::{global_event::GlobalEvent, overrides::Overrides},
    rules::merchant::Merchant,
    vocabulary::{
        direction::Direction,
        money::Currency,
        names::{Name, UNKNOWN_LEVEL},
        text::suggest::did_you_mean,
    },
};
use crate::ledger::state::{ledger::Ledger, made_levels::MadeLevel};
use crate::storage::journal::Lsn;

mod rename;

/// The most levels that a refusal lists.
const LISTED_LEVELS: usize = 20;

impl Ledger {
    /// The overrides of levels and rates by operators, and the file entries that are in force.
    #[must_use]
    pub fn overrides(&self) -> Overrides {
        self.made_levels.overrides()
    }

    /// Records overrides, all of them or none. Returns the LSN that they depend on.
    pub fn record_overrides(&self, events: &[GlobalEvent]) -> Lsn {
        self.made_levels.record_overrides(events, &self.journal)
    }

    /// The levels that requests made for a merchant.
    #[must_use]
    pub fn made_levels(&self, merchant: Name) -> Vec<MadeLevel> {
        self.made_levels.of_merchant(merchant)
    }

    /// The names of the levels of a direction, in one currency or in all, for a refusal: at most `LISTED_LEVELS` of them.
    #[must_use]
    pub fn level_list(
        &self,
        merchant: &Merchant,
        (direction, currency): (Direction, Option<Currency>),
        sent: &str,
    ) -> String {
        let is_of = |of: Currency| currency.is_none_or(|currency| currency == of);
        let configured = merchant.levels.iter().filter(|level| level.direction == direction && is_of(level.currency));
        let made =
            self.made_levels(merchant.id).into_iter().filter(|level| is_of(level.currency)).map(|level| level.name);
        let known =
            configured.map(|level| level.name).chain(made).filter(|name| self.knows_level(merchant, direction, *name));
        let mut names: Vec<&str> = known.map(Name::as_str).chain([UNKNOWN_LEVEL]).collect();
        names.sort_unstable();
        names.dedup();
        let near = did_you_mean(sent, names.iter().copied());
        let more = names.len().saturating_sub(LISTED_LEVELS);
        names.truncate(LISTED_LEVELS);
        let listed = names.join(", ");
        if more == 0 { format!("{listed}{near}") } else { format!("{listed} and {more} more{near}") }
    }

    /// Whether a level of this name exists in a direction, configured or made by a request.
    #[must_use]
    pub fn knows_level(&self, merchant: &Merchant, direction: Direction, name: Name) -> bool {
        // The caller may have read `merchant` before a level was renamed.
        let is_configured = merchant.levels.iter().any(|level| level.direction == direction && level.name == name)
            && !self.made_levels.is_renamed(&self.level_renames, merchant.id, direction, name);
        let is_made = || self.made_levels(merchant.id).iter().any(|level| level.name == name);
        is_configured || name.as_str() == UNKNOWN_LEVEL || is_made()
    }
}
