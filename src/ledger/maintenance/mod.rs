//! Maintenance of the state: snapshots, eviction, compaction, accepting the clock.

pub(crate) mod clock;
pub(crate) mod compact;
pub(crate) mod evict;
pub(crate) mod snapshot;
