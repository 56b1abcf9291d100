//! What the threads that answer requests know about a standby: its role, and how far it follows the primary.

use crate::storage::journal::Lsn;
use parking_lot::Mutex;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::sync::watch;

/// A standby that has found nothing new within this time has a lag of 0. It looks more often than that.
const UP_TO_DATE_FOR: Duration = Duration::from_secs(1);

/// How far a standby follows.
#[derive(Debug, Clone)]
struct Progress {
    /// When the last read began that found nothing new; at first the start.
    up_to_date_at: Instant,
    /// Whether the last read found records.
    is_behind: bool,
    /// Why the last read failed; `None`: it succeeded.
    failure: Option<Arc<str>>,
}

/// The state of a standby. It stays after a take-over, when the daemon is a primary.
#[derive(Debug)]
pub struct StandbyState {
    is_standby: AtomicBool,
    /// The last record of the stream.
    tip: AtomicU64,
    /// The last record that was read.
    read: AtomicU64,
    progress: Mutex<Progress>,
    /// Why following has ended.
    ended: Mutex<Option<String>>,
    changes: watch::Sender<()>,
}

impl StandbyState {
    /// The state before the first read. `last` is the newest record of the local journal.
    #[must_use]
    pub fn new(last: Lsn) -> Self {
        Self::since(last, Instant::now())
    }

    fn since(last: Lsn, now: Instant) -> Self {
        Self {
            is_standby: AtomicBool::new(true),
            tip: AtomicU64::new(last.0),
            read: AtomicU64::new(last.0),
            progress: Mutex::new(Progress { up_to_date_at: now, is_behind: true, failure: None }),
            ended: Mutex::new(None),
            changes: watch::Sender::new(()),
        }
    }

    /// Whether the daemon is a standby now. It is a primary after a take-over.
    #[must_use]
    pub fn is_standby(&self) -> bool {
        self.is_standby.load(Ordering::Acquire)
    }

    /// From now on the daemon is a primary.
    pub fn take_over(&self) {
        self.is_standby.store(false, Ordering::Release);
        self.changes.send_replace(());
    }

    /// Waits until the daemon is a primary.
    pub async fn when_primary(&self) {
        self.until(|| !self.is_standby()).await;
    }

    /// Notes a read that began at `began`: the stream ends with `tip`, and the records up to `read` are applied.
    pub fn note_read(&self, began: Instant, tip: Lsn, read: Lsn) {
        self.tip.store(tip.0, Ordering::Release);
        self.read.store(read.0, Ordering::Release);
        let mut progress = self.progress.lock();
        progress.is_behind = read < tip;
        progress.failure = None;
        if !progress.is_behind {
            progress.up_to_date_at = began;
        }
    }

    /// Notes a read that failed.
    pub fn note_failure(&self, cause: String) {
        self.progress.lock().failure = Some(cause.into());
    }

    /// Why the last read failed; `None`: it succeeded.
    #[must_use]
    pub fn failure(&self) -> Option<Arc<str>> {
        self.progress.lock().failure.clone()
    }

    /// For how long the standby may have lacked records. 0: it has found nothing new for less than a second.
    #[must_use]
    pub fn lag(&self, now: Instant) -> Duration {
        let progress = self.progress.lock();
        let since = now.saturating_duration_since(progress.up_to_date_at);
        if !progress.is_behind && since < UP_TO_DATE_FOR { Duration::ZERO } else { since }
    }

    /// The last record of the stream, as the last read found it.
    #[must_use]
    pub fn tip(&self) -> Lsn {
        Lsn(self.tip.load(Ordering::Acquire))
    }

    /// The records of the stream that were not read yet.
    #[must_use]
    pub fn lag_records(&self) -> u64 {
        self.tip().0.saturating_sub(self.read.load(Ordering::Acquire))
    }

    /// Ends following for a reason: the daemon stops.
    pub fn fail(&self, cause: String) {
        *self.ended.lock() = Some(cause);
        self.changes.send_replace(());
    }

    /// Waits until following has ended, and returns why.
    pub async fn when_failed(&self) -> String {
        self.until(|| self.ended.lock().is_some()).await;
        self.ended.lock().clone().unwrap_or_default()
    }

    async fn until(&self, is_true: impl Fn() -> bool) {
        let mut changes = self.changes.subscribe();
        while !is_true() {
            if changes.changed().await.is_err() {
                // The sender is a field of this value.
                std::future::pending::<()>().await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lag_is_the_time_since_nothing_was_missing() {
        let start = Instant::now();
        let state = StandbyState::since(Lsn(5), start);
        let at = |ms| start + Duration::from_millis(ms);
        let lag = |ms| state.lag(at(ms)).as_millis();
        assert_eq!(lag(300), 300, "before the first read");
        state.note_read(at(400), Lsn(5), Lsn(5));
        assert_eq!((lag(410), lag(1_399)), (0, 0));
        assert_eq!(lag(1_400), 1_000, "no read for a second");
        state.note_read(at(1_500), Lsn(9), Lsn(7));
        assert_eq!((lag(1_510), state.lag_records()), (1_110, 2));
        state.note_failure("connection refused".to_owned());
        assert_eq!((lag(1_600), state.failure().as_deref()), (1_200, Some("connection refused")));
        state.note_read(at(1_700), Lsn(9), Lsn(9));
        assert_eq!((lag(1_710), state.lag_records(), state.failure()), (0, 0, None));
    }

    #[tokio::test]
    async fn a_take_over_and_an_end_wake_what_waits() {
        let state = StandbyState::new(Lsn(1));
        assert!(state.is_standby());
        state.take_over();
        state.when_primary().await;
        state.fail("the batch is damaged".to_owned());
        assert_eq!(state.when_failed().await, "the batch is damaged");
    }
}
