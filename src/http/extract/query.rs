//! The query of a request: the keys of its row, each at most once.

use crate::{
    http::{dto::problem::Problem, operations::operation::QueryKeys},
    service::error::ServiceError,
};
use axum::{extract::FromRequestParts, http::request::Parts};
use std::{borrow::Cow, collections::BTreeMap, convert::Infallible};

/// The keys and values of a query, by key.
#[derive(Debug, Clone, Default)]
pub(crate) struct QueryPairs(Vec<(&'static str, String)>);

impl QueryPairs {
    /// Reads a query; `None`: its row takes no key, and it has none.
    ///
    /// # Errors
    /// A key is unknown or comes twice.
    pub(crate) fn parse(query: Option<&str>, keys: QueryKeys) -> Result<Option<Self>, Problem> {
        let query = query.unwrap_or_default();
        let listed = match keys {
            QueryKeys::Ignored => return Ok(None),
            QueryKeys::None if query.is_empty() => return Ok(None),
            QueryKeys::None => &[][..],
            QueryKeys::Listed(listed) => listed,
        };
        let mut pairs = BTreeMap::new();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let Some(key) = listed.iter().copied().find(|key| *key == name) else {
                return Err(unknown_key(&name, listed));
            };
            if pairs.insert(key, value.into_owned()).is_some() {
                return Err(Problem::malformed("duplicate_field", format!("`{key}` comes twice")).at(key));
            }
        }
        Ok(Some(Self(pairs.into_iter().collect())))
    }

    /// The pairs, by key.
    pub(crate) fn pairs(&self) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
        self.0.iter().map(|(key, value)| (Cow::Borrowed(*key), Cow::Borrowed(value.as_str())))
    }
}

fn unknown_key(name: &str, listed: &[&str]) -> Problem {
    if listed.is_empty() {
        let detail = format!("`{name}` is not taken here: the operation has no query parameters");
        return Problem::malformed("unknown_field", detail).at(name);
    }
    ServiceError::unknown_field(name, &listed.join(", ")).into()
}

impl<S: Sync> FromRequestParts<S> for QueryPairs {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.remove::<Self>().unwrap_or_default())
    }
}
