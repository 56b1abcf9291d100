//! Internal customer numbers and their text form, the `customer_id`.

use crate::domain::customer::aggregate::core::CUSTOMER_NUMBER_MAX;

/// The `customer_id` of the first customer. Lower numbers identify the holders of transactions without a customer.
pub const FIRST_CUSTOMER: u64 = 1_000_001;
/// The last number: numbers are stored in 32 bits.
pub const LAST_CUSTOMER: u64 = CUSTOMER_NUMBER_MAX;

/// A number in the 32 bits that the indexes store. No customer has a number above [`LAST_CUSTOMER`].
pub(in crate::ledger) fn to_u32(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// The number of a `customer_id`: its canonical decimal text, with or without white space at its ends.
pub(crate) fn number_of(customer_id: &str) -> Option<u64> {
    let customer_id = customer_id.trim();
    let number: u64 = customer_id.parse().ok()?;
    (number >= FIRST_CUSTOMER && number.to_string() == customer_id).then_some(number)
}
