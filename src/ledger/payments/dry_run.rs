//! Questions that record nothing.

use crate::domain::{
    customer::aggregate::Customer,
    decision::{
        decide::{Decision, Question, can_be_made, decide},
        payment::{Payment, SentIdentity},
        refusal::Refusal,
    },
    rules::configuration::{Attribute, Rules},
    transaction::record::Resolution,
    usage::{limits::UsageSeriesSet, series::UsageSeries},
    vocabulary::time::Millis,
};
use crate::ledger::{
    Ledger,
    payments::answer::Answer,
    state::{index::Found, merge_group::Others},
};

impl Ledger {
    /// Answers what a reserve would answer, at `now` or as of another instant, and records nothing.
    ///
    /// # Errors
    /// As a reserve.
    pub fn check<'a>(
        &self,
        rules: &Rules,
        payment: &'a Payment<'_>,
        now: Millis,
        as_of: Option<Millis>,
    ) -> Result<Answer<'a>, Refusal> {
        self.ask(rules, payment, now, as_of, |customer, decision, resolution, now| {
            Answer::checked(payment, decision, customer, resolution, now)
        })
    }

    /// Decides without recording and hands the decision, with the customer whom it is about, to `show`.
    ///
    /// # Errors
    /// As a reserve.
    pub fn ask<T>(
        &self,
        rules: &Rules,
        payment: &Payment<'_>,
        now: Millis,
        as_of: Option<Millis>,
        show: impl FnOnce(Option<&Customer>, Decision<'_>, Resolution, Millis) -> T,
    ) -> Result<T, Refusal> {
        match self.identities.find(payment, None, || {}) {
            Found::Customer(number, resolution) => {
                let mut locked = self.lock_household(number);
                let found = locked.merge_group().filter(|found| found.head.merchant == payment.merchant.id);
                if let Some(mut merge_group) = found {
                    let now = self.settle_all(&mut merge_group, now);
                    let question = self.question(rules, payment, now, as_of)?;
                    let customer: &Customer = merge_group.head;
                    let at = |instant| merge_group.members().map(move |member| member.books_at(instant));
                    let then: Vec<Vec<UsageSeries>> = as_of.into_iter().flat_map(at).collect();
                    let books: Others<'_> = match as_of {
                        Some(_) => then.iter().map(Vec::as_slice).collect(),
                        None => merge_group.members().map(|member| member.books()).collect(),
                    };
                    let decision = decide(&question, Some(customer), UsageSeriesSet::new(&[], &books));
                    return Ok(show(Some(customer), decision, resolution, question.now));
                }
                if matches!(payment.identity, SentIdentity::CustomerId(_)) {
                    let question = self.question(rules, payment, now, as_of)?;
                    return Ok(show(
                        None,
                        decide(&question, None, UsageSeriesSet::default()),
                        Resolution::Bypassed,
                        question.now,
                    ));
                }
            }
            Found::Stranger => {
                let question = self.question(rules, payment, now, as_of)?;
                return Ok(show(
                    None,
                    decide(&question, None, UsageSeriesSet::default()),
                    Resolution::Bypassed,
                    question.now,
                ));
            }
            Found::Nobody => {}
        }
        can_be_made(payment)?;
        let question = self.question(rules, payment, now, as_of)?;
        let newcomer = Customer::newcomer(0, payment.merchant, now);
        Ok(show(
            Some(&newcomer),
            decide(&question, Some(&newcomer), UsageSeriesSet::default()),
            Resolution::Created,
            question.now,
        ))
    }

    fn question<'a>(
        &self,
        rules: &'a Rules,
        payment: &'a Payment<'a>,
        now: Millis,
        as_of: Option<Millis>,
    ) -> Result<Question<'a>, Refusal> {
        let at = match as_of {
            Some(instant) => instant,
            None => self.bounds.skew.place(payment.occurred_at, now, "occurred_at")?,
        };
        let instrument_blocked = self.is_blocked(payment);
        let counts_future = as_of.is_none();
        Ok(Question { rules, payment, now: as_of.unwrap_or(now), at, instrument_blocked, counts_future })
    }

    pub(in crate::ledger) fn is_blocked(&self, payment: &Payment<'_>) -> bool {
        instruments(payment).any(|id| self.blocks(id, payment.merchant.id))
    }
}

/// The instruments that a payment names, in its own field or as an attribute.
pub(in crate::ledger) fn instruments<'a>(payment: &'a Payment<'_>) -> impl Iterator<Item = &'a str> {
    payment.instrument.as_deref().into_iter().chain(payment.attributes.value(Attribute::PaymentInstrument))
}
