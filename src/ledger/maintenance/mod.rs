//! Maintenance of the state: snapshots, eviction, compaction, accepted clocks.

pub(in crate::ledger) mod clock;
pub(in crate::ledger) mod compact;
pub(in crate::ledger) mod evict;
pub(in crate::ledger) mod snapshot;
