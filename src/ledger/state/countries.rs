//! The countries with which the phone numbers of each merchant's customers are read.

use crate::domain::{
    rules::configuration::{Merchant, Rules},
    vocabulary::{
        names::{Map, Name},
        phone::Country,
    },
};

/// The `default_country` of each merchant that has one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Countries(Map<Name, Country>);

impl Countries {
    /// Those of a configuration.
    #[must_use]
    pub fn of(rules: &Rules) -> Self {
        let country = |merchant: &Merchant| Some((merchant.id, merchant.registration.default_country?));
        Self(rules.merchants.values().filter_map(|merchant| country(merchant)).collect())
    }

    /// The country of a merchant.
    #[must_use]
    pub fn get(&self, merchant: Name) -> Option<Country> {
        self.0.get(&merchant).copied()
    }
}
