//! The state in memory and its locks.

pub(in crate::ledger) mod accepted_clocks;
pub(in crate::ledger) mod archived_facts;
pub(in crate::ledger) mod blocked_instruments;
pub(in crate::ledger) mod currencies;
pub(in crate::ledger) mod evicted_times;
pub(in crate::ledger) mod known_merchants;
pub(in crate::ledger) mod ledger;
pub(in crate::ledger) mod level_renames;
pub(in crate::ledger) mod loaded_transaction;
pub(in crate::ledger) mod made_levels;
pub(in crate::ledger) mod merge_group;
pub(in crate::ledger) mod rename_lock;
pub(in crate::ledger) mod sealed_merchants;
pub(in crate::ledger) mod shards;
pub(in crate::ledger) mod test_merchants;
