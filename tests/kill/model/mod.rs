//! The naive model: every customer has a list of transactions with their facts, and every question sums it afresh. It
//! knows the contract, and nothing of the daemon's inside.

mod bulk_updates;
mod customer;
mod customer_limits;
mod customers;
mod exchange_rates;
mod rules;
mod transaction;

use serde_json::{Value, json};

pub(crate) use bulk_updates::{BulkChange, BulkCounts, GlobalLimit};
pub(crate) use customer::{Customer, ErasureState, Method, Settings};
pub(crate) use customer_limits::{CustomerLimits, Raise};
pub(crate) use customers::{Customers, Decided, Payment};
pub(crate) use exchange_rates::{BEGINNINGS, COMMON, CustomerRate, Rate};
pub(crate) use rules::{
    Filter, GATES, LABELS, LEAVING, LEVELS, MARKS, METHODS, PROJECTS, Rules, WAYS, Way, codes_of, default_behaviour,
    deletion_grace, labels_text, levels_text, methods_text, resets,
};
pub(crate) use transaction::Transaction;

/// Minor units as the wire writes them.
pub(crate) fn money(minor: u64) -> String {
    format!("{}.{:02}", minor / 100, minor % 100)
}

/// A list without a defined order, sorted.
pub(crate) fn in_order(list: impl IntoIterator<Item = Value>) -> Value {
    let mut list: Vec<Value> = list.into_iter().collect();
    list.sort_by_key(Value::to_string);
    json!(list)
}
