//! Tests of the bytes of records.

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
            "2a0000002b1f61d60201000000000000030000000501000041420f00000000006576656e74731092b083",
        ),
        (
            "batch",
            batch,
            "3c00000064bc40fb020100000000000003000000050200000000000000000000a0a1a2a3a4a5a6\
                 a7a8a9aaabacadaeaf0101000000000000da923bdd",
        ),
        (
            "begin",
            record(Kind::Begin, 0, &[]),
            "24000000bf6e60e40201000000000000030000000503000000000000000000000d4e59a8",
        ),
        (
            "part",
            record(Kind::Part, 1_000_001, &[&group, b"events"]),
            "32000000f0cd41c90201000000000000030000000504000041420f000000000000010000000000\
                 006576656e74739b7a2d29",
        ),
        (
            "end",
            record(Kind::End, 0, &[&group, &2_u32.to_le_bytes()]),
            "3000000071ee267602010000000000000300000005050000000000000000000000010000000000\
                 0002000000160a1c2b",
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
        "4c474a4f55524e4c0500000003000000a0a1a2a3a4a5a6a7a8a9aaabacadaeaf0201000000000000\
             04030000000000000101000000000000e361679e"
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
fn a_whole_record_of_another_format_is_not_damage() {
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
