//! Operations on customers: registration, update, merge, erasure, levels, instruments, signals.

pub(in crate::ledger) mod erase;
pub(in crate::ledger) mod instruments;
pub(in crate::ledger) mod levels;
pub(in crate::ledger) mod merge;
pub(in crate::ledger) mod registration;
pub(in crate::ledger) mod sealing;
pub(in crate::ledger) mod signals;
pub(in crate::ledger) mod update;
