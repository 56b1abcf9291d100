//! Changes of levels and rates while the daemon runs.

use crate::domain::{
    rules::level::LevelKey,
    vocabulary::{direction::Direction, money::Currency, names::Name, time::Millis},
};
use std::fmt;

/// A change of levels or rates.
#[derive(Debug, Clone)]
pub enum ConfigurationAction {
    /// Sets a level to what a body describes.
    PutLevel(LevelKey, Vec<u8>),
    /// Deletes a level; `unknown` becomes empty.
    DeleteLevel(LevelKey),
    /// Removes what the API set, so that the entry of the merchant's file is in force again.
    ResetLevel(LevelKey),
    /// Deletes all levels of a direction and a currency.
    DeleteCurrency {
        /// The merchant of the levels.
        merchant: Name,
        /// The direction of payments.
        direction: Direction,
        /// The currency of the levels.
        currency: Currency,
    },
    /// Renames a level in all currencies.
    Rename {
        /// The merchant of the levels.
        merchant: Name,
        /// The direction of payments.
        direction: Direction,
        /// The old name.
        from: Name,
        /// The new name.
        to: Name,
    },
    /// Sets the rates to what a body describes.
    PutRates(Vec<u8>),
}

impl fmt::Display for ConfigurationAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PutLevel(key, _) => write!(f, "{key} was set"),
            Self::DeleteLevel(key) => write!(f, "{key} was deleted"),
            Self::ResetLevel(key) => write!(f, "{key} was reset to its entry in the file"),
            Self::DeleteCurrency { merchant, direction, currency } => {
                write!(f, "all levels for {}s in {currency} of merchant `{merchant}` were deleted", direction.word())
            }
            Self::Rename { merchant, direction, from, to } => {
                write!(f, "level `{from}` for {}s of merchant `{merchant}` was renamed `{to}`", direction.word())
            }
            Self::PutRates(_) => f.write_str("the rates were set"),
        }
    }
}

/// A change, who requests it and when.
#[derive(Debug, Clone)]
pub struct ConfigurationChange {
    /// The change.
    pub action: ConfigurationAction,
    /// The name of the caller's token; `None` without tokens.
    pub by: Option<Name>,
    /// The time of the request.
    pub at: Millis,
}

/// The outcome of a change that is in force.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ConfigurationOutcome {
    /// Whether the change created the level.
    pub is_new: bool,
    /// The deleted levels.
    pub deleted: Vec<Name>,
    /// The currencies in which a level was renamed.
    pub currencies: Vec<Currency>,
    /// The number of customers who had the old name.
    pub customers: usize,
    /// What is valid in a level or in rates and probably a mistake, in the words of `check`.
    pub warnings: Vec<String>,
}
