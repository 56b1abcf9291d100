//! Statistics of a ledger, for operators, metrics and benches.

use crate::domain::{
    usage::contribution::Sums,
    vocabulary::{direction::Direction, money::Currency, names::Name, time::Millis},
};
use crate::ledger::state::ledger::Ledger;
use crate::scheduling::give_way;
use std::{collections::BTreeMap, sync::atomic::Ordering};

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

    /// The number of transactions that were ever opened, evicted and deleted ones included.
    #[must_use]
    pub fn opened_transactions(&self) -> u64 {
        let of_shard = |shard: usize| -> u64 {
            let customers = self.customers.shard(shard);
            customers.values().map(|customer| u64::from(customer.summaries().next_slot())).sum()
        };
        (0..Self::shard_count()).map(of_shard).sum()
    }

    /// The lifetime totals of all customers, by merchant, direction and currency. Holds are ended as of `now`.
    #[must_use]
    pub fn lifetime_totals(&self, now: Millis) -> BTreeMap<(Name, Direction, Currency), Sums> {
        let mut totals: BTreeMap<(Name, Direction, Currency), Sums> = BTreeMap::new();
        for shard in 0..Self::shard_count() {
            give_way();
            for customer in self.customers.shard(shard).values_mut() {
                self.settle(customer, now);
                for series in customer.usage_series() {
                    let key = (customer.merchant, series.key.direction, series.key.currency);
                    totals.entry(key).or_default().join(&series.total());
                }
            }
        }
        totals
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

    /// The merchants with customers, or with transactions that belong to no customer. A placeholder that transactions of
    /// several merchants share counts for the first of them.
    #[must_use]
    pub fn merchants_with_state(&self) -> std::collections::BTreeSet<Name> {
        let mut merchants: std::collections::BTreeSet<Name> = self.search.merchants().into_iter().collect();
        for shard in 0..Self::shard_count() {
            merchants.extend(self.customers.shard(shard).placeholders().map(|customer| customer.merchant));
        }
        merchants
    }

    /// The currencies of all recorded amounts.
    #[must_use]
    pub fn recorded_currencies(&self) -> std::collections::BTreeSet<Currency> {
        self.currencies.all().collect()
    }
}

#[cfg(test)]
mod tests;
