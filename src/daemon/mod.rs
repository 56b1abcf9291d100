//! The process: assembly, maintenance, reload, shutdown.

pub(crate) mod background_tasks;
mod control;
pub mod data_folder;
pub(crate) mod doctor;
pub(crate) mod history;
mod huge_pages;
mod listeners;
pub(crate) mod maintenance;
pub(crate) mod memory_estimate;
pub(crate) mod memory_ledger;
pub(crate) mod open_files;
pub(crate) mod passed_sockets;
mod process_memory;
pub(crate) mod random;
pub(crate) mod redis_copy;
pub(crate) mod reload;
pub(crate) mod service_manager;
pub(crate) mod shutdown;
pub(crate) mod signals;
pub(crate) mod snapshot_status;
mod sockets;
mod standby;
pub(crate) mod start;
mod take_over_calls;
