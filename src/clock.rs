//! Time: the only module that reads the system's clocks.
//!
//! The time never goes back, except by [`Clock::accept`]. If the system is the source, the wall clock is compared with the
//! monotonic clock, because a wrong time would open or close every window at once. The wall clock is accepted if it is at
//! most a minute away from the last accepted time plus the monotonic time since then. At a start it is compared with the
//! newest record: it is accepted from a minute before the record to [`AHEAD_AT_START_MAX_MS`] after it, and without any
//! record from [`EARLIEST`] on. A clock that becomes right is accepted again without an operator. Before 1970 the time is
//! negative; a daemon does not start there, because the HTTP library cannot.
//!
//! While the wall clock is not accepted, operations that need the present time wait ([`Clock::now`]). All others continue
//! with the last accepted time plus the monotonic time since then ([`Clock::stamp`]):
//!
//! | Operation | While the wall clock is not accepted |
//! |---|---|
//! | reserve, `payment`, also a repetition | refused: 503 `clock_jumped` |
//! | check, decisions, payment form | refused: 503 `clock_jumped` |
//! | approve (also of an unknown transaction), decline, cancel, refund, chargeback, extend, attempt | continues; `occurred_at` is read, and not compared with the time |
//! | signals | continue |
//! | registration, changes of customers, status, labels, settings, limits, instruments, merges, links | continue |
//! | levels, rates, reload, tables, bulk changes and unfinished jobs | continue |
//! | `GET` of anything, the feed, exports | continues; windows and holds are shown as of the stamp |
//! | a line of a batch | like the single call |
//! | snapshots, the archive's index | continue |
//! | erasing due customers, evicting transactions, deleting segments older than `archive_days` | wait |
//! | `/readyz` | 503 `clock_jumped`; `/healthz`, `/metrics`, `/v1/status` answer |

use crate::domain::vocabulary::time::Millis;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering},
    },
    time::{Instant, SystemTime},
};

/// A larger step of the wall clock against the monotonic clock is not accepted.
pub const STEP_MAX_MS: i64 = 60_000;
/// At a start, a wall clock that is further after the newest record is not accepted: 366 days.
pub const AHEAD_AT_START_MAX_MS: i64 = 366 * 86_400_000;
/// Without any record, a wall clock before this is not accepted: 2020-01-01T00:00:00Z.
pub const EARLIEST: Millis = Millis(1_577_836_800_000);
/// The difference of two readings of a correct clock, which is not recorded as a step.
const EQUAL_MS: i64 = 1_000;

/// Where the time comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The system clock.
    System,
    /// The newest time that a request has sent: for drills and tests against history.
    Requests,
}

/// Why there is no time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ClockError {
    /// The wall clock is not accepted.
    #[error("{0}; set the system clock right, or accept it as it is with POST /v1/clock/accept")]
    Jumped(ClockDifference),
    /// Requests are the source, and no request has sent a time yet.
    #[error("the clock runs by requests: send `occurred_at` (`at` in a batch) with the first one")]
    NoTimeYet,
}

/// The difference between the wall clock and the accepted time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the system clock says {wall}, and the time is {time} by the newest record or the last accepted time and the monotonic \
     clock: the system clock is {} s {}",
    .step_ms.unsigned_abs() / 1_000,
    if *.step_ms < 0 { "behind" } else { "ahead" }
)]
pub struct ClockDifference {
    /// The wall clock.
    pub wall: Millis,
    /// The last accepted time plus the monotonic time since then.
    pub time: Millis,
    /// The wall clock minus that time, in milliseconds.
    pub step_ms: i64,
}

/// A time for operations that continue while the wall clock is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// The time.
    pub at: Millis,
    /// Whether the wall clock is accepted. Only then can the times of requests be compared with it.
    pub is_accepted: bool,
}

/// The clock of the daemon.
#[derive(Debug)]
pub struct Clock {
    source: Source,
    started: Instant,
    /// The newest time that was returned. Only [`Clock::accept`] lowers it.
    latest: Arc<AtomicI64>,
    /// The last accepted difference between wall time and monotonic time.
    accepted: AtomicI64,
    /// How far ahead of it the wall clock may be.
    ahead_max_ms: AtomicI64,
    /// Odd while [`Clock::accept`] sets the time. A reader that sees a change of it reads again.
    generation: AtomicU64,
    /// Whether the log's last message was that the wall clock is not accepted.
    is_logged_unaccepted: AtomicBool,
}

impl Clock {
    /// A clock that starts now and accepts the wall clock.
    #[must_use]
    pub fn new(source: Source) -> Self {
        Self {
            source,
            started: Instant::now(),
            latest: Arc::new(AtomicI64::new(i64::MIN)),
            accepted: AtomicI64::new(wall_ms()),
            ahead_max_ms: AtomicI64::new(STEP_MAX_MS),
            generation: AtomicU64::new(0),
            is_logged_unaccepted: AtomicBool::new(false),
        }
    }

    /// Continues from the newest recorded time, if there is one: no earlier time is returned.
    pub fn resume(&self, newest: Option<Millis>) {
        newest.into_iter().for_each(|newest| _ = self.latest.fetch_max(newest.0, Ordering::AcqRel));
        if self.source == Source::System {
            self.resume_at(newest, self.running_ms());
            self.read(wall_ms(), self.running_ms());
        }
    }

    fn resume_at(&self, newest: Option<Millis>, running_ms: i64) {
        self.ahead_max_ms.store(newest.map_or(i64::MAX, |_| AHEAD_AT_START_MAX_MS), Ordering::Release);
        self.accepted.store(newest.unwrap_or(EARLIEST).0 - running_ms, Ordering::Release);
    }

    /// The present time, for a request that may contain a time.
    ///
    /// # Errors
    /// The wall clock is not accepted, or no request has sent a time.
    pub fn now(&self, sent: Option<Millis>) -> Result<Millis, ClockError> {
        match self.source {
            Source::System => self.present(wall_ms(), self.running_ms()),
            Source::Requests => self.by_requests(sent),
        }
    }

    /// A time for operations that do not need the present time: the present time; while the wall clock is not accepted, the
    /// last accepted time plus the monotonic time since then.
    ///
    /// # Errors
    /// No request has sent a time.
    pub fn stamp(&self, sent: Option<Millis>) -> Result<Stamp, ClockError> {
        match self.source {
            Source::System => {
                let (time, difference) = self.read(wall_ms(), self.running_ms());
                Ok(Stamp { at: time, is_accepted: difference.is_none() })
            }
            Source::Requests => Ok(Stamp { at: self.by_requests(sent)?, is_accepted: true }),
        }
    }

    /// The time of records that no request causes: a stamp; if requests are the source, the wall clock.
    #[must_use]
    pub fn recording_time(&self) -> Millis {
        match self.source {
            Source::System => self.read(wall_ms(), self.running_ms()).0,
            Source::Requests => self.wall(),
        }
    }

    /// The difference between the wall clock and the time; `None`: the wall clock is accepted, or it is not the source.
    #[must_use]
    pub fn unaccepted_difference(&self) -> Option<ClockDifference> {
        match self.source {
            Source::System => self.read(wall_ms(), self.running_ms()).1,
            Source::Requests => None,
        }
    }

    fn by_requests(&self, sent: Option<Millis>) -> Result<Millis, ClockError> {
        let sent = sent.map_or(i64::MIN, |sent| sent.0);
        match self.latest.fetch_max(sent, Ordering::AcqRel).max(sent) {
            i64::MIN => Err(ClockError::NoTimeYet),
            newest => Ok(Millis(newest)),
        }
    }

    /// The wall clock, for logs and status, also if requests are the source.
    #[must_use]
    pub fn wall(&self) -> Millis {
        Millis(wall_ms())
    }

    /// Where the time comes from.
    #[must_use]
    pub fn source(&self) -> Source {
        self.source
    }

    /// The newest time that was returned; the value is updated with the clock.
    #[must_use]
    pub fn latest_time(&self) -> Arc<AtomicI64> {
        Arc::clone(&self.latest)
    }

    /// Milliseconds since the start.
    #[must_use]
    pub fn running_ms(&self) -> i64 {
        i64::try_from(self.started.elapsed().as_millis()).unwrap_or(i64::MAX)
    }

    /// Nanoseconds since the start.
    #[must_use]
    pub fn running_ns(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// Accepts the wall clock, also if the time goes back. Returns the time before and after; they are equal if the clock was
    /// right. Only one thread may call it at a time.
    pub fn accept(&self) -> (Millis, Millis) {
        self.accept_at(wall_ms(), self.running_ms())
    }

    /// Follows a clock that another daemon accepted: its newest time replaces the one of this clock, also if the time goes
    /// back. Only one thread may call this or [`Clock::accept`] at a time.
    pub fn replace_newest(&self, newest: Millis) {
        self.generation.fetch_add(1, Ordering::AcqRel);
        self.latest.store(newest.0, Ordering::Release);
        if self.source == Source::System {
            self.resume_at(Some(newest), self.running_ms());
        }
        self.generation.fetch_add(1, Ordering::AcqRel);
    }

    /// Notes a time that another daemon recorded: no earlier time is returned.
    pub fn note_time(&self, recorded: Millis) {
        self.latest.fetch_max(recorded.0, Ordering::AcqRel);
    }

    fn accept_at(&self, wall_ms: i64, running_ms: i64) -> (Millis, Millis) {
        let (before, difference) = self.read(wall_ms, running_ms);
        if difference.is_none() && (before.0 - wall_ms).abs() <= EQUAL_MS {
            return (before, before);
        }
        self.generation.fetch_add(1, Ordering::AcqRel);
        self.ahead_max_ms.store(STEP_MAX_MS, Ordering::Release);
        self.accepted.store(wall_ms - running_ms, Ordering::Release);
        self.latest.store(wall_ms, Ordering::Release);
        self.generation.fetch_add(1, Ordering::AcqRel);
        self.read(wall_ms, running_ms);
        (before, Millis(wall_ms))
    }

    fn present(&self, wall_ms: i64, running_ms: i64) -> Result<Millis, ClockError> {
        match self.read(wall_ms, running_ms) {
            (time, None) => Ok(time),
            (_, Some(difference)) => Err(ClockError::Jumped(difference)),
        }
    }

    /// The time by these readings of both clocks, and the difference if the wall clock is not accepted. The accepted time
    /// follows small differences, so that slewing does not add up to a step.
    fn read(&self, wall_ms: i64, running_ms: i64) -> (Millis, Option<ClockDifference>) {
        loop {
            let generation = self.generation.load(Ordering::Acquire);
            let accepted = self.accepted.load(Ordering::Acquire);
            let measured = wall_ms - running_ms;
            let step_ms = measured - accepted;
            let is_accepted = (-STEP_MAX_MS..=self.ahead_max_ms.load(Ordering::Acquire)).contains(&step_ms);
            if is_accepted && step_ms.abs() > EQUAL_MS {
                // After the first accepted reading, the limit ahead is a minute.
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
                generation.is_multiple_of(2)
                    && self.generation.load(Ordering::Acquire) == generation
                    && (is_accepted || self.accepted.load(Ordering::Acquire) == accepted)
            };
            let time = if is_accepted { wall_ms } else { accepted.saturating_add(running_ms) };
            let known = self.latest.load(Ordering::Acquire);
            if !is_same() {
                continue;
            }
            if known < time && self.latest.compare_exchange(known, time, Ordering::AcqRel, Ordering::Acquire).is_err() {
                continue;
            }
            let time = Millis(known.max(time));
            let difference = (!is_accepted).then_some(ClockDifference { wall: Millis(wall_ms), time, step_ms });
            self.log(difference);
            return (time, difference);
        }
    }

    /// Logs each change between accepted and not accepted once.
    fn log(&self, difference: Option<ClockDifference>) {
        let is_unaccepted = difference.is_some();
        if self.is_logged_unaccepted.load(Ordering::Relaxed) == is_unaccepted
            || self.is_logged_unaccepted.swap(is_unaccepted, Ordering::AcqRel) == is_unaccepted
        {
            return;
        }
        match difference {
            Some(difference) => tracing::error!(
                "the system clock is not accepted: {difference}. Reserves, payments, checks and payment forms get 503 \
                 clock_jumped; facts, signals, changes by staff and reads continue with the time {}. Set the system clock right, \
                 or accept it as it is with POST /v1/clock/accept",
                difference.time
            ),
            None => tracing::warn!("the system clock is accepted again"),
        }
    }
}

/// The wall clock: negative before 1970, within the range of [`Millis`].
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
