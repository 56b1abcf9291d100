//! Data transfer objects of HTTP alone: problem documents, and the guard of paths and queries.

pub(crate) mod card_guard;
pub mod problem;
