//! The memory that customers and transactions take, by place.

use crate::{
    domain::customer::aggregate::CustomerMemory,
    ledger::{index::sharding::SHARDS, state::ledger::Ledger},
    scheduling::give_way,
};

/// Memory of the ledger, bytes. The texts and profiles of customers, the other indexes and what the allocator adds are not
/// included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MemoryUse {
    /// Customers and their transactions.
    pub customers: CustomerMemory,
    /// The index of transaction ids.
    pub index: usize,
}

impl Ledger {
    /// The memory of all customers and transactions. Reads every customer, one shard at a time.
    #[must_use]
    pub fn memory_use(&self) -> MemoryUse {
        let mut all = MemoryUse::default();
        for shard in 0..SHARDS {
            give_way();
            for customer in self.customers.shard(shard).values() {
                let CustomerMemory { customer, summaries, usage, holds } = customer.memory();
                all.customers.customer += customer;
                all.customers.summaries += summaries;
                all.customers.usage += usage;
                all.customers.holds += holds;
            }
            all.index += self.id_stripes.lock(shard as u64).index.heap_bytes();
        }
        all
    }
}
