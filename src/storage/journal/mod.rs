//! History: what happened, as bytes; how it is kept, and how it is read back.
//!
//! A journal is one sequence of records, cut into segments. Applying its records in order gives the state; a snapshot
//! only saves the time of applying old ones; the facts of a transaction are read from it by place. This room knows
//! events and bytes. It knows no lock of the ledger, no rule, no clock.
//!
//! # A record
//!
//! All numbers are little-endian. A record is addressed by its *place*: bytes of records since the journal began,
//! whatever segment they lie in. It is numbered by its *sequence number* (LSN), which goes up by one from one record to
//! the next and never starts again.
//!
//! ```text
//!  0        4        8                16       20 21 22   24               32            n-4      n
//! +--------+--------+----------------+--------+--+--+----+----------------+-- - - --+--------+
//! | length | check  | sequence number| epoch  |v |k | g  | owner          | body    | CRC    |
//! +--------+--------+----------------+--------+--+--+----+----------------+-- - - --+--------+
//! ```
//!
//! | Field | Meaning |
//! |---|---|
//! | length | of the whole record, 36 to [`RECORD_BYTES_MAX`] |
//! | check | CRC-32C of the four bytes of the length: nothing is allocated or skipped by a length that may be wrong |
//! | sequence number | of this record; of the batch's first record in a batch header, which uses up no number |
//! | epoch | which start of the daemon wrote it: 1, 2, ...; never goes down |
//! | v | version of the format: [`FORMAT`]. A newer one is refused, an older one is read |
//! | g | group number: 0 in this version, in every record. Format 2 keeps it in batch headers for several journals that belong together; a batch header with another number is refused in words |
//! | k | kind: 1 events, 2 batch header, 3 group begins, 4 part of a group, 5 group ends |
//! | owner | the one aggregate that it is about: the customer's internal number; 0 for what belongs to no customer |
//! | body | by kind; see below |
//! | CRC | CRC-32C of everything before it, from the length on |
//!
//! **Events** (kind 1): one or more events of the owner, one after another to the end of the body; they happened in one
//! step and are all there or none. What an event looks like inside stands in [`encoding`](super::encoding).
//!
//! **Batch header** (2): the journal's 16-byte id, then the sequence number up to which the file is known to be synced.
//! It stands before the first record of each batch that is written.
//!
//! **Groups** (3, 4, 5): what touches several aggregates. The group is named by the sequence number of its begin, whose
//! body is empty. A part's body is that number (8 bytes) and then events, as in kind 1; each part carries all that it
//! needs. The end's body is that number and the number of parts (4 bytes). Begin and end have owner 0. A part counts if
//! and only if the end of its group stands in the journal; a group without its end is dropped whole. A group is appended
//! in one step, under the locks of all whom it is about, so nothing stands between its parts and no batch splits it.
//!
//! # A segment
//!
//! ```text
//!  0                8        12       16              32               40               48               56     60
//! +----------------+--------+--------+---------------+----------------+----------------+----------------+------+- - -
//! | "LGJOURNL"     | format | epoch  | journal's id  | first LSN      | first place    | synced LSN     | CRC  | records
//! +----------------+--------+--------+---------------+----------------+----------------+----------------+------+- - -
//! ```
//!
//! The file's name is its first sequence number in twenty digits, `.log`. Each start of the daemon begins a new one, so
//! nothing is ever appended behind a cut; all that was found is synced before that one is created. While the daemon
//! runs, the next file is created ahead as `next.new`, with zeroes for a head; it gets its head and its name when records
//! are to be written to it. Records may be written to it before the segment before it, and the names, are synced. The
//! synced number passes a record only when its segment, every segment before that, and their names are on the medium. So
//! of what a power cut leaves behind that number, a segment may be torn while a later one is whole, and the newest may
//! have its old name; recovery cuts at the first damage and keeps the rest aside.
//!
//! # Recovery and its cases
//!
//! Everything is synced before it is read, so that nothing is acted on that a dead process left in the cache alone.
//! Then segments are scanned in order; each record must be whole, carry the next number and an epoch not below the
//! last. The *known synced number* is the highest that any whole batch header, segment header or snapshot names, those
//! behind a damage included, or the file of the synced number ([`synced_file`]).
//!
//! | Found | Then |
//! |---|---|
//! | all whole to the end | go on behind it; what is not known to be synced is written again, for pages that a failed sync left look clean and are lost |
//! | damage or a gap at a number at or below the known synced number | corruption: refuse, name file, offset and command; change nothing |
//! | damage above it | a power cut: cut there, even where good records follow; the bytes are kept aside, counted and logged |
//! | a record above it whose key was lost | the same: a power cut that took the key and left what it had sealed |
//! | another journal's id | refuse |
//! | a whole record that makes no sense: no power cut leaves one | corruption: refuse |
//! | a newer format | refuse |
//! | `next.new` with records: a power cut took its name | the same: kept aside, counted and logged |
//! | `next.new` without records | removed |
//! | the journal ends before the newest snapshot's number, or before that of the file `synced` | corruption: refuse |
//! | the file `synced` has no whole slot | no power cut leaves that: refuse |
//! | a record that only the file `synced` vouches for, whose key is missing | an older copy of the keys: refuse |
//! | a segment that no start replays is missing, has another length or no whole head | refuse, unless it was let go or its loss is accepted; see below |
//! | the journal begins behind record 1, and a snapshot holds what stood before | go on; its oldest segments were deleted |
//! | the same, and none does | refuse |
//!
//! # How it loses its beginning
//!
//! A segment may be deleted, the oldest first, once snapshots hold what it did to the state, and once every transaction
//! that must stay and of whose story it has a part was written once more, whole. Places and numbers go on as before.
//!
//! # What of the archive must be there
//!
//! A snapshot lists every sealed segment up to its own begin, with the length and the CRC-32C of the file, whether it was
//! moved to the archive yet or not ([`archive_list`](super::archive_list)). The checksum is computed where the segment is read for the index; 0
//! stands for one that is not computed yet. Before retention deletes segments it records the number of their last record
//! (event 74). A start reads the list and the records after the snapshot, and compares: a listed segment must be there with
//! its length, and each segment must go on where the one before it ends. What is missing and was neither let go nor accepted
//! (event 76) is refused, with every file's name. With `--accept-lost-archive` the start records the acceptance and goes on;
//! the lost segments stay listed, so that their places keep leading to an error that says what happened
//! ([`ReadError::Lost`]), and an id that the index leads there is never new. Only segments that no start replays can be
//! accepted as lost: without the others there is no state.
//!
//! # What stands in it of persons
//!
//! Attributes of a customer stand in one event alone, sealed with a key of that customer; see [`keys`](super::keys). Keys lie in a file
//! of their own, no copy of which is in any backup unless asked for: erasing the key erases what it sealed, wherever a
//! copy lies. Digests of identities are keyed with a secret of the data folder; see [`Instance`].
//!
//! # What a later version adds
//!
//! An event begins with its tag. A tag is never used again and has one shape, which golden bytes hold: another shape is
//! another tag, and so it is with the numbers of facts and words. Each new tag, number or bit raises [`FORMAT`], so that
//! an older program refuses the file at its head and not in the middle.
//!
//! **Format 2** adds captures to follow, cancels of the reservation, levels that are null, and the shapes that
//! [`encoding`](super::encoding) lists as reserved. A journal of format 1 goes on in segments of format 2. Its records stay as they are: what
//! such a record says that a transaction has come to holds until the next fact about it.

pub mod archived;
pub(crate) mod buffer;
pub(crate) mod error;
pub(crate) mod follow;
pub mod frame;
pub(crate) mod instance;
pub(crate) mod lead;
pub(crate) mod log;
pub(crate) mod presence;
pub(crate) mod read;
pub(crate) mod rotate;
pub mod segment_reader;
pub mod synced_file;
pub(crate) mod threads;
pub(crate) mod watermarks;
pub(crate) mod write;

#[cfg(test)]
mod tests;

pub use crate::domain::transaction::record::LogOffset;
pub use crate::storage::journal::error::{Failed, OpenError, ReadError, ScanError};
pub use crate::storage::journal::follow::{FOLLOW_BYTES_MAX, FollowError, Followed};
pub use crate::storage::journal::frame::Head;
pub use crate::storage::journal::instance::{Instance, InstanceError};
pub use crate::storage::journal::log::Journal;
pub(crate) use crate::storage::journal::watermarks::CachePadded;
pub use crate::storage::keys::Keys;
pub use crate::storage::recovery::Recovery;

use crate::storage::fs::File;
use std::{fmt, io, sync::Arc, time::Duration};

/// The version of the format that this program writes.
pub const FORMAT: u8 = 2;
/// The most bytes of one record.
pub const RECORD_BYTES_MAX: usize = 16 * 1024 * 1024;
/// The most bytes of records that may wait to be written before callers should refuse new work.
pub const BACKLOG_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// The folder of the segments.
pub const FOLDER: &str = "journal";
/// The folder of the segments that were moved to the archive.
pub const ARCHIVE: &str = "archive";
/// The folder of the bytes that recovery cut off.
pub const CUT: &str = "cut";

/// A record's number. 0 is before the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Lsn(pub u64);

impl Lsn {
    /// Before the first record.
    pub const NONE: Self = Self(0);
}

impl fmt::Display for Lsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Names a journal for ever, so that no file of another is taken for one of this.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct JournalId(pub [u8; 16]);

impl fmt::Display for JournalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// When a record counts as committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sync {
    /// When it is on the medium.
    Always,
    /// When the system has it; the medium gets it every [`Options::sync_interval`].
    Interval,
    /// When the system has it; nothing is synced but by [`Journal::sync`].
    Never,
}

/// How a journal is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// When a record counts as committed.
    pub sync: Sync,
    /// How often the medium gets what the system has, with [`Sync::Interval`].
    pub sync_interval: Duration,
    /// Bytes of a segment's file from which on another is begun. A batch is never split, so a file may be larger by what
    /// had waited; and up to twice as large while the thread that rotates comes to it.
    pub segment_bytes: u64,
    /// Bytes of written records that stay in memory to be read without the file.
    pub tail_bytes: usize,
}

/// What became of a record that was appended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// Its number: what to wait for.
    pub lsn: Lsn,
    /// Where it lies: what to read it by.
    pub place: LogOffset,
}

/// A record that counts, as it is replayed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    /// Its number.
    pub lsn: Lsn,
    /// Which start of the daemon wrote it.
    pub epoch: u32,
    /// Whom it is about.
    pub owner: u64,
    /// Where it lies.
    pub place: LogOffset,
    /// What happened.
    pub events: &'a [u8],
}

/// Why a record cannot be replayed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Which: one that was handed over before.
    pub lsn: Lsn,
    /// Why.
    pub what: String,
}

/// Takes records that count, in order. It may look at them later, but has told of each what is wrong when all are in.
pub trait Replay {
    /// Takes the next one.
    ///
    /// # Errors
    /// It, or one before it, cannot be replayed.
    fn record(&mut self, record: &Record<'_>) -> Result<(), Refused>;

    /// All are in.
    ///
    /// # Errors
    /// One of them cannot be replayed: the first of those.
    fn all_are_in(&mut self) -> Result<(), Refused> {
        Ok(())
    }

    /// What the archive must have, by the snapshot that the replay goes on from.
    fn archive(&self) -> crate::storage::archive_list::Demanded {
        crate::storage::archive_list::Demanded::default()
    }
}

impl<F: FnMut(&Record<'_>) -> Result<(), String>> Replay for F {
    fn record(&mut self, record: &Record<'_>) -> Result<(), Refused> {
        self(record).map_err(|what| Refused { lsn: record.lsn, what })
    }
}

/// A segment of a running journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentInfo {
    /// The number of its first record, which names its file.
    pub first_lsn: Lsn,
    /// The place of its first record.
    pub first_place: LogOffset,
    /// The place behind its last one.
    pub end_place: LogOffset,
    /// The number of its last record; that before the first where it has none.
    pub last: Lsn,
    /// Its file, from the data folder on.
    pub path: String,
    /// Whether another has begun, so that nothing will be written to this one again.
    pub sealed: bool,
}

/// A file that must never be behind the journal: the keys that records are sealed with. It is written before each
/// batch that is written, and synced before each sync.
pub trait Companion: Send + std::marker::Sync {
    /// RecoveryWorkers to the system what was added to it.
    ///
    /// # Errors
    /// The journal fails with it.
    fn write(&self) -> io::Result<()>;

    /// The same where that waits for no other thread; says whether it was done.
    ///
    /// # Errors
    /// The journal fails with it.
    fn try_write(&self) -> io::Result<bool> {
        self.write().map(|()| true)
    }

    /// Makes it durable.
    ///
    /// # Errors
    /// The journal fails with it.
    fn sync(&self) -> io::Result<()>;

    /// Its path and its open file, where it has one: the journal fails when the path leads elsewhere.
    fn file(&self) -> Option<(&'static str, Arc<dyn File>)> {
        None
    }

    /// Whether it has all that these events of an owner need of it. What was written to both and synced to neither may
    /// be lost in one alone.
    fn covers(&self, _owner: u64, _events: &[u8]) -> bool {
        true
    }
}

impl Companion for Keys {
    fn write(&self) -> io::Result<()> {
        Self::write(self)
    }

    fn try_write(&self) -> io::Result<bool> {
        Self::try_write(self)
    }

    fn sync(&self) -> io::Result<()> {
        Self::sync(self)
    }

    fn file(&self) -> Option<(&'static str, Arc<dyn File>)> {
        Self::file(self).map(|file| (crate::storage::keys::PATH, file))
    }

    fn covers(&self, owner: u64, events: &[u8]) -> bool {
        let mut covered = true;
        // What cannot be read for any other reason is refused when it is replayed.
        let _read = crate::storage::encoding::decode(events, &mut |sealed| {
            covered &= !matches!(self.unseal(owner, sealed), Err(crate::storage::keys::KeysError::Missing { .. }));
            Ok(None)
        });
        covered
    }
}

/// What is known of transactions that have left memory.
pub trait Past: Send + std::marker::Sync {
    /// Where the last records lie about transactions whose ids have this key: customer, slot, place.
    ///
    /// # Errors
    /// The index cannot be read.
    fn transactions(&self, key: u64) -> io::Result<Vec<(u64, u32, LogOffset)>>;

    /// The transactions of a customer in slots `from..to`, ascending, with the places of their last records.
    ///
    /// # Errors
    /// The index cannot be read.
    fn of_customer(&self, customer: u64, from: u32, to: u32) -> io::Result<Vec<(u32, LogOffset)>>;

    /// Every record before this place is known.
    fn archived_before(&self) -> LogOffset;
}
