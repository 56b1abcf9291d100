//! The bytes of the journal's files, and reading them.

pub mod frame;
pub(in crate::storage) mod groups;
pub(in crate::storage) mod segment_head;
pub mod segment_reader;
pub mod synced_file;
