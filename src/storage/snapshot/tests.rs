//! The bytes of a snapshot, for ever; and what is made of spoilt ones.

use super::*;
use crate::storage::encoding::tests::{eur, name, turn, turn_back};
use crate::{domain::customer::attributes::Attributes, storage::fs::Store};
use crate::{
    domain::{
        customer::{
            aggregate::{Customer, CustomerEvent, Recorded},
            profile::{AuditEntry, Change, Source},
            status::{Signal, Suspicion},
        },
        events::global_event::{ClockStep, GlobalEvent},
        rules::{
            configuration::{Attribute, Direction},
            overrides::LevelKey,
        },
        transaction::{
            record::{Flag, LogOffset, Status},
            summary::{Flags, TransactionOutcome, TransactionSummary},
        },
        usage::series::{Contribution, UsageSeriesKey},
        vocabulary::time::Millis,
    },
    storage::fs::memory::Memory,
};

const JOURNAL: [u8; 16] = *b"0123456789abcdef";
const PATH: &str = "snapshots/1";

/// The header, then a frame a line.
const GOLDEN: [&str; 5] = [
    "4c47534e415000000100000002000000303132333435363738396162636465660700000000000000feffffffffffffff0000000000000000000000003d5d7f1b",
    "20010000ff6a7d120200000004000000000000000100000000000000455552010000000000000001000000000000006d0400000000000000676f6c6401455552050000000000000001000000000000000400000000000000746f6b390100000000000000010000000000000002000000000000000300000004000000000000000102000000000000007631010000000000000001000000000000006db90b0000000000003b000000000000004601016d0145555204676f6c640700000000000000000000000000000002044401016d0145555204676f6c64027b7d0204036f70734700027b7d04010000000000000001000000000000006d0103000000000000006f6c640400000000000000676f6c644d0000000000000000000000000000000000000000000000",
    "290100004af0d46b00000000030000000000000001000000000000006d01000000000500000000000000616c6963650600000000000000a5fffc9ebf9d00010400000000000000676f6c6402010520000000000000000c0103766970110004746f6b31031e0001110004746f6b32031e00011201c6010100000000000000000a000000000000001000000000000000d0070000000000000900000000000000020000000000000001455552010400000000000000676f6c64a00f0000000000000000000000000000800c00000000000000000000000000000800000000000000080000000000000002455552010400000000000000676f6c640000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000a00000046000000",
    "92000000ed266b2c010000000300000000000000020000000000000001000000e903000000000000012823000000000000f4010000000000009001000000000000f401000000000000d107000000000000edfe000000000000010000010312000a000000f20300000000000000f40100000000000090010000000000000000000000000000da07000000000000edfe0000000000000002071200",
    "24000000eb7902ac030000006300000000000000030000000000000001000000000000000200000000000000",
];

/// The same as the first codec wrote it.
const GOLDEN_1: [&str; 5] = [
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
        held: if status == Status::Reserved { 500 } else { 0 },
        counts_after_hold: status == Status::Approved,
        hold_until: (status == Status::Reserved).then_some(Millis(9_000)),
        flags: Flags::of(&[Flag::Late, Flag::Suspicious]),
    };
    TransactionSummary::new(Millis(at), series, 0xFEED, LogOffset(1_000 + at.unsigned_abs()), &outcome)
}

/// A customer with all that one can have: a past of 70 transactions, of which old ones have left and one is pinned.
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
        CustomerEvent::Signalled { signal: Signal::ConsentGiven, names_instrument: false, at: Millis(13) },
        CustomerEvent::Signalled { signal: Signal::FraudSuspected, names_instrument: false, at: Millis(14) },
        CustomerEvent::InstrumentHeld { id: "tok2".into(), at: Millis(15) },
        CustomerEvent::InstrumentHeld { id: "tok1".into(), at: Millis(15) },
        CustomerEvent::Changed(Change::Labels(vec![name("vip")])),
        CustomerEvent::Changed(Change::DeletionDue(Some(Millis(99)))),
        CustomerEvent::AuditEntry(AuditEntry { at: Millis(16), source: Source::System, by: None, previous: None }),
    ];
    for (number, event) in (1..).zip(&events) {
        customer.apply(Recorded { number, place: LogOffset(0), key: 0 }, event);
    }
    let key = UsageSeriesKey { direction: Direction::Deposit, currency: eur(), level: Some(name("gold")) };
    let series = customer.series(key);
    customer.series(UsageSeriesKey { direction: Direction::Withdrawal, ..key });
    for slot in 0..70_u32 {
        let (status, at) = match slot {
            1 => (Status::Reserved, 1_001),
            _ => (Status::Approved, 1_000 + i64::from(slot)),
        };
        let series = (slot % 7 != 3).then_some(series);
        customer.resume(slot, summary(status, at, series));
    }
    customer.settle(Millis(2_000));
    assert_eq!(customer.retire(Millis(1_010), 100, |_| true).len(), 9);
    customer
}

/// What stands beside the files.
fn said() -> [GlobalEvent; 3] {
    let key = LevelKey { merchant: name("m"), direction: Direction::Deposit, currency: eur(), name: name("gold") };
    let (created, at, by) = (Millis(1), Millis(2), Some(name("ops")));
    [
        GlobalEvent::LevelFiled { key, digest: Some(7), created, at },
        GlobalEvent::LevelPut { key, body: "{}".into(), created, at, by },
        GlobalEvent::RatesPut { body: "{}".into(), at, by: None },
    ]
}

#[test]
fn what_stands_beside_the_files_is_cut_into_pieces_and_read_again() {
    let long = "x".repeat(200_000);
    let put = |at| GlobalEvent::RatesPut { body: long.as_str().into(), at: Millis(at), by: None };
    let events: Vec<GlobalEvent> = (0..20).map(put).collect();
    let worlds = WorldDto::beside(&events);
    assert!(worlds.len() > 1 && worlds.iter().all(|world| world.overlay.len() < 2_000_000));
    let read: Vec<GlobalEvent> = worlds.iter().flat_map(|world| world.said().unwrap()).collect();
    assert_eq!(read, events);
    assert_eq!(WorldDto::beside(&[]), []);
    let of_a_customer = WorldDto { overlay: vec![4, 1, 2], ..WorldDto::default() };
    assert!(of_a_customer.said().is_err());
    assert!(WorldDto { overlay: vec![71], ..WorldDto::default() }.said().is_err());
}

fn pieces() -> Vec<Piece> {
    let customer = customer();
    let summaries: Vec<(u32, TransactionSummaryDto)> =
        customer.summaries().starting_at(0).map(|(slot, summary)| (slot, TransactionSummaryDto::of(summary))).collect();
    let level = LevelDto::of(name("m"), name("gold"), Direction::Deposit, eur(), Millis(5));
    vec![
        Piece::World(WorldDto {
            next_customer: 4,
            currencies: vec![eur().code()],
            levels: vec![level],
            blocked: vec!["tok9".into()],
            late: vec![LateDto { key: 1, customer: 2, slot: 3, place: 4 }],
            configured: Some("v1".into()),
            counted: vec![CountedDto::of(name("m"), 3_001)],
            overlay: WorldDto::beside(&said()).remove(0).overlay,
            renames: vec![RenameDto::of(name("m"), Direction::Deposit, (name("old"), name("gold")), LogOffset(77))],
            archive: Vec::new(),
            clocks: Vec::new(),
        }),
        Piece::Head(HeadDto::of(&customer, &mut turn)),
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
fn what_was_written_is_read() {
    let pieces = pieces();
    assert_eq!(read(&file_of(&pieces)).unwrap(), pieces);
    assert_eq!(read(&file_of(&[])).unwrap(), []);
}

#[test]
fn a_customer_comes_back_as_it_was() {
    let was = customer();
    let mut is = None;
    for piece in read(&file_of(&pieces())).unwrap() {
        match piece {
            Piece::Head(head) => is = Some(head.customer(&mut turn_back).unwrap()),
            Piece::TransactionSummaries { summaries, .. } => {
                let is = is.as_mut().unwrap();
                summaries.into_iter().for_each(|(slot, summary)| summary.resume_in(is, slot).unwrap());
            }
            Piece::World(world) => {
                assert_eq!(world.currencies().unwrap(), [eur()]);
                let made = world.levels[0].made().unwrap();
                let (merchant, level) = (name("m"), name("gold"));
                let (direction, currency) = (Direction::Deposit, eur());
                assert_eq!(world.said().unwrap(), said());
                let renamed = (name("m"), Direction::Deposit, name("old"), name("gold"));
                assert_eq!(world.renames[0].names().unwrap(), renamed);
                assert_eq!(made, GlobalEvent::LevelMade { merchant, name: level, direction, currency, at: Millis(5) });
            }
            Piece::End { .. } => {}
        }
    }
    let mut is = is.unwrap();
    assert_eq!(HeadDto::of(&is, &mut turn), HeadDto::of(&was, &mut turn));
    assert_eq!((is.standing, is.status()), (was.standing, was.status()));
    assert_eq!((is.settled_at(), is.books_at(Millis(2_000))), (Millis(2_000), was.books_at(Millis(2_000))));
    assert_eq!(is.summaries().starting_at(0).collect::<Vec<_>>(), was.summaries().starting_at(0).collect::<Vec<_>>());
    assert!(is.books().iter().zip(was.books()).all(|(is, was)| is.total() == was.total() && is.left() == was.left()));
    // The hold of the pinned one runs out in both.
    let mut was = was;
    assert_eq!(is.settle(Millis(9_000)), was.settle(Millis(9_000)));
    assert_eq!(is.books()[0].total(), was.books()[0].total());
    // With the key erased, the customer is there without attributes.
    let head = HeadDto::of(&was, &mut turn);
    assert!(head.customer(&mut |_| Ok(None)).unwrap().attributes.is_empty());
    let unsealed = HeadDto::of(&was, &mut |_, _| {});
    assert!(unsealed.attributes.is_empty());
    assert!(unsealed.customer(&mut turn_back).unwrap().attributes.is_empty());
}

/// The head's number of fraud is read as the customer's, unless the profile says more: so is an old snapshot's.
#[test]
fn fraud_of_instruments_alone_stands_in_the_profile() {
    let fraud = |names_instrument| {
        let mut customer = customer();
        let recorded = Recorded { number: 9, place: LogOffset(9), key: 0 };
        let signal = Signal::CardStolen;
        customer.apply(recorded, &CustomerEvent::Signalled { signal, names_instrument, at: Millis(15) });
        customer
    };
    let plain = HeadDto::of(&customer(), &mut turn).profile;
    for (was, suspicion, more) in
        [(fraud(false), Suspicion::CustomerFraud, ""), (fraud(true), Suspicion::InstrumentFraud, "21030206")]
    {
        let head = HeadDto::of(&was, &mut turn);
        assert_eq!((head.consent, head.suspicion), (2, Some(6)));
        assert_eq!(hex(&head.profile), format!("{}{more}", hex(&plain)));
        let is = head.customer(&mut turn_back).unwrap();
        assert_eq!((is.standing, is.standing.suspicion()), (was.standing, Some(suspicion)));
    }
    let old = HeadDto { profile: plain, ..HeadDto::of(&fraud(true), &mut turn) };
    assert_eq!(old.customer(&mut turn_back).unwrap().standing.suspicion(), Some(Suspicion::CustomerFraud));
}

#[test]
fn what_cannot_be_is_refused_though_its_checksum_holds() {
    let head = HeadDto::of(&customer(), &mut turn);
    let refused = |change: fn(&mut HeadDto)| {
        let mut head = head.clone();
        change(&mut head);
        head.customer(&mut turn_back).unwrap_err().to_string()
    };
    for (found, want) in [
        (refused(|head| head.merchant = "".into()), "\"\" is no name: it is empty"),
        (refused(|head| head.levels[0] = Some("\n".into())), "\"\\n\" is no name: it holds a control character"),
        (refused(|head| head.number = 1 << 32), "the number of customer 4294967296 is larger than 4294967295"),
        (refused(|head| head.consent = 0), "0 is no customer status"),
        (refused(|head| head.suspicion = Some(9)), "9 is no customer status"),
        (refused(|head| head.suspicion = Some(2)), "Member and Some(Member) are no standing of a customer"),
        (refused(|head| head.consent = 6), "Fraud and Some(Suspicious) are no standing of a customer"),
        (refused(|head| head.profile = vec![4, 1, 2]), "the profile of customer 3 holds what is none"),
        (refused(|head| head.books[0].currency = *b"eur"), "[101, 117, 114] is no currency"),
        (refused(|head| head.books[0].direction = 3), "3 is no direction"),
        (refused(|head| head.next_slot = 1), "the slots or books of customer 3 are out of bounds"),
    ] {
        assert_eq!(found, format!("the snapshot says what cannot be: {want}"));
    }
    assert!(refused(|head| head.attributes.truncate(3)).contains("ends within"));
    let good = TransactionSummaryDto::of(&summary(Status::Approved, 1, Some(0)));
    for (slot, summary) in [
        (9, good),
        (71, good),
        (10, TransactionSummaryDto { series: Some(2), ..good }),
        (10, TransactionSummaryDto { status: 0, ..good }),
        (10, TransactionSummaryDto { flags: 0x80, ..good }),
        (10, TransactionSummaryDto { flags: 0x100, ..good }),
        (10, TransactionSummaryDto { counts: 8, ..good }),
    ] {
        let mut customer = head.clone().customer(&mut turn_back).unwrap();
        let is_pinned = slot == 9;
        assert_eq!(summary.resume_in(&mut customer, slot).is_ok(), is_pinned, "{slot}");
        assert!(!is_pinned || summary.resume_in(&mut customer, slot).is_err());
    }
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
    let bytes: Vec<u8> = GOLDEN_1.iter().flat_map(|line| of_hex(line)).collect();
    assert_eq!(read(&bytes).unwrap(), small());
    // Its end counts two briefs, also where they are read one by one.
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
fn a_customer_who_was_made_in_the_future_is_seen_from_the_time_of_the_snapshot() {
    let head = HeadDto { created: 9_000, settled_at: 5, ..HeadDto::of(&customer(), &mut turn) };
    let again = head.customer(&mut turn_back).unwrap();
    assert_eq!((again.created, again.settled_at()), (Millis(9_000), Millis(5)));
}

#[test]
fn clocks_that_were_accepted_have_their_bytes_for_ever() {
    let clock = ClockDto { before: 2, after: -1, moves_entries: true, place: 3 };
    let world = Piece::World(WorldDto { clocks: vec![clock], ..WorldDto::default() });
    let bytes = file_of(std::slice::from_ref(&world));
    let clocks = [vec![1, 0, 0, 0, 0, 0, 0, 0], vec![2, 0, 0, 0, 0, 0, 0, 0], vec![0xff; 8], vec![1, 3]].concat();
    assert!(bytes.windows(clocks.len()).any(|part| part == clocks), "{}", hex(&bytes));
    assert_eq!(read(&bytes).unwrap(), [world]);
    let step = ClockStep { before: Millis(2), after: Millis(-1), moves_entries: true };
    assert_eq!((clock.step(), ClockDto::of(&step, LogOffset(3))), (step, clock));
}

#[test]
fn the_list_of_the_archive_has_one_form() {
    let segment = SegmentDto { first_lsn: 1, last_lsn: 2, bytes: 3, crc: 4 };
    let world = Piece::World(WorldDto { archive: vec![segment], ..WorldDto::default() });
    let bytes = file_of(std::slice::from_ref(&world));
    let (empty, one) = ("0000000000000000", "0100000000000000");
    let nine_fields = format!("02000000{}00{}", empty.repeat(5), empty.repeat(3));
    let golden = format!("{nine_fields}{one}{one}0200000000000000030000000000000004000000{empty}");
    let from = HEADER_BYTES + FRAME_HEAD_BYTES;
    let body: String = bytes[from..from + golden.len() / 2].iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(body, golden);
    assert_eq!(read(&bytes).unwrap(), [world]);
}

fn of_hex(digits: &str) -> Vec<u8> {
    let byte = |two: &[u8]| u8::from_str_radix(std::str::from_utf8(two).unwrap(), 16).unwrap();
    digits.as_bytes().chunks(2).map(byte).collect()
}

#[test]
fn a_snapshot_has_its_bytes_for_ever() {
    let small = small();
    let bytes = file_of(&small);
    let mut at = HEADER_BYTES;
    let mut lines = vec![hex(&bytes[..at])];
    while at < bytes.len() {
        let end = at + 8 + usize::try_from(number_at(&bytes, at)).unwrap();
        lines.push(hex(&bytes[at..end]));
        at = end;
    }
    assert_eq!(lines.join("\n"), GOLDEN.join("\n"));
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn a_snapshot_cut_anywhere_is_none() {
    let bytes = file_of(&pieces());
    for end in 0..bytes.len() {
        assert!(matches!(read(&bytes[..end]), Err(SnapshotError::Unfinished)), "{end}");
    }
    let longer = [&bytes[..], &[0]].concat();
    assert!(matches!(read(&longer), Err(SnapshotError::Damaged { .. })));
    // Frames that are whole, but not all of them.
    let mut writer = Writer::begin(&header(), |_: &[u8]| Ok(()));
    writer.put(&pieces()[0]).unwrap();
    let counts = writer.end(1).unwrap();
    assert_eq!(counts, Counts { pieces: 1, customers: 0, summaries: 0 });
    let end = file_of(&[]).split_off(HEADER_BYTES);
    let one = file_of(&pieces()[..1]);
    let one_end = one.len() - end.len();
    assert!(matches!(read(&[&one[..one_end], &end].concat()), Err(SnapshotError::Damaged { .. })));
}

#[test]
fn a_flipped_bit_anywhere_is_refused() {
    let mut bytes = file_of(&pieces());
    for bit in 0..bytes.len() * 8 {
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert!(read(&bytes).is_err(), "bit {bit}");
        bytes[bit / 8] ^= 1 << (bit % 8);
    }
}

#[test]
fn the_body_of_a_frame_that_is_no_piece_is_refused_without_a_panic() {
    let bytes = file_of(&pieces());
    let frame = |body: &[u8]| {
        let len = u32::try_from(body.len()).unwrap().to_le_bytes();
        [&bytes[..HEADER_BYTES], &len, &check(len, body).to_le_bytes(), body].concat()
    };
    let head = HEADER_BYTES + 8;
    let body = &bytes[head..head + usize::try_from(number_at(&bytes, HEADER_BYTES)).unwrap()];
    for end in 0..body.len() {
        assert!(matches!(read(&frame(&body[..end])), Err(SnapshotError::Damaged { .. })), "{end}");
    }
    for place in 0..body.len() {
        // Lengths of eight times 0xFF among them: nothing is allocated for those.
        for many in 1..=8.min(body.len() - place) {
            let mut body = body.to_vec();
            body[place..place + many].fill(0xFF);
            assert!(read(&frame(&body)).is_err());
        }
    }
    for len in [u32::MAX, FRAME_BYTES_MAX + 1, FRAME_BYTES_MAX] {
        let long = [&bytes[..HEADER_BYTES], &len.to_le_bytes(), &[0; 100]].concat();
        assert!(read(&long).is_err());
    }
}

#[test]
fn other_journals_and_newer_formats_are_told_apart() {
    let bytes = file_of(&[]);
    let with = |at: usize, new: &[u8]| {
        let mut bytes = bytes.clone();
        bytes[at..at + new.len()].copy_from_slice(new);
        let crc = crc32c::crc32c(&bytes[..60]);
        bytes[60..64].copy_from_slice(&crc.to_le_bytes());
        read(&bytes).unwrap_err()
    };
    assert!(matches!(with(8, &[2]), SnapshotError::Newer { format: 2, codec: CODEC }));
    assert!(matches!(with(12, &[9]), SnapshotError::Newer { format: 1, codec: 9 }));
    assert!(matches!(with(16, &[9]), SnapshotError::Foreign));
    assert!(matches!(with(0, &[9]), SnapshotError::Damaged { offset: 0 }));
    assert!(matches!(with(50, &[9]), SnapshotError::Damaged { offset: 0 }));
}

#[test]
fn large_ones_are_written_and_read_a_mebibyte_at_a_time() {
    let dto = TransactionSummaryDto::of(&summary(Status::Approved, 1, None));
    let piece = Piece::TransactionSummaries { customer: 1, summaries: (0..256).map(|slot| (slot, dto)).collect() };
    let (mut bytes, mut longest) = (Vec::new(), 0);
    let mut writer = Writer::begin(&header(), |part: &[u8]| {
        longest = longest.max(part.len());
        bytes.extend_from_slice(part);
        Ok(())
    });
    (0..400).for_each(|_| writer.put(&piece).unwrap());
    // The largest piece there may be, and one that is too large.
    let largest =
        |bytes: usize| Piece::World(WorldDto { configured: Some("x".repeat(bytes).into()), ..WorldDto::default() });
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
