//! Recovery of the state from a snapshot and the journal.

pub(in crate::ledger) mod global_state;
pub(in crate::ledger) mod index_entries;
pub(in crate::ledger) mod partition;
pub(in crate::ledger) mod record_effects;
pub(in crate::ledger) mod state;
pub(in crate::ledger) mod workers;
