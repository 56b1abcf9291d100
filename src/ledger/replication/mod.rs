//! A standby applies the records of its primary to a live ledger, so that nothing is rebuilt when it takes over.

pub(in crate::ledger) mod apply;
pub(in crate::ledger) mod evicted;
pub(in crate::ledger) mod indexed_state;
pub(in crate::ledger) mod plan;
