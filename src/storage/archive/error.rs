//! Errors of the archive index.

use crate::storage::journal::model::error::ScanError;
use std::path::PathBuf;

/// Errors of the index. The file may always be removed: the daemon builds it again.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The file or its database cannot be used.
    #[error("the archive index {path} cannot be used: {what}; the daemon builds it again")]
    Index {
        /// The path of the index.
        path: PathBuf,
        /// The reason.
        what: String,
    },
    /// A segment cannot be indexed.
    #[error("a segment cannot be added to the archive index: {0}")]
    Segment(#[from] ScanError),
}
