//! Errors of snapshots.

use crate::storage::{
    encoding::DecodeError,
    snapshot::version::{CODEC, FORMAT},
};
use std::io;

/// Why a file is not a usable snapshot.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The file cannot be read.
    #[error("the snapshot cannot be read: {0}")]
    Io(#[from] io::Error),
    /// A checksum or a structure is wrong.
    #[error("the snapshot is damaged at byte {offset}; an older snapshot and the records after it give the same state")]
    Damaged {
        /// The offset of the header or frame.
        offset: u64,
    },
    /// The file ends before the last piece.
    #[error("the snapshot was not written to its end; an older snapshot and the records after it give the same state")]
    Unfinished,
    /// It belongs to another journal.
    #[error("the snapshot belongs to another journal; move it out of the data folder")]
    Foreign,
    /// It was written by a newer program.
    #[error(
        "the snapshot has format {format} and codec {codec}, and this levelgate reads format {FORMAT} and codec {CODEC}; start a \
         newer levelgate"
    )]
    Newer {
        /// The version of the layout.
        format: u32,
        /// The version of the bodies.
        codec: u32,
    },
    /// Its content is invalid although the checksum holds.
    #[error("the snapshot contains an invalid value: {0}")]
    Content(String),
    /// Sealed attributes or identifiers cannot be decoded.
    #[error("the snapshot contains attributes or identifiers that cannot be decoded: {0}")]
    Attributes(DecodeError),
}

/// The error for an invalid value.
pub(super) fn invalid(what: std::fmt::Arguments<'_>) -> SnapshotError {
    SnapshotError::Content(what.to_string())
}
