//! The direction of a payment.

use crate::domain::vocabulary::words::words;

words! {
    /// Which way the money goes.
    Direction {
        /// From the customer to the merchant.
        Deposit = "deposit",
        /// From the merchant to the customer.
        Withdrawal = "withdrawal",
    }
}
