//! Normal forms of identifiers and attributes that differ between versions.
//!
//! Customers are stored as they were written. The index contains digests of normal forms and is rebuilt from the customers
//! at each start. Customers with different texts in an earlier version may therefore have the same digest now: all of them
//! remain, and the oldest one is found. Transactions contain a digest of the identity as sent, in the normal form of the
//! version that recorded it.

use crate::domain::{
    customer::aggregate::Customer,
    decision::payment::{Payment, SentIdentity},
    vocabulary::{
        attributes::{Attribute, AttributeSet, identifies_customer, legacy_normalised},
        contact::phone,
    },
};
use crate::ledger::index::identity_index::{Digests, IdentityIndex};
use smallvec::SmallVec;
use std::borrow::Cow;

/// A text of a customer whose normal form differed in earlier versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::ledger) struct ChangedForm {
    /// The digest of its current form.
    current: u128,
    number: u64,
    /// The digest of its former form.
    former: u128,
}

impl IdentityIndex {
    /// The digests of a customer's identifiers and attributes, as [`IdentityIndex::of_customer`]. Adds the texts whose
    /// normal form differed in earlier versions to `changed`.
    pub(in crate::ledger) fn of_stored(&self, customer: &Customer, changed: &mut Vec<ChangedForm>) -> Digests {
        let (merchant, number) = (customer.merchant, customer.number());
        let mut digests = SmallVec::new();
        for identifier in customer.all_identifiers() {
            let current = self.of_stored_identifier(merchant, identifier);
            let Some(id) = identifier.text() else {
                digests.push(current);
                continue;
            };
            // A blank identifier is none. Earlier versions accepted it.
            if id.trim().is_empty() {
                continue;
            }
            digests.push(current);
            if id.trim().len() < id.len() {
                changed.push(ChangedForm { current, number, former: self.identifier_as_written(merchant, id) });
            }
        }
        for (attribute, value) in customer.attributes.iter().filter(|(attribute, _)| identifies_customer(*attribute)) {
            let form = self.normalised(merchant, attribute, value);
            if form.is_empty() {
                continue;
            }
            let current = self.digest_key.attribute(merchant, attribute, &form);
            digests.push(current);
            // All versions read a number with a plus sign in the same way, and reading it twice would double the cost.
            let is_unchanged = attribute == Attribute::Phone && phone::has_plus(value);
            let former = (!is_unchanged).then(|| legacy_normalised(attribute, value));
            if let Some(former) = former.filter(|former| *former != form) {
                let former = self.digest_key.attribute(merchant, attribute, &former);
                changed.push(ChangedForm { current, number, former });
            }
        }
        digests
    }

    /// The number of customers that a text of theirs no longer finds, because an older customer's text has the same form
    /// now and had another form before. All customers must be in the index.
    pub(in crate::ledger) fn newly_equal(&self, mut changed: Vec<ChangedForm>) -> u64 {
        changed.sort_unstable();
        changed.dedup();
        let mut count = 0;
        for equal in changed.chunk_by(|one, other| one.current == other.current) {
            let Some(ChangedForm { current, .. }) = equal.first().copied() else { continue };
            let form = |number: u64| {
                let index = equal.partition_point(|one| one.number < number);
                equal.get(index).filter(|one| one.number == number).map_or(current, |one| one.former)
            };
            let (holders, targets) = (self.customers_of(current), &self.merge_targets);
            let Some(oldest) = holders.first().copied() else { continue };
            let was_different =
                |number: &u64| form(*number) != form(oldest) && targets.current(*number) != targets.current(oldest);
            count += holders.iter().filter(|number| was_different(number)).count() as u64;
        }
        count
    }

    /// The digests that earlier versions may have recorded for the identity as sent; see
    /// [`IdentityIndex::sent_identity`]. Empty where the normal form has not changed.
    pub(in crate::ledger) fn former_sent_identities(
        &self,
        payment: &Payment<'_>,
        defined_by: AttributeSet,
    ) -> SmallVec<[u128; 2]> {
        let as_sent = &payment.as_sent;
        match (&as_sent.identifier, &as_sent.customer_id, &payment.identity) {
            (Some(id), _, _) => return SmallVec::from_slice(&[self.digest_key.identifier(id)]),
            (_, Some(id), _) => return SmallVec::from_slice(&[self.digest_key.parts(&["customer_id", id])]),
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
        // Earlier versions read a phone number as now, or compared it as written.
        let digest = |reads_phones: bool| {
            let form = |attribute| {
                let value = value_of(attribute)?;
                let form: Cow<'_, str> = match attribute {
                    Attribute::Phone if reads_phones => self.normalised(payment.merchant.id, attribute, value),
                    _ => legacy_normalised(attribute, value),
                };
                Some((attribute.word(), form)).filter(|(_, form)| !form.is_empty())
            };
            let forms: Vec<(&str, Cow<'_, str>)> = defined_by.iter().filter_map(form).collect();
            let parts = forms.iter().flat_map(|(word, form)| [*word, form.as_ref()]);
            self.digest_key.parts(&std::iter::once("attributes").chain(parts).collect::<Vec<_>>())
        };
        SmallVec::from([digest(true), digest(false)])
    }
}
