//! Instants and spans in whole milliseconds. Time is always an argument; nothing here reads a clock.

use chrono::{DateTime, Datelike, SecondsFormat, Timelike, Utc};
use std::fmt;

/// Milliseconds of a day of 24 hours.
pub const DAY_MS: i64 = 86_400_000;

/// An instant: milliseconds since 1970-01-01T00:00:00Z, which may be negative.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Millis(pub i64);

impl Millis {
    /// The earliest instant that is accepted: the start of the year 1900.
    pub const MIN: Self = Self(-2_208_988_800_000);
    /// The latest instant that is accepted: the start of the year 9000.
    pub const MAX: Self = Self(221_845_392_000_000);

    /// Reads an RFC 3339 time; digits beyond milliseconds are cut off.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let millis = Self(DateTime::parse_from_rfc3339(text).ok()?.timestamp_millis());
        (Self::MIN..=Self::MAX).contains(&millis).then_some(millis)
    }

    /// This instant and a number of milliseconds, kept within the accepted range.
    #[must_use]
    pub fn plus(self, ms: i64) -> Self {
        Self(self.0.saturating_add(ms).clamp(Self::MIN.0, Self::MAX.0))
    }

    /// The milliseconds from `earlier` to this instant.
    #[must_use]
    pub fn since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl fmt::Display for Millis {
    /// RFC 3339 in UTC with milliseconds: `2026-11-20T10:00:00.000Z`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(at) = DateTime::<Utc>::from_timestamp_millis(self.0) else { return Err(fmt::Error) };
        if !(1000..=9999).contains(&at.year()) {
            return f.write_str(&at.to_rfc3339_opts(SecondsFormat::Millis, true));
        }
        // Formatted by hand: each answer contains several times, and the general formatter is ten times slower.
        let mut text = *b"0000-00-00T00:00:00.000Z";
        let mut put = |from: usize, width: usize, mut value: u32| {
            for place in (from..from + width).rev() {
                text[place] = b'0' + u8::try_from(value % 10).unwrap_or(0);
                value /= 10;
            }
        };
        put(0, 4, at.year().unsigned_abs());
        put(5, 2, at.month());
        put(8, 2, at.day());
        put(11, 2, at.hour());
        put(14, 2, at.minute());
        put(17, 2, at.second());
        put(20, 3, at.timestamp_subsec_millis());
        f.write_str(std::str::from_utf8(&text).unwrap_or_default())
    }
}
impl fmt::Debug for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// Reads a span as written in the configuration: `"45m"`, `"6h"`, `"90d"`, `"30s"`, `"2w"`; milliseconds, more than
/// zero, at most 100 years.
#[must_use]
pub fn parse_span_ms(text: &str) -> Option<i64> {
    let unit_at = text.find(|c: char| !c.is_ascii_digit())?;
    let (digits, unit) = text.split_at(unit_at);
    let count: i64 = digits.parse().ok()?;
    let unit_ms = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => DAY_MS,
        "w" => 7 * DAY_MS,
        _ => return None,
    };
    count.checked_mul(unit_ms).filter(|&ms| ms > 0 && ms <= 36_525 * DAY_MS)
}

/// A span in the largest unit that divides it.
#[must_use]
pub fn show_span(ms: i64) -> String {
    for (unit_ms, unit) in [(DAY_MS, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s")] {
        if ms % unit_ms == 0 {
            return format!("{}{unit}", ms / unit_ms);
        }
    }
    format!("{ms}ms")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_and_written_as_rfc_3339() {
        for (text, want) in [
            ("2026-11-20T10:00:00Z", "2026-11-20T10:00:00.000Z"),
            ("2026-11-20T12:00:00.1239+02:00", "2026-11-20T10:00:00.123Z"),
            ("1969-12-31T23:59:59.999Z", "1969-12-31T23:59:59.999Z"),
            ("1993-01-01T08:00:00Z", "1993-01-01T08:00:00.000Z"),
        ] {
            assert_eq!(Millis::parse(text).unwrap().to_string(), want);
        }
        for bad in ["2026-11-20", "yesterday", "", "2026-13-01T00:00:00Z", "1800-01-01T00:00:00Z"] {
            assert_eq!(Millis::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn spans_are_read_and_written() {
        for (text, want) in [("45m", Some(2_700_000)), ("6h", Some(21_600_000)), ("90d", Some(90 * DAY_MS))] {
            assert_eq!(parse_span_ms(text), want);
            assert_eq!(show_span(want.unwrap()), text);
        }
        for bad in ["", "h", "6", "0d", "-1h", "6 h", "6y", "99999999999999999d", "9999999999d"] {
            assert_eq!(parse_span_ms(bad), None, "{bad}");
        }
    }
}
