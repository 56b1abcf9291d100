//! Tests of snapshots: their bytes, and what is restored from them.

use super::{
    frame::{FRAME_HEAD_BYTES, frame_crc},
    header::u32_at,
    piece::codec,
    writer::BUFFER_BYTES,
    *,
};
use bincode::Options;
use std::io;

use crate::{
    domain::{
        customer::{
            aggregate::Customer,
            audit::{AuditEntry, ChangeSource},
            change::CustomerChange,
            instruments::{CardOnFile, CardOnFileType, Instrument},
            status::{Signal, Suspicion},
        },
        events::{
            customer_event::{CustomerEvent, RecordPosition},
            global_event::{ClockStep, GlobalEvent},
        },
        rules::level::LevelKey,
        transaction::{
            log_offset::LogOffset,
            outcome::TransactionOutcome,
            status::{Flag, Flags, Status},
            summary::TransactionSummary,
        },
        usage::{contribution::Contribution, series::UsageSeriesKey},
        vocabulary::{
            attributes::{Attribute, Attributes},
            calendar::month::Month,
            direction::Direction,
            time::Millis,
        },
    },
    storage::{
        encoding::events::tests::{eur, invert_bits, invert_bits_back, name},
        fs::{memory::Memory, store::Store},
    },
};

mod damage;
mod global;

const JOURNAL: [u8; 16] = *b"0123456789abcdef";
const PATH: &str = "snapshots/1";

/// The header, then one frame per line.
const GOLDEN: [&str; 5] = [
    "4c47534e415000000100000002000000303132333435363738396162636465660700000000000000feffffffffffffff0000000000000000000000003d5d7f1b",
    "20010000ff6a7d120200000004000000000000000100000000000000455552010000000000000001000000000000006d0400000000000000676f6c6401455552050000000000000001000000000000000400000000000000746f6b390100000000000000010000000000000002000000000000000300000004000000000000000102000000000000007631010000000000000001000000000000006db90b0000000000003b000000000000004601016d0145555204676f6c640700000000000000000000000000000002044401016d0145555204676f6c64027b7d0204036f70734700027b7d04010000000000000001000000000000006d0103000000000000006f6c640400000000000000676f6c644d0000000000000000000000000000000000000000000000",
    "290100004af0d46b00000000030000000000000001000000000000006d01000000000500000000000000616c6963650600000000000000a5fffc9ebf9d00010400000000000000676f6c6402010520000000000000000c0103766970110004746f6b31031e0001110004746f6b32031e00011201c6010100000000000000000a000000000000001000000000000000d0070000000000000900000000000000020000000000000001455552010400000000000000676f6c64a00f0000000000000000000000000000800c00000000000000000000000000000800000000000000080000000000000002455552010400000000000000676f6c640000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000a00000046000000",
    "92000000ed266b2c010000000300000000000000020000000000000001000000e903000000000000012823000000000000f4010000000000009001000000000000f401000000000000d107000000000000edfe000000000000010000010312000a000000f20300000000000000f40100000000000090010000000000000000000000000000da07000000000000edfe0000000000000002071200",
    "24000000eb7902ac030000006300000000000000030000000000000001000000000000000200000000000000",
];

/// The same snapshot as the first codec wrote it.
const GOLDEN_V1: [&str; 5] = [
    "4c47534e415000000100000001000000303132333435363738396162636465660700000000000000feffffffffffffff000000000000000000000000317a043f",
    "100100008ccc827a0200000004000000000000000100000000000000455552010000000000000001000000000000006d0400000000000000676f6c6401455552050000000000000001000000000000000400000000000000746f6b390100000000000000010000000000000002000000000000000300000004000000000000000102000000000000007631010000000000000001000000000000006db90b0000000000003b000000000000004601016d0145555204676f6c640700000000000000000000000000000002044401016d0145555204676f6c64027b7d0204036f70734700027b7d04010000000000000001000000000000006d0103000000000000006f6c640400000000000000676f6c644d00000000000000",
    "23010000e180026300000000030000000000000001000000000000006d010500000000000000616c6963650600000000000000a5fffc9ebf9d00010400000000000000676f6c6402010520000000000000000c0103766970110004746f6b31031e0001110004746f6b32031e00011201c6010100000000000000000a000000000000001000000000000000d00700000000000009000000000000000200000000000000014555520400000000000000676f6c64a00f0000000000000000000000000000800c000000000000000000000000000008000000000000000800000000000000024555520400000000000000676f6c640000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000a00000046000000",
    "7e000000a3621e18010000000300000000000000020000000000000001000000e903000000000000012823000000000000f4010000000000009001000000000000d107000000000000edfe00000000000001000001120a000000f20300000000000000f4010000000000009001000000000000da07000000000000edfe000000000000000212",
    "24000000eb7902ac030000006300000000000000030000000000000001000000000000000200000000000000",
];

fn header() -> Header {
    Header { journal: JOURNAL, begin_lsn: 7, created_at: -2 }
}

fn summary(status: Status, at: i64, series: Option<u16>) -> TransactionSummary {
    let outcome = TransactionOutcome {
        status,
        counts: Contribution { net: 400, ..Contribution::of_amount(500) },
        held_amount: if status == Status::Reserved { 500 } else { 0 },
        counts_after_hold: status == Status::Approved,
        hold_until: (status == Status::Reserved).then_some(Millis(9_000)),
        flags: Flags::of(&[Flag::Late, Flag::Suspicious]),
    };
    TransactionSummary::new(Millis(at), series, 0xFEED, LogOffset(1_000 + at.unsigned_abs()), &outcome)
}

/// A customer with every kind of data and 70 transactions. Old ones have left memory, and one is pinned.
fn customer() -> Customer {
    let mut customer = Customer::new(3, name("m"), Some("alice".into()), Millis(10));
    let mut attributes = Attributes::default();
    attributes.set(Attribute::Email, "a@b");
    let events = [
        CustomerEvent::AttributesFilled { attributes, at: Millis(11) },
        CustomerEvent::LevelSet {
            direction: Direction::Withdrawal,
            level: Some(name("gold")),
            drops_settings: false,
            at: Millis(12),
        },
        CustomerEvent::SignalReceived { signal: Signal::ConsentGiven, names_instrument: false, at: Millis(13) },
        CustomerEvent::SignalReceived { signal: Signal::FraudSuspected, names_instrument: false, at: Millis(14) },
        CustomerEvent::InstrumentAdded { id: "tok2".into(), at: Millis(15) },
        CustomerEvent::InstrumentAdded { id: "tok1".into(), at: Millis(15) },
        CustomerEvent::CustomerChanged(CustomerChange::Labels(vec![name("vip")])),
        CustomerEvent::CustomerChanged(CustomerChange::DeletionDue(Some(Millis(99)))),
        CustomerEvent::AuditEntry(AuditEntry {
            at: Millis(16),
            source: ChangeSource::System,
            by: None,
            previous: None,
            job: None,
        }),
    ];
    for (number, event) in (1..).zip(&events) {
        customer.apply(RecordPosition { number, offset: LogOffset(0), key: 0 }, event);
    }
    let key = UsageSeriesKey { direction: Direction::Deposit, currency: eur(), level: Some(name("gold")) };
    let series = customer.series_index(key);
    customer.series_index(UsageSeriesKey { direction: Direction::Withdrawal, ..key });
    for slot in 0..70_u32 {
        let (status, at) = match slot {
            1 => (Status::Reserved, 1_001),
            _ => (Status::Approved, 1_000 + i64::from(slot)),
        };
        let series = (slot % 7 != 3).then_some(series);
        customer.restore_summary(slot, summary(status, at, series));
    }
    customer.expire_holds(Millis(2_000));
    assert_eq!(customer.evict(Millis(1_010), 100, |_| true).len(), 9);
    customer
}

/// Events set through the API.
fn overlay_events() -> [GlobalEvent; 3] {
    let key = LevelKey { merchant: name("m"), direction: Direction::Deposit, currency: eur(), name: name("gold") };
    let (created, at, by) = (Millis(1), Millis(2), Some(name("ops")));
    [
        GlobalEvent::LevelFileApplied { key, digest: Some(7), created, at },
        GlobalEvent::LevelPut { key, body: "{}".into(), created, at, by },
        GlobalEvent::RatesPut { body: "{}".into(), at, by: None },
    ]
}

fn pieces() -> Vec<Piece> {
    let customer = customer();
    let summaries: Vec<(u32, TransactionSummaryDto)> = customer
        .summaries()
        .starting_at(0)
        .map(|(slot, summary)| (slot, TransactionSummaryDto::of(&summary)))
        .collect();
    let level = LevelDto::of(name("m"), name("gold"), Direction::Deposit, eur(), Millis(5));
    vec![
        Piece::Global(GlobalDto {
            next_customer: 4,
            currencies: vec![eur().code()],
            levels: vec![level],
            blocked: vec!["tok9".into()],
            late: vec![ArchivedFactDto { key: 1, customer: 2, slot: 3, offset: 4 }],
            configured: Some("v1".into()),
            counted: vec![CountedDto::of(name("m"), 3_001)],
            overlay: GlobalDto::pieces_of(&overlay_events()).remove(0).overlay,
            renames: vec![RenameDto::of(name("m"), Direction::Deposit, (name("old"), name("gold")), LogOffset(77))],
            archive: Vec::new(),
            clocks: Vec::new(),
        }),
        Piece::Customer(CustomerDto::of(&customer, &mut invert_bits)),
        Piece::TransactionSummaries { customer: 3, summaries: summaries[..20].to_vec() },
        Piece::TransactionSummaries { customer: 3, summaries: summaries[20..].to_vec() },
    ]
}

fn file_of(pieces: &[Piece]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = Writer::begin(&header(), |part: &[u8]| {
        bytes.extend_from_slice(part);
        Ok(())
    });
    pieces.iter().for_each(|piece| writer.put(piece).unwrap());
    writer.end(99).unwrap();
    bytes
}

fn read(bytes: &[u8]) -> Result<Vec<Piece>, SnapshotError> {
    let store = Memory::new();
    store.put(PATH, bytes);
    let mut reader = Reader::open(store.open(PATH).unwrap(), JOURNAL)?;
    let mut found = Vec::new();
    while let Some(piece) = reader.next_piece()? {
        found.push(piece);
    }
    assert_eq!(*reader.header(), header());
    assert!(matches!(found.pop(), Some(Piece::End { end_lsn: 99, .. })));
    assert!(reader.next_piece().unwrap().is_none());
    Ok(found)
}

#[test]
fn a_written_snapshot_is_read() {
    let pieces = pieces();
    assert_eq!(read(&file_of(&pieces)).unwrap(), pieces);
    assert_eq!(read(&file_of(&[])).unwrap(), []);
}

#[test]
fn a_customer_is_restored_from_its_pieces() {
    let was = customer();
    let mut is = None;
    for piece in read(&file_of(&pieces())).unwrap() {
        match piece {
            Piece::Customer(head) => is = Some(head.customer(&mut invert_bits_back).unwrap()),
            Piece::TransactionSummaries { summaries, .. } => {
                let is = is.as_mut().unwrap();
                summaries.into_iter().for_each(|(slot, summary)| summary.resume_in(is, slot).unwrap());
            }
            Piece::Global(world) => {
                assert_eq!(world.currencies().unwrap(), [eur()]);
                let made = world.levels[0].made().unwrap();
                let (merchant, level) = (name("m"), name("gold"));
                let (direction, currency) = (Direction::Deposit, eur());
                assert_eq!(world.events().unwrap(), overlay_events());
                let renamed = (name("m"), Direction::Deposit, name("old"), name("gold"));
                assert_eq!(world.renames[0].names().unwrap(), renamed);
                assert_eq!(
                    made,
                    GlobalEvent::LevelCreated { merchant, name: level, direction, currency, at: Millis(5) }
                );
            }
            Piece::End { .. } => {}
        }
    }
    let mut is = is.unwrap();
    assert_eq!(CustomerDto::of(&is, &mut invert_bits), CustomerDto::of(&was, &mut invert_bits));
    assert_eq!((is.status_factors, is.status_by_month()), (was.status_factors, was.status_by_month()));
    assert_eq!(
        (is.settled_at(), is.usage_series_at(Millis(2_000))),
        (Millis(2_000), was.usage_series_at(Millis(2_000)))
    );
    assert_eq!(is.summaries().starting_at(0).collect::<Vec<_>>(), was.summaries().starting_at(0).collect::<Vec<_>>());
    assert!(
        is.usage_series()
            .iter()
            .zip(was.usage_series())
            .all(|(is, was)| is.total() == was.total() && is.evicted() == was.evicted())
    );
    // The hold of the pinned transaction ends in both.
    let mut was = was;
    assert_eq!(is.expire_holds(Millis(9_000)), was.expire_holds(Millis(9_000)));
    assert_eq!(is.usage_series()[0].total(), was.usage_series()[0].total());
    // If the key is erased, the customer has no attributes.
    let head = CustomerDto::of(&was, &mut invert_bits);
    assert!(head.customer(&mut |_| Ok(None)).unwrap().attributes.is_empty());
    let unsealed = CustomerDto::of(&was, &mut |_, _| {});
    assert!(unsealed.attributes.is_empty());
    assert!(unsealed.customer(&mut invert_bits_back).unwrap().attributes.is_empty());
}

/// Fraud in a customer's piece is that of the customer unless the profile limits it, as in old snapshots.
#[test]
fn the_profile_tells_fraud_of_instruments_from_fraud_of_the_customer() {
    let fraud = |names_instrument| {
        let mut customer = customer();
        let recorded = RecordPosition { number: 9, offset: LogOffset(9), key: 0 };
        let signal = Signal::CardStolen;
        customer.apply(recorded, &CustomerEvent::SignalReceived { signal, names_instrument, at: Millis(15) });
        customer
    };
    let plain = CustomerDto::of(&customer(), &mut invert_bits).profile;
    for (was, suspicion, more) in
        [(fraud(false), Suspicion::CustomerFraud, ""), (fraud(true), Suspicion::InstrumentFraud, "21030206")]
    {
        let head = CustomerDto::of(&was, &mut invert_bits);
        assert_eq!((head.consent, head.suspicion), (2, Some(6)));
        assert_eq!(hex(&head.profile), format!("{}{more}", hex(&plain)));
        let is = head.customer(&mut invert_bits_back).unwrap();
        assert_eq!((is.status_factors, is.status_factors.suspicion()), (was.status_factors, Some(suspicion)));
    }
    let old = CustomerDto { profile: plain, ..CustomerDto::of(&fraud(true), &mut invert_bits) };
    assert_eq!(old.customer(&mut invert_bits_back).unwrap().status_factors.suspicion(), Some(Suspicion::CustomerFraud));
}

#[test]
fn instruments_are_restored_as_they_were() {
    let mut was = customer();
    let recorded = RecordPosition { number: 9, offset: LogOffset(9), key: 0 };
    let on_file = [CardOnFile::No, CardOnFile::OfUnknownType, CardOnFile::OfType(CardOnFileType::Installment)];
    for (id, on_file) in ["a", "b", "c"].into_iter().zip(on_file) {
        let instrument = Instrument {
            expires: Month::parse("2026-11"),
            on_file,
            sent_brand: Some("own brand".into()),
            ..Instrument::bare(id, Millis(15)).stored_at(Millis(15))
        };
        was.apply(recorded, &CustomerEvent::CustomerChanged(CustomerChange::Instrument(instrument)));
    }
    was.apply(recorded, &CustomerEvent::CustomerChanged(CustomerChange::InstrumentRemoved("a".into())));
    let is = CustomerDto::of(&was, &mut invert_bits).customer(&mut invert_bits_back).unwrap();
    assert_eq!(is.instruments(), was.instruments());
    assert_eq!(is.status_by_month(), was.status_by_month());
    assert!(is.instruments().iter().all(|instrument| &*instrument.id != "a"));
}

fn small() -> Vec<Piece> {
    let mut small = pieces();
    small.truncate(3);
    if let Some(Piece::TransactionSummaries { summaries, .. }) = small.last_mut() {
        summaries.truncate(2);
    }
    small
}

#[test]
fn the_first_codec_is_read() {
    let bytes: Vec<u8> = GOLDEN_V1.iter().flat_map(|line| bytes_of_hex(line)).collect();
    assert_eq!(read(&bytes).unwrap(), small());
    // Its end counts two summaries, also if they are read one by one.
    let store = Memory::new();
    store.put(PATH, &bytes);
    let mut reader = Reader::open(store.open(PATH).unwrap(), JOURNAL).unwrap();
    let mut summaries = Vec::new();
    while let Some(frame) = reader.next_frame().unwrap() {
        summaries.extend(frame.summaries().unwrap().into_iter().flatten().map(Result::unwrap));
    }
    assert!(matches!(&small()[2], Piece::TransactionSummaries { summaries: want, .. } if *want == summaries));
}

#[test]
fn a_customer_created_in_the_future_is_settled_at_the_time_of_the_snapshot() {
    let head = CustomerDto { created: 9_000, settled_at: 5, ..CustomerDto::of(&customer(), &mut invert_bits) };
    let again = head.customer(&mut invert_bits_back).unwrap();
    assert_eq!((again.created, again.settled_at()), (Millis(9_000), Millis(5)));
}

fn bytes_of_hex(digits: &str) -> Vec<u8> {
    let byte = |two: &[u8]| u8::from_str_radix(std::str::from_utf8(two).unwrap(), 16).unwrap();
    digits.as_bytes().chunks(2).map(byte).collect()
}

#[test]
fn the_bytes_of_a_snapshot_never_change() {
    let small = small();
    let bytes = file_of(&small);
    let mut at = HEADER_BYTES;
    let mut lines = vec![hex(&bytes[..at])];
    while at < bytes.len() {
        let end = at + 8 + usize::try_from(u32_at(&bytes, at)).unwrap();
        lines.push(hex(&bytes[at..end]));
        at = end;
    }
    assert_eq!(lines.join("\n"), GOLDEN.join("\n"));
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn large_snapshots_are_written_and_read_one_mebibyte_at_a_time() {
    let dto = TransactionSummaryDto::of(&summary(Status::Approved, 1, None));
    let piece = Piece::TransactionSummaries { customer: 1, summaries: (0..256).map(|slot| (slot, dto)).collect() };
    let (mut bytes, mut longest) = (Vec::new(), 0);
    let mut writer = Writer::begin(&header(), |part: &[u8]| {
        longest = longest.max(part.len());
        bytes.extend_from_slice(part);
        Ok(())
    });
    (0..400).for_each(|_| writer.put(&piece).unwrap());
    // The largest allowed piece, and one that is too large.
    let largest =
        |bytes: usize| Piece::Global(GlobalDto { configured: Some("x".repeat(bytes).into()), ..GlobalDto::default() });
    let context = bincode_len(&largest(0));
    writer.put(&largest(FRAME_BYTES_MAX as usize - context)).unwrap();
    writer.put(&piece).unwrap();
    assert_eq!(writer.end(99).unwrap(), Counts { pieces: 402, customers: 0, summaries: 401 * 256 });
    assert!(longest < FRAME_BYTES_MAX as usize + 2 * BUFFER_BYTES);
    assert_eq!(read(&bytes).unwrap().len(), 402);
    let mut writer = Writer::begin(&header(), |_: &[u8]| Ok(()));
    assert!(writer.put(&largest(FRAME_BYTES_MAX as usize - context + 1)).is_err());
    assert!(writer.put(&Piece::End { end_lsn: 0, pieces: 0, customers: 0, summaries: 0 }).is_err());
    let mut full = Writer::begin(&header(), |_: &[u8]| Err(io::Error::other("full")));
    assert!(full.put(&largest(2 * BUFFER_BYTES)).is_err());
}

fn bincode_len(piece: &Piece) -> usize {
    usize::try_from(codec().serialized_size(piece).unwrap()).unwrap()
}
