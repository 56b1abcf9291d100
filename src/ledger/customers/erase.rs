//! Erasure of customers: their personal attributes, and the keys that seal them.

use crate::ledger::{
    customers::update::CustomerRef,
    payments::record::{Actor, RecordEvents},
    state::ledger::Ledger,
};
use crate::{
    domain::{
        customer::{aggregate::Customer, change::CustomerChange, erasure::erasure_events},
        events::customer_event::CustomerEvent,
        rules::configuration::Rules,
        vocabulary::{attributes::Attributes, time::Millis},
    },
    storage::keys::{Keys, KeysError},
};

/// Why the keys of a customer are not erased everywhere.
#[derive(Debug, thiserror::Error)]
pub enum EraseError {
    /// They could not be erased on the medium.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// They could not be erased where copies are kept.
    #[error("the copy of the key could not be erased: {0}")]
    Copies(String),
}

impl Ledger {
    /// Erases the personal attributes of customers whose grace period has ended, at most `limit` of them, and the keys that
    /// sealed them. No file, archive or copy reveals the attributes from then on. Returns the number of erased customers.
    ///
    /// # Errors
    /// The keys could not be erased on the medium. The next call tries again.
    pub fn erase_due(&self, rules: &Rules, now: Millis, limit: usize) -> Result<usize, EraseError> {
        self.erase_due_everywhere(rules, now, limit, &|_, _| Ok(()))
    }

    /// [`Ledger::erase_due`] where copies of keys are kept elsewhere. `erase_copies` erases those of a customer.
    ///
    /// # Errors
    /// The keys could not be erased on the medium, or `erase_copies` failed. The next call tries again.
    pub fn erase_due_everywhere(
        &self,
        rules: &Rules,
        now: Millis,
        limit: usize,
        erase_copies: &dyn Fn(&Keys, u64) -> Result<(), EraseError>,
    ) -> Result<usize, EraseError> {
        let due = self.search.deletions_due(now, limit);
        for number in &due {
            // Merged customers first: all of the group stays due until its head is erased.
            let still_due = |customer: &&Customer| is_due(customer, self.limited_time(now));
            let shard = self.customers.lock(*number);
            let merged = shard.get(*number).filter(still_due).map(|customer| customer.merged().to_vec());
            drop(shard);
            merged.into_iter().flatten().for_each(|merged| self.erase_merged(merged, now));
            let merchant = self.customers.lock(*number).get(*number).map(|customer| customer.merchant);
            let Some(merchant) = merchant else { continue };
            let customer_id = number.to_string();
            let customer = CustomerRef { merchant, customer_id: &customer_id };
            let configured = rules.merchant(merchant.as_str());
            // The attributes are erased before the key: from here on none of them is shown or sealed again.
            let erased = self.change(customer, Actor::system(now), &Attributes::default(), &mut |customer, now| {
                if !is_due(customer, now) {
                    return Ok(Vec::new());
                }
                let mut events = self.forget_identifiers_events(customer);
                events.extend(erasure_events(customer, configured.map(AsRef::as_ref)));
                Ok(events)
            });
            if erased.is_ok() && self.customers.lock(*number).get(*number).is_some_and(|customer| customer.is_erased())
            {
                self.search.add_key_due(*number);
            }
        }
        // Also the keys of earlier calls that failed.
        for number in self.search.keys_due() {
            self.keys.erase(number)?;
            erase_copies(&self.keys, number)?;
            self.search.remove_key_due(number);
        }
        Ok(due.len())
    }

    /// Erases the personal attributes of a merged customer.
    fn erase_merged(&self, number: u64, now: Millis) {
        let mut shard = self.customers.lock(number);
        let Some(customer) = shard.get_mut(number) else { return };
        if !customer.is_erased() {
            let now = self.settle(customer, now);
            let old = customer.attributes.clone();
            let mut events = self.forget_identifiers_events(customer);
            events.push(CustomerEvent::CustomerChanged(CustomerChange::Erased));
            self.record(customer, Actor::system(now), RecordEvents { after: &events, ..RecordEvents::default() });
            self.identities.replace_attributes(customer.merchant, number, &old, &customer.attributes);
        }
        self.search.add_key_due(number);
    }
}

/// Whether the grace period has ended.
fn is_due(customer: &Customer, now: Millis) -> bool {
    customer.profile().and_then(|profile| profile.deletion_due).is_some_and(|due| due <= now)
}

#[cfg(test)]
mod tests;
