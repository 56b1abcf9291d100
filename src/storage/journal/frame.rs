//! How records and heads of segments are laid out: pure functions between bytes and their parts.
//!
//! The drawing stands in [the room's text](super). This file knows no file; it believes no length before its check,
//! reads nothing outside the bytes that it was given, and allocates nothing.

use crate::{
    domain::transaction::record::LogOffset,
    storage::journal::{FORMAT, JournalId, Lsn, RECORD_BYTES_MAX},
};

/// The bytes of a record before its body.
pub const HEAD_BYTES: usize = 32;
/// The bytes of a record behind its body.
pub const CRC_BYTES: usize = 4;
/// The fewest bytes of a record.
pub const RECORD_BYTES_MIN: usize = HEAD_BYTES + CRC_BYTES;
/// The bytes of a batch header.
pub const BATCH_BYTES: usize = RECORD_BYTES_MIN + 24;
/// The bytes of a segment's head.
pub const SEGMENT_HEAD_BYTES: usize = 60;
/// What a segment begins with.
pub const MAGIC: [u8; 8] = *b"LGJOURNL";

/// What a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Events of one owner.
    Events,
    /// Stands before the first record of a batch.
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

/// What stands before a record's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// Its number; that of the batch's first record in a batch header.
    pub lsn: Lsn,
    /// Which start of the daemon wrote it.
    pub epoch: u32,
    /// What it is.
    pub kind: Kind,
    /// Whom it is about; 0 for what belongs to no customer.
    pub owner: u64,
}

/// A body, by kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Body<'a> {
    /// Events, one after another.
    Events(&'a [u8]),
    /// Of a batch header.
    Batch {
        /// Whose journal it is.
        id: JournalId,
        /// Up to where the file was known to be synced.
        synced: Lsn,
    },
    /// A group begins; the record's number is its name.
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
        /// How many parts it has.
        parts: u32,
    },
}

/// A whole record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Framed<'a> {
    /// What stands before the body.
    pub head: Head,
    /// The body.
    pub body: Body<'a>,
    /// Bytes of the record, head and checksum included.
    pub bytes: usize,
}

impl Framed<'_> {
    /// What it is, without the events that it holds.
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

/// Why bytes are no record of this format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    /// They end before the record does.
    #[error("the file ends inside the record")]
    Short,
    /// The length does not agree with its check.
    #[error("the record's length does not agree with its check")]
    Length,
    /// The length is none that a record has.
    #[error("the record's length is out of bounds")]
    Bounds,
    /// The checksum does not agree.
    #[error("the record's checksum does not agree")]
    Checksum,
    /// Whole, and of a newer format.
    #[error("the record is of format {0}, newer than this program's")]
    Newer(u8),
    /// Whole, and of a group of journals.
    #[error("the record is of group {0} of several journals, which this program does not know")]
    Group(u16),
    /// Whole, and yet no record that this program writes: no power cut leaves that.
    #[error("the record is whole and cannot be right: {0}")]
    Senseless(&'static str),
}

fn piece<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    piece(bytes, at).map(u32::from_le_bytes)
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    piece(bytes, at).map(u64::from_le_bytes)
}

/// The bytes of a record with so long a body; `None` where that is more than a record may have.
#[must_use]
pub fn record_bytes(body: usize) -> Option<usize> {
    body.checked_add(RECORD_BYTES_MIN).filter(|bytes| *bytes <= RECORD_BYTES_MAX)
}

/// Writes a record whose body is these pieces. The caller has asked [`record_bytes`] whether it is not too long.
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

/// Writes a batch header that stands before the record of this number.
pub fn put_batch(out: &mut Vec<u8>, lsn: Lsn, epoch: u32, id: &JournalId, synced: Lsn) {
    put(out, &Head { lsn, epoch, kind: Kind::Batch, owner: 0 }, &[&id.0, &synced.0.to_le_bytes()]);
}

/// The length of the record that begins here, believed only as far as its check.
///
/// # Errors
/// Fewer than 8 bytes are there, or the length is not one.
pub fn length(bytes: &[u8]) -> Result<usize, Flaw> {
    let (length, check) = (bytes.get(..4).ok_or(Flaw::Short)?, u32_at(bytes, 4).ok_or(Flaw::Short)?);
    if crc32c::crc32c(length) != check {
        return Err(Flaw::Length);
    }
    let length = u32_at(bytes, 0).and_then(|length| usize::try_from(length).ok()).ok_or(Flaw::Bounds)?;
    if (RECORD_BYTES_MIN..=RECORD_BYTES_MAX).contains(&length) { Ok(length) } else { Err(Flaw::Bounds) }
}

/// Reads the record at the start of the bytes.
///
/// # Errors
/// There is none of this format, or not all of it.
pub fn parse(bytes: &[u8]) -> Result<Framed<'_>, Flaw> {
    let length = length(bytes)?;
    let record = bytes.get(..length).ok_or(Flaw::Short)?;
    let (said, crc) = record.split_last_chunk::<CRC_BYTES>().ok_or(Flaw::Short)?;
    if crc32c::crc32c(said) != u32::from_le_bytes(*crc) {
        return Err(Flaw::Checksum);
    }
    parse_checked(record)
}

/// Reads a record whose checksum was verified when it came into memory.
pub(in crate::storage) fn parse_checked(record: &[u8]) -> Result<Framed<'_>, Flaw> {
    let bytes = length(record)?;
    let said = record.get(..bytes - CRC_BYTES).ok_or(Flaw::Short)?;
    let (head, body) = said.split_first_chunk::<HEAD_BYTES>().ok_or(Flaw::Short)?;
    let [version, kind, group @ ..] = piece::<4>(head, 20).ok_or(Flaw::Short)?;
    match version {
        0 => return Err(Flaw::Senseless("no format has the number 0")),
        1..=FORMAT => {}
        newer => return Err(Flaw::Newer(newer)),
    }
    let kind = Kind::from_code(kind).ok_or(Flaw::Senseless("its kind is unknown"))?;
    match (u16::from_le_bytes(group), kind, version) {
        (0, ..) => {}
        (group, Kind::Batch, 2..) => return Err(Flaw::Group(group)),
        _ => return Err(Flaw::Senseless("two bytes of its head are to be zero")),
    }
    let head = Head {
        lsn: u64_at(head, 8).map(Lsn).ok_or(Flaw::Short)?,
        epoch: u32_at(head, 16).ok_or(Flaw::Short)?,
        kind,
        owner: u64_at(head, 24).ok_or(Flaw::Short)?,
    };
    let body = parse_body(kind, body).ok_or(Flaw::Senseless("its body has not the length of its kind"))?;
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

/// The eight bytes that every batch header begins with: its length and the check of it.
#[must_use]
pub fn batch_begins_with() -> [u8; 8] {
    let length = u32::try_from(BATCH_BYTES).unwrap_or(u32::MAX).to_le_bytes();
    let mut begin = [0; 8];
    begin[..4].copy_from_slice(&length);
    begin[4..].copy_from_slice(&crc32c::crc32c(&length).to_le_bytes());
    begin
}

/// What stands at the start of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentHead {
    /// Which start of the daemon made it.
    pub epoch: u32,
    /// Whose journal it is.
    pub id: JournalId,
    /// The number of its first record.
    pub first_lsn: Lsn,
    /// The place of its first record.
    pub first_place: LogOffset,
    /// Up to where the journal was known to be synced when it was made.
    pub synced: Lsn,
}

impl SegmentHead {
    /// Its bytes.
    #[must_use]
    pub fn encode(&self) -> [u8; SEGMENT_HEAD_BYTES] {
        let mut bytes = [0; SEGMENT_HEAD_BYTES];
        let fields: [(usize, &[u8]); 7] = [
            (0, &MAGIC),
            (8, &u32::from(FORMAT).to_le_bytes()),
            (12, &self.epoch.to_le_bytes()),
            (16, &self.id.0),
            (32, &self.first_lsn.0.to_le_bytes()),
            (40, &self.first_place.0.to_le_bytes()),
            (48, &self.synced.0.to_le_bytes()),
        ];
        for (at, field) in fields {
            bytes[at..at + field.len()].copy_from_slice(field);
        }
        let crc = crc32c::crc32c(&bytes[..56]);
        bytes[56..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// Reads it from the start of a segment's bytes.
    ///
    /// # Errors
    /// It is not whole, or of a newer format. A format above this program's is told before the checksum is looked at,
    /// since a newer format may keep that elsewhere, and refusing costs less than cutting.
    pub fn parse(bytes: &[u8]) -> Result<Self, HeadFlaw> {
        let head = bytes.get(..SEGMENT_HEAD_BYTES).ok_or(HeadFlaw::Damaged("the file ends inside its head"))?;
        let field = |at| u64_at(head, at).ok_or(HeadFlaw::Damaged("the file ends inside its head"));
        if !head.starts_with(&MAGIC) {
            return Err(HeadFlaw::Damaged("the file does not begin as a segment does"));
        }
        let format = u32_at(head, 8).unwrap_or(0);
        if format > u32::from(FORMAT) {
            return Err(HeadFlaw::Newer(format));
        }
        if format == 0 || u32_at(head, 56) != Some(crc32c::crc32c(head.get(..56).unwrap_or_default())) {
            return Err(HeadFlaw::Damaged("the checksum of the file's head does not agree"));
        }
        Ok(Self {
            epoch: u32_at(head, 12).unwrap_or(0),
            id: JournalId(piece(head, 16).unwrap_or_default()),
            first_lsn: Lsn(field(32)?),
            first_place: LogOffset(field(40)?),
            synced: Lsn(field(48)?),
        })
    }
}

/// Why bytes are no head of a segment of this format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HeadFlaw {
    /// Not whole.
    #[error("{0}")]
    Damaged(&'static str),
    /// Of a newer format.
    #[error("the segment is of format {0}, newer than this program's")]
    Newer(u32),
}

#[cfg(test)]
mod tests {
    use super::*;

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
                "2a0000002b1f61d60201000000000000030000000201000041420f00000000006576656e7473c19cafaf",
            ),
            (
                "batch",
                batch,
                "3c00000064bc40fb020100000000000003000000020200000000000000000000a0a1a2a3a4a5a6\
                 a7a8a9aaabacadaeaf0101000000000000eeb05c46",
            ),
            (
                "begin",
                record(Kind::Begin, 0, &[]),
                "24000000bf6e60e40201000000000000030000000203000000000000000000009d620c3e",
            ),
            (
                "part",
                record(Kind::Part, 1_000_001, &[&group, b"events"]),
                "32000000f0cd41c90201000000000000030000000204000041420f000000000000010000000000\
                 006576656e7473b6e664e9",
            ),
            (
                "end",
                record(Kind::End, 0, &[&group, &2_u32.to_le_bytes()]),
                "3000000071ee267602010000000000000300000002050000000000000000000000010000000000\
                 0002000000afdcc702",
            ),
        ];
        for (kind, bytes, expected) in golden {
            assert_eq!(hex(&bytes), expected, "{kind}");
        }
        let head = SegmentHead {
            epoch: 3,
            id: id(),
            first_lsn: Lsn(0x0102),
            first_place: LogOffset(0x0304),
            synced: Lsn(0x0101),
        };
        assert_eq!(
            hex(&head.encode()),
            "4c474a4f55524e4c0200000003000000a0a1a2a3a4a5a6a7a8a9aaabacadaeaf0201000000000000\
             04030000000000000101000000000000ff32b8ca"
        );
        assert_eq!(SegmentHead::parse(&head.encode()), Ok(head));
    }

    #[test]
    fn records_and_heads_of_format_1_are_read() {
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
        ] {
            assert_eq!(parse(&of_hex(digits)).unwrap().body, body);
        }
        let head = of_hex(
            "4c474a4f55524e4c0100000003000000a0a1a2a3a4a5a6a7a8a9aaabacadaeaf020100000000000004030000000000000101000000000000f315c3ee",
        );
        assert_eq!(SegmentHead::parse(&head).unwrap().first_place, LogOffset(0x0304));
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
        assert_eq!((batch.len(), &batch[..8]), (BATCH_BYTES, &batch_begins_with()[..]));
        assert_eq!(parse(&batch).unwrap().body, Body::Batch { id: id(), synced: Lsn(8) });
    }

    #[test]
    fn every_bit_and_every_cut_is_noticed() {
        let whole = record(Kind::Events, 5, &[b"some events"]);
        let head =
            SegmentHead { epoch: 1, id: id(), first_lsn: Lsn(1), first_place: LogOffset(0), synced: Lsn(0) }.encode();
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
        assert!(matches!(changed_in(batch, 22, 1), Flaw::Senseless(_)), "format 1 has no groups of journals");
        assert_eq!(changed(20, 3), Flaw::Newer(3));
        assert!(matches!(changed(20, 0), Flaw::Senseless(_)) && matches!(changed(21, 9), Flaw::Senseless(_)));
        assert!(matches!(changed(22, 1), Flaw::Senseless(_)) && matches!(changed(21, 4), Flaw::Senseless(_)));
        let mut newer = [0; SEGMENT_HEAD_BYTES];
        newer[..8].copy_from_slice(&MAGIC);
        newer[8] = 3;
        assert_eq!(SegmentHead::parse(&newer), Err(HeadFlaw::Newer(3)));
    }
}
