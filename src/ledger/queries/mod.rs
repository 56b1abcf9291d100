//! Queries over the state: customers, transactions, histories, the event feed, statistics.

pub(in crate::ledger) mod audit;
pub(in crate::ledger) mod customer;
pub(in crate::ledger) mod customer_order;
pub(in crate::ledger) mod customer_query;
pub(in crate::ledger) mod customer_reader;
pub(in crate::ledger) mod customers;
pub(in crate::ledger) mod feed;
pub(in crate::ledger) mod history;
pub(in crate::ledger) mod instrument_blocks;
pub(in crate::ledger) mod journal_window;
pub(in crate::ledger) mod level_counts;
pub(in crate::ledger) mod limits_exceeded;
pub(in crate::ledger) mod memory_use;
pub(in crate::ledger) mod statistics;
pub(in crate::ledger) mod transactions;
