//! Exchange rates: the common table, and the rates of single customers.

use crate::domain::{
    rules::provenance::Provenance,
    vocabulary::{
        money::{Currency, Decimal},
        names::Map,
        time::Millis,
    },
};

/// A table of rates: units of each currency for 1 `base`.
#[derive(Debug, Clone, Default)]
pub struct Rates {
    /// The currency that the rates are quoted against.
    pub base: Option<Currency>,
    /// The time of the quotes.
    pub as_of: Option<Millis>,
    /// The age beyond which they are not used, in milliseconds; `None`: they never become stale.
    pub max_age_ms: Option<i64>,
    /// Units of the currency for 1 base, more than zero.
    pub rates: Map<Currency, Decimal>,
    /// The version of the table: a digest of its content.
    pub version: String,
    /// Its origin and times.
    pub known: Provenance,
}

/// A rate that is missing or too old.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MissingRate {
    /// The currency of the usage.
    pub from: Currency,
    /// The currency of the limit.
    pub to: Currency,
}

impl Rates {
    pub(in crate::domain) fn rate(&self, currency: Currency, now: Millis) -> Option<Decimal> {
        let stale = match (self.max_age_ms, self.as_of) {
            (Some(max_age_ms), Some(as_of)) => now.since(as_of) > max_age_ms,
            // A table with an age limit and no age cannot be trusted.
            (Some(_), None) => true,
            (None, _) => false,
        };
        if stale {
            return None;
        }
        if self.base == Some(currency) { Some(Decimal::ONE) } else { self.rates.get(&currency).copied() }
    }

    /// Whether both are the same table, wherever they come from.
    #[must_use]
    pub fn is_table_of(&self, other: &Self) -> bool {
        (self.base, self.as_of, self.max_age_ms) == (other.base, other.as_of, other.max_age_ms)
            && self.rates == other.rates
    }

    /// Whether the table can convert between two currencies, if it is not stale.
    #[must_use]
    pub fn knows(&self, from: Currency, to: Currency) -> bool {
        let known = |c| self.base == Some(c) || self.rates.contains_key(&c);
        from == to || (known(from) && known(to))
    }
}

/// The maximum number of own rates of one customer.
pub const OWN_RATES_MAX: usize = 100;

/// An exchange rate of one customer: `units` of `from` are `rate` of `to`. It is used in both directions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OwnRate {
    /// One currency.
    pub from: Currency,
    /// The other.
    pub to: Currency,
    /// Units of `to`, more than zero.
    pub rate: Decimal,
    /// Units of `from`, more than zero.
    pub units: u32,
    /// The start of its validity; the latest rate that has started applies.
    pub valid_from: Millis,
}

/// The newest rate between two currencies that is valid at a time.
#[must_use]
pub fn own_rate(rates: &[OwnRate], one: Currency, other: Currency, now: Millis) -> Option<&OwnRate> {
    let of_pair = rates.iter().filter(|rate| {
        rate.valid_from <= now && ((rate.from, rate.to) == (one, other) || (rate.from, rate.to) == (other, one))
    });
    of_pair.max_by_key(|rate| rate.valid_from)
}
