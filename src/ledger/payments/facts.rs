//! Records facts about known transactions.

use crate::ledger::{
    payments::record::{Actor, CustomerStep, RecordContext, RecordEvents},
    state::{ledger::Ledger, loaded_transaction::LoadedTransaction, merge_group::MergeGroup},
};
use crate::{
    domain::{
        events::customer_event::CustomerEvent,
        transaction::{
            fact::{Fact, RecordedFact},
            log_offset::LogOffset,
            outcome::TransactionOutcome,
            summary::EvictedTransaction,
        },
        usage::series::UsageSeriesKey,
    },
    storage::journal::Lsn,
};
use smallvec::SmallVec;

impl Ledger {
    /// Records facts about a known transaction, and events that follow from them for its customer. The customer may be
    /// another one than the transaction was opened for: the head of its merge group. The caller holds the stripe of the
    /// id and the locks of the group. Returns the LSN of the record. `None`: the transaction is not of this group.
    pub(in crate::ledger) fn record_facts(
        &self,
        merge_group: &mut MergeGroup<'_>,
        known: &mut LoadedTransaction,
        facts: impl IntoIterator<Item = RecordedFact>,
        head_events: impl IntoIterator<Item = CustomerEvent>,
    ) -> Option<Lsn> {
        let (number, slot) = (known.slot.customer, known.slot.slot);
        let is_evicted = !merge_group.member(number)?.summaries().contains(slot);
        let mut events: SmallVec<[CustomerEvent; 2]> = SmallVec::new();
        let mut previous = known.last_record;
        let mut now = known.transaction.opening.recorded_at;
        for mut recorded_fact in facts {
            now = recorded_fact.at;
            // The hold of an evicted transaction is in no queue: it ends at once.
            if let Fact::ReservedLate { hold_until, .. } = &mut recorded_fact.fact
                && is_evicted
            {
                *hold_until = Some(now);
            }
            let was = known.outcome.final_contribution();
            known.transaction.add_fact(recorded_fact.clone());
            known.outcome = TransactionOutcome::of(&known.transaction);
            let opening = &known.transaction.opening;
            let (direction, currency) = (opening.content.direction, opening.content.currency);
            let series = opening.counts().then_some(UsageSeriesKey { direction, currency, level: opening.level });
            let left = is_evicted.then_some(EvictedTransaction { key: known.key, series, at: Some(opening.at), was });
            events.push(CustomerEvent::FactRecorded { slot, previous, recorded_fact, outcome: known.outcome, left });
            previous = LogOffset::SAME_STEP;
        }
        let (actor, mut head_events) = (Actor::payment(now), head_events.into_iter().peekable());
        let context = RecordContext { actor, key: known.key };
        let (recorded, depends_on_lsn) = if merge_group.head.number() == number || head_events.peek().is_none() {
            events.extend(head_events);
            let events = RecordEvents { after: &events, ..RecordEvents::default() };
            let recorded = self.record(merge_group.member(number)?, context, events);
            (recorded, Lsn(recorded.number))
        } else {
            let (head, others) = (&mut *merge_group.head, merge_group.others.iter_mut());
            let member = others.map(|other| &mut **other).find(|other| other.number() == number)?;
            let steps = vec![
                CustomerStep { customer: member, context, events: events.into_vec() },
                CustomerStep { customer: head, context: actor.into(), events: head_events.collect() },
            ];
            let recorded = self.record_group(steps, None);
            (recorded.customers.first().copied()?, recorded.last)
        };
        known.last_record = recorded.offset;
        if is_evicted {
            self.archived_facts.insert(known.key, known.slot, recorded.offset);
        }
        Some(depends_on_lsn)
    }
}
