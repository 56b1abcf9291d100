//! The state of a transaction in memory agrees with its facts at every instant.

use super::*;
use crate::domain::{
    transaction::{
        fact::{CancelOf, Fact, RecordedFact},
        log_offset::LogOffset,
        opening::{CustomerResolution, ExplicitFields, LevelSource, Opening, OpeningKind, PaymentContent, SentLevel},
        state::Transaction,
        summary::TransactionSummary,
        transition::{
            Approval, CaptureAmount, Operation, Reversal, TransitionContext, TransitionEffect, evaluate_operation,
        },
    },
    vocabulary::{attributes::AttributeSet, direction::Direction, money::Currency, names::Name},
};
use proptest::prelude::*;
use smallvec::SmallVec;

/// When the hold of a reservation ends.
const HOLD_UNTIL: Millis = Millis(100);

fn opening(opened: OpeningKind, resolution: CustomerResolution) -> Opening {
    let name = |text| Name::parse(text).unwrap();
    Opening {
        id: "t".into(),
        merchant: name("m"),
        at: Millis(0),
        recorded_at: Millis(0),
        opened,
        content: PaymentContent {
            direction: Direction::Deposit,
            currency: Currency::parse("EUR").unwrap(),
            amount: 100,
            identity: 0,
            defined_by: AttributeSet::default(),
            level: SentLevel::Absent,
            method: None,
            project: name("p"),
            endpoint: name("e"),
        },
        hold_until: (opened == OpeningKind::Reserved).then_some(HOLD_UNTIL),
        level: None,
        level_source: LevelSource::Project,
        resolution,
        names: ExplicitFields::BOTH,
        bypassed_id: None,
        violations: SmallVec::new(),
        gates: SmallVec::new(),
        instrument: None,
        suspicious: false,
        outlier: false,
    }
}

fn operation(kind: u8, amount: u64, id: u8, is_final: bool, of: Option<CancelOf>) -> Operation {
    let written = (amount > 0).then(|| format!("0.{amount:02}"));
    let id = Some(format!("i{id}"));
    let back = Reversal { amount: written.clone(), id: id.clone() };
    match kind {
        0..=3 => Operation::Approve(Approval {
            amount: written.map_or(CaptureAmount::Left, CaptureAmount::Written),
            capture_id: id,
            is_final,
            gate: None,
            instrument: None,
        }),
        4..=6 => Operation::Cancel { back, of },
        7 => Operation::Refund(back),
        8 => Operation::Chargeback(back),
        9 => Operation::Extend { until: Millis(100 + i64::try_from(amount).unwrap()) },
        _ => Operation::Decline,
    }
}

fn of() -> impl Strategy<Value = Option<CancelOf>> {
    prop_oneof![Just(None), Just(Some(CancelOf::Reservation)), Just(Some(CancelOf::Approved))]
}

proptest! {
    #[test]
    fn an_upshot_is_what_the_facts_say_at_every_instant(
        opened in prop_oneof![4 => Just(OpeningKind::Reserved), 1 => Just(OpeningKind::Denied), 1 => Just(OpeningKind::Unreserved)],
        bypasses in prop::bool::weighted(0.1),
        late in prop::option::of(0_i64..200),
        gives_back in any::<bool>(),
        steps in prop::collection::vec((0_u8..11, 0_u64..70, 0_u8..6, any::<bool>(), of(), 0_i64..40), 0..14),
    ) {
        let resolution = if bypasses { CustomerResolution::Bypassed } else { CustomerResolution::Found };
        let mut transaction = Transaction::open(opening(opened, resolution));
        if opened != OpeningKind::Unreserved {
            prop_assert_eq!(TransactionOutcome::of(&transaction), transaction.opening.outcome());
        }
        let mut now = 0;
        let mut takes_reserve = opened == OpeningKind::Unreserved;
        for (kind, amount, id, is_final, of, later) in steps {
            now += later;
            let circumstances = TransitionContext { minor_units: 2, merchant: None, now: Millis(now) };
            let operation = operation(kind, amount, id, is_final, of);
            if let Ok(TransitionEffect::New(mut recorded_fact)) = evaluate_operation(&transaction, &operation, circumstances) {
                if let Fact::Refunded { gives_back: given, .. } = &mut recorded_fact.fact {
                    *given = gives_back;
                }
                transaction.add_fact(recorded_fact);
            }
            if takes_reserve && transaction.is_approved() && late.is_some_and(|at| at <= now) {
                takes_reserve = false;
                let fact = Fact::ReservedLate { amount: 100, hold_until: Some(Millis(now + 50)), content: None };
                transaction.add_fact(RecordedFact { at: Millis(now), fact });
            }
            if opened == OpeningKind::Unreserved && !transaction.is_approved() {
                continue;
            }
            let outcome = TransactionOutcome::of(&transaction);
            for instant in [0, now, 99, 100, 101, 130, 169, 170, 1_000].map(Millis) {
                prop_assert_eq!(outcome.status(instant), transaction.status(instant), "{:?} at {:?}", transaction, instant);
                prop_assert_eq!(outcome.contribution(instant), transaction.contribution(instant), "at {:?}", instant);
                prop_assert_eq!(outcome.held_amount(instant), transaction.held_amount(instant), "at {:?}", instant);
            }
            prop_assert_eq!(outcome.final_contribution(), transaction.contribution(Millis(i64::MAX)));
            let summary = TransactionSummary::new(Millis(0), None, 1, LogOffset(2), &outcome);
            prop_assert_eq!(summary.outcome(), outcome);
            // The quantities of a transaction (domain.md, section 5).
            let totals = &transaction.totals;
            let gone = totals.cancelled + totals.refunded;
            prop_assert!(gone <= totals.approved, "more went back by choice than was approved: {:?}", totals);
            prop_assert!(totals.charged_back <= totals.approved);
            prop_assert!(totals.released <= totals.reserved);
            let held_amount = transaction.held_amount(Millis(now));
            prop_assert!(held_amount == 0 || totals.released + totals.approved + held_amount == totals.reserved);
        }
    }
}

#[test]
fn a_refund_takes_from_the_amount_and_leaves_the_quantity() {
    let mut transaction = Transaction::open(opening(OpeningKind::Reserved, CustomerResolution::Found));
    let approved = operation(0, 0, 0, true, None);
    let circumstances = TransitionContext { minor_units: 2, merchant: None, now: Millis(1) };
    let Ok(TransitionEffect::New(recorded_fact)) = evaluate_operation(&transaction, &approved, circumstances) else {
        panic!("it is not approved")
    };
    transaction.add_fact(recorded_fact);
    let refund = Fact::Refunded { refund_id: None, amount: 100, all: true, gives_back: true };
    transaction.add_fact(RecordedFact { at: Millis(2), fact: refund });
    let counts = Contribution { gross: 0, net: 0, gross_counts: true, net_counts: true };
    assert_eq!((transaction.contribution(Millis(3)), transaction.status(Millis(3))), (counts, Status::Approved));
}
