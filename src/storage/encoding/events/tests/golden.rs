//! Every event and each of its options, with its bytes; those of changes are in `changes.rs`, those of the configuration
//! and of the daemon in `global_events.rs`.

use super::{samples::*, *};

/// Every event and each of its variants and options, with its bytes.
pub(super) fn golden() -> Vec<(&'static str, RecordedEvent, &'static str)> {
    let (at, one) = (Millis(1), || Some(Box::<str>::from("i")));
    let customer = RecordedEvent::Customer;
    let level_set = |direction, level, drops_settings| {
        customer(CustomerEvent::LevelSet { direction, level, drops_settings, at: Millis(1) })
    };
    let signalled = |signal| customer(CustomerEvent::SignalReceived { signal, names_instrument: false, at: Millis(1) });
    let signalled_of =
        |signal| customer(CustomerEvent::SignalReceived { signal, names_instrument: true, at: Millis(1) });
    let blocks = |blocks: &[InstrumentBlock]| {
        let (id, blocks) = ("card".into(), InstrumentBlocks(blocks.to_vec()));
        RecordedEvent::Global(GlobalEvent::InstrumentBlocks { id, blocks, by: None, previous: None, at: Millis(1) })
    };
    let block = |everywhere, by_all, merchants: &[&str]| {
        let merchants = merchants.iter().map(|merchant| name(merchant)).collect();
        InstrumentBlock { everywhere, by_all, merchants }
    };
    let with = |change: fn(&mut TransactionOutcome), left| {
        let RecordedEvent::Customer(CustomerEvent::FactRecorded { slot, previous, recorded_fact, mut outcome, .. }) =
            fact_recorded(Fact::ReservedLate { amount: 1, hold_until: None, content: None })
        else {
            unreachable!()
        };
        change(&mut outcome);
        RecordedEvent::Customer(CustomerEvent::FactRecorded { slot, previous, recorded_fact, outcome, left })
    };
    let left = |direction| {
        let series = UsageSeriesKey { direction, currency: eur(), level: Some(name("gold")) };
        let was = Contribution { gross: 1, net: 2, gross_counts: false, net_counts: true };
        Some(EvictedTransaction { key: 300, series: Some(series), at: Some(Millis(-2)), was })
    };
    let denied = |code, filter: Option<&str>, pair| {
        opened(move |o| {
            o.opened = OpeningKind::Denied;
            o.violations.push(Violation { filter: filter.map(name), pair, ..Violation::of(code) });
        })
    };
    let pair = Some(MissingRate { from: eur(), to: Currency::parse("ZZZ").unwrap() });
    vec![
        ("created", customer(CustomerEvent::Created { merchant: name("m"), identifier: None, at }), "0100016d02"),
        (
            "created, with an identifier",
            customer(CustomerEvent::Created { merchant: name("m"), identifier: Some("i".into()), at }),
            "0101016d016902",
        ),
        (
            "filled",
            customer(CustomerEvent::AttributesFilled { attributes: attributes(), at }),
            "02020aa5fffc9ebf9df3fd9b9a",
        ),
        (
            "filled, empty",
            customer(CustomerEvent::AttributesFilled { attributes: Attributes::default(), at }),
            "020200",
        ),
        ("level", level_set(Direction::Deposit, Some(name("gold")), false), "03010104676f6c6402"),
        ("level removed", level_set(Direction::Withdrawal, None, true), "03020202"),
        ("consent given", signalled(Signal::ConsentGiven), "040102"),
        ("consent refused", signalled(Signal::ConsentRefused), "040202"),
        ("fraud suspected", signalled(Signal::FraudSuspected), "040302"),
        ("fraud confirmed", signalled(Signal::FraudConfirmed), "040402"),
        ("card stolen", signalled(Signal::CardStolen), "040502"),
        ("cleared", signalled(Signal::Cleared), "040602"),
        ("an instrument stolen", signalled_of(Signal::CardStolen), "1b010502"),
        ("an instrument cleared", signalled_of(Signal::Cleared), "1b010602"),
        (
            "instrument",
            customer(CustomerEvent::InstrumentAdded { id: "card".into(), at: Millis(i64::MIN) }),
            "050463617264ffffffffffffffffff01",
        ),
        (
            "instrument used",
            customer(CustomerEvent::InstrumentUsed { id: "card".into(), at, successes: 300 }),
            "14046361726402ac02",
        ),
        (
            "opened",
            opened(|_| {}),
            "2200ac02027431016dd00fd20f01014555528662100f0e0d0c0b0a09080706050403020100000170016502010000",
        ),
        (
            "opened, hold",
            opened(|o| o.hold_until = Some(Millis(i64::MAX))),
            "2201ac02027431016dd00fd20f01014555528662100f0e0d0c0b0a090807060504030201000001700165feffffffffffffffff0102010000",
        ),
        (
            "opened, level",
            opened(|o| o.level = Some(name("gold"))),
            "2202ac02027431016dd00fd20f01014555528662100f0e0d0c0b0a09080706050403020100000170016504676f6c6402010000",
        ),
        (
            "opened, method",
            opened(|o| o.content.method = Some(name("card"))),
            "2204ac02027431016dd00fd20f01014555528662100f0e0d0c0b0a090807060504030201000004636172640170016502010000",
        ),
        (
            "opened, bypassed id",
            opened(|o| o.bypassed_id = Some("77".into())),
            "2208ac02027431016dd00fd20f01014555528662100f0e0d0c0b0a09080706050403020100000170016502010237370000",
        ),
        (
            "opened, instrument",
            opened(|o| o.instrument = Some("tok".into())),
            "2210ac02027431016dd00fd20f01014555528662100f0e0d0c0b0a0908070605040302010000017001650201000003746f6b",
        ),
        (
            "opened, suspicious",
            opened(|o| o.suspicious = true),
            "2220ac02027431016dd00fd20f01014555528662100f0e0d0c0b0a09080706050403020100000170016502010000",
        ),
        (
            "opened, outlier",
            opened(|o| o.outlier = true),
            "2240ac02027431016dd00fd20f01014555528662100f0e0d0c0b0a09080706050403020100000170016502010000",
        ),
        (
            "opened, unreserved",
            opened(|o| o.opened = OpeningKind::Unreserved),
            "2200ac02027431016dd00fd20f03014555528662100f0e0d0c0b0a09080706050403020100000170016502010000",
        ),
        (
            "opened, withdrawal",
            opened(|o| o.content.direction = Direction::Withdrawal),
            "2200ac02027431016dd00fd20f01024555528662100f0e0d0c0b0a09080706050403020100000170016502010000",
        ),
        (
            "opened, level empty",
            opened(|o| o.content.level = SentLevel::Empty),
            "2200ac02027431016dd00fd20f01014555528662100f0e0d0c0b0a09080706050403020100010170016502010000",
        ),
        (
            "opened, level named",
            opened(|o| o.content.level = SentLevel::Named(name("gold"))),
            "2200ac02027431016dd00fd20f01014555528662100f0e0d0c0b0a090807060504030201000204676f6c640170016502010000",
        ),
        (
            "opened, all attributes",
            opened(|o| o.content.defined_by = AttributeSet(0x1fff)),
            "2200ac02027431016dd00fd20f01014555528662100f0e0d0c0b0a090807060504030201ff3f000170016502010000",
        ),
        (
            "opened, e-mail",
            opened(|o| o.content.defined_by = AttributeSet::of(&[Attribute::Email])),
            "2200ac02027431016dd00fd20f01014555528662100f0e0d0c0b0a09080706050403020101000170016502010000",
        ),
        (
            "opened, level requested",
            opened(|o| o.level_source = LevelSource::Request),
            "2200ac02027431016dd00fd20f01014555528662100f0e0d0c0b0a09080706050403020100000170016501010000",
        ),
        (
            "opened, level by default",
            opened(|o| o.level_source = LevelSource::Default),
            "2200ac02027431016dd00fd20f01014555528662100f0e0d0c0b0a09080706050403020100000170016503010000",
        ),
        (
            "opened, no level",
            opened(|o| o.level_source = LevelSource::Project),
            "2200ac02027431016dd00fd20f01014555528662100f0e0d0c0b0a09080706050403020100000170016504010000",
        ),
        (
            "opened, project not named",
            opened(|o| o.names.project = false),
            "228001ac02027431016dd00fd20f01014555528662100f0e0d0c0b0a09080706050403020100000170016502010000",
        ),
        (
            "opened, endpoint not named",
            opened(|o| o.names.endpoint = false),
            "228002ac02027431016dd00fd20f01014555528662100f0e0d0c0b0a09080706050403020100000170016502010000",
        ),
        (
            "opened, customer made",
            opened(|o| o.resolution = CustomerResolution::Created),
            "2200ac02027431016dd00fd20f01014555528662100f0e0d0c0b0a09080706050403020100000170016502020000",
        ),
        (
            "opened, defined",
            opened(|o| o.resolution = CustomerResolution::ClientDefinition),
            "2200ac02027431016dd00fd20f01014555528662100f0e0d0c0b0a09080706050403020100000170016502030000",
        ),
        (
            "opened, bypassed",
            opened(|o| o.resolution = CustomerResolution::Bypassed),
            "2200ac02027431016dd00fd20f01014555528662100f0e0d0c0b0a09080706050403020100000170016502040000",
        ),
        (
            "opened, gates",
            opened(|o| o.gates.extend([name("g1"), name("g2")])),
            "2200ac02027431016dd00fd20f01014555528662100f0e0d0c0b0a09080706050403020100000170016502010002026731026732",
        ),
        (
            "denied",
            denied(DenialCode::NoGateAvailable, None, None),
            "2200ac02027431016dd00fd20f02014555528662100f0e0d0c0b0a090807060504030201000001700165020101a195010000",
        ),
        (
            "denied, filter",
            denied(DenialCode::DailyAmountLimitExceeded, Some("f"), None),
            "2200ac02027431016dd00fd20f02014555528662100f0e0d0c0b0a090807060504030201000001700165020101b8940101016600",
        ),
        (
            "denied, rate",
            denied(DenialCode::RateUnavailable, Some("f"), pair),
            "2200ac02027431016dd00fd20f02014555528662100f0e0d0c0b0a090807060504030201000001700165020101a095010301664555525a5a5a00",
        ),
        ("approved", fact_recorded(capture(None)), "1e00010a0109000100020105ac020400"),
        (
            "approved, all",
            fact_recorded(Fact::Approved {
                capture_id: Some("c".into()),
                amount: u64::MAX,
                all: true,
                is_final: Some(true),
                gate: Some("g".into()),
                instrument: Some("i".into()),
                flags: Flags::of(&[Flag::Late, Flag::UnknownGate]),
            }),
            "1e00010a01093fffffffffffffffffff0142016301670169020105ac020400",
        ),
        ("approved, more to come", fact_recorded(capture(Some(false))), "1e00010a0109080100020105ac020400"),
        ("approved, final", fact_recorded(capture(Some(true))), "1e00010a0109180100020105ac020400"),
        ("declined", fact_recorded(Fact::Declined { conflict: false }), "1e00010a010200020105ac020400"),
        ("declined, conflict", fact_recorded(Fact::Declined { conflict: true }), "1e00010a010201020105ac020400"),
        ("cancelled", fact_recorded(cancel(None, false)), "1e00010a010a0001020105ac020400"),
        (
            "cancelled, all",
            fact_recorded(Fact::Cancelled {
                cancel_id: one(),
                amount: 1,
                all: true,
                of: Some(CancelOf::Approved),
                names_of: true,
            }),
            "1e00010a010a1f010169020105ac020400",
        ),
        (
            "cancelled, reservation",
            fact_recorded(cancel(Some(CancelOf::Reservation), false)),
            "1e00010a010a0401020105ac020400",
        ),
        (
            "cancelled, named reservation",
            fact_recorded(cancel(Some(CancelOf::Reservation), true)),
            "1e00010a010a1401020105ac020400",
        ),
        (
            "refunded",
            fact_recorded(Fact::Refunded { refund_id: None, amount: 1, all: false, gives_back: false }),
            "1e00010a01040001020105ac020400",
        ),
        (
            "refunded, all",
            fact_recorded(Fact::Refunded { refund_id: one(), amount: 1, all: true, gives_back: true }),
            "1e00010a010407010169020105ac020400",
        ),
        (
            "charged back",
            fact_recorded(Fact::ChargedBack { chargeback_id: None, amount: 1, all: false, conflict: false }),
            "1e00010a010b0001020105ac020400",
        ),
        (
            "charged back, all",
            fact_recorded(Fact::ChargedBack { chargeback_id: one(), amount: 1, all: true, conflict: true }),
            "1e00010a010b07010169020105ac020400",
        ),
        ("extended", fact_recorded(Fact::Extended { until: Millis(64) }), "1e00010a01068001020105ac020400"),
        (
            "attempted",
            fact_recorded(Fact::Attempted { attempt: 200, gate: "g".into(), outcome: "ok".into(), unknown_gate: true }),
            "1e00010a010c01c8010167026f6b020105ac020400",
        ),
        (
            "reserved late, all",
            fact_recorded(reserved_late()),
            "1e00010a010d0f06014555527f100f0e0d0c0b0a090807060504030201000004636172640170016503746f6b020105ac020400",
        ),
        (
            "reserved late",
            fact_recorded(Fact::ReservedLate { amount: 127, hold_until: None, content: None }),
            "1e00010a010d007f020105ac020400",
        ),
        ("fact, hold", with(|u| u.hold_until = Some(Millis(2)), None), "1e01010a010d0001020105ac02040400"),
        ("fact, flags", with(|u| u.flags = Flags(0x1f), None), "1e00010a010d0001020105ac02041f"),
        (
            "fact, left",
            with(|_| {}, left(Direction::Deposit)),
            "1e0e010a010d0001020105ac020400ac02060301020145555204676f6c64",
        ),
        (
            "fact, left, withdrawal",
            with(|_| {}, left(Direction::Withdrawal)),
            "1e0e010a010d0001020105ac020400ac02060301020245555204676f6c64",
        ),
        (
            "fact, left under no level",
            with(|_| {}, left_under_no_level()),
            "1e06010a010d0001020105ac020400ac020703010101455552",
        ),
        ("fact, left, older", with(|_| {}, left_of_bypassed()), "1e02010a010d0001020105ac020400ac02000000"),
        ("fact, flags above", with(|u| u.flags = Flags(0x7f), None), "1e00010a010d0001020105ac02047f"),
        (
            "fact, counts",
            with(|u| (u.counts.net_counts, u.counts_after_hold) = (true, true), None),
            "1e00010a010d0001020705ac020400",
        ),
        ("fact, reserved", with(|u| u.status = Status::Reserved, None), "1e00010a010d0001010105ac020400"),
        ("fact, declined", with(|u| u.status = Status::Declined, None), "1e00010a010d0001030105ac020400"),
        ("fact, cancelled", with(|u| u.status = Status::Cancelled, None), "1e00010a010d0001040105ac020400"),
        ("fact, expired", with(|u| u.status = Status::Expired, None), "1e00010a010d0001050105ac020400"),
        ("fact, denied", with(|u| u.status = Status::Denied, None), "1e00010a010d0001060105ac020400"),
        (
            "blocked",
            RecordedEvent::Global(GlobalEvent::InstrumentBlocked { id: "card".into(), blocked: true, at }),
            "4001046361726402",
        ),
        (
            "unblocked",
            RecordedEvent::Global(GlobalEvent::InstrumentBlocked { id: "card".into(), blocked: false, at }),
            "4000046361726402",
        ),
        ("blocks", blocks(&[block(true, true, &["m"])]), "4b0463617264010301016d02"),
        (
            "blocks, several",
            blocks(&[block(false, false, &["m", "n"]), block(true, false, &["n"]), block(true, true, &[])]),
            "4b0463617264030002016d016e0101016e030002",
        ),
        ("blocks, none", blocks(&[]), "4b04636172640002"),
        (
            "blocks, none, by a caller after a change",
            RecordedEvent::Global(GlobalEvent::InstrumentBlocks {
                id: "card".into(),
                blocks: InstrumentBlocks::default(),
                by: Some(name("ops")),
                previous: Some(LogOffset(300)),
                at: Millis(1),
            }),
            "4f0304636172640002036f7073ac02",
        ),
        (
            "level made",
            RecordedEvent::Global(GlobalEvent::LevelCreated {
                merchant: name("m"),
                name: name("gold"),
                direction: Direction::Deposit,
                currency: eur(),
                at,
            }),
            "41016d04676f6c640145555202",
        ),
        (
            "counted",
            RecordedEvent::Global(GlobalEvent::ExternalIdsGenerated { merchant: name("m"), made: 300 }),
            "43016dac02",
        ),
        (
            "compacted",
            compacted(false, &[]),
            "1f0008020105ac0204000000ac02027431016dd00fd20f01014555528662100f0e0d0c0b0a09080706050403020100000170016502010000",
        ),
        (
            "compacted, with all",
            compacted(
                true,
                &[
                    Fact::Approved {
                        capture_id: one(),
                        amount: 1,
                        all: false,
                        is_final: None,
                        gate: None,
                        instrument: None,
                        flags: Flags::of(&[Flag::Late]),
                    },
                    Fact::Extended { until: Millis(2) },
                ],
            ),
            "1f0308020105ac02040601020109010102016901060400ac02027431016dd00fd20f01014555528662100f0e0d0c0b0a09080706050403020100000170016502010000",
        ),
        (
            "assigned",
            assigned(false, &[]),
            "200008020105ac0204000000ac02027431016dd00fd20f01014555528662100f0e0d0c0b0a09080706050403020100000170016502010000",
        ),
        (
            "assigned, with all",
            assigned(true, &[Fact::Extended { until: Millis(2) }]),
            "200108020105ac020406010101060400ac02027431016dd00fd20f01014555528662100f0e0d0c0b0a09080706050403020100000170016502010000",
        ),
        ("unlinked", customer(CustomerEvent::AssignedElsewhere { slot: 300, left: None, at }), "1900ac0202"),
        (
            "unlinked, left",
            customer(CustomerEvent::AssignedElsewhere { slot: 300, left: Some(300), at }),
            "1901ac0202ac02",
        ),
    ]
}
