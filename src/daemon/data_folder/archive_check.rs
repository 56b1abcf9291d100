//! A continuous check of the archive: it reads every file, a part at a time, and compares its checksum with the list.

use crate::storage::journal::{Journal, Lsn, SegmentInfo, archived::Summing};
use parking_lot::Mutex;
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

/// Bytes read in one step.
const STEP_BYTES: u64 = 8 * 1024 * 1024;
/// The pause between two passes over the archive.
const PASS_PAUSE: Duration = Duration::from_secs(86_400);

/// The progress and the results of the check.
#[derive(Default)]
pub(super) struct ArchiveCheck {
    /// Locked while a file is read; only the maintenance thread reads.
    pass: Mutex<Pass>,
    /// The damage of each damaged file, by the file's first record.
    damaged: Mutex<BTreeMap<Lsn, String>>,
}

/// The progress of one pass over the archive.
#[derive(Default)]
struct Pass {
    /// The segment that is being read.
    current: Option<(SegmentInfo, Summing)>,
    /// The next segment starts with this record or a later one.
    next: Lsn,
    /// When the last pass ended.
    ended: Option<Instant>,
}

impl ArchiveCheck {
    /// Reads up to [`STEP_BYTES`] of the archive. Damage is logged, counted and kept for [`ArchiveCheck::damaged_files`];
    /// the check changes no file.
    pub(super) fn run_step(&self, journal: &Journal) {
        let mut pass = self.pass.lock();
        if pass.current.is_none() && pass.ended.is_some_and(|ended| ended.elapsed() < PASS_PAUSE) {
            return;
        }
        let mut bytes = 0;
        while bytes < STEP_BYTES {
            let current = pass.current.take().or_else(|| self.next_segment(&mut pass, journal));
            let Some((segment, mut summing)) = current else { return };
            match summing.step() {
                Ok(0) => {
                    let compared = journal.judge_sum(&segment, summing.sum());
                    self.set_result(journal, &segment, compared.err().map(|error| error.to_string()));
                }
                Ok(read) => {
                    bytes += read;
                    pass.current = Some((segment, summing));
                }
                Err(error) => {
                    self.set_result(journal, &segment, Some(format!("{} cannot be read: {error}", segment.path)));
                }
            }
        }
    }

    /// Opens the next segment of the pass; `None`: the pass has ended.
    fn next_segment(&self, pass: &mut Pass, journal: &Journal) -> Option<(SegmentInfo, Summing)> {
        loop {
            let segments = journal.segments();
            let is_due = |segment: &&SegmentInfo| segment.is_archived() && segment.first_lsn >= pass.next;
            let Some(segment) = segments.iter().find(is_due).cloned() else {
                (pass.next, pass.ended) = (Lsn::NONE, Some(Instant::now()));
                self.damaged.lock().retain(|first, _| segments.iter().any(|segment| segment.first_lsn == *first));
                return None;
            };
            pass.next = Lsn(segment.first_lsn.0.saturating_add(1));
            if journal.is_accepted_as_lost(&segment) {
                continue;
            }
            match journal.sum_segment(&segment) {
                Ok(summing) => return Some((segment, summing)),
                Err(error) => {
                    self.set_result(journal, &segment, Some(format!("{} cannot be read: {error}", segment.path)));
                }
            }
        }
    }

    fn set_result(&self, journal: &Journal, segment: &SegmentInfo, damage: Option<String>) {
        // Retention may have deleted the segment during the check; such a segment is not damaged.
        let exists = journal.segments().iter().any(|known| known.first_lsn == segment.first_lsn);
        match damage.filter(|_| exists) {
            Some(damage) => {
                tracing::error!(
                    "a check of the archive failed: {damage}; transactions in this segment may not be found; restore the file from \
                     a backup"
                );
                metrics::counter!("levelgate_archive_segments_damaged_total").increment(1);
                self.damaged.lock().insert(segment.first_lsn, damage);
            }
            None => _ = self.damaged.lock().remove(&segment.first_lsn),
        }
    }

    /// The damage of each damaged file, in the order of the segments.
    pub(super) fn damaged_files(&self) -> Vec<String> {
        self.damaged.lock().values().cloned().collect()
    }
}
