//! Instants and spans in whole milliseconds. Time is always an argument; nothing here reads a clock.

use chrono::{DateTime, SecondsFormat, Utc};
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

    /// The instant as RFC 3339 in UTC with milliseconds; `None`: the year has not four digits.
    ///
    /// Each answer contains several times, and a general formatter is ten times slower. The date is that of the proleptic
    /// Gregorian calendar, counted in eras of 400 years that begin on the first of March, so that the leap day is the last
    /// day of a year.
    #[must_use]
    pub fn rfc3339(self) -> Option<[u8; 24]> {
        const DAYS_OF_ERA: i64 = 146_097;
        const FROM_ERA_TO_1970: i64 = 719_468;
        let (days, ms) = (self.0.div_euclid(DAY_MS) + FROM_ERA_TO_1970, self.0.rem_euclid(DAY_MS));
        let (era, day_of_era) = (days.div_euclid(DAYS_OF_ERA), days.rem_euclid(DAYS_OF_ERA));
        let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let march_month = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * march_month + 2) / 5 + 1;
        let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
        let year = era * 400 + year_of_era + i64::from(month <= 2);
        if !(1000..=9999).contains(&year) {
            return None;
        }
        let mut text = *b"0000-00-00T00:00:00.000Z";
        let mut put = |from: usize, width: usize, value: i64| {
            let mut value = u32::try_from(value).unwrap_or(0);
            for digit in text[from..from + width].iter_mut().rev() {
                *digit += u8::try_from(value % 10).unwrap_or(0);
                value /= 10;
            }
        };
        put(0, 4, year);
        put(5, 2, month);
        put(8, 2, day);
        put(11, 2, ms / 3_600_000);
        put(14, 2, ms / 60_000 % 60);
        put(17, 2, ms / 1_000 % 60);
        put(20, 3, ms % 1_000);
        Some(text)
    }

    /// The second of the instant in GMT, as headers of HTTP have it (RFC 9110, section 5.6.7).
    #[must_use]
    pub fn http_date(self) -> String {
        let at = DateTime::<Utc>::from_timestamp_millis(self.0);
        at.map(|at| at.format("%a, %d %b %Y %H:%M:%S GMT").to_string()).unwrap_or_default()
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
        let Some(text) = self.rfc3339() else {
            let Some(at) = DateTime::<Utc>::from_timestamp_millis(self.0) else { return Err(fmt::Error) };
            return f.write_str(&at.to_rfc3339_opts(SecondsFormat::Millis, true));
        };
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
        let of_rfc = Millis::parse("1994-11-06T08:49:37.999Z").unwrap();
        assert_eq!(of_rfc.http_date(), "Sun, 06 Nov 1994 08:49:37 GMT");
        for bad in ["2026-11-20", "yesterday", "", "2026-13-01T00:00:00Z", "1800-01-01T00:00:00Z"] {
            assert_eq!(Millis::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_date_is_that_of_the_calendar_at_every_edge_of_a_day() {
        // From the year 1 to 10000, both ends of each day, and a moment that changes from day to day.
        for day in (-719_162_i64..2_932_897).step_by(29) {
            for ms in [0, DAY_MS - 1, (day * 7_919_003).rem_euclid(DAY_MS)] {
                let at = Millis(day * DAY_MS + ms);
                let known = DateTime::<Utc>::from_timestamp_millis(at.0).unwrap();
                assert_eq!(at.to_string(), known.to_rfc3339_opts(SecondsFormat::Millis, true));
            }
        }
        assert_eq!((Millis(-30_610_224_000_001).rfc3339(), Millis(253_402_300_800_000).rfc3339()), (None, None));
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
