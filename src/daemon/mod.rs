//! The process: assembly, maintenance, reload, shutdown.

mod audited_changes;
pub(crate) mod background_tasks;
mod control;
pub mod data_folder;
pub(crate) mod differences;
pub(crate) mod history_import;
mod history_read_back;
pub(crate) mod level_changes;
pub(crate) mod listeners;
pub(crate) mod maintenance;
pub(crate) mod memory_estimate;
pub(crate) mod memory_ledger;
pub(crate) mod name_table;
pub(crate) mod open_files;
pub(crate) mod random;
pub(crate) mod reload;
pub(crate) mod shutdown;
pub(crate) mod signals;
pub(crate) mod snapshot_status;
pub(crate) mod start;
