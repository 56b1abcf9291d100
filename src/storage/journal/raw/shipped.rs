//! The second watermark: up to which record a copy elsewhere has confirmed the journal.

use crate::storage::journal::{
    log::Journal,
    model::{error::Failed, ids::Lsn, options::BACKLOG_BYTES_MAX},
};
use std::sync::atomic::Ordering;

impl Journal {
    /// Notes that the copy has the records up to this one, and wakes the tasks that wait for that. The number only
    /// increases.
    pub fn set_shipped(&self, lsn: Lsn) {
        let lsn = lsn.min(self.last());
        if lsn.0 <= self.marks.shipped.fetch_max(lsn.0, Ordering::AcqRel) {
            return;
        }
        if self.limits_unshipped() {
            self.note_shipped_end(lsn);
        }
        self.shipped_waiters.wake();
    }

    /// The shipper read the records by `raw_after`, so their end is nearly always known.
    fn note_shipped_end(&self, lsn: Lsn) {
        let found = self.record_ends.find(lsn);
        let end = found.or_else(|| self.record_mark(lsn).ok().flatten().map(|mark| mark.end));
        if let Some(end) = end {
            self.marks.shipped_end.fetch_max(end.0, Ordering::AcqRel);
        }
    }

    /// The last record that the copy has confirmed.
    #[must_use]
    pub fn shipped(&self) -> Lsn {
        Lsn(self.marks.shipped.load(Ordering::Acquire))
    }

    /// Waits until the copy has confirmed a record.
    ///
    /// # Errors
    /// The journal has failed: the copy may have the record or not.
    pub async fn shipped_to(&self, lsn: Lsn) -> Result<(), Failed> {
        let lsn = lsn.min(self.last());
        let look = || if self.shipped() >= lsn { Some(Ok(())) } else { self.marks.failure().map(Err) };
        match look() {
            Some(outcome) => outcome,
            None => self.shipped_waiters.until(look).await,
        }
    }

    /// From now on [`Journal::is_full`] also counts records that the copy has not confirmed. For a journal whose only durable
    /// copy that is.
    pub fn limit_unshipped(&self) {
        self.marks.limits_unshipped.store(true, Ordering::Release);
        self.note_shipped_end(self.shipped());
    }

    fn limits_unshipped(&self) -> bool {
        self.marks.limits_unshipped.load(Ordering::Acquire)
    }

    /// Whether too much waits for the copy.
    pub(in crate::storage) fn is_unshipped_full(&self) -> bool {
        self.limits_unshipped()
            && self.end().0.saturating_sub(self.marks.shipped_end.load(Ordering::Acquire)) >= BACKLOG_BYTES_MAX
    }
}
