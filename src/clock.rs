//! Time: the only reader of the machine's clocks.
//!
//! The time that is told does not go back, but for [`Clock::accept`]. With the system as its source, the wall clock is
//! held against the monotonic one: a wrong time would open or close every window at once. It is accepted where it is at
//! most a minute away from the last accepted time plus the monotonic time since. At a start it is held against the newest
//! record instead: accepted from a minute before it to [`AHEAD_AT_START_MAX_MS`] after it; without any record, from
//! [`EARLIEST`] on. A clock that becomes right again is accepted by itself. Before 1970 the time is negative; a daemon does
//! not start there, because the HTTP library cannot.
//!
//! While it is not accepted, what needs the present time waits ([`Clock::now`]), and everything else goes on with the last
//! accepted time plus the monotonic time since ([`Clock::stamp`]):
//!
//! | Operation | While the clock is not accepted |
//! |---|---|
//! | reserve, `payment`, also a repetition | waits: 503 `clock_jumped` |
//! | check, decisions, payment form | waits: 503 `clock_jumped` |
//! | approve (also of an unknown transaction), decline, cancel, refund, chargeback, extend, attempt | goes on; `occurred_at` is read, and not held against the time |
//! | signals | go on |
//! | registration, changes of customers, status, labels, settings, limits, instruments, merges, links | go on |
//! | levels, rates, reload, tables, bulk changes and unfinished jobs | go on |
//! | `GET` of anything, the feed, exports | goes on; windows and holds are shown as of the stamp |
//! | a line of a batch | as the single call |
//! | snapshots, the archive's index | go on |
//! | erasing customers whose time is over, transactions that leave memory, segments older than `archive_days` | wait |
//! | `/readyz` | 503 `clock_jumped`; `/healthz`, `/metrics`, `/v1/status` answer |

use crate::domain::vocabulary::time::Millis;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering},
    },
    time::{Instant, SystemTime},
};

/// A step of more than this against the monotonic clock is not accepted.
pub const STEP_MAX_MS: i64 = 60_000;
/// At a start, a wall clock that is further after the newest record is not accepted: 366 days.
pub const AHEAD_AT_START_MAX_MS: i64 = 366 * 86_400_000;
/// Without any record, a wall clock before this is not accepted: 2020-01-01T00:00:00Z.
pub const EARLIEST: Millis = Millis(1_577_836_800_000);
/// A difference that is no step and not worth a record: two readings of a clock that is right.
const EQUAL_MS: i64 = 1_000;

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
    /// The wall clock is not accepted.
    #[error("{0}; set the system clock right, or accept it as it is with POST /v1/clock/accept")]
    Jumped(Difference),
    /// Requests are the source and none has said a time yet.
    #[error("the clock runs by requests: send `occurred_at` (`at` in a batch) with the first one")]
    NoTimeYet,
}

/// How far the wall clock is from the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the system clock says {wall}, and the time is {told} by the newest record or the last accepted time and the monotonic \
     clock: the system clock is {} s {}",
    .step_ms.unsigned_abs() / 1_000,
    if *.step_ms < 0 { "behind" } else { "ahead" }
)]
pub struct Difference {
    /// The wall clock.
    pub wall: Millis,
    /// The last accepted time plus the monotonic time since.
    pub told: Millis,
    /// From that to the wall clock, milliseconds.
    pub step_ms: i64,
}

/// A time for what goes on also while the wall clock is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// The time.
    pub at: Millis,
    /// Whether the wall clock is accepted: then callers' times can be held against it.
    pub is_accepted: bool,
}

/// The clock of the daemon.
#[derive(Debug)]
pub struct Clock {
    source: Source,
    started: Instant,
    /// The newest time that was told. Only [`Clock::accept`] lowers it.
    told: Arc<AtomicI64>,
    /// Wall time less monotonic time, as last accepted.
    accepted: AtomicI64,
    /// How far ahead of that the wall clock may be.
    ahead_max_ms: AtomicI64,
    /// Odd while [`Clock::accept`] sets the time: who has read something before, reads it again.
    turn: AtomicU64,
    /// Whether the log says that the wall clock is not accepted.
    is_doubted: AtomicBool,
}

impl Clock {
    /// A clock that starts now and accepts the wall clock.
    #[must_use]
    pub fn new(source: Source) -> Self {
        Self {
            source,
            started: Instant::now(),
            told: Arc::new(AtomicI64::new(i64::MIN)),
            accepted: AtomicI64::new(wall_ms()),
            ahead_max_ms: AtomicI64::new(STEP_MAX_MS),
            turn: AtomicU64::new(0),
            is_doubted: AtomicBool::new(false),
        }
    }

    /// Goes on from the newest time that is recorded, if any is: no time before it is told any more.
    pub fn resume(&self, newest: Option<Millis>) {
        newest.into_iter().for_each(|newest| _ = self.told.fetch_max(newest.0, Ordering::AcqRel));
        if self.source == Source::System {
            self.resume_at(newest, self.running_ms());
            self.read(wall_ms(), self.running_ms());
        }
    }

    fn resume_at(&self, newest: Option<Millis>, running_ms: i64) {
        self.ahead_max_ms.store(newest.map_or(i64::MAX, |_| AHEAD_AT_START_MAX_MS), Ordering::Release);
        self.accepted.store(newest.unwrap_or(EARLIEST).0 - running_ms, Ordering::Release);
    }

    /// The present time, for a request that may say when it happened.
    ///
    /// # Errors
    /// The wall clock is not accepted, or no request has said a time.
    pub fn now(&self, said: Option<Millis>) -> Result<Millis, ClockError> {
        match self.source {
            Source::System => self.present(wall_ms(), self.running_ms()),
            Source::Requests => self.by_requests(said),
        }
    }

    /// A time for what does not need the present one: the present time, or while the wall clock is not accepted the last
    /// accepted time plus the monotonic time since.
    ///
    /// # Errors
    /// No request has said a time.
    pub fn stamp(&self, said: Option<Millis>) -> Result<Stamp, ClockError> {
        match self.source {
            Source::System => {
                let (told, difference) = self.read(wall_ms(), self.running_ms());
                Ok(Stamp { at: told, is_accepted: difference.is_none() })
            }
            Source::Requests => Ok(Stamp { at: self.by_requests(said)?, is_accepted: true }),
        }
    }

    /// A time for what the daemon records by itself: a stamp, or the machine's time where requests are the source.
    #[must_use]
    pub fn own(&self) -> Millis {
        match self.source {
            Source::System => self.read(wall_ms(), self.running_ms()).0,
            Source::Requests => self.wall(),
        }
    }

    /// The difference between the wall clock and the time where it is not accepted; `None`: it is, or is not the source.
    #[must_use]
    pub fn doubt(&self) -> Option<Difference> {
        match self.source {
            Source::System => self.read(wall_ms(), self.running_ms()).1,
            Source::Requests => None,
        }
    }

    fn by_requests(&self, said: Option<Millis>) -> Result<Millis, ClockError> {
        let said = said.map_or(i64::MIN, |said| said.0);
        match self.told.fetch_max(said, Ordering::AcqRel).max(said) {
            i64::MIN => Err(ClockError::NoTimeYet),
            newest => Ok(Millis(newest)),
        }
    }

    /// The machine's time, whatever the source: for logs and status.
    #[must_use]
    pub fn wall(&self) -> Millis {
        Millis(wall_ms())
    }

    /// Where the time comes from.
    #[must_use]
    pub fn source(&self) -> Source {
        self.source
    }

    /// The newest time that was told, as it goes on.
    #[must_use]
    pub fn newest_told(&self) -> Arc<AtomicI64> {
        Arc::clone(&self.told)
    }

    /// Milliseconds since the start.
    #[must_use]
    pub fn running_ms(&self) -> i64 {
        i64::try_from(self.started.elapsed().as_millis()).unwrap_or(i64::MAX)
    }

    /// Accepts the wall clock as it is, also where the time goes back by it. Returns the time before and after; they are
    /// the same where the clock was right. One caller at a time.
    pub fn accept(&self) -> (Millis, Millis) {
        self.accept_at(wall_ms(), self.running_ms())
    }

    fn accept_at(&self, wall_ms: i64, running_ms: i64) -> (Millis, Millis) {
        let (before, difference) = self.read(wall_ms, running_ms);
        if difference.is_none() && (before.0 - wall_ms).abs() <= EQUAL_MS {
            return (before, before);
        }
        self.turn.fetch_add(1, Ordering::AcqRel);
        self.ahead_max_ms.store(STEP_MAX_MS, Ordering::Release);
        self.accepted.store(wall_ms - running_ms, Ordering::Release);
        self.told.store(wall_ms, Ordering::Release);
        self.turn.fetch_add(1, Ordering::AcqRel);
        self.read(wall_ms, running_ms);
        (before, Millis(wall_ms))
    }

    fn present(&self, wall_ms: i64, running_ms: i64) -> Result<Millis, ClockError> {
        match self.read(wall_ms, running_ms) {
            (told, None) => Ok(told),
            (_, Some(difference)) => Err(ClockError::Jumped(difference)),
        }
    }

    /// Takes a reading of both clocks: the time, and the difference where the wall clock is not accepted. Small
    /// differences are followed, so that slewing does not add up to a step.
    fn read(&self, wall_ms: i64, running_ms: i64) -> (Millis, Option<Difference>) {
        loop {
            let turn = self.turn.load(Ordering::Acquire);
            let accepted = self.accepted.load(Ordering::Acquire);
            let measured = wall_ms - running_ms;
            let step_ms = measured - accepted;
            let is_accepted = (-STEP_MAX_MS..=self.ahead_max_ms.load(Ordering::Acquire)).contains(&step_ms);
            if is_accepted && step_ms.abs() > EQUAL_MS {
                // From the first reading on that is accepted, a step ahead is one of a minute.
                let swapped =
                    self.accepted.compare_exchange(accepted, measured, Ordering::AcqRel, Ordering::Acquire).is_ok();
                if !swapped {
                    continue;
                }
            }
            if is_accepted && self.ahead_max_ms.load(Ordering::Relaxed) != STEP_MAX_MS {
                self.ahead_max_ms.store(STEP_MAX_MS, Ordering::Release);
            }
            let is_same = || {
                turn.is_multiple_of(2)
                    && self.turn.load(Ordering::Acquire) == turn
                    && (is_accepted || self.accepted.load(Ordering::Acquire) == accepted)
            };
            let time = if is_accepted { wall_ms } else { accepted.saturating_add(running_ms) };
            let known = self.told.load(Ordering::Acquire);
            if !is_same() {
                continue;
            }
            if known < time && self.told.compare_exchange(known, time, Ordering::AcqRel, Ordering::Acquire).is_err() {
                continue;
            }
            let told = Millis(known.max(time));
            let difference = (!is_accepted).then_some(Difference { wall: Millis(wall_ms), told, step_ms });
            self.log(difference);
            return (told, difference);
        }
    }

    /// Logs once that the wall clock is not accepted any more, and once that it is again.
    fn log(&self, difference: Option<Difference>) {
        let is_doubted = difference.is_some();
        if self.is_doubted.load(Ordering::Relaxed) == is_doubted
            || self.is_doubted.swap(is_doubted, Ordering::AcqRel) == is_doubted
        {
            return;
        }
        match difference {
            Some(difference) => tracing::error!(
                "the system clock is not accepted: {difference}. Reserves, payments, checks and payment forms get 503 \
                 clock_jumped; facts, signals, changes by staff and reads go on with the time {}. Set the system clock right, \
                 or accept it as it is with POST /v1/clock/accept",
                difference.told
            ),
            None => tracing::warn!("the system clock is accepted again"),
        }
    }
}

/// The wall clock: negative before 1970, within the years that are accepted anywhere.
fn wall_ms() -> i64 {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the wall clock")]
    let now = SystemTime::now();
    let ms = |span: std::time::Duration| i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
    let wall_ms = match now.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(since) => ms(since),
        Err(before) => -ms(before.duration()),
    };
    wall_ms.clamp(Millis::MIN.0, Millis::MAX.0)
}

#[cfg(test)]
mod tests;
