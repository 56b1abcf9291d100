//! Opening a transaction: who is meant, what is decided, what is recorded; and what a known id answers.

use crate::ledger::{
    Ledger, circumstances,
    customers::levels::MadeLevel,
    headroom_of,
    payments::{
        answer::{Answer, CustomerShown, Moved},
        dry_run::instruments,
        record::Stripe,
        repeat::whole,
    },
    state::{
        index::{Found, TransactionSlot, TransactionSlots},
        merge_group::MergeGroup,
        shards::SHARDS,
    },
};
use crate::{
    domain::{
        customer::{
            aggregate::{Customer, CustomerEvent},
            attributes::{AttributeSet, Attributes},
            update::identifier_of,
        },
        decision::{
            decide::{Decision, Question, Recording, beforehand, can_be_made, decide, opening},
            payment::{Payment, SentIdentity, SentLevel},
            refusal::Refusal,
        },
        rules::{
            configuration::{Attribute, OperationMode, Rules},
            labels::Restriction,
            registration::Source,
        },
        transaction::{
            record::{LevelSource, LogOffset, Opened, Opening, Resolution, Transaction},
            summary::TransactionOutcome,
            transition::{Effect, Operation, Outcome, judge},
        },
        usage::limits::UsageSeriesSet,
        vocabulary::{names::Name, time::Millis},
    },
    storage::journal::Lsn,
};
use smallvec::SmallVec;
use std::{borrow::Cow, sync::atomic::Ordering};

/// What is applied to a transaction in the same step that opens it.
#[derive(Debug, Clone, Copy)]
pub(in crate::ledger) enum Follows<'a> {
    /// It waits for its outcome.
    Nothing,
    /// A payment's, where it is allowed.
    Outcome(Outcome),
    /// The approval that opens it.
    Approval {
        /// What was said.
        operation: &'a Operation,
        /// See [`crate::ledger::Step::in_stream`].
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

/// A payment whose id nobody knows yet.
#[derive(Clone, Copy)]
pub(in crate::ledger) struct Entering<'a> {
    pub(in crate::ledger) rules: &'a Rules,
    pub(in crate::ledger) payment: &'a Payment<'a>,
    pub(in crate::ledger) follows: Follows<'a>,
    pub(in crate::ledger) opened: Opened,
    /// The key of its id.
    pub(in crate::ledger) key: u64,
    /// The digest of the identifier as sent, where one was.
    pub(in crate::ledger) sent: Option<u128>,
    /// Whom it leads to.
    pub(in crate::ledger) found: Found,
}

/// A payment on its way into a customer.
#[derive(Clone, Copy)]
struct Entered<'e, 'a> {
    entering: &'e Entering<'a>,
    resolution: Resolution,
    /// What the policy gives to a customer who is made for it.
    external_id: Option<&'e str>,
}

impl Ledger {
    /// Opens a transaction whose id nobody knows yet; the caller holds the stripe of the id.
    pub(in crate::ledger) fn open<'a>(
        &self,
        entering: &Entering<'a>,
        transaction_slots: &mut TransactionSlots,
        now: Millis,
    ) -> Result<Answer<'a>, Refusal> {
        let Entering { payment, follows, opened, key, sent, mut found, .. } = *entering;
        if opened == Opened::Reserved {
            self.has_room()?;
        }
        if let Found::Customer(number, resolution) = found {
            // What is unique is filled by one after the other.
            let _alone = (!payment.attributes.is_empty()).then(|| {
                let unique = self.identities.of_all(payment.merchant.id, None, &unique_of(payment));
                self.identity_stripes.lock_all(unique.into_iter())
            });
            let mut locked = self.lock_household(number);
            let known = locked.merge_group().filter(|known| known.head.merchant == payment.merchant.id);
            if let Some(mut merge_group) = known {
                let entered = Entered { entering, resolution, external_id: None };
                return self.open_for(entered, &mut merge_group, transaction_slots, now);
            }
            // A customer_id that nobody has: the payment passes by. Anything else leads to nobody any more.
            let by_id = matches!(payment.identity, SentIdentity::CustomerId(_));
            found = if by_id { Found::Stranger } else { Found::Nobody };
        }
        if found == Found::Stranger {
            let number = key % SHARDS as u64;
            let mut shard = self.customers.lock(number);
            let made = || Customer::new(number, payment.merchant.id, None, now);
            let mut nobody = MergeGroup::of(shard.nobody(number, made));
            let entered = Entered { entering, resolution: Resolution::Bypassed, external_id: None };
            return self.open_for(entered, &mut nobody, transaction_slots, now);
        }
        can_be_made(payment)?;
        let merchant = payment.merchant;
        // A payment is not refused because the merchant's ids are used up.
        let made = match payment.attributes.value(Attribute::ExternalId) {
            Some(_) => None,
            None => self.make_external_id(merchant, Source::Payment).unwrap_or_default(),
        };
        let mut digests = self.identities.digests(payment);
        if let Some(made) = &made {
            digests.extend(self.identities.of_external_id(merchant.id, &made.id));
        }
        let alone = self.identity_stripes.lock_all(digests.into_iter());
        found = self.identities.find(payment, sent, || {});
        // Somebody made the customer, or took the id, while this request waited.
        if matches!(found, Found::Customer(..))
            || made.as_ref().is_some_and(|made| self.is_taken(merchant.id, &made.id))
        {
            drop((alone, made));
            return self.open(&Entering { found, ..*entering }, transaction_slots, now);
        }
        if !follows.takes_any_time() {
            self.bounds.skew.place(payment.occurred_at, now, "occurred_at")?;
        }
        let number = self.next_number()?;
        let mut customer = Customer::newcomer(number, merchant, now);
        let external_id = made.as_ref().map(|made| made.id.clone());
        made.into_iter().for_each(|made| self.use_external_id(made));
        let external_id = external_id.as_deref();
        let entered = Entered { entering, resolution: Resolution::Created, external_id };
        // The record and the customer become visible in one step, so that no snapshot falls between them.
        let mut shard = self.customers.lock(number);
        let answer = self.open_for(entered, &mut MergeGroup::of(&mut customer), transaction_slots, now)?;
        let digests = self.identities.of_customer(&customer);
        shard.insert(number, customer);
        self.customers_made.fetch_add(1, Ordering::Relaxed);
        drop(shard);
        self.identities.insert_all(digests, number);
        Ok(answer)
    }

    /// Whether another transaction may be opened that is no fact yet.
    pub(in crate::ledger) fn has_room(&self) -> Result<(), Refusal> {
        if self.transactions.load(Ordering::Relaxed) >= self.bounds.transactions_max {
            return Err(Refusal::Full(self.bounds.transactions_max));
        }
        if self.journal.is_full() { Err(Refusal::Behind) } else { Ok(()) }
    }

    /// Decides, records and answers for one customer, whose lock the caller holds, with those of all merged into it.
    fn open_for<'a>(
        &self,
        entered: Entered<'_, 'a>,
        merge_group: &mut MergeGroup<'_>,
        transaction_slots: &mut TransactionSlots,
        now: Millis,
    ) -> Result<Answer<'a>, Refusal> {
        let Entered { entering, resolution, external_id } = entered;
        let Entering { rules, payment, follows, opened, key, sent, .. } = *entering;
        let now = self.settle_all(merge_group, now);
        let at = match self.bounds.skew.place(payment.occurred_at, now, "occurred_at") {
            Ok(at) => at,
            // Money that moved is taken however late it is told of, as far back as a payment may be placed.
            Err(Refusal::TooFarBack { .. }) if follows.takes_any_time() => now.plus(-self.bounds.skew.past_ms),
            Err(_) if follows.takes_any_time() => now,
            Err(refusal) => return Err(refusal),
        };
        let instrument_blocked = self.is_blocked(payment);
        let question = Question { rules, payment, now, at, instrument_blocked, counts_future: true };
        let (others, customer) = (merge_group.others(), &*merge_group.head);
        let somebody = (resolution != Resolution::Bypassed).then_some(customer);
        let books =
            somebody.map_or_else(UsageSeriesSet::default, |customer| UsageSeriesSet::new(customer.books(), &others));
        let decision = decide(&question, somebody, books);
        let opened = if opened == Opened::Reserved && !decision.is_allowed() { Opened::Denied } else { opened };
        let stranger = match (&payment.identity, resolution) {
            (SentIdentity::CustomerId(id), Resolution::Bypassed) => Some(id.as_ref()),
            _ => None,
        };
        let slot = customer.summaries().next_slot();
        let defined_by = AttributeSet::of(&payment.endpoint.client_definition);
        let identity = sent.unwrap_or_else(|| self.identities.sent(payment, defined_by));
        let recording = Recording { opened, resolution, identity, stranger };
        let offered = self.fillable(payment, customer, resolution, external_id);
        let mut before = beforehand(&question, somebody, &decision, resolution, &offered);
        let mut opening = opening(&question, somebody, &decision, recording);
        let Decision { headroom, warnings, explanation, level, violations, .. } = decision;
        let is_named =
            level.is_some_and(|level| level.in_force.source == LevelSource::Request && level.in_force.level.is_some());
        let (has_level, is_somebody) = (level.is_some(), somebody.is_some());
        // What follows is judged before anything is recorded: a refusal leaves nothing behind.
        let (mut behind, mut outcome, mut is_paid) = (Vec::new(), opening.outcome(), false);
        if let Some(operation) = follows.operation(opened) {
            let mut transaction = Transaction::open(opening.kept());
            if let Effect::New(recorded_fact) =
                judge(&transaction, &operation, circumstances(rules, &transaction, now))?
            {
                transaction.note(recorded_fact.clone());
                let outcome = TransactionOutcome::of(&transaction);
                behind.push(CustomerEvent::FactRecorded {
                    slot,
                    previous: LogOffset::HERE,
                    recorded_fact,
                    outcome,
                    left: None,
                });
            }
            (outcome, is_paid) = (TransactionOutcome::of(&transaction), transaction.is_approved());
        }
        if violations.is_empty() && is_somebody {
            behind.extend(self.newly_held(customer, instruments(payment), now));
            if is_paid {
                behind.extend(Self::used(customer, payment.instrument.as_deref().into_iter(), now));
            }
        }
        if payment.has_unrecorded() {
            keep_names(payment, &mut opening, &mut before)?;
        }
        // A level that was found under the name that was sent needs not be made.
        if has_level && !is_named {
            self.make_level(payment, opening.content.level, now);
        }
        drop(others);
        let customer = &mut *merge_group.head;
        let recorded = self.record_opened(customer, key, &before, (slot, &opening), &behind);
        self.currencies.hold(payment.currency);
        transaction_slots.insert(key, TransactionSlot { customer: customer.number(), slot });
        self.transactions.fetch_add(1, Ordering::Relaxed);
        if resolution != Resolution::Created {
            for event in &before {
                if let CustomerEvent::AttributesFilled { attributes, .. } = event {
                    self.identities.add_attributes(payment.merchant.id, customer.number(), attributes);
                }
            }
        }
        let customer = match (resolution, &payment.identity) {
            (Resolution::Bypassed, _) => CustomerShown::stranger(stranger.map(Cow::Borrowed), opening.merchant),
            // Whoever was found by an identifier has the one that was sent, unless several lead there or it is
            // forgotten; the customer's own lies far from here.
            (_, SentIdentity::Identifier(sent)) if customer.identifiers().is_empty() && !customer.is_erased() => {
                CustomerShown::known(customer, resolution, Some(Cow::Borrowed(sent.as_ref())))
            }
            _ => {
                let identifier = customer.shown_identifier().map(|id| Cow::Owned(id.to_owned()));
                CustomerShown::known(customer, resolution, identifier)
            }
        };
        let rests_on = Lsn(recorded.number);
        let mut answer = Answer::recorded(payment, &opening, &outcome, customer, headroom, now, rests_on);
        (answer.warnings, answer.explanation, answer.replay) = (warnings, explanation, false);
        Ok(answer)
    }

    /// The attributes of a payment that may be filled: none that is unique and somebody else's, and no identifier where a
    /// label forbids another one. With a new customer's external id.
    fn fillable<'p>(
        &self,
        payment: &'p Payment<'_>,
        customer: &Customer,
        resolution: Resolution,
        external_id: Option<&str>,
    ) -> Cow<'p, Attributes> {
        let mut offered = Cow::Borrowed(&payment.attributes);
        if offered.is_empty() && external_id.is_none() {
            return offered;
        }
        let merchant = payment.merchant;
        let is_new = resolution == Resolution::Created;
        let fixed = !is_new && merchant.forbids(customer.labels(), Restriction::BlockIdentifierChange);
        let is_identifier = |attribute: Attribute| identifier_of(attribute).is_some();
        let barred: SmallVec<[Attribute; 3]> = match fixed {
            true => payment.attributes.iter().map(|(known, _)| known).filter(|known| is_identifier(*known)).collect(),
            false => {
                let unique = unique_of(payment);
                let missing = unique.iter().filter(|(known, _)| customer.attributes.value(*known).is_none());
                let others = |(attribute, value): &(Attribute, &str)| {
                    let having = self.identities.first_having(merchant.id, *attribute, value);
                    having.iter().any(|number| *number != customer.number())
                };
                missing.filter(others).map(|(attribute, _)| attribute).collect()
            }
        };
        barred.iter().for_each(|attribute| offered.to_mut().set(*attribute, ""));
        external_id.iter().for_each(|id| offered.to_mut().set(Attribute::ExternalId, id));
        offered
    }

    /// A level name that a `crm` merchant's request brings and nobody knows becomes a level to be configured.
    fn make_level(&self, payment: &Payment<'_>, sent: SentLevel, now: Millis) {
        if let SentLevel::Named(name) = sent
            && payment.merchant.mode == OperationMode::Crm
            && !payment.merchant.names_level(name)
        {
            let (direction, currency) = (payment.direction, payment.currency);
            let level = MadeLevel { name, direction, currency, created: now };
            self.made_levels.make(payment.merchant.id, level, &self.journal);
        }
    }

    pub(in crate::ledger) fn approve_unreserved(
        &self,
        rules: &Rules,
        payment: &Payment<'_>,
        approval: Follows<'_>,
        key: u64,
        stripe: &mut Stripe,
        now: Millis,
    ) -> Result<Moved, Refusal> {
        // No answer names a customer who is made for an approval: without a name the customer could not be found again.
        if matches!(&payment.identity, SentIdentity::Attributes(sent) if sent.is_empty()) {
            can_be_made(payment)?;
            return Err(Refusal::NeededToRecord("customer_id"));
        }
        let sent = self.identities.sent_identifier(payment);
        let found = self.identities.find(payment, sent, || {});
        let opened = Opened::Unreserved;
        let entering = Entering { rules, payment, follows: approval, opened, key, sent, found };
        let answer = self.open(&entering, &mut stripe.transaction_slots, now)?;
        let (merchant, id) = (payment.merchant.id.as_str(), &payment.transaction_id);
        let unknown = || Refusal::UnknownTransaction(id.to_string());
        let known = self.find(stripe, key, merchant, id)?.ok_or_else(unknown)?;
        let mut locked = self.lock_household(known.transaction_slot.customer);
        let mut merge_group = locked.merge_group().ok_or_else(unknown)?;
        let now = self.settle_all(&mut merge_group, now);
        let headroom = headroom_of(rules, &merge_group, &known.transaction, now);
        Ok(Moved { rests_on: answer.rests_on, ..Moved::of(&known.transaction, &known.outcome, headroom, now, false) })
    }
}

/// Keeps the new names of a payment that is recorded now, and puts them into what is recorded. A fact is never refused:
/// where its names find no room it is recorded without them, as if they had not been sent.
///
/// # Errors
/// A new name of a reserve finds no room.
fn keep_names(
    payment: &Payment<'_>,
    opening: &mut Opening<&str>,
    before: &mut Vec<CustomerEvent>,
) -> Result<(), Refusal> {
    let kept = match payment.keep_names() {
        Err(_) if opening.opened == Opened::Unreserved => None,
        kept => Some(kept?),
    };
    let nameless = Name::unrecorded();
    let content = &mut opening.content;
    (content.level, content.method) = kept.unwrap_or_else(|| {
        let level = if content.level == SentLevel::Named(nameless) { SentLevel::Absent } else { content.level };
        (level, content.method.filter(|method| *method != nameless))
    });
    before.retain_mut(|event| match event {
        CustomerEvent::LevelSet { level, .. } if *level == Some(nameless) => match content.level {
            SentLevel::Named(name) => {
                *level = Some(name);
                true
            }
            SentLevel::Absent | SentLevel::Empty => false,
        },
        _ => true,
    });
    Ok(())
}

/// The attributes of a payment of which the merchant's customers have none in common.
fn unique_of(payment: &Payment<'_>) -> Attributes {
    let policy = &payment.merchant.registration;
    let is_unique = |attribute| identifier_of(attribute).is_some_and(|identifier| policy.rule(identifier).unique);
    let mut unique = Attributes::default();
    let offered = payment.attributes.iter().filter(|(attribute, _)| is_unique(*attribute));
    offered.for_each(|(attribute, value)| unique.set(attribute, value));
    unique
}
