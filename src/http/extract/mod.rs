//! What handlers take from a request: its typed path, its query, its body, its token.

pub(crate) mod admin_request;
pub(crate) mod body;
pub(crate) mod gateway_request;
pub(crate) mod path;
pub(crate) mod query;
