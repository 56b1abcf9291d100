//! The list of accepted clocks, and what it decides.

use super::*;
use crate::{
    domain::decision::decide::Skew,
    ledger::{Bounds, Ground},
};

fn step(before: i64, after: i64) -> ClockStep {
    ClockStep { before: Millis(before), after: Millis(after), moves_entries: false }
}

fn ledger() -> Ledger {
    let skew = Skew { past_ms: 0, future_ms: 0 };
    Ledger::new(Bounds { transactions_max: 10, skew }, Ground::memory((1, 2)))
}

#[test]
fn steps_stand_in_the_order_of_their_records_each_once() {
    let clocks = AcceptedClocks::default();
    assert_eq!((clocks.last(), clocks.has_moved()), (None, false));
    for place in [30, 10, 30, 20] {
        clocks.add(LogOffset(place), step(0, i64::try_from(place).unwrap() * 100));
    }
    assert_eq!(clocks.all().iter().map(|(place, _)| place.0).collect::<Vec<_>>(), [10, 20, 30]);
    assert_eq!(clocks.last(), Some(step(0, 3_000)));
    // What was recorded before a place was recorded before every later accepted time.
    assert_eq!(clocks.no_later(LogOffset(5), Millis(9_000)), Millis(1_000));
    assert_eq!(clocks.no_later(LogOffset(11), Millis(9_000)), Millis(2_000));
    assert_eq!(clocks.no_later(LogOffset(11), Millis(1_500)), Millis(1_500));
    assert_eq!(clocks.no_later(LogOffset(31), Millis(9_000)), Millis(9_000));
    clocks.add(LogOffset(40), ClockStep { moves_entries: true, ..step(0, 1) });
    assert!(clocks.has_moved());
}

#[test]
fn a_clock_that_is_right_is_no_record() {
    let ledger = ledger();
    let last = ledger.journal().last();
    let (accepted, rests_on) = ledger.accept_clock(false, None, &mut || (Millis(5), Millis(5)));
    assert!(!accepted.is_recorded && rests_on == last && ledger.clocks.all().is_empty());
    // Moving entries is one, because there may be some.
    let (accepted, rests_on) = ledger.accept_clock(true, None, &mut || (Millis(5), Millis(5)));
    assert!(accepted.is_recorded && rests_on > last && ledger.clocks.has_moved());
}

#[test]
fn nothing_leaves_memory_for_a_day_after_a_step_forward() {
    let ledger = ledger();
    assert!(ledger.may_retire(Millis(0)));
    ledger.accept_clock(false, None, &mut || (Millis(0), Millis(40 * DAY_MS)));
    assert!(!ledger.may_retire(Millis(40 * DAY_MS)) && !ledger.may_retire(Millis(41 * DAY_MS - 1)));
    assert!(ledger.may_retire(Millis(41 * DAY_MS)));
    ledger.accept_clock(false, None, &mut || (Millis(41 * DAY_MS), Millis(DAY_MS)));
    assert!(ledger.may_retire(Millis(DAY_MS)), "the last step went back");
}

#[test]
fn no_caller_comes_from_a_time_before_the_clock_went_back() {
    let (mut ledger, told) = (ledger(), Arc::new(AtomicI64::new(100)));
    assert_eq!(ledger.not_later(Millis(i64::MAX)), Millis(i64::MAX));
    ledger.bound_times(Arc::clone(&told));
    assert_eq!((ledger.not_later(Millis(99)), ledger.not_later(Millis(101))), (Millis(99), Millis(100)));
    told.store(7, Ordering::Release);
    assert_eq!(ledger.not_later(Millis(99)), Millis(7));
}
