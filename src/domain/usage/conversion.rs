//! Conversion between currencies, exact to the last digit.
//!
//! A sum over currencies is a sum of fractions. What a decision needs of it is one integer, the sum rounded up to the
//! minor unit: with whole limits and amounts, `used + amount <= limit` holds exactly where
//! `ceil(used) + amount <= limit` does. Integer bounds give that integer nearly always; where the bounds straddle two
//! of them, big integers decide.

use crate::domain::{
    customer::own_limits::{OwnRate, own_rate},
    rules::overrides::Provenance,
    vocabulary::{
        money::{Currencies, Currency, Decimal, power_of_ten},
        names::Map,
        time::Millis,
    },
};
use num_bigint::BigUint;

/// A table of rates: 1 `base` is so many units of each currency.
#[derive(Debug, Clone, Default)]
pub struct Rates {
    /// The currency that the rates are quoted against.
    pub base: Option<Currency>,
    /// When the rates were true.
    pub as_of: Option<Millis>,
    /// From which age on they are not used, in milliseconds; `None`: never stale.
    pub max_age_ms: Option<i64>,
    /// Units of the currency for 1 base, more than zero.
    pub rates: Map<Currency, Decimal>,
    /// Names this table: a digest of what it says.
    pub version: String,
    /// Where it came from.
    pub known: Provenance,
}

/// A rate that is missing or too old.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unavailable {
    /// The currency of the usage.
    pub from: Currency,
    /// The currency of the limit.
    pub to: Currency,
}

impl Rates {
    fn rate(&self, currency: Currency, now: Millis) -> Option<Decimal> {
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

    /// Whether a table could ever convert between the two, whatever its age.
    #[must_use]
    pub fn knows(&self, from: Currency, to: Currency) -> bool {
        let known = |c| self.base == Some(c) || self.rates.contains_key(&c);
        from == to || (known(from) && known(to))
    }
}

/// Where rates are looked up: a customer's own of a pair before the common ones.
#[derive(Debug, Clone, Copy)]
pub struct Table<'a> {
    /// The table in force.
    pub common: &'a Rates,
    /// The customer's own.
    pub own: &'a [OwnRate],
    /// Fraction digits.
    pub currencies: &'a Currencies,
}

impl Table<'_> {
    /// A total in the minor units of another currency.
    fn fraction(&self, total: u128, from: Currency, to: Currency, now: Millis) -> Option<Fraction> {
        let (units_from, units_to) = (u32::from(self.currencies.units(from)), u32::from(self.currencies.units(to)));
        if let Some(own) = own_rate(self.own, from, to, now) {
            let (rate, scale, units) = (own.rate.mantissa, u32::from(own.rate.scale), u128::from(own.units));
            // `units` of its `from` are `rate` of its `to`; the other way round where that is what is asked.
            return Some(if own.from == from {
                Fraction { total, times: rate, times_ten: units_to, over: units, over_ten: scale + units_from }
            } else {
                Fraction { total, times: units, times_ten: scale + units_to, over: rate, over_ten: units_from }
            });
        }
        let (rate_from, rate_to) = (self.common.rate(from, now)?, self.common.rate(to, now)?);
        // total / 10^units_from / rate_from * rate_to * 10^units_to, as one fraction.
        Some(Fraction {
            total,
            times: rate_to.mantissa,
            times_ten: u32::from(rate_from.scale) + units_to,
            over: rate_from.mantissa,
            over_ten: u32::from(rate_to.scale) + units_from,
        })
    }
}

/// The sum of these totals (currency, minor units) in the minor units of `to`, rounded up.
///
/// Currencies may repeat; totals of zero need no rate.
///
/// # Errors
/// The first pair for which no rate is at hand.
pub fn sum_rounded_up(
    totals: impl IntoIterator<Item = (Currency, u128)>,
    to: Currency,
    table: &Table<'_>,
    now: Millis,
) -> Result<u128, Unavailable> {
    let mut whole = 0_u128;
    let mut foreign: smallvec::SmallVec<[Fraction; 4]> = smallvec::SmallVec::new();
    for (from, total) in totals {
        if total == 0 {
            continue;
        }
        if from == to {
            whole = whole.saturating_add(total);
            continue;
        }
        foreign.push(table.fraction(total, from, to, now).ok_or(Unavailable { from, to })?);
    }
    if foreign.is_empty() {
        return Ok(whole);
    }
    Ok(bounded(whole, &foreign).unwrap_or_else(|| exact(whole, &foreign)))
}

struct Fraction {
    total: u128,
    times: u128,
    times_ten: u32,
    over: u128,
    over_ten: u32,
}

/// The scale of the fractional bounds.
const FINE: u128 = 1 << 32;

/// The sum rounded up, where integers of 128 bits decide it.
fn bounded(whole: u128, fractions: &[Fraction]) -> Option<u128> {
    let (mut sum, mut fine, mut inexact) = (whole, 0_u128, 0_u128);
    for f in fractions {
        let common = f.times_ten.min(f.over_ten);
        let numerator = f.total.checked_mul(f.times)?.checked_mul(power_of_ten(f.times_ten - common)?)?;
        let denominator = f.over.checked_mul(power_of_ten(f.over_ten - common)?)?;
        let rest = (numerator % denominator).checked_mul(FINE)?;
        sum = sum.checked_add(numerator / denominator)?;
        fine += rest / denominator;
        inexact += u128::from(rest % denominator != 0);
    }
    // The true sum lies in [fine, fine + inexact] / FINE behind the whole part, strictly inside where inexact > 0.
    let low = if inexact == 0 { fine.div_ceil(FINE) } else { fine / FINE + 1 };
    let high = (fine + inexact).div_ceil(FINE);
    (low == high).then(|| sum.checked_add(high))?
}

/// The sum rounded up, over one common denominator.
fn exact(whole: u128, fractions: &[Fraction]) -> u128 {
    let ten = |power| BigUint::from(10_u8).pow(power);
    let denominators: Vec<BigUint> = fractions.iter().map(|f| BigUint::from(f.over) * ten(f.over_ten)).collect();
    let common: BigUint = denominators.iter().product();
    let mut numerator = BigUint::from(whole) * &common;
    for (f, denominator) in fractions.iter().zip(&denominators) {
        numerator += BigUint::from(f.total) * f.times * ten(f.times_ten) * (&common / denominator);
    }
    let rounded_up = (numerator + &common - 1_u8) / common;
    u128::try_from(rounded_up).unwrap_or(u128::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn currency(code: &str) -> Currency {
        Currency::parse(code).unwrap()
    }

    fn table(rates: &[(&str, &str)]) -> Rates {
        let rates = rates.iter().map(|(code, rate)| (currency(code), Decimal::parse(rate).unwrap())).collect();
        Rates { base: Some(currency("EUR")), rates, ..Rates::default() }
    }

    fn sum(totals: &[(&str, u128)], to: &str, rates: &Rates) -> Result<u128, Unavailable> {
        let totals = totals.iter().map(|&(code, total)| (currency(code), total));
        let table = Table { common: rates, own: &[], currencies: &Currencies::default() };
        sum_rounded_up(totals, currency(to), &table, Millis(0))
    }

    #[test]
    fn thirds_add_up_to_the_limit_exactly() {
        // 1.00 in each of three currencies at rate 1.5 is 2.00; a 28-digit decimal makes 2.00...01 of it.
        let rates = table(&[("USD", "1.5"), ("CHF", "1.5"), ("CAD", "1.5")]);
        assert_eq!(sum(&[("USD", 100), ("CHF", 100), ("CAD", 100)], "EUR", &rates), Ok(200));
        assert_eq!(sum(&[("USD", 100), ("CHF", 100), ("CAD", 101)], "EUR", &rates), Ok(201));
    }

    #[test]
    fn units_and_the_way_through_the_base_are_kept_apart() {
        let rates = table(&[("USD", "1.0872"), ("JPY", "163.21"), ("BHD", "0.4099")]);
        assert_eq!(sum(&[("JPY", 16321)], "EUR", &rates), Ok(10_000));
        assert_eq!(sum(&[("EUR", 10_000)], "BHD", &rates), Ok(40_990));
        assert_eq!(sum(&[("USD", 10_872)], "JPY", &rates), Ok(16_321));
        assert_eq!(sum(&[("EUR", 1)], "JPY", &rates), Ok(2), "1.6321 yen, rounded up");
    }

    #[test]
    fn a_missing_or_stale_rate_is_named_and_a_total_of_zero_needs_none() {
        let mut rates = table(&[("USD", "1.1")]);
        let pair = Unavailable { from: currency("BHD"), to: currency("EUR") };
        assert_eq!(sum(&[("USD", 1), ("BHD", 1)], "EUR", &rates), Err(pair));
        assert_eq!(sum(&[("USD", 110), ("BHD", 0)], "EUR", &rates), Ok(100));
        rates.max_age_ms = Some(1000);
        rates.as_of = Some(Millis(-1000));
        assert_eq!(sum(&[("USD", 110)], "EUR", &rates), Ok(100));
        rates.as_of = Some(Millis(-1001));
        assert!(sum(&[("USD", 110)], "EUR", &rates).is_err());
        assert_eq!(sum(&[("EUR", 110)], "EUR", &rates), Ok(110));
        rates.as_of = Some(Millis(5000));
        assert_eq!(sum(&[("USD", 110)], "EUR", &rates), Ok(100), "an age below zero is fresh");
    }

    proptest! {
        #[test]
        fn the_bounds_agree_with_big_integers(
            whole in 0_u128..1_000_000,
            parts in proptest::collection::vec((1_u128..10_u128.pow(20), 1_u128..10_u128.pow(12), 0_u32..14, 1_u128..10_u128.pow(12), 0_u32..14), 1..5),
        ) {
            let fractions: Vec<Fraction> = parts.into_iter()
                .map(|(total, times, times_ten, over, over_ten)| Fraction { total, times, times_ten, over, over_ten })
                .collect();
            let want = exact(whole, &fractions);
            prop_assert_eq!(bounded(whole, &fractions).unwrap_or(want), want);
        }
    }
}
