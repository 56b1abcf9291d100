//! Decides a recorded payment again, by other rules and the state of a shadow ledger.

use crate::{
    domain::{
        customer::aggregate::Customer,
        decision::{
            decide::{DecisionInput, decide},
            recorded_payment::{NotJudged, recorded_payment, replayed_opening, was_instrument_blocked},
        },
        events::customer_event::{CustomerEvent, RecordPosition},
        rules::configuration::Rules,
        transaction::opening::{CustomerResolution, Opening},
        usage::series_set::UsageSeriesSet,
    },
    ledger::state::ledger::Ledger,
    storage::{encoding::RecordedEvent, journal::Record},
};

impl Ledger {
    /// The opening that other rules would have recorded for a payment, as of its recorded time. `before` are the events of
    /// the record before it: they create a new customer.
    ///
    /// # Errors
    /// The rules lack what the payment names.
    pub(super) fn decide_again(
        &self,
        rules: &Rules,
        record: &Record<'_>,
        before: &[RecordedEvent],
        opening: &Opening,
    ) -> Result<Opening, NotJudged> {
        let payment = recorded_payment(rules, opening)?;
        let question = DecisionInput {
            rules,
            payment: &payment,
            now: opening.recorded_at,
            at: opening.at,
            instrument_blocked: was_instrument_blocked(opening),
            counts_future: true,
        };
        if opening.resolution == CustomerResolution::Bypassed {
            let decision = decide(&question, None, UsageSeriesSet::default());
            return Ok(replayed_opening(opening, &payment, &decision));
        }
        let mut locked = self.lock_merge_group(record.owner);
        if let Some(mut merge_group) = locked.members() {
            self.settle_group(&mut merge_group, opening.recorded_at);
            let (others, customer) = (merge_group.other_usage(), &*merge_group.head);
            let usage = UsageSeriesSet::new(customer.usage_series(), &others);
            let decision = decide(&question, Some(customer), usage);
            return Ok(replayed_opening(opening, &payment, &decision));
        }
        let mut customer = Customer::new(record.owner, opening.merchant, None, opening.recorded_at);
        let position = RecordPosition { number: 0, offset: record.offset, key: 0 };
        for event in before {
            if let RecordedEvent::Customer(
                event @ (CustomerEvent::Created { .. } | CustomerEvent::CustomerChanged(_)),
            ) = event
            {
                customer.apply(position, event);
            }
        }
        let decision = decide(&question, Some(&customer), UsageSeriesSet::default());
        Ok(replayed_opening(opening, &payment, &decision))
    }
}
