//! A reserve or payment whose id is known: what it is compared with, and what it adds.

use crate::domain::{
    decision::{
        decide::content,
        payment::{Payment, SentIdentity, SentLevel},
        refusal::Refusal,
    },
    rules::configuration::Rules,
    transaction::{
        record::{Content, Fact, LateContent, RecordedFact, Status, Transaction},
        transition::{Approval, CaptureAmount, Effect, Operation, Outcome, asks_late, judge},
    },
    vocabulary::time::Millis,
};
use crate::ledger::{
    Ledger, circumstances, headroom_of,
    payments::{
        answer::{Answer, customer_of},
        dry_run::instruments,
        record::Recalled,
    },
};
use smallvec::SmallVec;

impl Ledger {
    /// Answers a reserve or payment whose id is known; the caller holds the stripe of the id.
    pub(in crate::ledger) fn repeat<'a>(
        &self,
        rules: &Rules,
        payment: &'a Payment<'_>,
        outcome: Option<Outcome>,
        known: &mut Recalled,
        now: Millis,
    ) -> Result<Answer<'a>, Refusal> {
        let late = asks_late(&known.transaction);
        let differences = self.differences(payment, &known.transaction, late);
        if !differences.is_empty() {
            return Err(Refusal::Conflict(differences));
        }
        let mut locked = self.lock_household(known.transaction_slot.customer);
        let unknown = || Refusal::UnknownTransaction(payment.transaction_id.to_string());
        let mut merge_group = locked.merge_group().ok_or_else(unknown)?;
        let now = self.settle_all(&mut merge_group, now);
        let mut facts: SmallVec<[RecordedFact; 2]> = SmallVec::new();
        let mut besides = Vec::new();
        if late {
            let named = instruments(payment).filter(|_| known.transaction.opening.counts());
            besides = self.newly_held(merge_group.head, named, now);
            facts.push(RecordedFact { at: now, fact: self.asked(payment, &known.transaction, now) });
        }
        // The outcome is a fact: it counts also after the hold has ended or the reservation was cancelled.
        let is_awaited =
            matches!(known.transaction.status(now), Status::Reserved | Status::Expired | Status::Cancelled)
                && !known.transaction.is_approved();
        if let Some(outcome) = outcome.filter(|_| is_awaited) {
            let circumstances = circumstances(rules, &known.transaction, now);
            if let Effect::New(recorded_fact) = judge(&known.transaction, &whole(outcome), circumstances)? {
                if outcome == Outcome::Approved {
                    let instrument = payment.instrument.as_deref();
                    besides.extend(self.paid_with(merge_group.head, &known.transaction, instrument, now));
                }
                facts.push(recorded_fact);
            }
        }
        let replay = facts.is_empty();
        // A repetition is recognised at any time; what it adds must be placed as everything new.
        if !replay {
            self.bounds.skew.place(payment.occurred_at, now, "occurred_at")?;
        }
        if late && payment.has_unrecorded() {
            let (level, method) = payment.keep_names()?;
            for recorded_fact in &mut facts {
                if let Fact::Asked { content: Some(asked), .. } = &mut recorded_fact.fact {
                    (asked.content.level, asked.content.method) = (level, method);
                }
            }
        }
        let rests_on = match replay {
            true => self.journal.last(),
            false => self.note(&mut merge_group, known, facts, besides).ok_or_else(unknown)?,
        };
        let headroom = headroom_of(rules, &merge_group, &known.transaction, now);
        let (opening, outcome) = (&known.transaction.opening, known.outcome);
        let customer = customer_of(&known.transaction, merge_group.head);
        Ok(Answer { replay, ..Answer::recorded(payment, opening, &outcome, customer, headroom, now, rests_on) })
    }

    /// The fields in which a repeated reserve differs from what is recorded. One that comes after the approval which
    /// opened the transaction is compared only by what that approval carried, but for amount and instrument; the next
    /// one by all that the first said.
    fn differences(&self, payment: &Payment<'_>, known: &Transaction, late: bool) -> Vec<&'static str> {
        let opening = &known.opening;
        let asked = known.facts.iter().find_map(|recorded_fact| match &recorded_fact.fact {
            Fact::Asked { amount, content, .. } => Some((*amount, content.as_deref())),
            _ => None,
        });
        let mut recorded = match asked {
            Some((_, Some(asked))) => asked.content,
            Some((amount, None)) => Content { amount, ..opening.content },
            None => opening.content,
        };
        let mut said = content(payment, self.identities.sent(payment, recorded.defined_by));
        // An earlier version may have recorded another form of the same customer.
        if said.identity != recorded.identity {
            let formerly = self.identities.sent_formerly(payment, recorded.defined_by);
            said.identity = formerly.into_iter().find(|form| *form == recorded.identity).unwrap_or(said.identity);
        }
        if late {
            recorded.amount = said.amount;
            recorded.method = recorded.method.or(said.method);
            if recorded.level == SentLevel::Absent {
                recorded.level = said.level;
            }
            if !opening.names.project {
                recorded.project = said.project;
            }
            if !opening.names.endpoint {
                recorded.endpoint = said.endpoint;
            }
        }
        let instrument = match asked {
            Some((_, Some(asked))) => Some(asked.instrument.as_deref()),
            // Nothing is known of what a late reserve of an older version said.
            Some((_, None)) => None,
            None => (!late).then_some(opening.instrument.as_deref()),
        };
        let mut differences = recorded.differences(&said);
        // An earlier version kept white space at the ends of a token.
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

    /// The fields in which a payment differs from the transaction of its id; none where the id is unknown.
    #[must_use]
    pub fn differences_from_recorded(&self, payment: &Payment<'_>) -> Vec<&'static str> {
        let (merchant, id) = (payment.merchant.id.as_str(), &payment.transaction_id);
        let key = self.key.transaction(merchant, id);
        let mut stripe = self.id_stripes.lock(key);
        match self.find(&mut stripe, key, merchant, id) {
            Ok(Some(known)) => self.differences(payment, &known.transaction, asks_late(&known.transaction)),
            Ok(None) | Err(_) => Vec::new(),
        }
    }

    /// The fact of a reserve that comes after its approval: its hold begins now.
    fn asked(&self, payment: &Payment<'_>, known: &Transaction, now: Millis) -> Fact {
        let said = content(payment, self.identities.sent(payment, known.opening.content.defined_by));
        let instrument = payment.instrument.as_deref().map(Box::from);
        Fact::Asked {
            amount: said.amount,
            hold_until: payment.merchant.hold_ms(payment.direction).map(|hold_ms| now.plus(hold_ms)),
            content: Some(Box::new(LateContent { content: said, instrument })),
        }
    }
}

/// The operation of a payment's outcome.
pub(in crate::ledger) fn whole(outcome: Outcome) -> Operation {
    match outcome {
        Outcome::Approved => Operation::Approve(Approval::of(CaptureAmount::Whole)),
        Outcome::Declined => Operation::Decline,
    }
}
