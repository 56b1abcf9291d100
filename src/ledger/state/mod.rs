//! State in memory: shards, indexes, hash tables, merge groups.

pub(crate) mod countries;
pub(crate) mod currencies;
pub(crate) mod hash_table;
pub(crate) mod index;
pub(crate) mod merge_group;
pub(crate) mod normal_forms;
pub(crate) mod search_index;
pub(crate) mod shards;
