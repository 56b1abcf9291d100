//! Links a transaction without a customer to a customer, who is known or registered for it. The whole transaction is copied
//! to the customer and counts there from then on, at its own time.

use crate::ledger::{
    customers::registration::{RegisteredCustomer, Registration},
    index::transaction_index::TransactionSlot,
    payments::record::{Actor, CustomerStep, RecordContext, RecordedGroup},
    state::{ledger::Ledger, loaded_transaction::LoadedTransaction},
};
use crate::{
    domain::{
        customer::aggregate::Customer,
        decision::level_choice::LevelQuery,
        events::customer_event::CustomerEvent,
        request::refusal::Refusal,
        rules::merchant::Merchant,
        transaction::{
            fact::Fact,
            opening::{CustomerResolution, Opening, OpeningKind, SentLevel},
            outcome::TransactionOutcome,
            state::Transaction,
        },
        vocabulary::time::Millis,
    },
    storage::{
        encoding,
        journal::{Lsn, frame::record_bytes},
    },
};
use std::sync::atomic::Ordering;

/// The customer that a transaction is linked to.
#[derive(Debug, Clone, Copy)]
pub enum LinkTarget<'a> {
    /// The customer with this `customer_id`.
    Known(&'a str),
    /// A customer that is registered for the transaction, by the merchant's policy.
    New(&'a Registration<'a>),
}

impl Ledger {
    /// Links a transaction without a customer to a customer. It counts under the customer's current level, and no limit
    /// refuses it: the payment has happened. A repetition for the same customer changes nothing. Returns whether a customer
    /// was created, and the LSN that the result depends on. The caller holds the guard of [`Ledger::block_renames`], and
    /// has read `merchant` since.
    ///
    /// # Errors
    /// The transaction is unknown, or has another customer; the customer is unknown, or cannot be registered; the memory is
    /// full. A refusal creates no customer.
    pub fn link(
        &self,
        merchant: &Merchant,
        transaction_id: &str,
        target: LinkTarget<'_>,
        actor: Actor,
    ) -> Result<(bool, Lsn), Refusal> {
        let id = merchant.id.as_str();
        let key = self.digest_key.transaction(id, transaction_id);
        let mut stripe = self.id_stripes.lock(key);
        let unknown = || Refusal::UnknownTransaction(transaction_id.to_owned());
        let known = self.find_transaction(&mut stripe, key, id, transaction_id)?.ok_or_else(unknown)?;
        if known.transaction.opening.resolution != CustomerResolution::Bypassed {
            let owner = self.identities.merge_targets.current(known.slot.customer);
            let is_owner = |named| self.merge_group_numbers(id, named).is_ok_and(|numbers| numbers[0] == owner);
            return match target {
                LinkTarget::Known(named) if is_owner(named) => Ok((false, self.journal.last())),
                LinkTarget::Known(_) | LinkTarget::New(_) => {
                    let (transaction_id, customer_id) = (transaction_id.to_owned(), owner.to_string());
                    Err(Refusal::HasCustomer { transaction_id, customer_id })
                }
            };
        }
        self.check_capacity()?;
        check_record_size(&known.transaction)?;
        let RegisteredCustomer { number, is_new } = match target {
            LinkTarget::Known(named) => {
                RegisteredCustomer { number: self.merge_group_numbers(id, named)?[0], is_new: false }
            }
            LinkTarget::New(registration) => self.register_guarded(registration, actor.now)?.0.unless_existing()?,
        };
        let known = known.clone();
        self.retry_on_current(number, |number| {
            let from = known.slot;
            let mut shards = self.customers.lock_all(&[number, from.customer]);
            let mut both = shards.get_all_mut(&[number, from.customer]);
            both.sort_unstable_by_key(|customer| customer.number() != number);
            let [customer, placeholder] = both.as_mut_slice() else { return Err(unknown()) };
            if customer.merged_into().is_some() {
                return Ok(None);
            }
            let now = self.settle(customer, actor.now).max(self.settle(placeholder, actor.now));
            let summary = placeholder.summaries().get(from.slot);
            let is_evicted = summary.is_none();
            // The time at which it counts: an accepted clock may have moved it since it was recorded.
            let at = summary.map_or(known.transaction.opening.at.min(now), |summary| summary.at);
            let transaction = assigned(merchant, customer, &known.transaction, at);
            let (opening, facts) = (transaction.opening.clone(), transaction.facts.clone());
            let (slot, outcome) = (customer.summaries().next_slot(), TransactionOutcome::of(&transaction));
            let mut events = vec![CustomerEvent::Assigned { slot, opening, facts, outcome, at: now }];
            events.extend(self.linked_instrument_events(customer, &transaction, now));
            let unlinked =
                CustomerEvent::AssignedElsewhere { slot: from.slot, left: is_evicted.then_some(key), at: now };
            let context = RecordContext { actor: Actor { now, ..actor }, key };
            let steps = vec![
                CustomerStep { customer, context, events },
                CustomerStep { customer: placeholder, context, events: vec![unlinked] },
            ];
            let RecordedGroup { customers: recorded, last, .. } = self.record_group(steps, None);
            let [at_customer, at_placeholder] = recorded.as_slice() else { return Err(unknown()) };
            if is_evicted {
                self.archived_facts.insert(key, from, at_placeholder.offset);
            }
            drop(shards);
            let slot = TransactionSlot { customer: number, slot };
            let linked = LoadedTransaction::in_one_record(key, slot, at_customer.offset, transaction);
            stripe.cached = Some(Box::new(linked));
            stripe.index.remove(key, from);
            stripe.index.insert(key, slot);
            self.transaction_count.fetch_add(1, Ordering::Relaxed);
            Ok(Some((is_new, last)))
        })
    }

    /// The events for the instruments of a transaction, as if it had been the customer's from the start.
    fn linked_instrument_events(
        &self,
        customer: &Customer,
        transaction: &Transaction,
        now: Millis,
    ) -> Vec<CustomerEvent> {
        let opening = &transaction.opening;
        let offered = opening.instrument.as_deref().filter(|_| opening.opened != OpeningKind::Denied);
        let captures: Vec<Option<&str>> = transaction
            .facts
            .iter()
            .filter_map(|recorded_fact| match &recorded_fact.fact {
                Fact::Approved { instrument, .. } => Some(instrument.as_deref()),
                _ => None,
            })
            .collect();
        let mut instruments: Vec<&str> = offered.into_iter().chain(captures.iter().copied().flatten()).collect();
        instruments.sort_unstable();
        instruments.dedup();
        let mut events = self.instrument_held_events(customer, instruments.iter().copied(), now);
        // Each transaction counts as one success, of the instrument of its first capture. Later captures store theirs.
        if let Some(first) = captures.first() {
            let used = first.or(opening.instrument.as_deref());
            events.extend(Self::instrument_used_events(customer, used.into_iter(), true, now));
            let of_later = |id: &&str| Some(*id) != used && captures.contains(&Some(*id));
            let later = instruments.iter().copied().filter(of_later);
            events.extend(Self::instrument_used_events(customer, later, false, now));
        }
        events
    }
}

/// The transaction as a customer's, under the customer's current level.
fn assigned(merchant: &Merchant, customer: &Customer, known: &Transaction, at: Millis) -> Transaction {
    let content = known.opening.content;
    let stored = customer.levels[content.direction as usize];
    let (direction, currency) = (content.direction, content.currency);
    let query = LevelQuery { merchant, direction, currency, project: content.project };
    let resolved = query.choose(stored, SentLevel::Absent).in_force;
    let opening = Opening {
        at,
        level: resolved.name,
        level_source: resolved.source,
        resolution: CustomerResolution::Found,
        bypassed_id: None,
        ..known.opening.clone()
    };
    let mut transaction = Transaction::open(opening);
    known.facts.iter().for_each(|recorded_fact| transaction.add_fact(recorded_fact.clone()));
    transaction.hold_until = known.hold_until;
    transaction
}

/// Refuses a transaction that is too long for one record. The record also contains the events of the instruments that its
/// facts name, which are at most three times as long as the facts.
fn check_record_size(transaction: &Transaction) -> Result<(), Refusal> {
    let Transaction { opening, facts, .. } = transaction.clone();
    let (outcome, at) = (TransactionOutcome::of(transaction), opening.recorded_at);
    let mut body = Vec::new();
    encoding::encode(
        &CustomerEvent::Assigned { slot: u32::MAX, opening, facts, outcome, at },
        &mut |_, _| {},
        &mut body,
    );
    if record_bytes(4 * body.len()).is_some() {
        return Ok(());
    }
    let reason = format!("has too many facts to be linked: {} bytes", body.len());
    Err(Refusal::NotAllowed { field: "transaction_id", reason })
}
