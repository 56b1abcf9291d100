//! The index of identities: from identifiers and attributes to customers. Never stored: it is rebuilt from the customers.

use crate::domain::{
    customer::{aggregate::Customer, stored_identifier::StoredIdentifier},
    decision::payment::{Payment, SentIdentity},
    transaction::opening::{CustomerResolution, Opening},
    vocabulary::{
        attributes::{Attribute, AttributeSet, Attributes, identifies_customer, normalised},
        contact::phone::Country,
        names::Name,
    },
};
use crate::ledger::index::{
    customer_numbers::{number_of, to_u32},
    default_countries::DefaultCountries,
    digest::DigestKey,
    identity_shard::{IdentityShard, high_half},
    merge_targets::MergeTargets,
    number_set::NumberSet,
    sharding::{SHARDS, SpreadHasher, shard_of},
};
use arc_swap::ArcSwap;
use parking_lot::{Mutex, MutexGuard};
use prefetch_index::prefetch_index;
use roaring::RoaringBitmap;
use smallvec::SmallVec;
use std::{
    borrow::Cow,
    hash::{Hash, Hasher},
};

/// The digests of a customer's identities.
pub(in crate::ledger) type Digests = SmallVec<[u128; 4]>;

/// The index of identities: 16 bytes each, in one hash table for each shard.
pub(in crate::ledger) struct IdentityIndex {
    pub(in crate::ledger) digest_key: DigestKey,
    pub(in crate::ledger) default_countries: ArcSwap<DefaultCountries>,
    /// The targets of merged customers. The index keeps the numbers of merged customers.
    pub(in crate::ledger) merge_targets: MergeTargets,
    shards: Box<[Mutex<IdentityShard>]>,
}

/// The customer that the identity of a payment leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::ledger) enum IdentityMatch {
    /// This customer. It may be merged into another.
    Customer(u64, CustomerResolution),
    /// None, and none is created: the rules do not apply.
    Bypassed,
    /// None yet.
    NoCustomer,
}

impl IdentityIndex {
    pub(in crate::ledger) fn new(key: DigestKey) -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::default()).collect();
        let (default_countries, merge_targets) = (ArcSwap::default(), MergeTargets::default());
        Self { digest_key: key, default_countries, merge_targets, shards }
    }

    fn shard(&self, digest: u128) -> MutexGuard<'_, IdentityShard> {
        self.shards[shard_of(high_half(digest))].lock()
    }

    /// Looks up the customer of a payment. `sent` is the digest of the identifier, where it is already computed.
    /// A `customer_id` is only parsed: the caller checks under the customer's lock that it exists, and follows merges.
    /// `prefetch` loads other memory while this lookup waits for its own.
    pub(in crate::ledger) fn find(
        &self,
        payment: &Payment<'_>,
        sent: Option<u128>,
        prefetch: impl Fn(),
    ) -> IdentityMatch {
        let merchant = payment.merchant.id;
        match &payment.identity {
            SentIdentity::Identifier(id) => {
                let sent = sent.unwrap_or_else(|| self.digest_key.identifier(id));
                let number = self.oldest(in_merchant(merchant, sent), prefetch);
                number.map_or(IdentityMatch::NoCustomer, |number| {
                    IdentityMatch::Customer(number, CustomerResolution::Found)
                })
            }
            SentIdentity::CustomerId(id) => number_of(id)
                .map_or(IdentityMatch::Bypassed, |number| IdentityMatch::Customer(number, CustomerResolution::Found)),
            SentIdentity::Attributes(sent) => {
                let by = |(attribute, value): &(_, Cow<'_, str>)| {
                    self.oldest(self.digest_key.attribute(merchant, *attribute, value), &prefetch)
                };
                let number = sent.iter().find_map(by);
                number.map_or(IdentityMatch::NoCustomer, |number| {
                    IdentityMatch::Customer(number, CustomerResolution::ClientDefinition)
                })
            }
        }
    }

    /// Loads the shard of a digest into the cache.
    pub(in crate::ledger) fn prefetch_shard(&self, digest: u128) {
        prefetch_index(&self.shards, shard_of(high_half(digest)));
    }

    /// Loads the entry of a digest into the cache.
    pub(in crate::ledger) fn prefetch_entry(&self, digest: u128) {
        self.shard(digest).oldest.prefetch(high_half(digest));
    }

    fn oldest(&self, digest: u128, prefetch: impl Fn()) -> Option<u64> {
        let table = &self.shard(digest).oldest;
        // After the lock is taken: a processor does not load memory ahead across an atomic operation.
        table.prefetch(high_half(digest));
        prefetch();
        table.candidates(high_half(digest)).find(|entry| entry.has_digest(digest)).map(|entry| u64::from(entry.number))
    }

    /// The digests by which the customer of a payment is found: an existing customer and a new one.
    pub(in crate::ledger) fn of_payment(&self, payment: &Payment<'_>) -> Digests {
        let merchant = payment.merchant.id;
        let mut digests: Digests = self.of_attributes(merchant, &payment.attributes);
        if let SentIdentity::Identifier(id) = &payment.identity {
            digests.push(self.identifier(merchant, id));
        }
        digests
    }

    /// The digests of a customer's identifiers and attributes.
    pub(in crate::ledger) fn of_customer(&self, customer: &Customer) -> Digests {
        let mut digests = self.of_identities(customer.merchant, None, &customer.attributes);
        digests.extend(customer.all_identifiers().map(|id| self.of_stored_identifier(customer.merchant, id)));
        digests
    }

    /// The digests of the identifiers of a customer other than its own `merchant_customer_identifier`.
    pub(in crate::ledger) fn of_other_identifiers(&self, customer: &Customer) -> Digests {
        customer.identifiers().iter().map(|id| self.of_stored_identifier(customer.merchant, id)).collect()
    }

    /// The digest of an identifier, without the white space at its ends.
    pub(in crate::ledger) fn identifier(&self, merchant: Name, id: &str) -> u128 {
        self.identifier_as_written(merchant, id.trim())
    }

    /// The digest of an identifier, with the white space at its ends.
    pub(in crate::ledger) fn identifier_as_written(&self, merchant: Name, id: &str) -> u128 {
        in_merchant(merchant, self.digest_key.identifier(id))
    }

    /// Adds a customer under digests.
    pub(in crate::ledger) fn insert_all(&self, digests: Digests, number: u64) {
        digests.into_iter().for_each(|digest| self.insert(digest, number));
    }

    /// Adds a customer under new attributes.
    pub(in crate::ledger) fn add_attributes(&self, merchant: Name, number: u64, attributes: &Attributes) {
        self.of_attributes(merchant, attributes).into_iter().for_each(|digest| self.insert(digest, number));
    }

    pub(in crate::ledger) fn insert(&self, digest: u128, number: u64) {
        self.shard(digest).insert(digest, to_u32(number));
    }

    pub(in crate::ledger) fn remove(&self, digest: u128, number: u64) {
        self.shard(digest).remove(digest, to_u32(number));
    }

    /// Replaces the old attributes of a customer by new ones.
    pub(in crate::ledger) fn replace_attributes(
        &self,
        merchant: Name,
        number: u64,
        old: &Attributes,
        new: &Attributes,
    ) {
        let (old, new) = (self.of_attributes(merchant, old), self.of_attributes(merchant, new));
        for digest in old.iter().filter(|digest| !new.contains(digest)) {
            self.remove(*digest, number);
        }
        new.into_iter().filter(|digest| !old.contains(digest)).for_each(|digest| self.insert(digest, number));
    }

    /// The customers with an attribute, compared in its normal form. Merged customers are replaced by their targets. It
    /// copies a set and reads none of them, however many they are.
    pub(in crate::ledger) fn all_with(&self, merchant: Name, attribute: Attribute, value: &str) -> RoaringBitmap {
        let Some(digest) = self.of_attribute(merchant, attribute, value) else { return RoaringBitmap::new() };
        let shard = self.shard(digest);
        let mut all = shard.others.get(&digest).map(NumberSet::to_bitmap).unwrap_or_default();
        all.extend(shard.all_from(digest, 0).next().map(to_u32));
        drop(shard);
        self.merge_targets.all_current(all)
    }

    /// All customers of a digest, merged ones included, the oldest first.
    pub(in crate::ledger) fn customers_of(&self, digest: u128) -> Vec<u64> {
        self.shard(digest).all_from(digest, 0).collect()
    }

    /// The customer that an identifier leads to.
    pub(in crate::ledger) fn customer_with_identifier(&self, merchant: Name, id: &str) -> Option<u64> {
        self.oldest(self.identifier(merchant, id), || {}).map(|number| self.merge_targets.current(number))
    }

    /// All customers with an attribute, the oldest owner first. Merged customers are replaced by their targets.
    #[cfg(test)]
    pub(in crate::ledger) fn customers_with(&self, merchant: Name, attribute: Attribute, value: &str) -> Vec<u64> {
        let mut found = Vec::new();
        for number in
            self.of_attribute(merchant, attribute, value).into_iter().flat_map(|digest| self.customers_of(digest))
        {
            let current = self.merge_targets.current(number);
            if !found.contains(&current) {
                found.push(current);
            }
        }
        found
    }

    /// The current customers of the first two owners of an attribute that lead to different ones, in constant time: a
    /// customer has a bounded number of merged ones.
    pub(in crate::ledger) fn first_two_with(
        &self,
        merchant: Name,
        attribute: Attribute,
        value: &str,
    ) -> SmallVec<[u64; 2]> {
        let (mut found, mut from) = (SmallVec::new(), 0);
        let Some(digest) = self.of_attribute(merchant, attribute, value) else { return found };
        loop {
            let batch: SmallVec<[u64; 8]> = self.shard(digest).all_from(digest, from).take(8).collect();
            let Some(last) = batch.last() else { return found };
            from = to_u32(*last).saturating_add(1);
            for number in batch.iter().map(|number| self.merge_targets.current(*number)) {
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
    pub(in crate::ledger) fn of_external_id(&self, merchant: Name, id: &str) -> Option<u128> {
        self.of_attribute(merchant, Attribute::ExternalId, id)
    }

    fn of_attribute(&self, merchant: Name, attribute: Attribute, value: &str) -> Option<u128> {
        let value = self.normalised(merchant, attribute, value);
        let is_indexed = identifies_customer(attribute) && !value.is_empty();
        is_indexed.then(|| self.digest_key.attribute(merchant, attribute, &value))
    }

    /// The digest of a phone number, read with a default country.
    pub(in crate::ledger) fn of_phone(&self, merchant: Name, value: &str, country: Option<Country>) -> Option<u128> {
        let value = normalised(Attribute::Phone, value, country);
        (!value.is_empty()).then(|| self.digest_key.attribute(merchant, Attribute::Phone, &value))
    }

    /// The normal form of a value of a merchant's customer, in which it is compared.
    pub(in crate::ledger) fn normalised<'v>(
        &self,
        merchant: Name,
        attribute: Attribute,
        value: &'v str,
    ) -> Cow<'v, str> {
        let country = match attribute {
            Attribute::Phone => self.default_countries.load().get(merchant),
            _ => None,
        };
        normalised(attribute, value, country)
    }

    /// The digests of attributes and of an identifier.
    pub(in crate::ledger) fn of_identities(
        &self,
        merchant: Name,
        identifier: Option<&str>,
        attributes: &Attributes,
    ) -> Digests {
        let mut digests = self.of_attributes(merchant, attributes);
        digests.extend(identifier.map(|id| self.identifier(merchant, id)));
        digests
    }

    fn of_attributes(&self, merchant: Name, attributes: &Attributes) -> Digests {
        attributes.iter().filter_map(|(attribute, value)| self.of_attribute(merchant, attribute, value)).collect()
    }

    /// [`IdentityIndex::sent_identity`], where the payment contains an identifier.
    pub(in crate::ledger) fn sent_identifier(&self, payment: &Payment<'_>) -> Option<u128> {
        match &payment.identity {
            SentIdentity::Identifier(id) => Some(self.digest_key.identifier(id)),
            _ => None,
        }
    }

    /// The digest of the identity as the payment contains it: the identifier, the `customer_id`, or the attributes of the
    /// client definition. A repetition of the payment has the same digest.
    pub(in crate::ledger) fn sent_identity(&self, payment: &Payment<'_>, defined_by: AttributeSet) -> u128 {
        match &payment.identity {
            SentIdentity::Identifier(id) => self.digest_key.identifier(id),
            SentIdentity::CustomerId(id) => self.digest_key.parts(&["customer_id", id]),
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
                self.digest_key.parts(&parts)
            }
        }
    }

    /// Whether a transaction without a customer was sent with a `merchant_customer_identifier`, and not a `customer_id`. The
    /// digest of the identity tells the two apart.
    pub(in crate::ledger) fn names_by_identifier(&self, opening: &Opening) -> bool {
        let digest = opening.bypassed_id.as_deref().map(|text| self.digest_key.identifier(text));
        digest == Some(opening.content.identity)
    }

    /// The digest of a stored identifier: of its text, or the recorded digest where the text is forgotten.
    pub(in crate::ledger) fn of_stored_identifier(&self, merchant: Name, identifier: &StoredIdentifier) -> u128 {
        match (identifier.text(), identifier.digest()) {
            (None, Some(digest)) => in_merchant(merchant, digest),
            (text, _) => self.identifier(merchant, text.unwrap_or_default()),
        }
    }

    /// The digest that a record of a sealed identifier contains. A payment with the identifier has the same digest.
    pub(in crate::ledger) fn sealed_digest(&self, id: &str) -> u128 {
        self.digest_key.identifier(id.trim())
    }

    /// Whether an identifier leads to a customer. The text of a forgotten identifier is compared by its digest.
    pub(in crate::ledger) fn has_identifier(&self, customer: &Customer, id: &str) -> bool {
        customer.has_identifier(&StoredIdentifier::sealed(id, self.sealed_digest(id)))
    }
}

/// The digest of an identifier in a merchant, from the digest of the identifier alone: an identifier is unique in its
/// merchant. The index is never stored, so the hash of the merchant's name may depend on its address in memory.
pub(in crate::ledger) fn in_merchant(merchant: Name, identifier: u128) -> u128 {
    let mut hasher = SpreadHasher::default();
    merchant.hash(&mut hasher);
    identifier ^ (u128::from(hasher.finish()) << 64)
}
