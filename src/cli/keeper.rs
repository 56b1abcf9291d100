//! What is kept up while the daemon runs: snapshots, the archive's index, and what may leave memory. One thread, off
//! the hot path; whatever fails here is logged, shown, and tried again.

use super::folder::Folder;
use crate::{
    domain::time::{DAY_MS, Millis},
    http::{ArchiveHealth, Taken, desk::Desk},
    journal::Lsn,
    ledger::{Ledger, Retention},
};
use parking_lot::{Condvar, Mutex};
use std::{
    sync::Arc,
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
pub(super) struct Pace {
    /// Between two snapshots.
    pub(super) interval: Duration,
    /// Records behind a snapshot from which on the next is taken.
    pub(super) records: u64,
    /// For how long transactions stay in memory at least.
    pub(super) retention_days: i64,
    /// For how long segments stay in the archive.
    pub(super) archive_days: i64,
}

/// Keeps a folder up.
pub(super) struct Keeper {
    folder: Folder,
    desk: Arc<Desk>,
    pace: Pace,
    last: Mutex<Last>,
    stop: (Mutex<bool>, Condvar),
}

struct Last {
    /// The newest snapshot: what it is true up to, and when it was taken.
    begin: Lsn,
    at: Instant,
    rotated: Instant,
}

impl Keeper {
    pub(super) fn new(folder: Folder, desk: Arc<Desk>, pace: Pace) -> Self {
        let now = Instant::now();
        let last = Mutex::new(Last { begin: folder.begun_from(), at: now, rotated: now });
        Self { folder, desk, pace, last, stop: (Mutex::new(false), Condvar::new()) }
    }

    /// Works until it is told to stop.
    pub(super) fn run(&self) {
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

    /// Ends [`Keeper::run`] behind what it is doing.
    pub(super) fn stop(&self) {
        *self.stop.0.lock() = true;
        self.stop.1.notify_all();
    }

    fn round(&self) {
        if let Err(error) = self.folder.tend(TENDING) {
            tracing::error!("new ids are looked for in the archive's index, which costs each of them time: {error:#}");
        }
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
            behind > 0 && (last.at.elapsed() >= self.pace.interval || behind >= self.pace.records)
        };
        if due && let Err(error) = self.snapshot() {
            metrics::counter!("levelgate_snapshots_failed_total").increment(1);
            tracing::error!("no snapshot could be taken: {error:#}");
            // Not at once again: the disk may be full.
            self.last.lock().at = Instant::now();
        }
    }

    /// Takes a snapshot, and lets the archive and memory follow it.
    pub(super) fn snapshot(&self) -> anyhow::Result<Taken> {
        // One at a time; a second one waits and takes its own.
        let mut last = self.last.lock();
        let started = Instant::now();
        let taken = self.folder.snapshot(&self.desk.ledger, self.desk.clock.wall().0)?;
        (last.begin, last.at) = (taken.true_up_to, Instant::now());
        metrics::histogram!("levelgate_snapshot_seconds").record(started.elapsed());
        metrics::gauge!("levelgate_snapshot_mebibytes")
            .set(f64::from(u32::try_from(taken.bytes >> 20).unwrap_or(u32::MAX)));
        if last.rotated.elapsed() >= SEGMENT_AGE_MAX {
            self.folder.journal().rotate()?;
            last.rotated = Instant::now();
        }
        self.folder.archive(&self.desk.ledger, taken.true_up_to)?;
        // While the time cannot be told, nothing leaves.
        if let Ok(now) = self.desk.clock.now(None) {
            let left = self.retire(now);
            if left > 0 {
                tracing::info!("{left} transactions left memory for the archive");
            }
            let before = now.plus(-self.pace.archive_days.saturating_mul(DAY_MS));
            if let Err(error) = self.folder.let_go(&self.desk.ledger, before, now) {
                metrics::counter!("levelgate_segments_not_deleted_total").increment(1);
                tracing::error!("what is older than archive_days could not be deleted: {error:#}");
            }
        }
        Ok(taken)
    }

    /// What is known of the archive.
    pub(super) fn archive_health(&self) -> ArchiveHealth {
        self.folder.archive_health()
    }

    fn retire(&self, now: Millis) -> usize {
        let retention = Retention::new(self.pace.retention_days, &self.desk.rules.load());
        (0..Ledger::shards()).map(|shard| self.desk.ledger.retire(shard, &retention, now)).sum()
    }
}
