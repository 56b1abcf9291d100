//! Opening a transaction: who is meant, what is decided, what is recorded; and what a known id answers.

use super::{
    Answer, LAST_CUSTOMER, Ledger, MadeLevel, Moved, circumstances, headroom_of,
    index::{Found, Seat},
    instruments,
    recall::{Held, Recalled},
    shards::SHARDS,
};
use crate::{
    domain::{
        brief::Upshot,
        customer::{Customer, Event},
        decide::{Decision, Question, Recording, can_be_made, content, decide, record},
        identity::{AttributeSet, Attributes},
        money::Currency,
        payment::{Payment, SentIdentity, SentLevel},
        refusal::Refusal,
        rules::{OperationMode, Rules},
        time::Millis,
        transaction::{Fact, Noted, Opened, Place, Resolution, Status, Transaction},
        transition::{Effect, Operation, Outcome, asks_late, judge},
    },
    journal::Lsn,
};
use smallvec::SmallVec;
use std::{borrow::Cow, sync::atomic::Ordering};

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

impl<'a> Follows<'a> {
    /// What is applied to a transaction that was opened so.
    fn operation(self, opened: Opened) -> Option<Cow<'a, Operation>> {
        match self {
            Self::Nothing => None,
            Self::Outcome(outcome) => (opened == Opened::Reserved).then(|| Cow::Owned(whole(outcome))),
            Self::Approval { operation, .. } => Some(Cow::Borrowed(operation)),
        }
    }

    fn takes_any_time(self) -> bool {
        matches!(self, Self::Approval { in_stream: false, .. })
    }
}

/// A payment on its way into a customer.
#[derive(Clone, Copy)]
struct Entering<'a> {
    rules: &'a Rules,
    payment: &'a Payment<'a>,
    follows: Follows<'a>,
    opened: Opened,
    resolution: Resolution,
    key: u64,
}

impl Ledger {
    /// Opens a transaction whose id nobody knows yet; the caller holds the stripe of the id.
    pub(super) fn open(
        &self,
        rules: &Rules,
        payment: &Payment<'_>,
        follows: Follows<'_>,
        opened: Opened,
        key: u64,
        now: Millis,
    ) -> Result<Answer, Refusal> {
        if opened == Opened::Reserved {
            self.has_room()?;
        }
        let mut found = self.identities.find(payment);
        if let Found::Customer(number, resolution) = found {
            let mut shard = self.customers.lock(number);
            if let Some(customer) = shard.get_mut(&number).filter(|c| c.merchant == payment.merchant.id) {
                let entering = Entering { rules, payment, follows, opened, resolution, key };
                let (answer, filled) = self.open_for(&entering, customer, now)?;
                drop(shard);
                if let Some(filled) = filled {
                    self.identities.add_attributes(payment.merchant.id, number, &filled);
                }
                return Ok(answer);
            }
            // A customer_id that nobody has: the payment passes by. Anything else leads to nobody any more.
            let by_id = matches!(payment.identity, SentIdentity::CustomerId(_));
            found = if by_id { Found::Stranger } else { Found::Nobody };
        }
        if found == Found::Stranger {
            let number = key % SHARDS as u64;
            let mut shard = self.customers.lock(number);
            let nobody = shard.entry(number).or_insert_with(|| Customer::new(number, payment.merchant.id, None, now));
            let entering = Entering { rules, payment, follows, opened, resolution: Resolution::Bypassed, key };
            return Ok(self.open_for(&entering, nobody, now)?.0);
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
        if number > LAST_CUSTOMER {
            self.next_customer.store(LAST_CUSTOMER + 1, Ordering::Relaxed);
            return Err(Refusal::Full(LAST_CUSTOMER));
        }
        let mut customer = Customer::new(number, payment.merchant.id, None, now);
        let entering = Entering { rules, payment, follows, opened, resolution: Resolution::Created, key };
        // The record and the customer become visible in one step, so that no snapshot falls between them.
        let mut shard = self.customers.lock(number);
        let (answer, _) = self.open_for(&entering, &mut customer, now)?;
        let digests = self.identities.of_customer(&customer);
        shard.insert(number, customer);
        drop(shard);
        self.identities.insert_all(digests, number);
        Ok(answer)
    }

    /// Whether another transaction may be opened that is no fact yet.
    fn has_room(&self) -> Result<(), Refusal> {
        if self.transactions.load(Ordering::Relaxed) >= self.bounds.transactions_max {
            return Err(Refusal::Full(self.bounds.transactions_max));
        }
        if self.journal.is_full() { Err(Refusal::Behind) } else { Ok(()) }
    }

    /// Decides, records and answers for one customer, whose lock the caller holds. Returns the attributes that were
    /// filled, for the index.
    fn open_for(
        &self,
        entering: &Entering<'_>,
        customer: &mut Customer,
        now: Millis,
    ) -> Result<(Answer, Option<Attributes>), Refusal> {
        let Entering { rules, payment, follows, opened, resolution, key } = *entering;
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
        let decision = decide(&question, somebody, somebody.map_or(&[], |customer| &customer.books));
        let opened = if opened == Opened::Reserved && !decision.is_allowed() { Opened::Denied } else { opened };
        let stranger = match (&payment.identity, resolution) {
            (SentIdentity::CustomerId(id), Resolution::Bypassed) => Some(id.as_ref()),
            _ => None,
        };
        let slot = customer.briefs.next_slot();
        let defined_by = AttributeSet::of(&payment.endpoint().client_definition);
        let identity = self.identities.sent(payment, defined_by);
        let recording = Recording { opened, resolution, identity, stranger };
        let (mut events, opening) = record(&question, somebody, &decision, recording);
        let Decision { headroom, warnings, explanation, level, violations, .. } = decision;
        let (has_level, is_somebody) = (level.is_some(), somebody.is_some());
        // What follows is judged before anything is recorded: a refusal leaves nothing behind.
        let mut transaction = None;
        if let Some(operation) = follows.operation(opened) {
            let mut opened = Transaction::open(opening.clone());
            if let Effect::New(noted) = judge(&opened, &operation, circumstances(rules, &opened, now))? {
                opened.note(noted.clone());
                let upshot = Upshot::of(&opened);
                events.push(Event::Opened { slot, opening });
                events.push(Event::Happened { slot, previous: Place::HERE, noted, upshot, left: None });
                transaction = Some(opened);
            } else {
                events.push(Event::Opened { slot, opening });
            }
        } else {
            events.push(Event::Opened { slot, opening });
        }
        if violations.is_empty() && is_somebody {
            let held = self.newly_held(customer, instruments(payment), now);
            events.extend(held);
        }
        if has_level {
            self.make_level(payment, now);
        }
        let recorded = self.record(customer, key, &events);
        self.hold_currency(payment.currency);
        self.seats.insert(key, Seat { customer: customer.number, slot });
        self.transactions.fetch_add(1, Ordering::Relaxed);
        let mut filled = None;
        for event in events {
            match event {
                Event::AttributesFilled { attributes, .. } => filled = Some(attributes),
                Event::Opened { opening, .. } if transaction.is_none() => {
                    transaction = Some(Transaction::open(opening));
                }
                _ => {}
            }
        }
        let Some(transaction) = transaction else {
            return Err(Refusal::UnknownTransaction(payment.transaction_id.to_string()));
        };
        let answer = Answer::recorded(&transaction, customer, headroom, now, Lsn(recorded.number));
        Ok((Answer { warnings, explanation, replay: false, ..answer }, filled))
    }

    /// A level name that a `crm` merchant's request brings and nobody knows becomes a level to be configured.
    fn make_level(&self, payment: &Payment<'_>, now: Millis) {
        if let SentLevel::Named(name) = payment.level
            && payment.merchant.mode == OperationMode::Crm
            && !payment.merchant.names_level(name)
        {
            let (direction, currency) = (payment.direction, payment.currency);
            let level = MadeLevel { name, direction, currency, created: now };
            self.made_levels.make(payment.merchant.id, level, &self.journal);
        }
    }

    /// Answers a reserve or payment whose id is known; the caller holds the stripe of the id.
    pub(super) fn repeat(
        &self,
        rules: &Rules,
        payment: &Payment<'_>,
        outcome: Option<Outcome>,
        known: &mut Recalled,
        now: Millis,
    ) -> Result<Answer, Refusal> {
        let mut recorded = known.transaction.opening.content;
        let said = content(payment, self.identities.sent(payment, recorded.defined_by));
        let late = asks_late(&known.transaction);
        if known.transaction.opening.opened == Opened::Unreserved {
            recorded.amount = if late { said.amount } else { known.transaction.totals.asked };
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
        let number = known.seat.customer;
        let mut shard = self.customers.lock(number);
        let unknown = || Refusal::UnknownTransaction(payment.transaction_id.to_string());
        let customer = shard.get_mut(&number).ok_or_else(unknown)?;
        let now = self.settle(customer, now);
        let mut facts: SmallVec<[Noted; 2]> = SmallVec::new();
        if late {
            facts.push(Noted { at: now, fact: Fact::Asked { amount: said.amount } });
        }
        // A hold that has run out, or a transaction that has come to anything else, is left to explicit facts.
        if let Some(outcome) = outcome.filter(|_| known.transaction.status(now) == Status::Reserved) {
            let circumstances = circumstances(rules, &known.transaction, now);
            if let Effect::New(noted) = judge(&known.transaction, &whole(outcome), circumstances)? {
                facts.push(noted);
            }
        }
        let replay = facts.is_empty();
        let rests_on = if replay { self.journal.last() } else { self.note(customer, known, facts, None) };
        let headroom = headroom_of(rules, customer, &known.transaction, now);
        Ok(Answer { replay, ..Answer::recorded(&known.transaction, customer, headroom, now, rests_on) })
    }

    pub(super) fn approve_unreserved(
        &self,
        rules: &Rules,
        payment: &Payment<'_>,
        approval: Follows<'_>,
        key: u64,
        now: Millis,
    ) -> Result<Moved, Refusal> {
        let answer = self.open(rules, payment, approval, Opened::Unreserved, key, now)?;
        let (merchant, id) = (payment.merchant.id.as_str(), &payment.transaction_id);
        let unknown = || Refusal::UnknownTransaction(id.to_string());
        let mut held = Held::default();
        let known = self.find(&mut held, key, merchant, id)?.ok_or_else(unknown)?;
        let mut shard = self.customers.lock(known.seat.customer);
        let customer = shard.get_mut(&known.seat.customer).ok_or_else(unknown)?;
        let now = self.settle(customer, now);
        let headroom = headroom_of(rules, customer, &known.transaction, now);
        Ok(Moved { rests_on: answer.rests_on, ..Moved::of(&known.transaction, headroom, now, false) })
    }

    fn hold_currency(&self, currency: Currency) {
        if !self.currencies.contains(&currency) {
            self.currencies.insert(currency);
        }
    }
}

/// The operation of a payment's outcome.
fn whole(outcome: Outcome) -> Operation {
    match outcome {
        Outcome::Approved => Operation::Approve { amount: None, capture_id: None, gate: None, instrument: None },
        Outcome::Declined => Operation::Decline,
    }
}
