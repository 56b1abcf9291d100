//! How a journal is found again after whatever happened, case by case as in [the room's table](super#recovery-and-its-cases).
//!
//! Everything is synced, validated and replayed before the first byte is changed, so a refusal changes nothing. What
//! is changed then can be cut short at any point and is done again at the next start.

mod archived;
pub(crate) mod missing_keys;
pub(crate) mod repair;
pub(crate) mod segments;

use crate::storage::fs::Store;
use crate::{
    domain::transaction::record::LogOffset,
    storage::{
        archive_list::{ArchiveList, Demanded, Loss},
        journal::{
            ARCHIVE, CUT, Companion, FOLDER, JournalId, Lsn, Refused, Replay, SegmentInfo,
            error::OpenError,
            frame::{Flaw, HeadFlaw, SegmentHead},
            segment_reader::{Groups, RECORDS_FROM, Step, Walk, WalkError, Wrong},
            synced_file::{self, SyncedMark},
        },
    },
};
use std::{collections::BTreeMap, io};

/// What was found at the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Recovery {
    /// Records that were replayed.
    pub records: u64,
    /// The number of the last record that stands.
    pub last: Lsn,
    /// Bytes that were moved aside, since a power cut had left them behind a gap.
    pub cut_bytes: u64,
    /// Files that they were moved to, in the folder `cut`.
    pub cut_files: u64,
    /// The number of this start.
    pub epoch: u32,
}

/// What the running journal goes on from.
pub(crate) struct Recovered {
    pub(crate) recovery: Recovery,
    pub(crate) segments: Vec<SegmentInfo>,
    /// Where the next record will lie.
    pub(crate) end: LogOffset,
    /// The segments that the archive must have.
    pub(crate) list: ArchiveList,
    /// What the archive has lost.
    pub(crate) lost: Vec<Loss>,
}

/// What a start would do with the files that it finds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The number of the last record that counts.
    pub last: Lsn,
    /// Up to where the journal was synced for certain.
    pub synced: Lsn,
    /// What it would cut off as left by a power cut: the file, the offset, the record, and what is wrong there.
    pub cut: Option<(String, u64, Lsn, String)>,
    /// What the archive has lost, all of it accounted for.
    pub lost: Vec<Loss>,
    /// The segments that the archive must have.
    pub list: ArchiveList,
}

/// What is asked of a recovery.
pub(crate) struct Wanted {
    pub(crate) id: JournalId,
    /// Records up to here need no replay.
    pub(crate) after: Lsn,
    /// Up to here the journal was synced, says a snapshot.
    pub(crate) known_synced: Lsn,
    /// What the file `synced` says.
    pub(crate) mark: Option<SyncedMark>,
    /// See [`Store::may_have_lost_power`].
    pub(crate) may_have_lost_power: bool,
    /// Whether nothing may be synced either.
    pub(crate) only_looks: bool,
}

/// A segment's file and its head.
struct Found {
    path: String,
    named: Lsn,
    head: Result<SegmentHead, &'static str>,
    bytes: u64,
    /// What the walk found, where the segment was walked.
    last: Lsn,
    end: u64,
}

impl Found {
    fn end_place(&self) -> LogOffset {
        let first = self.head.map_or(0, |head| head.first_place.0);
        LogOffset(first.saturating_add(self.end.saturating_sub(RECORDS_FROM)))
    }
}

/// Where the good records end before the file does.
struct Cut {
    /// Which segment; later ones go whole.
    segment: usize,
    /// From where on; 0 for the whole file.
    offset: u64,
    lsn: Lsn,
    what: String,
    may_be_torn: bool,
}

struct Scan<'a> {
    store: &'a dyn Store,
    wanted: Wanted,
    archive: Demanded,
    segments: Vec<Found>,
    /// The first segment that is walked.
    from: usize,
    /// Up to where the journal was synced for certain.
    known: Lsn,
    /// The same without what the file `synced` says.
    vouched: Lsn,
    epoch: u32,
    groups: Groups,
}

fn io_error(what: impl Into<String>) -> impl FnOnce(io::Error) -> OpenError {
    move |source| OpenError::Io { what: what.into(), source }
}

/// The words are only made where something is wrong: this stands behind every record.
fn reading(path: &str) -> impl FnOnce(io::Error) -> OpenError {
    move |source| OpenError::Io { what: format!("reading {path}"), source }
}

/// A journal that was validated and replayed; nothing was changed yet.
struct Examined<'a> {
    scan: Scan<'a>,
    cut: Option<Cut>,
    last: Lsn,
    records: u64,
    lost: Vec<Loss>,
}

/// Finds the journal and replays it. Every refusal comes from here.
fn examine<'a>(
    store: &'a dyn Store,
    wanted: Wanted,
    companion: Option<&dyn Companion>,
    replay: &mut dyn Replay,
) -> Result<Examined<'a>, OpenError> {
    let segments = find(store, &wanted)?;
    let known = segments.iter().filter_map(|found| found.head.ok()).map(|head| head.synced);
    let known = known.chain([wanted.known_synced]).max().unwrap_or_default();
    let epoch = segments.iter().filter_map(|found| found.head.ok()).map(|head| head.epoch).max().unwrap_or(0);
    let behind = segments.partition_point(|found| found.named.0 <= wanted.after.0.saturating_add(1));
    // A segment whose head is damaged does not say where it begins; the one before it tells where that should be.
    let whole = segments.iter().take(behind).rposition(|found| found.head.is_ok());
    let (from, archive) = (whole.unwrap_or(0), replay.archive());
    let (vouched, known) = (known, known.max(wanted.mark.unwrap_or_default().lsn));
    let mut scan = Scan { store, wanted, archive, segments, from, known, vouched, epoch, groups: Groups::default() };
    scan.check_older()?;
    let mut cut = scan.validate()?;
    if let Some(companion) = companion {
        cut = scan.cut_before_what_was_lost(companion)?.or(cut);
    }
    let last = scan.judge(cut.as_ref())?;
    let records = scan.replay(replay)?;
    // Records after the snapshot say what was let go, and what was accepted as lost.
    let lost = scan.judge_losses()?;
    Ok(Examined { scan, cut, last, records, lost })
}

/// Finds the journal, replays it, and cuts what a power cut has left.
pub(crate) fn recover(
    store: &dyn Store,
    wanted: Wanted,
    companion: Option<&dyn Companion>,
    replay: &mut dyn Replay,
) -> Result<Recovered, OpenError> {
    let Examined { mut scan, cut, last, records, lost } = examine(store, wanted, companion, replay)?;
    let epoch = scan.epoch.checked_add(1).ok_or_else(|| OpenError::Corrupt {
        file: scan.segments.last().map_or(FOLDER.to_owned(), |found| found.path.clone()),
        offset: 12,
        lsn: last,
        what: "no start can have so high a number".to_owned(),
    })?;
    let known = scan.known;
    scan.renew(known)?;
    let (mut cut_files, mut cut_bytes) = cut.map_or(Ok((0, 0)), |cut| scan.cut(&cut))?;
    if let Some(bytes) = scan.drop_next(last)? {
        (cut_files, cut_bytes) = (cut_files + 1, cut_bytes + bytes);
    }
    let end = scan.drop_empty()?;
    let (segments, list) = (scan.infos(), scan.archive.list);
    let recovery = Recovery { records, last, cut_bytes, cut_files, epoch };
    Ok(Recovered { recovery, segments, end, list, lost })
}

/// Says what a start would do with a journal, and changes nothing; what it would refuse is refused.
///
/// `after` and `known_synced` are as in [`Journal::open`](crate::storage::journal::log::Journal::open).
///
/// # Errors
/// As [`Journal::open`](crate::storage::journal::log::Journal::open).
pub fn verdict(
    store: &dyn Store,
    id: JournalId,
    companion: Option<&dyn Companion>,
    after: Lsn,
    known_synced: Lsn,
    replay: &mut dyn Replay,
) -> Result<Verdict, OpenError> {
    let mark = synced_file::read(store, id)?;
    let may_have_lost_power = store.may_have_lost_power();
    let wanted = Wanted { id, after, known_synced, mark, may_have_lost_power, only_looks: true };
    let Examined { scan, cut, last, lost, .. } = examine(store, wanted, companion, replay)?;
    let path = |cut: &Cut| scan.segments.get(cut.segment).map_or(FOLDER.to_owned(), |found| found.path.clone());
    let cut = cut.map(|cut| (path(&cut), cut.offset, cut.lsn, cut.what));
    Ok(Verdict { last, synced: scan.known, cut, lost, list: scan.archive.list })
}

/// The number that names a segment's file.
pub(crate) fn number_of(name: &str) -> Option<Lsn> {
    let digits = name.strip_suffix(".log").filter(|digits| digits.len() == 20)?;
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok().map(Lsn))?
}

/// The file of the segment that begins with this record.
pub(crate) fn path_of(first: Lsn) -> String {
    format!("{FOLDER}/{:020}.log", first.0)
}

/// The segments of both folders in order, each with its head. All of them are synced first, unless nothing may be.
fn find(store: &dyn Store, wanted: &Wanted) -> Result<Vec<Found>, OpenError> {
    let mut paths = BTreeMap::new();
    // What an earlier start has cut off must not come back either.
    for folder in [FOLDER, ARCHIVE, CUT].into_iter().filter(|_| !wanted.only_looks) {
        store.sync_folder(folder).map_err(io_error(format!("syncing {folder}")))?;
    }
    for folder in [FOLDER, ARCHIVE] {
        let names = store.list(folder).map_err(io_error(format!("listing {folder}")))?;
        // A file that a cut-short move has left under both names counts once.
        paths.extend(names.iter().filter_map(|name| Some((number_of(name)?, format!("{folder}/{name}")))));
    }
    let mut segments = Vec::with_capacity(paths.len());
    for (named, path) in paths {
        let file = store.open(&path).map_err(io_error(format!("opening {path}")))?;
        if !wanted.only_looks {
            file.sync().map_err(io_error(format!("syncing {path}")))?;
        }
        let bytes = file.len().map_err(reading(&path))?;
        let head = match Walk::over(file).map(|walk| walk.head()) {
            Ok(head) if head.id != wanted.id => {
                return Err(OpenError::Foreign { file: path, found: head.id, expected: wanted.id });
            }
            Ok(head) if head.first_lsn != named => Err("the file's name is not the number of its first record"),
            Ok(head) => Ok(head),
            Err(WalkError::Head(HeadFlaw::Newer(format))) => return Err(OpenError::Newer { file: path, format }),
            Err(WalkError::Head(HeadFlaw::Damaged(what))) => Err(what),
            Err(WalkError::Io(source)) => return Err(reading(&path)(source)),
        };
        segments.push(Found { path, named, head, bytes, last: Lsn(named.0.saturating_sub(1)), end: bytes });
    }
    Ok(segments)
}

impl Scan<'_> {
    fn corrupt(&self, segment: usize, offset: u64, lsn: Lsn, what: &str) -> OpenError {
        let file = self.segments.get(segment).map_or(FOLDER.to_owned(), |found| found.path.clone());
        OpenError::Corrupt { file, offset, lsn, what: what.to_owned() }
    }

    /// The first pass: where the good records end, which groups end, how far the journal is known to be synced.
    fn validate(&mut self) -> Result<Option<Cut>, OpenError> {
        let mut before: Option<(Lsn, LogOffset, u32)> = None;
        let walked_from = self.segments.get(self.from).map_or(Lsn(1), |found| found.named);
        self.groups = Groups::from(walked_from);
        let walked = self.walk_all();
        for (segment, walked) in (self.from..).zip(walked) {
            let Some(found) = self.segments.get_mut(segment) else { break };
            let expected = before.map_or(found.named, |(lsn, ..)| lsn);
            let whole =
                |what: &str| Cut { segment, offset: 0, lsn: expected, what: what.to_owned(), may_be_torn: true };
            let flaw = match (found.head, before) {
                (Err(what), _) => Some(what),
                (Ok(head), Some(before)) if (head.first_lsn, head.first_place) != (before.0, before.1) => {
                    Some("it does not go on where the segment before it ends")
                }
                (Ok(head), Some((.., epoch))) if head.epoch < epoch => Some("it is of an earlier start than the last"),
                _ => None,
            };
            if let Some(what) = flaw {
                self.look_behind(segment)?;
                return Ok(Some(whole(what)));
            }
            let walked = walked?;
            self.epoch = self.epoch.max(walked.epoch);
            self.known = self.known.max(walked.known);
            self.vouched = self.vouched.max(walked.known);
            for (offset, framed) in &walked.grouped {
                if let Err(what) = self.groups.see(framed) {
                    self.look_behind(segment)?;
                    let (lsn, what) = (framed.head.lsn, what.to_owned());
                    return Ok(Some(Cut { segment, offset: *offset, lsn, what, may_be_torn: false }));
                }
            }
            found.end = walked.end;
            found.last = Lsn(walked.next_lsn.0.saturating_sub(1));
            if let Some(damage) = walked.damage {
                let path = found.path.clone();
                match damage.wrong {
                    Wrong::Bytes(Flaw::Group(group)) => return Err(OpenError::Group { file: path, group }),
                    Wrong::Bytes(Flaw::Newer(format)) => {
                        return Err(OpenError::Newer { file: path, format: format.into() });
                    }
                    Wrong::Foreign(id) => {
                        return Err(OpenError::Foreign { file: path, found: id, expected: self.wanted.id });
                    }
                    _ => {}
                }
                self.look_behind(segment)?;
                let (what, may_be_torn) = (damage.wrong.to_string(), damage.wrong.may_be_torn());
                return Ok(Some(Cut { segment, offset: damage.offset, lsn: damage.lsn, what, may_be_torn }));
            }
            before = Some((walked.next_lsn, walked.place, walked.epoch));
        }
        Ok(None)
    }

    fn ends_early(&self) -> String {
        match self.wanted.mark.filter(|mark| mark.is_clean_stop && mark.lsn == self.known) {
            Some(mark) => format!("the journal ends here, and the daemon stopped in order with record {}", mark.lsn),
            None => format!("the journal ends here, and was synced up to record {}", self.known),
        }
    }

    /// Refuses what no power cut can have done; else says the last record that stands.
    fn judge(&mut self, cut: Option<&Cut>) -> Result<Lsn, OpenError> {
        let Some(cut) = cut else {
            let (last, end) = self.segments.last().map_or((Lsn(0), 0), |found| (found.last, found.end));
            if last < self.known {
                let what = self.ends_early();
                let segment = self.segments.len().saturating_sub(1);
                return Err(self.corrupt(segment, end, Lsn(last.0.saturating_add(1)), &what));
            }
            return Ok(last);
        };
        // Where the very first head is lost, so is the place at which the journal would go on.
        let nothing_left = cut.segment == 0 && cut.offset == 0 && cut.lsn > Lsn(1);
        if cut.lsn <= self.known || !cut.may_be_torn || nothing_left {
            return Err(self.corrupt(cut.segment, cut.offset, cut.lsn, &cut.what));
        }
        Ok(Lsn(cut.lsn.0.saturating_sub(1)))
    }

    /// The second pass: hands over what counts.
    fn replay(&mut self, replay: &mut dyn Replay) -> Result<u64, OpenError> {
        let mut records = 0;
        for found in self.segments.iter().skip(self.from).filter(|found| found.last >= found.named) {
            let mut walk = self.walk(&found.path)?.until(found.end);
            loop {
                let seen = match walk.step().map_err(reading(&found.path))? {
                    Step::End => break,
                    Step::Record(seen) => seen,
                    Step::Damage(_) => {
                        let changed = io::Error::other("the file changed while it was read");
                        return Err(reading(&found.path)(changed));
                    }
                };
                let counts = |group: Option<Lsn>| group.is_none_or(|group| !self.groups.is_open(group));
                let Some((record, _)) = seen.record().filter(|(_, group)| counts(*group)) else { continue };
                if record.lsn > self.wanted.after {
                    self.archive.list.take_record(record.events);
                    replay.record(&record).map_err(|refused| self.refused(refused))?;
                    records += 1;
                }
            }
        }
        replay.all_are_in().map_err(|refused| self.refused(refused))?;
        Ok(records)
    }

    fn refused(&self, Refused { lsn, what }: Refused) -> OpenError {
        let behind = self.segments.partition_point(|found| found.named <= lsn);
        let found = behind.checked_sub(1).and_then(|place| self.segments.get(place));
        OpenError::Replay { file: found.map_or(FOLDER.to_owned(), |found| found.path.clone()), lsn, what }
    }

    fn infos(&self) -> Vec<SegmentInfo> {
        let info = |found: &Found| SegmentInfo {
            first_lsn: found.named,
            first_place: found.head.map_or(LogOffset(0), |head| head.first_place),
            end_place: found.end_place(),
            last: found.last,
            path: found.path.clone(),
            sealed: true,
        };
        // What no start replays and has no whole head is lost, and listed so.
        let is_lost = |(n, found): &(usize, &Found)| *n < self.from && found.head.is_err();
        let there = self.segments.iter().enumerate().filter(|segment| !is_lost(segment));
        there.map(|(_, found)| info(found)).collect()
    }
}
