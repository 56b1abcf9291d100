//! Positions at which earlier calls ended.

use crate::{domain::transaction::log_offset::LogOffset, storage::journal::model::ids::Lsn};
use parking_lot::Mutex;
use std::collections::VecDeque;

/// The number of calls whose end is known.
const SPOTS_MAX: usize = 1_024;

/// The position of a record, or of the batch header before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::storage) struct RecordPosition {
    pub(in crate::storage) lsn: Lsn,
    pub(in crate::storage) offset: LogOffset,
}

/// The positions at which calls ended, the latest last.
#[derive(Default)]
pub(in crate::storage) struct PositionCache(Mutex<VecDeque<RecordPosition>>);

impl PositionCache {
    pub(in crate::storage) fn note(&self, spot: RecordPosition) {
        let mut known = self.0.lock();
        known.retain(|other| other.lsn != spot.lsn);
        if known.len() >= SPOTS_MAX {
            known.pop_front();
        }
        known.push_back(spot);
    }

    pub(in crate::storage) fn nearest(&self, lsn: Lsn) -> Option<RecordPosition> {
        self.0.lock().iter().filter(|spot| spot.lsn <= lsn).max_by_key(|spot| spot.lsn).copied()
    }
}
