//! Generated events: written events are read again, and damaged ones are read or refused.

use super::*;
use crate::domain::customer::stored_identifier::StoredIdentifier;
use proptest::{option, prelude::*};

pub(super) fn text() -> impl Strategy<Value = Box<str>> {
    "[ -~äß€😀]{0,40}".prop_map(Box::from)
}

/// A readable, sealed or forgotten identifier.
pub(super) fn some_identifier() -> impl Strategy<Value = StoredIdentifier> {
    (text(), option::of(any::<u128>())).prop_map(|(text, digest)| match digest {
        Some(digest) => StoredIdentifier::sealed(&text, digest),
        None => StoredIdentifier::clear(&text),
    })
}

/// One of few names, since the process keeps every name until it ends.
pub(super) fn names() -> impl Strategy<Value = Name> {
    prop_oneof![
        (0..200_u32).prop_map(|n| name(&format!("name {n}"))),
        Just(name(&"x".repeat(128))),
        Just(name("größe")),
        Just(name("unknown")),
    ]
}

pub(super) fn word<W: Word + std::fmt::Debug>() -> impl Strategy<Value = W> {
    (0..W::WORDS.len()).prop_map(|place| W::WORDS[place].1)
}

pub(super) fn number() -> impl Strategy<Value = u64> {
    prop_oneof![any::<u64>(), 0..300_u64, (0..64_u32).prop_map(|bit| 1 << bit), Just(u64::MAX)]
}

pub(super) fn time() -> impl Strategy<Value = Millis> {
    prop_oneof![any::<i64>(), Just(i64::MIN), Just(i64::MAX), 1_700_000_000_000..1_900_000_000_000_i64].prop_map(Millis)
}

pub(super) fn currency() -> impl Strategy<Value = Currency> {
    "[A-Z]{3}".prop_map(|code| Currency::parse(&code).unwrap())
}

fn operation() -> BoxedStrategy<AuditedOperation> {
    let detail = (option::of(names()), text(), option::of(text()), option::of(text()));
    let detail =
        detail.prop_map(|(merchant, subject, old, new)| OperationDetail { merchant, subject, old, new }).boxed();
    let details = proptest::collection::vec(detail, 0..4);
    (word(), word(), time(), option::of(names()), option::of(text()), details)
        .prop_map(|(kind, source, at, by, version, details)| AuditedOperation {
            kind,
            source,
            at,
            by,
            version,
            details,
        })
        .boxed()
}

fn contribution() -> impl Strategy<Value = Contribution> {
    (number(), number(), any::<bool>(), any::<bool>()).prop_map(|(gross, net, gross_counts, net_counts)| Contribution {
        gross,
        net,
        gross_counts,
        net_counts,
    })
}

pub(super) fn some_attributes() -> impl Strategy<Value = Attributes> {
    proptest::collection::vec((word::<Attribute>(), text()), 0..8).prop_map(|all| {
        let mut attributes = Attributes::default();
        all.iter().for_each(|(attribute, value)| attributes.set(*attribute, value));
        attributes
    })
}

fn flags() -> impl Strategy<Value = Flags> {
    (0..128_u8).prop_map(Flags)
}

fn outcome() -> impl Strategy<Value = TransactionOutcome> {
    (word::<Status>(), contribution(), number(), any::<bool>(), option::of(time()), flags()).prop_map(
        |(status, counts, held_amount, counts_after_hold, hold_until, flags)| TransactionOutcome {
            status,
            counts,
            held_amount,
            counts_after_hold,
            hold_until,
            flags,
        },
    )
}

fn some_fact() -> impl Strategy<Value = Fact> {
    let id = || option::of(text());
    let late = (content(), option::of(text()), option::of(time())).prop_map(|(content, instrument, hold_until)| {
        let amount = content.amount;
        Fact::ReservedLate { amount, hold_until, content: Some(Box::new(LateReserveContent { content, instrument })) }
    });
    prop_oneof![
        (id(), number(), id(), id(), any::<bool>(), any::<Option<bool>>(), flags()).prop_map(
            |(capture_id, amount, gate, instrument, all, is_final, flags)| Fact::Approved {
                capture_id,
                amount,
                all,
                is_final,
                gate,
                instrument,
                flags
            }
        ),
        any::<bool>().prop_map(|conflict| Fact::Declined { conflict }),
        (id(), number(), any::<bool>(), option::of(word::<CancelOf>()), any::<bool>()).prop_map(
            |(cancel_id, amount, all, of, names_of)| Fact::Cancelled {
                cancel_id,
                amount,
                all,
                of,
                names_of: names_of && of.is_some()
            }
        ),
        (id(), number(), any::<bool>(), any::<bool>())
            .prop_map(|(refund_id, amount, all, gives_back)| Fact::Refunded { refund_id, amount, all, gives_back }),
        (id(), number(), any::<bool>(), any::<bool>()).prop_map(|(chargeback_id, amount, all, conflict)| {
            Fact::ChargedBack { chargeback_id, amount, all, conflict }
        }),
        time().prop_map(|until| Fact::Extended { until }),
        (any::<u32>(), text(), text(), any::<bool>()).prop_map(|(attempt, gate, outcome, unknown_gate)| {
            Fact::Attempted { attempt, gate, outcome, unknown_gate }
        }),
        (number(), option::of(time())).prop_map(|(amount, hold_until)| Fact::ReservedLate {
            amount,
            hold_until,
            content: None
        }),
        late,
    ]
}

fn content() -> impl Strategy<Value = PaymentContent> {
    let level = prop_oneof![Just(SentLevel::Absent), Just(SentLevel::Empty), names().prop_map(SentLevel::Named)];
    let sent = (word(), currency(), number(), any::<u128>(), 0..0x4_0000_u32, level);
    (sent, option::of(names()), names(), names()).prop_map(
        |((direction, currency, amount, identity, defined_by, level), method, project, endpoint)| PaymentContent {
            direction,
            currency,
            amount,
            identity,
            defined_by: AttributeSet(defined_by),
            level,
            method,
            project,
            endpoint,
        },
    )
}

fn some_detail() -> impl Strategy<Value = ViolationDetail> {
    let window = prop_oneof![
        any::<i64>().prop_map(Window::Rolling),
        Just(Window::RollingMonth),
        Just(Window::Lifetime),
        Just(Window::Day),
        Just(Window::Week(WeekStart::Monday)),
        Just(Window::Week(WeekStart::Sunday)),
        Just(Window::Month),
    ];
    let limit = (word(), word(), number(), option::of(number()), window, option::of(time()), time());
    let limit = limit.prop_map(|(owner, scope, limit, used, window, start, end)| {
        ViolationDetail::Limit(LimitFigures { owner, scope, limit, used, window, start, end })
    });
    let label = option::of((names(), word()));
    let block = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>(), label);
    let block = block.prop_map(|(fraud, instrument_fraud, erased, project, label)| {
        ViolationDetail::Block(CustomerBlocks { fraud, instrument_fraud, erased, project, label })
    });
    prop_oneof![limit, (word(), number()).prop_map(|(owner, bound)| ViolationDetail::Bound { owner, bound }), block,]
}

fn some_opening() -> impl Strategy<Value = Opening> {
    let opened = prop_oneof![Just(OpeningKind::Reserved), Just(OpeningKind::Denied), Just(OpeningKind::Unreserved)];
    let pair = (currency(), currency()).prop_map(|(from, to)| MissingRate { from, to });
    let violation = (0..DENIAL_CODES.len(), option::of(names()), option::of(pair), option::of(some_detail()))
        .prop_map(|(code, filter, pair, detail)| Violation { code: DENIAL_CODES[code].0, filter, pair, detail });
    let first = (text(), names(), time(), time(), opened, content(), option::of(time()), option::of(names()));
    let names_both = (any::<bool>(), any::<bool>());
    let names_both = names_both.prop_map(|(project, endpoint)| ExplicitFields { project, endpoint });
    let second = (word(), word(), names_both, option::of(text()), proptest::collection::vec(violation, 0..20));
    let third = (proptest::collection::vec(names(), 0..9), option::of(text()), any::<bool>(), any::<bool>());
    (first, second, third).prop_map(|(first, second, third)| {
        let (id, merchant, at, recorded_at, opened, content, hold_until, level) = first;
        let (level_source, resolution, names, bypassed_id, violations) = second;
        let (gates, instrument, suspicious, outlier) = third;
        Opening {
            id,
            merchant,
            at,
            recorded_at,
            opened,
            content,
            hold_until,
            level,
            level_source,
            resolution,
            names,
            bypassed_id,
            violations: violations.into(),
            gates: gates.into(),
            instrument,
            suspicious,
            outlier,
        }
    })
}

fn level_key() -> impl Strategy<Value = LevelKey> {
    let parts = (names(), word(), currency(), names());
    parts.prop_map(|(merchant, direction, currency, name)| LevelKey { merchant, direction, currency, name })
}

/// A global event.
fn some_global_event() -> BoxedStrategy<GlobalEvent> {
    let block = (any::<bool>(), any::<bool>(), proptest::collection::vec(names(), 0..4));
    let block = block.prop_map(|(everywhere, by_all, merchants)| InstrumentBlock { everywhere, by_all, merchants });
    prop_oneof![
        (text(), proptest::collection::vec(block, 0..4), option::of(names()), option::of(number()), time()).prop_map(
            |(id, blocks, by, previous, at)| GlobalEvent::InstrumentBlocks {
                id,
                blocks: InstrumentBlocks(blocks),
                by,
                previous: previous.map(LogOffset),
                at
            }
        ),
        (text(), any::<bool>(), time()).prop_map(|(id, blocked, at)| GlobalEvent::InstrumentBlocked {
            id,
            blocked,
            at
        }),
        (names(), names(), word(), currency(), time()).prop_map(|(merchant, name, direction, currency, at)| {
            GlobalEvent::LevelCreated { merchant, name, direction, currency, at }
        }),
        (names(), number()).prop_map(|(merchant, made)| GlobalEvent::ExternalIdsGenerated { merchant, made }),
        (text(), time()).prop_map(|(version, at)| GlobalEvent::ConfigurationApplied { version, at }),
        (level_key(), text(), time(), time(), option::of(names()))
            .prop_map(|(key, body, created, at, by)| GlobalEvent::LevelPut { key, body, created, at, by }),
        (level_key(), time(), option::of(names())).prop_map(|(key, at, by)| GlobalEvent::LevelDeleted { key, at, by }),
        (level_key(), option::of(any::<u128>()), time(), time())
            .prop_map(|(key, digest, created, at)| GlobalEvent::LevelFileApplied { key, digest, created, at }),
        (option::of(text()), time()).prop_map(|(body, at)| GlobalEvent::RatesFileApplied { body, at }),
        (names(), any::<bool>(), time()).prop_map(|(merchant, is_sandbox, at)| GlobalEvent::MerchantFileApplied {
            merchant,
            is_sandbox,
            at
        }),
        (names(), word(), names(), names(), time(), option::of(names())).prop_map(
            |(merchant, direction, from, to, at, by)| GlobalEvent::LevelRenamed {
                merchant,
                direction,
                from,
                to,
                at,
                by
            }
        ),
        (text(), time(), option::of(names())).prop_map(|(body, at, by)| GlobalEvent::RatesPut { body, at, by }),
        (time(), time(), any::<bool>(), option::of(names())).prop_map(|(before, after, moves_entries, by)| {
            GlobalEvent::ClockAccepted { step: ClockStep { before, after, moves_entries }, by }
        }),
        (number(), time()).prop_map(|(last, at)| GlobalEvent::SegmentsReleased { last, at }),
        (number(), number(), time(), option::of(names()))
            .prop_map(|(first, last, at, by)| GlobalEvent::ArchiveLossAccepted { first, last, at, by }),
        operation().prop_map(GlobalEvent::OperationAudited),
    ]
    .boxed()
}

fn some_event() -> impl Strategy<Value = RecordedEvent> {
    let series = (word(), currency(), option::of(names()));
    let series = series.prop_map(|(direction, currency, level)| UsageSeriesKey { direction, currency, level });
    let left = (any::<u64>(), option::of(series), option::of(time()), contribution());
    let left = left.prop_map(|(key, series, at, was)| EvictedTransaction { key, series, at, was });
    let customer = prop_oneof![
        (names(), option::of(some_identifier()), time())
            .prop_map(|(merchant, identifier, at)| CustomerEvent::Created { merchant, identifier, at }),
        (some_attributes(), time()).prop_map(|(attributes, at)| CustomerEvent::AttributesFilled { attributes, at }),
        (word(), option::of(names()), any::<bool>(), time()).prop_map(|(direction, level, drops_settings, at)| {
            CustomerEvent::LevelSet { direction, level, drops_settings, at }
        }),
        (word(), any::<bool>(), time()).prop_map(|(signal, names_instrument, at)| CustomerEvent::SignalReceived {
            signal,
            names_instrument,
            at
        }),
        (text(), time()).prop_map(|(id, at)| CustomerEvent::InstrumentAdded { id, at }),
        (text(), time(), number()).prop_map(|(id, at, successes)| CustomerEvent::InstrumentUsed { id, at, successes }),
        (any::<u32>(), some_opening().boxed())
            .prop_map(|(slot, opening)| CustomerEvent::TransactionOpened { slot, opening }),
        (any::<u32>(), number(), time(), some_fact().boxed(), outcome(), option::of(left)).prop_map(
            |(slot, previous, at, fact, outcome, left)| CustomerEvent::FactRecorded {
                slot,
                previous: LogOffset(previous),
                recorded_fact: RecordedFact { at, fact },
                outcome,
                left,
            }
        ),
    ];
    let facts = proptest::collection::vec((time(), some_fact()).prop_map(|(at, fact)| RecordedFact { at, fact }), 0..6);
    let whole = (any::<u32>(), some_opening(), facts, outcome(), option::of(any::<bool>()), time());
    let whole = whole.prop_map(|(slot, opening, facts, outcome, left, at)| match left {
        Some(left) => CustomerEvent::Compacted { slot, opening, facts, outcome, left, at },
        None => CustomerEvent::Assigned { slot, opening, facts, outcome, at },
    });
    let unlinked = (any::<u32>(), option::of(any::<u64>()), time());
    let unlinked = unlinked.prop_map(|(slot, left, at)| CustomerEvent::AssignedElsewhere { slot, left, at });
    let customer = prop_oneof![7 => customer, 1 => whole, 1 => unlinked];
    let changed = super::changes::some_change().prop_map(RecordedEvent::Customer).boxed();
    let customer = customer.prop_map(RecordedEvent::Customer).boxed();
    prop_oneof![7 => customer, 4 => changed, 2 => some_global_event().prop_map(RecordedEvent::Global).boxed()]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn written_events_are_read(events in proptest::collection::vec(some_event(), 1..6)) {
        let body: Vec<u8> = events.iter().flat_map(bytes_of).collect();
        let read = decode(&body, &mut invert_bits_back);
        prop_assert_eq!(read.as_deref(), Ok(events.as_slice()));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(30))]

    #[test]
    fn damaged_events_are_read_or_refused(event in some_event()) {
        check_cut_and_flipped(&bytes_of(&event));
    }
}
