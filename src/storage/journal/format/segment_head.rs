//! The head of a segment.
//!
//! ```text
//!  0                8        12       16              32               40               48               56     60
//! +----------------+--------+--------+---------------+----------------+----------------+----------------+------+- - -
//! | "LGJOURNL"     | format | epoch  | journal's id  | first LSN      | first offset   | synced LSN     | CRC  | records
//! +----------------+--------+--------+---------------+----------------+----------------+----------------+------+- - -
//! ```
//!
//! All numbers are little-endian. The file's name is its first sequence number in twenty digits, with the end `.log`. Each
//! start of the daemon begins a new segment, so nothing is ever appended after a cut; the records before it are synced before
//! it is created. While the daemon runs, the next file is created ahead as `next.new`, with zeroes as its head. It gets its
//! head and its name when records are written to it. Records may be written to it before the segment before it, and the
//! names, are synced. The synced number passes a record only when its segment, every segment before that, and their names are
//! on the medium. So after a power cut, segments after that number may be torn while later ones are whole, and the newest may
//! have its old name; recovery cuts at the first damage and moves the rest to the folder `cut`.

use crate::{
    domain::transaction::log_offset::LogOffset,
    storage::journal::{
        format::frame::{FORMAT, piece, u32_at, u64_at},
        model::ids::{JournalId, Lsn},
    },
};

/// The bytes of a segment's head.
pub(crate) const SEGMENT_HEAD_BYTES: usize = 60;
/// Where the records of a segment begin.
pub(in crate::storage) const RECORDS_FROM: u64 = 60;
pub(super) const MAGIC: [u8; 8] = *b"LGJOURNL";

/// The head of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentHead {
    /// The number of the daemon's start that created it.
    pub epoch: u32,
    /// The id of the journal.
    pub id: JournalId,
    /// The number of its first record.
    pub first_lsn: Lsn,
    /// The offset of its first record.
    pub first_offset: LogOffset,
    /// The number up to which the journal was known to be synced when the segment was created.
    pub synced: Lsn,
}

impl SegmentHead {
    /// Encodes the head.
    #[must_use]
    pub fn encode(&self) -> [u8; SEGMENT_HEAD_BYTES] {
        let mut bytes = [0; SEGMENT_HEAD_BYTES];
        let fields: [(usize, &[u8]); 7] = [
            (0, &MAGIC),
            (8, &u32::from(FORMAT).to_le_bytes()),
            (12, &self.epoch.to_le_bytes()),
            (16, &self.id.0),
            (32, &self.first_lsn.0.to_le_bytes()),
            (40, &self.first_offset.0.to_le_bytes()),
            (48, &self.synced.0.to_le_bytes()),
        ];
        for (at, field) in fields {
            bytes[at..at + field.len()].copy_from_slice(field);
        }
        let crc = crc32c::crc32c(&bytes[..56]);
        bytes[56..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// Parses the head at the start of a segment.
    ///
    /// # Errors
    /// It is damaged or has a newer format. A newer format is reported before the checksum is verified, since it may have
    /// the checksum elsewhere, and refusing a file is safer than cutting it.
    pub fn parse(bytes: &[u8]) -> Result<Self, HeadFlaw> {
        let head = bytes.get(..SEGMENT_HEAD_BYTES).ok_or(HeadFlaw::Damaged("the file ends inside its head"))?;
        let field = |at| u64_at(head, at).ok_or(HeadFlaw::Damaged("the file ends inside its head"));
        if !head.starts_with(&MAGIC) {
            return Err(HeadFlaw::Damaged("the file does not begin like a segment"));
        }
        let format = u32_at(head, 8).unwrap_or(0);
        if format > u32::from(FORMAT) {
            return Err(HeadFlaw::Newer(format));
        }
        if format == 0 || u32_at(head, 56) != Some(crc32c::crc32c(head.get(..56).unwrap_or_default())) {
            return Err(HeadFlaw::Damaged("the checksum of the file's head does not match"));
        }
        Ok(Self {
            epoch: u32_at(head, 12).unwrap_or(0),
            id: JournalId(piece(head, 16).unwrap_or_default()),
            first_lsn: Lsn(field(32)?),
            first_offset: LogOffset(field(40)?),
            synced: Lsn(field(48)?),
        })
    }
}

/// Why bytes are not the head of a segment of this format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HeadFlaw {
    /// The head is damaged.
    #[error("{0}")]
    Damaged(&'static str),
    /// The format is newer.
    #[error("the segment has format {0}, which is newer than this program")]
    Newer(u32),
}
