//! What leaves memory: transactions that no window and no hold can reach any more, once the archive knows them.

use crate::domain::{
    rules::configuration::Rules,
    vocabulary::{
        names::Name,
        time::{DAY_MS, Millis},
    },
};
use crate::ledger::{
    Ledger,
    state::{index::TransactionSlot, shards::SHARDS},
};
use std::{collections::HashMap, sync::atomic::Ordering};

/// How many transactions of one customer leave in one step, so that no lock is held long.
const STEP_MAX: usize = 256;

/// How long transactions stay in memory.
#[derive(Debug, Clone, Default)]
pub struct Retention {
    least_ms: i64,
    by_merchant: HashMap<Name, i64>,
}

impl Retention {
    /// At least so many days, and for each merchant as long as its longest window and its longest hold and a day.
    #[must_use]
    pub fn new(days: i64, rules: &Rules) -> Self {
        let least_ms = days.saturating_mul(DAY_MS);
        let by_merchant = rules
            .merchants
            .values()
            .map(|merchant| (merchant.id, least_ms.max(merchant.reach_ms().saturating_add(DAY_MS))))
            .collect();
        Self { least_ms, by_merchant }
    }

    /// For a merchant, milliseconds. One that the rules do not know any more keeps what it has for the least time.
    #[must_use]
    pub fn of(&self, merchant: Name) -> i64 {
        self.by_merchant.get(&merchant).copied().unwrap_or(self.least_ms)
    }
}

impl Ledger {
    /// Lets go, in one shard, of what retention does not keep and the archive knows. Returns how many left.
    pub fn retire(&self, shard: usize, retention: &Retention, now: Millis) -> usize {
        let Some(past) = &self.past else { return 0 };
        let archived = past.archived_before();
        let numbers: Vec<u64> = self.customers.shard(shard).numbers();
        let mut left = 0;
        for number in numbers {
            loop {
                let mut customers = self.customers.shard(shard);
                // A snapshot reads a large customer in pieces, between which nothing may leave.
                if self.being_kept.load(Ordering::Acquire) == shard + 1 {
                    return left;
                }
                let Some(customer) = customers.get_mut(&number) else { break };
                let now = self.settle(customer, now);
                let before = now.plus(-retention.of(customer.merchant));
                // CustomerUpdate before it is so: whoever misses one in memory looks into the archive.
                self.left.fetch_add(1, Ordering::Release);
                let gone = customer.retire(before, STEP_MAX, |summary| summary.place < archived);
                drop(customers);
                self.left.fetch_add(gone.len() as u64, Ordering::Release);
                self.left.fetch_sub(1, Ordering::Release);
                left += gone.len();
                for (slot, summary) in &gone {
                    self.id_stripes
                        .lock(summary.key)
                        .transaction_slots
                        .remove(summary.key, TransactionSlot { customer: number, slot: *slot });
                }
                self.transactions.fetch_sub(gone.len() as u64, Ordering::Relaxed);
                if gone.len() < STEP_MAX {
                    break;
                }
            }
        }
        self.late.forget_before(archived);
        left
    }

    /// How many shards there are to retire.
    #[must_use]
    pub fn shards() -> usize {
        SHARDS
    }
}
