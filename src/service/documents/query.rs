//! Requests that are pairs of a key and a text: the query of a URL, or the filters of a bulk change.

use crate::{
    domain::vocabulary::{calendar::Calendar, time::Millis},
    ledger::PAGE_MAX,
    service::error::ServiceError,
};
use std::borrow::Cow;

/// The keys that a request takes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TakenKeys {
    /// All keys.
    pub(crate) keys: &'static [&'static str],
    /// Those of them that may come several times.
    pub(crate) repeatable: &'static [&'static str],
}

impl TakenKeys {
    /// Keys that come at most once each.
    pub(crate) const fn once(keys: &'static [&'static str]) -> Self {
        Self { keys, repeatable: &[] }
    }

    /// The pairs of a request by key.
    ///
    /// # Errors
    /// A key is not taken, or comes twice and may not.
    pub(crate) fn read<'p>(
        self,
        pairs: impl IntoIterator<Item = (Cow<'p, str>, Cow<'p, str>)>,
    ) -> Result<Vec<(&'static str, String)>, ServiceError> {
        let mut found: Vec<(&'static str, String)> = Vec::new();
        for (key, value) in pairs {
            let Some(known) = self.keys.iter().copied().find(|taken| *taken == key) else {
                return Err(match self.keys {
                    [] => {
                        let detail = format!("`{key}` is not taken here: the operation has no query parameters");
                        ServiceError::malformed("unknown_field", detail).at(&key)
                    }
                    keys => ServiceError::unknown_field(&key, &keys.join(", ")),
                });
            };
            if !self.repeatable.contains(&known) && found.iter().any(|(key, _)| *key == known) {
                return Err(ServiceError::malformed("duplicate_field", format!("`{known}` comes twice")).at(known));
            }
            found.push((known, value.into_owned()));
        }
        found.sort_by_key(|(key, _)| *key);
        Ok(found)
    }
}

/// A time, or the first instant of a date in the merchant's calendar; without one, in UTC.
pub(crate) fn from_time(field: &'static str, value: &str, calendar: Option<&Calendar>) -> Result<Millis, ServiceError> {
    Ok(time_or_day(field, value, calendar)?.0)
}

/// A time, or the first instant after a date in the merchant's calendar: the date is included.
pub(crate) fn to_time(field: &'static str, value: &str, calendar: Option<&Calendar>) -> Result<Millis, ServiceError> {
    Ok(time_or_day(field, value, calendar)?.1)
}

fn time_or_day(
    field: &'static str,
    value: &str,
    calendar: Option<&Calendar>,
) -> Result<(Millis, Millis), ServiceError> {
    if let Some(at) = Millis::parse(value) {
        return Ok((at, at));
    }
    let day = match calendar {
        Some(calendar) => calendar.day(value),
        None => Calendar::of("UTC").and_then(|utc| utc.day(value)),
    };
    day.map(|day| (Millis(day.from), Millis(day.to))).ok_or_else(|| {
        let detail = format!(
            "`{field}` is a date in the merchant's time zone, as 2026-11-20, or an RFC 3339 time, as 2026-11-20T10:00:00Z, \
             between 1900 and 9000"
        );
        ServiceError::malformed("time_malformed", detail).at(field)
    })
}

/// The number of items of a page.
pub(crate) fn page_limit(value: &str) -> Result<usize, ServiceError> {
    let limit = value.parse().ok().filter(|limit| (1..=PAGE_MAX).contains(limit));
    limit.ok_or_else(|| ServiceError::unknown_value("limit", &format!("is a number from 1 to {PAGE_MAX}")))
}

/// The cursor of a page, as an earlier answer named it in `next_cursor`.
pub(crate) fn cursor<T>(value: &str, parse: impl FnOnce(&str) -> Option<T>) -> Result<T, ServiceError> {
    parse(value).ok_or_else(|| ServiceError::unknown_value("cursor", "is a `next_cursor` of an earlier page"))
}
