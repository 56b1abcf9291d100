//! Assembly and life of the process: start, maintenance, reload, shutdown.

pub(crate) mod archive;
pub mod data_folder;
pub(crate) mod descriptors;
pub(crate) mod listeners;
pub(crate) mod maintenance;
pub(crate) mod memory_estimate;
pub(crate) mod name_table;
pub(crate) mod reload;
pub(crate) mod shutdown;
pub(crate) mod snapshots;
pub(crate) mod start;
pub(crate) mod verdict;
