//! A transaction that is about to be opened.

use crate::domain::{
    customer::update::identifier_of,
    decision::payment::Payment,
    rules::configuration::Rules,
    transaction::{
        opening::{CustomerResolution, OpeningKind},
        transition::{Approval, CaptureAmount, Operation, ProcessorOutcome},
    },
    vocabulary::attributes::Attributes,
};
use crate::ledger::index::identity_index::IdentityMatch;
use std::borrow::Cow;

/// The operation that is applied in the same step that opens a transaction.
#[derive(Debug, Clone, Copy)]
pub(in crate::ledger) enum InitialOperation<'a> {
    /// None: the transaction waits for its outcome.
    None,
    /// The outcome of a payment, if the payment is allowed.
    Outcome(ProcessorOutcome),
    /// The approval of an unknown transaction.
    Approval {
        operation: &'a Operation,
        /// See [`crate::ledger::TransitionRequest::in_stream`].
        in_stream: bool,
    },
}

impl<'a> InitialOperation<'a> {
    /// The operation on a transaction that was opened in this way.
    pub(in crate::ledger) fn operation(self, opened: OpeningKind) -> Option<Cow<'a, Operation>> {
        match self {
            Self::None => None,
            Self::Outcome(outcome) => (opened == OpeningKind::Reserved).then(|| Cow::Owned(operation_of(outcome))),
            Self::Approval { operation, .. } => Some(Cow::Borrowed(operation)),
        }
    }

    /// Whether it is money that moved, which is recorded at any time.
    pub(in crate::ledger) fn is_accepted_at_any_time(self) -> bool {
        matches!(self, Self::Approval { in_stream: false, .. })
    }
}

/// The operation of a payment's outcome.
pub(in crate::ledger) fn operation_of(outcome: ProcessorOutcome) -> Operation {
    match outcome {
        ProcessorOutcome::Approved => Operation::Approve(Approval::of(CaptureAmount::Whole)),
        ProcessorOutcome::Declined => Operation::Decline,
    }
}

/// A payment whose transaction id is unknown.
#[derive(Clone, Copy)]
pub(in crate::ledger) struct NewTransaction<'a> {
    pub(in crate::ledger) rules: &'a Rules,
    pub(in crate::ledger) payment: &'a Payment<'a>,
    pub(in crate::ledger) operation: InitialOperation<'a>,
    pub(in crate::ledger) opened: OpeningKind,
    /// The digest of its id.
    pub(in crate::ledger) key: u64,
    /// The digest of the sent identifier, if any.
    pub(in crate::ledger) sent_identifier: Option<u128>,
    /// The customer that its identity leads to.
    pub(in crate::ledger) customer: IdentityMatch,
}

/// A new transaction whose customer is found or created.
#[derive(Clone, Copy)]
pub(in crate::ledger) struct ResolvedTransaction<'e, 'a> {
    pub(in crate::ledger) new: &'e NewTransaction<'a>,
    pub(in crate::ledger) resolution: CustomerResolution,
    /// The external id that the policy generated for a new customer.
    pub(in crate::ledger) external_id: Option<&'e str>,
}

/// The attributes of a payment that are unique among the merchant's customers.
pub(in crate::ledger) fn unique_attributes(payment: &Payment<'_>) -> Attributes {
    let policy = &payment.merchant.registration;
    let is_unique = |attribute| identifier_of(attribute).is_some_and(|identifier| policy.rule(identifier).unique);
    let mut unique = Attributes::default();
    let offered = payment.attributes.iter().filter(|(attribute, _)| is_unique(*attribute));
    offered.for_each(|(attribute, value)| unique.set(attribute, value));
    unique
}
