//! Opening a transaction: who is meant, what is decided, what is recorded; and what a known id answers.

use super::{
    Answer, Ledger, MadeLevel, Moved, Place, circumstances, headroom_of, index::Found, instruments, known,
    shards::SHARDS,
};
use crate::domain::{
    customer::{Customer, Event},
    decide::{Question, Recording, can_be_made, content, decide, record},
    identity::Attributes,
    money::Currency,
    payment::{Payment, SentIdentity, SentLevel},
    refusal::Refusal,
    rules::{OperationMode, Rules},
    time::Millis,
    transaction::{Fact, Noted, Opened, Resolution, Status},
    transition::{Effect, Operation, Outcome, asks_late, judge},
};
use std::sync::atomic::Ordering;

/// What is applied to a transaction in the same step that opens it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Follows<'a> {
    /// It waits for its outcome.
    Nothing,
    /// A payment's, where it is allowed.
    Outcome(Outcome),
    /// The approval that opens it.
    Approval {
        /// What was said.
        operation: &'a Operation,
        /// See [`super::Step::in_stream`].
        in_stream: bool,
    },
}

impl Follows<'_> {
    fn takes_any_time(self) -> bool {
        matches!(self, Self::Approval { in_stream: false, .. })
    }
}

/// A payment on its way into a customer.
#[derive(Clone, Copy)]
struct Opening<'a> {
    rules: &'a Rules,
    payment: &'a Payment<'a>,
    follows: Follows<'a>,
    opened: Opened,
    resolution: Resolution,
    key: u128,
}

impl Ledger {
    /// Opens a transaction whose id nobody knows yet; the caller holds the stripe of the id.
    pub(super) fn open(
        &self,
        rules: &Rules,
        payment: &Payment<'_>,
        follows: Follows<'_>,
        opened: Opened,
        key: u128,
        now: Millis,
    ) -> Result<Answer, Refusal> {
        let held = self.transactions.load(Ordering::Relaxed);
        if opened == Opened::Reserved && held >= self.bounds.transactions_max {
            return Err(Refusal::Full(self.bounds.transactions_max));
        }
        let mut found = self.identities.find(payment);
        if let Found::Customer(number, resolution) = found {
            let mut shard = self.customers.lock(number);
            if let Some(customer) = shard.get_mut(&number).filter(|c| c.merchant == payment.merchant.id) {
                let opening = Opening { rules, payment, follows, opened, resolution, key };
                let (answer, filled) = self.open_for(&opening, customer, now)?;
                drop(shard);
                if let Some(filled) = filled {
                    self.identities.add_attributes(payment.merchant.id, number, &filled);
                }
                self.hold_instruments(payment, number, &answer);
                return Ok(answer);
            }
            // A customer_id that nobody has: the payment passes by. Anything else leads to nobody any more.
            let by_id = matches!(payment.identity, SentIdentity::CustomerId(_));
            found = if by_id { Found::Stranger } else { Found::Nobody };
        }
        if found == Found::Stranger {
            let number = u64::try_from(key % SHARDS as u128).unwrap_or(0);
            let mut shard = self.customers.lock(number);
            let nobody = shard.entry(number).or_insert_with(|| Customer::new(number, payment.merchant.id, None, now));
            let opening = Opening { rules, payment, follows, opened, resolution: Resolution::Bypassed, key };
            return Ok(self.open_for(&opening, nobody, now)?.0);
        }
        can_be_made(payment)?;
        let digests = self.identities.digests(payment);
        let alone = self.identity_stripes.lock_all(digests.into_iter());
        if let Found::Customer(..) = self.identities.find(payment) {
            // Somebody made the customer while this request waited.
            drop(alone);
            return self.open(rules, payment, follows, opened, key, now);
        }
        if !follows.takes_any_time() {
            self.bounds.skew.place(payment.occurred_at, now, "occurred_at")?;
        }
        let number = self.next_customer.fetch_add(1, Ordering::Relaxed);
        let identifier = match &payment.identity {
            SentIdentity::Identifier(id) => Some(id.as_ref().into()),
            _ => None,
        };
        let mut customer = Customer::new(number, payment.merchant.id, identifier, now);
        let opening = Opening { rules, payment, follows, opened, resolution: Resolution::Created, key };
        let (answer, _) = self.open_for(&opening, &mut customer, now)?;
        let digests = self.identities.of_customer(&customer);
        self.customers.lock(number).insert(number, customer);
        self.identities.insert_all(digests, number);
        self.hold_instruments(payment, number, &answer);
        Ok(answer)
    }

    /// Decides, applies and answers for one customer, whose lock the caller holds. Returns the attributes that were
    /// filled, for the index.
    fn open_for(
        &self,
        opening: &Opening<'_>,
        customer: &mut Customer,
        now: Millis,
    ) -> Result<(Answer, Option<Attributes>), Refusal> {
        let Opening { rules, payment, follows, opened, resolution, key } = *opening;
        let now = self.settle(customer, now);
        let at = match self.bounds.skew.place(payment.occurred_at, now, "occurred_at") {
            Ok(at) => at,
            // Money that moved is taken however late it is told of, as far back as a payment may be placed.
            Err(Refusal::TooFarBack { .. }) if follows.takes_any_time() => now.plus(-self.bounds.skew.past_ms),
            Err(_) if follows.takes_any_time() => now,
            Err(refusal) => return Err(refusal),
        };
        let question = Question { rules, payment, now, at, instrument_blocked: self.is_blocked(payment) };
        let somebody = (resolution != Resolution::Bypassed).then_some(&*customer);
        let mut decision = decide(&question, somebody, somebody.map_or(&[], |customer| &customer.books));
        let opened = if opened == Opened::Reserved && !decision.is_allowed() { Opened::Denied } else { opened };
        let stranger = match (&payment.identity, resolution) {
            (SentIdentity::CustomerId(id), Resolution::Bypassed) => Some(id.as_ref()),
            _ => None,
        };
        let recording = Recording { opened, resolution, identity: self.identities.sent(payment), stranger };
        let events = record(&question, somebody, &decision, recording);
        let (headroom, warnings) = (decision.headroom, std::mem::take(&mut decision.warnings));
        let explanation = decision.explanation.take();
        if decision.level.is_some() {
            self.make_level(payment, now);
        }
        let slot = customer.next_slot();
        let mut filled = None;
        for event in events {
            if let Event::AttributesFilled { attributes, .. } = &event {
                filled = Some(attributes.clone());
            }
            customer.apply(event);
        }
        self.hold_currency(payment.currency);
        self.places.insert(key, Place { customer: customer.number, slot });
        self.transactions.fetch_add(1, Ordering::Relaxed);
        match follows {
            Follows::Outcome(outcome) if opened == Opened::Reserved => {
                apply_outcome(rules, customer, slot, outcome, now)?;
            }
            Follows::Approval { operation: approve, .. } => {
                let transaction = known(customer, Place { customer: customer.number, slot }, &payment.transaction_id)?;
                if let Effect::New(noted) = judge(transaction, approve, circumstances(rules, transaction, now))? {
                    customer.apply(Event::Happened { slot, noted });
                }
            }
            Follows::Outcome(_) | Follows::Nothing => {}
        }
        let Some(transaction) = customer.transaction(slot) else {
            return Err(Refusal::UnknownTransaction(payment.transaction_id.to_string()));
        };
        let recorded = Answer::recorded(transaction, customer, headroom, now);
        Ok((Answer { warnings, explanation, replay: false, ..recorded }, filled))
    }

    /// A level name that a `crm` merchant's request brings and nobody knows becomes a level to be configured.
    fn make_level(&self, payment: &Payment<'_>, now: Millis) {
        if let SentLevel::Named(name) = payment.level
            && payment.merchant.mode == OperationMode::Crm
            && !payment.merchant.names_level(name)
        {
            let (direction, currency) = (payment.direction, payment.currency);
            self.made_levels.make(payment.merchant.id, MadeLevel { name, direction, currency, created: now });
        }
    }

    /// Answers a reserve or payment whose id is known; the caller holds the stripe of the id.
    pub(super) fn repeat(
        &self,
        rules: &Rules,
        payment: &Payment<'_>,
        outcome: Option<Outcome>,
        place: Place,
        now: Millis,
    ) -> Result<Answer, Refusal> {
        let mut shard = self.customers.lock(place.customer);
        let unknown = || Refusal::UnknownTransaction(payment.transaction_id.to_string());
        let (customer, now) = self.settled(&mut shard, place, now).ok_or_else(unknown)?;
        let transaction = known(customer, place, &payment.transaction_id)?;
        let said = content(payment, self.identities.sent(payment));
        let mut recorded = transaction.opening.content;
        let late = asks_late(transaction);
        if transaction.opening.opened == Opened::Unreserved {
            recorded.amount = if late { said.amount } else { transaction.totals.asked };
        }
        let mut differences = recorded.differences(&said);
        for field in differences.iter_mut().filter(|field| **field == "customer") {
            *field = match &payment.identity {
                SentIdentity::Identifier(_) => "merchant_customer_identifier",
                SentIdentity::CustomerId(_) => "customer_id",
                SentIdentity::Attributes(_) => "customer",
            };
        }
        if !differences.is_empty() {
            return Err(Refusal::Conflict(differences));
        }
        let mut new = false;
        if late {
            let fact = Fact::Asked { amount: said.amount };
            customer.apply(Event::Happened { slot: place.slot, noted: Noted { at: now, fact } });
            new = true;
        }
        if let Some(outcome) = outcome {
            new |= apply_outcome(rules, customer, place.slot, outcome, now)?;
        }
        let transaction = known(customer, place, &payment.transaction_id)?;
        let headroom = headroom_of(rules, customer, transaction, now);
        Ok(Answer { replay: !new, ..Answer::recorded(transaction, customer, headroom, now) })
    }

    pub(super) fn approve_unreserved(
        &self,
        rules: &Rules,
        payment: &Payment<'_>,
        approval: Follows<'_>,
        key: u128,
        now: Millis,
    ) -> Result<Moved, Refusal> {
        self.open(rules, payment, approval, Opened::Unreserved, key, now)?;
        let unknown = || Refusal::UnknownTransaction(payment.transaction_id.to_string());
        let place = self.place(key).ok_or_else(unknown)?;
        let mut shard = self.customers.lock(place.customer);
        let (customer, now) = self.settled(&mut shard, place, now).ok_or_else(unknown)?;
        let transaction = known(customer, place, &payment.transaction_id)?;
        Ok(Moved::of(transaction, headroom_of(rules, customer, transaction, now), now, false))
    }

    /// Remembers the instruments of a customer who is to be found already, so that no signal misses either.
    fn hold_instruments(&self, payment: &Payment<'_>, number: u64, answer: &Answer) {
        if answer.violations.is_empty()
            && instruments(payment).next().is_some()
            && let Some(customer) = self.customers.lock(number).get_mut(&number)
        {
            instruments(payment).for_each(|id| self.hold_instrument(customer, id, answer.now));
        }
    }

    fn hold_currency(&self, currency: Currency) {
        if !self.currencies.contains(&currency) {
            self.currencies.insert(currency);
        }
    }
}

/// Applies the known outcome of a payment, where none was applied yet. Returns whether anything was new.
fn apply_outcome(
    rules: &Rules,
    customer: &mut Customer,
    slot: u32,
    outcome: Outcome,
    now: Millis,
) -> Result<bool, Refusal> {
    let Some(transaction) = customer.transaction(slot) else { return Ok(false) };
    // A hold that has run out, or a transaction that has come to anything else, is left to explicit facts.
    if transaction.status(now) != Status::Reserved {
        return Ok(false);
    }
    let operation = match outcome {
        Outcome::Approved => Operation::Approve { amount: None, capture_id: None, gate: None, instrument: None },
        Outcome::Declined => Operation::Decline,
    };
    match judge(transaction, &operation, circumstances(rules, transaction, now))? {
        Effect::Replay => Ok(false),
        Effect::New(noted) => {
            customer.apply(Event::Happened { slot, noted });
            Ok(true)
        }
    }
}
