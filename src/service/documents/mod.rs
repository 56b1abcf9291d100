//! The documents of the service: what requests contain and what answers show, in JSON.
//!
//! Field names, codes and formats are the contract of the HTTP API, of batches and of replay.

pub(crate) mod answers;
pub(crate) mod as_text;
pub(crate) mod attributes;
pub(crate) mod card_guard;
pub(crate) mod configuration;
pub(crate) mod customers;
pub(crate) mod description;
pub(crate) mod json;
pub(crate) mod json_text;
pub(crate) mod links;
pub(crate) mod payments;
pub mod problem;
pub(crate) mod query;
pub(crate) mod requests;
