//! What is kept up while the daemon runs: snapshots, the archive's index, and what may leave memory. One thread, off
//! the hot path; whatever fails here is logged, shown, and tried again.

use crate::daemon::{data_folder::Folder, snapshots::Outcomes};
use crate::{
    domain::vocabulary::time::{DAY_MS, Millis},
    http::{ArchiveHealth, SnapshotState, Taken},
    ledger::{Ledger, Retention},
    service::payments::PaymentService,
    storage::journal::Lsn,
};
use parking_lot::{Condvar, Mutex};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

/// How often the keeper looks whether something is to be done.
const ROUND: Duration = Duration::from_millis(500);
/// For how long the archive's filter is built in one round.
const TENDING: Duration = Duration::from_millis(200);
/// A segment that is no longer small gets its turn for the archive after this time, however little is written.
const SEGMENT_AGE_MAX: Duration = Duration::from_secs(86_400);

/// When what is done.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// Between two snapshots.
    pub(crate) interval: Duration,
    /// Records behind a snapshot from which on the next is taken.
    pub(crate) records: u64,
    /// For how long transactions stay in memory at least.
    pub(crate) retention_days: i64,
    /// For how long segments stay in the archive.
    pub(crate) archive_days: i64,
}

/// Keeps a folder up.
pub(crate) struct MaintenanceThread {
    folder: Folder,
    desk: Arc<PaymentService>,
    pace: Pace,
    /// Held while a snapshot is taken and what follows it is done.
    last: Mutex<Last>,
    outcomes: Outcomes,
    stop: (Mutex<bool>, Condvar),
    /// Set by [`MaintenanceThread::stop`]: a snapshot that is being taken is abandoned.
    is_stopping: AtomicBool,
}

struct Last {
    /// The newest snapshot: what it is true up to, and when it was taken.
    begin: Lsn,
    at: Instant,
    rotated: Instant,
    /// Before this time no snapshot is taken without a call, because one failed.
    not_before: Instant,
    /// The newest snapshot of this process, and when it began.
    taken: Option<(Instant, Taken)>,
}

impl MaintenanceThread {
    pub(crate) fn new(folder: Folder, desk: Arc<PaymentService>, pace: Pace) -> Self {
        let now = Instant::now();
        let begin = folder.begun_from();
        let last = Mutex::new(Last { begin, at: now, rotated: now, not_before: now, taken: None });
        let outcomes = Outcomes::new(folder.newest_snapshot_at(), pace.interval);
        let stop = (Mutex::new(false), Condvar::new());
        Self { folder, desk, pace, last, outcomes, stop, is_stopping: AtomicBool::new(false) }
    }

    /// How snapshots fare, for the status.
    pub(crate) fn state(&self) -> Arc<Mutex<SnapshotState>> {
        self.outcomes.state()
    }

    /// Works until it is told to stop.
    pub(crate) fn run(&self) {
        loop {
            let mut stop = self.stop.0.lock();
            if !*stop {
                self.stop.1.wait_for(&mut stop, ROUND);
            }
            if *stop {
                return;
            }
            drop(stop);
            if self.folder.journal().failed() {
                return;
            }
            self.round();
        }
    }

    /// Ends [`MaintenanceThread::run`]: a snapshot that is being taken is abandoned, anything else is finished first.
    pub(crate) fn stop(&self) {
        self.is_stopping.store(true, Ordering::Release);
        *self.stop.0.lock() = true;
        self.stop.1.notify_all();
    }

    fn round(&self) {
        if let Err(error) = self.folder.tend(TENDING) {
            tracing::error!("new ids are looked for in the archive's index, which costs each of them time: {error:#}");
        }
        self.outcomes.show_space(&self.folder);
        // A snapshot on another thread takes segments into the index too.
        let mended = {
            let _alone = self.last.lock();
            self.folder.mend_index(&self.desk.ledger)
        };
        if let Err(error) = mended {
            tracing::error!("the archive's index cannot be built again; ids that may be in it are refused: {error:#}");
        }
        self.folder.scrub();
        let due = {
            let last = self.last.lock();
            let behind = self.folder.journal().last().0.saturating_sub(last.begin.0);
            behind > 0
                && (last.at.elapsed() >= self.pace.interval || behind >= self.pace.records)
                && Instant::now() >= last.not_before
        };
        if due {
            // A failure is logged, counted and shown where it is noted; the next try is due later.
            let _noted = self.snapshot();
        }
    }

    /// Takes a snapshot, and lets the archive and memory follow it. A call that waited while another snapshot was taken
    /// is answered with that one if it began after the call: it holds everything that was acknowledged before.
    pub(crate) fn snapshot(&self) -> anyhow::Result<Taken> {
        let called = Instant::now();
        let mut last = self.last.lock();
        if let Some((_, taken)) = last.taken.filter(|(began, _)| *began >= called) {
            return Ok(taken.answering(called.elapsed()));
        }
        let taken = self.take(&mut last, &|| self.is_stopping.load(Ordering::Acquire))?;
        if last.rotated.elapsed() >= SEGMENT_AGE_MAX {
            self.folder.journal().rotate()?;
            last.rotated = Instant::now();
        }
        if let Err(error) = self.folder.archive(&self.desk.ledger, taken.true_up_to) {
            metrics::counter!("levelgate_segments_not_archived_total").increment(1);
            tracing::error!("sealed segments could not be archived; the next snapshot tries again: {error:#}");
        }
        // While the time cannot be told, nothing leaves.
        if let Ok(now) = self.desk.clock.now(None) {
            let left = if self.desk.ledger.may_retire(now) { self.retire(now) } else { 0 };
            if left > 0 {
                tracing::info!("{left} transactions left memory for the archive");
            }
            let before = now.plus(-self.pace.archive_days.saturating_mul(DAY_MS));
            if let Err(error) = self.folder.let_go(&self.desk.ledger, before, now) {
                metrics::counter!("levelgate_segments_not_deleted_total").increment(1);
                tracing::error!("what is older than archive_days could not be deleted: {error:#}");
            }
        }
        Ok(taken.answering(called.elapsed()))
    }

    /// Takes the snapshot of a stop, without what follows other snapshots; `None`: nothing was recorded since the newest.
    /// It waits for one that is being taken.
    pub(crate) fn last_snapshot(&self, is_cancelled: &dyn Fn() -> bool) -> Option<anyhow::Result<Taken>> {
        let mut last = self.last.lock();
        let is_due = self.folder.journal().last() > last.begin;
        is_due.then(|| self.take(&mut last, is_cancelled))
    }

    fn take(&self, last: &mut Last, is_cancelled: &dyn Fn() -> bool) -> anyhow::Result<Taken> {
        let (began, wall) = (Instant::now(), self.desk.clock.wall());
        match self.folder.snapshot_unless(&self.desk.ledger, wall.0, is_cancelled) {
            Ok(taken) => {
                (last.begin, last.at, last.taken) = (taken.true_up_to, Instant::now(), Some((began, taken)));
                self.outcomes.taken(wall, taken, began.elapsed());
                Ok(taken)
            }
            Err(error) => {
                last.not_before = Instant::now() + self.outcomes.pause();
                if !is_cancelled() {
                    self.outcomes.failed(wall, &error);
                }
                Err(error)
            }
        }
    }

    /// What is known of the archive.
    pub(crate) fn archive_health(&self) -> ArchiveHealth {
        self.folder.archive_health()
    }

    fn retire(&self, now: Millis) -> usize {
        let retention = Retention::new(self.pace.retention_days, &self.desk.rules.load());
        (0..Ledger::shards()).map(|shard| self.desk.ledger.retire(shard, &retention, now)).sum()
    }
}
