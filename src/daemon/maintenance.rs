//! The maintenance thread: it writes snapshots, maintains the archive, and evicts settled transactions from memory. It
//! never runs on a thread that answers requests. A step that fails is logged, shown in the status, and tried again.

use crate::daemon::{data_folder::DataFolder, snapshot_status::SnapshotStatus};
use crate::{
    domain::vocabulary::time::{DAY_MS, Millis},
    ledger::{Ledger, Retention},
    service::{
        daemon_status::{ArchiveHealth, SnapshotReport, SnapshotState},
        payments::PaymentService,
    },
    storage::journal::Lsn,
    telemetry::traces::in_span,
};
use parking_lot::{Condvar, Mutex};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// The pause between two rounds.
const ROUND_PAUSE: Duration = Duration::from_millis(500);
/// How long one round builds the filter of the archive's index.
const FILTER_BUILD_MAX: Duration = Duration::from_millis(200);
/// The journal starts a new segment after this time even if few records are written, so that the old one can be archived.
const SEGMENT_AGE_MAX: Duration = Duration::from_secs(86_400);

/// When snapshots are written, and how long transactions are kept.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MaintenanceSettings {
    /// The time between two snapshots.
    pub(crate) snapshot_interval: Duration,
    /// A snapshot is also due after this many records.
    pub(crate) snapshot_records: u64,
    /// The minimum time that transactions stay in memory.
    pub(crate) retention_days: i64,
    /// The time that segments stay in the archive.
    pub(crate) archive_days: i64,
}

/// The state of the maintenance thread, shared with the threads that request snapshots.
pub(crate) struct MaintenanceThread {
    folder: DataFolder,
    payments: Arc<PaymentService>,
    settings: MaintenanceSettings,
    /// Locked while a snapshot is written, and during the steps that follow it.
    last: Mutex<LastSnapshot>,
    status: SnapshotStatus,
    stop: (Mutex<bool>, Condvar),
    /// The last record whose segments the primary of this standby has deleted.
    released: AtomicU64,
    /// Set by [`MaintenanceThread::stop`]: the snapshot that is being written is abandoned.
    is_stopping: AtomicBool,
}

struct LastSnapshot {
    /// The last record of the newest snapshot.
    begin: Lsn,
    /// When it was written.
    at: Instant,
    /// When the journal started a new segment because of its age.
    rotated: Instant,
    /// Before this time no snapshot is due, because one failed.
    not_before: Instant,
    /// The newest snapshot of this process, and when its writing began.
    written: Option<(Instant, SnapshotReport)>,
}

impl MaintenanceThread {
    pub(crate) fn new(folder: DataFolder, payments: Arc<PaymentService>, settings: MaintenanceSettings) -> Self {
        let now = Instant::now();
        let begin = folder.loaded_snapshot();
        let last = Mutex::new(LastSnapshot { begin, at: now, rotated: now, not_before: now, written: None });
        let status = SnapshotStatus::new(folder.newest_snapshot_at(), settings.snapshot_interval);
        let stop = (Mutex::new(false), Condvar::new());
        let (released, is_stopping) = (AtomicU64::new(0), AtomicBool::new(false));
        Self { folder, payments, settings, last, status, stop, released, is_stopping }
    }

    /// The state of snapshots, for `/v1/status`.
    pub(crate) fn snapshot_state(&self) -> Arc<Mutex<SnapshotState>> {
        self.status.state()
    }

    /// Runs rounds until [`MaintenanceThread::stop`] is called or the journal fails.
    pub(crate) fn run(&self) {
        loop {
            let mut stop = self.stop.0.lock();
            if !*stop {
                self.stop.1.wait_for(&mut stop, ROUND_PAUSE);
            }
            if *stop {
                return;
            }
            drop(stop);
            if self.folder.journal().failed() {
                return;
            }
            self.run_round();
        }
    }

    /// Ends [`MaintenanceThread::run`]: a snapshot that is being written is abandoned, any other step is finished first.
    pub(crate) fn stop(&self) {
        self.is_stopping.store(true, Ordering::Release);
        *self.stop.0.lock() = true;
        self.stop.1.notify_all();
    }

    fn run_round(&self) {
        if let Err(error) = self.folder.build_filter(FILTER_BUILD_MAX) {
            tracing::error!(
                "archive Bloom filter unavailable: new ids are looked up in the archive's index, which is slower: {error:#}"
            );
        }
        self.status.update_free_space(&self.folder);
        // The lock excludes a snapshot on another thread, which also adds segments to the index.
        let rebuilt = {
            let _last = self.last.lock();
            self.folder.rebuild_index(&self.payments.ledger)
        };
        if let Err(error) = rebuilt {
            tracing::error!(
                "the archive's index cannot be rebuilt; ids that may be in the archive are refused until it is: {error:#}"
            );
        }
        self.folder.check_archive();
        if self.is_snapshot_due() {
            // `snapshot` logs and counts a failure; the next attempt is due later.
            let _recorded = self.snapshot();
        }
    }

    fn is_snapshot_due(&self) -> bool {
        let last = self.last.lock();
        let new_records = self.folder.journal().last().0.saturating_sub(last.begin.0);
        new_records > 0
            && (last.at.elapsed() >= self.settings.snapshot_interval || new_records >= self.settings.snapshot_records)
            && Instant::now() >= last.not_before
    }

    /// Writes a snapshot, then archives segments and evicts transactions. If another call writes a snapshot that begins
    /// after this call, this call returns that snapshot: it contains everything acknowledged before this call.
    pub(crate) fn snapshot(&self) -> anyhow::Result<SnapshotReport> {
        let called = Instant::now();
        let mut last = self.last.lock();
        if let Some((_, snapshot)) = last.written.filter(|(began, _)| *began >= called) {
            return Ok(snapshot.for_call(called.elapsed()));
        }
        in_span("maintenance", |_| self.snapshot_and_archive(&mut last, called))
    }

    fn snapshot_and_archive(&self, last: &mut LastSnapshot, called: Instant) -> anyhow::Result<SnapshotReport> {
        let snapshot = self.write_snapshot(last, &|| self.is_stopping.load(Ordering::Acquire))?;
        self.remember_state();
        // A standby begins segments where its primary does, or when one is full.
        if last.rotated.elapsed() >= SEGMENT_AGE_MAX && self.payments.gate.standby().is_none() {
            self.folder.journal().rotate()?;
            last.rotated = Instant::now();
        }
        let archived = in_span("archive", |span| {
            let archived = self.folder.archive_segments(&self.payments.ledger, snapshot.true_up_to);
            span.note(&archived);
            archived
        });
        if let Err(error) = archived {
            metrics::counter!("levelgate_segments_not_archived_total").increment(1);
            tracing::error!("sealed segments could not be archived; the next snapshot tries again: {error:#}");
        }
        // Without an accepted clock nothing is evicted or deleted.
        if let Ok(now) = self.payments.clock.now(None) {
            in_span("evict", |_| self.evict_and_delete(now));
        }
        Ok(snapshot.for_call(called.elapsed()))
    }

    fn evict_and_delete(&self, now: Millis) {
        let evicted = if self.payments.ledger.may_evict(now) { self.evict(now) } else { 0 };
        if evicted > 0 {
            tracing::info!("{evicted} transactions were evicted from memory; the archive has them");
        }
        if self.payments.gate.standby().is_some() {
            self.delete_released();
            return;
        }
        let before = now.plus(-self.settings.archive_days.saturating_mul(DAY_MS));
        let ledger = &self.payments.ledger;
        let shipped = self.payments.gate.shipping().map_or(Lsn(u64::MAX), |_| ledger.journal().shipped());
        if let Err(error) = self.folder.delete_old_segments_up_to(ledger, before, now, shipped) {
            metrics::counter!("levelgate_segments_not_deleted_total").increment(1);
            tracing::error!(
                "segments older than archive_days could not be deleted; the next snapshot tries again: {error:#}"
            );
        }
    }

    /// Notes that the primary has deleted the segments up to a record. The next snapshot deletes those of this standby.
    pub(crate) fn note_released(&self, last: Lsn) {
        self.released.fetch_max(last.0, Ordering::AcqRel);
    }

    fn delete_released(&self) {
        let released = Lsn(self.released.load(Ordering::Acquire));
        if let Err(error) = self.folder.delete_released_segments(released) {
            metrics::counter!("levelgate_segments_not_deleted_total").increment(1);
            tracing::error!(
                "segments that the primary has deleted could not be deleted; the next snapshot tries again: {error:#}"
            );
        }
    }

    fn evict(&self, now: Millis) -> usize {
        let retention = Retention::new(self.settings.retention_days, &self.payments.rules.load());
        (0..Ledger::shard_count()).map(|shard| self.payments.ledger.evict(shard, &retention, now)).sum()
    }

    /// Writes the snapshot of a stop, without the steps that follow other snapshots. It waits for a snapshot that is being
    /// written. `None`: the newest snapshot contains all records.
    pub(crate) fn last_snapshot(&self, is_cancelled: &dyn Fn() -> bool) -> Option<anyhow::Result<SnapshotReport>> {
        let mut last = self.last.lock();
        self.remember_state();
        let is_due = self.folder.journal().last() > last.begin;
        is_due.then(|| self.write_snapshot(&mut last, is_cancelled))
    }

    /// Notes which merchants have customers or transactions, for the check of later configurations.
    fn remember_state(&self) {
        self.folder.configuration_file().update_state(&self.payments.ledger);
    }

    fn write_snapshot(
        &self,
        last: &mut LastSnapshot,
        is_cancelled: &dyn Fn() -> bool,
    ) -> anyhow::Result<SnapshotReport> {
        let (began, wall) = (Instant::now(), self.payments.clock.wall());
        let written = in_span("snapshot", |span| {
            let written = self.folder.snapshot_unless(&self.payments.ledger, wall.0, is_cancelled);
            written.iter().for_each(|snapshot| span.set_number("levelgate.snapshot.bytes", snapshot.bytes));
            span.note(&written);
            written
        });
        match written {
            Ok(snapshot) => {
                (last.begin, last.at) = (snapshot.true_up_to, Instant::now());
                last.written = Some((began, snapshot));
                self.status.set_written(wall, snapshot, began.elapsed());
                Ok(snapshot)
            }
            Err(error) => {
                last.not_before = Instant::now() + self.status.retry_pause();
                if !is_cancelled() {
                    self.status.set_failed(wall, &error);
                }
                Err(error)
            }
        }
    }

    /// The state of the archive.
    pub(crate) fn archive_health(&self) -> ArchiveHealth {
        self.folder.archive_health()
    }
}
