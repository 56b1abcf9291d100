//! What recovery works on: the segments that it found, and what it knows of them.

use crate::{
    domain::transaction::log_offset::LogOffset,
    storage::{
        archive_list::{ArchiveList, Demanded, Loss},
        fs::store::Store,
        journal::{
            format::{
                frame::Body,
                groups::Groups,
                segment_head::{RECORDS_FROM, SegmentHead},
                segment_reader::LocatedRecord,
                synced_file::SyncedMark,
            },
            model::{
                error::OpenError,
                ids::{JournalId, Lsn},
                paths::FOLDER,
                segment_info::SegmentInfo,
            },
        },
    },
};
use std::io;

/// What was found at the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Recovery {
    /// Records that were replayed.
    pub records: u64,
    /// The number of the last record that stands.
    pub last: Lsn,
    /// Bytes that were moved aside, since a power cut left them after a gap.
    pub cut_bytes: u64,
    /// Files that they were moved to, in the folder `cut`.
    pub cut_files: u64,
    /// The number of this start.
    pub epoch: u32,
}

/// What the running journal goes on from.
pub(crate) struct Recovered {
    pub(crate) recovery: Recovery,
    pub(crate) segments: Vec<SegmentInfo>,
    /// Where the next record will lie.
    pub(crate) end: LogOffset,
    /// The segments that the archive must have.
    pub(crate) list: ArchiveList,
    /// The losses of the archive.
    pub(crate) losses: Vec<Loss>,
}

/// What a start would do with the files that it finds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The number of the last record that counts.
    pub last: Lsn,
    /// Up to where the journal was synced for certain.
    pub synced: Lsn,
    /// What it would cut off as left by a power cut: the file, the offset, the record, and what is wrong there.
    pub cut: Option<(String, u64, Lsn, String)>,
    /// The losses of the archive, all accounted for.
    pub losses: Vec<Loss>,
    /// The segments that the archive must have.
    pub list: ArchiveList,
}

/// What is asked of a recovery.
pub(crate) struct Wanted {
    pub(crate) id: JournalId,
    /// Records up to here need no replay.
    pub(crate) after: Lsn,
    /// Up to here the journal was synced, says a snapshot.
    pub(crate) known_synced: Lsn,
    /// What the file `synced` says.
    pub(crate) mark: Option<SyncedMark>,
    /// See [`Store::may_have_lost_power`].
    pub(crate) may_have_lost_power: bool,
    /// Whether the newest records are those of another daemon; see
    /// [`following_mark`](crate::storage::journal::raw::following_mark).
    pub(crate) follows: bool,
    /// Whether nothing may be synced either.
    pub(crate) is_read_only: bool,
}

/// A segment's file and its head.
pub(super) struct Found {
    pub(super) path: String,
    pub(super) named: Lsn,
    pub(super) head: Result<SegmentHead, &'static str>,
    pub(super) bytes: u64,
    /// What the walk found, where the segment was walked.
    pub(super) last: Lsn,
    pub(super) end: u64,
    pub(super) tail: Tail,
}

impl Found {
    pub(super) fn end_offset(&self) -> LogOffset {
        let first = self.head.map_or(0, |head| head.first_offset.0);
        LogOffset(first.saturating_add(self.end.saturating_sub(RECORDS_FROM)))
    }
}

/// How the records of a segment end.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tail {
    /// The offset after the last record. Only batch headers follow.
    pub(super) records_end: u64,
    /// The group that has begun and not ended: the offset after the record before it, and its number.
    pub(super) group: Option<(u64, Lsn)>,
}

impl Default for Tail {
    fn default() -> Self {
        Self { records_end: RECORDS_FROM, group: None }
    }
}

impl Tail {
    /// Adds the next record.
    pub(super) fn add(&mut self, seen: &LocatedRecord<'_>) {
        match seen.framed.body {
            Body::Batch { .. } => return,
            Body::Begin => self.group = Some((self.records_end, seen.framed.head.lsn)),
            Body::Events(_) | Body::End { .. } => self.group = None,
            Body::Part { .. } => {}
        }
        self.records_end = seen.offset.saturating_add(u64::try_from(seen.framed.bytes).unwrap_or(u64::MAX));
    }
}

/// The end of the good records before the end of a file.
pub(super) struct Cut {
    /// Which segment; later ones go whole.
    pub(super) segment: usize,
    /// From where on; 0 for the whole file.
    pub(super) offset: u64,
    pub(super) lsn: Lsn,
    pub(super) what: String,
    pub(super) may_be_torn: bool,
}

pub(super) struct Scan<'a> {
    pub(super) store: &'a dyn Store,
    pub(super) wanted: Wanted,
    pub(super) archive: Demanded,
    pub(super) segments: Vec<Found>,
    /// The first segment that is walked.
    pub(super) from: usize,
    /// Up to where the journal was synced for certain.
    pub(super) known: Lsn,
    /// The same without what the file `synced` says.
    pub(super) vouched: Lsn,
    pub(super) epoch: u32,
    pub(super) groups: Groups,
}

pub(super) fn io_error(what: impl Into<String>) -> impl FnOnce(io::Error) -> OpenError {
    move |source| OpenError::Io { what: what.into(), source }
}

/// The text is created only for an error, since this is called for every record.
pub(super) fn reading(path: &str) -> impl FnOnce(io::Error) -> OpenError {
    move |source| OpenError::Io { what: format!("reading {path}"), source }
}

impl Scan<'_> {
    /// The error for corruption of a segment.
    pub(super) fn corrupt(&self, segment: usize, offset: u64, lsn: Lsn, what: &str) -> OpenError {
        let file = self.segments.get(segment).map_or(FOLDER.to_owned(), |found| found.path.clone());
        OpenError::Corrupt { file, offset, lsn, what: what.to_owned() }
    }
}
