//! Operations on transactions: approve, capture, cancel, refund and the others.

use crate::domain::{
    customer::aggregate::Customer,
    decision::payment::Payment,
    events::customer_event::CustomerEvent,
    request::refusal::Refusal,
    rules::configuration::Rules,
    transaction::{
        fact::Fact,
        opening::OpeningKind,
        state::Transaction,
        transition::{Operation, TransitionEffect, evaluate_operation},
    },
    vocabulary::{direction::Direction, money::Currency, time::Millis},
};
use crate::ledger::{
    payments::{
        answer::{RecordedState, TransitionAnswer},
        new_transaction::InitialOperation,
        transaction_rules::{circumstances, headroom_of},
    },
    state::ledger::Ledger,
};

/// A request for an operation on a transaction.
#[derive(Debug, Clone, Copy)]
pub struct TransitionRequest<'a> {
    /// The id of the merchant as sent. It need not be a merchant of the current rules.
    pub merchant: &'a str,
    /// The transaction.
    pub transaction_id: &'a str,
    /// The operation.
    pub operation: &'a Operation,
    /// When it occurred, where the caller states it.
    pub occurred_at: Option<Millis>,
    /// What must agree with the transaction.
    pub expected: ExpectedContent,
    /// Whether it is a line of a stream. The times of all its lines must be within the skew, also those of approvals.
    pub in_stream: bool,
}

impl TransitionRequest<'_> {
    /// The request without the caller's time, while the system clock is not accepted.
    #[must_use]
    pub fn stamped(self, is_clock_accepted: bool) -> Self {
        match is_clock_accepted {
            true => self,
            false => Self { occurred_at: None, in_stream: false, ..self },
        }
    }
}

/// What a caller expects of the transaction. `None`: anything.
#[derive(Debug, Clone, Copy, Default)]
pub struct ExpectedContent {
    /// The direction of the money.
    pub direction: Option<Direction>,
    /// The currency of the amount.
    pub currency: Option<Currency>,
}

/// The payment that an approval opens where its transaction is unknown: the reserve that would have come before.
pub type UnreservedPayment<'a, 'p> = &'a dyn Fn() -> Result<Payment<'p>, Refusal>;

impl Ledger {
    /// Applies an operation to a transaction. An approval of an unknown transaction opens the `unreserved` payment, where
    /// the caller gives one.
    ///
    /// # Errors
    /// A refusal changes nothing.
    pub fn transition(
        &self,
        rules: &Rules,
        request: &TransitionRequest<'_>,
        unreserved: Option<UnreservedPayment<'_, '_>>,
        now: Millis,
    ) -> Result<TransitionAnswer, Refusal> {
        let TransitionRequest { merchant, transaction_id, operation, occurred_at, expected, in_stream } = *request;
        let key = self.digest_key.transaction(merchant, transaction_id);
        let mut stripe = self.id_stripes.lock(key);
        let unknown = || Refusal::UnknownTransaction(transaction_id.to_owned());
        let Some(known) = self.find_transaction(&mut stripe, key, merchant, transaction_id)? else {
            let (Operation::Approve(_), Some(payment)) = (operation, unreserved) else {
                return Err(unknown());
            };
            let approval = InitialOperation::Approval { operation, in_stream };
            return self.approve_unreserved(rules, &payment()?, approval, &mut stripe, now);
        };
        let mut locked = self.lock_merge_group(known.slot.customer);
        let mut merge_group = locked.members().ok_or_else(unknown)?;
        let now = self.settle_group(&mut merge_group, now);
        let content = &known.transaction.opening.content;
        let differences = [
            ("direction", expected.direction.is_some_and(|direction| direction != content.direction)),
            ("currency", expected.currency.is_some_and(|currency| currency != content.currency)),
        ];
        let fields: Vec<_> = differences.into_iter().filter_map(|(field, differs)| differs.then_some(field)).collect();
        if !fields.is_empty() {
            return Err(Refusal::Conflict(fields));
        }
        let effect = evaluate_operation(&known.transaction, operation, circumstances(rules, &known.transaction, now))?;
        let (replay, depends_on_lsn) = match effect {
            TransitionEffect::Replay => (true, self.journal.last()),
            TransitionEffect::New(recorded_fact) => {
                // An approval is money that moved: it is recorded however late it arrives, at the time of its
                // transaction. Only the lines of a stream must be in order.
                if in_stream || !matches!(operation, Operation::Approve(_)) {
                    self.limits.skew.place(occurred_at, now, "occurred_at")?;
                }
                let instrument = match operation {
                    Operation::Approve(approval) => approval.instrument.as_deref(),
                    _ => None,
                };
                let head_events = match recorded_fact.fact {
                    Fact::Approved { .. } => self.capture_events(merge_group.head, &known.transaction, instrument, now),
                    _ => Vec::new(),
                };
                (false, self.record_facts(&mut merge_group, known, [recorded_fact], head_events).ok_or_else(unknown)?)
            }
        };
        let headroom = headroom_of(rules, &merge_group, &known.transaction, now);
        let state = RecordedState { outcome: known.outcome, headroom, now, depends_on_lsn };
        Ok(TransitionAnswer::of(&known.transaction, state, replay))
    }

    /// The events of a capture for the customer's instruments: the one that the capture names, otherwise the one of the
    /// payment. A captured payment used its instrument also where it was denied. An instrument that was removed after its
    /// payment was allowed is stored again only where the capture names it.
    pub(in crate::ledger) fn capture_events(
        &self,
        customer: &Customer,
        transaction: &Transaction,
        instrument: Option<&str>,
        now: Millis,
    ) -> Vec<CustomerEvent> {
        let opening = &transaction.opening;
        let is_first = transaction.totals.approved == 0;
        let is_stored_by = instrument.is_some() || (opening.opened == OpeningKind::Denied && is_first);
        let instrument = instrument.or(opening.instrument.as_deref()).filter(|_| opening.counts());
        let instrument = instrument.filter(|id| is_stored_by || customer.has_instrument(id));
        let mut events = self.instrument_held_events(customer, instrument.into_iter(), now);
        // Each transaction counts as one success, of the instrument of its first capture.
        events.extend(Self::instrument_used_events(customer, instrument.into_iter(), is_first, now));
        events
    }
}
