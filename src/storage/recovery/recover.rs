//! Recovers a journal at a start.
//!
//! Everything is synced, validated and replayed before the first byte is changed, so a refusal changes nothing. The changes
//! after that may be interrupted at any point; the next start repeats them.

use crate::storage::{
    archive_list::Loss,
    fs::store::Store,
    journal::{
        format::{groups::Groups, synced_file},
        model::{
            companion::Companion,
            error::OpenError,
            ids::{JournalId, Lsn},
            paths::FOLDER,
            replay::Replay,
        },
        raw::following_mark,
    },
    recovery::{
        find::find,
        scan::{Cut, Recovered, Recovery, Scan, Verdict, Wanted},
    },
};

/// A journal that was validated and replayed, and is not changed yet.
struct Examined<'a> {
    scan: Scan<'a>,
    cut: Option<Cut>,
    last: Lsn,
    records: u64,
    losses: Vec<Loss>,
}

/// Finds, validates and replays the journal. Only this function refuses.
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
    let startable = segments.partition_point(|found| found.named.0 <= wanted.after.0.saturating_add(1));
    // The beginning of a segment with a damaged head follows from the segment before it.
    let whole = segments.iter().take(startable).rposition(|found| found.head.is_ok());
    let (from, archive) = (whole.unwrap_or(0), replay.archive());
    let (vouched, known) = (known, known.max(wanted.mark.unwrap_or_default().lsn));
    let mut scan = Scan { store, wanted, archive, segments, from, known, vouched, epoch, groups: Groups::default() };
    scan.check_unreplayed_segments()?;
    let mut cut = scan.validate()?;
    if let Some(companion) = companion {
        cut = scan.cut_before_missing_key(companion)?.or(cut);
    }
    let last = scan.last_after_cut(cut.as_ref())?;
    let (cut, last) = scan.cut_incomplete_end(cut, last);
    let records = scan.replay(replay)?;
    // Records after the snapshot may release segments or accept losses.
    let losses = scan.refuse_new_losses()?;
    Ok(Examined { scan, cut, last, records, losses })
}

/// Recovers the journal: replays it, and cuts off what a power cut left.
pub(crate) fn recover(
    store: &dyn Store,
    wanted: Wanted,
    companion: Option<&dyn Companion>,
    replay: &mut dyn Replay,
) -> Result<Recovered, OpenError> {
    let Examined { mut scan, cut, last, records, losses } = examine(store, wanted, companion, replay)?;
    let epoch = scan.epoch.checked_add(1).ok_or_else(|| OpenError::Corrupt {
        file: scan.segments.last().map_or(FOLDER.to_owned(), |found| found.path.clone()),
        offset: 12,
        lsn: last,
        what: "the number of the start is too high".to_owned(),
    })?;
    let known = scan.known;
    scan.rewrite_unsynced(known)?;
    let (mut cut_files, mut cut_bytes) = cut.map_or(Ok((0, 0)), |cut| scan.apply_cut(&cut))?;
    if let Some(bytes) = scan.remove_next_segment(last)? {
        (cut_files, cut_bytes) = (cut_files + 1, cut_bytes + bytes);
    }
    let end = scan.remove_empty_segment()?;
    let (segments, list) = (scan.infos(), scan.archive.list);
    let recovery = Recovery { records, last, cut_bytes, cut_files, epoch };
    Ok(Recovered { recovery, segments, end, list, losses })
}

/// Determines what a start would do with a journal, without changing anything. Refuses what a start refuses.
///
/// `after` and `known_synced` are as in [`Journal::open`](crate::storage::journal::Journal::open).
///
/// # Errors
/// As [`Journal::open`](crate::storage::journal::Journal::open).
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
    let follows = following_mark::is_set(store)?;
    let wanted = Wanted { id, after, known_synced, mark, may_have_lost_power, follows, is_read_only: true };
    let Examined { scan, cut, last, losses, .. } = examine(store, wanted, companion, replay)?;
    let path = |cut: &Cut| scan.segments.get(cut.segment).map_or(FOLDER.to_owned(), |found| found.path.clone());
    let cut = cut.map(|cut| (path(&cut), cut.offset, cut.lsn, cut.what));
    Ok(Verdict { last, synced: scan.known, cut, losses, list: scan.archive.list })
}
