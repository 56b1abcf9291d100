//! Tests of past payments: what follows from an outcome, what contradicts it, and the facts that record it.

use super::*;
use crate::domain::{
    transaction::{
        opening::{CustomerResolution, ExplicitFields, LevelSource, Opening, PaymentContent, SentLevel},
        state::Transaction,
    },
    usage::contribution::Contribution,
    vocabulary::{attributes::AttributeSet, direction::Direction, money::Currency, names::Name, words::Word},
};
use proptest::prelude::*;
use smallvec::SmallVec;

const NOW: Millis = Millis(1_000_000);
const CONTEXT: ReadingContext = ReadingContext { hold_ms: Some(1_000), now: NOW };

fn stated(outcome: PastOutcome, amount: u64) -> StatedPayment {
    let (amounts, code) =
        (StatedAmounts::default(), (outcome == PastOutcome::Denied).then_some(DenialCode::NoGateAvailable));
    StatedPayment { at: Millis(500_000), outcome, amount, amounts, expires_at: None, code }
}

fn amounts(
    reserved: u64,
    released: u64,
    approved: u64,
    cancelled: u64,
    refunded: u64,
    charged_back: u64,
) -> PastAmounts {
    PastAmounts { reserved, released, approved, cancelled, refunded, charged_back }
}

#[test]
fn amounts_follow_from_the_outcome() {
    use PastOutcome::{Approved, Cancelled, ChargedBack, Declined, Denied, Expired, PartiallyRefunded, Refunded};
    let none = StatedAmounts::default();
    let table = [
        (Approved, none, amounts(100, 0, 100, 0, 0, 0)),
        (Declined, none, amounts(100, 0, 0, 0, 0, 0)),
        (Denied, none, amounts(100, 0, 0, 0, 0, 0)),
        (Expired, none, amounts(100, 0, 0, 0, 0, 0)),
        (Cancelled, none, amounts(100, 0, 100, 100, 0, 0)),
        (Cancelled, StatedAmounts { approved: Some(0), ..none }, amounts(100, 100, 0, 0, 0, 0)),
        (Cancelled, StatedAmounts { released: Some(40), ..none }, amounts(100, 40, 60, 60, 0, 0)),
        (Refunded, none, amounts(100, 0, 100, 0, 100, 0)),
        (Refunded, StatedAmounts { cancelled: Some(30), ..none }, amounts(100, 0, 100, 30, 70, 0)),
        (PartiallyRefunded, StatedAmounts { refunded: Some(30), ..none }, amounts(100, 0, 100, 0, 30, 0)),
        (ChargedBack, none, amounts(100, 0, 100, 0, 0, 100)),
        (ChargedBack, StatedAmounts { charged_back: Some(1), ..none }, amounts(100, 0, 100, 0, 0, 1)),
        (Approved, StatedAmounts { approved: Some(150), ..none }, amounts(100, 0, 150, 0, 0, 0)),
    ];
    for (outcome, parts, want) in table {
        let read = PastPayment::read(&StatedPayment { amounts: parts, ..stated(outcome, 100) }, CONTEXT);
        let read = read.unwrap_or_else(|error| panic!("{outcome:?} {parts:?}: {error:?}"));
        assert_eq!((read.amounts, read.outcome(NOW)), (want, outcome), "{parts:?}");
    }
}

#[test]
fn contradictions_are_named_with_their_column() {
    use PastOutcome::{Approved, Cancelled, Declined, Denied, Expired, PartiallyRefunded, Refunded, Reserved};
    let none = StatedAmounts::default();
    let with = |outcome, amounts| StatedPayment { amounts, ..stated(outcome, 100) };
    let until = |outcome, at| StatedPayment { expires_at: Some(HoldEnd::At(Millis(at))), ..stated(outcome, 100) };
    let table = [
        (with(PartiallyRefunded, none), "refunded_amount", Contradiction::Missing(PartiallyRefunded)),
        (
            with(Declined, StatedAmounts { approved: Some(1), ..none }),
            "approved_amount",
            Contradiction::Superfluous(Declined),
        ),
        (
            with(Refunded, StatedAmounts { refunded: Some(101), ..none }),
            "refunded_amount",
            Contradiction::TooLarge("what is left of the approved amount"),
        ),
        (
            with(Approved, StatedAmounts { released: Some(101), ..none }),
            "released_amount",
            Contradiction::TooLarge("amount"),
        ),
        (
            with(Approved, StatedAmounts { cancelled: Some(100), ..none }),
            "outcome",
            Contradiction::OtherOutcome(Approved, Cancelled),
        ),
        (
            with(Cancelled, StatedAmounts { cancelled: Some(99), ..none }),
            "outcome",
            Contradiction::OtherOutcome(Cancelled, Approved),
        ),
        (until(Expired, 1_000_001), "expires_at", Contradiction::NotExpired),
        (until(Declined, 1_000_001), "expires_at", Contradiction::Superfluous(Declined)),
        (StatedPayment { code: None, ..stated(Denied, 100) }, "code", Contradiction::MissingCode),
        (
            StatedPayment { code: Some(DenialCode::NoGateAvailable), ..stated(Reserved, 100) },
            "code",
            Contradiction::Superfluous(Reserved),
        ),
    ];
    for (payment, field, contradiction) in table {
        assert_eq!(PastPayment::read(&payment, CONTEXT), Err((field, contradiction)), "{payment:?}");
    }
}

#[test]
fn holds_end_as_stated_or_after_the_time_of_the_merchant() {
    let read =
        |payment: &StatedPayment, hold_ms| PastPayment::read(payment, ReadingContext { hold_ms, ..CONTEXT }).unwrap();
    let reserved = stated(PastOutcome::Reserved, 100);
    let recent = StatedPayment { at: Millis(999_500), ..reserved };
    assert_eq!(read(&recent, Some(1_000)).hold_until, Some(Millis(1_000_500)));
    assert_eq!(read(&recent, Some(1_000)).outcome(NOW), PastOutcome::Reserved);
    assert_eq!(read(&reserved, None).hold_until, None);
    assert_eq!(read(&reserved, Some(1_000)).outcome(NOW), PastOutcome::Expired, "it was open when it was written down");
    let never = StatedPayment { expires_at: Some(HoldEnd::Never), ..reserved };
    assert_eq!(read(&never, Some(1_000)).outcome(Millis::MAX), PastOutcome::Reserved);
    let expired = StatedPayment { at: Millis(999_500), ..stated(PastOutcome::Expired, 100) };
    assert_eq!(read(&expired, Some(1_000)).hold_until, Some(Millis(999_500)), "at the latest now");
}

/// A resumed import reads a row again, when its hold has ended.
#[test]
fn a_row_reads_the_same_at_any_later_time() {
    let parts = StatedAmounts { approved: Some(50), cancelled: Some(50), ..StatedAmounts::default() };
    let until = Some(HoldEnd::At(Millis(1_500_000)));
    for row in [
        StatedPayment { amounts: parts, expires_at: until, ..stated(PastOutcome::Approved, 100) },
        StatedPayment { at: Millis(999_500), ..stated(PastOutcome::Expired, 100) },
        StatedPayment { at: Millis(999_500), ..stated(PastOutcome::Reserved, 100) },
        StatedPayment { expires_at: until, ..stated(PastOutcome::Reserved, 100) },
    ] {
        let first = PastPayment::read(&row, CONTEXT).unwrap();
        for now in [Millis(1_000_001), Millis(1_600_000), Millis(9_000_000)] {
            let later = PastPayment::read(&row, ReadingContext { now, ..CONTEXT });
            assert_eq!(later.as_ref(), Ok(&first), "{row:?} at {now}");
        }
    }
}

fn opening(past: &PastPayment) -> Opening {
    let name = |text| Name::parse(text).unwrap();
    Opening {
        id: "t".into(),
        merchant: name("acme"),
        at: past.at,
        recorded_at: NOW,
        opened: past.opened,
        content: PaymentContent {
            direction: Direction::Deposit,
            currency: Currency::parse("EUR").unwrap(),
            amount: past.amounts.reserved,
            identity: 0,
            defined_by: AttributeSet::of(&[]),
            level: SentLevel::Absent,
            method: None,
            project: name("web"),
            endpoint: name("web-eur"),
        },
        hold_until: past.hold_until.filter(|_| past.opened == OpeningKind::Reserved),
        level: None,
        level_source: LevelSource::Project,
        resolution: CustomerResolution::Found,
        names: ExplicitFields::BOTH,
        bypassed_id: None,
        violations: past.violation.into_iter().collect(),
        gates: SmallVec::new(),
        instrument: None,
        suspicious: false,
        outlier: false,
    }
}

proptest! {
    /// The recorded transaction has the stated outcome, with any amounts and any hold.
    #[test]
    fn facts_give_the_outcome_and_the_amounts(
        outcome in 0..PastOutcome::WORDS.len(),
        amount in 1_u64..50,
        parts in proptest::collection::vec(proptest::option::weighted(0.3, 0_u64..60), 5),
        expires_at in proptest::option::of(proptest::option::of(400_000_i64..1_500_000)),
        gives_back in any::<bool>(),
    ) {
        let (_, outcome) = PastOutcome::WORDS[outcome];
        let [released, approved, cancelled, refunded, charged_back] = parts[..] else { unreachable!() };
        let amounts = StatedAmounts { released, approved, cancelled, refunded, charged_back };
        let expires_at = expires_at.map(|end| end.map_or(HoldEnd::Never, |end| HoldEnd::At(Millis(end))));
        let payment = StatedPayment { amounts, expires_at, ..stated(outcome, amount) };
        let Ok(past) = PastPayment::read(&payment, CONTEXT) else { return Ok(()) };
        let mut transaction = Transaction::open(opening(&past));
        past.facts(NOW, gives_back).into_iter().for_each(|fact| transaction.add_fact(fact));
        let recorded = TransactionOutcome::of(&transaction);
        let found = PastAmounts::of(&transaction.totals, transaction.requested_amount());
        prop_assert_eq!(found, past.amounts);
        for now in [NOW, Millis(0), Millis::MAX] {
            prop_assert_eq!(PastOutcome::of(recorded.status(now), found), past.outcome(now), "as of {}", now);
        }
        let PastAmounts { reserved, released, approved, cancelled, refunded, .. } = past.amounts;
        let is_open = past.hold_until.is_none_or(|until| until > NOW) && (past.outcome(NOW) == PastOutcome::Reserved || past.awaits_captures);
        let held_amount = if is_open { reserved.saturating_sub(released).saturating_sub(approved) } else { 0 };
        let back = if gives_back { refunded } else { 0 };
        let (gross, net) = (approved + held_amount, approved - cancelled + held_amount);
        let want = Contribution {
            gross: gross.saturating_sub(back),
            net: net.saturating_sub(back),
            gross_counts: gross > 0,
            net_counts: net > 0,
        };
        prop_assert_eq!(recorded.contribution(NOW), want);
        prop_assert_eq!(hold_end(&recorded, NOW).is_some(), recorded.is_held(NOW) || past.outcome(NOW) == PastOutcome::Expired);
    }
}
