//! The import of old transactions into an empty data folder.

pub(crate) mod import;
mod read_back;
