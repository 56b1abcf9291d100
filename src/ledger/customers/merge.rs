//! Merges of two customers into one, in one step: the target takes over what the source alone has, and the source and the
//! customers merged into it store the target's number. No transaction moves.

use crate::ledger::{
    customers::registration::{AdditionalIdentities, Registration},
    index::customer_numbers::number_of,
    payments::record::{Actor, CustomerStep},
    state::ledger::Ledger,
};
use crate::{
    domain::{
        customer::{
            aggregate::Customer,
            change::CustomerChange,
            merge::{check_mergeable, merge_events},
            stored_identifier::StoredIdentifier,
        },
        events::customer_event::{CustomerEvent, RecordPosition},
        request::refusal::Refusal,
        rules::merchant::Merchant,
        transaction::log_offset::LogOffset,
        vocabulary::{attributes::Attributes, time::Millis},
    },
    storage::journal::Lsn,
};
use std::sync::atomic::Ordering;

/// Takes the target of a merge, which is the first, and all others; the events of the target; and the time.
type ActOnMerge<'a, T> = dyn FnMut(Vec<&mut Customer>, Vec<CustomerEvent>, Millis) -> T + 'a;

impl Ledger {
    /// Merges a customer into another one of the same merchant. A repetition changes nothing. Returns the number of the
    /// merged customer, and the LSN that the result depends on.
    ///
    /// # Errors
    /// The merchant has no such customer; both are one customer already, and not by this merge; the source is merged into a
    /// third customer; a label of either forbids the merge; see `domain::customer::merge`.
    pub fn merge(
        &self,
        merchant: &Merchant,
        source_id: &str,
        into_id: &str,
        actor: Actor,
    ) -> Result<(u64, Lsn), Refusal> {
        let mut record = |members: Vec<&mut Customer>, mut events: Vec<CustomerEvent>, now| {
            if let Some(head) = members.first() {
                self.add_instrument_effects(head, &mut events, now);
            }
            self.record_merge(members, events, Actor { now, ..actor })
        };
        let merged = self.with_merge(merchant, (source_id, into_id), actor.now, &mut record)?;
        Ok(merged.unwrap_or_else(|target| (target, self.journal.last())))
    }

    /// The target as it would be after [`Ledger::merge`]; nothing changes. `ids`: the source and the target. It copies the
    /// target.
    ///
    /// # Errors
    /// Those of [`Ledger::merge`].
    pub fn try_merge<T>(
        &self,
        merchant: &Merchant,
        ids: (&str, &str),
        now: Millis,
        show: impl Fn(&Customer) -> T,
    ) -> Result<T, Refusal> {
        let mut apply = |members: Vec<&mut Customer>, mut events: Vec<CustomerEvent>, now| {
            members.first().map(|head| {
                let blocked = self.blocked_instrument_event(head, &events, now);
                events.extend(blocked);
                let mut target = Customer::clone(head);
                let recorded = RecordPosition { number: target.applied, offset: LogOffset(0), key: 0 };
                events.iter().for_each(|event| target.apply(recorded, event));
                show(&target)
            })
        };
        match self.with_merge(merchant, ids, now, &mut apply)? {
            Ok((_, Some(shown))) => Ok(shown),
            // They are one customer already, or the target is gone.
            Ok((_, None)) => Err(Refusal::UnknownCustomer(ids.1.to_owned())),
            Err(target) => {
                self.with_customer(merchant.id.as_str(), &target.to_string(), now, |customer, _| show(customer))
            }
        }
    }

    /// Locks the customers of a merge and calls `act` with the target, which is the first, and all others, with the events
    /// of the target, and the time. Returns the number of the target and what `act` returned; `Err` of the number where both
    /// are one customer already.
    ///
    /// # Errors
    /// Those of [`Ledger::merge`].
    fn with_merge<T>(
        &self,
        merchant: &Merchant,
        (source_id, into_id): (&str, &str),
        now: Millis,
        act: &mut ActOnMerge<'_, T>,
    ) -> Result<Result<(u64, T), u64>, Refusal> {
        let merchant_id = merchant.id.as_str();
        loop {
            let source_group = self.merge_group_numbers(merchant_id, source_id)?;
            let target_group = self.merge_group_numbers(merchant_id, into_id)?;
            let (source, target) = (source_group[0], target_group[0]);
            if number_of(source_id) != Some(source) {
                return match source == target && source_id != into_id {
                    true => Ok(Err(target)),
                    false => Err(Refusal::Merged { customer_id: source_id.to_owned(), into: source.to_string() }),
                };
            }
            if source == target {
                let reason = format!("names customer {source}, who cannot be merged into itself");
                return Err(Refusal::NotAllowed { field: "into", reason });
            }
            let numbers = [source_group.as_slice(), &target_group].concat();
            let mut shards = self.customers.lock_all(&numbers);
            // The list of merged customers only grows, so its length identifies it.
            let is_unchanged = |number, group: &[u64]| {
                let known = shards.get(number).filter(|customer| customer.merged_into().is_none());
                known.is_some_and(|customer| customer.merged().len() + 1 == group.len())
            };
            if !is_unchanged(source, &source_group) || !is_unchanged(target, &target_group) {
                continue;
            }
            let mut members = shards.get_all_mut(&numbers);
            let now = self.limited_time(now);
            let now = members.iter().map(|member| member.settled_at()).fold(now, Millis::max);
            for member in &mut members {
                self.settle(member, now);
            }
            members.sort_unstable_by_key(|member| (member.number() != target, member.number()));
            let unknown = || Refusal::UnknownCustomer(source_id.to_owned());
            let (head, others) = members.split_first_mut().ok_or_else(unknown)?;
            let merged = others.iter().find(|other| other.number() == source).ok_or_else(unknown)?;
            let events = merge_events(head, merged, merchant, now)?;
            return Ok(Ok((target, act(members, events, now))));
        }
    }

    /// Creates a customer for a registration and merges it into a known one, so that its additional identifiers lead there
    /// as after a merge. The caller holds the stripes of the identities. `None`: the known customer was merged into another
    /// in between.
    ///
    /// # Errors
    /// The merge is forbidden; all customer numbers are assigned.
    pub(in crate::ledger) fn merge_new_customer(
        &self,
        registration: &Registration<'_>,
        target: u64,
        identities: AdditionalIdentities<'_>,
        now: Millis,
    ) -> Result<Option<Lsn>, Refusal> {
        let Registration { merchant, identifier, created, author, .. } = *registration;
        let AdditionalIdentities { offered, additional } = identities;
        let number = self.next_number()?;
        let mut shards = self.customers.lock_all(&[target, number]);
        let mut locked = shards.get_all_mut(&[target]);
        let Some(head) = locked.first_mut().filter(|head| head.merged_into().is_none()) else { return Ok(None) };
        check_mergeable(head, "merge_on_duplicate", merchant)?;
        let now = self.settle(head, now);
        let (identifier, at) = (identifier.map(StoredIdentifier::clear), created.unwrap_or(now).min(now));
        // Without the default label: the target must not take it over from the new customer.
        let mut source = Customer::new(number, merchant.id, None, now);
        let mut as_registered = source.clone();
        (as_registered.identifier, as_registered.attributes) = (identifier.clone(), offered.clone());
        let events = merge_events(head, &as_registered, merchant, now)?;
        let filled = filled_attributes(&events);
        let source_events = vec![
            CustomerEvent::Created { merchant: merchant.id, identifier, at },
            CustomerEvent::AttributesFilled { attributes: additional, at: now },
            CustomerEvent::CustomerChanged(CustomerChange::MergedInto(target)),
        ];
        let context = Actor { author, now }.into();
        let steps = vec![
            CustomerStep { customer: head, context, events },
            CustomerStep { customer: &mut source, context, events: source_events },
        ];
        let lsn = self.record_group(steps, None).last;
        let digests = self.identities.of_customer(&source);
        shards.insert(number, source);
        self.customer_count.fetch_add(1, Ordering::Relaxed);
        self.identities.merge_targets.set(number, target);
        self.identities.insert_all(digests, number);
        filled.iter().for_each(|attributes| self.identities.add_attributes(merchant.id, target, attributes));
        Ok(Some(lsn))
    }

    /// Records the events of the first member, and the merge of all others into it that are not merged into it yet.
    fn record_merge(&self, members: Vec<&mut Customer>, events: Vec<CustomerEvent>, actor: Actor) -> Lsn {
        let mut members = members.into_iter();
        let Some(head) = members.next() else { return self.journal.last() };
        let (merchant, target) = (head.merchant, head.number());
        let filled = filled_attributes(&events);
        let merged: Vec<&mut Customer> = members.filter(|member| member.merged_into() != Some(target)).collect();
        let numbers: Vec<u64> = merged.iter().map(|member| member.number()).collect();
        let context = actor.into();
        let mut steps = vec![CustomerStep { customer: head, context, events }];
        for customer in merged {
            let events = vec![CustomerEvent::CustomerChanged(CustomerChange::MergedInto(target))];
            steps.push(CustomerStep { customer, context, events });
        }
        let lsn = self.record_group(steps, None).last;
        filled.iter().for_each(|attributes| self.identities.add_attributes(merchant, target, attributes));
        numbers.into_iter().for_each(|number| self.identities.merge_targets.set(number, target));
        lsn
    }
}

/// The attributes that events fill in.
fn filled_attributes(events: &[CustomerEvent]) -> Option<Attributes> {
    events.iter().find_map(|event| match event {
        CustomerEvent::AttributesFilled { attributes, .. } => Some(attributes.clone()),
        _ => None,
    })
}

#[cfg(test)]
mod tests;
