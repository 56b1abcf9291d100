//! Writes a data folder from the parts that a copy elsewhere has: the instance, the keys, a snapshot, and the records.
//!
//! The result is an ordinary data folder, byte for byte as far as the records go, and an ordinary start checks all of it.
//! The file `restore` marks a folder that is not finished: no daemon starts on it. The next restore removes what it left.
//!
//! The division into segments is another one than that of the copied journal. So the archive list of the snapshot is
//! written without the segments that the restored records contain; the next snapshot lists them again.

mod error;
mod folder;
mod mark;
mod snapshot;

#[cfg(test)]
mod tests;

pub use crate::storage::restored_folder::{
    error::RestoreError,
    folder::{IncompleteGroup, Restored, RestoredFolder},
    mark::refuse_unfinished_restore,
};
