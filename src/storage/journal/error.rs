//! What can go wrong with a journal, in words that name the thing and the remedy.

use crate::{
    domain::transaction::record::LogOffset,
    storage::journal::{JournalId, Lsn},
};
use std::{io, sync::Arc};

/// The journal has failed, and will not work again in this process.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the journal has failed ({cause}): what was not confirmed may have happened or not; restart the daemon, which tells, \
     and send the same ids again"
)]
pub struct Failed {
    /// What failed first.
    pub cause: Arc<str>,
}

/// Why a journal could not be opened. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Damage at or below a number that is known to have been synced.
    #[error(
        "{file} is damaged at byte {offset}, record {lsn}: {what}; this was on the disk for certain, so it is no power \
         cut but a broken disk, a missing file or a foreign hand; nothing was changed; look with `levelgate inspect \
         DATA_FOLDER`, and restore the data folder from a copy"
    )]
    Corrupt {
        /// The file, from the data folder on.
        file: String,
        /// Where in it.
        offset: u64,
        /// The number of the record that should stand there.
        lsn: Lsn,
        /// What is wrong.
        what: String,
    },
    /// What a record needs is not in the journal's companion, and no power cut has taken it.
    #[error(
        "{file}: record {lsn}, of customer {owner}, is whole, but the file `keys` has not the key of what is sealed in it; \
         no power cut took it, since the machine has been running or the record was synced: `keys` is an older copy, or \
         another folder's; \
         nothing was changed; bring back the `keys` that belong to this folder"
    )]
    Keyless {
        /// The file, from the data folder on.
        file: String,
        /// The number of the first such record.
        lsn: Lsn,
        /// Of whom it is.
        owner: u64,
    },
    /// The journal begins behind its first record, and no snapshot holds what stood before.
    #[error(
        "{file} is the oldest segment and begins with record {begins}, and the records from {missing} on are needed: what \
         is older than archive_days was deleted, and the newest snapshot that can be read does not hold it, or there is \
         none; nothing was changed; bring a snapshot of this folder back into `snapshots`, or restore the data folder \
         from a copy"
    )]
    Beginning {
        /// The file, from the data folder on.
        file: String,
        /// The number of its first record.
        begins: Lsn,
        /// The first that is needed.
        missing: Lsn,
    },
    /// A segment of another journal.
    #[error(
        "{file} belongs to journal {found}, and this data folder is that of journal {expected}; nothing was changed; \
         move the file out of the folder, or start with the folder that it came from"
    )]
    Foreign {
        /// The file.
        file: String,
        /// Whose it is.
        found: JournalId,
        /// Whose it should be.
        expected: JournalId,
    },
    /// Another process has the newest segment locked.
    #[error(
        "{file} is held by {holder}: two daemons cannot share a journal; nothing was changed; stop that process, or give \
         this one a data folder of its own"
    )]
    Held {
        /// The file, from the data folder on.
        file: String,
        /// Which process.
        holder: String,
    },
    /// Segments of the archive are missing or cut, and nobody has let them go.
    #[error(
        "the archive has lost {what}; no counter changes by that, but transaction ids in these records may count as new \
         and facts about their transactions cannot be taken; nothing was changed; bring the files back from a backup \
         into the folder `archive`, or start once with `levelgate serve --accept-lost-archive`"
    )]
    ArchiveLost {
        /// The records and the files.
        what: String,
    },
    /// Neither slot of the file `synced` is whole.
    #[error(
        "the file `synced`, which says how far the journal was on the disk, is damaged in both of its slots; a power cut \
         damages one at most; nothing was changed; bring it back from a backup of this folder, or remove it: then only \
         the journal itself says how far it went, and records that are missing at its end cannot be noticed"
    )]
    SyncedFile,
    /// Written by a newer program.
    #[error(
        "{file} is of format {format}, newer than this program's; nothing was changed; start the version of levelgate \
         that wrote it, or a later one"
    )]
    Newer {
        /// The file.
        file: String,
        /// Its format.
        format: u32,
    },
    /// The journal is one of several that belong together.
    #[error(
        "{file} is of group {group} of several journals, which this program does not know; nothing was changed; start \
         the version of levelgate that wrote it"
    )]
    Group {
        /// Which file.
        file: String,
        /// The group.
        group: u16,
    },
    /// A record cannot be replayed.
    #[error(
        "record {lsn} in {file} cannot be replayed: {what}; nothing was changed; look with `levelgate inspect DATA_FOLDER`"
    )]
    Replay {
        /// The file.
        file: String,
        /// The record.
        lsn: Lsn,
        /// Why not.
        what: String,
    },
    /// The store refuses. What had been begun is done again, or undone, at the next start.
    #[error("{what}: {source}; see that the data folder can be read and written and has room, then start again")]
    Io {
        /// What was tried, on which file.
        what: String,
        /// Why not.
        source: io::Error,
    },
}

/// Why a record could not be read by its place.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// No record with events begins there.
    #[error("no record with events begins at place {}", .0.0)]
    NoRecord(LogOffset),
    /// It was in records of the archive that are lost.
    #[error(
        "the record at place {} is among records {first} to {last}, which were lost from the archive; bring their segments \
         back from a backup into the folder `archive` and restart the daemon",
        .place.0
    )]
    Lost {
        /// Where it was.
        place: LogOffset,
        /// The first record that is lost.
        first: Lsn,
        /// The last one.
        last: Lsn,
    },
    /// It is damaged.
    #[error("the record at place {} in {file} is damaged: {what}; look with `levelgate inspect DATA_FOLDER`", .place.0)]
    Damaged {
        /// Where.
        place: LogOffset,
        /// In which file.
        file: String,
        /// How.
        what: String,
    },
    /// The file cannot be read.
    #[error("{file} cannot be read: {source}")]
    Io {
        /// Which.
        file: String,
        /// Why not.
        source: io::Error,
    },
}

/// Why a segment could not be scanned.
#[derive(Debug, thiserror::Error)]
pub enum ScanError {
    /// It is damaged.
    #[error("{file} is damaged at byte {offset}: {what}; look with `levelgate inspect DATA_FOLDER`")]
    Damaged {
        /// Which.
        file: String,
        /// Where in it.
        offset: u64,
        /// How.
        what: String,
    },
    /// It is not the file that was listed.
    #[error("{file} is damaged: {what}; bring it back from a backup, into the folder `archive`")]
    Changed {
        /// Which.
        file: String,
        /// How.
        what: String,
    },
    /// It cannot be read.
    #[error("{file} cannot be read: {source}")]
    Io {
        /// Which.
        file: String,
        /// Why not.
        source: io::Error,
    },
    /// Whoever looks at the records has refused one.
    #[error("record {lsn} in {file} was refused: {what}")]
    Refused {
        /// Which file.
        file: String,
        /// Which record.
        lsn: Lsn,
        /// Why.
        what: String,
    },
}
