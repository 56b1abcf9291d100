//! Errors of the journal.

use crate::{
    domain::transaction::log_offset::LogOffset,
    storage::journal::model::ids::{JournalId, Lsn},
};
use std::{io, sync::Arc};

/// The journal has failed. It does not work again in this process.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the journal has failed ({cause}): unconfirmed changes may be recorded or not; restart the daemon and send the same \
     ids again"
)]
pub struct Failed {
    /// The first failure.
    pub cause: Arc<str>,
}

/// Why a journal could not be opened. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A record that is known to be synced is damaged.
    #[error(
        "{file} is damaged at byte {offset}, record {lsn}: {what}; this record was synced, so the cause is not a power cut \
         but a broken disk, a missing file or a manual change; nothing was changed; run `levelgate inspect DATA_FOLDER`, \
         and restore the data folder from a backup"
    )]
    Corrupt {
        /// The path, from the data folder on.
        file: String,
        /// The offset of the damage.
        offset: u64,
        /// The number of the record that should be there.
        lsn: Lsn,
        /// The flaw.
        what: String,
    },
    /// The key of a record is missing, and a power cut cannot have removed it.
    #[error(
        "{file}: record {lsn} of customer {owner} is whole, but the file `keys` does not contain its key; no power cut \
         removed the key, since the machine has been running or the record was synced: `keys` is an older copy or belongs \
         to another folder; nothing was changed; restore the `keys` that belong to this folder"
    )]
    KeyMissing {
        /// The path, from the data folder on.
        file: String,
        /// The number of the first such record.
        lsn: Lsn,
        /// The customer.
        owner: u64,
    },
    /// The oldest segment begins after the first needed record.
    #[error(
        "{file} is the oldest segment and begins with record {begins}, but the records from {missing} on are needed: \
         segments older than archive_days were deleted, and the newest readable snapshot does not contain their records, \
         or there is none; nothing was changed; bring a snapshot of this folder back into `snapshots`, or restore the data \
         folder from a backup"
    )]
    BeginningMissing {
        /// The path, from the data folder on.
        file: String,
        /// The number of the first record of the file.
        begins: Lsn,
        /// The first needed record.
        missing: Lsn,
    },
    /// A file belongs to another journal.
    #[error(
        "{file} belongs to journal {found}, but this data folder belongs to journal {expected}; nothing was changed; \
         move the file out of the folder, or start with the folder of the file"
    )]
    Foreign {
        /// The path.
        file: String,
        /// The journal of the file.
        found: JournalId,
        /// The journal of the folder.
        expected: JournalId,
    },
    /// Another process has locked the newest segment.
    #[error(
        "{file} is held by {holder}: two daemons cannot share a journal; nothing was changed; stop that process, or give \
         this one a data folder of its own"
    )]
    Locked {
        /// The path, from the data folder on.
        file: String,
        /// The process.
        holder: String,
    },
    /// Segments of the archive are missing or cut, and were neither released nor accepted as lost.
    #[error(
        "the archive has lost {what}; counters are not affected, but transaction ids in these records may count as new, and \
         facts about their transactions cannot be recorded; nothing was changed; restore the files from a backup into the \
         folder `archive`, or start once with `levelgate serve --accept-lost-archive`"
    )]
    ArchiveLost {
        /// The lost records and their files.
        what: String,
    },
    /// Both slots of the file `synced` are damaged.
    #[error(
        "the file `synced`, which contains the number of the last synced record, is damaged in both of its slots; a power \
         cut damages at most one; nothing was changed; restore the file from a backup of this folder, or remove it: then \
         records that are missing at the end of the journal cannot be detected"
    )]
    SyncedFile,
    /// A newer program wrote the file.
    #[error(
        "{file} has format {format}, which is newer than this program; nothing was changed; start the version of levelgate \
         that wrote it, or a later one"
    )]
    Newer {
        /// The path.
        file: String,
        /// The format of the file.
        format: u32,
    },
    /// The journal belongs to a group of journals.
    #[error(
        "{file} belongs to group {group} of several journals, which this program does not support; nothing was changed; \
         start the version of levelgate that wrote it"
    )]
    Group {
        /// The path.
        file: String,
        /// The group number.
        group: u16,
    },
    /// A record cannot be replayed.
    #[error(
        "record {lsn} in {file} cannot be replayed: {what}; nothing was changed; run `levelgate inspect DATA_FOLDER`"
    )]
    Replay {
        /// The path.
        file: String,
        /// The record.
        lsn: Lsn,
        /// The reason.
        what: String,
    },
    /// A call of the store failed. The next start repeats or undoes unfinished changes.
    #[error(
        "{what}: {source}; check that the data folder is readable and writable and has free space, then start again"
    )]
    Io {
        /// The operation and the file.
        what: String,
        /// The error of the system.
        source: io::Error,
    },
}

/// Why the record at an offset could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// No record with events begins at the offset.
    #[error("no record with events begins at offset {} of the journal", .0.0)]
    NoRecord(LogOffset),
    /// The record is among lost records of the archive.
    #[error(
        "the record at offset {} of the journal is among records {first} to {last}, which the archive has lost; restore \
         their segments from a backup into the folder `archive` and restart the daemon",
        .offset.0
    )]
    Lost {
        /// The offset of the record.
        offset: LogOffset,
        /// The first lost record.
        first: Lsn,
        /// The last lost record.
        last: Lsn,
    },
    /// The record is damaged.
    #[error("the record at offset {} of the journal, in {file}, is damaged: {what}; run `levelgate inspect DATA_FOLDER`", .offset.0)]
    Damaged {
        /// The offset of the record.
        offset: LogOffset,
        /// The path.
        file: String,
        /// The flaw.
        what: String,
    },
    /// The file cannot be read.
    #[error("{file} cannot be read: {source}")]
    Io {
        /// The path.
        file: String,
        /// The error of the system.
        source: io::Error,
    },
}

/// Why a segment could not be scanned.
#[derive(Debug, thiserror::Error)]
pub enum ScanError {
    /// The segment is damaged.
    #[error("{file} is damaged at byte {offset}: {what}; run `levelgate inspect DATA_FOLDER`")]
    Damaged {
        /// The path.
        file: String,
        /// The offset of the damage.
        offset: u64,
        /// The flaw.
        what: String,
    },
    /// The file differs from the archive list.
    #[error("{file} is damaged: {what}; restore it from a backup into the folder `archive`")]
    Changed {
        /// The path.
        file: String,
        /// The flaw.
        what: String,
    },
    /// The file cannot be read.
    #[error("{file} cannot be read: {source}")]
    Io {
        /// The path.
        file: String,
        /// The error of the system.
        source: io::Error,
    },
    /// The visitor has refused a record.
    #[error("record {lsn} in {file} was refused: {what}")]
    Refused {
        /// The path.
        file: String,
        /// The record.
        lsn: Lsn,
        /// The reason.
        what: String,
    },
}
