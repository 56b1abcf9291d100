//! Sealed identifiers in records, snapshots and histories. See "What in them is personal" of the crate.

use crate::ledger::state::{ledger::Ledger, sealed_merchants::SealedMerchants};
use crate::{
    domain::{
        customer::{aggregate::Customer, change::CustomerChange, stored_identifier::StoredIdentifier},
        events::customer_event::CustomerEvent,
        vocabulary::names::Name,
    },
    storage::{journal::Keys, keys::Unsealed},
};
use std::{borrow::Cow, sync::Arc};

/// Unseals personal data of a customer. `None`: the customer's key is erased.
///
/// # Errors
/// The data or the key is damaged.
pub(in crate::ledger) fn unseal(keys: &Keys, customer: u64, sealed: &[u8]) -> Result<Option<Vec<u8>>, String> {
    match keys.unseal(customer, sealed) {
        Ok(Unsealed::Plain(plain)) => Ok(Some(plain)),
        Ok(Unsealed::Erased) => Ok(None),
        Err(error) => Err(error.to_string()),
    }
}

impl Ledger {
    /// Seals the identifiers of these merchants' customers, and of no others, in every record from the next one on.
    pub fn seal_identifiers(&self, merchants: SealedMerchants) {
        self.sealing.store(Arc::new(merchants));
    }

    /// A sealed copy of an identifier. A sealed or blank identifier stays as it is.
    fn sealed(&self, identifier: &StoredIdentifier) -> StoredIdentifier {
        match identifier.text() {
            Some(text) if !identifier.is_sealed() && !text.trim().is_empty() => {
                StoredIdentifier::sealed(text, self.identities.sealed_digest(text))
            }
            _ => identifier.clone(),
        }
    }

    /// The events of a merchant's customer as they are recorded: with sealed identifiers where the merchant seals them.
    /// Events without identifiers, such as those of payments of known customers, cost one check of their variants.
    pub(in crate::ledger) fn with_sealed_identifiers<'e>(
        &self,
        merchant: Name,
        events: &'e [CustomerEvent],
    ) -> Cow<'e, [CustomerEvent]> {
        if !events.iter().any(contains_identifiers) || !self.sealing.load().contains(merchant) {
            return Cow::Borrowed(events);
        }
        let mut sealed = events.to_vec();
        identifiers_of(&mut sealed).for_each(|identifier| *identifier = self.sealed(identifier));
        Cow::Owned(sealed)
    }

    /// Seals the identifiers of a customer before a snapshot contains them, where the merchant seals them. The caller holds
    /// the customer's lock. No record describes this: an older snapshot restores the readable identifiers, until the next
    /// snapshot.
    pub(in crate::ledger) fn seal_stored_identifiers(&self, customer: &mut Customer) {
        let is_readable = |identifier: &StoredIdentifier| !identifier.is_sealed();
        if customer.all_identifiers().any(is_readable) && self.sealing.load().contains(customer.merchant) {
            // An erased customer has no key: the text is forgotten instead.
            let is_erased = customer.is_erased();
            customer.map_identifiers(|identifier| match is_erased {
                true => forgotten(self.sealed(identifier)),
                false => self.sealed(identifier),
            });
        }
    }

    /// The events by which an erasure forgets identifiers: it keeps the digests of all sealed ones, and of all others where
    /// the merchant seals identifiers now. Empty where no text is forgotten; those identifiers stay readable.
    pub(in crate::ledger) fn forget_identifiers_events(&self, customer: &Customer) -> Vec<CustomerEvent> {
        let mut after = customer.clone();
        self.seal_stored_identifiers(&mut after);
        after.map_identifiers(|identifier| forgotten(identifier.clone()));
        let mut events = Vec::new();
        let (merchant, at) = (customer.merchant, customer.created);
        let own = after.identifier.clone().filter(StoredIdentifier::is_sealed);
        events.extend(own.map(|identifier| CustomerEvent::Created { merchant, identifier: Some(identifier), at }));
        if after.identifiers().iter().any(StoredIdentifier::is_sealed) {
            events.push(CustomerEvent::CustomerChanged(CustomerChange::Identifiers(after.identifiers().to_vec())));
        }
        events
    }

    /// Removes the texts of identifiers from the history of an erased customer. Older records may contain them.
    pub(in crate::ledger) fn hide_forgotten_identifiers(&self, events: &mut [CustomerEvent]) {
        for identifier in identifiers_of(events) {
            *identifier = forgotten(self.sealed(identifier));
        }
    }

    /// Whether an identifier leads to a customer. The text of a forgotten identifier is compared by its digest.
    #[must_use]
    pub fn has_identifier(&self, customer: &Customer, identifier: &str) -> bool {
        self.identities.has_identifier(customer, identifier)
    }

    /// Whether an identifier leads to a customer of a merchant.
    #[must_use]
    pub fn knows_identifier(&self, merchant: Name, identifier: &str) -> bool {
        self.identities.customer_with_identifier(merchant, identifier).is_some()
    }
}

/// The identifier without its text, where it is sealed.
fn forgotten(mut identifier: StoredIdentifier) -> StoredIdentifier {
    identifier.forget();
    identifier
}

fn contains_identifiers(event: &CustomerEvent) -> bool {
    match event {
        CustomerEvent::Created { identifier, .. } => identifier.is_some(),
        CustomerEvent::CustomerChanged(change) => matches!(change, CustomerChange::Identifiers(_)),
        CustomerEvent::AttributesFilled { .. }
        | CustomerEvent::LevelSet { .. }
        | CustomerEvent::SignalReceived { .. }
        | CustomerEvent::InstrumentAdded { .. }
        | CustomerEvent::InstrumentUsed { .. }
        | CustomerEvent::AuditEntry(_)
        | CustomerEvent::TransactionOpened { .. }
        | CustomerEvent::FactRecorded { .. }
        | CustomerEvent::Compacted { .. }
        | CustomerEvent::Assigned { .. }
        | CustomerEvent::AssignedElsewhere { .. } => false,
    }
}

/// The identifiers in events; see [`contains_identifiers`].
fn identifiers_of(events: &mut [CustomerEvent]) -> impl Iterator<Item = &mut StoredIdentifier> {
    events.iter_mut().filter(|event| contains_identifiers(event)).flat_map(|event| match event {
        CustomerEvent::Created { identifier, .. } => identifier.as_mut_slice(),
        CustomerEvent::CustomerChanged(CustomerChange::Identifiers(identifiers)) => identifiers.as_mut_slice(),
        _ => &mut [],
    })
}
