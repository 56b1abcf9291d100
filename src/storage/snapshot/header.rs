//! The header of a snapshot, and the numbers that its parts are made of.
//!
//! ```text
//!  0                8        12       16              32               40               48           60     64
//! +----------------+--------+--------+---------------+----------------+----------------+------------+------+- - -
//! | "LGSNAP\0\0"   | format | codec  | journal's id  | begin LSN      | created at     | 0          | CRC  | frames
//! +----------------+--------+--------+---------------+----------------+----------------+------------+------+- - -
//! ```
//!
//! All numbers are little-endian. The header names the codec of the frames: a frame of codec 1 is read in its own shapes. A
//! newer codec is refused.

use crate::storage::snapshot::{
    error::SnapshotError,
    version::{CODEC, FORMAT},
};

/// The bytes of the header.
pub const HEADER_BYTES: usize = 64;

const MAGIC: [u8; 8] = *b"LGSNAP\0\0";

/// The start of a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// The id of its journal.
    pub journal: [u8; 16],
    /// Records after this number must be applied to the snapshot.
    pub begin_lsn: u64,
    /// When it was written, in milliseconds since 1970.
    pub created_at: i64,
}

impl Header {
    pub(super) fn bytes(&self, codec: u32) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..12].copy_from_slice(&FORMAT.to_le_bytes());
        bytes[12..16].copy_from_slice(&codec.to_le_bytes());
        bytes[16..32].copy_from_slice(&self.journal);
        bytes[32..40].copy_from_slice(&self.begin_lsn.to_le_bytes());
        bytes[40..48].copy_from_slice(&self.created_at.to_le_bytes());
        let crc = crc32c::crc32c(&bytes[..60]);
        bytes[60..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// Reads the header of a file, and the codec of its frames.
    ///
    /// # Errors
    /// It is damaged, newer, or of another journal.
    pub(super) fn parse(bytes: &[u8; HEADER_BYTES], journal: [u8; 16]) -> Result<(Self, u32), SnapshotError> {
        let damaged = SnapshotError::Damaged { offset: 0 };
        if !bytes.starts_with(&MAGIC) || u32_at(bytes, 60) != crc32c::crc32c(&bytes[..60]) {
            return Err(damaged);
        }
        let (format, codec) = (u32_at(bytes, 8), u32_at(bytes, 12));
        if format != FORMAT || !(1..=CODEC).contains(&codec) {
            return Err(SnapshotError::Newer { format, codec });
        }
        let (mut known, mut begin_lsn, mut created_at) = ([0; 16], [0; 8], [0; 8]);
        known.copy_from_slice(&bytes[16..32]);
        begin_lsn.copy_from_slice(&bytes[32..40]);
        created_at.copy_from_slice(&bytes[40..48]);
        if known != journal {
            return Err(SnapshotError::Foreign);
        }
        let (begin_lsn, created_at) = (u64::from_le_bytes(begin_lsn), i64::from_le_bytes(created_at));
        let header = Self { journal, begin_lsn, created_at };
        if header.bytes(codec) == *bytes { Ok((header, codec)) } else { Err(damaged) }
    }
}

/// The little-endian number of eight bytes at an offset.
pub(super) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

/// The little-endian number of four bytes at an offset; 0 if there are fewer.
pub(super) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).and_then(|four| four.try_into().ok()).map_or(0, u32::from_le_bytes)
}
