//! Whether a gate takes a payment, and why not.

use crate::domain::{
    rules::gates::Gate,
    vocabulary::{
        direction::Direction,
        money::{Currency, Decimal},
        names::Name,
        words::words,
    },
};
use std::cmp::Ordering;

words! {
    /// Why a gate was skipped.
    SkipReason {
        /// It is disabled.
        Disabled = "disabled",
        /// It does not serve the direction.
        Direction = "direction_not_served",
        /// It does not serve the currency.
        Currency = "currency_not_served",
        /// It does not serve the method.
        Method = "method_not_served",
        /// The amount is below its minimum.
        BelowMinimum = "amount_below_minimum",
        /// The amount is above its maximum.
        AboveMaximum = "amount_above_maximum",
    }
}

/// The payment data that routing needs.
#[derive(Debug, Clone, Copy)]
pub struct RoutingRequest<'a> {
    /// Which way the money goes.
    pub direction: Direction,
    /// Of the amount.
    pub currency: Currency,
    /// The fraction digits of the currency.
    pub minor_units: u8,
    /// Minor units; `None`: not known yet, and no bound is checked.
    pub amount: Option<u64>,
    /// `None`: the gates' methods are not checked.
    pub method: Option<Name>,
    /// The seed of the weighted order, so that a retry gets the same order.
    pub transaction_id: &'a str,
    /// Whether skipped gates are reported.
    pub explain: bool,
}

#[inline]
pub(super) fn skip_reason(gate: &Gate, payment: &RoutingRequest<'_>) -> Option<SkipReason> {
    let is_out = |bound: Option<Decimal>, out: Ordering| {
        bound.zip(payment.amount).is_some_and(|(bound, amount)| bound.cmp_amount(amount, payment.minor_units) == out)
    };
    if !gate.enabled {
        Some(SkipReason::Disabled)
    } else if gate.directions.as_ref().is_some_and(|served| !served.contains(&payment.direction)) {
        Some(SkipReason::Direction)
    } else if gate.currencies.as_ref().is_some_and(|served| !served.contains(&payment.currency)) {
        Some(SkipReason::Currency)
    } else if payment.method.is_some_and(|method| gate.methods.as_ref().is_some_and(|m| !m.contains(&method))) {
        Some(SkipReason::Method)
    } else if is_out(gate.min_amount, Ordering::Less) {
        Some(SkipReason::BelowMinimum)
    } else if is_out(gate.max_amount, Ordering::Greater) {
        Some(SkipReason::AboveMaximum)
    } else {
        None
    }
}
