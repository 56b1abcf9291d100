//! Payment settings of one customer for one (direction, currency, level).

use crate::domain::vocabulary::{direction::Direction, money::Currency, names::Name};
/// The most individual settings of one customer: one for each (direction, currency, level).
pub const SETTINGS_MAX: usize = 1_000;

/// Settings of one customer for one (direction, currency, level) that override the level's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndividualSettings {
    /// Which way the money goes.
    pub direction: Direction,
    /// Of the amounts.
    pub currency: Currency,
    /// The level under which they apply.
    pub level: Name,
    /// By method.
    pub methods: Vec<IndividualMethod>,
    /// The global limit: applies to all methods, minor units.
    pub global_min: Option<u64>,
    /// The global limit: applies to all methods, minor units.
    pub global_max: Option<u64>,
}

impl IndividualSettings {
    /// Whether no value is set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.methods.is_empty() && self.global_min.is_none() && self.global_max.is_none()
    }

    pub(super) fn is_for(&self, direction: Direction, currency: Currency, level: Name) -> bool {
        (self.direction, self.currency, self.level) == (direction, currency, level)
    }
}

/// A customer's settings of a payment method; `None`: not set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndividualMethod {
    /// The method.
    pub method: Name,
    /// Whether the form shows it.
    pub show_in_form: Option<bool>,
    /// Minor units.
    pub min_amount: Option<u64>,
    /// Minor units.
    pub max_amount: Option<u64>,
    /// Its own list of gates and routes, by id, because the configuration may change.
    pub gates: Option<Vec<Name>>,
}

impl IndividualMethod {
    /// Empty settings of a method.
    #[must_use]
    pub fn silent(method: Name) -> Self {
        Self { method, show_in_form: None, min_amount: None, max_amount: None, gates: None }
    }
}
