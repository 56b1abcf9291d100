//! Retention of the archive: segments older than `archive_days` are deleted. Their transactions that must outlive them
//! are copied to the end of the journal first.

use crate::{
    daemon::data_folder::{
        copy_forward::CopiedSegment,
        folder::DataFolder,
        snapshot_files::{SNAPSHOTS, SNAPSHOTS_KEPT},
    },
    domain::vocabulary::time::Millis,
    ledger::Ledger,
    storage::journal::{ARCHIVE, ArchivedTransactions, Lsn, SegmentInfo},
};
use anyhow::Context;

/// The most segments that one call deletes, so that the next snapshot does not wait for long.
const DELETED_SEGMENTS_MAX: usize = 16;

impl DataFolder {
    /// Deletes the oldest archived segments whose newest record is older than `before`, if both kept snapshots contain
    /// their effect on the state. At most 16 segments a call. Returns how many.
    ///
    /// # Errors
    /// A segment cannot be read, or the index or the journal cannot be written; segments deleted before stay deleted.
    pub fn delete_old_segments(&self, ledger: &Ledger, before: Millis, now: Millis) -> anyhow::Result<usize> {
        self.delete_old_segments_up_to(ledger, before, now, Lsn(u64::MAX))
    }

    /// [`DataFolder::delete_old_segments`], but no segment with a record after `shipped`, which is still to be sent.
    ///
    /// # Errors
    /// As [`DataFolder::delete_old_segments`].
    pub(crate) fn delete_old_segments_up_to(
        &self,
        ledger: &Ledger,
        before: Millis,
        now: Millis,
        shipped: Lsn,
    ) -> anyhow::Result<usize> {
        let Some(last_in_snapshots) = self.last_record_of_both_snapshots()? else { return Ok(0) };
        let last_in_snapshots = last_in_snapshots.min(shipped);
        let mut deleted = 0;
        for segment in self.journal.segments().iter().take(DELETED_SEGMENTS_MAX) {
            let is_archived = segment.path.starts_with(ARCHIVE) && segment.end_offset <= self.archive.archived_before();
            // A segment that the index has forgotten was being deleted when the power was cut.
            let is_old = match self.archive.newest_in(segment.end_offset)? {
                Some(newest) => ledger.corrected_time(segment.end_offset, newest) < before,
                None => segment.end_offset <= self.archive.begins_at(),
            };
            if !(is_archived && is_old && segment.last <= last_in_snapshots) {
                break;
            }
            self.delete_segment(ledger, segment, now).with_context(|| format!("deleting {}", segment.path))?;
            deleted += 1;
        }
        Ok(deleted)
    }

    /// Deletes the segments up to a record that the primary of this standby has deleted, if both kept snapshots contain
    /// their effect on the state. The primary has recorded copies of what must stay, and the index forgets the rest by its
    /// offset.
    ///
    /// # Errors
    /// The index cannot be written, or a file cannot be removed; segments deleted before stay deleted.
    pub(crate) fn delete_released_segments(&self, released: Lsn) -> anyhow::Result<()> {
        let Some(last_in_snapshots) = self.last_record_of_both_snapshots()? else { return Ok(()) };
        for segment in self.journal.segments().iter().take(DELETED_SEGMENTS_MAX) {
            let is_archived = segment.path.starts_with(ARCHIVE) && segment.end_offset <= self.archive.archived_before();
            if !(is_archived && segment.last <= released.min(last_in_snapshots)) {
                break;
            }
            self.archive.forget(segment.end_offset, &[])?;
            self.journal.remove_oldest(segment.first_lsn)?;
            tracing::info!("{} was deleted: the primary has deleted its records", segment.path);
        }
        Ok(())
    }

    /// The last record that both kept snapshots contain; `None`: there are fewer than two snapshots.
    fn last_record_of_both_snapshots(&self) -> anyhow::Result<Option<Lsn>> {
        let names = self.store.list(SNAPSHOTS)?;
        let last: Vec<Lsn> =
            names.iter().filter_map(|name| name.strip_suffix(".snap")?.parse().ok().map(Lsn)).collect();
        Ok(last.first().copied().filter(|_| last.len() >= SNAPSHOTS_KEPT))
    }

    fn delete_segment(&self, ledger: &Ledger, segment: &SegmentInfo, now: Millis) -> anyhow::Result<()> {
        let end = segment.end_offset;
        // First: no request may find, and add facts to, a transaction that is about to be deleted.
        ledger.forget_before(end);
        let mut forgotten = Vec::new();
        let copied = CopiedSegment { journal: &self.journal, ledger, segment, now }
            .copy(&|_, _| true, &mut |customer, slot, key| forgotten.push((customer, slot, key)))?;
        // From here on, a start does not expect the file.
        self.journal.let_go(segment.last, now);
        // The copies are durable before their originals are deleted, and the index points to no deleted file.
        self.journal.sync()?;
        self.archive.forget(end, &forgotten)?;
        self.journal.remove_oldest(segment.first_lsn)?;
        tracing::info!(
            "{} is older than archive_days and was deleted: {copied} of its transactions were copied, {} were forgotten",
            segment.path,
            forgotten.len()
        );
        Ok(())
    }
}
