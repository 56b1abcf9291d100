//! Tests of the bytes of every event, and of bytes that are no events.

use super::*;
use crate::{
    domain::{
        customer::{
            audit::ChangeSource,
            instrument_blocks::{InstrumentBlock, InstrumentBlocks},
            instruments::{CardOnFileType, InstrumentState, InstrumentType},
            status::Signal,
            stored_identifier::StoredIdentifier,
        },
        events::{
            audited_operation::{AuditedOperation, OperationDetail, OperationKind},
            global_event::ClockStep,
        },
        rules::{
            filter::{FilterMode, FilterScope, WindowClass},
            labels::Restriction,
            level::LevelKey,
            rates::MissingRate,
        },
        transaction::{
            fact::{CancelOf, Fact, LateReserveContent, RecordedFact},
            log_offset::LogOffset,
            opening::{
                CustomerResolution, ExplicitFields, LevelSource, Opening, OpeningKind, PaymentContent, SentLevel,
            },
            outcome::TransactionOutcome,
            status::{Flag, Flags, Status},
            summary::EvictedTransaction,
            violation::{CustomerBlocks, LimitFigures, LimitOwner, Violation, ViolationDetail},
        },
        usage::{contribution::Contribution, series::UsageSeriesKey},
        vocabulary::{
            attributes::{Attribute, AttributeSet, Attributes},
            calendar::{WeekStart, Window},
            denial_codes::{DENIAL_CODES, DenialCode},
            direction::Direction,
            money::Currency,
            names::Name,
            time::Millis,
            words::Word,
        },
    },
    storage::encoding::{
        encode, encode_global,
        events::tests::{golden::golden, samples::attributes},
        identifier::{open_identifier, seal_identifier},
        numbers::{self, Numbered, attribute_bits, flag_bits},
        seal::open_attributes,
    },
};
use smallvec::SmallVec;
use std::collections::BTreeSet;

mod arbitrary;
mod changes;
mod explained;
mod first_version;
mod global_events;
mod golden;
mod samples;

/// Seals for tests: inverts every bit and adds a byte in front.
pub(crate) fn invert_bits(plain: &[u8], out: &mut Vec<u8>) {
    out.push(0xA5);
    out.extend(plain.iter().map(|byte| !byte));
}

/// Opens what [`invert_bits`] sealed.
pub(crate) fn invert_bits_back(sealed: &[u8]) -> Result<Option<Vec<u8>>, String> {
    match sealed.split_first() {
        Some((0xA5, inverted)) => Ok(Some(inverted.iter().map(|byte| !byte).collect())),
        _ => Err("not sealed".to_owned()),
    }
}

fn bytes_of(event: &RecordedEvent) -> Vec<u8> {
    let mut out = Vec::new();
    match event {
        RecordedEvent::Customer(event) => encode(event, &mut invert_bits, &mut out),
        RecordedEvent::Global(event) => encode_global(event, &mut out),
    }
    out
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

pub(crate) fn eur() -> Currency {
    Currency::parse("EUR").unwrap()
}

/// Every event that is written, with its bytes.
fn all_events() -> impl Iterator<Item = (&'static str, RecordedEvent, String)> {
    let others = golden().into_iter().chain(global_events::golden()).chain(changes::golden());
    others.map(|(what, event, bytes)| (what, event, bytes.to_owned())).chain(explained::golden())
}

#[test]
fn the_bytes_of_every_event_never_change() {
    let mut wrong = Vec::new();
    for (what, event, want) in all_events() {
        let bytes = bytes_of(&event);
        if hex(&bytes) != want.replace(' ', "") {
            wrong.push(format!("{what}: {}", hex(&bytes)));
        }
        assert_eq!(decode(&bytes, &mut invert_bits_back).as_deref(), Ok([event].as_slice()), "{what}");
    }
    assert!(wrong.is_empty(), "the format has changed:\n{}", wrong.join("\n"));
}

/// Bytes that an older version wrote are read, and written in the form of today.
#[test]
fn bytes_of_older_versions_are_read() {
    for (what, event, bytes) in changes::older() {
        let body: Vec<u8> =
            (0..bytes.len()).step_by(2).map(|at| u8::from_str_radix(&bytes[at..at + 2], 16).unwrap()).collect();
        assert_eq!(decode(&body, &mut invert_bits_back).as_deref(), Ok([event.clone()].as_slice()), "{what}");
        assert_eq!(decode(&bytes_of(&event), &mut invert_bits_back).as_deref(), Ok([event].as_slice()), "{what}");
        for end in 0..body.len() {
            assert!(decode(&body[..end], &mut invert_bits_back).is_err(), "{what}, cut at {end}");
        }
        for bit in 0..body.len() * 8 {
            let mut body = body.clone();
            body[bit / 8] ^= 1 << (bit % 8);
            drop(decode(&body, &mut invert_bits_back));
        }
    }
}

#[test]
fn shapes_of_the_first_version_are_read_and_not_written() {
    for (old, event) in first_version::first_version() {
        assert_eq!(
            decode(&bytes_of_hex(old), &mut invert_bits_back).as_deref(),
            Ok([event.clone()].as_slice()),
            "{old}"
        );
        let bytes = bytes_of(&event);
        assert_ne!(hex(&bytes), old.replace(' ', ""), "{old} is written");
        assert_eq!(decode(&bytes, &mut invert_bits_back).as_deref(), Ok([event].as_slice()), "{old}, written again");
    }
}

fn bytes_of_hex(digits: &str) -> Vec<u8> {
    let digits: Vec<char> = digits.chars().filter(|c| *c != ' ').collect();
    digits.chunks(2).map(|two| u8::from_str_radix(&two.iter().collect::<String>(), 16).unwrap()).collect()
}

#[test]
fn the_number_of_every_word_never_changes() {
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
    assert_eq!(table(ChangeSource::word), "1 payment 2 api 3 upload 4 system");
    assert_eq!(table(InstrumentState::word), "1 active 2 expired 3 invalid");
    assert_eq!(table(InstrumentType::word), "1 card 2 bank_account 3 other");
    assert_eq!(table(CardOnFileType::word), "1 unscheduled 2 recurring 3 installment");
    assert_eq!(table(WindowClass::word), "1 daily 2 weekly 3 monthly 4 other");
    assert_eq!(table(FilterScope::word), "1 level 2 merchant 3 customer");
    assert_eq!(table(LimitOwner::word), "1 level 2 customer 3 operator 4 endpoint");
    assert_eq!(
        table(Restriction::word),
        "1 block_transactions 2 block_deposits 3 block_withdrawals 4 mark_outlier 5 block_identifier_change 6 block_merge \
         7 block_level_change"
    );
    assert_eq!(table(FilterMode::word), "1 enforce 2 shadow 3 off");
    assert_eq!(
        table(crate::domain::customer::status::CustomerStatus::word),
        "1 new 2 member 3 not_active 4 deny 5 suspicious 6 fraud"
    );
    assert_eq!(table(Status::word), "1 reserved 2 approved 3 declined 4 cancelled 5 expired 6 denied");
    assert_eq!(table(CustomerResolution::word), "1 found 2 created 3 client_definition 4 bypassed");
    assert_eq!(table(LevelSource::word), "1 request 2 stored 3 default 4 project");
    assert_eq!(table(Flag::word), "0 over_limit 1 late 2 conflict 3 unreserved 4 suspicious 5 outlier 6 unknown_gate");
    assert_eq!(
        table(Attribute::word),
        "0 email 1 phone 2 external_id 3 payment_instrument 4 name 5 first_name 6 last_name 7 country 8 city \
         9 address 10 postal_code 11 date_of_birth 12 language 13 comment 14 rating 15 registration_ip \
         16 phone_verified 17 referred_by"
    );
    // Each set contains all of its words.
    for (_, flag) in Flag::WORDS {
        assert_eq!(flag_bits(Flags::of(&[*flag])), 1 << flag.number());
    }
    for (_, attribute) in Attribute::WORDS {
        assert_eq!(attribute_bits(AttributeSet::of(&[*attribute])), 1 << attribute.number());
    }
    let all: Vec<Attribute> = Attribute::WORDS.iter().map(|(_, attribute)| *attribute).collect();
    for bits in 0..=1 << 19 {
        let set = numbers::attributes_of(bits);
        assert_eq!(set.is_some(), bits < 1 << all.len(), "{bits:#x}");
        assert!(set.is_none_or(|set| attribute_bits(set) == bits));
    }
    for bits in 0..=u8::MAX {
        let set = numbers::flags_of(bits);
        assert_eq!(set.is_some(), bits < 0x80, "{bits:#x}");
        assert!(set.is_none_or(|set| flag_bits(set) == bits));
    }
}

#[test]
fn bytes_that_are_never_written_are_refused() {
    for (bytes, want) in [
        ("", "the record holds no event"),
        ("00", "byte 0: no event has the tag 0; a newer levelgate may have written it"),
        ("27", "byte 0: no event has the tag 39; a newer levelgate may have written it"),
        ("1140", "byte 1: 64 is no option of Instrument; a newer levelgate may have written it"),
        ("04", "byte 1: the record ends within an event"),
        ("0409", "byte 1: 9 is no signal; a newer levelgate may have written it"),
        ("04010227", "byte 3: no event has the tag 39; a newer levelgate may have written it"),
        ("04018000", "byte 2: no number that this format writes"),
        ("0401ffffffffffffffffff02", "byte 2: no number that this format writes"),
        ("040180808080808080808080", "byte 2: no number that this format writes"),
        ("05ffffffffffffffffff01", "byte 11: the record ends within an event"),
        ("0502ff0002", "byte 1: the text is not UTF-8"),
        ("0102016d02", "byte 1: 2 is no option of Created; a newer levelgate may have written it"),
        ("01000002", "byte 2: no name: it is empty"),
        ("0100010a02", "byte 2: no name: it holds a control character"),
        ("41016d046e616d6501455572", "byte 9: no currency"),
        ("02020161", "byte 2: what is sealed cannot be opened: not sealed"),
        ("0a80801000", "byte 1: 262144 is no set of attributes; a newer levelgate may have written it"),
        (
            "0d00014555520467 6f6c6401 02 0463617264",
            "byte 13: 2 is no option of a method; a newer levelgate may have written it",
        ),
        ("0e000145555201000166 0108 000301", "byte 11: 8 is no window; a newer levelgate may have written it"),
        ("1c02", "byte 1: 2 is no option of Limits; a newer levelgate may have written it"),
        ("1c10", "byte 1: 16 is no option of Limits; a newer levelgate may have written it"),
        ("0c05", "byte 2: the record ends within an event"),
        ("1b000502", "byte 1: 0 is no option of Signalled; a newer levelgate may have written it"),
        ("2104 05", "byte 1: 4 is no option of Standing; a newer levelgate may have written it"),
        ("2101 05 06", "byte 1: 5 is no standing; a newer levelgate may have written it"),
        ("2101 01 02", "byte 1: 1 is no standing; a newer levelgate may have written it"),
        ("2103 01 05", "byte 1: 1 is no standing; a newer levelgate may have written it"),
        ("2102 01", "byte 1: 1 is no standing; a newer levelgate may have written it"),
        // Sealed identifiers: missing, readable, cut, not an identifier, none of them sealed.
        ("1a00 016d 02", "byte 1: 0 is no option of Created; a newer levelgate may have written it"),
        ("1a01 016d 0169 02", "byte 1: 1 is no option of Created; a newer levelgate may have written it"),
        ("1a03 016d 00112233", "byte 4: the record ends within an event"),
        (
            "1a03 016d 00112233445566778899aabbccddeeff 03 a5 fe 9e 02",
            "byte 20: what is sealed cannot be opened: it is no identifier",
        ),
        (
            "1a03 016d 00112233445566778899aabbccddeeff 02 a5 00 02",
            "byte 20: what is sealed cannot be opened: it is no identifier",
        ),
        ("1a03 016d 00112233445566778899aabbccddeeff 01 9e 02", "byte 20: what is sealed cannot be opened: not sealed"),
        ("1d01 00 0161", "byte 1: 0 is no option of Identifiers; a newer levelgate may have written it"),
        ("1d00", "byte 1: 0 is no option of Identifiers; a newer levelgate may have written it"),
        ("1d01 02 0161", "byte 2: 2 is no option of an identifier; a newer levelgate may have written it"),
        ("4b01 61 01 04", "byte 4: 4 is no option of a block; a newer levelgate may have written it"),
        ("4b01 61 05", "byte 4: the record ends within an event"),
        // Sealed attributes: unsorted, repeated, empty, cut.
        ("0202 07 a5 fefe9e fffe9e", "byte 3 of the attributes: they are not sorted or one of them is empty"),
        ("0202 07 a5 fefe9e fefe9e", "byte 3 of the attributes: they are not sorted or one of them is empty"),
        ("0202 03 a5 fe ff", "byte 0 of the attributes: they are not sorted or one of them is empty"),
        ("0202 03 a5 fe fe", "byte 2: the record ends within an event"),
        ("0202 02 a5 ed", "byte 0: 18 is no attribute; a newer levelgate may have written it"),
    ] {
        let error = decode(&bytes_of_hex(bytes), &mut invert_bits_back).unwrap_err();
        assert_eq!(error.to_string(), want, "{bytes}");
    }
}

#[test]
fn erased_attributes_are_none_and_attributes_that_may_not_be_kept_are_not_written() {
    let event = CustomerEvent::AttributesFilled { attributes: attributes(), at: Millis(1) };
    let emptied =
        RecordedEvent::Customer(CustomerEvent::AttributesFilled { attributes: Attributes::default(), at: Millis(1) });
    let mut out = Vec::new();
    encode(&event, &mut invert_bits, &mut out);
    assert_eq!(decode(&out, &mut |_| Ok(None)).unwrap()[0], emptied);
    let mut out = Vec::new();
    encode(&event, &mut |_, _| {}, &mut out);
    assert_eq!(out, [tags::ATTRIBUTES_FILLED, 2, 0]);
    assert_eq!(decode(&out, &mut |_| Err("nothing must be opened".to_owned())).unwrap()[0], emptied);
}

#[test]
fn of_an_erased_identifier_only_the_digest_is_left() {
    let created =
        |identifier| CustomerEvent::Created { merchant: name("m"), identifier: Some(identifier), at: Millis(1) };
    let (event, forgotten) = (created(StoredIdentifier::sealed("alice", 7)), created(StoredIdentifier::forgotten(7)));
    let mut out = Vec::new();
    encode(&event, &mut invert_bits, &mut out);
    assert_eq!(decode(&out, &mut |_| Ok(None)).unwrap()[0], RecordedEvent::Customer(forgotten.clone()));
    // A text that may not be kept is not written.
    let (mut kept, mut again) = (Vec::new(), Vec::new());
    encode(&event, &mut |_, _| {}, &mut kept);
    encode(&forgotten, &mut |_, _| panic!("nothing must be sealed"), &mut again);
    assert_eq!(kept, again);
    let read = decode(&kept, &mut |_| Err("nothing must be opened".to_owned()));
    assert_eq!(read.unwrap()[0], RecordedEvent::Customer(forgotten));
    // Attributes do not open as an identifier, and an identifier does not open as attributes.
    let mut filled = Vec::new();
    encode(&CustomerEvent::AttributesFilled { attributes: attributes(), at: Millis(1) }, &mut invert_bits, &mut filled);
    let sealed = &filled[3..];
    assert!(open_identifier(7, sealed, 0, &mut invert_bits_back).is_err());
    let sealed = seal_identifier(&StoredIdentifier::sealed("alice", 7), &mut invert_bits);
    assert!(open_attributes(&sealed, 0, &mut invert_bits_back).is_err());
}

/// Whether the first version may have written this event in another shape.
fn may_be_of_the_first_version(event: &RecordedEvent) -> bool {
    let is_first = |outcome: &TransactionOutcome| {
        let TransactionOutcome { status, counts, hold_until, flags, .. } = *outcome;
        TransactionOutcome::of_version_1(status, (counts.gross, counts.net), hold_until, flags) == *outcome
    };
    let is_first_fact = |recorded_fact: &RecordedFact| {
        matches!(
            recorded_fact.fact,
            Fact::Approved { is_final: None, .. }
                | Fact::Cancelled { of: None, .. }
                | Fact::ChargedBack { conflict: false, .. }
                | Fact::Attempted { unknown_gate: false, .. }
                | Fact::ReservedLate { content: None, .. }
        )
    };
    match event {
        RecordedEvent::Customer(CustomerEvent::TransactionOpened { opening, .. }) => {
            opening.names == ExplicitFields::BOTH
        }
        RecordedEvent::Customer(CustomerEvent::FactRecorded { recorded_fact, outcome, .. }) => {
            is_first(outcome) || is_first_fact(recorded_fact)
        }
        RecordedEvent::Customer(
            CustomerEvent::Compacted { facts, outcome, .. } | CustomerEvent::Assigned { facts, outcome, .. },
        ) => is_first(outcome) || facts.iter().any(is_first_fact),
        _ => false,
    }
}

fn check_cut_and_flipped(body: &[u8]) {
    for end in 0..body.len() {
        drop(decode(&body[..end], &mut invert_bits_back));
    }
    let mut body = body.to_vec();
    for bit in 0..body.len() * 8 {
        body[bit / 8] ^= 1 << (bit % 8);
        if let Ok(events) = decode(&body, &mut invert_bits_back) {
            // Each event has one encoding. Shapes of the first version are written in another form today.
            let mut again = Vec::new();
            for event in &events {
                again.extend(bytes_of(event));
            }
            if !events.iter().any(may_be_of_the_first_version) {
                assert_eq!(hex(&again), hex(&body));
            }
            assert_eq!(decode(&again, &mut invert_bits_back).as_deref(), Ok(events.as_slice()), "{}", hex(&body));
        }
        body[bit / 8] ^= 1 << (bit % 8);
    }
}

#[test]
fn cut_and_flipped_bytes_do_not_panic() {
    let mut all = Vec::new();
    for (what, event, _) in all_events() {
        let bytes = bytes_of(&event);
        for end in 0..bytes.len() {
            assert!(decode(&bytes[..end], &mut invert_bits_back).is_err(), "{what}, cut at {end}");
        }
        check_cut_and_flipped(&bytes);
        all.extend(bytes);
    }
    assert_eq!(decode(&all, &mut invert_bits_back).unwrap().len(), all_events().count());
    check_cut_and_flipped(&all[..all.len() / 4]);
}

#[test]
fn random_bytes_do_not_panic() {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let tags: Vec<u8> =
        all_events().map(|(_, event, _)| bytes_of(&event)[0]).collect::<BTreeSet<_>>().into_iter().collect();
    for round in 0..100_000 {
        let len = usize::try_from(next() % 120).unwrap();
        // Small bytes are frequent, since they are the lengths and words that lead deeper into an event.
        let mut body: Vec<u8> = (0..len)
            .map(|_| {
                let [low, high, ..] = next().to_le_bytes();
                if high < 160 { low % 5 } else { low }
            })
            .collect();
        if let Some(first) = body.first_mut().filter(|_| round % 2 == 0) {
            *first = tags[round / 2 % tags.len()];
        }
        drop(decode(&body, &mut invert_bits_back));
    }
}
