//! Who and what is meant: from identifiers and attributes to customers, from ids to transactions. Never stored; rebuilt
//! from the customers.

use super::shards::{DigestKey, SHARDS, Spreading, slot};
use crate::domain::{
    customer::Customer,
    identity::{AttributeSet, Attributes, normalised, recognises},
    name::Name,
    payment::{Payment, SentIdentity},
    rules::Attribute,
    transaction::Resolution,
};
use dashmap::DashMap;
use hashbrown::HashTable;
use parking_lot::{Mutex, MutexGuard};
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

    /// A digest of the customer as sent, by which a repetition is recognised: the identifier, or the attributes of a
    /// client definition.
    pub(crate) fn sent(&self, payment: &Payment<'_>, defined_by: AttributeSet) -> u128 {
        match &payment.identity {
            SentIdentity::Identifier(id) => self.key.sent(&["identifier", id]),
            SentIdentity::CustomerId(id) => self.key.sent(&["customer_id", id]),
            SentIdentity::Attributes(_) => {
                let defining = payment.attributes.iter().filter(|(attribute, _)| defined_by.contains(*attribute));
                let sent: SmallVec<[(Attribute, std::borrow::Cow<'_, str>); 2]> = defining
                    .map(|(attribute, value)| (attribute, normalised(attribute, value)))
                    .filter(|(_, value)| !value.is_empty())
                    .collect();
                let parts: SmallVec<[&str; 5]> = std::iter::once("attributes")
                    .chain(sent.iter().flat_map(|(attribute, value)| [attribute.word(), value.as_ref()]))
                    .collect();
                self.key.sent(&parts)
            }
        }
    }
}

/// Where a transaction lives: in which customer, in which slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seat {
    /// The customer's number.
    pub(crate) customer: u64,
    /// The slot.
    pub(crate) slot: u32,
}

#[derive(Clone, Copy)]
struct Entry {
    key: u64,
    customer: u32,
    slot: u32,
}

/// The index of transaction ids: 16 bytes each in a table of its own for each shard, so that one that grows moves no
/// more than a few thousand. Two ids may share a key; whoever finds several looks at each.
pub(crate) struct Seats(Box<[Mutex<HashTable<Entry>>]>);

impl Seats {
    pub(crate) fn new() -> Self {
        Self((0..SHARDS).map(|_| Mutex::default()).collect())
    }

    fn table(&self, key: u64) -> MutexGuard<'_, HashTable<Entry>> {
        // The low bits choose the shard; the table goes by the high ones.
        self.0[slot(key)].lock()
    }

    pub(crate) fn find(&self, key: u64) -> SmallVec<[Seat; 1]> {
        let table = self.table(key);
        let same = table.iter_hash(key.rotate_left(32)).filter(|entry| entry.key == key);
        same.map(|entry| Seat { customer: u64::from(entry.customer), slot: entry.slot }).collect()
    }

    pub(crate) fn insert(&self, key: u64, seat: Seat) {
        // Numbers of customers end at the largest that fits; see `CUSTOMERS_MAX`.
        let entry = Entry { key, customer: u32::try_from(seat.customer).unwrap_or(u32::MAX), slot: seat.slot };
        self.table(key).insert_unique(key.rotate_left(32), entry, |entry| entry.key.rotate_left(32));
    }

    pub(crate) fn remove(&self, key: u64, seat: Seat) {
        let is =
            |entry: &Entry| entry.key == key && u64::from(entry.customer) == seat.customer && entry.slot == seat.slot;
        if let Ok(found) = self.table(key).find_entry(key.rotate_left(32), is) {
            found.remove();
        }
    }
}

/// The internal number that a `customer_id` names: its canonical decimal text and no other.
pub(crate) fn number_of(customer_id: &str) -> Option<u64> {
    let number: u64 = customer_id.parse().ok()?;
    (number >= super::FIRST_CUSTOMER && number.to_string() == customer_id).then_some(number)
}
