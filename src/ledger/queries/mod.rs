//! Queries over the state: transactions, customers, histories, the event feed, statistics.

pub(crate) mod feed;
pub(crate) mod find;
pub(crate) mod history;
pub(crate) mod statistics;
pub(crate) mod transactions;
