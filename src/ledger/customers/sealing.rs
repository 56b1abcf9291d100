//! Sealed identifiers: which merchants have them, and what is recorded of them. See "What in them is personal" of the
//! crate.

use crate::domain::{
    customer::{
        aggregate::{Customer, CustomerEvent},
        profile::Change,
        stored_identifier::StoredIdentifier,
    },
    rules::configuration::Rules,
    vocabulary::names::{Name, Set},
};
use crate::ledger::{
    Ledger,
    state::index::{Identities, of_identifier},
};
use std::{borrow::Cow, sync::Arc};

/// The merchants with `seal_identifiers`.
#[derive(Debug, Clone, Default)]
pub struct Sealing(Set<Name>);

impl Sealing {
    /// Those of a configuration.
    #[must_use]
    pub fn of(rules: &Rules) -> Self {
        Self(
            rules.merchants.values().filter(|merchant| merchant.seal_identifiers).map(|merchant| merchant.id).collect(),
        )
    }
}

impl Identities {
    /// The digest of a stored identifier: of its text, or the one that was recorded where the text is forgotten.
    pub(in crate::ledger) fn stored(&self, merchant: Name, identifier: &StoredIdentifier) -> u128 {
        match (identifier.text(), identifier.digest()) {
            (None, Some(digest)) => of_identifier(merchant, digest),
            (text, _) => self.identifier(merchant, text.unwrap_or_default()),
        }
    }

    /// The digest that records hold of a sealed identifier, which is that of a payment that names it.
    pub(in crate::ledger) fn digest_of(&self, id: &str) -> u128 {
        self.key.sent(&["identifier", id.trim()])
    }

    /// Whether an identifier leads to a customer.
    pub(in crate::ledger) fn leads_by(&self, customer: &Customer, id: &str) -> bool {
        customer.goes_by(&StoredIdentifier::sealed(id, self.digest_of(id)))
    }
}

impl Ledger {
    /// Seals the identifiers of these merchants' customers in every record from the next one on, and of no others.
    pub fn seal_identifiers(&self, sealing: Sealing) {
        self.sealing.store(Arc::new(sealing));
    }

    fn seals(&self, merchant: Name) -> bool {
        self.sealing.load().0.contains(&merchant)
    }

    /// An identifier as it is sealed; one that is sealed already, or blank, stays.
    fn sealed(&self, identifier: &StoredIdentifier) -> StoredIdentifier {
        match identifier.text() {
            Some(text) if !identifier.is_sealed() && !text.trim().is_empty() => {
                StoredIdentifier::sealed(text, self.identities.digest_of(text))
            }
            _ => identifier.clone(),
        }
    }

    /// What is to be recorded of a customer of a merchant: the same events, with sealed identifiers where the merchant has
    /// them. Events of payments of known customers name no identifier and cost one look at their kinds.
    pub(in crate::ledger) fn with_sealed_identifiers<'e>(
        &self,
        merchant: Name,
        events: &'e [CustomerEvent],
    ) -> Cow<'e, [CustomerEvent]> {
        if !events.iter().any(names_identifier) || !self.seals(merchant) {
            return Cow::Borrowed(events);
        }
        let mut sealed = events.to_vec();
        identifiers_of(&mut sealed).for_each(|identifier| *identifier = self.sealed(identifier));
        Cow::Owned(sealed)
    }

    /// Seals the identifiers of a customer whose merchant has them sealed, before a snapshot holds them; the caller has
    /// the customer's lock. No record says so: an older snapshot gives the readable ones back, until the next one.
    pub(in crate::ledger) fn seal_stored_identifiers(&self, customer: &mut Customer) {
        let is_readable = |identifier: &StoredIdentifier| !identifier.is_sealed();
        if customer.all_identifiers().any(is_readable) && self.seals(customer.merchant) {
            // An erased customer has no key to seal with: the text is forgotten instead.
            let is_erased = customer.is_erased();
            customer.keep_identifiers(|identifier| match is_erased {
                true => forgotten(self.sealed(identifier)),
                false => self.sealed(identifier),
            });
        }
    }

    /// What an erasure says of the identifiers: their digests alone, of all where the merchant has them sealed by now and
    /// of those that are sealed anyway. Nothing where no text is to go: then the identifiers stay readable.
    pub(in crate::ledger) fn forgotten_identifiers(&self, customer: &Customer) -> Vec<CustomerEvent> {
        let mut gone = customer.clone();
        self.seal_stored_identifiers(&mut gone);
        gone.keep_identifiers(|identifier| forgotten(identifier.clone()));
        let mut events = Vec::new();
        let (merchant, at) = (customer.merchant, customer.created);
        let own = gone.identifier.clone().filter(StoredIdentifier::is_sealed);
        events.extend(own.map(|identifier| CustomerEvent::Created { merchant, identifier: Some(identifier), at }));
        if gone.identifiers().iter().any(StoredIdentifier::is_sealed) {
            events.push(CustomerEvent::Changed(Change::Identifiers(gone.identifiers().to_vec())));
        }
        events
    }

    /// Forgets in the steps of an erased customer's history what the customer's identifiers have forgotten: older records
    /// may hold them readable.
    pub(in crate::ledger) fn hide_forgotten_identifiers(&self, events: &mut [CustomerEvent]) {
        for identifier in identifiers_of(events) {
            *identifier = forgotten(self.sealed(identifier));
        }
    }

    /// Whether an identifier leads to a customer. The text of one that is forgotten is compared by its digest.
    #[must_use]
    pub fn goes_by(&self, customer: &Customer, identifier: &str) -> bool {
        self.identities.leads_by(customer, identifier)
    }
}

/// The same without its text, where it is sealed.
fn forgotten(mut identifier: StoredIdentifier) -> StoredIdentifier {
    identifier.forget();
    identifier
}

fn names_identifier(event: &CustomerEvent) -> bool {
    matches!(event, CustomerEvent::Created { identifier: Some(_), .. } | CustomerEvent::Changed(Change::Identifiers(_)))
}

/// The identifiers that events name.
fn identifiers_of(events: &mut [CustomerEvent]) -> impl Iterator<Item = &mut StoredIdentifier> {
    events.iter_mut().flat_map(|event| match event {
        CustomerEvent::Created { identifier, .. } => identifier.as_mut_slice(),
        CustomerEvent::Changed(Change::Identifiers(identifiers)) => identifiers.as_mut_slice(),
        _ => &mut [],
    })
}
