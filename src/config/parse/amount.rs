//! Amounts and currencies: they are read exactly, or refused.

use crate::config::{parse::located::Located, report::file_report::FileReport};
use crate::domain::vocabulary::money::{AmountError, Currencies, Currency, Decimal, parse_minor, power_of_ten};
use std::cmp::Ordering;

/// The currency, if ISO 4217 or the configuration defines it; else reports it.
pub(in crate::config) fn known(
    currency: &Located<Currency>,
    currencies: &Currencies,
    report: &FileReport,
) -> Option<Currency> {
    if currencies.minor_units(currency.value).is_some() {
        return Some(currency.value);
    }
    let message = format!("unknown currency `{}`", currency.value);
    let help = format!(
        "write a code of ISO 4217, or add `{} = 2` (its minor units) to [currencies] in levelgate.toml",
        currency.value
    );
    report.error(&currency.span, message, help);
    None
}

/// Reads an amount of a currency as minor units; zero is allowed.
pub(in crate::config) fn money(
    at: &Located<String>,
    currency: Currency,
    currencies: &Currencies,
    report: &FileReport,
) -> Option<u64> {
    let units = currencies.minor_units(currency)?;
    match parse_minor(&at.value, units) {
        Ok(amount) => Some(amount),
        Err(AmountError::TooManyDigits(0)) => {
            let message = format!("`{}` has fraction digits, and {currency} has none", at.value);
            report.error(&at.span, message, "write a whole number in quotes");
            None
        }
        Err(AmountError::TooManyDigits(_)) => {
            let message = format!("`{}` has more fraction digits than {currency}, which has {units}", at.value);
            report.error(&at.span, message, format!("write at most {units} digits after the point"));
            None
        }
        Err(error) => {
            not_a_number(at, error, report);
            None
        }
    }
}

/// Reads a plain decimal number.
pub(in crate::config) fn decimal(at: &Located<String>, report: &FileReport) -> Option<Decimal> {
    Decimal::parse(&at.value).map_err(|error| not_a_number(at, error, report)).ok()
}

fn not_a_number(at: &Located<String>, error: AmountError, report: &FileReport) {
    if error == AmountError::TooLarge {
        report.error(&at.span, format!("`{}` is too large", at.value), "write a number of at most 18 digits");
        return;
    }
    let help = "write plain digits with at most one point between them, such as \"1250.50\": no sign, exponent, comma or space";
    report.error(&at.span, format!("`{}` is not a plain decimal number", at.value), help);
}

/// Compares two decimal numbers.
pub(in crate::config) fn compare(a: Decimal, b: Decimal) -> Ordering {
    // With up to 28 digits on each side of the point, integer part and fraction fit a u128 only separately.
    let parts = |d: Decimal| {
        let unit = power_of_ten(u32::from(d.scale)).unwrap_or(u128::MAX);
        let fine = u32::try_from(Decimal::DIGITS_MAX).unwrap_or(28).saturating_sub(u32::from(d.scale));
        (d.mantissa / unit, (d.mantissa % unit).saturating_mul(power_of_ten(fine).unwrap_or(u128::MAX)))
    };
    parts(a).cmp(&parts(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_compare_as_numbers() {
        use Ordering::{Equal, Greater, Less};
        let long = "0.9999999999999999999999999999";
        for (a, b, want) in [
            ("1", "1.00", Equal),
            ("2", "10", Less),
            ("0.5", "0.49", Greater),
            (long, "1", Less),
            ("9999999999999999999999999999", long, Greater),
        ] {
            assert_eq!(compare(Decimal::parse(a).unwrap(), Decimal::parse(b).unwrap()), want, "{a} and {b}");
        }
    }
}
