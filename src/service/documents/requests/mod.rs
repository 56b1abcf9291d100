//! The bodies of requests as the OpenAPI document describes them. Their readers report each fault of a body with its
//! field, so they read field by field; a test sends every field of these descriptions to its reader.

pub(crate) mod configuration;
pub(crate) mod customers;
pub(crate) mod payments;
