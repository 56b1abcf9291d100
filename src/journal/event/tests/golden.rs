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
    Recorded::Customer(Event::Opened { slot: 300, opening })
}

pub(super) fn happened(fact: Fact) -> Recorded {
    let counts = Contribution { gross: 5, net: 300 };
    let upshot = Upshot { status: Status::Approved, counts, hold_until: None, flags: Flags::default() };
    let noted = Noted { at: Millis(-1), fact };
    Recorded::Customer(Event::Happened { slot: 1, previous: Place(9), noted, upshot, left: None })
}

pub(super) fn carried(all: bool, facts: &[Fact]) -> Recorded {
    let counts = Contribution { gross: 5, net: 300 };
    let hold_until = all.then_some(Millis(3));
    let upshot = Upshot { status: Status::Approved, counts, hold_until, flags: Flags(u8::from(all)) };
    let facts = facts.iter().map(|fact| Noted { at: Millis(-1), fact: fact.clone() }).collect();
    Recorded::Customer(Event::Carried { slot: 300, opening: opening(), facts, upshot, left: all, at: Millis(4) })
}

/// A transaction that becomes somebody's, of the same bytes as [`carried`] but for their beginning.
fn linked(all: bool, facts: &[Fact]) -> Recorded {
    let Recorded::Customer(Event::Carried { slot, opening, facts, upshot, at, .. }) = carried(all, facts) else {
        unreachable!("it was carried")
    };
    Recorded::Customer(Event::Linked { slot, opening, facts, upshot, at })
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
        customer(Event::LevelSet { direction, level, drops_settings, at: Millis(1) })
    };
    let signalled = |signal| customer(Event::Signalled { signal, names_instrument: false, at: Millis(1) });
    let signalled_of = |signal| customer(Event::Signalled { signal, names_instrument: true, at: Millis(1) });
    let blocks = |blocks: &[Block]| {
        let (id, blocks) = ("card".into(), Blocks(blocks.to_vec()));
        Recorded::Common(Common::InstrumentBlocks { id, blocks, at: Millis(1) })
    };
    let block = |everywhere, by_all, merchants: &[&str]| {
        let merchants = merchants.iter().map(|merchant| name(merchant)).collect();
        Block { everywhere, by_all, merchants }
    };
    let with = |change: fn(&mut Upshot), left| {
        let Recorded::Customer(Event::Happened { slot, previous, noted, mut upshot, .. }) =
            happened(Fact::Asked { amount: 1 })
        else {
            unreachable!()
        };
        change(&mut upshot);
        Recorded::Customer(Event::Happened { slot, previous, noted, upshot, left })
    };
    let left = |direction| {
        let book = BookKey { direction, currency: eur(), level: name("gold") };
        Some(Left { key: 300, book: Some(book), was: Contribution { gross: 1, net: 2 } })
    };
    let denied = |code, filter: Option<&str>, pair| {
        opened(move |o| {
            o.opened = Opened::Denied;
            o.violations.push(Violation { code, filter: filter.map(name), pair });
        })
    };
    let pair = Some(Unavailable { from: eur(), to: Currency::parse("ZZZ").unwrap() });
    vec![
        ("created", customer(Event::Created { merchant: name("m"), identifier: None, at }), "0100016d02"),
        ("created, named", customer(Event::Created { merchant: name("m"), identifier: one(), at }), "0101016d016902"),
        ("filled", customer(Event::AttributesFilled { attributes: attributes(), at }), "02020aa5fffc9ebf9df3fd9b9a"),
        ("filled by nothing", customer(Event::AttributesFilled { attributes: Attributes::default(), at }), "020200"),
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
            customer(Event::InstrumentHeld { id: "card".into(), at: Millis(i64::MIN) }),
            "050463617264ffffffffffffffffff01",
        ),
        (
            "instrument used",
            customer(Event::InstrumentUsed { id: "card".into(), at, successes: 300 }),
            "14046361726402ac02",
        ),
        (
            "opened",
            opened(|_| {}),
            "0600ac02027431016dd00fd20f01014555528662100f0e0d0c0b0a09080706050403020100000170016502010000",
        ),
        (
            "opened, hold",
            opened(|o| o.hold_until = Some(Millis(i64::MAX))),
            "0601ac02027431016dd00fd20f01014555528662100f0e0d0c0b0a090807060504030201000001700165feffffffffffffffff0102010000",
        ),
        (
            "opened, level",
            opened(|o| o.level = Some(name("gold"))),
            "0602ac02027431016dd00fd20f01014555528662100f0e0d0c0b0a09080706050403020100000170016504676f6c6402010000",
        ),
        (
            "opened, method",
            opened(|o| o.content.method = Some(name("card"))),
            "0604ac02027431016dd00fd20f01014555528662100f0e0d0c0b0a090807060504030201000004636172640170016502010000",
        ),
        (
            "opened, stranger",
            opened(|o| o.stranger = Some("77".into())),
            "0608ac02027431016dd00fd20f01014555528662100f0e0d0c0b0a09080706050403020100000170016502010237370000",
        ),
        (
            "opened, instrument",
            opened(|o| o.instrument = Some("tok".into())),
            "0610ac02027431016dd00fd20f01014555528662100f0e0d0c0b0a0908070605040302010000017001650201000003746f6b",
        ),
        (
            "opened, suspicious",
            opened(|o| o.suspicious = true),
            "0620ac02027431016dd00fd20f01014555528662100f0e0d0c0b0a09080706050403020100000170016502010000",
        ),
        (
            "opened, outlier",
            opened(|o| o.outlier = true),
            "0640ac02027431016dd00fd20f01014555528662100f0e0d0c0b0a09080706050403020100000170016502010000",
        ),
        (
            "opened, unreserved",
            opened(|o| o.opened = Opened::Unreserved),
            "0600ac02027431016dd00fd20f03014555528662100f0e0d0c0b0a09080706050403020100000170016502010000",
        ),
        (
            "opened, withdrawal",
            opened(|o| o.content.direction = Direction::Withdrawal),
            "0600ac02027431016dd00fd20f01024555528662100f0e0d0c0b0a09080706050403020100000170016502010000",
        ),
        (
            "opened, level empty",
            opened(|o| o.content.level = SentLevel::Empty),
            "0600ac02027431016dd00fd20f01014555528662100f0e0d0c0b0a09080706050403020100010170016502010000",
        ),
        (
            "opened, level named",
            opened(|o| o.content.level = SentLevel::Named(name("gold"))),
            "0600ac02027431016dd00fd20f01014555528662100f0e0d0c0b0a090807060504030201000204676f6c640170016502010000",
        ),
        (
            "opened, all attributes",
            opened(|o| o.content.defined_by = AttributeSet(0x1fff)),
            "0600ac02027431016dd00fd20f01014555528662100f0e0d0c0b0a090807060504030201ff3f000170016502010000",
        ),
        (
            "opened, e-mail",
            opened(|o| o.content.defined_by = AttributeSet::of(&[Attribute::Email])),
            "0600ac02027431016dd00fd20f01014555528662100f0e0d0c0b0a09080706050403020101000170016502010000",
        ),
        (
            "opened, level requested",
            opened(|o| o.level_source = LevelSource::Request),
            "0600ac02027431016dd00fd20f01014555528662100f0e0d0c0b0a09080706050403020100000170016501010000",
        ),
        (
            "opened, level by default",
            opened(|o| o.level_source = LevelSource::Default),
            "0600ac02027431016dd00fd20f01014555528662100f0e0d0c0b0a09080706050403020100000170016503010000",
        ),
        (
            "opened, customer made",
            opened(|o| o.resolution = Resolution::Created),
            "0600ac02027431016dd00fd20f01014555528662100f0e0d0c0b0a09080706050403020100000170016502020000",
        ),
        (
            "opened, defined",
            opened(|o| o.resolution = Resolution::ClientDefinition),
            "0600ac02027431016dd00fd20f01014555528662100f0e0d0c0b0a09080706050403020100000170016502030000",
        ),
        (
            "opened, bypassed",
            opened(|o| o.resolution = Resolution::Bypassed),
            "0600ac02027431016dd00fd20f01014555528662100f0e0d0c0b0a09080706050403020100000170016502040000",
        ),
        (
            "opened, gates",
            opened(|o| o.gates.extend([name("g1"), name("g2")])),
            "0600ac02027431016dd00fd20f01014555528662100f0e0d0c0b0a09080706050403020100000170016502010002026731026732",
        ),
        (
            "denied",
            denied(Code::NoGateAvailable, None, None),
            "0600ac02027431016dd00fd20f02014555528662100f0e0d0c0b0a090807060504030201000001700165020101a195010000",
        ),
        (
            "denied, filter",
            denied(Code::DailyAmountLimitExceeded, Some("f"), None),
            "0600ac02027431016dd00fd20f02014555528662100f0e0d0c0b0a090807060504030201000001700165020101b8940101016600",
        ),
        (
            "denied, rate",
            denied(Code::RateUnavailable, Some("f"), pair),
            "0600ac02027431016dd00fd20f02014555528662100f0e0d0c0b0a090807060504030201000001700165020101a095010301664555525a5a5a00",
        ),
        (
            "approved",
            happened(Fact::Approved { capture_id: None, amount: 1, gate: None, instrument: None, flag: None }),
            "0700010a010100010205ac0200",
        ),
        (
            "approved, all",
            happened(Fact::Approved {
                capture_id: Some("c".into()),
                amount: u64::MAX,
                gate: Some("g".into()),
                instrument: Some("i".into()),
                flag: Some(Flag::Late),
            }),
            "0700010a01010fffffffffffffffffff01016301670169010205ac0200",
        ),
        ("declined", happened(Fact::Declined { conflict: false }), "0700010a0102000205ac0200"),
        ("declined, conflict", happened(Fact::Declined { conflict: true }), "0700010a0102010205ac0200"),
        (
            "cancelled",
            happened(Fact::Cancelled { cancel_id: None, amount: 1, all: false }),
            "0700010a010300010205ac0200",
        ),
        (
            "cancelled, all",
            happened(Fact::Cancelled { cancel_id: one(), amount: 1, all: true }),
            "0700010a0103030101690205ac0200",
        ),
        (
            "refunded",
            happened(Fact::Refunded { refund_id: None, amount: 1, all: false, gives_back: false }),
            "0700010a010400010205ac0200",
        ),
        (
            "refunded, all",
            happened(Fact::Refunded { refund_id: one(), amount: 1, all: true, gives_back: true }),
            "0700010a0104070101690205ac0200",
        ),
        (
            "charged back",
            happened(Fact::ChargedBack { chargeback_id: None, amount: 1, all: false }),
            "0700010a010500010205ac0200",
        ),
        (
            "charged back, all",
            happened(Fact::ChargedBack { chargeback_id: one(), amount: 1, all: true }),
            "0700010a0105030101690205ac0200",
        ),
        ("extended", happened(Fact::Extended { until: Millis(64) }), "0700010a010680010205ac0200"),
        (
            "attempted",
            happened(Fact::Attempted { attempt: 200, gate: "g".into(), outcome: "ok".into() }),
            "0700010a0107c8010167026f6b0205ac0200",
        ),
        ("asked", happened(Fact::Asked { amount: 127 }), "0700010a01087f0205ac0200"),
        ("happened, hold", with(|u| u.hold_until = Some(Millis(2)), None), "0701010a0108010205ac020400"),
        ("happened, flags", with(|u| u.flags = Flags(0x1f), None), "0700010a0108010205ac021f"),
        (
            "happened, left",
            with(|_| {}, left(Direction::Deposit)),
            "0706010a0108010205ac0200ac0201020145555204676f6c64",
        ),
        (
            "happened, left, withdrawal",
            with(|_| {}, left(Direction::Withdrawal)),
            "0706010a0108010205ac0200ac0201020245555204676f6c64",
        ),
        ("happened, reserved", with(|u| u.status = Status::Reserved, None), "0700010a0108010105ac0200"),
        ("happened, declined", with(|u| u.status = Status::Declined, None), "0700010a0108010305ac0200"),
        ("happened, cancelled", with(|u| u.status = Status::Cancelled, None), "0700010a0108010405ac0200"),
        ("happened, expired", with(|u| u.status = Status::Expired, None), "0700010a0108010505ac0200"),
        ("happened, denied", with(|u| u.status = Status::Denied, None), "0700010a0108010605ac0200"),
        (
            "blocked",
            Recorded::Common(Common::InstrumentBlocked { id: "card".into(), blocked: true, at }),
            "4001046361726402",
        ),
        (
            "unblocked",
            Recorded::Common(Common::InstrumentBlocked { id: "card".into(), blocked: false, at }),
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
            Recorded::Common(Common::LevelMade {
                merchant: name("m"),
                name: name("gold"),
                direction: Direction::Deposit,
                currency: eur(),
                at,
            }),
            "41016d04676f6c640145555202",
        ),
        ("counted", Recorded::Common(Common::Counted { merchant: name("m"), made: 300 }), "43016dac02"),
        (
            "carried",
            carried(false, &[]),
            "0800080205ac02000000ac02027431016dd00fd20f01014555528662100f0e0d0c0b0a09080706050403020100000170016502010000",
        ),
        (
            "carried, with all",
            carried(
                true,
                &[
                    Fact::Approved {
                        capture_id: one(),
                        amount: 1,
                        gate: None,
                        instrument: None,
                        flag: Some(Flag::Late),
                    },
                    Fact::Extended { until: Millis(2) },
                ],
            ),
            "0803080205ac020601020101090101690101060400ac02027431016dd00fd20f01014555528662100f0e0d0c0b0a090807060504030201\
             00000170016502010000",
        ),
        (
            "linked",
            linked(false, &[]),
            "1800080205ac02000000ac02027431016dd00fd20f01014555528662100f0e0d0c0b0a09080706050403020100000170016502010000",
        ),
        (
            "linked, with all",
            linked(true, &[Fact::Extended { until: Millis(2) }]),
            "1801080205ac0206010101060400ac02027431016dd00fd20f01014555528662100f0e0d0c0b0a0908070605040302010000017001650201\
             0000",
        ),
        ("unlinked", customer(Event::Unlinked { slot: 300, left: None, at }), "1900ac0202"),
        ("unlinked, left", customer(Event::Unlinked { slot: 300, left: Some(300), at }), "1901ac0202ac02"),
        ("configured", Recorded::Common(Common::Configured { version: "v1".into(), at }), "4202763102"),
        (
            "level put",
            Recorded::Common(Common::LevelPut { key: key(), body: "{}".into(), created: at, at: Millis(2), by: None }),
            "4400016d0245555204676f6c64027b7d0204",
        ),
        (
            "level put by somebody",
            Recorded::Common(Common::LevelPut {
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
            Recorded::Common(Common::LevelDeleted { key: key(), at, by: None }),
            "4500016d0245555204676f6c6402",
        ),
        (
            "level deleted by somebody",
            Recorded::Common(Common::LevelDeleted { key: key(), at, by: Some(name("ops")) }),
            "4501016d0245555204676f6c6402036f7073",
        ),
        (
            "level filed",
            Recorded::Common(Common::LevelFiled { key: key(), digest: Some(0x0102), created: at, at: Millis(2) }),
            "4601016d0245555204676f6c64020100000000000000000000000000000204",
        ),
        (
            "level in no file",
            Recorded::Common(Common::LevelFiled { key: key(), digest: None, created: at, at: Millis(2) }),
            "4600016d0245555204676f6c640204",
        ),
        ("level renamed", Recorded::Common(renamed(None)), "4800016d0204676f6c64046265737402"),
        (
            "level renamed by somebody",
            Recorded::Common(renamed(Some(name("ops")))),
            "4801016d0204676f6c64046265737402036f7073",
        ),
        ("rates put", Recorded::Common(Common::RatesPut { body: "{}".into(), at, by: None }), "4700027b7d02"),
        (
            "rates put by somebody",
            Recorded::Common(Common::RatesPut { body: "{}".into(), at, by: Some(name("ops")) }),
            "4701027b7d02036f7073",
        ),
    ]
}

fn renamed(by: Option<Name>) -> Common {
    let (direction, from, to) = (Direction::Withdrawal, name("gold"), name("best"));
    Common::LevelRenamed { merchant: name("m"), direction, from, to, at: Millis(1), by }
}

fn key() -> LevelKey {
    LevelKey { merchant: name("m"), direction: Direction::Withdrawal, currency: eur(), name: name("gold") }
}
