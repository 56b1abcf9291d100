//! Operations on customers: registration, update, merge, erasure, levels, instruments, signals.

pub(in crate::ledger) mod default_countries;
pub(in crate::ledger) mod erase;
pub(in crate::ledger) mod external_ids;
pub(in crate::ledger) mod instruments;
pub(in crate::ledger) mod levels;
pub(in crate::ledger) mod merge;
pub(in crate::ledger) mod register;
pub(in crate::ledger) mod registration;
pub(in crate::ledger) mod rename_level;
pub(in crate::ledger) mod sealing;
pub(in crate::ledger) mod signals;
pub(in crate::ledger) mod update;
