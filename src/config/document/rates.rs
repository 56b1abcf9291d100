//! Rate tables.

use crate::config::{
    document::written::{set, span},
    parse::{located::Located, raw_rates::RawRates},
};
use crate::domain::rules::rates::Rates;

/// A rate table, its currencies by code.
pub(crate) fn rates(rates: &Rates) -> RawRates {
    let mut sorted: Vec<_> = rates.rates.iter().collect();
    sorted.sort_by_key(|(currency, _)| currency.code());
    let rate =
        |(currency, rate): (&_, &_)| (Located::unplaced(*currency), Located::unplaced(ToString::to_string(rate)));
    RawRates {
        base: rates.base.and_then(set),
        as_of: rates.as_of.and_then(set),
        max_age: rates.max_age_ms.and_then(span),
        rates: sorted.into_iter().map(rate).collect(),
    }
}
