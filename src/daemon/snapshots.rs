//! How snapshots fare: what the status, the metrics and the log say of those that were taken, skipped or failed.

use crate::daemon::data_folder::{Folder, is_no_space};
use crate::{
    domain::vocabulary::time::Millis,
    http::{SnapshotState, Taken, dto::problem::Problem},
};
use parking_lot::Mutex;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

/// A failure is logged again after this time at the earliest.
const LOG_EVERY: Duration = Duration::from_secs(60);
/// A snapshot that failed is tried again after this time at the latest.
const PAUSE_MAX: Duration = Duration::from_secs(60);
/// How often the free space is asked for.
const SPACE_EVERY: Duration = Duration::from_secs(5);

/// What a caller is told of a snapshot that was not taken.
pub(crate) fn problem(error: &anyhow::Error) -> Problem {
    let detail = format!("{error:#}");
    if is_no_space(error) { Problem::storage_full(detail) } else { Problem::snapshot_failed(detail) }
}

/// Notes the outcome of each snapshot.
pub(crate) struct Outcomes {
    state: Arc<Mutex<SnapshotState>>,
    interval: Duration,
    logged: Mutex<Option<Instant>>,
    space_shown: Mutex<Option<Instant>>,
}

impl Outcomes {
    /// Begins with the time of the newest snapshot in the folder. `interval` is the time between two snapshots.
    pub(crate) fn new(last_at: Option<Millis>, interval: Duration) -> Self {
        metrics::describe_counter!("levelgate_snapshots_failed_total", "Snapshots that could not be written");
        metrics::describe_counter!(
            "levelgate_snapshots_skipped_total",
            "Snapshots that were not written because min_free_bytes would not have stayed free"
        );
        metrics::describe_gauge!("levelgate_disk_free_bytes", "Free bytes of the data folder's file system");
        metrics::counter!("levelgate_snapshots_skipped_total").increment(0);
        let state = SnapshotState { last_at, ..SnapshotState::default() };
        Self { state: Arc::new(Mutex::new(state)), interval, logged: Mutex::default(), space_shown: Mutex::default() }
    }

    /// The state that the status shows. Its lock is held for no longer than it takes to copy it.
    pub(crate) fn state(&self) -> Arc<Mutex<SnapshotState>> {
        Arc::clone(&self.state)
    }

    /// How long no snapshot is tried after one that failed.
    pub(crate) fn pause(&self) -> Duration {
        self.interval.min(PAUSE_MAX)
    }

    /// A snapshot was taken.
    pub(crate) fn taken(&self, at: Millis, taken: Taken, took: Duration) {
        metrics::histogram!("levelgate_snapshot_seconds").record(took);
        metrics::gauge!("levelgate_snapshot_mebibytes")
            .set(f64::from(u32::try_from(taken.bytes >> 20).unwrap_or(u32::MAX)));
        let before = std::mem::replace(&mut *self.state.lock(), SnapshotState { last_at: Some(at), ..<_>::default() });
        if before.failed_since.is_some() {
            tracing::info!("a snapshot was taken again");
        }
        *self.logged.lock() = None;
    }

    /// A snapshot was skipped or failed.
    pub(crate) fn failed(&self, at: Millis, error: &anyhow::Error) {
        let is_no_space = is_no_space(error);
        let counter =
            if is_no_space { "levelgate_snapshots_skipped_total" } else { "levelgate_snapshots_failed_total" };
        metrics::counter!(counter).increment(1);
        let reason = format!("{error:#}");
        {
            let mut state = self.state.lock();
            state.failed_since = state.failed_since.or(Some(at));
            state.reason = Some(reason.clone());
        }
        let mut logged = self.logged.lock();
        if logged.is_some_and(|logged| logged.elapsed() < self.interval.max(LOG_EVERY)) {
            return;
        }
        *logged = Some(Instant::now());
        let what = if is_no_space { "the snapshot was skipped" } else { "the snapshot failed" };
        tracing::error!("{what}; the journal goes on, and a later snapshot is tried: {reason}");
    }

    /// Shows the free space of the folder in the metrics, every few seconds.
    pub(crate) fn show_space(&self, folder: &Folder) {
        let mut shown = self.space_shown.lock();
        if shown.is_some_and(|shown| shown.elapsed() < SPACE_EVERY) {
            return;
        }
        *shown = Some(Instant::now());
        if let Ok(Some(space)) = folder.space() {
            #[expect(clippy::cast_precision_loss, reason = "a gauge is a float; free space needs no exact byte")]
            metrics::gauge!("levelgate_disk_free_bytes").set(space.free as f64);
        }
    }
}
