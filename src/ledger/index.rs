//! Who is meant: from identifiers and attributes to customers. Never stored; rebuilt from the customers.

use super::shards::{DigestKey, SHARDS, Spreading};
use crate::domain::{
    customer::Customer,
    identity::{Attributes, normalised, recognises},
    name::Name,
    payment::{Payment, SentIdentity},
    transaction::Resolution,
};
use dashmap::DashMap;
use smallvec::SmallVec;

/// The index of identities. The values are customers' numbers, oldest first.
pub(crate) struct Identities {
    key: DigestKey,
    numbers: DashMap<u128, SmallVec<[u64; 1]>, Spreading>,
}

/// What an identity leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// This customer.
    Customer(u64, Resolution),
    /// Nobody: the rules are not applied.
    Stranger,
    /// Nobody yet.
    Nobody,
}

impl Identities {
    pub(crate) fn new(key: DigestKey) -> Self {
        Self { key, numbers: DashMap::with_capacity_and_hasher_and_shard_amount(0, Spreading::default(), SHARDS) }
    }

    /// Looks up the customer of a payment. A `customer_id` is only read here; whether it exists the caller sees.
    pub(crate) fn find(&self, payment: &Payment<'_>) -> Found {
        let merchant = payment.merchant.id;
        match &payment.identity {
            SentIdentity::Identifier(id) => {
                let number = self.oldest(self.key.identifier(merchant, id));
                number.map_or(Found::Nobody, |number| Found::Customer(number, Resolution::Found))
            }
            SentIdentity::CustomerId(id) => {
                number_of(id).map_or(Found::Stranger, |number| Found::Customer(number, Resolution::Found))
            }
            SentIdentity::Attributes(sent) => {
                let by = |(attribute, value): &(_, std::borrow::Cow<'_, str>)| {
                    self.oldest(self.key.attribute(merchant, *attribute, value))
                };
                let number = sent.iter().find_map(by);
                number.map_or(Found::Nobody, |number| Found::Customer(number, Resolution::ClientDefinition))
            }
        }
    }

    fn oldest(&self, digest: u128) -> Option<u64> {
        self.numbers.get(&digest).and_then(|numbers| numbers.first().copied())
    }

    /// The digests under which a payment looks for its customer, and under which a new one will be found.
    pub(crate) fn digests(&self, payment: &Payment<'_>) -> SmallVec<[u128; 4]> {
        let merchant = payment.merchant.id;
        let mut digests: SmallVec<[u128; 4]> = self.of_attributes(merchant, &payment.attributes);
        if let SentIdentity::Identifier(id) = &payment.identity {
            digests.push(self.key.identifier(merchant, id));
        }
        digests
    }

    /// The digests of a customer's identifier and attributes.
    pub(crate) fn of_customer(&self, customer: &Customer) -> SmallVec<[u128; 4]> {
        let mut digests = self.of_attributes(customer.merchant, &customer.attributes);
        digests.extend(customer.identifier.as_deref().map(|id| self.key.identifier(customer.merchant, id)));
        digests
    }

    /// Makes a customer known under digests.
    pub(crate) fn insert_all(&self, digests: SmallVec<[u128; 4]>, number: u64) {
        digests.into_iter().for_each(|digest| self.insert(digest, number));
    }

    /// Makes a customer known under attributes that it has got.
    pub(crate) fn add_attributes(&self, merchant: Name, number: u64, attributes: &Attributes) {
        self.of_attributes(merchant, attributes).into_iter().for_each(|digest| self.insert(digest, number));
    }

    fn insert(&self, digest: u128, number: u64) {
        let mut numbers = self.numbers.entry(digest).or_default();
        if let Err(place) = numbers.binary_search(&number) {
            numbers.insert(place, number);
        }
    }

    fn of_attributes(&self, merchant: Name, attributes: &Attributes) -> SmallVec<[u128; 4]> {
        let leading = attributes.iter().filter(|(attribute, _)| recognises(*attribute));
        leading
            .map(|(attribute, value)| (attribute, normalised(attribute, value)))
            .filter(|(_, value)| !value.is_empty())
            .map(|(attribute, value)| self.key.attribute(merchant, attribute, &value))
            .collect()
    }

    /// A digest of the customer as sent, by which a repetition is recognised.
    pub(crate) fn sent(&self, payment: &Payment<'_>) -> u128 {
        match &payment.identity {
            SentIdentity::Identifier(id) => self.key.sent(&["identifier", id]),
            SentIdentity::CustomerId(id) => self.key.sent(&["customer_id", id]),
            SentIdentity::Attributes(sent) => {
                let parts: SmallVec<[&str; 5]> = std::iter::once("attributes")
                    .chain(sent.iter().flat_map(|(attribute, value)| [attribute.word(), value.as_ref()]))
                    .collect();
                self.key.sent(&parts)
            }
        }
    }
}

/// The internal number that a `customer_id` names: its canonical decimal text and no other.
pub(crate) fn number_of(customer_id: &str) -> Option<u64> {
    let number: u64 = customer_id.parse().ok()?;
    (number >= super::FIRST_CUSTOMER && number.to_string() == customer_id).then_some(number)
}
