//! Given readings of both clocks: the time, and when the wall clock is not accepted.

use super::*;

const DAY: i64 = 86_400_000;

/// A clock that was accepted at a wall time, the monotonic one at 0.
fn at(wall_ms: i64) -> Clock {
    let clock = Clock::new(Source::System);
    clock.accepted.store(wall_ms, Ordering::Relaxed);
    clock
}

/// The time, and the step if the wall clock is not accepted.
fn read(clock: &Clock, wall_ms: i64, running_ms: i64) -> (i64, Option<i64>) {
    let (time, difference) = clock.read(wall_ms, running_ms);
    (time.0, difference.map(|difference| difference.step_ms))
}

#[test]
fn time_never_goes_backwards_and_steps_are_not_accepted() {
    let clock = at(1_000_000);
    assert_eq!(read(&clock, 1_000_500, 500), (1_000_500, None));
    assert_eq!(read(&clock, 1_000_400, 500), (1_000_500, None), "a little back: the time does not change");
    assert_eq!(read(&clock, 1_061_501, 500), (1_000_500, Some(61_001)));
    assert_eq!(read(&clock, 900_000, 1_000), (1_001_000, Some(-101_000)), "the last accepted time continues");
    assert_eq!(read(&clock, 900_000, 1_400), (1_001_400, Some(-101_400)));
    assert_eq!(read(&clock, 1_002_000, 2_000), (1_002_000, None), "accepted as soon as the clock is right again");
    // Slewing by half a minute several times is no step.
    for minute in 1..10 {
        let (wall, running) = (1_000_000 + minute * 90_000, minute * 60_000);
        assert_eq!(read(&clock, wall, running), (wall, None));
    }
}

#[test]
fn a_clock_that_another_daemon_accepted_replaces_the_newest_time() {
    let clock = Clock::new(Source::Requests);
    clock.note_time(Millis(9_000));
    clock.note_time(Millis(5_000));
    assert_eq!(clock.now(None), Ok(Millis(9_000)), "no earlier time");
    clock.replace_newest(Millis(4_000));
    assert_eq!(clock.now(None), Ok(Millis(4_000)), "the time went back");
    let clock = at(1_000_000);
    clock.note_time(Millis(4_600_000));
    assert_eq!(read(&clock, 1_000_100, 100), (4_600_000, None));
    clock.replace_newest(Millis(1_000_050));
    assert_eq!(read(&clock, 1_000_200, 200), (1_000_200, None));
}

#[test]
fn a_start_continues_from_the_newest_record() {
    let start = |newest: i64| {
        let clock = Clock::new(Source::System);
        clock.latest.store(newest, Ordering::Relaxed);
        clock.resume_at(Some(Millis(newest)), 0);
        clock
    };
    // Half a minute before the record: the time does not change until the wall clock has passed it.
    let clock = start(1_030_000);
    assert_eq!(read(&clock, 1_000_100, 100), (1_030_000, None));
    assert_eq!(read(&clock, 1_031_000, 31_000), (1_031_000, None));
    // An hour before: recording continues from the time of the record.
    let clock = start(4_600_000);
    assert_eq!(read(&clock, 1_000_100, 100), (4_600_100, Some(-3_600_000)));
    assert_eq!(read(&clock, 1_000_900, 900), (4_600_900, Some(-3_600_000)));
    assert_eq!(read(&clock, 9_600_900, 900), (9_600_900, None), "set right, to a time after the record");
    assert_eq!(read(&clock, 9_600_900 + DAY, 900), (9_600_900, Some(DAY)), "from then on a step is a minute");
    // Long after: a year is accepted, more is not.
    assert_eq!(read(&start(0), 366 * DAY, 0), (366 * DAY, None));
    assert_eq!(read(&start(0), 366 * DAY + 1, 0), (0, Some(366 * DAY + 1)));
    // Before 1970.
    assert_eq!(read(&start(5), -DAY, 0), (5, Some(-DAY - 5)));
}

#[test]
fn a_first_start_is_not_accepted_before_2020() {
    let start = || {
        let clock = Clock::new(Source::System);
        clock.resume_at(None, 0);
        clock
    };
    assert_eq!(
        read(&start(), EARLIEST.0 + 40_000 * DAY, 0),
        (EARLIEST.0 + 40_000 * DAY, None),
        "there is no record to compare with"
    );
    for wall in [-DAY, 0, EARLIEST.0 - 60_001] {
        assert_eq!(read(&start(), wall, 7), (EARLIEST.0 + 7, Some(wall - EARLIEST.0 - 7)));
    }
    let clock = start();
    assert_eq!(clock.accept_at(-DAY, 0), (EARLIEST, Millis(-DAY)));
    assert_eq!(read(&clock, 5 - DAY, 5), (5 - DAY, None));
}

#[test]
fn an_accepted_clock_continues_from_there_also_back() {
    let clock = at(1_000_000);
    assert_eq!(read(&clock, 1_000_000, 0), (1_000_000, None));
    assert_eq!(clock.accept_at(1_000_900, 0), (Millis(1_000_900), Millis(1_000_900)), "nothing to accept");
    assert_eq!(clock.accept_at(1_000_300, 0), (Millis(1_000_900), Millis(1_000_900)), "nor here");
    assert_eq!(clock.accept_at(500_000, 1_000), (Millis(1_001_000), Millis(500_000)));
    assert_eq!(read(&clock, 500_010, 1_010), (500_010, None));
    assert_eq!(read(&clock, 1_001_000, 1_010).1, Some(500_990), "the old clock is a step now");
    assert_eq!(clock.accept_at(9_000_000, 2_000), (Millis(501_000), Millis(9_000_000)));
    // A time that does not change is also corrected.
    assert_eq!(read(&clock, 8_970_000, 2_000), (9_000_000, None));
    assert_eq!(clock.accept_at(8_970_000, 2_000), (Millis(9_000_000), Millis(8_970_000)));
    assert_eq!(read(&clock, 8_970_001, 2_001), (8_970_001, None));
}

#[test]
fn readers_do_not_move_the_time_while_a_clock_is_accepted() {
    let clock = at(0);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                for n in 0..200_000 {
                    let (time, difference) = read(&clock, 0, n % 50);
                    assert!(time <= 1_000_049 && (difference.is_some() || time < 1_000), "{time} {difference:?}");
                }
            });
        }
        for _ in 0..5_000 {
            clock.accept_at(1_000_000, 0);
            clock.accept_at(0, 0);
            assert!(clock.latest.load(Ordering::Acquire) < 1_000, "the old time is returned after the clock went back");
        }
    });
}

#[test]
fn requests_move_the_clock_forward_only() {
    let clock = Clock::new(Source::Requests);
    assert_eq!(clock.now(None), Err(ClockError::NoTimeYet));
    assert_eq!(clock.stamp(None), Err(ClockError::NoTimeYet));
    assert_eq!(clock.now(Some(Millis(-5))), Ok(Millis(-5)));
    assert_eq!(clock.now(Some(Millis(7))), Ok(Millis(7)));
    assert_eq!(clock.now(Some(Millis(3))), Ok(Millis(7)));
    assert_eq!(clock.stamp(None), Ok(Stamp { at: Millis(7), is_accepted: true }));
    assert_eq!(clock.unaccepted_difference(), None);
}

#[test]
fn the_message_contains_both_times_and_the_remedy() {
    let clock = at(1_800_000_000_000);
    let error = clock.present(-1_000, 0).unwrap_err().to_string();
    for part in ["1969-12-31T23:59:59.000Z", "2027-01-15T08:00:00.000Z", "1800000001 s behind", "POST /v1/clock/accept"]
    {
        assert!(error.contains(part), "{error}");
    }
}
