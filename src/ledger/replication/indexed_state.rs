//! The part of a customer that indexes are built from, before and after a record.

use crate::{
    domain::{
        customer::{aggregate::Customer, stored_identifier::StoredIdentifier},
        vocabulary::{attributes::Attributes, names::Name},
    },
    ledger::{
        index::{
            customer_numbers::FIRST_CUSTOMER,
            identity_index::{Digests, IdentityIndex},
            search_index::SearchKeys,
        },
        state::ledger::Ledger,
    },
};
use smallvec::SmallVec;
use std::sync::atomic::Ordering;

/// What the indexes contain of a customer.
pub(in crate::ledger) struct IndexedState {
    attributes: Attributes,
    identifiers: SmallVec<[StoredIdentifier; 1]>,
    /// `None`: the customer is merged into another.
    search_keys: Option<SearchKeys>,
    instruments: Vec<Box<str>>,
    merged_into: Option<u64>,
    is_erased: bool,
}

impl IndexedState {
    /// Of a customer. `None`: a placeholder, which is in no index.
    pub(in crate::ledger) fn of(customer: &Customer) -> Option<Self> {
        let merged_into = customer.merged_into();
        (customer.number() >= FIRST_CUSTOMER).then(|| Self {
            attributes: customer.attributes.clone(),
            identifiers: customer.all_identifiers().cloned().collect(),
            search_keys: merged_into.is_none().then(|| SearchKeys::of(customer)),
            instruments: customer.instruments().iter().map(|instrument| instrument.id.clone()).collect(),
            merged_into,
            is_erased: customer.is_erased(),
        })
    }

    fn has_same_identities(&self, other: &Self) -> bool {
        self.attributes == other.attributes && self.identifiers == other.identifiers
    }
}

impl Ledger {
    /// Brings the indexes from the state of a customer before a record to its present state. `None`: the customer did not
    /// exist. The caller holds the lock of the customer. The index of transaction ids is not among them.
    pub(in crate::ledger) fn index_change(&self, customer: &Customer, before: Option<&IndexedState>) {
        let Some(after) = IndexedState::of(customer) else { return };
        let (merchant, number) = (customer.merchant, customer.number());
        if before.is_none() {
            self.customer_count.fetch_add(1, Ordering::Relaxed);
        }
        if before.is_none_or(|before| !before.has_same_identities(&after)) {
            let digests =
                |state: &IndexedState| self.identities.of_parts(merchant, &state.attributes, &state.identifiers);
            let (old, new): (Digests, Digests) = (before.map(digests).unwrap_or_default(), digests(&after));
            for digest in old.iter().filter(|digest| !new.contains(digest)) {
                self.identities.remove(*digest, number);
            }
            new.into_iter()
                .filter(|digest| !old.contains(digest))
                .for_each(|digest| self.identities.insert(digest, number));
        }
        let old_instruments = before.map(|before| before.instruments.as_slice()).unwrap_or_default();
        for id in old_instruments.iter().filter(|id| !after.instruments.contains(id)) {
            self.remove_holder(id, number);
        }
        for id in after.instruments.iter().filter(|id| !old_instruments.contains(id)) {
            self.index_holder(id, number);
        }
        if let Some(target) = after.merged_into
            && before.and_then(|before| before.merged_into) != Some(target)
        {
            self.identities.merge_targets.set(number, target);
        }
        let old_keys = before.and_then(|before| before.search_keys.as_ref());
        self.search.update(merchant, number, old_keys, after.search_keys.as_ref());
        if after.is_erased && !before.is_some_and(|before| before.is_erased) && !self.keys.is_erased(number) {
            self.search.add_key_due(number);
        }
    }
}

impl IdentityIndex {
    /// The digests of attributes and of identifiers. A blank identifier is none.
    fn of_parts(&self, merchant: Name, attributes: &Attributes, identifiers: &[StoredIdentifier]) -> Digests {
        let mut digests = self.of_identities(merchant, None, attributes);
        let is_blank = |identifier: &&StoredIdentifier| identifier.text().is_some_and(|text| text.trim().is_empty());
        let named = identifiers.iter().filter(|identifier| !is_blank(identifier));
        digests.extend(named.map(|identifier| self.of_stored_identifier(merchant, identifier)));
        digests
    }
}
