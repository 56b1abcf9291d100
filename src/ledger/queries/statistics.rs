//! What a ledger says of itself: for operators, metrics and benches.

use crate::domain::vocabulary::{money::Currency, names::Name};
use crate::ledger::{Ledger, customers::levels::MadeLevel};
use std::sync::atomic::Ordering;

impl Ledger {
    /// How many customers there are.
    #[must_use]
    pub fn customers_len(&self) -> u64 {
        self.customers_made.load(Ordering::Relaxed)
    }

    /// How many transactions are held.
    #[must_use]
    pub fn transactions_len(&self) -> u64 {
        self.transactions.load(Ordering::Relaxed)
    }

    /// Whether any transaction has left memory.
    #[must_use]
    pub fn has_let_go(&self) -> bool {
        self.left.load(Ordering::Acquire) > 0
    }

    /// How many ends of holds were looked at since the start: one for each hold that ended or had moved on.
    #[must_use]
    pub fn holds_visited(&self) -> u64 {
        self.holds_visited.load(Ordering::Relaxed)
    }

    /// How often attributes could not be sealed since the start, and so were not kept.
    #[must_use]
    pub fn unsealed(&self) -> u64 {
        self.unsealed.load(Ordering::Relaxed)
    }

    /// How many levels requests would have made beyond the bound.
    #[must_use]
    pub fn levels_turned_away(&self) -> u64 {
        self.made_levels.turned_away()
    }

    /// Levels that requests have made.
    #[must_use]
    pub fn made_levels(&self, merchant: Name) -> Vec<MadeLevel> {
        self.made_levels.of(merchant)
    }

    /// The currencies in which any amount was ever recorded here.
    #[must_use]
    pub fn currencies_held(&self) -> std::collections::BTreeSet<Currency> {
        self.currencies.all().collect()
    }
}

#[cfg(test)]
mod tests;
