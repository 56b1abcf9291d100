//! Two customers become one, in one step: the target takes over what is asked of it alone, and the source, with whoever is
//! part of it, says whose part it is from then on. No transaction moves.

use crate::ledger::{Ledger, customers::register::Applying, state::index::number_of};
use crate::{
    domain::{
        customer::{
            aggregate::{Customer, CustomerEvent},
            attributes::Attributes,
            merge::{may_be_merged, takes_over},
            profile::{Author, Change},
            stored_identifier::StoredIdentifier,
        },
        decision::refusal::Refusal,
        rules::configuration::Merchant,
        vocabulary::time::Millis,
    },
    storage::journal::Lsn,
};
use std::sync::atomic::Ordering;

impl Ledger {
    /// Merges a customer into another of the same merchant. Asked again it changes nothing. Returns the number of the one
    /// who stands for both, and the record that it rests on.
    ///
    /// # Errors
    /// Either is not known to the merchant; they are one customer already, but not by this; the source is part of somebody
    /// else; a label of either forbids it; see [`takes_over`].
    pub fn merge(
        &self,
        merchant: &Merchant,
        source_id: &str,
        into_id: &str,
        (author, now): (Author, Millis),
    ) -> Result<(u64, Lsn), Refusal> {
        loop {
            let (source, of_source) = self.household_at(merchant.id.as_str(), source_id)?;
            let (target, of_target) = self.household_at(merchant.id.as_str(), into_id)?;
            if number_of(source_id) != Some(source) {
                let (customer_id, into) = (source_id.to_owned(), source.to_string());
                let is_this = source == target && source_id != into_id;
                return if is_this {
                    Ok((target, self.journal.last()))
                } else {
                    Err(Refusal::Merged { customer_id, into })
                };
            }
            if source == target {
                let reason = format!("names customer {source}, who cannot be merged into itself");
                return Err(Refusal::NotAllowed { field: "into", reason });
            }
            let numbers = [of_source.as_slice(), &of_target].concat();
            let mut shards = self.customers.lock_all(&numbers);
            // A list of who is part of somebody only grows.
            let is_still = |number, all: &[u64]| {
                let known = shards.get(number).filter(|customer| customer.merged_into().is_none());
                known.is_some_and(|customer| customer.merged().len() + 1 == all.len())
            };
            if !is_still(source, &of_source) || !is_still(target, &of_target) {
                continue;
            }
            let mut members = shards.several(&numbers);
            let now = self.not_later(now);
            let now = members.iter().map(|member| member.settled_at()).fold(now, Millis::max);
            for member in &mut members {
                self.settle(member, now);
            }
            members.sort_unstable_by_key(|member| (member.number() != target, member.number()));
            let unknown = || Refusal::UnknownCustomer(source_id.to_owned());
            let (head, others) = members.split_first_mut().ok_or_else(unknown)?;
            let merged = others.iter().find(|other| other.number() == source).ok_or_else(unknown)?;
            let mut events = takes_over(head, merged, merchant, now)?;
            self.hold_stored(head, &mut events, now);
            let lsn = self.become_one(members, events, (author, now));
            return Ok((target, lsn));
        }
    }

    /// Registers somebody as a part of a known customer, so that what tells the two apart leads there as after a merge.
    /// `apart` is that, free of everybody, and `offered` all that was said. The caller holds the stripes of the identities.
    /// `None`: the customer has become part of another meanwhile.
    ///
    /// # Errors
    /// They may not be one; there are as many customers as there can be.
    pub(in crate::ledger) fn absorb(
        &self,
        applying: &Applying<'_>,
        target: u64,
        (offered, apart): (&Attributes, Attributes),
        now: Millis,
    ) -> Result<Option<Lsn>, Refusal> {
        let Applying { merchant, identifier, created, author, .. } = *applying;
        let number = self.next_number()?;
        let mut shards = self.customers.lock_all(&[target, number]);
        let mut several = shards.several(&[target]);
        let Some(head) = several.first_mut().filter(|head| head.merged_into().is_none()) else { return Ok(None) };
        may_be_merged(head, "merge_on_duplicate", merchant)?;
        let now = self.settle(head, now);
        let (identifier, at) = (identifier.map(StoredIdentifier::clear), created.unwrap_or(now).min(now));
        // Without the label that new customers bear: nobody new comes of it who could hand that on.
        let mut part = Customer::new(number, merchant.id, None, now);
        let mut said = part.clone();
        (said.identifier, said.attributes) = (identifier.clone(), offered.clone());
        let events = takes_over(head, &said, merchant, now)?;
        let filled = filled(&events);
        let parts = vec![
            CustomerEvent::Created { merchant: merchant.id, identifier, at },
            CustomerEvent::AttributesFilled { attributes: apart, at: now },
            CustomerEvent::Changed(Change::MergedInto(target)),
        ];
        let steps = vec![(&mut **head, 0, events), (&mut part, 0, parts)];
        let (_, lsn) = self.record_together(steps, None, (author, now));
        let digests = self.identities.of_customer(&part);
        shards.insert(number, part);
        self.customers_made.fetch_add(1, Ordering::Relaxed);
        self.identities.leads.set(number, target);
        self.identities.insert_all(digests, number);
        filled.iter().for_each(|attributes| self.identities.add_attributes(merchant.id, target, attributes));
        Ok(Some(lsn))
    }

    /// Records that the first of these takes over, and that all others who are not part of it yet are from now on.
    fn become_one(&self, members: Vec<&mut Customer>, events: Vec<CustomerEvent>, hand: (Author, Millis)) -> Lsn {
        let mut members = members.into_iter();
        let Some(head) = members.next() else { return self.journal.last() };
        let (merchant, target) = (head.merchant, head.number());
        let filled = filled(&events);
        let newly: Vec<&mut Customer> = members.filter(|member| member.merged_into() != Some(target)).collect();
        let numbers: Vec<u64> = newly.iter().map(|member| member.number()).collect();
        let parts =
            newly.into_iter().map(|member| (member, 0, vec![CustomerEvent::Changed(Change::MergedInto(target))]));
        let (_, lsn) = self.record_together(std::iter::once((head, 0, events)).chain(parts).collect(), None, hand);
        filled.iter().for_each(|attributes| self.identities.add_attributes(merchant, target, attributes));
        numbers.into_iter().for_each(|number| self.identities.leads.set(number, target));
        lsn
    }
}

/// The attributes that come with events.
fn filled(events: &[CustomerEvent]) -> Option<Attributes> {
    events.iter().find_map(|event| match event {
        CustomerEvent::AttributesFilled { attributes, .. } => Some(attributes.clone()),
        _ => None,
    })
}

#[cfg(test)]
mod tests;
