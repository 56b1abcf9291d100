//! The watermarks of a journal, and its failure.

use crate::{
    domain::transaction::log_offset::LogOffset,
    storage::journal::model::{error::Failed, ids::Lsn},
};
use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

/// Pads a value that every thread writes to separate cache lines, since every request reads its neighbours.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct CachePadded<T>(pub(crate) T);

impl<T> std::ops::Deref for CachePadded<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

/// The watermarks of a journal. Each only increases.
#[derive(Debug, Default)]
pub(in crate::storage) struct Watermarks {
    pub(in crate::storage) last: AtomicU64,
    /// The last record that is not of one customer alone.
    pub(in crate::storage) shared: AtomicU64,
    pub(in crate::storage) appended: AtomicU64,
    pub(in crate::storage) written: AtomicU64,
    pub(in crate::storage) committed: AtomicU64,
    pub(in crate::storage) synced: AtomicU64,
    /// The last record that a copy elsewhere has confirmed.
    pub(in crate::storage) shipped: AtomicU64,
    /// The offset after that record, where [`Watermarks::limits_unshipped`].
    pub(in crate::storage) shipped_end: AtomicU64,
    /// Whether records that are not shipped count for the backlog.
    pub(in crate::storage) limits_unshipped: AtomicBool,
    has_failed: AtomicBool,
    cause: OnceLock<Arc<str>>,
}

impl Watermarks {
    /// Up to where the file is known to be synced.
    pub(in crate::storage) fn synced(&self) -> Lsn {
        Lsn(self.synced.load(Ordering::Acquire))
    }

    /// Up to which place records were written, so that they may leave the tail.
    pub(in crate::storage) fn written(&self) -> LogOffset {
        LogOffset(self.written.load(Ordering::Acquire))
    }

    /// Notes a failure; the first one stays the cause.
    pub(in crate::storage) fn fail(&self, cause: &str) -> Failed {
        let cause = Arc::clone(self.cause.get_or_init(|| Arc::from(cause)));
        self.has_failed.store(true, Ordering::Release);
        Failed { cause }
    }

    pub(in crate::storage) fn has_failed(&self) -> bool {
        self.has_failed.load(Ordering::Acquire)
    }

    pub(in crate::storage) fn failure(&self) -> Option<Failed> {
        if !self.has_failed() {
            return None;
        }
        Some(Failed { cause: self.cause.get().map_or_else(|| Arc::from("for an unknown reason"), Arc::clone) })
    }
}
