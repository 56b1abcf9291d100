//! Operations on customers: registration, update, merge, erasure, levels, signals.

pub(crate) mod erase;
pub(crate) mod external_ids;
pub(crate) mod instrument_blocks;
pub(crate) mod levels;
pub(crate) mod merge;
pub(crate) mod register;
pub(crate) mod rename_level;
pub(crate) mod sealing;
pub(crate) mod signals;
pub(crate) mod update;
