//! How fast the disk takes batches.

use std::{
    sync::{
        OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// A write of a batch that takes this long is slow. It is longer than a scheduler's time slice, so that a preempted thread
/// does not count as a slow disk.
pub(in crate::storage) const SLOW_WRITE: Duration = Duration::from_millis(25);
/// How long after a slow write tasks leave writing to a thread.
pub(in crate::storage) const SLOW_FOR: Duration = Duration::from_secs(10);

/// Measures the writes of batches, and the syncs.
pub(in crate::storage) struct DiskPace {
    started_at: Instant,
    /// Milliseconds since `started_at` until which the disk counts as slow.
    slow_until_ms: AtomicU64,
    slow_writes: AtomicU64,
    /// Milliseconds since `started_at` at which the oldest record of the batch that is being written was appended; 0: no
    /// batch is being written.
    unwritten_since_ms: AtomicU64,
    rotations: AtomicU64,
    /// Is called with the time of each sync.
    sync_observer: OnceLock<fn(Duration)>,
    /// Whether a task has found the segment full and requested a rotation.
    pub(in crate::storage) rotation_is_due: AtomicBool,
}

impl Default for DiskPace {
    fn default() -> Self {
        Self {
            started_at: Instant::now(),
            slow_until_ms: AtomicU64::new(0),
            slow_writes: AtomicU64::new(0),
            unwritten_since_ms: AtomicU64::new(0),
            rotations: AtomicU64::new(0),
            sync_observer: OnceLock::new(),
            rotation_is_due: AtomicBool::new(false),
        }
    }
}

impl DiskPace {
    fn now_ms(&self) -> u64 {
        u64::try_from(self.started_at.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Notes when the first record of the batch was appended that is about to be written. A batch that was left to a thread
    /// is part of the next one and keeps its older time.
    pub(in crate::storage) fn begin_batch(&self, since: Option<Instant>) {
        if let Some(since) = since.filter(|_| self.unwritten_since_ms.load(Ordering::Relaxed) == 0) {
            let ms = since.saturating_duration_since(self.started_at).as_millis();
            self.unwritten_since_ms.store(u64::try_from(ms).unwrap_or(u64::MAX).max(1), Ordering::Relaxed);
        }
    }

    /// Notes that the batch was written, and how long that took.
    pub(in crate::storage) fn end_batch(&self, took: Duration) {
        self.unwritten_since_ms.store(0, Ordering::Relaxed);
        if took >= SLOW_WRITE {
            self.slow_writes.fetch_add(1, Ordering::Relaxed);
            let until = self.now_ms().saturating_add(u64::try_from(SLOW_FOR.as_millis()).unwrap_or(u64::MAX));
            self.slow_until_ms.store(until, Ordering::Release);
        }
    }

    /// Whether a write was slow within the last [`SLOW_FOR`].
    pub(in crate::storage) fn is_slow(&self) -> bool {
        let until = self.slow_until_ms.load(Ordering::Acquire);
        until > 0 && self.now_ms() < until
    }

    /// From now on this function is called with the time of each sync. Only the first one is kept.
    pub(in crate::storage) fn observe_syncs(&self, observer: fn(Duration)) {
        let _kept = self.sync_observer.set(observer);
    }

    /// Notes how long a sync took.
    pub(in crate::storage) fn note_sync(&self, took: Duration) {
        if let Some(observer) = self.sync_observer.get() {
            observer(took);
        }
    }

    /// Notes a rotation.
    pub(in crate::storage) fn count_rotation(&self) {
        self.rotations.fetch_add(1, Ordering::Relaxed);
    }

    /// The number of slow writes.
    pub(in crate::storage) fn slow_writes(&self) -> u64 {
        self.slow_writes.load(Ordering::Relaxed)
    }

    /// The number of rotations.
    pub(in crate::storage) fn rotations(&self) -> u64 {
        self.rotations.load(Ordering::Relaxed)
    }

    /// How long the oldest record of the batch waits that is being written; `None`: no batch is being written.
    pub(in crate::storage) fn unwritten_for(&self) -> Option<Duration> {
        match self.unwritten_since_ms.load(Ordering::Relaxed) {
            0 => None,
            since => Some(Duration::from_millis(self.now_ms().saturating_sub(since))),
        }
    }
}
