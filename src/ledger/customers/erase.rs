//! Whoever is to be forgotten: the personal attributes go, and the keys that sealed them.

use crate::ledger::Ledger;
use crate::{
    domain::{
        customer::{
            aggregate::{Customer, CustomerEvent},
            attributes::Attributes,
            profile::{Author, Change},
            update::erasure,
        },
        rules::configuration::Rules,
        vocabulary::time::Millis,
    },
    storage::keys::KeysError,
};

impl Ledger {
    /// Erases the personal attributes of customers whose time of grace is over, at most so many of them, and the keys
    /// that sealed them: no file, archive or copy yields them any more. Returns how many.
    ///
    /// # Errors
    /// The keys could not be erased on the medium; the next call tries again.
    pub fn erase_due(&self, rules: &Rules, now: Millis, at_most: usize) -> Result<usize, KeysError> {
        let due = self.search.due(now, at_most);
        for number in &due {
            // Whoever is part of the customer goes first: until the customer is erased too, all of it is due.
            let still_due = |customer: &&Customer| is_due(customer, self.not_later(now));
            let shard = self.customers.lock(*number);
            let merged = shard.get(number).filter(still_due).map(|customer| customer.merged().to_vec());
            drop(shard);
            merged.into_iter().flatten().for_each(|merged| self.erase_merged(merged, now));
            let merchant = self.customers.lock(*number).get(number).map(|customer| customer.merchant);
            let Some(merchant) = merchant else { continue };
            let (id, hand) = (number.to_string(), (Author::SYSTEM, now));
            // Forgotten first: from here on nothing that is personal of the customer is shown or sealed again.
            let configured = rules.merchant(merchant.as_str());
            let erased = self.change(merchant, &id, hand, &Attributes::default(), &mut |customer, now| {
                if !is_due(customer, now) {
                    return Ok(Vec::new());
                }
                let mut events = self.forgotten_identifiers(customer);
                events.extend(erasure(customer, configured.map(AsRef::as_ref)));
                Ok(events)
            });
            if erased.is_ok() && self.customers.lock(*number).get(number).is_some_and(|customer| customer.is_erased()) {
                self.search.owes_key(*number);
            }
        }
        // Those of before with them, of which the medium said no.
        for number in self.search.keys_due() {
            self.keys.erase(number)?;
            self.search.key_is_erased(number);
        }
        Ok(due.len())
    }

    /// Erases the personal attributes of somebody who is part of a customer.
    fn erase_merged(&self, number: u64, now: Millis) {
        let mut shard = self.customers.lock(number);
        let Some(customer) = shard.get_mut(&number) else { return };
        if !customer.is_erased() {
            let now = self.settle(customer, now);
            let held = customer.attributes.clone();
            let mut events = self.forgotten_identifiers(customer);
            events.push(CustomerEvent::Changed(Change::Erased));
            self.record(customer, 0, (Author::SYSTEM, now), &events);
            self.identities.replace_attributes(customer.merchant, number, &held, &customer.attributes);
        }
        self.search.owes_key(number);
    }
}

/// Whether the time of grace is over.
fn is_due(customer: &Customer, now: Millis) -> bool {
    customer.profile().and_then(|profile| profile.deletion_due).is_some_and(|due| due <= now)
}

#[cfg(test)]
mod tests;
