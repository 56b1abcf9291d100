//! Who and what is meant: from identifiers and attributes to customers, from ids to transactions. Never stored; rebuilt
//! from the customers.

use crate::domain::{
    customer::{
        aggregate::Customer,
        attributes::{AttributeSet, Attributes, normalised, recognises},
    },
    decision::payment::{Payment, SentIdentity},
    rules::configuration::Attribute,
    transaction::record::Resolution,
    vocabulary::{names::Name, phone::Country},
};
use crate::ledger::state::{
    countries::Countries,
    hash_table::{Blocks, Entry, Table},
    merge_group::Leads,
    shards::{DigestKey, SHARDS, Spread, slot},
};
use arc_swap::ArcSwap;
use parking_lot::{Mutex, MutexGuard};
use smallvec::SmallVec;
use std::{
    borrow::Cow,
    collections::BTreeSet,
    hash::{Hash, Hasher},
};

/// The index of identities: 16 bytes each, in a table of its own for each shard.
pub(crate) struct Identities {
    pub(in crate::ledger) key: DigestKey,
    /// With which phone numbers are read.
    pub(in crate::ledger) countries: ArcSwap<Countries>,
    /// Who stands for those who were merged: the shelves go on leading to these.
    pub(in crate::ledger) leads: Leads,
    shelves: Box<[Mutex<Shelf>]>,
}

/// The identities of one shard.
#[derive(Default)]
struct Shelf {
    /// The oldest customer of each digest.
    oldest: Table<Known>,
    /// The others, where several share one.
    others: BTreeSet<(u128, u32)>,
}

impl Shelf {
    fn insert(&mut self, digest: u128, number: u32) {
        match self.oldest.get_mut(high_half(digest), |known| known.is(digest)) {
            Some(known) if known.number == number => {}
            Some(known) => {
                let younger = known.number.max(number);
                known.number = known.number.min(number);
                self.others.insert((digest, younger));
            }
            None => self.oldest.insert(Known::of(digest, number)),
        }
    }

    fn remove(&mut self, digest: u128, number: u32) {
        let high = high_half(digest);
        if self.others.remove(&(digest, number)) {
            return;
        }
        let next = self.others_of(digest, 0).next();
        if let Some(known) = self.oldest.get_mut(high, |known| known.is(digest) && known.number == number) {
            match next {
                Some(next) => {
                    known.number = next;
                    self.others.remove(&(digest, next));
                }
                None => self.oldest.remove(high, |known| known.is(digest)),
            }
        }
    }

    fn others_of(&self, digest: u128, from: u32) -> impl Iterator<Item = u32> {
        self.others.range((digest, from)..=(digest, u32::MAX)).map(|(_, number)| *number)
    }

    /// All of a digest from a number on, the oldest first.
    fn all_of(&self, digest: u128, from: u32) -> impl Iterator<Item = u64> {
        let oldest = self.oldest.near(high_half(digest)).find(|known| known.is(digest)).map(|known| known.number);
        let oldest = oldest.into_iter().filter(move |number| *number >= from);
        oldest.chain(self.others_of(digest, from)).map(u64::from)
    }
}

/// The first 96 bits of a digest, and the oldest customer whom it belongs to. They tell identities apart as the whole
/// does: of a thousand million, two agree in them by a chance of one in 10^11, and nobody can make two without the key.
#[derive(Clone, Copy)]
struct Known {
    high: u64,
    low: u32,
    number: u32,
}

impl Known {
    fn of(digest: u128, number: u32) -> Self {
        let low = u32::try_from(digest >> 32 & u128::from(u32::MAX)).unwrap_or_default();
        Self { high: high_half(digest), low, number }
    }

    fn is(&self, digest: u128) -> bool {
        let other = Self::of(digest, self.number);
        (self.high, self.low) == (other.high, other.low)
    }
}

impl Entry for Known {
    const NONE: Self = Self { high: 0, low: 0, number: 0 };
    // Every customer has some for ever, and customers are made seldom.
    const FREE: usize = 8;
    const GROWS_BY: usize = 8;
    type Places = Blocks<Self>;

    fn is_none(&self) -> bool {
        // The first customer has a larger number.
        self.number == 0
    }

    fn hash(&self) -> u64 {
        self.high
    }
}

/// The half of a digest by which it is placed.
fn high_half(digest: u128) -> u64 {
    u64::try_from(digest >> 64).unwrap_or_default()
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
        let (countries, shelves) = (ArcSwap::default(), (0..SHARDS).map(|_| Mutex::default()).collect());
        Self { key, countries, leads: Leads::default(), shelves }
    }

    fn shelf(&self, digest: u128) -> MutexGuard<'_, Shelf> {
        self.shelves[slot(high_half(digest))].lock()
    }

    /// Looks up the customer of a payment, by the digest of what was sent where it is known already. A `customer_id` is
    /// only read here; whether it exists, and who stands for the customer by now, whoever takes the lock sees. What
    /// `beside` touches comes from memory at the same time.
    pub(crate) fn find(&self, payment: &Payment<'_>, sent: Option<u128>, beside: impl Fn()) -> Found {
        let merchant = payment.merchant.id;
        match &payment.identity {
            SentIdentity::Identifier(id) => {
                let sent = sent.unwrap_or_else(|| self.key.sent(&["identifier", id]));
                let number = self.oldest(of_identifier(merchant, sent), beside);
                number.map_or(Found::Nobody, |number| Found::Customer(number, Resolution::Found))
            }
            SentIdentity::CustomerId(id) => {
                number_of(id).map_or(Found::Stranger, |number| Found::Customer(number, Resolution::Found))
            }
            SentIdentity::Attributes(sent) => {
                let by = |(attribute, value): &(_, Cow<'_, str>)| {
                    self.oldest(self.key.attribute(merchant, *attribute, value), &beside)
                };
                let number = sent.iter().find_map(by);
                number.map_or(Found::Nobody, |number| Found::Customer(number, Resolution::ClientDefinition))
            }
        }
    }

    fn oldest(&self, digest: u128, beside: impl Fn()) -> Option<u64> {
        let table = &self.shelf(digest).oldest;
        // Behind the lock, because no memory is waited for side by side across the taking of a lock.
        table.touch(high_half(digest));
        beside();
        table.near(high_half(digest)).find(|known| known.is(digest)).map(|known| u64::from(known.number))
    }

    /// The digests under which a payment looks for its customer, and under which a new one will be found.
    pub(crate) fn digests(&self, payment: &Payment<'_>) -> SmallVec<[u128; 4]> {
        let merchant = payment.merchant.id;
        let mut digests: SmallVec<[u128; 4]> = self.of_attributes(merchant, &payment.attributes);
        if let SentIdentity::Identifier(id) = &payment.identity {
            digests.push(self.identifier(merchant, id));
        }
        digests
    }

    /// The digests of a customer's identifiers and attributes.
    pub(crate) fn of_customer(&self, customer: &Customer) -> SmallVec<[u128; 4]> {
        let mut digests = self.of_all(customer.merchant, None, &customer.attributes);
        digests.extend(customer.all_identifiers().map(|id| self.stored(customer.merchant, id)));
        digests
    }

    /// The digests of the identifiers that lead to a customer besides its own.
    pub(crate) fn of_identifiers(&self, customer: &Customer) -> SmallVec<[u128; 4]> {
        customer.identifiers().iter().map(|id| self.stored(customer.merchant, id)).collect()
    }

    pub(in crate::ledger) fn identifier(&self, merchant: Name, id: &str) -> u128 {
        self.identifier_as_written(merchant, id.trim())
    }

    /// [`Identities::identifier`] with the white space at its ends.
    pub(in crate::ledger) fn identifier_as_written(&self, merchant: Name, id: &str) -> u128 {
        of_identifier(merchant, self.key.sent(&["identifier", id]))
    }

    /// Makes a customer known under digests.
    pub(crate) fn insert_all(&self, digests: SmallVec<[u128; 4]>, number: u64) {
        digests.into_iter().for_each(|digest| self.insert(digest, number));
    }

    /// Makes a customer known under attributes that it has got.
    pub(crate) fn add_attributes(&self, merchant: Name, number: u64, attributes: &Attributes) {
        self.of_attributes(merchant, attributes).into_iter().for_each(|digest| self.insert(digest, number));
    }

    pub(in crate::ledger) fn insert(&self, digest: u128, number: u64) {
        self.shelf(digest).insert(digest, small(number));
    }

    pub(in crate::ledger) fn remove(&self, digest: u128, number: u64) {
        self.shelf(digest).remove(digest, small(number));
    }

    /// Follows a customer from old attributes to new ones.
    pub(crate) fn replace_attributes(&self, merchant: Name, number: u64, old: &Attributes, new: &Attributes) {
        let (old, new) = (self.of_attributes(merchant, old), self.of_attributes(merchant, new));
        for digest in old.iter().filter(|digest| !new.contains(digest)) {
            self.remove(*digest, number);
        }
        new.into_iter().filter(|digest| !old.contains(digest)).for_each(|digest| self.insert(digest, number));
    }

    /// All customers who have an attribute, compared normalised, those who stand for others in their place; the oldest
    /// first.
    pub(crate) fn having(&self, merchant: Name, attribute: Attribute, value: &str) -> Vec<u64> {
        let digest = self.of_attribute(merchant, attribute, value);
        digest.map_or_else(Vec::new, |digest| self.leads.all_of(self.all_of(digest)))
    }

    /// All customers of a digest, the oldest first.
    pub(in crate::ledger) fn all_of(&self, digest: u128) -> Vec<u64> {
        self.shelf(digest).all_of(digest, 0).collect()
    }

    /// The customer of an identifier.
    pub(crate) fn of_identifier(&self, merchant: Name, id: &str) -> Option<u64> {
        self.oldest(self.identifier(merchant, id), || {}).map(|number| self.leads.of(number))
    }

    /// The first two of [`Identities::having`], whatever the number of those who share the attribute.
    pub(crate) fn first_having(&self, merchant: Name, attribute: Attribute, value: &str) -> SmallVec<[u64; 2]> {
        let (mut found, mut from) = (SmallVec::new(), 0);
        let Some(digest) = self.of_attribute(merchant, attribute, value) else { return found };
        loop {
            let some: SmallVec<[u64; 8]> = self.shelf(digest).all_of(digest, from).take(8).collect();
            let Some(last) = some.last() else { return found };
            from = small(*last).saturating_add(1);
            for number in some.iter().map(|number| self.leads.of(*number)) {
                if !found.contains(&number) {
                    found.push(number);
                }
                if found.len() == 2 {
                    return found;
                }
            }
        }
    }

    /// The digest of an external id.
    pub(crate) fn of_external_id(&self, merchant: Name, id: &str) -> Option<u128> {
        self.of_attribute(merchant, Attribute::ExternalId, id)
    }

    fn of_attribute(&self, merchant: Name, attribute: Attribute, value: &str) -> Option<u128> {
        let value = self.normalised(merchant, attribute, value);
        let leads = recognises(attribute) && !value.is_empty();
        leads.then(|| self.key.attribute(merchant, attribute, &value))
    }

    /// The digest of a phone number, read with a country.
    pub(in crate::ledger) fn of_phone(&self, merchant: Name, value: &str, country: Option<Country>) -> Option<u128> {
        let value = normalised(Attribute::Phone, value, country);
        (!value.is_empty()).then(|| self.key.attribute(merchant, Attribute::Phone, &value))
    }

    /// The form in which a value of a merchant's customer is compared.
    pub(in crate::ledger) fn normalised<'v>(
        &self,
        merchant: Name,
        attribute: Attribute,
        value: &'v str,
    ) -> Cow<'v, str> {
        let country = match attribute {
            Attribute::Phone => self.countries.load().get(merchant),
            _ => None,
        };
        normalised(attribute, value, country)
    }

    /// The digests of attributes and of an identifier, for whoever is to be alone with them.
    pub(crate) fn of_all(
        &self,
        merchant: Name,
        identifier: Option<&str>,
        attributes: &Attributes,
    ) -> SmallVec<[u128; 4]> {
        let mut digests = self.of_attributes(merchant, attributes);
        digests.extend(identifier.map(|id| self.identifier(merchant, id)));
        digests
    }

    fn of_attributes(&self, merchant: Name, attributes: &Attributes) -> SmallVec<[u128; 4]> {
        attributes.iter().filter_map(|(attribute, value)| self.of_attribute(merchant, attribute, value)).collect()
    }

    /// [`Identities::sent`], where an identifier was sent.
    pub(crate) fn sent_identifier(&self, payment: &Payment<'_>) -> Option<u128> {
        match &payment.identity {
            SentIdentity::Identifier(id) => Some(self.key.sent(&["identifier", id])),
            _ => None,
        }
    }

    /// A digest of the customer as sent, by which a repetition is recognised: the identifier, or the attributes of a
    /// client definition.
    pub(crate) fn sent(&self, payment: &Payment<'_>, defined_by: AttributeSet) -> u128 {
        match &payment.identity {
            SentIdentity::Identifier(id) => self.key.sent(&["identifier", id]),
            SentIdentity::CustomerId(id) => self.key.sent(&["customer_id", id]),
            SentIdentity::Attributes(_) => {
                let defining = payment.attributes.iter().filter(|(attribute, _)| defined_by.contains(*attribute));
                let merchant = payment.merchant.id;
                let sent: SmallVec<[(Attribute, Cow<'_, str>); 2]> = defining
                    .map(|(attribute, value)| (attribute, self.normalised(merchant, attribute, value)))
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

/// A number as the index holds it. Numbers of customers end at the largest that fits; see `LAST_CUSTOMER`.
fn small(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// Where a transaction lives: in which customer, in which slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct TransactionSlot {
    /// The customer's number.
    pub(crate) customer: u64,
    /// The slot.
    pub(crate) slot: u32,
}

/// The key of a transaction, and where it lives, in 16 bytes.
#[derive(Clone, Copy)]
pub(crate) struct IndexedSlot {
    key: u64,
    customer: u32,
    slot: u32,
}

impl IndexedSlot {
    pub(crate) fn new(key: u64, transaction_slot: TransactionSlot) -> Self {
        // Numbers of customers end at the largest that fits; see `LAST_CUSTOMER`.
        Self { key, customer: small(transaction_slot.customer), slot: transaction_slot.slot }
    }

    fn transaction_slot(&self) -> TransactionSlot {
        TransactionSlot { customer: u64::from(self.customer), slot: self.slot }
    }
}

impl Entry for IndexedSlot {
    const NONE: Self = Self { key: 0, customer: 0, slot: u32::MAX };
    // Every payment looks for one and adds one, and nobody is to wait long for that.
    const FREE: usize = 4;
    const GROWS_BY: usize = 1;
    type Places = Box<[Self]>;

    fn is_none(&self) -> bool {
        // Slots are counted from 0, and no customer comes so far.
        self.slot == u32::MAX
    }

    fn hash(&self) -> u64 {
        self.key
    }
}

/// The index of the ids of one stripe: 16 bytes each, in a table that moves no more than a few thousand when it grows.
/// Two ids may share a key; whoever finds several looks at each.
#[derive(Default)]
pub(crate) struct TransactionSlots(Table<IndexedSlot>);

impl TransactionSlots {
    pub(crate) fn find(&self, key: u64) -> impl Iterator<Item = TransactionSlot> {
        self.0.near(key).filter(move |seated| seated.key == key).map(IndexedSlot::transaction_slot)
    }

    /// See [`Table::touch`].
    pub(crate) fn touch(&self, key: u64) {
        self.0.touch(key);
    }

    /// See [`Table::reserve`].
    pub(crate) fn reserve(&mut self, count: usize) {
        self.0.reserve(count);
    }

    pub(crate) fn insert(&mut self, key: u64, transaction_slot: TransactionSlot) {
        self.put(IndexedSlot::new(key, transaction_slot));
    }

    pub(crate) fn put(&mut self, seated: IndexedSlot) {
        self.0.insert(seated);
    }

    pub(crate) fn remove(&mut self, key: u64, transaction_slot: TransactionSlot) {
        self.0.remove(key, |seated| seated.key == key && seated.transaction_slot() == transaction_slot);
    }
}

/// The digest under which a customer is found by an identifier, of the digest of the identifier as sent: an identifier
/// is unique in its merchant. This index is never stored, so it may go by where a name lies.
pub(in crate::ledger) fn of_identifier(merchant: Name, sent: u128) -> u128 {
    let mut spread = Spread::default();
    merchant.hash(&mut spread);
    sent ^ (u128::from(spread.finish()) << 64)
}

/// The internal number that a `customer_id` names: its canonical decimal text and no other, white space at
/// its ends apart.
pub(crate) fn number_of(customer_id: &str) -> Option<u64> {
    let customer_id = customer_id.trim();
    let number: u64 = customer_id.parse().ok()?;
    (number >= crate::ledger::FIRST_CUSTOMER && number.to_string() == customer_id).then_some(number)
}
