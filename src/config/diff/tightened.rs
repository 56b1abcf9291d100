//! Which differences of limits may deny payments that passed before.

use crate::config::diff::difference::{DifferenceSubject, LimitMeasure};
use crate::domain::rules::{
    configuration::Rules,
    filter::{Filter, FilterMode},
    level::LevelKey,
};
use crate::domain::vocabulary::names::Name;

/// Whether the limit of a difference is lower in the new rules, or is enforced there and was not before.
#[must_use]
pub fn is_tightened(subject: &DifferenceSubject, old: &Rules, new: &Rules) -> bool {
    let DifferenceSubject::Limit { level, filter, measure } = subject else { return false };
    let Some(after) = enforced(new, level, *filter) else { return false };
    let before = enforced(old, level, *filter);
    let lower = |limit: fn(&Filter) -> Option<u64>| match (before.and_then(limit), limit(after)) {
        (Some(before), Some(after)) => after < before,
        (None, Some(_)) => true,
        (_, None) => false,
    };
    match measure {
        LimitMeasure::Amount => lower(|filter| filter.amount_limit),
        LimitMeasure::Quantity => lower(|filter| filter.quantity_limit),
        LimitMeasure::Both => before.is_none() && (after.amount_limit.is_some() || after.quantity_limit.is_some()),
    }
}

fn enforced<'r>(rules: &'r Rules, level: &LevelKey, filter: Name) -> Option<&'r Filter> {
    let merchant = rules.merchant(level.merchant.as_str())?;
    let level = merchant.level(level.direction, level.currency, level.name).filter(|level| level.active)?;
    level.filters.iter().find(|known| known.name == filter && known.mode == FilterMode::Enforce)
}
