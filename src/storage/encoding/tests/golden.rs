//! Every event and every option of one, with its bytes; changes have a list of their own.

use super::*;

pub(super) fn opening() -> Opening {
    Opening {
        id: "t1".into(),
        merchant: name("m"),
        at: Millis(1_000),
        recorded_at: Millis(1_001),
        opened: Opened::Reserved,
        content: Content {
            direction: Direction::Deposit,
            currency: eur(),
            amount: 12_550,
            identity: 0x0102_0304_0506_0708_090a_0b0c_0d0e_0f10,
            defined_by: AttributeSet::default(),
            level: SentLevel::Absent,
            method: None,
            project: name("p"),
            endpoint: name("e"),
        },
        hold_until: None,
        level: None,
        level_source: LevelSource::Stored,
        resolution: Resolution::Found,
        names: NamedPlaces::BOTH,
        stranger: None,
        violations: SmallVec::new(),
        gates: SmallVec::new(),
        instrument: None,
        suspicious: false,
        outlier: false,
    }
}

pub(super) fn opened(change: impl FnOnce(&mut Opening)) -> Recorded {
    let mut opening = opening();
    change(&mut opening);
    Recorded::Customer(CustomerEvent::Opened { slot: 300, opening })
}

/// A summary in which all numbers differ.
fn outcome() -> TransactionOutcome {
    let counts = Contribution { gross: 5, net: 300, gross_counts: true, net_counts: false };
    let (status, flags) = (Status::Approved, Flags::default());
    TransactionOutcome { status, counts, held: 4, counts_after_hold: false, hold_until: None, flags }
}

pub(super) fn happened(fact: Fact) -> Recorded {
    let outcome = outcome();
    let recorded_fact = RecordedFact { at: Millis(-1), fact };
    Recorded::Customer(CustomerEvent::FactRecorded {
        slot: 1,
        previous: LogOffset(9),
        recorded_fact,
        outcome,
        left: None,
    })
}

pub(super) fn carried(all: bool, facts: &[Fact]) -> Recorded {
    let hold_until = all.then_some(Millis(3));
    let outcome = TransactionOutcome { hold_until, flags: Flags(u8::from(all)), ..outcome() };
    let facts = facts.iter().map(|fact| RecordedFact { at: Millis(-1), fact: fact.clone() }).collect();
    Recorded::Customer(CustomerEvent::Compacted {
        slot: 300,
        opening: opening(),
        facts,
        outcome,
        left: all,
        at: Millis(4),
    })
}

/// A transaction that becomes somebody's, of the same bytes as [`carried`] but for their beginning.
fn linked(all: bool, facts: &[Fact]) -> Recorded {
    let Recorded::Customer(CustomerEvent::Compacted { slot, opening, facts, outcome, at, .. }) = carried(all, facts)
    else {
        unreachable!("it was carried")
    };
    Recorded::Customer(CustomerEvent::Assigned { slot, opening, facts, outcome, at })
}

pub(super) fn attributes() -> Attributes {
    let mut attributes = Attributes::default();
    attributes.set(Attribute::Email, "a@b");
    attributes.set(Attribute::Language, "de");
    attributes
}

/// Every event and every variant and option of one, with its bytes.
pub(super) fn golden() -> Vec<(&'static str, Recorded, &'static str)> {
    let (at, one) = (Millis(1), || Some(Box::<str>::from("i")));
    let customer = Recorded::Customer;
    let level_set = |direction, level, drops_settings| {
        customer(CustomerEvent::LevelSet { direction, level, drops_settings, at: Millis(1) })
    };
    let signalled = |signal| customer(CustomerEvent::Signalled { signal, names_instrument: false, at: Millis(1) });
    let signalled_of = |signal| customer(CustomerEvent::Signalled { signal, names_instrument: true, at: Millis(1) });
    let blocks = |blocks: &[Block]| {
        let (id, blocks) = ("card".into(), Blocks(blocks.to_vec()));
        Recorded::GlobalEvent(GlobalEvent::InstrumentBlocks { id, blocks, at: Millis(1) })
    };
    let block = |everywhere, by_all, merchants: &[&str]| {
        let merchants = merchants.iter().map(|merchant| name(merchant)).collect();
        Block { everywhere, by_all, merchants }
    };
    let with = |change: fn(&mut TransactionOutcome), left| {
        let Recorded::Customer(CustomerEvent::FactRecorded { slot, previous, recorded_fact, mut outcome, .. }) =
            happened(Fact::Asked { amount: 1, hold_until: None, content: None })
        else {
            unreachable!()
        };
        change(&mut outcome);
        Recorded::Customer(CustomerEvent::FactRecorded { slot, previous, recorded_fact, outcome, left })
    };
    let left = |direction| {
        let series = UsageSeriesKey { direction, currency: eur(), level: Some(name("gold")) };
        let was = Contribution { gross: 1, net: 2, gross_counts: false, net_counts: true };
        Some(Left { key: 300, series: Some(series), at: Some(Millis(-2)), was })
    };
    let denied = |code, filter: Option<&str>, pair| {
        opened(move |o| {
            o.opened = Opened::Denied;
            o.violations.push(Violation { code, filter: filter.map(name), pair });
        })
    };
    let pair = Some(Unavailable { from: eur(), to: Currency::parse("ZZZ").unwrap() });
    vec![
        ("created", customer(CustomerEvent::Created { merchant: name("m"), identifier: None, at }), "0100016d02"),
        (
            "created, named",
            customer(CustomerEvent::Created { merchant: name("m"), identifier: Some("i".into()), at }),
            "0101016d016902",
        ),
        (
            "filled",
            customer(CustomerEvent::AttributesFilled { attributes: attributes(), at }),
            "02020aa5fffc9ebf9df3fd9b9a",
        ),
        (
            "filled by nothing",
            customer(CustomerEvent::AttributesFilled { attributes: Attributes::default(), at }),
            "020200",
        ),
        ("level", level_set(Direction::Deposit, Some(name("gold")), false), "03010104676f6c6402"),
        ("level gone", level_set(Direction::Withdrawal, None, true), "03020202"),
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
            customer(CustomerEvent::InstrumentHeld { id: "card".into(), at: Millis(i64::MIN) }),
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
            "opened, stranger",
            opened(|o| o.stranger = Some("77".into())),
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
            opened(|o| o.opened = Opened::Unreserved),
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
            opened(|o| o.resolution = Resolution::Created),
            "2200ac02027431016dd00fd20f01014555528662100f0e0d0c0b0a09080706050403020100000170016502020000",
        ),
        (
            "opened, defined",
            opened(|o| o.resolution = Resolution::ClientDefinition),
            "2200ac02027431016dd00fd20f01014555528662100f0e0d0c0b0a09080706050403020100000170016502030000",
        ),
        (
            "opened, bypassed",
            opened(|o| o.resolution = Resolution::Bypassed),
            "2200ac02027431016dd00fd20f01014555528662100f0e0d0c0b0a09080706050403020100000170016502040000",
        ),
        (
            "opened, gates",
            opened(|o| o.gates.extend([name("g1"), name("g2")])),
            "2200ac02027431016dd00fd20f01014555528662100f0e0d0c0b0a09080706050403020100000170016502010002026731026732",
        ),
        (
            "denied",
            denied(Code::NoGateAvailable, None, None),
            "2200ac02027431016dd00fd20f02014555528662100f0e0d0c0b0a090807060504030201000001700165020101a195010000",
        ),
        (
            "denied, filter",
            denied(Code::DailyAmountLimitExceeded, Some("f"), None),
            "2200ac02027431016dd00fd20f02014555528662100f0e0d0c0b0a090807060504030201000001700165020101b8940101016600",
        ),
        (
            "denied, rate",
            denied(Code::RateUnavailable, Some("f"), pair),
            "2200ac02027431016dd00fd20f02014555528662100f0e0d0c0b0a090807060504030201000001700165020101a095010301664555525a5a5a00",
        ),
        ("approved", happened(capture(None)), "1e00010a0109000100020105ac020400"),
        (
            "approved, all",
            happened(Fact::Approved {
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
        ("approved, more to come", happened(capture(Some(false))), "1e00010a0109080100020105ac020400"),
        ("approved, final", happened(capture(Some(true))), "1e00010a0109180100020105ac020400"),
        ("declined", happened(Fact::Declined { conflict: false }), "1e00010a010200020105ac020400"),
        ("declined, conflict", happened(Fact::Declined { conflict: true }), "1e00010a010201020105ac020400"),
        ("cancelled", happened(cancel(None, false)), "1e00010a010a0001020105ac020400"),
        (
            "cancelled, all",
            happened(Fact::Cancelled {
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
            happened(cancel(Some(CancelOf::Reservation), false)),
            "1e00010a010a0401020105ac020400",
        ),
        (
            "cancelled, named reservation",
            happened(cancel(Some(CancelOf::Reservation), true)),
            "1e00010a010a1401020105ac020400",
        ),
        (
            "refunded",
            happened(Fact::Refunded { refund_id: None, amount: 1, all: false, gives_back: false }),
            "1e00010a01040001020105ac020400",
        ),
        (
            "refunded, all",
            happened(Fact::Refunded { refund_id: one(), amount: 1, all: true, gives_back: true }),
            "1e00010a010407010169020105ac020400",
        ),
        (
            "charged back",
            happened(Fact::ChargedBack { chargeback_id: None, amount: 1, all: false, conflict: false }),
            "1e00010a010b0001020105ac020400",
        ),
        (
            "charged back, all",
            happened(Fact::ChargedBack { chargeback_id: one(), amount: 1, all: true, conflict: true }),
            "1e00010a010b07010169020105ac020400",
        ),
        ("extended", happened(Fact::Extended { until: Millis(64) }), "1e00010a01068001020105ac020400"),
        (
            "attempted",
            happened(Fact::Attempted { attempt: 200, gate: "g".into(), outcome: "ok".into(), unknown_gate: true }),
            "1e00010a010c01c8010167026f6b020105ac020400",
        ),
        (
            "asked, all",
            happened(asked()),
            "1e00010a010d0f06014555527f100f0e0d0c0b0a090807060504030201000004636172640170016503746f6b020105ac020400",
        ),
        (
            "asked",
            happened(Fact::Asked { amount: 127, hold_until: None, content: None }),
            "1e00010a010d007f020105ac020400",
        ),
        ("happened, hold", with(|u| u.hold_until = Some(Millis(2)), None), "1e01010a010d0001020105ac02040400"),
        ("happened, flags", with(|u| u.flags = Flags(0x1f), None), "1e00010a010d0001020105ac02041f"),
        (
            "happened, left",
            with(|_| {}, left(Direction::Deposit)),
            "1e0e010a010d0001020105ac020400ac02060301020145555204676f6c64",
        ),
        (
            "happened, left, withdrawal",
            with(|_| {}, left(Direction::Withdrawal)),
            "1e0e010a010d0001020105ac020400ac02060301020245555204676f6c64",
        ),
        (
            "happened, left under no level",
            with(|_| {}, left_under_no_level()),
            "1e06010a010d0001020105ac020400ac020703010101455552",
        ),
        ("happened, left, older", with(|_| {}, left_of_nobody()), "1e02010a010d0001020105ac020400ac02000000"),
        ("happened, flags above", with(|u| u.flags = Flags(0x7f), None), "1e00010a010d0001020105ac02047f"),
        (
            "happened, counts",
            with(|u| (u.counts.net_counts, u.counts_after_hold) = (true, true), None),
            "1e00010a010d0001020705ac020400",
        ),
        ("happened, reserved", with(|u| u.status = Status::Reserved, None), "1e00010a010d0001010105ac020400"),
        ("happened, declined", with(|u| u.status = Status::Declined, None), "1e00010a010d0001030105ac020400"),
        ("happened, cancelled", with(|u| u.status = Status::Cancelled, None), "1e00010a010d0001040105ac020400"),
        ("happened, expired", with(|u| u.status = Status::Expired, None), "1e00010a010d0001050105ac020400"),
        ("happened, denied", with(|u| u.status = Status::Denied, None), "1e00010a010d0001060105ac020400"),
        (
            "blocked",
            Recorded::GlobalEvent(GlobalEvent::InstrumentBlocked { id: "card".into(), blocked: true, at }),
            "4001046361726402",
        ),
        (
            "unblocked",
            Recorded::GlobalEvent(GlobalEvent::InstrumentBlocked { id: "card".into(), blocked: false, at }),
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
            "level made",
            Recorded::GlobalEvent(GlobalEvent::LevelMade {
                merchant: name("m"),
                name: name("gold"),
                direction: Direction::Deposit,
                currency: eur(),
                at,
            }),
            "41016d04676f6c640145555202",
        ),
        ("counted", Recorded::GlobalEvent(GlobalEvent::Counted { merchant: name("m"), made: 300 }), "43016dac02"),
        (
            "carried",
            carried(false, &[]),
            "1f0008020105ac0204000000ac02027431016dd00fd20f01014555528662100f0e0d0c0b0a09080706050403020100000170016502010000",
        ),
        (
            "carried, with all",
            carried(
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
            "linked",
            linked(false, &[]),
            "200008020105ac0204000000ac02027431016dd00fd20f01014555528662100f0e0d0c0b0a09080706050403020100000170016502010000",
        ),
        (
            "linked, with all",
            linked(true, &[Fact::Extended { until: Millis(2) }]),
            "200108020105ac020406010101060400ac02027431016dd00fd20f01014555528662100f0e0d0c0b0a09080706050403020100000170016502010000",
        ),
        ("unlinked", customer(CustomerEvent::Unlinked { slot: 300, left: None, at }), "1900ac0202"),
        ("unlinked, left", customer(CustomerEvent::Unlinked { slot: 300, left: Some(300), at }), "1901ac0202ac02"),
        ("configured", Recorded::GlobalEvent(GlobalEvent::Configured { version: "v1".into(), at }), "4202763102"),
        (
            "level put",
            Recorded::GlobalEvent(GlobalEvent::LevelPut {
                key: key(),
                body: "{}".into(),
                created: at,
                at: Millis(2),
                by: None,
            }),
            "4400016d0245555204676f6c64027b7d0204",
        ),
        (
            "level put by somebody",
            Recorded::GlobalEvent(GlobalEvent::LevelPut {
                key: key(),
                body: "{}".into(),
                created: at,
                at,
                by: Some(name("ops")),
            }),
            "4401016d0245555204676f6c64027b7d0202036f7073",
        ),
        (
            "level deleted",
            Recorded::GlobalEvent(GlobalEvent::LevelDeleted { key: key(), at, by: None }),
            "4500016d0245555204676f6c6402",
        ),
        (
            "level deleted by somebody",
            Recorded::GlobalEvent(GlobalEvent::LevelDeleted { key: key(), at, by: Some(name("ops")) }),
            "4501016d0245555204676f6c6402036f7073",
        ),
        (
            "level filed",
            Recorded::GlobalEvent(GlobalEvent::LevelFiled {
                key: key(),
                digest: Some(0x0102),
                created: at,
                at: Millis(2),
            }),
            "4601016d0245555204676f6c64020100000000000000000000000000000204",
        ),
        (
            "level in no file",
            Recorded::GlobalEvent(GlobalEvent::LevelFiled { key: key(), digest: None, created: at, at: Millis(2) }),
            "4600016d0245555204676f6c640204",
        ),
        ("clock accepted", Recorded::GlobalEvent(accepted(300, -2, false, None)), "4900d80403"),
        (
            "clock accepted by somebody, entries moved",
            Recorded::GlobalEvent(accepted(-1, 64, true, Some(name("ops")))),
            "4903018001036f7073",
        ),
        ("level renamed", Recorded::GlobalEvent(renamed(None)), "4800016d0204676f6c64046265737402"),
        (
            "level renamed by somebody",
            Recorded::GlobalEvent(renamed(Some(name("ops")))),
            "4801016d0204676f6c64046265737402036f7073",
        ),
        ("rates put", Recorded::GlobalEvent(GlobalEvent::RatesPut { body: "{}".into(), at, by: None }), "4700027b7d02"),
        (
            "rates put by somebody",
            Recorded::GlobalEvent(GlobalEvent::RatesPut { body: "{}".into(), at, by: Some(name("ops")) }),
            "4701027b7d02036f7073",
        ),
        ("segments let go", Recorded::GlobalEvent(GlobalEvent::SegmentsLetGo { last: 300, at }), "4aac0202"),
        (
            "loss of archived segments accepted",
            Recorded::GlobalEvent(GlobalEvent::ArchiveLossAccepted { first: 1, last: 300, at, by: None }),
            "4c0001ac0202",
        ),
        (
            "loss of archived segments accepted by somebody",
            Recorded::GlobalEvent(GlobalEvent::ArchiveLossAccepted { first: 1, last: 300, at, by: Some(name("ops")) }),
            "4c0101ac0202036f7073",
        ),
    ]
}

fn capture(is_final: Option<bool>) -> Fact {
    let flags = Flags::NONE;
    Fact::Approved { capture_id: None, amount: 1, all: false, is_final, gate: None, instrument: None, flags }
}

fn cancel(of: Option<CancelOf>, names_of: bool) -> Fact {
    Fact::Cancelled { cancel_id: None, amount: 1, all: false, of, names_of }
}

fn asked() -> Fact {
    let content = Content { amount: 127, method: Some(name("card")), ..opening().content };
    let content = LateContent { content, instrument: Some("tok".into()) };
    Fact::Asked { amount: 127, hold_until: Some(Millis(3)), content: Some(Box::new(content)) }
}

fn left_under_no_level() -> Option<Left> {
    let series = UsageSeriesKey { direction: Direction::Deposit, currency: eur(), level: None };
    Some(Left { key: 300, series: Some(series), at: Some(Millis(-2)), was: Contribution::of_amount(1) })
}

/// Of a transaction that bypassed the rules, whose own time its record does not have.
fn left_of_nobody() -> Option<Left> {
    Some(Left { key: 300, series: None, at: None, was: Contribution::NONE })
}

/// Bytes of the first version of the format, which are only read, with their events.
pub(super) fn first_version() -> Vec<(&'static str, Recorded)> {
    let outcome = |status, hold_until| TransactionOutcome::of_version_1(status, (5, 300), hold_until, Flags::NONE);
    let happened = |fact, outcome, left| {
        let recorded_fact = RecordedFact { at: Millis(-1), fact };
        Recorded::Customer(CustomerEvent::FactRecorded {
            slot: 1,
            previous: LogOffset(9),
            recorded_fact,
            outcome,
            left,
        })
    };
    let approved = || outcome(Status::Approved, None);
    let one = || Some(Box::<str>::from("i"));
    let late_capture = |amount, id: Option<&str>| Fact::Approved {
        capture_id: id.map(Into::into),
        amount,
        all: false,
        is_final: None,
        gate: Some("g".into()),
        instrument: Some("i".into()),
        flags: Flags::of(&[Flag::Late]),
    };
    let cancel = |cancel_id, all| Fact::Cancelled { cancel_id, amount: 1, all, of: None, names_of: false };
    let charge = |chargeback_id, all| Fact::ChargedBack { chargeback_id, amount: 1, all, conflict: false };
    let asked = |amount| Fact::Asked { amount, hold_until: None, content: None };
    let attempted = Fact::Attempted { attempt: 200, gate: "g".into(), outcome: "ok".into(), unknown_gate: false };
    let series = UsageSeriesKey { direction: Direction::Withdrawal, currency: eur(), level: Some(name("gold")) };
    let was = Contribution { gross: 1, net: 2, gross_counts: true, net_counts: true };
    let left = Some(Left { key: 300, series: Some(series), at: None, was });
    let carried = |facts, outcome, left| {
        Recorded::Customer(CustomerEvent::Compacted {
            slot: 300,
            opening: opening(),
            facts,
            outcome,
            left,
            at: Millis(4),
        })
    };
    let linked = |facts, outcome| {
        Recorded::Customer(CustomerEvent::Assigned { slot: 300, opening: opening(), facts, outcome, at: Millis(4) })
    };
    let flagged = TransactionOutcome { flags: Flags(1), ..outcome(Status::Approved, Some(Millis(3))) };
    let recorded_fact = |fact| RecordedFact { at: Millis(-1), fact };
    let small = Fact::Approved {
        capture_id: one(),
        amount: 1,
        all: false,
        is_final: None,
        gate: None,
        instrument: None,
        flags: Flags::of(&[Flag::Late]),
    };
    vec![
        (
            "0602ac02027431016dd00fd20f01014555528662100f0e0d0c0b0a09080706050403020100000170016504676f6c6402010000",
            opened(|o| o.level = Some(name("gold"))),
        ),
        ("0700010a010100010205ac0200", happened(capture(None), approved(), None)),
        (
            "0700010a01010fffffffffffffffffff01016301670169010205ac0200",
            happened(late_capture(u64::MAX, Some("c")), approved(), None),
        ),
        ("0700010a010300010205ac0200", happened(cancel(None, false), approved(), None)),
        ("0700010a0103030101690205ac0200", happened(cancel(one(), true), approved(), None)),
        ("0700010a010500010205ac0200", happened(charge(None, false), approved(), None)),
        ("0700010a0105030101690205ac0200", happened(charge(one(), true), approved(), None)),
        ("0700010a0107c8010167026f6b0205ac0200", happened(attempted, approved(), None)),
        ("0700010a01087f0205ac0200", happened(asked(127), approved(), None)),
        ("0701010a0108010205ac020400", happened(asked(1), outcome(Status::Approved, Some(Millis(2))), None)),
        ("0700010a0108010105ac0200", happened(asked(1), outcome(Status::Reserved, None), None)),
        ("0706010a0108010205ac0200ac0201020245555204676f6c64", happened(asked(1), approved(), left)),
        (
            "0800080205ac02000000ac02027431016dd00fd20f01014555528662100f0e0d0c0b0a09080706050403020100000170016502010000",
            carried(Vec::new(), approved(), false),
        ),
        (
            "0803080205ac020601020101090101690101060400ac02027431016dd00fd20f01014555528662100f0e0d0c0b0a090807060504030201\
             00000170016502010000",
            carried(vec![recorded_fact(small), recorded_fact(Fact::Extended { until: Millis(2) })], flagged, true),
        ),
        (
            "1801080205ac0206010101060400ac02027431016dd00fd20f01014555528662100f0e0d0c0b0a0908070605040302010000017001650201\
             0000",
            linked(vec![recorded_fact(Fact::Extended { until: Millis(2) })], flagged),
        ),
    ]
}

fn accepted(before: i64, after: i64, moves_entries: bool, by: Option<Name>) -> GlobalEvent {
    GlobalEvent::ClockAccepted { step: ClockStep { before: Millis(before), after: Millis(after), moves_entries }, by }
}

fn renamed(by: Option<Name>) -> GlobalEvent {
    let (direction, from, to) = (Direction::Withdrawal, name("gold"), name("best"));
    GlobalEvent::LevelRenamed { merchant: name("m"), direction, from, to, at: Millis(1), by }
}

fn key() -> LevelKey {
    LevelKey { merchant: name("m"), direction: Direction::Withdrawal, currency: eur(), name: name("gold") }
}
