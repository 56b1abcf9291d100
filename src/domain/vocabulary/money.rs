//! Money: currencies, amounts in minor units, decimal numbers as written. No floats, no rounding.

use std::{fmt, sync::LazyLock};

/// The largest amount of one operation, in minor units: eighteen digits.
pub const AMOUNT_MAX: u64 = 999_999_999_999_999_999;
/// The most fraction digits that a currency may be configured to have.
pub const MINOR_UNITS_MAX: u8 = 8;

/// A currency by its three capital letters, packed in base 26: the same number in every process.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Currency(u16);

impl Currency {
    /// The currency of three capital letters, known or not.
    #[must_use]
    pub fn parse(code: &str) -> Option<Self> {
        let letters: [u8; 3] = code.as_bytes().try_into().ok()?;
        let mut packed = 0_u16;
        for letter in letters {
            if !letter.is_ascii_uppercase() {
                return None;
            }
            packed = packed * 26 + u16::from(letter - b'A');
        }
        Some(Self(packed))
    }

    /// All codes of three capital letters.
    pub fn every() -> impl Iterator<Item = Self> {
        (0..26 * 26 * 26).map(Self)
    }

    /// Its index in [`Currency::every`].
    #[must_use]
    pub fn number(self) -> usize {
        usize::from(self.0)
    }

    /// The three letters.
    #[must_use]
    pub fn code(self) -> [u8; 3] {
        let letter = |n: u16| b'A' + u8::try_from(n % 26).unwrap_or(0);
        [letter(self.0 / 676), letter(self.0 / 26), letter(self.0)]
    }
}

impl PartialOrd for Currency {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Currency {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.cmp(&other.0)
    }
}
impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.code().iter().try_for_each(|&b| write!(f, "{}", char::from(b)))
    }
}
impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

const UNKNOWN: u8 = u8::MAX;

static ISO_4217: LazyLock<Box<[u8]>> = LazyLock::new(|| {
    use iso_currency::IntoEnumIterator;
    let mut table = vec![UNKNOWN; 26 * 26 * 26].into_boxed_slice();
    for known in iso_currency::Currency::iter() {
        let Some(currency) = Currency::parse(known.code()) else { continue };
        let units = known.exponent().and_then(|e| u8::try_from(e).ok()).unwrap_or(UNKNOWN);
        table[usize::from(currency.0)] = units;
    }
    // Withdrawn codes that still occur in payment streams, with their former minor units.
    for (code, units) in [("ANG", 2), ("LTL", 2), ("LVL", 2), ("EEK", 2), ("SKK", 2), ("HRK", 2), ("BGN", 2)] {
        if let Some(currency) = Currency::parse(code) {
            let slot = &mut table[usize::from(currency.0)];
            if *slot == UNKNOWN {
                *slot = units;
            }
        }
    }
    table
});

/// The currencies of one configuration and their minor units: ISO 4217, with overrides.
#[derive(Clone)]
pub struct Currencies(Box<[u8]>);

impl Default for Currencies {
    fn default() -> Self {
        Self(ISO_4217.clone())
    }
}

impl std::fmt::Debug for Currencies {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Currencies")
    }
}

impl Currencies {
    /// Sets the minor units (fraction digits) of a currency, of ISO 4217 or new.
    pub fn set(&mut self, currency: Currency, minor_units: u8) {
        self.0[usize::from(currency.0)] = minor_units.min(MINOR_UNITS_MAX);
    }

    /// The fraction digits of the currency; `None`: it is unknown.
    #[must_use]
    pub fn minor_units(&self, currency: Currency) -> Option<u8> {
        self.0.get(usize::from(currency.0)).copied().filter(|&units| units != UNKNOWN)
    }

    /// The fraction digits of a known currency.
    #[must_use]
    pub fn units(&self, currency: Currency) -> u8 {
        self.minor_units(currency).unwrap_or(2)
    }
}

/// Why a text is not a valid amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AmountError {
    /// Not digits with at most one point between them: signs, exponents, spaces, commas, letters.
    #[error("an amount is plain digits with at most one point, such as \"125.50\": no sign, exponent, comma or space")]
    Malformed,
    /// More fraction digits, as written, than the currency has.
    #[error("too many fraction digits: the currency has {0}")]
    TooManyDigits(u8),
    /// Zero, where an amount must be positive.
    #[error("an amount must be more than zero")]
    Zero,
    /// More than [`AMOUNT_MAX`] minor units.
    #[error("the amount is too large: at most {AMOUNT_MAX} minor units")]
    TooLarge,
}

/// Reads a decimal text as minor units; zero is allowed here.
///
/// # Errors
/// See [`AmountError`]; fraction digits are counted as written, so `816.0` is refused in a currency without any.
pub fn parse_minor(text: &str, minor_units: u8) -> Result<u64, AmountError> {
    let decimal = Decimal::parse(text);
    let written = text.split_once('.').map_or(0, |(_, fraction)| fraction.len());
    if !matches!(decimal, Err(AmountError::Malformed)) && written > usize::from(minor_units) {
        return Err(AmountError::TooManyDigits(minor_units));
    }
    let decimal = decimal?;
    let scaled = power_of_ten(u32::from(minor_units - decimal.scale)).and_then(|p| decimal.mantissa.checked_mul(p));
    match scaled.and_then(|value| u64::try_from(value).ok()) {
        Some(value) if value <= AMOUNT_MAX => Ok(value),
        _ => Err(AmountError::TooLarge),
    }
}

/// Reads the amount of an operation: as [`parse_minor`], and more than zero.
///
/// # Errors
/// See [`AmountError`].
pub fn parse_amount(text: &str, minor_units: u8) -> Result<u64, AmountError> {
    match parse_minor(text, minor_units)? {
        0 => Err(AmountError::Zero),
        amount => Ok(amount),
    }
}

/// `10^exponent`, where it fits.
#[must_use]
pub fn power_of_ten(exponent: u32) -> Option<u128> {
    10_u128.checked_pow(exponent)
}

/// A non-negative decimal number as written: `mantissa / 10^scale`. Rates and the bounds of gates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decimal {
    /// The digits without the point.
    pub mantissa: u128,
    /// The number of digits after the point.
    pub scale: u8,
}

impl Decimal {
    /// One.
    pub const ONE: Self = Self { mantissa: 1, scale: 0 };
    /// The most digits of one number.
    pub const DIGITS_MAX: usize = 28;

    /// Reads plain digits with at most one point between them.
    ///
    /// # Errors
    /// [`AmountError::Malformed`] and, beyond [`Decimal::DIGITS_MAX`] digits, [`AmountError::TooLarge`].
    pub fn parse(text: &str) -> Result<Self, AmountError> {
        let (mut mantissa, mut scale, mut digits, mut point) = (0_u128, 0_u8, 0_usize, false);
        let bytes = text.as_bytes();
        let edges_are_digits = |b: Option<&u8>| b.is_some_and(u8::is_ascii_digit);
        if !edges_are_digits(bytes.first()) || !edges_are_digits(bytes.last()) {
            return Err(AmountError::Malformed);
        }
        let mut too_large = false;
        for &byte in bytes {
            match byte {
                b'0'..=b'9' => {
                    digits += usize::from(mantissa > 0 || byte != b'0');
                    too_large |= digits > Self::DIGITS_MAX || (point && usize::from(scale) >= Self::DIGITS_MAX);
                    if !too_large {
                        mantissa = mantissa * 10 + u128::from(byte - b'0');
                        scale += u8::from(point);
                    }
                }
                b'.' if !point => point = true,
                _ => return Err(AmountError::Malformed),
            }
        }
        if too_large { Err(AmountError::TooLarge) } else { Ok(Self { mantissa, scale }) }
    }

    /// How an amount in minor units compares with this number of major units.
    #[must_use]
    pub fn cmp_amount(&self, amount: u64, minor_units: u8) -> std::cmp::Ordering {
        // amount / 10^units <=> mantissa / 10^scale; at most 28 + 8 digits on either side, which fits.
        let left = power_of_ten(u32::from(self.scale)).and_then(|p| u128::from(amount).checked_mul(p));
        let right = power_of_ten(u32::from(minor_units)).and_then(|p| self.mantissa.checked_mul(p));
        match (left, right) {
            (Some(left), Some(right)) => left.cmp(&right),
            (None, Some(_)) => std::cmp::Ordering::Greater,
            (Some(_), None) => std::cmp::Ordering::Less,
            (None, None) => big(u128::from(amount), self.scale).cmp(&big(self.mantissa, minor_units)),
        }
    }
}

fn big(value: u128, power: u8) -> num_bigint::BigUint {
    num_bigint::BigUint::from(value) * num_bigint::BigUint::from(10_u8).pow(u32::from(power))
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Minor { value: self.mantissa, units: self.scale }.fmt(f)
    }
}

/// An amount in minor units, shown as major units with all fraction digits of its currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Minor {
    /// The minor units.
    pub value: u128,
    /// The fraction digits of the currency.
    pub units: u8,
}

impl fmt::Display for Minor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(power) = power_of_ten(u32::from(self.units)) else { return Err(fmt::Error) };
        if self.units == 0 {
            return write!(f, "{}", self.value);
        }
        write!(f, "{}.{:0width$}", self.value / power, self.value % power, width = usize::from(self.units))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_exactly_or_refused() {
        use AmountError::{Malformed, TooLarge, TooManyDigits, Zero};
        for (text, units, want) in [
            ("125.50", 2, Ok(12550)),
            ("125.5", 2, Ok(12550)),
            ("125", 2, Ok(12500)),
            ("0.001", 3, Ok(1)),
            ("816", 0, Ok(816)),
            ("816.0", 0, Err(TooManyDigits(0))),
            ("1.234", 2, Err(TooManyDigits(2))),
            ("1.230", 2, Err(TooManyDigits(2))),
            ("0", 2, Err(Zero)),
            ("0.00", 2, Err(Zero)),
            ("-1", 2, Err(Malformed)),
            ("+1", 2, Err(Malformed)),
            ("1e3", 2, Err(Malformed)),
            ("1,0", 2, Err(Malformed)),
            ("1.", 2, Err(Malformed)),
            (".5", 2, Err(Malformed)),
            ("1.2.3", 2, Err(Malformed)),
            (" 1", 2, Err(Malformed)),
            ("", 2, Err(Malformed)),
            ("٣", 2, Err(Malformed)),
            ("NaN", 2, Err(Malformed)),
            ("9999999999999999.99", 2, Ok(AMOUNT_MAX)),
            ("10000000000000000.00", 2, Err(TooLarge)),
            ("1234567890123456789012345678901234567890", 2, Err(TooLarge)),
            ("0.0000000000000000000000000000000000000001", 2, Err(TooManyDigits(2))),
            ("0000000000000000000000000000000000000001", 2, Ok(100)),
        ] {
            assert_eq!(parse_amount(text, units), want, "{text:?} in a currency with {units} digits");
        }
    }

    #[test]
    fn amounts_are_shown_with_the_currency_s_digits() {
        for (value, units, want) in [(12550, 2, "125.50"), (5, 3, "0.005"), (816, 0, "816"), (0, 2, "0.00")] {
            assert_eq!(Minor { value, units }.to_string(), want);
        }
    }

    #[test]
    fn iso_units_are_known_and_can_be_overridden() {
        let mut currencies = Currencies::default();
        let units = |c: &Currencies, code| c.minor_units(Currency::parse(code).unwrap());
        for (code, want) in [("EUR", Some(2)), ("JPY", Some(0)), ("BHD", Some(3)), ("LTL", Some(2)), ("QQQ", None)] {
            assert_eq!(units(&currencies, code), want, "{code}");
        }
        currencies.set(Currency::parse("ISK").unwrap(), 2);
        assert_eq!(units(&currencies, "ISK"), Some(2));
        assert_eq!(Currency::parse("EUR").unwrap().to_string(), "EUR");
        for bad in ["eur", "EU", "EURO", "E1R", ""] {
            assert_eq!(Currency::parse(bad), None);
        }
    }

    #[test]
    fn gate_bounds_compare_as_plain_numbers() {
        use std::cmp::Ordering::{Equal, Greater, Less};
        for (bound, amount, units, want) in
            [("150", 15000, 2, Equal), ("27", 27, 0, Equal), ("0.5", 1, 0, Greater), ("5", 4999, 3, Less)]
        {
            assert_eq!(Decimal::parse(bound).unwrap().cmp_amount(amount, units), want, "{amount} against {bound}");
        }
    }
}
