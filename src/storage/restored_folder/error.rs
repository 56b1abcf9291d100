//! Errors of a restore.

use crate::storage::{
    journal::{
        model::{error::OpenError, ids::Lsn, instance::InstanceError},
        raw::raw_records::RawFlaw,
    },
    keys::KeysError,
    snapshot::SnapshotError,
};
use std::io;

/// Why a folder cannot be restored, or is not started.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The folder has data.
    #[error("the data folder already has `{0}`: a restore writes into an empty folder only; name another folder")]
    NotEmpty(String),
    /// A restore did not finish.
    #[error(
        "a restore of this data folder is not finished, so records or keys are missing in it: run `levelgate serve \
         --restore` again, which begins anew, or remove the folder"
    )]
    Unfinished,
    /// A file cannot be read or written.
    #[error("{what}: {source}; see that the data folder is writable and has free space, then restore again")]
    Io {
        /// The operation and the file.
        what: String,
        /// The error of the system.
        source: io::Error,
    },
    /// The records are damaged or do not follow each other.
    #[error("the records to restore cannot be used: {0}")]
    Records(#[from] RawFlaw),
    /// The snapshot is damaged or incomplete.
    #[error("the snapshot to restore cannot be used: {0}")]
    Snapshot(#[from] SnapshotError),
    /// The snapshot is another one.
    #[error("the snapshot to restore contains the records up to {found}, and one up to {expected} is expected")]
    OtherSnapshot {
        /// The last record of the snapshot.
        found: Lsn,
        /// The expected one.
        expected: Lsn,
    },
    /// Records between the snapshot and the first record are missing.
    #[error("the records from {from} on are needed, and the first record to restore is {first}")]
    BeginningMissing {
        /// The first needed record.
        from: Lsn,
        /// The first record.
        first: Lsn,
    },
    /// The records end before the snapshot was finished.
    #[error("the snapshot needs the records up to {needed}, and the last record to restore is {last}")]
    EndMissing {
        /// The last needed record.
        needed: Lsn,
        /// The last record.
        last: Lsn,
    },
    /// A segment of the archive does not belong to the copy, or is damaged.
    #[error(
        "the archive that was put in place cannot be used: {path}: {what}; bring the right file back, or restore without \
         `archive`"
    )]
    Archive {
        /// The segment.
        path: String,
        /// The flaw.
        what: String,
    },
    /// The archive has the last record of the copy, or later ones.
    #[error(
        "the archive that was put in place ends with record {archive}, and the records to restore end with {last}: move the \
         newest segments of `archive` away until it ends before that record, and keep them: they may have records that the \
         copy lacks"
    )]
    ArchiveAhead {
        /// The last record of the archive.
        archive: Lsn,
        /// The last record to restore.
        last: Lsn,
    },
    /// The keys cannot be written.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// The file `instance` cannot be written.
    #[error(transparent)]
    Instance(#[from] InstanceError),
    /// The file `synced` cannot be written.
    #[error(transparent)]
    Synced(#[from] OpenError),
}

/// The error of a call of the store.
pub(super) fn failed(what: impl Into<String>) -> impl FnOnce(io::Error) -> RestoreError {
    move |source| RestoreError::Io { what: what.into(), source }
}
