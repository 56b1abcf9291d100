//! The archive of a data folder while a daemon runs: its index, its losses, what retention deletes, and a slow check of
//! every file.

use crate::daemon::data_folder::{Folder, SNAPSHOTS, SNAPSHOTS_KEPT};
use crate::{
    clock::{Clock, Source},
    domain::{customer::aggregate::CustomerEvent, vocabulary::time::Millis},
    http::ArchiveHealth,
    ledger::{Compacted, Ledger},
    storage::{
        encoding,
        journal::{ARCHIVE, FOLDER, Lsn, Past, Record, SegmentInfo, archived::Summing},
    },
};
use anyhow::Context;
use parking_lot::Mutex;
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

/// The most segments that are deleted one after another, so that a snapshot does not wait for long.
const LET_GO_MAX: usize = 16;
/// How many transactions are written again before the next ones wait for the file.
const CARRIED_MAX: u32 = 256;
/// How often a long build of the index says how far it is.
const PROGRESS: Duration = Duration::from_secs(5);
/// Bytes of the archive that are read and checked in one round of the keeper.
const SCRUB_BYTES: u64 = 8 * 1024 * 1024;
/// Between the end of one check of the whole archive and the beginning of the next.
const SCRUB_PAUSE: Duration = Duration::from_secs(86_400);

/// A check of all files of the archive, a little at a time.
#[derive(Default)]
pub(crate) struct Scrub {
    /// Held while a file is read, by the keeper alone.
    pass: Mutex<Pass>,
    /// Files that are not what they were, with what is wrong, by their first record.
    damaged: Mutex<BTreeMap<Lsn, String>>,
}

/// How far the check is.
#[derive(Default)]
struct Pass {
    /// The segment that is being read.
    at: Option<(SegmentInfo, Summing)>,
    /// The next one begins with this record or a later one.
    next: Lsn,
    /// When the last pass ended.
    ended: Option<Instant>,
}

impl Folder {
    /// Builds what is due of the archive's filter, until that is done or the time is over.
    ///
    /// # Errors
    /// The index cannot be read; whoever asks for old ids goes on looking there.
    pub fn tend(&self, at_most: Duration) -> anyhow::Result<()> {
        let started = Instant::now();
        while started.elapsed() < at_most && self.archive.tend()? {}
        Ok(())
    }

    /// Records that what the archive has lost was accepted, and waits until that is kept.
    ///
    /// # Errors
    /// The journal has failed.
    pub(crate) fn accept_losses(&self) -> anyhow::Result<()> {
        let now = Clock::new(Source::System).wall();
        for loss in self.journal.lost() {
            if loss.is_new {
                tracing::error!("the loss of {} was accepted at the start; it is shown in /v1/status", loss.what);
                self.journal.commit(self.journal.accept_loss(&loss, now, None))?;
            } else {
                tracing::warn!("the archive misses {}; the loss was accepted", loss.what);
            }
        }
        Ok(())
    }

    /// Takes sealed segments into the archive's index before anything is answered; with `accept_lost`, what cannot be read
    /// of them is accepted as lost.
    ///
    /// # Errors
    /// As [`Folder::archive`].
    pub(crate) fn archive_at_start(&self, ledger: &Ledger, snapshot: Lsn, accept_lost: bool) -> anyhow::Result<()> {
        loop {
            let Err((segment, error)) = self.take_segments(ledger, snapshot) else { return Ok(()) };
            let is_of_segment = error.chain().any(|cause| cause.is::<crate::storage::journal::ScanError>());
            let Some(segment) = segment.filter(|_| is_of_segment) else { return Err(error) };
            if !accept_lost || self.journal.is_accepted_as_lost(&segment) {
                return Err(error.context(
                    "the archive's index is built again and needs every segment: bring the file back from a backup into \
                     the folder `archive`, or start once with `levelgate serve --accept-lost-archive`",
                ));
            }
            self.journal.lose(&segment, &format!("{error:#}"));
            let newest = self.journal.lost().into_iter().find(|loss| loss.first == segment.first_lsn);
            if let Some(loss) = newest {
                tracing::error!("the loss of {} was accepted at the start; it is shown in /v1/status", loss.what);
                let accepted = self.journal.accept_loss(&loss, Clock::new(Source::System).wall(), None);
                self.journal.commit(accepted)?;
            }
        }
    }

    /// Takes sealed segments into the archive's index, and moves those that no restart from this snapshot reads.
    ///
    /// # Errors
    /// A segment cannot be read, or the index not be written; what was taken stays taken.
    pub fn archive(&self, ledger: &Ledger, snapshot: Lsn) -> anyhow::Result<()> {
        self.take_segments(ledger, snapshot).map_err(|(_, error)| error)
    }

    /// [`Folder::archive`]; an error names the segment that it came with.
    fn take_segments(&self, ledger: &Ledger, snapshot: Lsn) -> Result<(), (Option<SegmentInfo>, anyhow::Error)> {
        if let Some(damage) = self.archive.damage() {
            tracing::error!("the archive's index is damaged ({damage}) and is built again from the segments");
            metrics::counter!("levelgate_archive_index_rebuilds_total").increment(1);
            self.archive.begin_anew(self.journal.first_place()).map_err(|error| (None, error.into()))?;
        }
        let (segments, mut told) = (self.journal.segments(), Instant::now());
        let count = segments.len();
        for (n, segment) in segments.iter().enumerate().filter(|(_, segment)| segment.sealed) {
            let done = || -> anyhow::Result<()> {
                if segment.end_place > self.archive.archived_before() {
                    self.take_segment(ledger, segment)?;
                }
                if segment.last <= snapshot && segment.path.starts_with(FOLDER) {
                    self.journal.archive(segment.first_lsn)?;
                }
                Ok(())
            };
            done().map_err(|error| (Some(segment.clone()), error))?;
            if told.elapsed() >= PROGRESS {
                tracing::info!("the archive's index takes segments: {} of {count} are done", n + 1);
                told = Instant::now();
            }
        }
        Ok(())
    }

    fn take_segment(&self, ledger: &Ledger, segment: &SegmentInfo) -> anyhow::Result<()> {
        self.room_in_the_index(segment)?;
        // The index must not know a record that a power cut may take.
        if self.journal.synced() < segment.last {
            self.journal.sync()?;
        }
        let key = |merchant: &str, id: &str| ledger.key(merchant, id);
        let is_whole = self.journal.lost().is_empty();
        if self.journal.is_accepted_as_lost(segment) {
            self.archive.add(segment.end_place, false, &key, |visit| self.journal.scan_readable(segment, visit))?;
            return Ok(());
        }
        self.journal.check_segment(segment)?;
        self.archive.add(segment.end_place, is_whole, &key, |visit| self.journal.scan(segment, visit))?;
        Ok(())
    }

    /// Builds the index again where it was found to be damaged.
    ///
    /// # Errors
    /// As [`Folder::archive`]; ids that may be in the archive are refused until it is built.
    pub(crate) fn mend_index(&self, ledger: &Ledger) -> anyhow::Result<()> {
        if !self.archive.is_being_built() {
            return Ok(());
        }
        self.archive(ledger, Lsn::NONE)?;
        tracing::info!("the archive's index is built again");
        Ok(())
    }

    /// Reads some of the archive's files and holds their checksums against the list. What is damaged is logged, counted
    /// and shown; nothing else changes.
    pub(crate) fn scrub(&self) {
        let mut pass = self.scrub.pass.lock();
        if pass.at.is_none() && pass.ended.is_some_and(|ended| ended.elapsed() < SCRUB_PAUSE) {
            return;
        }
        let mut bytes = 0;
        while bytes < SCRUB_BYTES {
            let (segment, mut summing) = match pass.at.take() {
                Some(at) => at,
                None => match self.begin_scrub(&mut pass) {
                    Some(at) => at,
                    None => return,
                },
            };
            match summing.step() {
                Ok(0) => {
                    let judged = self.journal.judge_sum(&segment, summing.sum());
                    self.scrubbed(&segment, judged.err().map(|error| error.to_string()));
                }
                Ok(read) => {
                    bytes += read;
                    pass.at = Some((segment, summing));
                }
                Err(error) => {
                    self.scrubbed(&segment, Some(format!("{} cannot be read: {error}", segment.path)));
                }
            }
        }
    }

    /// Begins with the next segment of the pass; `None`: the pass has ended.
    fn begin_scrub(&self, pass: &mut Pass) -> Option<(SegmentInfo, Summing)> {
        loop {
            let segments = self.journal.segments();
            let due = |segment: &&SegmentInfo| segment.is_archived() && segment.first_lsn >= pass.next;
            let Some(segment) = segments.iter().find(due).cloned() else {
                (pass.next, pass.ended) = (Lsn::NONE, Some(Instant::now()));
                self.scrub.damaged.lock().retain(|first, _| segments.iter().any(|segment| segment.first_lsn == *first));
                return None;
            };
            pass.next = Lsn(segment.first_lsn.0.saturating_add(1));
            if self.journal.is_accepted_as_lost(&segment) {
                continue;
            }
            match self.journal.sum_segment(&segment) {
                Ok(summing) => return Some((segment, summing)),
                Err(error) => {
                    let what = format!("{} cannot be read: {error}", segment.path);
                    self.scrubbed(&segment, Some(what));
                }
            }
        }
    }

    fn scrubbed(&self, segment: &SegmentInfo, damage: Option<String>) {
        // What retention has deleted meanwhile is not damaged.
        let is_there = self.journal.segments().iter().any(|known| known.first_lsn == segment.first_lsn);
        match damage.filter(|_| is_there) {
            Some(what) => {
                tracing::error!(
                    "a check of the archive failed: {what}; transactions in it may not be found; bring the file back from \
                     a backup"
                );
                metrics::counter!("levelgate_archive_segments_damaged_total").increment(1);
                self.scrub.damaged.lock().insert(segment.first_lsn, what);
            }
            None => _ = self.scrub.damaged.lock().remove(&segment.first_lsn),
        }
    }

    /// What is known of the archive's files and its index.
    pub(crate) fn archive_health(&self) -> ArchiveHealth {
        // Nothing here waits for a file.
        let list = self.journal.archive_list();
        ArchiveHealth {
            segments: list.segments().count(),
            index: if self.archive.is_being_built() { "rebuilding" } else { "ready" },
            damaged: self.scrub.damaged.lock().values().cloned().collect(),
            lost: list.accepted().to_vec(),
        }
    }

    /// Deletes the archive's oldest segments whose newest record is older than `before`, some at a time, once both kept
    /// snapshots hold what they did to the state. What must stay of them is written once more before. Says how many.
    ///
    /// # Errors
    /// A segment cannot be read, or the index or the journal not be written; what was deleted before stays so.
    pub fn let_go(&self, ledger: &Ledger, before: Millis, now: Millis) -> anyhow::Result<usize> {
        let Some(held) = self.held_by_both_snapshots()? else { return Ok(0) };
        let mut deleted = 0;
        for segment in self.journal.segments().iter().take(LET_GO_MAX) {
            let is_archived = segment.path.starts_with(ARCHIVE) && segment.end_place <= self.archive.archived_before();
            // One that the index has forgotten was let go of, and is still there because the power was cut.
            let is_old = match self.archive.newest_in(segment.end_place)? {
                Some(newest) => ledger.no_later(segment.end_place, newest) < before,
                None => segment.end_place <= self.archive.begins_at(),
            };
            if !(is_archived && is_old && segment.last <= held) {
                break;
            }
            self.let_go_of(ledger, segment, now).with_context(|| format!("deleting {}", segment.path))?;
            deleted += 1;
        }
        Ok(deleted)
    }

    /// The record up to which both kept snapshots are true; `None` where there are not two.
    fn held_by_both_snapshots(&self) -> anyhow::Result<Option<Lsn>> {
        let names = self.store.list(SNAPSHOTS)?;
        let begins: Vec<Lsn> =
            names.iter().filter_map(|name| name.strip_suffix(".snap")?.parse().ok().map(Lsn)).collect();
        Ok(begins.first().copied().filter(|_| begins.len() >= SNAPSHOTS_KEPT))
    }

    fn let_go_of(&self, ledger: &Ledger, segment: &SegmentInfo, now: Millis) -> anyhow::Result<()> {
        let end = segment.end_place;
        // First of all: what is decided to be gone must not be found, and added to, by anybody meanwhile.
        ledger.forget_before(end);
        let (mut gone, mut carried) = (Vec::new(), 0_u32);
        let mut visit = |record: &Record<'_>| {
            for event in encoding::decode(record.events, &mut |_| Ok(None)).map_err(|error| error.to_string())? {
                let encoding::Recorded::Customer(
                    CustomerEvent::Opened { slot, opening }
                    | CustomerEvent::Compacted { slot, opening, .. }
                    | CustomerEvent::Assigned { slot, opening, .. },
                ) = event
                else {
                    continue;
                };
                let transaction_slot = (record.owner, slot);
                match ledger.carry(end, transaction_slot, &opening, now).map_err(|refusal| format!("{refusal:?}"))? {
                    Compacted::Gone(key) => gone.push((record.owner, slot, key)),
                    Compacted::Before => {}
                    Compacted::By(lsn) => {
                        carried += 1;
                        // Written as it comes, so that the backlog stays small.
                        if carried.is_multiple_of(CARRIED_MAX) {
                            self.journal.commit(lsn).map_err(|failed| failed.to_string())?;
                        }
                    }
                }
            }
            Ok(())
        };
        if self.journal.is_accepted_as_lost(segment) {
            self.journal.scan_readable(segment, &mut visit)?;
        } else {
            self.journal.scan(segment, &mut visit)?;
        }
        // The next start misses the file no more.
        self.journal.let_go(segment.last, now);
        // What was carried is on the medium before what it replaces is gone, and nothing leads to a file that is gone.
        self.journal.sync()?;
        self.archive.forget(end, &gone)?;
        self.journal.remove_oldest(segment.first_lsn)?;
        tracing::info!(
            "{} was deleted: of its transactions {carried} were written again, {} are known no more",
            segment.path,
            gone.len()
        );
        Ok(())
    }
}
