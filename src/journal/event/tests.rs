//! The bytes of every event, for ever; and what is made of bytes that nobody wrote.

use super::{numbers::Numbered, *};
use crate::domain::{
    brief::{Flags, Upshot},
    codes::{CODES, Code},
    identity::AttributeSet,
    money::Currency,
    name::Name,
    overlay::LevelKey,
    profile::{InstrumentState, InstrumentType, Source},
    rules::{Attribute, Direction, Mode, Scope, WindowClass, Word},
    standing::Signal,
    time::Millis,
    transaction::{Content, Flag, LevelSource, Noted, Opened, Place, Resolution, Status},
    usage::BookKey,
};
use smallvec::SmallVec;

mod arbitrary;
mod changes;

/// Seals by turning every bit, with a byte before it.
pub(in crate::journal) fn turn(plain: &[u8], out: &mut Vec<u8>) {
    out.push(0xA5);
    out.extend(plain.iter().map(|byte| !byte));
}

pub(in crate::journal) fn turn_back(sealed: &[u8]) -> Result<Option<Vec<u8>>, String> {
    match sealed.split_first() {
        Some((0xA5, turned)) => Ok(Some(turned.iter().map(|byte| !byte).collect())),
        _ => Err("not sealed".to_owned()),
    }
}

fn bytes_of(event: &Recorded) -> Vec<u8> {
    let mut out = Vec::new();
    match event {
        Recorded::Customer(event) => encode(event, &mut turn, &mut out),
        Recorded::Common(event) => encode_common(event, &mut out),
    }
    out
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(in crate::journal) fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

pub(in crate::journal) fn eur() -> Currency {
    Currency::parse("EUR").unwrap()
}

fn opening() -> Opening {
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

fn opened(change: impl FnOnce(&mut Opening)) -> Recorded {
    let mut opening = opening();
    change(&mut opening);
    Recorded::Customer(Event::Opened { slot: 300, opening })
}

fn happened(fact: Fact) -> Recorded {
    let counts = Contribution { gross: 5, net: 300 };
    let upshot = Upshot { status: Status::Approved, counts, hold_until: None, flags: Flags::default() };
    let noted = Noted { at: Millis(-1), fact };
    Recorded::Customer(Event::Happened { slot: 1, previous: Place(9), noted, upshot, left: None })
}

fn carried(all: bool, facts: &[Fact]) -> Recorded {
    let counts = Contribution { gross: 5, net: 300 };
    let hold_until = all.then_some(Millis(3));
    let upshot = Upshot { status: Status::Approved, counts, hold_until, flags: Flags(u8::from(all)) };
    let facts = facts.iter().map(|fact| Noted { at: Millis(-1), fact: fact.clone() }).collect();
    Recorded::Customer(Event::Carried { slot: 300, opening: opening(), facts, upshot, left: all, at: Millis(4) })
}

fn attributes() -> Attributes {
    let mut attributes = Attributes::default();
    attributes.set(Attribute::Email, "a@b");
    attributes.set(Attribute::Language, "de");
    attributes
}

/// Every event and every variant and option of one, with its bytes.
fn golden() -> Vec<(&'static str, Recorded, &'static str)> {
    let (at, one) = (Millis(1), || Some(Box::<str>::from("i")));
    let customer = Recorded::Customer;
    let level_set = |direction, level, drops_settings| {
        customer(Event::LevelSet { direction, level, drops_settings, at: Millis(1) })
    };
    let signalled = |signal| customer(Event::Signalled { signal, at: Millis(1) });
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

#[test]
fn every_event_has_its_bytes_for_ever() {
    let mut wrong = Vec::new();
    for (what, event, want) in golden().into_iter().chain(changes::golden()) {
        let bytes = bytes_of(&event);
        if hex(&bytes) != want {
            wrong.push(format!("{what}: {}", hex(&bytes)));
        }
        assert_eq!(decode(&bytes, &mut turn_back).as_deref(), Ok([event].as_slice()), "{what}");
    }
    assert!(wrong.is_empty(), "the format has changed:\n{}", wrong.join("\n"));
}

#[test]
fn every_word_has_its_number_for_ever() {
    fn table<W: Numbered + Word + PartialEq + std::fmt::Debug>(word: impl Fn(W) -> &'static str) -> String {
        let words = (0..=u8::MAX).filter_map(|n| Some(format!("{n} {}", word(W::of_number(n)?))));
        let words: Vec<String> = words.collect();
        assert_eq!(words.len(), W::WORDS.len());
        W::WORDS.iter().for_each(|(_, word)| assert_eq!(W::of_number(word.number()), Some(*word)));
        words.join(" ")
    }
    assert_eq!(table(Direction::word), "1 deposit 2 withdrawal");
    assert_eq!(
        table(Signal::word),
        "1 consent_given 2 consent_refused 3 fraud_suspected 4 fraud_confirmed 5 card_stolen 6 cleared 7 card_expired \
         8 card_invalid"
    );
    assert_eq!(table(Source::word), "1 payment 2 api 3 upload 4 system");
    assert_eq!(table(InstrumentState::word), "1 active 2 expired 3 invalid");
    assert_eq!(table(InstrumentType::word), "1 card 2 bank_account 3 other");
    assert_eq!(table(WindowClass::word), "1 daily 2 weekly 3 monthly 4 other");
    assert_eq!(table(Scope::word), "1 level 2 merchant 3 customer");
    assert_eq!(table(Mode::word), "1 enforce 2 shadow 3 off");
    assert_eq!(
        table(crate::domain::standing::CustomerStatus::word),
        "1 new 2 member 3 not_active 4 deny 5 suspicious 6 fraud"
    );
    assert_eq!(table(Status::word), "1 reserved 2 approved 3 declined 4 cancelled 5 expired 6 denied");
    assert_eq!(table(Resolution::word), "1 found 2 created 3 client_definition 4 bypassed");
    assert_eq!(table(LevelSource::word), "1 request 2 stored 3 default");
    assert_eq!(table(Flag::word), "0 over_limit 1 late 2 conflict 3 unreserved 4 suspicious 5 outlier");
    assert_eq!(
        table(Attribute::word),
        "0 email 1 phone 2 external_id 3 payment_instrument 4 name 5 first_name 6 last_name 7 country 8 city \
         9 address 10 postal_code 11 date_of_birth 12 language"
    );
    // Each of the sets knows all of its words.
    for (_, flag) in Flag::WORDS {
        assert_eq!(flag_bits(Flags::of(&[*flag])), 1 << flag.number());
    }
    for (_, attribute) in Attribute::WORDS {
        assert_eq!(attribute_bits(AttributeSet::of(&[*attribute])), 1 << attribute.number());
    }
    let all: Vec<Attribute> = Attribute::WORDS.iter().map(|(_, attribute)| *attribute).collect();
    for bits in 0..=u16::MAX {
        let set = numbers::attributes_of(bits);
        assert_eq!(set.is_some(), bits < 1 << all.len(), "{bits:#x}");
        assert!(set.is_none_or(|set| attribute_bits(set) == bits));
    }
    for bits in 0..=u8::MAX {
        let set = numbers::flags_of(bits);
        assert_eq!(set.is_some(), bits < 0x40, "{bits:#x}");
        assert!(set.is_none_or(|set| flag_bits(set) == bits));
    }
}

#[test]
fn what_is_not_written_is_not_read() {
    for (bytes, want) in [
        ("", "the record holds no event"),
        ("00", "byte 0: no event has the tag 0; a newer levelgate may have written it"),
        ("18", "byte 0: no event has the tag 24; a newer levelgate may have written it"),
        ("04", "byte 1: the record ends within an event"),
        ("0409", "byte 1: 9 is no signal; a newer levelgate may have written it"),
        ("04010218", "byte 3: no event has the tag 24; a newer levelgate may have written it"),
        ("04018000", "byte 2: no number that this format writes"),
        ("0401ffffffffffffffffff02", "byte 2: no number that this format writes"),
        ("040180808080808080808080", "byte 2: no number that this format writes"),
        ("05ffffffffffffffffff01", "byte 11: the record ends within an event"),
        ("0502ff0002", "byte 1: the text is not UTF-8"),
        ("0102016d02", "byte 1: 2 is no option of Created; a newer levelgate may have written it"),
        ("01000002", "byte 2: no name: it is empty"),
        ("0100010a02", "byte 2: no name: it holds a control character"),
        ("41016d046e616d6501455572", "byte 9: no currency"),
        ("02020161", "byte 2: the attributes cannot be opened: not sealed"),
        ("0aff7f00", "byte 1: 16383 is no set of attributes; a newer levelgate may have written it"),
        (
            "0d00014555520467 6f6c6401 02 0463617264",
            "byte 13: 2 is no option of a method; a newer levelgate may have written it",
        ),
        ("0e000145555201000166 0108 000301", "byte 11: 8 is no window; a newer levelgate may have written it"),
        ("0c05", "byte 2: the record ends within an event"),
        // Sealed attributes: unsorted, twice, empty, cut.
        ("0202 07 a5 fefe9e fffe9e", "byte 3 of the attributes: they are not sorted or one of them is empty"),
        ("0202 07 a5 fefe9e fefe9e", "byte 3 of the attributes: they are not sorted or one of them is empty"),
        ("0202 03 a5 fe ff", "byte 0 of the attributes: they are not sorted or one of them is empty"),
        ("0202 03 a5 fe fe", "byte 2: the record ends within an event"),
        ("0202 02 a5 f2", "byte 0: 13 is no attribute; a newer levelgate may have written it"),
    ] {
        let digits: Vec<char> = bytes.chars().filter(|c| *c != ' ').collect();
        let body: Vec<u8> =
            digits.chunks(2).map(|two| u8::from_str_radix(&two.iter().collect::<String>(), 16).unwrap()).collect();
        let error = decode(&body, &mut turn_back).unwrap_err();
        assert_eq!(error.to_string(), want, "{bytes}");
    }
}

#[test]
fn attributes_whose_key_is_erased_are_none_and_what_may_not_be_kept_is_not_written() {
    let event = Event::AttributesFilled { attributes: attributes(), at: Millis(1) };
    let emptied = Recorded::Customer(Event::AttributesFilled { attributes: Attributes::default(), at: Millis(1) });
    let mut out = Vec::new();
    encode(&event, &mut turn, &mut out);
    assert_eq!(decode(&out, &mut |_| Ok(None)).unwrap()[0], emptied);
    let mut out = Vec::new();
    encode(&event, &mut |_, _| {}, &mut out);
    assert_eq!(out, [tag::ATTRIBUTES_FILLED, 2, 0]);
    assert_eq!(decode(&out, &mut |_| Err("nothing to open".to_owned())).unwrap()[0], emptied);
}

fn cut_and_flipped(body: &[u8]) {
    for end in 0..body.len() {
        drop(decode(&body[..end], &mut turn_back));
    }
    let mut body = body.to_vec();
    for bit in 0..body.len() * 8 {
        body[bit / 8] ^= 1 << (bit % 8);
        if let Ok(events) = decode(&body, &mut turn_back) {
            // Whatever can be read has one way to be written.
            let mut again = Vec::new();
            for event in &events {
                again.extend(bytes_of(event));
            }
            assert_eq!(hex(&again), hex(&body));
        }
        body[bit / 8] ^= 1 << (bit % 8);
    }
}

#[test]
fn no_cut_and_no_flipped_bit_makes_it_panic() {
    let mut all = Vec::new();
    for (what, event, _) in golden() {
        let bytes = bytes_of(&event);
        for end in 0..bytes.len() {
            assert!(decode(&bytes[..end], &mut turn_back).is_err(), "{what}, cut at {end}");
        }
        cut_and_flipped(&bytes);
        all.extend(bytes);
    }
    assert_eq!(decode(&all, &mut turn_back).unwrap().len(), golden().len());
    cut_and_flipped(&all[..all.len() / 4]);
}

#[test]
fn no_random_bytes_make_it_panic() {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let tags = [1, 2, 3, 4, 5, 6, 7, 21, 22, 23, 64, 65, 66, 68, 69, 70, 71, 72];
    for round in 0..100_000 {
        let len = usize::try_from(next() % 120).unwrap();
        // Small bytes come often: they are the lengths and words that lead deeper.
        let mut body: Vec<u8> = (0..len)
            .map(|_| {
                let [low, high, ..] = next().to_le_bytes();
                if high < 160 { low % 5 } else { low }
            })
            .collect();
        if let Some(first) = body.first_mut().filter(|_| round % 2 == 0) {
            *first = tags[round / 2 % tags.len()];
        }
        drop(decode(&body, &mut turn_back));
    }
}
