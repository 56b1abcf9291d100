//! The forms in which identifiers and attributes are compared, where they change: by a version that reads them otherwise,
//! and by a merchant's `default_country` that a reload changes.
//!
//! Customers are stored as they were written. The index holds digests of normal forms, and is built from the customers at
//! each start. So customers whom an earlier version told apart may be found by one digest: all remain, and the oldest is
//! found. Transactions hold a digest of the customer as sent, which was recorded in the form of its time.

use crate::domain::{
    customer::{
        aggregate::Customer,
        attributes::{AttributeSet, formerly_normalised, recognises},
    },
    decision::payment::{Payment, SentIdentity},
    rules::configuration::Attribute,
    vocabulary::phone,
};
use crate::ledger::{
    FIRST_CUSTOMER, Ledger,
    state::{countries::Countries, index::Identities, shards::SHARDS},
};
use smallvec::SmallVec;
use std::{
    borrow::Cow,
    sync::{Arc, atomic::Ordering},
};

/// A text of a customer that earlier versions compared in another form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Renormalised {
    /// The digest of its form now.
    now: u128,
    number: u64,
    /// The digest of its form then.
    formerly: u128,
}

impl Identities {
    /// The digests of a customer's identifiers and attributes, as [`Identities::of_customer`]; adds to `changed` those
    /// texts that earlier versions compared in another form.
    pub(in crate::ledger) fn of_stored(
        &self,
        customer: &Customer,
        changed: &mut Vec<Renormalised>,
    ) -> SmallVec<[u128; 4]> {
        let (merchant, number) = (customer.merchant, customer.number());
        let mut digests = SmallVec::new();
        for identifier in customer.all_identifiers() {
            let now = self.stored(merchant, identifier);
            let Some(id) = identifier.text() else {
                digests.push(now);
                continue;
            };
            // Earlier versions took a blank identifier for one; nothing leads to it.
            if id.trim().is_empty() {
                continue;
            }
            digests.push(now);
            if id.trim().len() < id.len() {
                changed.push(Renormalised { now, number, formerly: self.identifier_as_written(merchant, id) });
            }
        }
        for (attribute, value) in customer.attributes.iter().filter(|(attribute, _)| recognises(*attribute)) {
            let form = self.normalised(merchant, attribute, value);
            if form.is_empty() {
                continue;
            }
            let now = self.key.attribute(merchant, attribute, &form);
            digests.push(now);
            // A number with a plus sign is read alike by all versions; to read it once more would double the cost.
            let is_alike = attribute == Attribute::Phone && phone::has_plus(value);
            let formerly = (!is_alike).then(|| formerly_normalised(attribute, value));
            if let Some(formerly) = formerly.filter(|formerly| *formerly != form) {
                let formerly = self.key.attribute(merchant, attribute, &formerly);
                changed.push(Renormalised { now, number, formerly });
            }
        }
        digests
    }

    /// How many customers are found no more by a text of theirs, because an older customer's is read as the same now and
    /// was not before. To be asked once all customers are in the index.
    pub(in crate::ledger) fn newly_equal(&self, mut changed: Vec<Renormalised>) -> u64 {
        changed.sort_unstable();
        changed.dedup();
        let mut count = 0;
        for alike in changed.chunk_by(|one, other| one.now == other.now) {
            let Some(Renormalised { now, .. }) = alike.first().copied() else { continue };
            let form = |number: u64| {
                let place = alike.partition_point(|one| one.number < number);
                alike.get(place).filter(|one| one.number == number).map_or(now, |one| one.formerly)
            };
            let holders = self.all_of(now);
            let Some(oldest) = holders.first().copied() else { continue };
            let is_apart =
                |number: &u64| form(*number) != form(oldest) && self.leads.of(*number) != self.leads.of(oldest);
            count += holders.iter().filter(|number| is_apart(number)).count() as u64;
        }
        count
    }

    /// The digests that earlier versions may have recorded of a customer as sent; see [`Identities::sent`]. None where
    /// the form is the same as now.
    pub(in crate::ledger) fn sent_formerly(
        &self,
        payment: &Payment<'_>,
        defined_by: AttributeSet,
    ) -> SmallVec<[u128; 2]> {
        let as_sent = &payment.as_sent;
        match (&as_sent.identifier, &as_sent.customer_id, &payment.identity) {
            (Some(id), _, _) => return SmallVec::from_slice(&[self.key.sent(&["identifier", id])]),
            (_, Some(id), _) => return SmallVec::from_slice(&[self.key.sent(&["customer_id", id])]),
            (_, _, SentIdentity::Attributes(_)) => {}
            _ => return SmallVec::new(),
        }
        let value_of = |attribute: Attribute| {
            let sent = as_sent.attributes.iter().find(|(word, _)| word == attribute.word()).map(|(_, value)| value);
            let sent = sent.map(AsRef::as_ref).filter(|value: &&str| !value.trim().is_empty());
            let is_instrument =
                attribute == Attribute::PaymentInstrument && payment.endpoint.client_definition.contains(&attribute);
            let instrument = || as_sent.instrument.as_deref().or(payment.instrument.as_deref());
            sent.or_else(|| instrument().filter(|_| is_instrument))
        };
        // A phone number was read as now, or misread and compared as written.
        let digest = |reads_phones: bool| {
            let form = |attribute| {
                let value = value_of(attribute)?;
                let form: Cow<'_, str> = match attribute {
                    Attribute::Phone if reads_phones => self.normalised(payment.merchant.id, attribute, value),
                    _ => formerly_normalised(attribute, value),
                };
                Some((attribute.word(), form)).filter(|(_, form)| !form.is_empty())
            };
            let forms: Vec<(&str, Cow<'_, str>)> = defined_by.iter().filter_map(form).collect();
            let parts = forms.iter().flat_map(|(word, form)| [*word, form.as_ref()]);
            self.key.sent(&std::iter::once("attributes").chain(parts).collect::<Vec<_>>())
        };
        SmallVec::from([digest(true), digest(false)])
    }
}

impl Ledger {
    /// How many customers the start found whom earlier versions told apart from an older one by a text that is read as
    /// the same now. The older one is found by it.
    #[must_use]
    pub fn newly_equal(&self) -> u64 {
        self.newly_equal.load(Ordering::Relaxed)
    }

    /// Whether the phone numbers of the customers are read with these countries.
    #[must_use]
    pub fn reads_phones_with(&self, countries: &Countries) -> bool {
        **self.identities.countries.load() == *countries
    }

    /// Reads the phone numbers of all customers with other countries from now on. `swap` puts the rules in force that say
    /// so. No operation on payments runs meanwhile; it takes one pass over the customers of the merchants whose country
    /// changes.
    pub fn read_phones_with(&self, countries: Countries, swap: &mut dyn FnMut()) {
        let _closed = self.made_levels.gate.close();
        let shards: Vec<_> = (0..SHARDS).map(|place| self.customers.shard(place)).collect();
        let (before, countries) = (self.identities.countries.load_full(), Arc::new(countries));
        for customer in shards.iter().flat_map(|shard| shard.values()) {
            let (merchant, number) = (customer.merchant, customer.number());
            let Some(value) = customer.attributes.value(Attribute::Phone) else { continue };
            if number < FIRST_CUSTOMER || before.get(merchant) == countries.get(merchant) {
                continue;
            }
            let digest = |countries: &Countries| self.identities.of_phone(merchant, value, countries.get(merchant));
            let (old, new) = (digest(&before), digest(&countries));
            if old != new {
                old.into_iter().for_each(|digest| self.identities.remove(digest, number));
                new.into_iter().for_each(|digest| self.identities.insert(digest, number));
            }
        }
        self.identities.countries.store(countries);
        swap();
    }
}

#[cfg(test)]
mod tests;
