//! The default countries of phone numbers.

use crate::domain::{
    rules::{configuration::Rules, merchant::Merchant},
    vocabulary::{
        contact::phone::Country,
        names::{Map, Name},
    },
};

/// The `default_country` of each merchant that has one: the country in which a phone number without a country code is
/// read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DefaultCountries(Map<Name, Country>);

impl DefaultCountries {
    /// Those of a configuration.
    #[must_use]
    pub fn of(rules: &Rules) -> Self {
        let country = |merchant: &Merchant| Some((merchant.id, merchant.registration.default_country?));
        Self(rules.merchants.values().filter_map(|merchant| country(merchant)).collect())
    }

    /// The default country of a merchant.
    #[must_use]
    pub fn get(&self, merchant: Name) -> Option<Country> {
        self.0.get(&merchant).copied()
    }
}
