//! The archive's index: sealed segments are added to it, and it is rebuilt from them if it is damaged.

use crate::{
    daemon::data_folder::folder::DataFolder,
    domain::transaction::log_offset::LogOffset,
    ledger::Ledger,
    storage::{
        archive::Archive,
        journal::{ArchivedTransactions, FOLDER, Journal, Lsn, SegmentInfo},
    },
};
use std::{
    io,
    time::{Duration, Instant},
};

/// How often the progress of a long build is logged.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(5);

/// Why segments were not added to the index.
pub(super) struct AddSegmentsError {
    /// The segment that could not be added; `None`: the index itself failed.
    pub(super) segment: Option<SegmentInfo>,
    pub(super) error: anyhow::Error,
}

/// Logs what opening the index changed, and starts the index at the archive's first segment.
///
/// # Errors
/// The index cannot be written.
pub(super) fn align_index(archive: &Archive, journal: &Journal) -> anyhow::Result<()> {
    for change in archive.take_opening_messages() {
        tracing::warn!("{change}");
        metrics::counter!("levelgate_archive_index_rebuilds_total").increment(u64::from(change.contains("again")));
    }
    let first_offset = journal.first_offset();
    if archive.begins_at() < first_offset {
        if archive.archived_before() > archive.begins_at() {
            tracing::warn!("the archive's index contains deleted segments; it is rebuilt");
        }
        begin_index_at(archive, first_offset)?;
    } else if archive.archived_before() > journal.end() {
        tracing::warn!("the archive's index contains records that the journal does not have; it is rebuilt");
        begin_index_at(archive, first_offset)?;
    }
    Ok(())
}

/// Empties the index, which then begins at an offset of the journal. An index whose file is damaged is replaced.
fn begin_index_at(archive: &Archive, offset: LogOffset) -> anyhow::Result<()> {
    match archive.begin_at(offset) {
        Err(error) if archive.damage().is_some() => {
            tracing::error!("the archive's index is damaged ({error}); it is rebuilt from the segments");
            metrics::counter!("levelgate_archive_index_rebuilds_total").increment(1);
            Ok(archive.rebuild_from(offset)?)
        }
        begun => Ok(begun?),
    }
}

impl DataFolder {
    /// Builds the due part of the index's Bloom filter, for at most `duration_max`.
    ///
    /// # Errors
    /// The index cannot be read; lookups of old ids continue to read the index.
    pub fn build_filter(&self, duration_max: Duration) -> anyhow::Result<()> {
        let started = Instant::now();
        while started.elapsed() < duration_max && self.archive.build_filter_part()? {}
        Ok(())
    }

    /// Adds sealed segments to the index. Moves those to the archive that no restart from this snapshot reads.
    ///
    /// # Errors
    /// A segment cannot be read, or the index cannot be written. Segments that were added before stay in the index.
    pub fn archive_segments(&self, ledger: &Ledger, snapshot: Lsn) -> anyhow::Result<()> {
        self.add_segments(ledger, snapshot).map_err(|failed| failed.error)
    }

    /// [`DataFolder::archive_segments`]; the error names the segment. Damage of the index can first show when a segment is
    /// added: then the index is rebuilt at once.
    pub(super) fn add_segments(&self, ledger: &Ledger, snapshot: Lsn) -> Result<(), AddSegmentsError> {
        let was_damaged = self.archive.damage().is_some();
        match self.add_segments_once(ledger, snapshot) {
            Err(_) if !was_damaged && self.archive.damage().is_some() => self.add_segments_once(ledger, snapshot),
            added => added,
        }
    }

    fn add_segments_once(&self, ledger: &Ledger, snapshot: Lsn) -> Result<(), AddSegmentsError> {
        if let Some(damage) = self.archive.damage() {
            tracing::error!("the archive's index is damaged ({damage}); it is rebuilt from the segments");
            metrics::counter!("levelgate_archive_index_rebuilds_total").increment(1);
            let emptied = self.archive.rebuild_from(self.journal.first_offset());
            emptied.map_err(|error| AddSegmentsError { segment: None, error: error.into() })?;
        }
        let (segments, mut logged) = (self.journal.segments(), Instant::now());
        let count = segments.len();
        for (n, segment) in segments.iter().enumerate().filter(|(_, segment)| segment.sealed) {
            let added = self.add_and_move(ledger, segment, snapshot);
            added.map_err(|error| AddSegmentsError { segment: Some(segment.clone()), error })?;
            if logged.elapsed() >= PROGRESS_INTERVAL {
                tracing::info!("adding segments to the archive's index: {} of {count} done", n + 1);
                logged = Instant::now();
            }
        }
        Ok(())
    }

    fn add_and_move(&self, ledger: &Ledger, segment: &SegmentInfo, snapshot: Lsn) -> anyhow::Result<()> {
        if segment.end_offset > self.archive.archived_before() {
            self.add_segment(ledger, segment)?;
        }
        if segment.last <= snapshot && segment.path.starts_with(FOLDER) {
            self.journal.archive(segment.first_lsn)?;
        }
        Ok(())
    }

    fn add_segment(&self, ledger: &Ledger, segment: &SegmentInfo) -> anyhow::Result<()> {
        self.check_index_space(segment)?;
        // The index must not contain a record that a power cut may remove.
        if self.journal.synced() < segment.last {
            self.journal.sync()?;
        }
        let key = |merchant: &str, id: &str| ledger.transaction_key(merchant, id);
        let is_complete = self.journal.losses().is_empty();
        if self.journal.is_accepted_as_lost(segment) {
            self.archive.add(segment.end_offset, false, &key, |visit| self.journal.scan_readable(segment, visit))?;
            return Ok(());
        }
        self.journal.check_segment(segment)?;
        self.archive.add(segment.end_offset, is_complete, &key, |visit| self.journal.scan(segment, visit))?;
        Ok(())
    }

    /// Refuses to add a segment to the index if the space is short: a failed write leaves an index that answers no
    /// lookup until the next start. The index of a segment is smaller than the segment.
    fn check_index_space(&self, segment: &SegmentInfo) -> io::Result<()> {
        let bytes = segment.end_offset.0.saturating_sub(segment.first_offset.0);
        self.job_store.headroom().check("the archive's index", bytes)
    }

    /// Rebuilds the index if it is damaged.
    ///
    /// # Errors
    /// As [`DataFolder::archive_segments`]; ids that may be in the archive are refused until the index is rebuilt.
    pub(crate) fn rebuild_index(&self, ledger: &Ledger) -> anyhow::Result<()> {
        if !self.archive.is_being_built() {
            return Ok(());
        }
        self.archive_segments(ledger, Lsn::NONE)?;
        tracing::info!("the archive's index was rebuilt");
        Ok(())
    }
}
