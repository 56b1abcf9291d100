//! The differences of two configurations, as a pure function of their compiled rules and settings.
//!
//! Each configuration is described as items with values: `describe` names every field of every rule and setting, so a new
//! field does not compile until its difference has words. `compare` finds the differences of two descriptions. Two
//! configurations with different meanings have at least one difference. What is derived from other values, such as the
//! version of the rules, is not compared.

mod compare;
mod compared;
mod describe;
mod difference;
mod item;
#[cfg(test)]
mod tests;
mod tightened;

pub use crate::config::diff::compared::ComparedConfiguration;
pub use crate::config::diff::difference::{Difference, DifferenceKind, DifferenceSubject, LimitMeasure};
pub use crate::config::diff::tightened::is_tightened;

use crate::config::{
    daemon::settings::Settings,
    diff::{compare::compare, describe::describe},
};

/// All differences, in the order of the daemon's settings, the rates and the merchants.
#[must_use]
pub fn differences(old: ComparedConfiguration<'_>, new: ComparedConfiguration<'_>) -> Vec<Difference> {
    let has_texts = old.credentials.is_some() && new.credentials.is_some();
    compare(&describe(old, has_texts), &describe(new, has_texts))
}

/// A setting that takes effect at a start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartSetting {
    /// The section and the key, as `levelgate.toml` has them.
    pub name: String,
    /// The value; `None`: it has none, or it is secret.
    pub value: Option<String>,
    /// Whether it has a value that is not shown.
    pub is_secret: bool,
}

/// The settings that take effect at a start, without secrets.
#[must_use]
pub fn start_settings(settings: &Settings) -> Vec<StartSetting> {
    let shown = |field: item::Field| {
        let is_secret = field.is_secret && field.value.is_some();
        StartSetting { name: field.name, value: field.value.filter(|_| !field.is_secret), is_secret }
    };
    describe::settings::restart_settings(settings).fields.into_iter().map(shown).collect()
}

/// The names in `levelgate.toml` of changed settings that take effect only at the next start.
#[must_use]
pub fn changed_restart_settings(old: &Settings, new: &Settings) -> Vec<String> {
    let item = describe::settings::restart_settings;
    compare(&item(old), &item(new)).into_iter().map(|difference| difference.part).collect()
}
