//! The accepted clocks, and what depends on them.

use super::*;
use crate::{
    domain::decision::clock_skew::ClockSkew,
    ledger::{LedgerLimits, LedgerStorage, state::accepted_clocks::AcceptedClocks},
};
use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

fn step(before: i64, after: i64) -> ClockStep {
    ClockStep { before: Millis(before), after: Millis(after), moves_entries: false }
}

fn ledger() -> Ledger {
    let skew = ClockSkew { past_ms: 0, future_ms: 0 };
    Ledger::new(LedgerLimits { transactions_max: 10, skew }, LedgerStorage::in_memory((1, 2)))
}

#[test]
fn steps_are_in_the_order_of_their_records_without_repetitions() {
    let clocks = AcceptedClocks::default();
    assert_eq!((clocks.last(), clocks.has_moved_entries()), (None, false));
    for offset in [30, 10, 30, 20] {
        clocks.add(LogOffset(offset), step(0, i64::try_from(offset).unwrap() * 100));
    }
    assert_eq!(clocks.all().iter().map(|(offset, _)| offset.0).collect::<Vec<_>>(), [10, 20, 30]);
    assert_eq!(clocks.last(), Some(step(0, 3_000)));
    // The time of a record is no later than every time that was accepted after it.
    assert_eq!(clocks.corrected_time(LogOffset(5), Millis(9_000)), Millis(1_000));
    assert_eq!(clocks.corrected_time(LogOffset(11), Millis(9_000)), Millis(2_000));
    assert_eq!(clocks.corrected_time(LogOffset(11), Millis(1_500)), Millis(1_500));
    assert_eq!(clocks.corrected_time(LogOffset(31), Millis(9_000)), Millis(9_000));
    clocks.add(LogOffset(40), ClockStep { moves_entries: true, ..step(0, 1) });
    assert!(clocks.has_moved_entries());
}

#[test]
fn an_accepted_clock_without_a_step_is_not_recorded() {
    let ledger = ledger();
    let last = ledger.journal().last();
    let (accepted, depends_on_lsn) = ledger.accept_clock(false, None, &mut || (Millis(5), Millis(5)));
    assert!(!accepted.is_recorded && depends_on_lsn == last && ledger.clocks.all().is_empty());
    // Moving entries is recorded, because there may be some.
    let (accepted, depends_on_lsn) = ledger.accept_clock(true, None, &mut || (Millis(5), Millis(5)));
    assert!(accepted.is_recorded && depends_on_lsn > last && ledger.clocks.has_moved_entries());
}

#[test]
fn nothing_is_evicted_for_a_day_after_a_step_forward() {
    let ledger = ledger();
    assert!(ledger.may_evict(Millis(0)));
    ledger.accept_clock(false, None, &mut || (Millis(0), Millis(40 * DAY_MS)));
    assert!(!ledger.may_evict(Millis(40 * DAY_MS)) && !ledger.may_evict(Millis(41 * DAY_MS - 1)));
    assert!(ledger.may_evict(Millis(41 * DAY_MS)));
    ledger.accept_clock(false, None, &mut || (Millis(41 * DAY_MS), Millis(DAY_MS)));
    assert!(ledger.may_evict(Millis(DAY_MS)), "the last step is a step back");
}

#[test]
fn no_caller_has_a_time_from_before_the_clock_was_set_back() {
    let (mut ledger, newest) = (ledger(), Arc::new(AtomicI64::new(100)));
    assert_eq!(ledger.limited_time(Millis(i64::MAX)), Millis(i64::MAX));
    ledger.limit_caller_times(Arc::clone(&newest));
    assert_eq!((ledger.limited_time(Millis(99)), ledger.limited_time(Millis(101))), (Millis(99), Millis(100)));
    newest.store(7, Ordering::Release);
    assert_eq!(ledger.limited_time(Millis(99)), Millis(7));
}
