//! Statistics of a ledger, for operators, metrics and benches.

use crate::domain::vocabulary::money::Currency;
use crate::ledger::state::ledger::Ledger;
use std::sync::atomic::Ordering;

impl Ledger {
    /// The number of customers.
    #[must_use]
    pub fn customers_len(&self) -> u64 {
        self.customer_count.load(Ordering::Relaxed)
    }

    /// The number of transactions in memory.
    #[must_use]
    pub fn transactions_len(&self) -> u64 {
        self.transaction_count.load(Ordering::Relaxed)
    }

    /// Whether any transaction was evicted.
    #[must_use]
    pub fn has_evicted(&self) -> bool {
        self.evicted_count.load(Ordering::Acquire) > 0
    }

    /// The number of hold ends that were visited since the start: one for each hold that expired or changed.
    #[must_use]
    pub fn holds_visited(&self) -> u64 {
        self.holds_visited.load(Ordering::Relaxed)
    }

    /// The number of attributes and identifiers since the start that could not be sealed and were not stored.
    #[must_use]
    pub fn unsealed_count(&self) -> u64 {
        self.unsealed_count.load(Ordering::Relaxed)
    }

    /// The number of rejected levels that requests tried to make beyond the limit.
    #[must_use]
    pub fn levels_rejected(&self) -> u64 {
        self.made_levels.rejected()
    }

    /// The currencies of all recorded amounts.
    #[must_use]
    pub fn recorded_currencies(&self) -> std::collections::BTreeSet<Currency> {
        self.currencies.all().collect()
    }
}

#[cfg(test)]
mod tests;
