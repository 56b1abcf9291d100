//! A transaction that had no customer becomes somebody's: one who is known, or one who is made for it. It is written once
//! more, whole, and counts from then on as one of that customer's, in its own time.

use crate::ledger::{Ledger, customers::register::Applying, payments::record::Recalled, state::index::TransactionSlot};
use crate::{
    domain::{
        customer::{
            aggregate::{Customer, CustomerEvent},
            profile::Author,
        },
        decision::{level_choice, payment::SentLevel, refusal::Refusal},
        rules::configuration::Merchant,
        transaction::{
            record::{Fact, Opened, Opening, Resolution, Transaction},
            summary::TransactionOutcome,
        },
        vocabulary::time::Millis,
    },
    storage::{
        encoding,
        journal::{Lsn, frame::record_bytes},
    },
};
use std::sync::atomic::Ordering;

/// Whose a transaction becomes.
#[derive(Debug, Clone, Copy)]
pub enum Whose<'a> {
    /// A customer's, by `customer_id`.
    Known(&'a str),
    /// That of somebody who is registered for it, by the merchant's policy.
    New(&'a Applying<'a>),
}

impl Ledger {
    /// Links a transaction that has no customer to one. It counts there under the level that the customer has now; no limit
    /// keeps it out, because it has happened. Asked again for the same customer it changes nothing. Returns whether a
    /// customer was made, and the record that it rests on. Whoever calls is inside ([`Ledger::enter`]), and has looked at
    /// the merchant there.
    ///
    /// # Errors
    /// The transaction is not known, or is another's; the customer is not known to the merchant, or cannot be registered;
    /// memory is full. A refusal makes nobody.
    pub fn link(
        &self,
        merchant: &Merchant,
        transaction_id: &str,
        whose: Whose<'_>,
        (author, now): (Author, Millis),
    ) -> Result<(bool, Lsn), Refusal> {
        let id = merchant.id.as_str();
        let key = self.key.transaction(id, transaction_id);
        let mut stripe = self.id_stripes.lock(key);
        let unknown = || Refusal::UnknownTransaction(transaction_id.to_owned());
        let known = self.find(&mut stripe, key, id, transaction_id)?.ok_or_else(unknown)?;
        let from = known.transaction_slot;
        if known.transaction.opening.resolution != Resolution::Bypassed {
            let customer_id = self.identities.leads.of(from.customer).to_string();
            let is_this = |named| self.household_at(id, named).is_ok_and(|(head, _)| head.to_string() == customer_id);
            return match whose {
                Whose::Known(named) if is_this(named) => Ok((false, self.journal.last())),
                _ => Err(Refusal::HasCustomer { transaction_id: transaction_id.to_owned(), customer_id }),
            };
        }
        self.has_room()?;
        fits_a_record(&known.transaction)?;
        let (number, is_new) = match whose {
            Whose::Known(named) => (self.household_at(id, named)?.0, false),
            Whose::New(applying) => self.admit(applying, now)?.0.newly()?,
        };
        loop {
            // Whoever is part of another by now is reached there.
            let number = self.identities.leads.of(number);
            let mut shards = self.customers.lock_all(&[number, from.customer]);
            let mut both = shards.several(&[number, from.customer]);
            both.sort_unstable_by_key(|customer| customer.number() != number);
            let [customer, nobody] = both.as_mut_slice() else { return Err(unknown()) };
            if customer.merged_into().is_some() {
                continue;
            }
            let now = self.settle(customer, now).max(self.settle(nobody, now));
            let content = known.transaction.opening.content;
            let stored = customer.levels[content.direction as usize];
            let (direction, currency) = (content.direction, content.currency);
            let resolved =
                level_choice::resolve(merchant, stored, SentLevel::Absent, direction, currency, content.project)
                    .in_force;
            let Recalled { transaction: Transaction { opening, facts, .. }, .. } = known.clone();
            // Where it counts in time: the clock may have moved it since it was recorded.
            let summary = nobody.summaries().get(from.slot);
            let at = summary.map_or(opening.at.min(now), |summary| summary.at);
            let opening = Opening {
                at,
                level: resolved.name,
                level_source: resolved.source,
                resolution: Resolution::Found,
                stranger: None,
                ..opening
            };
            let mut transaction = Transaction::open(opening.clone());
            facts.iter().for_each(|recorded_fact| transaction.note(recorded_fact.clone()));
            transaction.hold_until = known.transaction.hold_until;
            let (slot, outcome) = (customer.summaries().next_slot(), TransactionOutcome::of(&transaction));
            let mut events = vec![CustomerEvent::Assigned { slot, opening, facts, outcome, at: now }];
            events.extend(self.paid_by(customer, &transaction, now));
            let has_left = nobody.summaries().get(from.slot).is_none();
            let gone = CustomerEvent::Unlinked { slot: from.slot, left: has_left.then_some(key), at: now };
            let steps = vec![(&mut **customer, key, events), (&mut **nobody, key, vec![gone])];
            let (recorded, last) = self.record_together(steps, None, (author, now));
            let [there, here] = recorded.as_slice() else { return Err(unknown()) };
            if has_left {
                self.late.insert(key, from, here.place);
            }
            drop(shards);
            let transaction_slot = TransactionSlot { customer: number, slot };
            stripe.held = Some(Box::new(Recalled::begun(key, transaction_slot, there.place, transaction)));
            stripe.transaction_slots.remove(key, from);
            stripe.transaction_slots.insert(key, transaction_slot);
            self.transactions.fetch_add(1, Ordering::Relaxed);
            return Ok((is_new, last));
        }
    }

    /// What is to be recorded of the instruments that a transaction named, as if it had been the customer's all along.
    fn paid_by(&self, customer: &Customer, transaction: &Transaction, now: Millis) -> Vec<CustomerEvent> {
        let opening = &transaction.opening;
        let offered = opening.instrument.as_deref().filter(|_| opening.opened != Opened::Denied);
        let captures: Vec<Option<&str>> = transaction
            .facts
            .iter()
            .filter_map(|recorded_fact| match &recorded_fact.fact {
                Fact::Approved { instrument, .. } => Some(instrument.as_deref()),
                _ => None,
            })
            .collect();
        let mut named: Vec<&str> = offered.into_iter().chain(captures.iter().copied().flatten()).collect();
        named.sort_unstable();
        named.dedup();
        let mut events = self.newly_held(customer, named.into_iter(), now);
        // One success for each transaction, by what its first capture was paid with.
        if let Some(first) = captures.first() {
            events.extend(Self::used(customer, first.or(opening.instrument.as_deref()).into_iter(), now));
        }
        events
    }
}

/// Refuses what would be too long for one record. What is said of instruments stands in it beside the facts that name
/// them: together no more than twice these.
fn fits_a_record(transaction: &Transaction) -> Result<(), Refusal> {
    let Transaction { opening, facts, .. } = transaction.clone();
    let (outcome, at) = (TransactionOutcome::of(transaction), opening.recorded_at);
    let mut body = Vec::new();
    encoding::encode(
        &CustomerEvent::Assigned { slot: u32::MAX, opening, facts, outcome, at },
        &mut |_, _| {},
        &mut body,
    );
    if record_bytes(2 * body.len()).is_some() {
        return Ok(());
    }
    let reason = format!("has more facts than can be linked: {} bytes of them", body.len());
    Err(Refusal::NotAllowed { field: "transaction_id", reason })
}
