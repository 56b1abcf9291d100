//! The customer aggregate: its data, the summaries of its transactions, and its usage.
//!
//! Only [`Customer::apply`] changes a customer, and it cannot fail. A customer is the unit of consistency: everything
//! that a decision reads and writes is in one customer, under one lock.

use crate::domain::{
    customer::{
        aggregate::{
            core::CustomerCore,
            paying::{CustomerMemory, PayingCustomer},
        },
        change::CustomerChange,
        instruments::Instrument,
        stored_identifier::StoredIdentifier,
    },
    events::customer_event::{CustomerEvent, RecordPosition},
    request::refusal::Refusal,
    rules::merchant::Merchant,
    transaction::{
        fact::Fact,
        holds::Holds,
        opening::Opening,
        outcome::TransactionOutcome,
        summaries::TransactionSummaries,
        summary::{EvictedTransaction, TransactionSummary},
    },
    usage::{
        contribution::Contribution,
        series::{UsageSeries, UsageSeriesKey},
    },
    vocabulary::{names::Name, time::Millis},
};
use prefetch_index::prefetch_index;
use smallvec::SmallVec;
use std::{
    hint::black_box,
    mem,
    ops::{Deref, DerefMut},
    slice,
};

/// A customer.
///
/// Most of the millions of customers in memory have paid seldom or never. A customer without payments has no memory for
/// them; the first payment moves the customer into a larger allocation.
#[derive(Debug, Clone)]
pub struct Customer(pub(super) CustomerState);

#[derive(Debug, Clone)]
pub(super) enum CustomerState {
    /// A customer without transactions.
    Idle(Box<CustomerCore>),
    /// A customer with transactions.
    Paying(Box<PayingCustomer>),
}

/// Decides the events of a customer at a time.
pub type DecideEvents<'m> = dyn FnMut(&Customer, Millis) -> Result<Vec<CustomerEvent>, Refusal> + 'm;

impl Deref for Customer {
    type Target = CustomerCore;

    fn deref(&self) -> &CustomerCore {
        match &self.0 {
            CustomerState::Idle(head) => head,
            CustomerState::Paying(paying) => &paying.core,
        }
    }
}

impl DerefMut for Customer {
    fn deref_mut(&mut self) -> &mut CustomerCore {
        match &mut self.0 {
            CustomerState::Idle(head) => head,
            CustomerState::Paying(paying) => &mut paying.core,
        }
    }
}

impl Customer {
    /// A customer without transactions and profile.
    #[must_use]
    pub fn new(number: u64, merchant: Name, identifier: Option<StoredIdentifier>, at: Millis) -> Self {
        Self(CustomerState::Idle(Box::new(CustomerCore::new(number, merchant, identifier, at))))
    }

    /// A customer that is being created, with the merchant's default label.
    #[must_use]
    pub fn with_default_label(number: u64, merchant: &Merchant, at: Millis) -> Self {
        let mut customer = Self::new(number, merchant.id, None, at);
        let label = merchant.default_label().map(|label| CustomerChange::Labels(vec![label.name]));
        label.iter().for_each(|change| customer.apply_change(change));
        customer
    }

    fn transactions(&self) -> Option<&PayingCustomer> {
        match &self.0 {
            CustomerState::Idle(_) => None,
            CustomerState::Paying(paying) => Some(paying),
        }
    }

    /// The customer with transactions; an idle one is moved into that allocation first.
    fn paying(&mut self) -> &mut PayingCustomer {
        loop {
            match self.0 {
                CustomerState::Paying(ref mut paying) => return paying,
                CustomerState::Idle(ref mut head) => {
                    let placeholder = CustomerCore::new(head.number(), head.merchant, None, head.created);
                    let head = mem::replace(&mut **head, placeholder);
                    let (series, holds, summaries) =
                        (SmallVec::new(), Holds::default(), TransactionSummaries::default());
                    self.0 = CustomerState::Paying(Box::new(PayingCustomer { core: head, series, holds, summaries }));
                }
            }
        }
    }

    /// Usage series, one for each (direction, currency, level).
    #[must_use]
    pub fn usage_series(&self) -> &[UsageSeries] {
        self.transactions().map_or(&[], |paying| &paying.series)
    }

    /// Transaction summaries, by slot.
    #[must_use]
    pub fn summaries(&self) -> &TransactionSummaries {
        const NONE: &TransactionSummaries = &TransactionSummaries::NONE;
        self.transactions().map_or(NONE, |paying| &paying.summaries)
    }

    /// Loads the customer itself into the cache; nothing waits for it. [`Customer::prefetch`] loads what it points to.
    pub fn prefetch_head(&self) {
        match &self.0 {
            CustomerState::Idle(head) => prefetch_index(slice::from_ref(&**head), 0),
            CustomerState::Paying(paying) => {
                let PayingCustomer { core, series, holds, summaries } = &**paying;
                prefetch_index(slice::from_ref(core), 0);
                prefetch_index(slice::from_ref(&core.profile), 0);
                prefetch_index(slice::from_ref(series), 0);
                prefetch_index(slice::from_ref(holds), 0);
                prefetch_index(slice::from_ref(summaries), 0);
            }
        }
    }

    /// Reads one word of each allocation that a payment is about to read, so that the cache misses overlap. This saves a
    /// third of the time of a payment of one customer among millions. The ends of the lists that a payment extends are
    /// prefetched and arrive while it is decided.
    pub fn prefetch(&self) {
        let paying = match &self.0 {
            CustomerState::Idle(head) => {
                black_box(head.applied);
                return;
            }
            CustomerState::Paying(paying) => paying,
        };
        black_box([
            paying.core.applied,
            u64::from(paying.core.profile.is_some()),
            paying.series.first().map_or(0, UsageSeries::prefetch),
            paying.holds.prefetch(),
            paying.summaries.prefetch(),
        ]);
    }

    /// Expires the holds that have ended, and returns the time as of which this customer is read: `now`, or the latest
    /// earlier reading if that is later. Usage is exact only after this call. It takes one step for each hold that
    /// ends, and none otherwise. The second number counts those steps.
    pub fn expire_holds(&mut self, now: Millis) -> (Millis, u64) {
        let now = self.settled_at.max(now);
        self.settled_at = now;
        let visited = match &mut self.0 {
            CustomerState::Idle(_) => 0,
            CustomerState::Paying(paying) => paying.expire_holds(now),
        };
        (now, visited)
    }

    /// Applies an event; cannot fail.
    ///
    /// Recovery may apply events twice, or apply events that are older than the state: events set values, so that the
    /// last one in order decides. A standby may have read the customer as of a later time than that of the event: usage
    /// stays as of the later time.
    pub fn apply(&mut self, recorded: RecordPosition, event: &CustomerEvent) {
        self.applied = self.applied.max(recorded.number);
        match event {
            CustomerEvent::Created { merchant, identifier, at } => {
                self.merchant = *merchant;
                self.identifier.clone_from(identifier);
                (self.created, self.modified) = (*at, *at);
            }
            CustomerEvent::AttributesFilled { attributes, at } => {
                attributes.iter().for_each(|(attribute, value)| self.attributes.set(attribute, value));
                self.modified = *at;
            }
            CustomerEvent::LevelSet { direction, level, drops_settings, at } => {
                self.levels[*direction as usize] = *level;
                if let Some(profile) = self.profile.as_mut().filter(|_| *drops_settings) {
                    profile.settings.retain(|settings| settings.direction != *direction);
                }
                self.modified = *at;
            }
            CustomerEvent::SignalReceived { signal, names_instrument, at } => {
                self.status_factors = self.status_factors.after(*signal, *names_instrument);
                self.modified = *at;
            }
            CustomerEvent::InstrumentAdded { id, at } => {
                if !self.profile().is_some_and(|profile| profile.has_instrument(id)) {
                    self.profile.get_or_insert_default().put_instrument(&Instrument::bare(id, *at));
                }
            }
            CustomerEvent::InstrumentUsed { id, at, successes } => {
                if let Some(used) = self.profile.as_mut().and_then(|profile| profile.instrument_mut(id)) {
                    (used.last_success_at, used.successes) = (Some(*at), *successes);
                    // Earlier versions recorded the first success in this way, too.
                    used.is_stored = true;
                }
            }
            CustomerEvent::AuditEntry(audit_entry) => {
                self.set_last_audit_offset(Some(recorded.offset));
                self.modified = audit_entry.at;
            }
            CustomerEvent::CustomerChanged(change) => self.apply_change(change),
            CustomerEvent::TransactionOpened { slot, opening } => self.apply_opened(recorded, *slot, opening),
            CustomerEvent::Assigned { slot, opening, outcome, at, .. } => {
                self.insert_transaction(recorded, *slot, opening, outcome, *at);
            }
            // Without a customer it counted nowhere. The new offset leads readers to the record of its assignment.
            CustomerEvent::AssignedElsewhere { slot, .. } => {
                self.set_outcome(recorded, *slot, &TransactionOutcome::NONE);
            }
            // Its contribution stays.
            CustomerEvent::Compacted { slot, outcome, .. } => self.set_outcome(recorded, *slot, outcome),
            CustomerEvent::FactRecorded { slot, recorded_fact, outcome, left, .. } => {
                // A new or extended hold is queued; an unchanged one is in the queue already.
                let holds = matches!(recorded_fact.fact, Fact::Extended { .. } | Fact::ReservedLate { .. });
                let now = self.settled_at.max(recorded_fact.at);
                let paying = self.paying();
                let changed = paying.summaries.update(*slot, |summary| summary.set_outcome(recorded.offset, outcome));
                match (changed, left) {
                    (Some(summary), _) => {
                        if holds {
                            paying.queue_hold_of(*slot, &summary, now);
                        }
                        paying.update_usage_of(*slot, &summary, now);
                    }
                    (None, Some(EvictedTransaction { series: Some(series), was, .. })) => {
                        let series = paying.series_index(*series);
                        paying.series[usize::from(series)].adjust_evicted(*was, outcome.final_contribution());
                    }
                    (None, _) => {}
                }
            }
        }
    }

    /// [`Customer::apply`] of [`CustomerEvent::TransactionOpened`], without building the event.
    pub fn apply_opened<Text>(&mut self, recorded: RecordPosition, slot: u32, opening: &Opening<Text>) {
        self.applied = self.applied.max(recorded.number);
        self.insert_transaction(recorded, slot, opening, &opening.outcome(), opening.recorded_at);
    }

    fn set_outcome(&mut self, recorded: RecordPosition, slot: u32, outcome: &TransactionOutcome) {
        if let CustomerState::Paying(paying) = &mut self.0 {
            let _changed = paying.summaries.update(slot, |summary| summary.set_outcome(recorded.offset, outcome));
        }
    }

    #[inline]
    fn insert_transaction<Text>(
        &mut self,
        recorded: RecordPosition,
        slot: u32,
        opening: &Opening<Text>,
        outcome: &TransactionOutcome,
        now: Millis,
    ) {
        let now = self.settled_at.max(now);
        let paying = self.paying();
        let (direction, currency) = (opening.content.direction, opening.content.currency);
        let key = UsageSeriesKey { direction, currency, level: opening.level };
        let series = opening.counts().then(|| paying.series_index(key));
        let summary = TransactionSummary::new(opening.at, series, recorded.key, recorded.offset, outcome);
        if !paying.summaries.replace(slot, summary) {
            paying.summaries.push(summary);
        }
        paying.queue_hold_of(slot, &summary, now);
        paying.update_usage_of(slot, &summary, now);
    }

    /// Restores the usage series of a snapshot, and the first slot that is not evicted. The summaries are restored after
    /// this.
    pub fn restore_usage_series(&mut self, books: Vec<UsageSeries>, first_slot: u32) {
        if !books.is_empty() || first_slot > 0 {
            let paying = self.paying();
            (paying.series, paying.summaries) =
                (books.into_iter().collect(), TransactionSummaries::resumed(first_slot));
        }
    }

    /// Restores a summary of a snapshot, as of [`CustomerCore::settled_at`].
    pub fn restore_summary(&mut self, slot: u32, summary: TransactionSummary) {
        let now = self.settled_at;
        let paying = self.paying();
        if slot < paying.summaries.first_slot() {
            paying.summaries.pin(slot, summary);
        } else {
            paying.summaries.push(summary);
        }
        paying.queue_hold_of(slot, &summary, now);
        paying.update_usage_of(slot, &summary, now);
    }

    /// The memory of a customer without transactions, without texts and the profile.
    #[must_use]
    pub fn bytes_idle() -> usize {
        size_of::<CustomerCore>()
    }

    /// The memory of a customer with transactions, without those, texts and the profile.
    #[must_use]
    pub fn bytes_paying() -> usize {
        size_of::<PayingCustomer>()
    }

    /// The memory of the customer, without texts and the profile.
    #[must_use]
    pub fn memory(&self) -> CustomerMemory {
        match &self.0 {
            CustomerState::Idle(_) => {
                CustomerMemory { customer: size_of::<CustomerCore>(), ..CustomerMemory::default() }
            }
            CustomerState::Paying(paying) => paying.memory(),
        }
    }

    /// The index of a usage series, which is created if absent.
    pub fn series_index(&mut self, key: UsageSeriesKey) -> u16 {
        self.paying().series_index(key)
    }

    /// Evicts transactions that are older than `before` while `may` agrees; held ones stay. To be called after
    /// [`Customer::expire_holds`]. Returns the evicted ones, at most `at_most`.
    pub fn evict(
        &mut self,
        before: Millis,
        at_most: usize,
        may: impl Fn(&TransactionSummary) -> bool,
    ) -> Vec<(u32, TransactionSummary)> {
        let now = self.settled_at;
        let CustomerState::Paying(paying) = &mut self.0 else { return Vec::new() };
        let waits = |summary: &TransactionSummary| summary.is_held(now);
        let mut gone = Vec::new();
        while gone.len() < at_most {
            // A held transaction is pinned, so that later ones can be evicted. One from the future, recorded by a wrong
            // clock, is pinned too.
            let leaves = |summary: &TransactionSummary| match summary.at > now {
                true => Some(false),
                false => (summary.at < before && may(summary)).then(|| !waits(summary)),
            };
            match paying.summaries.take_oldest(leaves) {
                Some(Some(left)) => gone.push(left),
                Some(None) => {}
                None => {
                    match paying.summaries.take_pinned(|summary| summary.at < before && !waits(summary) && may(summary))
                    {
                        Some(left) => gone.push(left),
                        None => break,
                    }
                }
            }
        }
        for (slot, summary) in &gone {
            if let Some(series) = summary.series().and_then(|series| paying.series.get_mut(usize::from(series))) {
                series.evict(summary.at, *slot, summary.contribution(now));
            }
        }
        gone
    }

    /// Returns an evicted transaction to memory, as of [`CustomerCore::settled_at`]. `at` is the time at which it counts,
    /// `series` the usage series that contains its final contribution. A transaction in memory stays as it is.
    pub fn return_evicted(
        &mut self,
        recorded: RecordPosition,
        slot: u32,
        (at, series): (Millis, Option<UsageSeriesKey>),
        outcome: &TransactionOutcome,
    ) {
        let now = self.settled_at;
        let paying = self.paying();
        if slot >= paying.summaries.first_slot() || paying.summaries.contains(slot) {
            return;
        }
        let series = series.map(|series| paying.series_index(series));
        if let Some(series) = series.and_then(|series| paying.series.get_mut(usize::from(series))) {
            series.adjust_evicted(outcome.final_contribution(), Contribution::NONE);
        }
        let summary = TransactionSummary::new(at, series, recorded.key, recorded.offset, outcome);
        paying.summaries.pin(slot, summary);
        paying.queue_hold_of(slot, &summary, now);
        paying.update_usage_of(slot, &summary, now);
    }

    /// The usage series at another instant, computed from the present state. Reads every summary.
    #[must_use]
    pub fn usage_series_at(&self, instant: Millis) -> Vec<UsageSeries> {
        let mut books: Vec<UsageSeries> =
            self.usage_series().iter().map(|series| UsageSeries::with_evicted(series.key, series.evicted())).collect();
        for (slot, summary) in self.summaries().starting_at(0) {
            if let Some(series) = summary.series().and_then(|series| books.get_mut(usize::from(series))) {
                series.set(summary.at, slot, summary.contribution(instant));
            }
        }
        books
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Millions of customers are in memory; most have paid seldom or never.
    #[test]
    fn the_size_of_a_customer_is_as_estimated() {
        assert_eq!(
            (size_of::<CustomerCore>(), size_of::<PayingCustomer>()),
            (112, 400),
            "the core, and the customer with transactions"
        );
        assert_eq!(size_of::<Option<Customer>>(), 16, "the entry of a customer");
    }
}
