//! A customer's own exchange rates, and the common one.

use serde_json::{Value, json};

/// So many units of one currency are so many of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CustomerRate {
    pub(crate) from: &'static str,
    pub(crate) to: &'static str,
    pub(crate) rate: Rate,
    pub(crate) units: u64,
    /// The start of validity; either long ago or long after any run.
    pub(crate) valid_from: &'static str,
}

/// A rate as it is written, and as a fraction.
pub(crate) type Rate = (&'static str, u64, u64);

/// One euro in dollars, for customers without an individual rate.
pub(crate) const COMMON: Rate = ("1.25", 5, 4);
/// Times that own rates begin at; the last one is still to come.
pub(crate) const BEGINNINGS: [&str; 4] =
    ["2020-01-01T00:00:00.000Z", "2024-06-01T00:00:00.000Z", "2026-01-31T12:00:00.000Z", "2035-01-01T00:00:00.000Z"];

/// The newest of these that has begun. There are two currencies, so that each is of the one pair.
pub(crate) fn newest(rates: &[CustomerRate]) -> Option<&CustomerRate> {
    let have_begun = rates.iter().filter(|rate| rate.valid_from != BEGINNINGS[3]);
    have_begun.max_by_key(|rate| rate.valid_from)
}

/// By which fraction an amount in the other currency becomes one in this.
pub(crate) fn into(currency: &str, rates: &[CustomerRate]) -> (u64, u64) {
    let common = CustomerRate { from: "EUR", to: "USD", rate: COMMON, units: 1, valid_from: BEGINNINGS[0] };
    let CustomerRate { to, rate: (_, over, under), units, .. } = *newest(rates).unwrap_or(&common);
    if to == currency { (over, under * units) } else { (under * units, over) }
}

/// As an answer shows them.
pub(crate) fn shown<'a>(rates: impl IntoIterator<Item = &'a CustomerRate>) -> Value {
    let one = |own: &CustomerRate| json!([own.from, own.to, own.rate.0, own.units, own.valid_from]);
    rates.into_iter().map(one).collect()
}
