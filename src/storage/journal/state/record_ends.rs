//! Where records end after which raw ranges were read, so that the next range is found without a search.

use crate::{domain::transaction::log_offset::LogOffset, storage::journal::model::ids::Lsn};
use parking_lot::Mutex;
use std::collections::VecDeque;

/// The number of records whose end is known.
const ENDS_MAX: usize = 64;

/// A record and the offset after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::storage) struct RecordEnd {
    pub(in crate::storage) lsn: Lsn,
    pub(in crate::storage) end: LogOffset,
}

/// The ends of the last raw ranges, the latest first.
#[derive(Default)]
pub(in crate::storage) struct RecordEnds(Mutex<VecDeque<RecordEnd>>);

impl RecordEnds {
    pub(in crate::storage) fn note(&self, end: RecordEnd) {
        let mut known = self.0.lock();
        known.retain(|other| other.lsn != end.lsn);
        known.truncate(ENDS_MAX - 1);
        known.push_front(end);
    }

    pub(in crate::storage) fn find(&self, lsn: Lsn) -> Option<LogOffset> {
        self.0.lock().iter().find(|known| known.lsn == lsn).map(|known| known.end)
    }
}
