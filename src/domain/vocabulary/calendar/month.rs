//! A month of the calendar, without a time zone.

use std::fmt;

/// A month, counted from January of the year 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Month(pub u32);

impl Month {
    /// The month of a year; `month` is 1 for January.
    #[must_use]
    pub fn of(year: u32, month: u32) -> Option<Self> {
        (year <= 9_999 && (1..=12).contains(&month)).then(|| Self(year * 12 + month - 1))
    }

    /// Reads a month as `2027-04`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let is_number =
            |part: &str, digits: usize| part.len() == digits && part.bytes().all(|byte| byte.is_ascii_digit());
        let (year, month) = text.split_once('-').filter(|(year, month)| is_number(year, 4) && is_number(month, 2))?;
        Self::of(year.parse().ok()?, month.parse().ok()?)
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.0 / 12, self.0 % 12 + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_are_parsed_and_written() {
        for (text, number) in [("2027-04", 2027 * 12 + 3), ("0000-01", 0), ("2026-12", 2026 * 12 + 11)] {
            assert_eq!(Month::parse(text), Some(Month(number)));
            assert_eq!(Month(number).to_string(), text);
        }
        for bad in ["2027", "2027-13", "2027-00", "27-04", "2027-4", "+027-04", "2027-+4", "x", ""] {
            assert_eq!(Month::parse(bad), None, "{bad}");
        }
    }
}
