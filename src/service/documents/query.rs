//! Requests that are pairs of a key and a text: the query of a URL, or the filters of a bulk change.

use crate::{ledger::PAGE_MAX, service::error::ServiceError};
use std::{borrow::Cow, collections::BTreeMap};

/// The pairs by key, each key one of `taken` and each sent once.
pub(crate) fn unique_pairs<'p, 't>(
    pairs: impl IntoIterator<Item = (Cow<'p, str>, Cow<'p, str>)>,
    taken: &[&'t str],
) -> Result<Vec<(&'t str, String)>, ServiceError> {
    let mut found: BTreeMap<&'t str, String> = BTreeMap::new();
    for (key, value) in pairs {
        let Some(known) = taken.iter().copied().find(|taken| *taken == key) else {
            return Err(ServiceError::unknown_field(&key, &taken.join(", ")));
        };
        if found.insert(known, value.into_owned()).is_some() {
            return Err(ServiceError::malformed("duplicate_field", format!("`{known}` comes twice")).at(known));
        }
    }
    Ok(found.into_iter().collect())
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
