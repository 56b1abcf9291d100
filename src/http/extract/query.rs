//! The query of a request: the keys of its row.

use crate::http::{dto::problem::Problem, operations::operation::QueryKeys};
use axum::{extract::FromRequestParts, http::request::Parts};
use std::{borrow::Cow, convert::Infallible};

/// The keys and values of a query, by key. A key that may be repeated comes with each of its values.
#[derive(Debug, Clone, Default)]
pub(crate) struct QueryPairs(Vec<(&'static str, String)>);

impl QueryPairs {
    /// Reads a query; `None`: its row takes no key, and it has none.
    ///
    /// # Errors
    /// A key is unknown, or comes twice and may not.
    pub(crate) fn parse(query: Option<&str>, keys: QueryKeys) -> Result<Option<Self>, Problem> {
        let query = query.unwrap_or_default();
        let Some(taken) = keys.taken().filter(|taken| !taken.keys.is_empty() || !query.is_empty()) else {
            return Ok(None);
        };
        Ok(Some(Self(taken.read(form_urlencoded::parse(query.as_bytes()))?)))
    }

    /// The pairs, by key.
    pub(crate) fn pairs(&self) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
        self.0.iter().map(|(key, value)| (Cow::Borrowed(*key), Cow::Borrowed(value.as_str())))
    }
}

impl<S: Sync> FromRequestParts<S> for QueryPairs {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.remove::<Self>().unwrap_or_default())
    }
}
