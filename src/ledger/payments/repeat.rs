//! Repetitions: a reserve or payment whose transaction id is known.

use crate::domain::{
    decision::{
        opening::content,
        payment::{Payment, SentIdentity},
    },
    request::refusal::Refusal,
    rules::configuration::Rules,
    transaction::{
        fact::{Fact, LateReserveContent, RecordedFact},
        opening::{ExplicitFields, PaymentContent, SentLevel},
        state::Transaction,
        status::Status,
        transition::{ProcessorOutcome, TransitionEffect, accepts_late_reserve, evaluate_operation},
    },
    vocabulary::{calendar::LocalTime, time::Millis},
};
use crate::ledger::{
    payments::{
        answer::{PaymentAnswer, RecordedState, customer_of},
        dry_run::instruments,
        new_transaction::operation_of,
        transaction_rules::{circumstances, headroom_of},
    },
    state::{ledger::Ledger, loaded_transaction::LoadedTransaction},
};
use smallvec::SmallVec;

impl Ledger {
    /// Answers a reserve or payment whose id is known. The caller holds the stripe of the id.
    pub(in crate::ledger) fn repeat<'a>(
        &self,
        rules: &Rules,
        payment: &'a Payment<'_>,
        outcome: Option<ProcessorOutcome>,
        known: &mut LoadedTransaction,
        now: Millis,
    ) -> Result<PaymentAnswer<'a>, Refusal> {
        let is_late_reserve = accepts_late_reserve(&known.transaction);
        let differences = self.differences(payment, &known.transaction, is_late_reserve);
        if !differences.is_empty() {
            return Err(Refusal::Conflict(differences));
        }
        let mut locked = self.lock_merge_group(known.slot.customer);
        let unknown = || Refusal::UnknownTransaction(payment.transaction_id.to_string());
        let mut merge_group = locked.members().ok_or_else(unknown)?;
        let now = self.settle_group(&mut merge_group, now);
        let mut facts: SmallVec<[RecordedFact; 2]> = SmallVec::new();
        let mut head_events = Vec::new();
        if is_late_reserve {
            let named = instruments(payment).filter(|_| known.transaction.opening.counts());
            head_events = self.instrument_held_events(merge_group.head, named, now);
            facts.push(RecordedFact { at: now, fact: self.late_reserve_fact(payment, &known.transaction, now) });
        }
        // The outcome is a fact: it is also recorded after the hold has ended or the reservation was cancelled.
        let is_awaited =
            matches!(known.transaction.status(now), Status::Reserved | Status::Expired | Status::Cancelled)
                && !known.transaction.is_approved();
        if let Some(outcome) = outcome.filter(|_| is_awaited) {
            let circumstances = circumstances(rules, &known.transaction, now);
            if let TransitionEffect::New(recorded_fact) =
                evaluate_operation(&known.transaction, &operation_of(outcome), circumstances)?
            {
                if outcome == ProcessorOutcome::Approved {
                    let instrument = payment.instrument.as_deref();
                    head_events.extend(self.capture_events(merge_group.head, &known.transaction, instrument, now));
                }
                facts.push(recorded_fact);
            }
        }
        let replay = facts.is_empty();
        // A repetition is accepted at any time; the facts that it adds must be within the skew.
        if !replay {
            self.limits.skew.place(payment.occurred_at, now, "occurred_at")?;
        }
        if is_late_reserve && payment.has_unknown_names() {
            let (level, method) = payment.intern_names()?;
            for recorded_fact in &mut facts {
                if let Fact::ReservedLate { content: Some(asked), .. } = &mut recorded_fact.fact {
                    (asked.content.level, asked.content.method) = (level, method);
                }
            }
        }
        let depends_on_lsn = match replay {
            true => self.journal.last(),
            false => self.record_facts(&mut merge_group, known, facts, head_events).ok_or_else(unknown)?,
        };
        let headroom = headroom_of(rules, &merge_group, &known.transaction, now);
        let (opening, outcome) = (&known.transaction.opening, known.outcome);
        let local = LocalTime { calendar: &payment.merchant.calendar, now };
        let customer = customer_of(&known.transaction, merge_group.head, &self.identities, local);
        let state = RecordedState { outcome, headroom, now, depends_on_lsn };
        Ok(PaymentAnswer { replay, ..PaymentAnswer::recorded(payment, opening, customer, state) })
    }

    /// The fields in which a repeated reserve differs from the recorded transaction. The first reserve after the approval
    /// that opened the transaction is compared only in the fields of that approval, without amount and instrument. Later
    /// reserves are compared in all fields of that first one.
    fn differences(&self, payment: &Payment<'_>, known: &Transaction, is_late_reserve: bool) -> Vec<&'static str> {
        let opening = &known.opening;
        let asked = known.facts.iter().find_map(|recorded_fact| match &recorded_fact.fact {
            Fact::ReservedLate { amount, content, .. } => Some((*amount, content.as_deref())),
            _ => None,
        });
        let mut recorded = match asked {
            Some((_, Some(asked))) => asked.content,
            Some((amount, None)) => PaymentContent { amount, ..opening.content },
            None => opening.content,
        };
        let mut sent = content(payment, self.identities.sent_identity(payment, recorded.defined_by));
        // An earlier version may have recorded another normal form of the same identity.
        if sent.identity != recorded.identity {
            let formerly = self.identities.former_sent_identities(payment, recorded.defined_by);
            sent.identity = formerly.into_iter().find(|form| *form == recorded.identity).unwrap_or(sent.identity);
        }
        if is_late_reserve {
            recorded.amount = sent.amount;
            recorded.method = recorded.method.or(sent.method);
            if recorded.level == SentLevel::Absent {
                recorded.level = sent.level;
            }
            if !opening.names.project {
                recorded.project = sent.project;
            }
            if !opening.names.endpoint {
                recorded.endpoint = sent.endpoint;
            }
        }
        let instrument = match asked {
            Some((_, Some(asked))) => Some(asked.instrument.as_deref()),
            // Older versions did not record the content of a late reserve.
            Some((_, None)) => None,
            None => (!is_late_reserve).then_some(opening.instrument.as_deref()),
        };
        let mut differences = recorded.differences(&sent);
        // An earlier version stored the white space at the ends of a token.
        let is_same = |recorded: Option<&str>| {
            recorded.map(str::trim).filter(|token| !token.is_empty()) == payment.instrument.as_deref()
        };
        if instrument.is_some_and(|recorded| !is_same(recorded)) {
            differences.push("payment_instrument");
        }
        for field in differences.iter_mut().filter(|field| **field == "customer") {
            *field = match &payment.identity {
                SentIdentity::Identifier(_) => "merchant_customer_identifier",
                SentIdentity::CustomerId(_) => "customer_id",
                SentIdentity::Attributes(_) => "customer",
            };
        }
        differences
    }

    /// The fields in which a payment differs from the transaction of its id. Empty where the id is unknown.
    #[must_use]
    pub fn differences_from_recorded(&self, payment: &Payment<'_>) -> Vec<&'static str> {
        let (merchant, id) = (payment.merchant.id.as_str(), &payment.transaction_id);
        let key = self.digest_key.transaction(merchant, id);
        let mut stripe = self.id_stripes.lock(key);
        match self.find_transaction(&mut stripe, key, merchant, id) {
            Ok(Some(known)) => self.differences(payment, &known.transaction, accepts_late_reserve(&known.transaction)),
            Ok(None) | Err(_) => Vec::new(),
        }
    }

    /// The fact of a reserve that arrives after its approval. Its hold begins now.
    fn late_reserve_fact(&self, payment: &Payment<'_>, known: &Transaction, now: Millis) -> Fact {
        let sent = content(payment, self.identities.sent_identity(payment, known.opening.content.defined_by));
        let instrument = payment.instrument.as_deref().map(Box::from);
        Fact::ReservedLate {
            amount: sent.amount,
            hold_until: payment.merchant.hold_ms(payment.direction).map(|hold_ms| now.plus(hold_ms)),
            content: Some(Box::new(LateReserveContent { content: sent, instrument })),
        }
    }

    /// The content of a known transaction, and which of its places a repetition must repeat.
    #[must_use]
    pub fn recorded_content(&self, merchant: &str, transaction_id: &str) -> Option<(PaymentContent, ExplicitFields)> {
        let key = self.digest_key.transaction(merchant, transaction_id);
        let mut stripe = self.id_stripes.lock(key);
        let known = self.find_transaction(&mut stripe, key, merchant, transaction_id).ok().flatten()?;
        let late_reserve = known.transaction.facts.iter().find_map(|recorded_fact| match &recorded_fact.fact {
            Fact::ReservedLate { content: Some(asked), .. } => Some((asked.content, ExplicitFields::BOTH)),
            _ => None,
        });
        let opening = &known.transaction.opening;
        Some(late_reserve.unwrap_or((opening.content, opening.names)))
    }
}
