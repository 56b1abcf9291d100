//! A reload that changes a merchant's `default_country`: the phone numbers of its customers are indexed again.

use crate::domain::vocabulary::attributes::Attribute;
use crate::ledger::{
    index::{customer_numbers::FIRST_CUSTOMER, default_countries::DefaultCountries},
    state::ledger::Ledger,
};
use std::sync::{Arc, atomic::Ordering};

impl Ledger {
    /// The number of customers that the start found with a text whose normal form now equals an older customer's, and did
    /// not in an earlier version. That text finds the older customer.
    #[must_use]
    pub fn newly_equal_customers(&self) -> u64 {
        self.newly_equal.load(Ordering::Relaxed)
    }

    /// Whether the phone numbers of customers are read with these default countries.
    #[must_use]
    pub fn has_default_countries(&self, countries: &DefaultCountries) -> bool {
        **self.identities.default_countries.load() == *countries
    }

    /// Reads the phone numbers of all customers with other default countries from now on. `swap` puts the rules with these
    /// countries in force. Operations on payments wait during one pass over the customers.
    pub fn set_default_countries(&self, countries: DefaultCountries, swap: &mut dyn FnMut()) {
        let _exclusive = self.rename_lock.write();
        let shards = self.customers.all_shards();
        let (before, countries) = (self.identities.default_countries.load_full(), Arc::new(countries));
        for customer in shards.iter().flat_map(|shard| shard.values()) {
            let (merchant, number) = (customer.merchant, customer.number());
            let Some(value) = customer.attributes.value(Attribute::Phone) else { continue };
            if number < FIRST_CUSTOMER || before.get(merchant) == countries.get(merchant) {
                continue;
            }
            let digest =
                |countries: &DefaultCountries| self.identities.of_phone(merchant, value, countries.get(merchant));
            let (old, new) = (digest(&before), digest(&countries));
            if old != new {
                old.into_iter().for_each(|digest| self.identities.remove(digest, number));
                new.into_iter().for_each(|digest| self.identities.insert(digest, number));
            }
        }
        self.identities.default_countries.store(countries);
        swap();
    }
}

#[cfg(test)]
mod tests;
