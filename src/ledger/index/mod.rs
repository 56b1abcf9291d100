//! Indexes over the state: identities, transaction ids, search keys. None is stored; each is rebuilt from the customers.

pub(in crate::ledger) mod creation_times;
pub(in crate::ledger) mod customer_numbers;
pub(in crate::ledger) mod default_countries;
pub(in crate::ledger) mod digest;
pub(in crate::ledger) mod hash_table;
pub(in crate::ledger) mod identity_index;
mod identity_shard;
pub(in crate::ledger) mod merge_targets;
pub(in crate::ledger) mod normal_forms;
pub(in crate::ledger) mod number_set;
pub(in crate::ledger) mod search_index;
pub(in crate::ledger) mod sharding;
pub(in crate::ledger) mod transaction_index;
