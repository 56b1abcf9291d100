//! Dry runs: decisions that record nothing.

use crate::domain::{
    customer::aggregate::Customer,
    decision::{
        decide::{DecisionInput, decide},
        payment::{Payment, SentIdentity, check_identifiable, check_may_register},
    },
    request::refusal::Refusal,
    rules::configuration::Rules,
    transaction::opening::CustomerResolution,
    usage::{series::UsageSeries, series_set::UsageSeriesSet},
    vocabulary::{attributes::Attribute, time::Millis},
};
use crate::ledger::{
    index::identity_index::IdentityMatch,
    payments::answer::{DryRun, PaymentAnswer},
    state::{ledger::Ledger, merge_group::MemberUsage},
};

/// The time of a dry run.
#[derive(Debug, Clone, Copy)]
pub struct DryRunTime {
    /// The current time.
    pub now: Millis,
    /// Another time as of which the decision is made.
    pub as_of: Option<Millis>,
}

impl Ledger {
    /// The answer of a reserve now or as of another time, without recording anything.
    ///
    /// # Errors
    /// Those of a reserve.
    pub fn check<'a>(
        &self,
        rules: &Rules,
        payment: &'a Payment<'_>,
        now: Millis,
        as_of: Option<Millis>,
    ) -> Result<PaymentAnswer<'a>, Refusal> {
        self.dry_run(rules, payment, DryRunTime { now, as_of }, |dry_run| PaymentAnswer::of_dry_run(payment, dry_run))
    }

    /// Decides without recording, and calls `show` with the decision.
    ///
    /// # Errors
    /// Those of a reserve.
    pub fn dry_run<T>(
        &self,
        rules: &Rules,
        payment: &Payment<'_>,
        time: DryRunTime,
        show: impl FnOnce(DryRun<'_>) -> T,
    ) -> Result<T, Refusal> {
        let DryRunTime { now, as_of } = time;
        let is_bypassed = match self.identities.find(payment, None, || {}) {
            IdentityMatch::Customer(number, resolution) => {
                let mut locked = self.lock_merge_group(number);
                let members = locked.members().filter(|members| members.head.merchant == payment.merchant.id);
                if let Some(mut merge_group) = members {
                    let now = self.settle_group(&mut merge_group, now);
                    let question = self.question(rules, payment, now, as_of)?;
                    let customer: &Customer = merge_group.head;
                    let usage_at = |instant| merge_group.members().map(move |member| member.usage_series_at(instant));
                    let past_usage: Vec<Vec<UsageSeries>> = as_of.into_iter().flat_map(usage_at).collect();
                    let usage: MemberUsage<'_> = match as_of {
                        Some(_) => past_usage.iter().map(Vec::as_slice).collect(),
                        None => merge_group.members().map(|member| member.usage_series()).collect(),
                    };
                    let decision = decide(&question, Some(customer), UsageSeriesSet::new(&[], &usage));
                    return Ok(show(DryRun { customer: Some(customer), decision, resolution, now: question.now }));
                }
                matches!(payment.identity, SentIdentity::CustomerId(_))
            }
            IdentityMatch::Bypassed => true,
            IdentityMatch::NoCustomer => false,
        };
        if is_bypassed {
            check_may_register(payment)?;
            let question = self.question(rules, payment, now, as_of)?;
            let decision = decide(&question, None, UsageSeriesSet::default());
            let resolution = CustomerResolution::Bypassed;
            return Ok(show(DryRun { customer: None, decision, resolution, now: question.now }));
        }
        check_identifiable(payment)?;
        check_may_register(payment)?;
        let question = self.question(rules, payment, now, as_of)?;
        let newcomer = Customer::with_default_label(0, payment.merchant, now);
        let decision = decide(&question, Some(&newcomer), UsageSeriesSet::default());
        let (customer, resolution) = (Some(&newcomer), CustomerResolution::Created);
        Ok(show(DryRun { customer, decision, resolution, now: question.now }))
    }

    fn question<'a>(
        &self,
        rules: &'a Rules,
        payment: &'a Payment<'a>,
        now: Millis,
        as_of: Option<Millis>,
    ) -> Result<DecisionInput<'a>, Refusal> {
        let at = match as_of {
            Some(instant) => instant,
            None => self.limits.skew.place(payment.occurred_at, now, "occurred_at")?,
        };
        let instrument_blocked = self.names_blocked_instrument(payment);
        let counts_future = as_of.is_none();
        Ok(DecisionInput { rules, payment, now: as_of.unwrap_or(now), at, instrument_blocked, counts_future })
    }

    /// Whether an instrument of a payment is blocked at its merchant.
    pub(in crate::ledger) fn names_blocked_instrument(&self, payment: &Payment<'_>) -> bool {
        instruments(payment).any(|id| self.is_instrument_blocked(id, payment.merchant.id))
    }
}

/// The instruments of a payment: in its own field, and as an attribute.
pub(in crate::ledger) fn instruments<'a>(payment: &'a Payment<'_>) -> impl Iterator<Item = &'a str> {
    payment.instrument.as_deref().into_iter().chain(payment.attributes.value(Attribute::PaymentInstrument))
}
