//! Storage: files, journal, snapshots, keys, jobs, archive, and recovery of files.

pub mod archive;
pub mod archive_list;
pub mod encoding;
pub mod external_sort;
pub mod fs;
pub mod jobs;
pub mod journal;
pub mod keys;
pub mod recovery;
pub mod restored_folder;
pub mod snapshot;
