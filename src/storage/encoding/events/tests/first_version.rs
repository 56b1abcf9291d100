//! The bytes of the first version of the format, which are read and no longer written, with their events.

use super::{
    samples::{capture, opened, opening},
    *,
};

/// Every shape of the first version, as bytes and as its event.
pub(super) fn first_version() -> Vec<(&'static str, RecordedEvent)> {
    let outcome = |status, hold_until| TransactionOutcome::of_version_1(status, (5, 300), hold_until, Flags::NONE);
    let fact_recorded = |fact, outcome, left| {
        let recorded_fact = RecordedFact { at: Millis(-1), fact };
        RecordedEvent::Customer(CustomerEvent::FactRecorded {
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
    let charge_back = |chargeback_id, all| Fact::ChargedBack { chargeback_id, amount: 1, all, conflict: false };
    let reserved_late = |amount| Fact::ReservedLate { amount, hold_until: None, content: None };
    let attempted = Fact::Attempted { attempt: 200, gate: "g".into(), outcome: "ok".into(), unknown_gate: false };
    let series = UsageSeriesKey { direction: Direction::Withdrawal, currency: eur(), level: Some(name("gold")) };
    let was = Contribution { gross: 1, net: 2, gross_counts: true, net_counts: true };
    let left = Some(EvictedTransaction { key: 300, series: Some(series), at: None, was });
    let compacted = |facts, outcome, left| {
        RecordedEvent::Customer(CustomerEvent::Compacted {
            slot: 300,
            opening: opening(),
            facts,
            outcome,
            left,
            at: Millis(4),
        })
    };
    let assigned = |facts, outcome| {
        RecordedEvent::Customer(CustomerEvent::Assigned {
            slot: 300,
            opening: opening(),
            facts,
            outcome,
            at: Millis(4),
        })
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
        ("0700010a010100010205ac0200", fact_recorded(capture(None), approved(), None)),
        (
            "0700010a01010fffffffffffffffffff01016301670169010205ac0200",
            fact_recorded(late_capture(u64::MAX, Some("c")), approved(), None),
        ),
        ("0700010a010300010205ac0200", fact_recorded(cancel(None, false), approved(), None)),
        ("0700010a0103030101690205ac0200", fact_recorded(cancel(one(), true), approved(), None)),
        ("0700010a010500010205ac0200", fact_recorded(charge_back(None, false), approved(), None)),
        ("0700010a0105030101690205ac0200", fact_recorded(charge_back(one(), true), approved(), None)),
        ("0700010a0107c8010167026f6b0205ac0200", fact_recorded(attempted, approved(), None)),
        ("0700010a01087f0205ac0200", fact_recorded(reserved_late(127), approved(), None)),
        (
            "0701010a0108010205ac020400",
            fact_recorded(reserved_late(1), outcome(Status::Approved, Some(Millis(2))), None),
        ),
        ("0700010a0108010105ac0200", fact_recorded(reserved_late(1), outcome(Status::Reserved, None), None)),
        ("0706010a0108010205ac0200ac0201020245555204676f6c64", fact_recorded(reserved_late(1), approved(), left)),
        (
            "0800080205ac02000000ac02027431016dd00fd20f01014555528662100f0e0d0c0b0a09080706050403020100000170016502010000",
            compacted(Vec::new(), approved(), false),
        ),
        (
            "0803080205ac020601020101090101690101060400ac02027431016dd00fd20f01014555528662100f0e0d0c0b0a090807060504030201\
             00000170016502010000",
            compacted(vec![recorded_fact(small), recorded_fact(Fact::Extended { until: Millis(2) })], flagged, true),
        ),
        (
            "1801080205ac0206010101060400ac02027431016dd00fd20f01014555528662100f0e0d0c0b0a0908070605040302010000017001650201\
             0000",
            assigned(vec![recorded_fact(Fact::Extended { until: Millis(2) })], flagged),
        ),
    ]
}
