//! Levels: made by requests, and overrides by operators.

use crate::domain::{
    events::{global_event::GlobalEvent, overrides::Overrides},
    rules::merchant::Merchant,
    vocabulary::{
        direction::Direction,
        names::{Name, UNKNOWN_LEVEL},
    },
};
use crate::ledger::state::{ledger::Ledger, made_levels::MadeLevel};
use crate::storage::journal::Lsn;

mod rename;

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
