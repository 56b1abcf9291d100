//! Eviction: transactions that no window and no hold can reach leave memory once the archive indexes them.

use crate::domain::{
    rules::configuration::Rules,
    vocabulary::{
        names::Name,
        time::{DAY_MS, Millis},
    },
};
use crate::ledger::{
    index::{sharding::SHARDS, transaction_index::TransactionSlot},
    state::ledger::Ledger,
};
use crate::scheduling::give_way;
use std::{collections::HashMap, sync::atomic::Ordering};

/// Memory of a settled transaction, bytes: its summary, its usage entry, its entry in the index, and the unused room of each
/// list (`cargo bench --bench core`, part `memory`).
pub const BYTES_PER_TRANSACTION: u64 = 48;

/// Memory that a transaction takes in addition until its hold ends or would have ended, bytes: its place in the queue.
pub const BYTES_PER_HOLD: u64 = 16;

/// The most transactions of one customer that are evicted while it is locked.
const STEP_MAX: usize = 256;

/// How long transactions stay in memory.
#[derive(Debug, Clone, Default)]
pub struct Retention {
    min_ms: i64,
    by_merchant: HashMap<Name, i64>,
}

impl Retention {
    /// At least this many days, and for each merchant as long as its longest window, its longest hold and a day.
    #[must_use]
    pub fn new(days: i64, rules: &Rules) -> Self {
        let min_ms = days.saturating_mul(DAY_MS);
        let by_merchant = rules
            .merchants
            .values()
            .map(|merchant| (merchant.id, min_ms.max(merchant.lookback_ms().saturating_add(DAY_MS))))
            .collect();
        Self { min_ms, by_merchant }
    }

    /// The retention of a merchant, milliseconds. A merchant that the rules no longer contain has the minimum.
    #[must_use]
    pub fn of(&self, merchant: Name) -> i64 {
        self.by_merchant.get(&merchant).copied().unwrap_or(self.min_ms)
    }

    /// The longest retention of any merchant, milliseconds.
    #[must_use]
    pub fn longest(&self) -> i64 {
        self.by_merchant.values().copied().fold(self.min_ms, i64::max)
    }
}

impl Ledger {
    /// Evicts the transactions of one shard that are past their retention and indexed in the archive. Returns their number.
    pub fn evict(&self, shard: usize, retention: &Retention, now: Millis) -> usize {
        let Some(archive) = &self.archive else { return 0 };
        let archived = archive.archived_before();
        let numbers: Vec<u64> = self.customers.shard(shard).numbers();
        let mut evicted = 0;
        for number in numbers {
            loop {
                give_way();
                let mut customers = self.customers.shard(shard);
                // A snapshot reads a large customer in pieces. No transaction of it may be evicted between them.
                if self.snapshot_shard.load(Ordering::Acquire) == shard + 1 {
                    return evicted;
                }
                let Some(customer) = customers.get_mut(number) else { break };
                let now = self.settle(customer, now);
                let before = now.plus(-retention.of(customer.merchant));
                // Before the transactions leave: a reader that does not find one in memory must look into the archive.
                self.evicted_count.fetch_add(1, Ordering::Release);
                let gone = customer.evict(before, STEP_MAX, |summary| summary.offset < archived);
                drop(customers);
                self.evicted_count.fetch_add(gone.len() as u64, Ordering::Release);
                self.evicted_count.fetch_sub(1, Ordering::Release);
                evicted += gone.len();
                for (slot, summary) in &gone {
                    self.id_stripes
                        .lock(summary.key)
                        .index
                        .remove(summary.key, TransactionSlot { customer: number, slot: *slot });
                }
                self.transaction_count.fetch_sub(gone.len() as u64, Ordering::Relaxed);
                if gone.len() < STEP_MAX {
                    break;
                }
            }
        }
        self.archived_facts.remove_before(archived);
        evicted
    }

    /// Whether a transaction is in memory, so that its facts are read from its records.
    #[must_use]
    pub fn is_in_memory(&self, customer: u64, slot: u32) -> bool {
        self.customers.lock(customer).get(customer).is_some_and(|customer| customer.summaries().contains(slot))
    }

    /// The number of shards.
    #[must_use]
    pub fn shard_count() -> usize {
        SHARDS
    }
}
