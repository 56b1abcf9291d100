//! Errors of jobs.

use crate::storage::{fs::headroom::is_full, keys::KeysError};
use std::io;

/// The version of the format of files of jobs.
pub(super) const FORMAT: u32 = 1;

/// Why a job cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    /// The files of jobs cannot be read or written.
    #[error("the files of jobs in the data folder cannot be read or written: {0}")]
    Io(#[from] io::Error),
    /// The key of the job cannot be used.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// Bytes that must be whole are damaged.
    #[error(
        "{path} is damaged at byte {offset}; restore the data folder from a backup, or remove the file to give up the \
         remaining steps of that job"
    )]
    Damaged {
        /// The path, from the data folder on.
        path: String,
        /// The offset of the frame.
        offset: u64,
    },
    /// The file belongs to another journal.
    #[error("{0} belongs to another journal; remove it from this folder")]
    Foreign(String),
    /// A newer program wrote the file.
    #[error("{path} has format {format}, and this levelgate reads format {FORMAT}; start a newer levelgate")]
    Newer {
        /// The path.
        path: String,
        /// The format of the file.
        format: u32,
    },
}

impl JobError {
    /// Whether the disk, a quota or `min_free_bytes` leaves no room for the job's file.
    #[must_use]
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Io(error) | Self::Keys(KeysError::Io(error)) if is_full(error))
    }
}

impl From<JobError> for io::Error {
    /// Keeps the kind of an IO error.
    fn from(error: JobError) -> Self {
        match error {
            JobError::Io(error) | JobError::Keys(KeysError::Io(error)) => error,
            other => Self::other(other),
        }
    }
}
