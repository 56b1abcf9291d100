//! Documents of payments: their fields, decisions, transactions.

pub(crate) mod code;
pub(crate) mod decision;
pub(crate) mod decision_json;
pub(crate) mod event;
pub(crate) mod fields;
pub(crate) mod form;
mod plain_json;
pub(crate) mod transaction;
