//! Days of the calendar, as attributes contain them.

use crate::domain::vocabulary::time::Millis;
use chrono::{DateTime, Datelike, NaiveDate};

/// The earliest year of a date of birth. Times have the same bound.
const YEAR_MIN: i32 = 1900;

/// Reads a day as `2020-02-29`: a day that exists.
#[must_use]
pub fn parse_day(text: &str) -> Option<NaiveDate> {
    let [year @ .., b'-', m1, m2, b'-', d1, d2] = text.as_bytes() else { return None };
    let number = |digits: &[u8]| {
        digits
            .iter()
            .try_fold(0_u32, |number, byte| byte.is_ascii_digit().then(|| number * 10 + u32::from(byte - b'0')))
    };
    let year = i32::try_from(number(year).filter(|_| year.len() == 4)?).ok()?;
    NaiveDate::from_ymd_opt(year, number(&[*m1, *m2])?, number(&[*d1, *d2])?)
}

/// Whether a text is a date of birth at this time: a day from 1900 on that has begun in UTC.
#[must_use]
pub fn is_date_of_birth(text: &str, now: Millis) -> bool {
    let today = DateTime::from_timestamp_millis(now.0).map(|now| now.date_naive());
    parse_day(text).zip(today).is_some_and(|(day, today)| day.year() >= YEAR_MIN && day <= today)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_exists_and_has_one_form() {
        for (text, is_day) in [
            ("2020-02-29", true),
            ("2021-02-29", false),
            ("1900-02-29", false),
            ("2000-02-29", true),
            ("2026-04-31", false),
            ("2026-00-10", false),
            ("2026-10-00", false),
            ("2026-13-01", false),
            ("0001-01-01", true),
            ("20200229", false),
            ("2020-2-29", false),
            ("2020-02-29 ", false),
            ("2020-02-29T00:00:00Z", false),
            ("12020-02-29", false),
            ("-020-02-29", false),
            ("202\u{665}-02-29", false),
            ("29.02.2020", false),
            ("02/29/2020", false),
            ("", false),
        ] {
            assert_eq!(parse_day(text).is_some(), is_day, "{text:?}");
        }
    }

    #[test]
    fn a_date_of_birth_is_not_in_the_future() {
        let now = Millis::parse("2026-11-20T23:59:59.999Z").unwrap();
        for (text, is_one) in [
            ("2026-11-20", true),
            ("2026-11-21", false),
            ("1900-01-01", true),
            ("1899-12-31", false),
            ("0001-01-01", false),
            ("1990-02-30", false),
        ] {
            assert_eq!(is_date_of_birth(text, now), is_one, "{text}");
        }
    }
}
