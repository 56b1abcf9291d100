//! The codes of a denial: permanently stable, never reused, in the order in which they are reported.

/// One check of a decision that can fail.
///
/// The order of the variants is the order of precedence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DenialCode {
    /// The customer's status or labels forbid transactions.
    CustomerBlocked,
    /// The payment instrument is blocked.
    PaymentInstrumentBlocked,
    /// The method is not offered at the endpoint, or hidden.
    PaymentMethodNotAvailable,
    /// Below the minimum of the method.
    AmountBelowMinimum,
    /// Above the maximum of the method.
    AmountAboveMaximum,
    /// A daily filter's amount.
    DailyAmountLimitExceeded,
    /// A daily filter's quantity.
    DailyQuantityLimitExceeded,
    /// A weekly filter's amount.
    WeeklyAmountLimitExceeded,
    /// A weekly filter's quantity.
    WeeklyQuantityLimitExceeded,
    /// A monthly filter's amount.
    MonthlyAmountLimitExceeded,
    /// A monthly filter's quantity.
    MonthlyQuantityLimitExceeded,
    /// The amount of a filter of any other window.
    AmountLimitExceeded,
    /// The quantity of a filter of any other window.
    QuantityLimitExceeded,
    /// A rate that a filter needs is missing or too old.
    RateUnavailable,
    /// No gate takes the payment.
    NoGateAvailable,
}

/// Every code with its number and its reason, in the order of precedence.
pub const DENIAL_CODES: [(DenialCode, u16, &str); 15] = [
    (DenialCode::CustomerBlocked, 19100, "customer_blocked"),
    (DenialCode::PaymentInstrumentBlocked, 19106, "payment_instrument_blocked"),
    (DenialCode::PaymentMethodNotAvailable, 19101, "payment_method_not_available"),
    (DenialCode::AmountBelowMinimum, 19102, "amount_below_minimum"),
    (DenialCode::AmountAboveMaximum, 19103, "amount_above_maximum"),
    (DenialCode::DailyAmountLimitExceeded, 19000, "daily_amount_limit_exceeded"),
    (DenialCode::DailyQuantityLimitExceeded, 19001, "daily_quantity_limit_exceeded"),
    (DenialCode::WeeklyAmountLimitExceeded, 19002, "weekly_amount_limit_exceeded"),
    (DenialCode::WeeklyQuantityLimitExceeded, 19003, "weekly_quantity_limit_exceeded"),
    (DenialCode::MonthlyAmountLimitExceeded, 19004, "monthly_amount_limit_exceeded"),
    (DenialCode::MonthlyQuantityLimitExceeded, 19005, "monthly_quantity_limit_exceeded"),
    (DenialCode::AmountLimitExceeded, 19006, "amount_limit_exceeded"),
    (DenialCode::QuantityLimitExceeded, 19007, "quantity_limit_exceeded"),
    (DenialCode::RateUnavailable, 19104, "rate_unavailable"),
    (DenialCode::NoGateAvailable, 19105, "no_gate_available"),
];

impl DenialCode {
    /// The number on the wire.
    #[must_use]
    pub fn number(self) -> u16 {
        DENIAL_CODES[self as usize].1
    }

    /// Whether it is about a number of transactions; a filter's other codes are about an amount.
    #[must_use]
    pub fn is_quantity(self) -> bool {
        matches!(
            self,
            Self::DailyQuantityLimitExceeded
                | Self::WeeklyQuantityLimitExceeded
                | Self::MonthlyQuantityLimitExceeded
                | Self::QuantityLimitExceeded
        )
    }

    /// Whether a decision explains it by figures or causes, which a record of a denial keeps since format 4.
    #[must_use]
    pub fn has_figures(self) -> bool {
        !matches!(self, Self::PaymentInstrumentBlocked | Self::PaymentMethodNotAvailable | Self::NoGateAvailable)
    }

    /// The reason on the wire.
    #[must_use]
    pub fn reason(self) -> &'static str {
        DENIAL_CODES[self as usize].2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_the_order_of_the_codes() {
        for (place, (code, number, reason)) in DENIAL_CODES.into_iter().enumerate() {
            assert_eq!((code as usize, code.number(), code.reason()), (place, number, reason));
        }
        let distinct: std::collections::BTreeSet<u16> = DENIAL_CODES.iter().map(|row| row.1).collect();
        assert_eq!(distinct.len(), DENIAL_CODES.len());
    }
}
