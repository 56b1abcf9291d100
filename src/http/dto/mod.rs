//! Data transfer objects: fields of requests, answers, problem documents.

pub(crate) mod answers;
pub(crate) mod card_guard;
pub(crate) mod customer;
pub(crate) mod facts;
pub(crate) mod fields;
pub(crate) mod precedence;
pub mod problem;
