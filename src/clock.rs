//! Time: the only reader of the machine's clocks.
//!
//! The time never goes backwards. With the system as its source, a step of the wall clock against the monotonic one
//! is noticed, because a wrong time would open or close every window at once.

use crate::domain::time::Millis;
use std::{
    sync::atomic::{AtomicI64, Ordering},
    time::Instant,
};

/// A step of more than this against the monotonic clock is not believed.
pub const STEP_MAX_MS: i64 = 60_000;

/// Where the time comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The machine.
    System,
    /// The newest time that a request has said: for drills and tests against history.
    Requests,
}

/// What is wrong with the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ClockError {
    /// The wall clock was stepped.
    #[error(
        "the system clock was stepped by {0} ms against the monotonic clock; set it right, or accept it with POST /v1/clock/accept"
    )]
    Jumped(i64),
    /// Requests are the source and none has said a time yet.
    #[error("the clock runs by requests: send `occurred_at` (`at` in a batch) with the first one")]
    NoTimeYet,
}

/// The clock of the daemon.
#[derive(Debug)]
pub struct Clock {
    source: Source,
    started: Instant,
    latest: AtomicI64,
    /// Wall time less monotonic time, as last believed.
    believed: AtomicI64,
}

impl Clock {
    /// A clock that starts now.
    #[must_use]
    pub fn new(source: Source) -> Self {
        let clock =
            Self { source, started: Instant::now(), latest: AtomicI64::new(i64::MIN), believed: AtomicI64::new(0) };
        clock.believed.store(wall_ms(), Ordering::Relaxed);
        clock
    }

    /// Goes on from the newest time that is recorded: no time before it is told any more. A machine whose clock stands
    /// more than a minute before it is not believed until it is right, or accepted.
    pub fn resume(&self, newest: Millis) {
        self.latest.fetch_max(newest.0, Ordering::AcqRel);
        if self.source == Source::System {
            self.resume_at(newest.0, wall_ms(), self.running_ms());
        }
    }

    fn resume_at(&self, newest_ms: i64, wall_ms: i64, running_ms: i64) {
        if newest_ms.saturating_sub(wall_ms) > STEP_MAX_MS {
            self.believed.store(newest_ms - running_ms, Ordering::Release);
        }
    }

    /// The time, for a request that may say when it happened.
    ///
    /// # Errors
    /// The time cannot be told.
    pub fn now(&self, said: Option<Millis>) -> Result<Millis, ClockError> {
        match self.source {
            Source::System => self.believe(wall_ms(), self.running_ms()),
            Source::Requests => {
                let said = said.map_or(i64::MIN, |said| said.0);
                match self.latest.fetch_max(said, Ordering::AcqRel).max(said) {
                    i64::MIN => Err(ClockError::NoTimeYet),
                    latest => Ok(Millis(latest)),
                }
            }
        }
    }

    /// The machine's time, whatever the source: for logs and status.
    #[must_use]
    pub fn wall(&self) -> Millis {
        Millis(wall_ms())
    }

    /// Milliseconds since the start.
    #[must_use]
    pub fn running_ms(&self) -> i64 {
        i64::try_from(self.started.elapsed().as_millis()).unwrap_or(i64::MAX)
    }

    /// Believes the wall clock as it stands.
    pub fn accept(&self) {
        self.believed.store(wall_ms() - self.running_ms(), Ordering::Release);
    }

    /// Takes a reading of both clocks. Small differences are followed, so that slewing does not add up to a step.
    fn believe(&self, wall_ms: i64, running_ms: i64) -> Result<Millis, ClockError> {
        let (believed, difference) = (self.believed.load(Ordering::Acquire), wall_ms - running_ms);
        let step_ms = difference - believed;
        if step_ms.abs() > STEP_MAX_MS {
            return Err(ClockError::Jumped(step_ms));
        }
        if step_ms.abs() > 1_000 {
            self.believed.store(difference, Ordering::Release);
        }
        Ok(Millis(self.latest.fetch_max(wall_ms, Ordering::AcqRel).max(wall_ms)))
    }
}

fn wall_ms() -> i64 {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the wall clock")]
    let now = std::time::SystemTime::now();
    let since = now.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_never_goes_backwards_and_steps_are_not_believed() {
        let clock = Clock::new(Source::System);
        clock.believed.store(1_000_000, Ordering::Relaxed);
        assert_eq!(clock.believe(1_000_500, 500), Ok(Millis(1_000_500)));
        assert_eq!(clock.believe(1_000_400, 500), Ok(Millis(1_000_500)), "a little back: the time stands");
        assert_eq!(clock.believe(1_061_501, 500), Err(ClockError::Jumped(61_001)));
        assert_eq!(clock.believe(900_000, 1_000), Err(ClockError::Jumped(-101_000)));
        assert_eq!(clock.believe(1_002_000, 2_000), Ok(Millis(1_002_000)), "over as soon as the clock is right again");
        // Slewing by half a minute several times is no step.
        for minute in 1..10 {
            let (wall, running) = (1_000_000 + minute * 90_000, minute * 60_000);
            assert_eq!(clock.believe(wall, running), Ok(Millis(wall)));
        }
    }

    #[test]
    fn a_start_goes_on_from_the_newest_record() {
        let clock = Clock::new(Source::System);
        clock.believed.store(1_000_000, Ordering::Relaxed);
        // Half a minute before the record: the time stands until the machine's has caught up.
        clock.latest.store(1_030_000, Ordering::Relaxed);
        clock.resume_at(1_030_000, 1_000_000, 0);
        assert_eq!(clock.believe(1_000_100, 100), Ok(Millis(1_030_000)));
        assert_eq!(clock.believe(1_031_000, 31_000), Ok(Millis(1_031_000)));
        // An hour before: nothing is told.
        clock.resume_at(4_600_000, 1_000_000, 0);
        assert_eq!(clock.believe(1_000_100, 100), Err(ClockError::Jumped(-3_600_000)));
        assert_eq!(clock.believe(4_600_100, 100), Ok(Millis(4_600_100)), "until the clock is set right");
    }

    #[test]
    fn requests_move_the_clock_forward_only() {
        let clock = Clock::new(Source::Requests);
        assert_eq!(clock.now(None), Err(ClockError::NoTimeYet));
        assert_eq!(clock.now(Some(Millis(-5))), Ok(Millis(-5)));
        assert_eq!(clock.now(Some(Millis(7))), Ok(Millis(7)));
        assert_eq!(clock.now(Some(Millis(3))), Ok(Millis(7)));
        assert_eq!(clock.now(None), Ok(Millis(7)));
    }
}
