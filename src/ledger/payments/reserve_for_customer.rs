//! Decides on a new transaction for a known or new customer, and records it.

use crate::ledger::{
    index::transaction_index::{TransactionIndex, TransactionSlot},
    payments::{
        answer::{CustomerView, PaymentAnswer, RecordedState},
        dry_run::instruments,
        new_transaction::{NewTransaction, ResolvedTransaction, unique_attributes},
        record::{Actor, RecordContext, RecordEvents},
        transaction_rules::circumstances,
    },
    state::{ledger::Ledger, made_levels::MadeLevel, merge_group::MergeGroup},
};
use crate::{
    domain::{
        customer::{aggregate::Customer, update::identifier_of},
        decision::{
            decide::{Decision, DecisionInput, decide},
            opening::{OpeningInput, opening, preceding_events},
            payment::{Payment, SentIdentity},
        },
        events::customer_event::CustomerEvent,
        request::refusal::Refusal,
        rules::{labels::Restriction, merchant::OperationMode},
        transaction::{
            log_offset::LogOffset,
            opening::{CustomerResolution, LevelSource, Opening, OpeningKind, SentLevel},
            outcome::TransactionOutcome,
            state::Transaction,
            transition::{TransitionEffect, evaluate_operation},
        },
        usage::series_set::UsageSeriesSet,
        vocabulary::{
            attributes::{Attribute, AttributeSet, Attributes},
            calendar::LocalTime,
            names::Name,
            time::Millis,
        },
    },
    storage::journal::Lsn,
};
use smallvec::SmallVec;
use std::{borrow::Cow, sync::atomic::Ordering};

impl Ledger {
    /// Decides, records and answers for the customer of a merge group. The caller holds its locks.
    pub(in crate::ledger) fn decide_and_record<'a>(
        &self,
        resolved: ResolvedTransaction<'_, 'a>,
        merge_group: &mut MergeGroup<'_>,
        index: &mut TransactionIndex,
        now: Millis,
    ) -> Result<PaymentAnswer<'a>, Refusal> {
        let ResolvedTransaction { new, resolution, external_id } = resolved;
        let NewTransaction { rules, payment, operation, opened, key, sent_identifier, .. } = *new;
        let now = self.settle_group(merge_group, now);
        let at = match self.limits.skew.place(payment.occurred_at, now, "occurred_at") {
            Ok(at) => at,
            // Money that moved is recorded however late it arrives, at the earliest time that a payment may have.
            Err(Refusal::TooFarBack { .. }) if operation.is_accepted_at_any_time() => {
                now.plus(-self.limits.skew.past_ms)
            }
            Err(_) if operation.is_accepted_at_any_time() => now,
            Err(refusal) => return Err(refusal),
        };
        let instrument_blocked = self.names_blocked_instrument(payment);
        let question = DecisionInput { rules, payment, now, at, instrument_blocked, counts_future: true };
        let (others, customer) = (merge_group.other_usage(), &*merge_group.head);
        let decided_for = (resolution != CustomerResolution::Bypassed).then_some(customer);
        let books = decided_for
            .map_or_else(UsageSeriesSet::default, |customer| UsageSeriesSet::new(customer.usage_series(), &others));
        let decision = decide(&question, decided_for, books);
        let opened =
            if opened == OpeningKind::Reserved && !decision.is_allowed() { OpeningKind::Denied } else { opened };
        let bypassed_id = match (&payment.identity, resolution) {
            (SentIdentity::CustomerId(id), CustomerResolution::Bypassed) => Some(id.as_ref()),
            // A sealed identifier has no customer whose key could seal it.
            (SentIdentity::Identifier(id), CustomerResolution::Bypassed) if !payment.merchant.seal_identifiers => {
                Some(id.as_ref())
            }
            _ => None,
        };
        let slot = customer.summaries().next_slot();
        let defined_by = AttributeSet::of(&payment.endpoint.client_definition);
        let identity = sent_identifier.unwrap_or_else(|| self.identities.sent_identity(payment, defined_by));
        let recording = OpeningInput { opened, resolution, identity, bypassed_id };
        let invalid_attributes = payment.invalid_attributes(now);
        let offered = self.fillable_attributes(payment, customer, resolution, external_id);
        let offered = without_invalid(payment, offered, invalid_attributes);
        let mut before = preceding_events(&question, decided_for, &decision, resolution, &offered);
        let mut opening = opening(&question, decided_for, &decision, recording);
        let Decision { headroom, warnings, shadow_denials, explanation, level, violations, .. } = decision;
        let is_named =
            level.is_some_and(|level| level.in_force.source == LevelSource::Request && level.in_force.level.is_some());
        let (has_level, is_bypassed) = (level.is_some(), decided_for.is_none());
        // The operation is judged before anything is recorded: a refusal changes nothing.
        let (mut after, mut outcome, mut is_paid) = (Vec::new(), opening.outcome(), false);
        if let Some(operation) = operation.operation(opened) {
            let mut transaction = Transaction::open(opening.to_owned_opening());
            if let TransitionEffect::New(recorded_fact) =
                evaluate_operation(&transaction, &operation, circumstances(rules, &transaction, now))?
            {
                transaction.add_fact(recorded_fact.clone());
                let outcome = TransactionOutcome::of(&transaction);
                after.push(CustomerEvent::FactRecorded {
                    slot,
                    previous: LogOffset::SAME_STEP,
                    recorded_fact,
                    outcome,
                    left: None,
                });
            }
            (outcome, is_paid) = (TransactionOutcome::of(&transaction), transaction.is_approved());
        }
        if violations.is_empty() && !is_bypassed {
            after.extend(self.instrument_held_events(customer, instruments(payment), now));
            if is_paid {
                let used = payment.instrument.as_deref().into_iter();
                after.extend(Self::instrument_used_events(customer, used, true, now));
            }
        }
        if payment.has_unknown_names() {
            store_names(payment, &mut opening, &mut before)?;
        }
        // A level that was found by the sent name exists already.
        if has_level && !is_named {
            self.make_level(payment, opening.content.level, now);
        }
        drop(others);
        let customer = &mut *merge_group.head;
        let context = RecordContext { actor: Actor::payment(opening.recorded_at), key };
        let events = RecordEvents { before: &before, opened: Some((slot, &opening)), after: &after };
        let recorded = self.record(customer, context, events);
        self.currencies.insert(payment.currency);
        index.insert(key, TransactionSlot { customer: customer.number(), slot });
        self.transaction_count.fetch_add(1, Ordering::Relaxed);
        if resolution != CustomerResolution::Created {
            for event in &before {
                if let CustomerEvent::AttributesFilled { attributes, .. } = event {
                    self.identities.add_attributes(payment.merchant.id, customer.number(), attributes);
                }
            }
        }
        let local = LocalTime { calendar: &payment.merchant.calendar, now };
        let customer = match (resolution, &payment.identity) {
            (CustomerResolution::Bypassed, _) => {
                CustomerView::bypassed(bypassed_id.map(Cow::Borrowed), opening.merchant)
            }
            // The customer's identifier is the sent one, unless several lead to the customer or it is forgotten. Reading
            // the stored one would load another cache line.
            (_, SentIdentity::Identifier(sent)) if customer.identifiers().is_empty() && !customer.is_erased() => {
                CustomerView::known(customer, resolution, Some(Cow::Borrowed(sent.as_ref())), local)
            }
            _ => {
                let identifier = customer.shown_identifier().map(|id| Cow::Owned(id.to_owned()));
                CustomerView::known(customer, resolution, identifier, local)
            }
        };
        let depends_on_lsn = Lsn(recorded.number);
        let mut answer = PaymentAnswer::recorded(
            payment,
            &opening,
            customer,
            RecordedState { outcome, headroom, now, depends_on_lsn },
        );
        (answer.warnings, answer.explanation, answer.replay) = (warnings, explanation, false);
        answer.shadow_denials = shadow_denials;
        answer.invalid_attributes = invalid_attributes;
        Ok(answer)
    }

    /// The attributes of a payment that may fill missing ones of the customer: no unique attribute that another customer
    /// owns, no identifier where a label forbids to change it, and the generated external id of a new customer.
    fn fillable_attributes<'p>(
        &self,
        payment: &'p Payment<'_>,
        customer: &Customer,
        resolution: CustomerResolution,
        external_id: Option<&str>,
    ) -> Cow<'p, Attributes> {
        let mut offered = Cow::Borrowed(&payment.attributes);
        if offered.is_empty() && external_id.is_none() {
            return offered;
        }
        let merchant = payment.merchant;
        let is_new = resolution == CustomerResolution::Created;
        let is_fixed = !is_new && merchant.forbids(customer.labels(), Restriction::BlockIdentifierChange);
        let is_identifier = |attribute: Attribute| identifier_of(attribute).is_some();
        let barred: SmallVec<[Attribute; 3]> = match is_fixed {
            true => payment.attributes.iter().map(|(known, _)| known).filter(|known| is_identifier(*known)).collect(),
            false => {
                let unique = unique_attributes(payment);
                let missing = unique.iter().filter(|(known, _)| customer.attributes.value(*known).is_none());
                let is_owned = |(attribute, value): &(Attribute, &str)| {
                    let owners = self.identities.first_two_with(merchant.id, *attribute, value);
                    owners.iter().any(|number| *number != customer.number())
                };
                missing.filter(is_owned).map(|(attribute, _)| attribute).collect()
            }
        };
        barred.iter().for_each(|attribute| offered.to_mut().set(*attribute, ""));
        external_id.iter().for_each(|id| offered.to_mut().set(Attribute::ExternalId, id));
        offered
    }

    /// Makes a level of an unknown level name in a request of a `crm` merchant. Operators configure it later.
    pub(in crate::ledger) fn make_level(&self, payment: &Payment<'_>, sent: SentLevel, now: Millis) {
        if let SentLevel::Named(name) = sent
            && payment.merchant.mode == OperationMode::Crm
            && !payment.merchant.has_level(name)
        {
            let (direction, currency) = (payment.direction, payment.currency);
            let level = MadeLevel { name, direction, currency, created: now };
            self.made_levels.make(payment.merchant.id, level, &self.journal);
        }
    }
}

/// The offered attributes without the invalid ones. An attribute that recognises the customer is kept: without it the
/// customer would not be found again, and the next payment would begin with new limits.
fn without_invalid<'p>(
    payment: &Payment<'_>,
    mut offered: Cow<'p, Attributes>,
    invalid: AttributeSet,
) -> Cow<'p, Attributes> {
    for attribute in invalid.iter().filter(|attribute| !payment.is_identity(*attribute)) {
        offered.to_mut().set(attribute, "");
    }
    offered
}

/// Adds the new names of a payment to the name table, and puts them into the events. A fact is never refused: where the
/// table is full, the fact is recorded without the names.
///
/// # Errors
/// The name table has no room for a new name of a reserve.
fn store_names(
    payment: &Payment<'_>,
    opening: &mut Opening<&str>,
    before: &mut Vec<CustomerEvent>,
) -> Result<(), Refusal> {
    let stored = match payment.intern_names() {
        Err(_) if opening.opened == OpeningKind::Unreserved => None,
        stored => Some(stored?),
    };
    let unrecorded = Name::unrecorded();
    let content = &mut opening.content;
    (content.level, content.method) = stored.unwrap_or_else(|| {
        let level = if content.level == SentLevel::Named(unrecorded) { SentLevel::Absent } else { content.level };
        (level, content.method.filter(|method| *method != unrecorded))
    });
    before.retain_mut(|event| match event {
        CustomerEvent::LevelSet { level, .. } if *level == Some(unrecorded) => match content.level {
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
