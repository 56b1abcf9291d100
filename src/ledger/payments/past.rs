//! Records payments of the past as they happened: no limit is checked, and nothing is decided but the level. An import
//! calls it for one payment after another, in the order of their times, on a ledger that no daemon serves.

use crate::{
    domain::{
        customer::{aggregate::Customer, audit::ChangeSource, change::CustomerChange},
        decision::{
            level_choice::{LevelChoice, LevelQuery},
            opening::content,
            payment::{Payment, SentIdentity},
        },
        events::customer_event::CustomerEvent,
        request::refusal::Refusal,
        rules::merchant::RefundPolicy,
        transaction::{
            log_offset::LogOffset,
            opening::{CustomerResolution, ExplicitFields, LevelSource, Opening, OpeningKind},
            outcome::TransactionOutcome,
            past_payment::{PastAmounts, PastPayment},
            state::Transaction,
        },
        vocabulary::{attributes::AttributeSet, direction::Direction, time::Millis},
    },
    ledger::{
        index::{
            identity_index::IdentityMatch,
            sharding::SHARDS,
            transaction_index::{TransactionIndex, TransactionSlot},
        },
        payments::{
            dry_run::instruments,
            record::{Actor, RecordContext, RecordEvents},
        },
        state::{ledger::Ledger, merge_group::MergeGroup},
    },
    storage::journal::Lsn,
};
use smallvec::SmallVec;
use std::sync::atomic::Ordering;

/// The customer of a past payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PastCustomer {
    /// The one that the payment names; created if there is none.
    Named,
    /// The one with this number; created with this number if there is none.
    Numbered(u64),
    /// None: the payment counts nowhere.
    Nobody,
}

/// A past payment with its transaction.
#[derive(Debug, Clone, Copy)]
pub struct PastTransaction<'a> {
    /// The payment as a reserve would name it.
    pub payment: &'a Payment<'a>,
    /// Its result.
    pub past: &'a PastPayment,
    /// Whose it is.
    pub customer: PastCustomer,
}

/// The customer of a past payment in the ledger.
enum FoundCustomer {
    Known(u64),
    /// A customer that is created with this number.
    New(u64),
    Nobody,
}

impl Ledger {
    /// Whether a past payment is recorded.
    ///
    /// # Errors
    /// The ledger has another transaction of this id.
    pub fn has_past(&self, past: &PastTransaction<'_>) -> Result<bool, Refusal> {
        let payment = past.payment;
        let (merchant, id) = (payment.merchant.id.as_str(), &payment.transaction_id);
        let key = self.digest_key.transaction(merchant, id);
        let mut stripe = self.id_stripes.lock(key);
        let Some(known) = self.find_transaction(&mut stripe, key, merchant, id)? else { return Ok(false) };
        let differences = self.past_differences(past, &known.transaction);
        if differences.is_empty() { Ok(true) } else { Err(Refusal::Conflict(differences)) }
    }

    /// Records a past payment. `None`: the ledger has a transaction of this id. The caller holds the guard of [`Ledger::block_renames`]
    /// and is the only user of the ledger. `now` is the time of the recording.
    ///
    /// # Errors
    /// The customer is another one; the memory is full.
    pub fn record_past(&self, past: &PastTransaction<'_>, now: Millis) -> Result<Option<Lsn>, Refusal> {
        let payment = past.payment;
        let merchant = payment.merchant.id;
        let key = self.digest_key.transaction(merchant.as_str(), &payment.transaction_id);
        let mut stripe = self.id_stripes.lock(key);
        if self.find_transaction(&mut stripe, key, merchant.as_str(), &payment.transaction_id)?.is_some() {
            return Ok(None);
        }
        self.check_capacity()?;
        let index = &mut stripe.index;
        match self.find_past_customer(past)? {
            FoundCustomer::Known(number) => {
                let mut locked = self.lock_merge_group(number);
                let unknown = || Refusal::UnknownCustomer(number.to_string());
                let mut merge_group = locked.members().ok_or_else(unknown)?;
                let now = self.settle_group(&mut merge_group, now);
                let resolution = CustomerResolution::Found;
                self.record_past_of(past, resolution, &mut merge_group, (key, index), now).map(Some)
            }
            FoundCustomer::Nobody => {
                let number = key % SHARDS as u64;
                let mut shard = self.customers.lock(number);
                let create = || Customer::new(number, merchant, None, now);
                let mut placeholder = MergeGroup::of(shard.placeholder(number, create));
                let now = self.settle_group(&mut placeholder, now);
                let resolution = CustomerResolution::Bypassed;
                self.record_past_of(past, resolution, &mut placeholder, (key, index), now).map(Some)
            }
            FoundCustomer::New(number) => {
                let mut customer = Customer::with_default_label(number, payment.merchant, now);
                let mut shard = self.customers.lock(number);
                let (resolution, head) = (CustomerResolution::Created, &mut customer);
                let lsn = self.record_past_of(past, resolution, &mut MergeGroup::of(head), (key, index), now)?;
                let digests = self.identities.of_customer(&customer);
                shard.insert(number, customer);
                self.customer_count.fetch_add(1, Ordering::Relaxed);
                drop(shard);
                self.identities.insert_all(digests, number);
                Ok(Some(lsn))
            }
        }
    }

    /// Leaves the numbers below `next` to customers that past payments name by number.
    pub fn reserve_customer_numbers(&self, next: u64) {
        self.next_customer.fetch_max(next, Ordering::Relaxed);
    }

    /// Checks that a past payment can have its customer. Returns whether the customer exists.
    ///
    /// # Errors
    /// The number belongs to another customer.
    pub fn check_past_customer(&self, past: &PastTransaction<'_>) -> Result<bool, Refusal> {
        let payment = past.payment;
        let named = match &payment.identity {
            SentIdentity::Identifier(id) => self.identities.customer_with_identifier(payment.merchant.id, id),
            SentIdentity::CustomerId(_) | SentIdentity::Attributes(_) => None,
        };
        let number = match past.customer {
            PastCustomer::Nobody => return Ok(false),
            PastCustomer::Named => return Ok(named.is_some()),
            PastCustomer::Numbered(number) => number,
        };
        let refuse = |reason: String| Err(Refusal::NotAllowed { field: "customer_id", reason });
        if let Some(other) = named.filter(|named| *named != self.identities.merge_targets.current(number)) {
            return refuse(format!("is {number}, and the customer with this identifier has the customer_id {other}"));
        }
        let mut locked = self.lock_merge_group(number);
        let Some(merge_group) = locked.members() else { return Ok(false) };
        let is_named = match &payment.identity {
            SentIdentity::Identifier(id) => {
                merge_group.members().any(|member| self.identities.has_identifier(member, id))
            }
            SentIdentity::CustomerId(_) | SentIdentity::Attributes(_) => true,
        };
        if merge_group.head.merchant != payment.merchant.id || !is_named {
            return refuse(format!("{number} is another customer's"));
        }
        Ok(true)
    }

    fn find_past_customer(&self, past: &PastTransaction<'_>) -> Result<FoundCustomer, Refusal> {
        let is_known = self.check_past_customer(past)?;
        match past.customer {
            PastCustomer::Nobody => Ok(FoundCustomer::Nobody),
            PastCustomer::Numbered(number) if is_known => Ok(FoundCustomer::Known(number)),
            PastCustomer::Numbered(number) => {
                self.reserve_customer_numbers(number.saturating_add(1));
                Ok(FoundCustomer::New(number))
            }
            PastCustomer::Named => match self.identities.find(past.payment, None, || {}) {
                IdentityMatch::Customer(number, _) => Ok(FoundCustomer::Known(number)),
                IdentityMatch::NoCustomer | IdentityMatch::Bypassed => Ok(FoundCustomer::New(self.next_number()?)),
            },
        }
    }

    /// Records a past payment of the head of a merge group.
    fn record_past_of(
        &self,
        past: &PastTransaction<'_>,
        resolution: CustomerResolution,
        merge_group: &mut MergeGroup<'_>,
        (key, index): (u64, &mut TransactionIndex),
        now: Millis,
    ) -> Result<Lsn, Refusal> {
        let PastTransaction { payment, past, .. } = *past;
        let (merchant, direction, customer) = (payment.merchant, payment.direction, &mut *merge_group.head);
        let has_customer = resolution != CustomerResolution::Bypassed;
        let mut before = Vec::new();
        if resolution == CustomerResolution::Created {
            let identifier = match &payment.identity {
                SentIdentity::Identifier(id) => Some(id.as_ref().into()),
                SentIdentity::CustomerId(_) | SentIdentity::Attributes(_) => None,
            };
            before.push(CustomerEvent::Created { merchant: merchant.id, identifier, at: past.at });
            let label = merchant.default_label();
            before.extend(label.map(|label| CustomerEvent::CustomerChanged(CustomerChange::Labels(vec![label.name]))));
        }
        let query = LevelQuery { merchant, direction, currency: payment.currency, project: payment.project.id };
        let LevelChoice { in_force, stored } = query.choose(customer.levels[direction as usize], payment.level());
        if let Some(level) = stored.filter(|_| has_customer)
            && self.may_set_level(customer, direction)?
        {
            // Individual settings are newer than any past payment.
            before.push(CustomerEvent::LevelSet { direction, level, drops_settings: false, at: now });
        }
        let is_named = in_force.source == LevelSource::Request && in_force.level.is_some();
        if has_customer && !is_named {
            self.make_level(payment, payment.level(), now);
        }
        let slot = customer.summaries().next_slot();
        let bypassed_id = match (&payment.identity, has_customer) {
            (SentIdentity::CustomerId(id), false) => Some(id.as_ref()),
            (SentIdentity::Identifier(id), false) if !merchant.seal_identifiers => Some(id.as_ref()),
            _ => None,
        };
        let opening = Opening {
            id: payment.transaction_id.as_ref(),
            merchant: merchant.id,
            at: past.at,
            recorded_at: now,
            opened: past.opened,
            content: content(payment, self.past_identity(payment)),
            hold_until: past.hold_until.filter(|_| past.opened == OpeningKind::Reserved),
            level: in_force.name.filter(|_| has_customer),
            level_source: if has_customer { in_force.source } else { LevelSource::Default },
            resolution,
            names: ExplicitFields::BOTH,
            bypassed_id,
            violations: past.violation.into_iter().collect(),
            gates: SmallVec::new(),
            instrument: payment.instrument.as_deref(),
            suspicious: false,
            outlier: false,
        };
        let mut transaction = Transaction::open(opening.to_owned_opening());
        let mut after = Vec::new();
        for recorded_fact in past.facts(now, merchant.refunds == RefundPolicy::Original) {
            transaction.add_fact(recorded_fact.clone());
            let (previous, outcome) = (LogOffset::SAME_STEP, TransactionOutcome::of(&transaction));
            after.push(CustomerEvent::FactRecorded { slot, previous, recorded_fact, outcome, left: None });
        }
        if has_customer && past.opened == OpeningKind::Reserved {
            after.extend(self.instrument_held_events(customer, instruments(payment), past.at));
            if transaction.is_approved() {
                let used = payment.instrument.as_deref().into_iter();
                after.extend(Self::instrument_used_events(customer, used, true, past.at));
            }
        }
        let context = RecordContext { actor: Actor::payment(now), key };
        let events = RecordEvents { before: &before, opened: Some((slot, &opening)), after: &after };
        let recorded = self.record(customer, context, events);
        self.currencies.insert(payment.currency);
        index.insert(key, TransactionSlot { customer: customer.number(), slot });
        self.transaction_count.fetch_add(1, Ordering::Relaxed);
        Ok(Lsn(recorded.number))
    }

    fn past_identity(&self, payment: &Payment<'_>) -> u128 {
        let sent = self.identities.sent_identifier(payment);
        let defined_by = AttributeSet::of(&payment.endpoint.client_definition);
        sent.unwrap_or_else(|| self.identities.sent_identity(payment, defined_by))
    }

    /// Whether a past payment may set the stored level name of a direction: where there is none, or a payment set it. A name
    /// that staff or a table set is newer than any past payment.
    fn may_set_level(&self, customer: &Customer, direction: Direction) -> Result<bool, Refusal> {
        if customer.levels[direction as usize].is_none() {
            return Ok(true);
        }
        let sets =
            |event: &CustomerEvent| matches!(event, CustomerEvent::LevelSet { direction: of, .. } if *of == direction);
        let mut next = customer.last_audit_offset();
        while let Some(offset) = next {
            let Some(step) = self.history_step(customer.number(), offset)? else { break };
            if step.events.iter().any(sets) {
                return Ok(step.audit_entry.source == ChangeSource::Payment);
            }
            next = step.audit_entry.previous;
        }
        // The record that set it is deleted.
        Ok(false)
    }

    /// The columns in which a past payment differs from the recorded transaction of its id.
    fn past_differences(&self, past: &PastTransaction<'_>, known: &Transaction) -> Vec<&'static str> {
        let PastTransaction { payment, past, .. } = *past;
        let opening = &known.opening;
        let mut differences = opening.content.differences(&content(payment, self.past_identity(payment)));
        let amounts = PastAmounts::of(&known.totals, known.requested_amount());
        let hold = past.hold_until.filter(|_| past.opened == OpeningKind::Reserved);
        let others = [
            ("time", opening.at != past.at),
            ("outcome", opening.opened != past.opened || known.totals.declined != past.is_declined),
            ("amounts", amounts != past.amounts),
            ("expires_at", known.hold_until != hold),
        ];
        differences.extend(others.into_iter().filter_map(|(column, differs)| differs.then_some(column)));
        differences
    }
}
