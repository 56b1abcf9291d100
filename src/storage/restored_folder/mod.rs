//! Writes a data folder from the parts that a copy elsewhere has: the instance, the keys, a snapshot, and the records.
//!
//! The result is an ordinary data folder, byte for byte as far as the records go, and an ordinary start checks all of it.
//! The file `restore` marks a folder that is not finished: no daemon starts on it. The next restore removes what it left.
//!
//! An operator may put the archive of the lost machine in place before. The restored records then continue after its last one,
//! which the copy must agree with, so that no record is in two segments.
//!
//! The division into segments is another one than that of the copied journal. So the archive list of the snapshot is
//! written without the segments that the restored records contain; the next snapshot lists them again.

mod archived;
mod error;
mod folder;
mod mark;
mod snapshot;

#[cfg(test)]
mod tests;

pub use crate::storage::restored_folder::{
    error::RestoreError,
    folder::{IncompleteGroup, Restored, RestoredFolder},
    mark::{occupied_by, refuse_unfinished_restore},
};
