//! The configuration in force: shown, and changed while the daemon runs.

pub mod change;
pub(crate) mod effective;
pub(crate) mod level_status;
pub mod reload;
