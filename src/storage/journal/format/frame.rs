//! The bytes of a record: pure functions between bytes and their parts.
//!
//! This file knows no file. It trusts no length before its check, reads only the given bytes, and allocates nothing.
//!
//! All numbers are little-endian.
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
//! | check | CRC-32C of the four bytes of the length: a length is verified before it is used |
//! | sequence number | of this record; in a batch header that of the batch's first record, since a batch header has no number |
//! | epoch | the number of the daemon's start that wrote it: 1, 2, ...; it never decreases |
//! | v | version of the format: [`FORMAT`]. A newer one is refused, an older one is read |
//! | k | kind: 1 events, 2 batch header, 3 group begins, 4 part of a group, 5 group ends |
//! | g | group number of several journals: 0 in every record of this version. A batch header with another number is refused |
//! | owner | the aggregate that the record is about: the customer number; 0 if it belongs to no customer |
//! | body | by kind; see below |
//! | CRC | CRC-32C of everything before it, from the length on |
//!
//! **Events** (kind 1): one or more events of the owner, one after another to the end of the body. They were recorded in one
//! step: all of them are there or none. [`encoding`](crate::storage::encoding) describes an event.
//!
//! **Batch header** (2): the journal's 16-byte id, then the sequence number up to which the file is known to be synced. It
//! precedes the first record of each written batch.
//!
//! **Groups** (3, 4, 5): a change of several aggregates. The sequence number of its begin, whose body is empty, is the name of
//! the group. The body of a part is that number (8 bytes) and then events, as in kind 1; each part is complete in itself. The
//! body of the end is that number and the number of parts (4 bytes). Begin and end have owner 0. A part counts only if the
//! end of its group is in the journal; a group without its end is dropped completely. A group is appended in one step, under
//! the locks of all its aggregates, so no other record is between its parts and no batch splits it.

use crate::storage::journal::model::ids::{JournalId, Lsn};

/// The version of the format that this program writes.
pub const FORMAT: u8 = 5;
/// The most bytes of one record.
pub const RECORD_BYTES_MAX: usize = 16 * 1024 * 1024;
/// The bytes of a record before its body.
pub const HEAD_BYTES: usize = 32;
/// The bytes of a record after its body.
pub const CRC_BYTES: usize = 4;
/// The fewest bytes of a record.
pub const RECORD_BYTES_MIN: usize = HEAD_BYTES + CRC_BYTES;
/// The bytes of a batch header.
pub const BATCH_BYTES: usize = RECORD_BYTES_MIN + 24;

/// The kind of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Events of one owner.
    Events,
    /// The header before the first record of a batch.
    Batch,
    /// A group begins.
    Begin,
    /// Events of one owner that count if the group ends.
    Part,
    /// A group ends.
    End,
}

impl Kind {
    fn code(self) -> u8 {
        match self {
            Self::Events => 1,
            Self::Batch => 2,
            Self::Begin => 3,
            Self::Part => 4,
            Self::End => 5,
        }
    }

    fn from_code(code: u8) -> Option<Self> {
        [Self::Events, Self::Batch, Self::Begin, Self::Part, Self::End].into_iter().find(|kind| kind.code() == code)
    }
}

/// The head of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// Its number; in a batch header that of the batch's first record.
    pub lsn: Lsn,
    /// The number of the daemon's start that wrote it.
    pub epoch: u32,
    /// Its kind.
    pub kind: Kind,
    /// The customer number; 0 if it belongs to no customer.
    pub owner: u64,
}

/// A body, by kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Body<'a> {
    /// Events, one after another.
    Events(&'a [u8]),
    /// The body of a batch header.
    Batch {
        /// The id of the journal.
        id: JournalId,
        /// The number up to which the file was known to be synced.
        synced: Lsn,
    },
    /// A group begins. The record's number is its name.
    Begin,
    /// A part of a group.
    Part {
        /// The number of the group's begin.
        group: Lsn,
        /// As in [`Body::Events`].
        events: &'a [u8],
    },
    /// A group ends.
    End {
        /// The number of the group's begin.
        group: Lsn,
        /// The number of its parts.
        parts: u32,
    },
}

/// A whole record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Framed<'a> {
    /// The head.
    pub head: Head,
    /// The body.
    pub body: Body<'a>,
    /// The bytes of the record, including head and checksum.
    pub bytes: usize,
    /// The checksum.
    pub crc: u32,
}

impl Framed<'_> {
    /// The record without its events.
    pub(in crate::storage) fn without_events(&self) -> Framed<'static> {
        let body = match self.body {
            Body::Events(_) => Body::Events(&[]),
            Body::Part { group, .. } => Body::Part { group, events: &[] },
            Body::Batch { id, synced } => Body::Batch { id, synced },
            Body::Begin => Body::Begin,
            Body::End { group, parts } => Body::End { group, parts },
        };
        Framed { body, ..*self }
    }
}

/// Why bytes are not a record of this format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    /// They end before the record.
    #[error("the file ends inside the record")]
    Short,
    /// The check of the length does not match.
    #[error("the check of the record's length does not match")]
    Length,
    /// The length is out of bounds.
    #[error("the record's length is out of bounds")]
    Bounds,
    /// The checksum does not match.
    #[error("the record's checksum does not match")]
    Checksum,
    /// The record is whole and has a newer format.
    #[error("the record has format {0}, which is newer than this program")]
    Newer(u8),
    /// The record is whole and belongs to a group of journals.
    #[error("the record belongs to group {0} of several journals, which this program does not support")]
    Group(u16),
    /// The record is whole and is never written by this program. A power cut cannot cause that.
    #[error("the record is whole but invalid: {0}")]
    Invalid(&'static str),
}

pub(super) fn piece<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    piece(bytes, at).map(u32::from_le_bytes)
}

pub(super) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    piece(bytes, at).map(u64::from_le_bytes)
}

/// The bytes of a record with a body of this length; `None` if it exceeds [`RECORD_BYTES_MAX`].
#[must_use]
pub fn record_bytes(body: usize) -> Option<usize> {
    body.checked_add(RECORD_BYTES_MIN).filter(|bytes| *bytes <= RECORD_BYTES_MAX)
}

/// Appends a record with a body of these pieces. The caller must check its length with [`record_bytes`].
pub fn put(out: &mut Vec<u8>, head: &Head, body: &[&[u8]]) {
    let start = out.len();
    let bytes = body.iter().map(|piece| piece.len()).sum::<usize>() + RECORD_BYTES_MIN;
    debug_assert!(bytes <= RECORD_BYTES_MAX, "a record of {bytes} bytes");
    let length = u32::try_from(bytes).unwrap_or(u32::MAX).to_le_bytes();
    let mut bytes = [0; HEAD_BYTES];
    bytes[..4].copy_from_slice(&length);
    bytes[4..8].copy_from_slice(&crc32c::crc32c(&length).to_le_bytes());
    bytes[8..16].copy_from_slice(&head.lsn.0.to_le_bytes());
    bytes[16..20].copy_from_slice(&head.epoch.to_le_bytes());
    bytes[20..24].copy_from_slice(&[FORMAT, head.kind.code(), 0, 0]);
    bytes[24..].copy_from_slice(&head.owner.to_le_bytes());
    out.extend_from_slice(&bytes);
    body.iter().for_each(|piece| out.extend_from_slice(piece));
    let crc = crc32c::crc32c(out.get(start..).unwrap_or_default());
    out.extend_from_slice(&crc.to_le_bytes());
}

/// Appends a batch header before the record of this number.
pub fn put_batch(out: &mut Vec<u8>, lsn: Lsn, epoch: u32, id: &JournalId, synced: Lsn) {
    put(out, &Head { lsn, epoch, kind: Kind::Batch, owner: 0 }, &[&id.0, &synced.0.to_le_bytes()]);
}

/// The verified length of the record at the start of the bytes.
///
/// # Errors
/// There are fewer than 8 bytes, the check does not match, or the length is out of bounds.
pub fn length(bytes: &[u8]) -> Result<usize, Flaw> {
    let (length, check) = (bytes.get(..4).ok_or(Flaw::Short)?, u32_at(bytes, 4).ok_or(Flaw::Short)?);
    if crc32c::crc32c(length) != check {
        return Err(Flaw::Length);
    }
    let length = u32_at(bytes, 0).and_then(|length| usize::try_from(length).ok()).ok_or(Flaw::Bounds)?;
    if (RECORD_BYTES_MIN..=RECORD_BYTES_MAX).contains(&length) { Ok(length) } else { Err(Flaw::Bounds) }
}

/// Parses the record at the start of the bytes.
///
/// # Errors
/// The bytes are not a whole record of this format.
pub fn parse(bytes: &[u8]) -> Result<Framed<'_>, Flaw> {
    let length = length(bytes)?;
    let record = bytes.get(..length).ok_or(Flaw::Short)?;
    let (checked, crc) = record.split_last_chunk::<CRC_BYTES>().ok_or(Flaw::Short)?;
    if crc32c::crc32c(checked) != u32::from_le_bytes(*crc) {
        return Err(Flaw::Checksum);
    }
    parse_checked(record)
}

/// Parses a record whose checksum was verified before.
pub(in crate::storage) fn parse_checked(record: &[u8]) -> Result<Framed<'_>, Flaw> {
    let bytes = length(record)?;
    let checked = record.get(..bytes - CRC_BYTES).ok_or(Flaw::Short)?;
    let (head, body) = checked.split_first_chunk::<HEAD_BYTES>().ok_or(Flaw::Short)?;
    let [version, kind, group @ ..] = piece::<4>(head, 20).ok_or(Flaw::Short)?;
    match version {
        0 => return Err(Flaw::Invalid("no format has the number 0")),
        1..=FORMAT => {}
        newer => return Err(Flaw::Newer(newer)),
    }
    let kind = Kind::from_code(kind).ok_or(Flaw::Invalid("its kind is unknown"))?;
    match (u16::from_le_bytes(group), kind, version) {
        (0, ..) => {}
        (group, Kind::Batch, 2..) => return Err(Flaw::Group(group)),
        _ => return Err(Flaw::Invalid("two bytes of its head must be zero")),
    }
    let head = Head {
        lsn: u64_at(head, 8).map(Lsn).ok_or(Flaw::Short)?,
        epoch: u32_at(head, 16).ok_or(Flaw::Short)?,
        kind,
        owner: u64_at(head, 24).ok_or(Flaw::Short)?,
    };
    let body = parse_body(kind, body).ok_or(Flaw::Invalid("its body does not have the length of its kind"))?;
    let crc = u32_at(record, bytes - CRC_BYTES).ok_or(Flaw::Short)?;
    Ok(Framed { head, body, bytes, crc })
}

fn parse_body(kind: Kind, body: &[u8]) -> Option<Body<'_>> {
    let group = u64_at(body, 0).map(Lsn);
    match (kind, body.len()) {
        (Kind::Events, _) => Some(Body::Events(body)),
        (Kind::Batch, 24) => Some(Body::Batch { id: JournalId(piece(body, 0)?), synced: u64_at(body, 16).map(Lsn)? }),
        (Kind::Begin, 0) => Some(Body::Begin),
        (Kind::Part, 8..) => Some(Body::Part { group: group?, events: body.get(8..)? }),
        (Kind::End, 12) => Some(Body::End { group: group?, parts: u32_at(body, 8)? }),
        _ => None,
    }
}

/// The eight bytes at the start of every batch header: its length and the check of the length.
#[must_use]
pub fn batch_prefix() -> [u8; 8] {
    let length = u32::try_from(BATCH_BYTES).unwrap_or(u32::MAX).to_le_bytes();
    let mut begin = [0; 8];
    begin[..4].copy_from_slice(&length);
    begin[4..].copy_from_slice(&crc32c::crc32c(&length).to_le_bytes());
    begin
}

#[cfg(test)]
mod tests;
