//! Conversion between currencies, exact to the last digit.
//!
//! A sum over currencies is a sum of fractions. A decision needs one integer of it, the sum rounded up to the minor
//! unit: with whole limits and amounts, `used + amount <= limit` holds exactly where
//! `ceil(used) + amount <= limit` does. Integer bounds give that integer nearly always; where the bounds straddle two
//! of them, big integers decide.

use crate::domain::{
    rules::rates::{MissingRate, OwnRate, Rates, own_rate},
    vocabulary::{
        money::{Currencies, Currency, power_of_ten},
        time::Millis,
    },
};
use num_bigint::BigUint;

/// The rates for lookups: a customer's own rate of a pair precedes the common one.
#[derive(Debug, Clone, Copy)]
pub struct RateTable<'a> {
    /// The table in force.
    pub common: &'a Rates,
    /// The customer's own.
    pub own: &'a [OwnRate],
    /// Fraction digits.
    pub currencies: &'a Currencies,
}

impl RateTable<'_> {
    /// A total in the minor units of another currency.
    fn fraction(&self, total: u128, from: Currency, to: Currency, now: Millis) -> Option<Fraction> {
        let (units_from, units_to) = (u32::from(self.currencies.units(from)), u32::from(self.currencies.units(to)));
        if let Some(own) = own_rate(self.own, from, to, now) {
            let (rate, scale, units) = (own.rate.mantissa, u32::from(own.rate.scale), u128::from(own.units));
            // `units` of its `from` are `rate` of its `to`; the inverse for the other direction.
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
/// The first pair without a rate.
pub fn sum_rounded_up(
    totals: impl IntoIterator<Item = (Currency, u128)>,
    to: Currency,
    table: &RateTable<'_>,
    now: Millis,
) -> Result<u128, MissingRate> {
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
        foreign.push(table.fraction(total, from, to, now).ok_or(MissingRate { from, to })?);
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
    // The fractional part of the sum is in [fine, fine + inexact] / FINE, strictly inside if inexact > 0.
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
    use crate::domain::vocabulary::money::Decimal;
    use proptest::prelude::*;

    fn currency(code: &str) -> Currency {
        Currency::parse(code).unwrap()
    }

    fn table(rates: &[(&str, &str)]) -> Rates {
        let rates = rates.iter().map(|(code, rate)| (currency(code), Decimal::parse(rate).unwrap())).collect();
        Rates { base: Some(currency("EUR")), rates, ..Rates::default() }
    }

    fn sum(totals: &[(&str, u128)], to: &str, rates: &Rates) -> Result<u128, MissingRate> {
        let totals = totals.iter().map(|&(code, total)| (currency(code), total));
        let table = RateTable { common: rates, own: &[], currencies: &Currencies::default() };
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
    fn minor_units_and_the_conversion_over_the_base_are_independent() {
        let rates = table(&[("USD", "1.0872"), ("JPY", "163.21"), ("BHD", "0.4099")]);
        assert_eq!(sum(&[("JPY", 16321)], "EUR", &rates), Ok(10_000));
        assert_eq!(sum(&[("EUR", 10_000)], "BHD", &rates), Ok(40_990));
        assert_eq!(sum(&[("USD", 10_872)], "JPY", &rates), Ok(16_321));
        assert_eq!(sum(&[("EUR", 1)], "JPY", &rates), Ok(2), "1.6321 yen, rounded up");
    }

    #[test]
    fn a_missing_or_stale_rate_is_named_and_a_total_of_zero_needs_none() {
        let mut rates = table(&[("USD", "1.1")]);
        let pair = MissingRate { from: currency("BHD"), to: currency("EUR") };
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
