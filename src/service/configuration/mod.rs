//! The configuration in force: shown, and changed while the daemon runs.

pub(crate) mod above_limit;
pub mod change;
pub(crate) mod effective;
pub(crate) mod level_gates;
pub(crate) mod level_status;
pub mod reload;
pub mod trial;
