//! The state of snapshots for `/v1/status`, the metrics and the log: the last success, failures, and the free space.

use crate::daemon::data_folder::{DataFolder, is_no_space};
use crate::{
    domain::vocabulary::time::Millis,
    service::{
        daemon_status::{SnapshotReport, SnapshotState},
        error::ServiceError,
    },
};
use parking_lot::Mutex;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

/// The minimum time between two log lines about failures.
const LOG_INTERVAL: Duration = Duration::from_secs(60);
/// The longest pause after a snapshot that failed.
const RETRY_PAUSE_MAX: Duration = Duration::from_secs(60);
/// How often the free space is read.
const SPACE_INTERVAL: Duration = Duration::from_secs(5);

/// The error of a snapshot that was not written.
pub(crate) fn snapshot_problem(error: &anyhow::Error) -> ServiceError {
    let detail = format!("{error:#}");
    if is_no_space(error) { ServiceError::storage_full(detail) } else { ServiceError::snapshot_failed(detail) }
}

/// Records the outcome of each snapshot.
pub(crate) struct SnapshotStatus {
    state: Arc<Mutex<SnapshotState>>,
    /// The time between two snapshots.
    interval: Duration,
    last_logged: Mutex<Option<Instant>>,
    space_read: Mutex<Option<Instant>>,
}

impl SnapshotStatus {
    /// `last_at` is when the newest snapshot of the folder was created, `interval` the time between two snapshots.
    pub(crate) fn new(last_at: Option<Millis>, interval: Duration) -> Self {
        metrics::counter!("levelgate_snapshots_skipped_total").increment(0);
        let state = SnapshotState { last_at, ..SnapshotState::default() };
        Self {
            state: Arc::new(Mutex::new(state)),
            interval,
            last_logged: Mutex::default(),
            space_read: Mutex::default(),
        }
    }

    /// The state that `/v1/status` returns. Its lock is held only while the state is copied.
    pub(crate) fn state(&self) -> Arc<Mutex<SnapshotState>> {
        Arc::clone(&self.state)
    }

    /// The pause after a snapshot that failed.
    pub(crate) fn retry_pause(&self) -> Duration {
        self.interval.min(RETRY_PAUSE_MAX)
    }

    /// Records that a snapshot was written.
    pub(crate) fn set_written(&self, at: Millis, snapshot: SnapshotReport, duration: Duration) {
        metrics::histogram!("levelgate_snapshot_seconds").record(duration);
        #[expect(clippy::cast_precision_loss, reason = "a gauge is a float; a size needs no exact byte")]
        metrics::gauge!("levelgate_snapshot_bytes").set(snapshot.bytes as f64);
        let before = std::mem::replace(&mut *self.state.lock(), SnapshotState { last_at: Some(at), ..<_>::default() });
        if before.failed_since.is_some() {
            tracing::info!("snapshots are written again");
        }
        *self.last_logged.lock() = None;
    }

    /// Records that a snapshot was skipped or failed.
    pub(crate) fn set_failed(&self, at: Millis, error: &anyhow::Error) {
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
        let mut last_logged = self.last_logged.lock();
        if last_logged.is_some_and(|logged| logged.elapsed() < self.interval.max(LOG_INTERVAL)) {
            return;
        }
        *last_logged = Some(Instant::now());
        let what = if is_no_space { "the snapshot was skipped" } else { "the snapshot failed" };
        tracing::error!("{what}; the journal continues, and the snapshot is tried again later: {reason}");
    }

    /// Updates the metric of the free space, every few seconds.
    pub(crate) fn update_free_space(&self, folder: &DataFolder) {
        let mut space_read = self.space_read.lock();
        if space_read.is_some_and(|read| read.elapsed() < SPACE_INTERVAL) {
            return;
        }
        *space_read = Some(Instant::now());
        if let Ok(Some(space)) = folder.space() {
            #[expect(clippy::cast_precision_loss, reason = "a gauge is a float; free space needs no exact byte")]
            metrics::gauge!("levelgate_disk_free_bytes").set(space.free as f64);
        }
    }
}
