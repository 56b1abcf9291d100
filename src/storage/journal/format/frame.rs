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
pub const FORMAT: u8 = 3;
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
    Ok(Framed { head, body, bytes })
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
mod tests {
    use super::*;
    use crate::{
        domain::transaction::log_offset::LogOffset,
        storage::journal::format::segment_head::{HeadFlaw, MAGIC, SEGMENT_HEAD_BYTES, SegmentHead},
    };

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn id() -> JournalId {
        JournalId(std::array::from_fn(|n| u8::try_from(n).unwrap() + 0xa0))
    }

    fn record(kind: Kind, owner: u64, body: &[&[u8]]) -> Vec<u8> {
        let mut bytes = Vec::new();
        put(&mut bytes, &Head { lsn: Lsn(0x0102), epoch: 3, kind, owner }, body);
        bytes
    }

    #[test]
    fn the_bytes_of_each_kind_never_change() {
        let mut batch = Vec::new();
        put_batch(&mut batch, Lsn(0x0102), 3, &id(), Lsn(0x0101));
        let group = 0x0100_u64.to_le_bytes();
        let golden: [(&str, Vec<u8>, &str); 5] = [
            (
                "events",
                record(Kind::Events, 1_000_001, &[b"ev", b"ents"]),
                "2a0000002b1f61d60201000000000000030000000301000041420f00000000006576656e7473ea9ec6a0",
            ),
            (
                "batch",
                batch,
                "3c00000064bc40fb020100000000000003000000030200000000000000000000a0a1a2a3a4a5a6\
                 a7a8a9aaabacadaeaf0101000000000000520b9075",
            ),
            (
                "begin",
                record(Kind::Begin, 0, &[]),
                "24000000bf6e60e4020100000000000003000000030300000000000000000000adb67d0f",
            ),
            (
                "part",
                record(Kind::Part, 1_000_001, &[&group, b"events"]),
                "32000000f0cd41c90201000000000000030000000304000041420f000000000000010000000000\
                 006576656e7473b962cac4",
            ),
            (
                "end",
                record(Kind::End, 0, &[&group, &2_u32.to_le_bytes()]),
                "3000000071ee267602010000000000000300000003050000000000000000000000010000000000\
                 0002000000211e88b8",
            ),
        ];
        for (kind, bytes, expected) in golden {
            assert_eq!(hex(&bytes), expected, "{kind}");
        }
        let head = SegmentHead {
            epoch: 3,
            id: id(),
            first_lsn: Lsn(0x0102),
            first_offset: LogOffset(0x0304),
            synced: Lsn(0x0101),
        };
        assert_eq!(
            hex(&head.encode()),
            "4c474a4f55524e4c0300000003000000a0a1a2a3a4a5a6a7a8a9aaabacadaeaf0201000000000000\
             04030000000000000101000000000000fb2f91d6"
        );
        assert_eq!(SegmentHead::parse(&head.encode()), Ok(head));
    }

    #[test]
    fn records_and_heads_of_formats_1_and_2_are_read() {
        let of_hex = |digits: &str| -> Vec<u8> {
            let byte = |two: &[u8]| u8::from_str_radix(std::str::from_utf8(two).unwrap(), 16).unwrap();
            digits.as_bytes().chunks(2).map(byte).collect()
        };
        let group = Lsn(0x0100);
        for (digits, body) in [
            (
                "2a0000002b1f61d60201000000000000030000000101000041420f00000000006576656e7473bc9a14be",
                Body::Events(b"events"),
            ),
            (
                "3c00000064bc40fb020100000000000003000000010200000000000000000000a0a1a2a3a4a5a6a7a8a9aaabacadaeaf01010000000000002a7c0912",
                Body::Batch { id: id(), synced: Lsn(0x0101) },
            ),
            ("24000000bf6e60e4020100000000000003000000010300000000000000000000cd1e9e6d", Body::Begin),
            (
                "32000000f0cd41c90201000000000000030000000104000041420f000000000000010000000000006576656e7473a76a979f",
                Body::Part { group, events: b"events" },
            ),
            (
                "3000000071ee2676020100000000000003000000010500000000000000000000000100000000000002000000ccedfbc9",
                Body::End { group, parts: 2 },
            ),
            (
                "2a0000002b1f61d60201000000000000030000000201000041420f00000000006576656e7473c19cafaf",
                Body::Events(b"events"),
            ),
            (
                "3c00000064bc40fb020100000000000003000000020200000000000000000000a0a1a2a3a4a5a6a7a8a9aaabacadaeaf0101000000000000eeb05c46",
                Body::Batch { id: id(), synced: Lsn(0x0101) },
            ),
            ("24000000bf6e60e40201000000000000030000000203000000000000000000009d620c3e", Body::Begin),
            (
                "32000000f0cd41c90201000000000000030000000204000041420f000000000000010000000000006576656e7473b6e664e9",
                Body::Part { group, events: b"events" },
            ),
            (
                "3000000071ee2676020100000000000003000000020500000000000000000000000100000000000002000000afdcc702",
                Body::End { group, parts: 2 },
            ),
        ] {
            assert_eq!(parse(&of_hex(digits)).unwrap().body, body);
        }
        for head in [
            "4c474a4f55524e4c0100000003000000a0a1a2a3a4a5a6a7a8a9aaabacadaeaf020100000000000004030000000000000101000000000000f315c3ee",
            "4c474a4f55524e4c0200000003000000a0a1a2a3a4a5a6a7a8a9aaabacadaeaf020100000000000004030000000000000101000000000000ff32b8ca",
        ] {
            assert_eq!(SegmentHead::parse(&of_hex(head)).unwrap().first_offset, LogOffset(0x0304));
        }
    }

    #[test]
    fn what_is_put_is_parsed() {
        let group = 7_u64.to_le_bytes();
        let parsed = |bytes: &[u8]| parse(bytes).map(|framed| format!("{:?}", framed.body));
        let events = record(Kind::Events, 5, &[b"abc"]);
        let framed = parse(&events).unwrap();
        assert_eq!(framed.head, Head { lsn: Lsn(0x0102), epoch: 3, kind: Kind::Events, owner: 5 });
        assert_eq!((framed.bytes, framed.body), (39, Body::Events(b"abc")));
        let part = record(Kind::Part, 5, &[&group, b"abc"]);
        assert_eq!(parse(&part).unwrap().body, Body::Part { group: Lsn(7), events: b"abc" });
        let end = record(Kind::End, 0, &[&group, &2_u32.to_le_bytes()]);
        assert_eq!(parse(&end).unwrap().body, Body::End { group: Lsn(7), parts: 2 });
        assert_eq!(parsed(&record(Kind::Begin, 0, &[])), Ok("Begin".to_owned()));
        assert!(parsed(&record(Kind::Begin, 0, &[b"x"])).is_err(), "a begin says nothing more");
        let mut batch = Vec::new();
        put_batch(&mut batch, Lsn(9), 3, &id(), Lsn(8));
        assert_eq!((batch.len(), &batch[..8]), (BATCH_BYTES, &batch_prefix()[..]));
        assert_eq!(parse(&batch).unwrap().body, Body::Batch { id: id(), synced: Lsn(8) });
    }

    #[test]
    fn every_bit_and_every_cut_is_noticed() {
        let whole = record(Kind::Events, 5, &[b"some events"]);
        let head =
            SegmentHead { epoch: 1, id: id(), first_lsn: Lsn(1), first_offset: LogOffset(0), synced: Lsn(0) }.encode();
        for bit in 0..8 {
            for at in 0..whole.len() {
                let mut bytes = whole.clone();
                bytes[at] ^= 1 << bit;
                assert!(parse(&bytes).is_err(), "bit {bit} of byte {at}");
            }
            for at in 0..head.len() {
                let mut bytes = head;
                bytes[at] ^= 1 << bit;
                assert!(SegmentHead::parse(&bytes).is_err(), "bit {bit} of byte {at} of the head");
            }
        }
        for len in 0..whole.len() {
            assert_eq!(parse(&whole[..len]), Err(Flaw::Short));
        }
        assert!(SegmentHead::parse(&head[..59]).is_err());
    }

    #[test]
    fn no_length_is_believed_out_of_bounds() {
        for length in [0, 35, u32::try_from(RECORD_BYTES_MAX).unwrap() + 1, u32::MAX] {
            let mut bytes = length.to_le_bytes().to_vec();
            bytes.extend(crc32c::crc32c(&length.to_le_bytes()).to_le_bytes());
            assert_eq!(parse(&bytes), Err(Flaw::Bounds), "{length}");
        }
        assert_eq!(parse(&[0; 64]), Err(Flaw::Length), "zeroes are no record");
    }

    #[test]
    fn a_whole_record_that_is_not_of_this_format_is_told_apart() {
        let changed_in = |mut bytes: Vec<u8>, at: usize, to: u8| {
            bytes[at] = to;
            let end = bytes.len() - CRC_BYTES;
            let crc = crc32c::crc32c(&bytes[..end]).to_le_bytes();
            bytes[end..].copy_from_slice(&crc);
            parse(&bytes).unwrap_err()
        };
        let changed = |at: usize, to: u8| changed_in(record(Kind::Events, 5, &[b"abc"]), at, to);
        let mut batch = Vec::new();
        put_batch(&mut batch, Lsn(9), 3, &id(), Lsn(8));
        assert_eq!(changed_in(batch.clone(), 22, 1), Flaw::Group(1));
        assert_eq!(changed_in(batch.clone(), 23, 1), Flaw::Group(256));
        batch[20] = 1;
        assert!(matches!(changed_in(batch, 22, 1), Flaw::Invalid(_)), "format 1 has no groups of journals");
        assert_eq!(changed(20, FORMAT + 1), Flaw::Newer(FORMAT + 1));
        assert!(matches!(changed(20, 0), Flaw::Invalid(_)) && matches!(changed(21, 9), Flaw::Invalid(_)));
        assert!(matches!(changed(22, 1), Flaw::Invalid(_)) && matches!(changed(21, 4), Flaw::Invalid(_)));
        let mut newer = [0; SEGMENT_HEAD_BYTES];
        newer[..8].copy_from_slice(&MAGIC);
        newer[8] = FORMAT + 1;
        assert_eq!(SegmentHead::parse(&newer), Err(HeadFlaw::Newer(u32::from(FORMAT) + 1)));
    }
}
