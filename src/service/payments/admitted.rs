//! Operations whose fields are parsed: what is left is to read the clock, to decide, and to write the answer.

use crate::{
    clock::{Clock, Stamp},
    domain::{
        decision::payment::{Payment, PaymentRequest},
        transaction::transition::{Operation, ProcessorOutcome},
        vocabulary::time::Millis,
    },
    ledger::{ExpectedContent, PaymentKeys},
    service::error::ServiceError,
};
use std::borrow::Cow;

/// An operation that the rules can judge.
pub(super) enum AdmittedOperation<'a> {
    /// A reserve, or a `payment` with its outcome.
    Payment(AdmittedPayment<'a>),
    /// A check.
    Check { payment: Payment<'a>, as_of: Option<Millis> },
    /// An operation on a transaction.
    Transition(AdmittedTransition<'a>),
}

/// A payment that is to be recorded.
pub(super) struct AdmittedPayment<'a> {
    pub(super) payment: Payment<'a>,
    pub(super) keys: PaymentKeys,
    /// Of a `payment`.
    pub(super) outcome: Option<ProcessorOutcome>,
}

/// An operation on a transaction.
pub(super) struct AdmittedTransition<'a> {
    pub(super) transaction_id: Cow<'a, str>,
    pub(super) operation: Operation,
    pub(super) occurred_at: Option<Millis>,
    pub(super) expected: ExpectedContent,
    /// The reserve that an approval contains, for a transaction that is unknown.
    pub(super) unreserved: Option<UnreservedRequest<'a>>,
}

/// The reserve that an approval contains. It is parsed only where the transaction is unknown.
pub(super) struct UnreservedRequest<'a> {
    pub(super) request: PaymentRequest<'a>,
    pub(super) has_amount: bool,
}

impl AdmittedOperation<'_> {
    /// The time of the operation. Reserves, payments and checks need the present time.
    ///
    /// # Errors
    /// The wall clock is not accepted, or no request has sent a time.
    pub(super) fn time(&self, clock: &Clock) -> Result<Stamp, ServiceError> {
        Ok(match self {
            Self::Payment(AdmittedPayment { payment, .. }) | Self::Check { payment, .. } => {
                Stamp { at: clock.now(payment.occurred_at)?, is_accepted: true }
            }
            Self::Transition(transition) => clock.stamp(transition.occurred_at)?,
        })
    }
}
