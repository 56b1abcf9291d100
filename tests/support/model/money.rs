//! Money and exact fractions of the naive model: decimal strings in and out, whole minor units inside, and big
//! integers wherever an exchange rate comes in. It shares nothing with the daemon's own money.

use num_bigint::BigInt;
use std::collections::BTreeMap;

/// The number of minor units of an ISO 4217 currency, unless the configuration says otherwise.
pub fn iso_digits(currency: &str) -> u32 {
    match currency {
        "BIF" | "CLP" | "DJF" | "GNF" | "ISK" | "JPY" | "KMF" | "KRW" | "PYG" | "RWF" | "UGX" | "UYI" | "VND"
        | "VUV" | "XAF" | "XOF" | "XPF" => 0,
        "BHD" | "IQD" | "JOD" | "KWD" | "LYD" | "OMR" | "TND" => 3,
        "CLF" | "UYW" => 4,
        _ => 2,
    }
}

/// A non-negative decimal as written: its digits without the point, and how many of them follow it.
/// Signs, exponents, blanks, a missing digit on either side of the point and anything else are `None`.
pub fn decimal(text: &str) -> Option<(i128, u32)> {
    let (whole, fraction) = match text.split_once('.') {
        None => (text, ""),
        Some((_, "")) => return None,
        Some((whole, fraction)) => (whole, fraction),
    };
    let all_digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || !all_digits(whole) || !all_digits(fraction) || whole.len() + fraction.len() > 30 {
        return None;
    }
    let digits = format!("{whole}{fraction}").parse().ok()?;
    Some((digits, u32::try_from(fraction.len()).ok()?))
}

/// Whole minor units of an amount as written, or `None` where it has more fraction digits than the currency.
pub fn minor(text: &str, digits: u32) -> Option<i128> {
    let (value, scale) = decimal(text)?;
    if scale > digits { None } else { Some(value * 10_i128.pow(digits - scale)) }
}

/// Minor units as a decimal string with exactly the currency's fraction digits.
pub fn shown(minor: i128, digits: u32) -> String {
    let unit = 10_i128.pow(digits);
    if digits == 0 {
        minor.to_string()
    } else {
        format!("{}.{:0width$}", minor / unit, minor % unit, width = digits as usize)
    }
}

/// A fraction of two big integers; the denominator is always positive.
#[derive(Clone, Debug)]
pub struct Fraction {
    over: BigInt,
    under: BigInt,
}

impl Fraction {
    pub fn whole(value: i128) -> Self {
        Self { over: BigInt::from(value), under: BigInt::from(1) }
    }

    pub fn of(over: i128, under: i128) -> Self {
        Self { over: BigInt::from(over), under: BigInt::from(under) }
    }

    pub fn plus(&self, other: &Self) -> Self {
        Self { over: &self.over * &other.under + &other.over * &self.under, under: &self.under * &other.under }
    }

    pub fn minus(&self, other: &Self) -> Self {
        Self { over: &self.over * &other.under - &other.over * &self.under, under: &self.under * &other.under }
    }

    pub fn times(&self, other: &Self) -> Self {
        Self { over: &self.over * &other.over, under: &self.under * &other.under }
    }

    pub fn divided_by(&self, other: &Self) -> Self {
        Self { over: &self.over * &other.under, under: &self.under * &other.over }
    }

    pub fn at_most(&self, other: &Self) -> bool {
        &self.over * &other.under <= &other.over * &self.under
    }

    /// The greatest whole number not above a value that is not negative; 0 for negative ones.
    pub fn floor_from_zero(&self) -> i128 {
        if self.over < BigInt::from(0) {
            return 0;
        }
        i128::try_from(&self.over / &self.under).expect("a total that fits")
    }

    /// The least whole number not below a value that is not negative.
    pub fn ceiling(&self) -> i128 {
        i128::try_from((&self.over + &self.under - BigInt::from(1)) / &self.under).expect("a total that fits")
    }
}

/// The table of exchange rates: 1 base = r units.
#[derive(Clone, Debug, Default)]
pub struct Rates {
    pub base: String,
    pub as_of_ms: i64,
    pub max_age_ms: Option<i64>,
    pub units: BTreeMap<String, Fraction>,
}

impl Rates {
    /// Whether the table as a whole is too old at this instant.
    pub fn stale(&self, now_ms: i64) -> bool {
        self.max_age_ms.is_some_and(|max| now_ms - self.as_of_ms > max)
    }

    fn units_of(&self, currency: &str) -> Option<Fraction> {
        if currency == self.base { Some(Fraction::whole(1)) } else { self.units.get(currency).cloned() }
    }

    /// An amount in minor units of one currency as minor units of another, exactly; `None` where a rate that is
    /// needed is missing or too old.
    pub fn convert(&self, amount: i128, from: (&str, u32), to: (&str, u32), now_ms: i64) -> Option<Fraction> {
        if from.0 == to.0 {
            return Some(Fraction::whole(amount));
        }
        if self.stale(now_ms) {
            return None;
        }
        let (from_units, to_units) = (self.units_of(from.0)?, self.units_of(to.0)?);
        let major = Fraction::of(amount, 10_i128.pow(from.1));
        Some(major.divided_by(&from_units).times(&to_units).times(&Fraction::whole(10_i128.pow(to.1))))
    }
}
