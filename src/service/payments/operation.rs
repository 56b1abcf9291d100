//! The operations of the hot path and the fields that each takes.

use crate::{
    domain::{rules::configuration::Rules, vocabulary::words::words},
    service::documents::payments::fields::{RESERVE_FIELDS, field_set},
};

words! {
    /// The operations of the hot path.
    PaymentOperation {
        /// Check and record.
        Reserve = "reserve",
        /// Check.
        Check = "check",
        /// Reserve, and apply an outcome that is known.
        Payment = "payment",
        /// Money moved.
        Approve = "approve",
        /// The processor refused.
        Decline = "decline",
        /// The hold or captured money is given back.
        Cancel = "cancel",
        /// Captured money is paid back.
        Refund = "refund",
        /// Captured money is paid back by force.
        Chargeback = "chargeback",
        /// The hold ends later.
        Extend = "extend",
        /// One gate was tried.
        Attempt = "attempt",
    }
}

/// What surrounds an operation.
#[derive(Clone, Copy)]
pub(super) struct OperationContext<'a> {
    pub(super) rules: &'a Rules,
    /// The merchant's id as it was sent.
    pub(super) merchant: &'a str,
    /// Whether the answer is a line of a stream, which has no headers.
    pub(super) is_in_stream: bool,
}

/// The fields that an operation takes, without those that name its transaction.
pub(crate) const fn fields_taken(operation: PaymentOperation) -> [&'static [&'static str]; 2] {
    const OCCURRED_AT: &[&str] = &["occurred_at"];
    match operation {
        PaymentOperation::Reserve => [RESERVE_FIELDS, &["amount"]],
        PaymentOperation::Payment => [RESERVE_FIELDS, &["amount", "outcome"]],
        PaymentOperation::Check => [RESERVE_FIELDS, &["amount", "as_of"]],
        PaymentOperation::Approve => [RESERVE_FIELDS, &["amount", "capture_id", "final", "gate"]],
        PaymentOperation::Decline => [OCCURRED_AT, &[]],
        PaymentOperation::Cancel => [OCCURRED_AT, &["amount", "cancel_id", "of"]],
        PaymentOperation::Refund => [OCCURRED_AT, &["amount", "refund_id"]],
        PaymentOperation::Chargeback => [OCCURRED_AT, &["amount", "chargeback_id"]],
        PaymentOperation::Extend => [OCCURRED_AT, &["until"]],
        PaymentOperation::Attempt => [OCCURRED_AT, &["attempt", "gate", "outcome"]],
    }
}

/// [`fields_taken`] as a set.
pub(crate) fn taken_set(operation: PaymentOperation) -> u32 {
    const fn set(operation: PaymentOperation) -> u32 {
        let [first, second] = fields_taken(operation);
        field_set(first) | field_set(second)
    }
    match operation {
        PaymentOperation::Reserve => const { set(PaymentOperation::Reserve) },
        PaymentOperation::Payment => const { set(PaymentOperation::Payment) },
        PaymentOperation::Check => const { set(PaymentOperation::Check) },
        PaymentOperation::Approve => const { set(PaymentOperation::Approve) },
        PaymentOperation::Decline => const { set(PaymentOperation::Decline) },
        PaymentOperation::Cancel => const { set(PaymentOperation::Cancel) },
        PaymentOperation::Refund => const { set(PaymentOperation::Refund) },
        PaymentOperation::Chargeback => const { set(PaymentOperation::Chargeback) },
        PaymentOperation::Extend => const { set(PaymentOperation::Extend) },
        PaymentOperation::Attempt => const { set(PaymentOperation::Attempt) },
    }
}
