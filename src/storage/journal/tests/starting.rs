//! Each case of recovery by name.

use crate::storage::{
    fs::{
        disk::Disk,
        memory::{Keep, Memory},
        store::Store,
    },
    journal::{
        format::segment_reader::{SegmentReader, Step},
        log::Journal,
        model::{
            error::OpenError,
            ids::{JournalId, Lsn},
            options::{Options, Sync},
        },
        tests::{ID, Opened, RecordCopy, Workload, live, open, open_store, options},
    },
};
use std::sync::Arc;

fn refused(opened: Result<Opened, OpenError>) -> OpenError {
    match opened {
        Ok(opened) => panic!("it was opened: {:?}", opened.recovery),
        Err(error) => error,
    }
}

/// A journal of a few segments, closed, and its workload.
fn some(sync: Sync) -> (Memory, Workload) {
    let (store, mut workload) = (Memory::new(), Workload::default());
    let opened = open(&store, sync).unwrap();
    live(&opened.journal, &mut workload, 7, 60);
    opened.journal.close().unwrap();
    workload.synced = opened.journal.synced();
    (store, workload)
}

fn segments(store: &Memory) -> Vec<String> {
    store.paths().into_iter().filter(|path| path.starts_with("journal/") && path.ends_with(".log")).collect()
}

#[test]
fn an_empty_folder_is_a_new_journal_and_its_number_is_used_again() {
    let store = Memory::new();
    for epoch in [1, 2, 3] {
        let opened = open(&store, Sync::Interval).unwrap();
        // A start that recorded nothing leaves a segment of which only the epoch is known, and that goes on.
        assert_eq!((opened.recovery.epoch, opened.recovery.last, opened.found.len()), (epoch, Lsn(0), 0));
        assert_eq!(segments(&store), ["journal/00000000000000000001.log"]);
        assert_eq!(opened.journal.append(1, b"x").lsn, Lsn(1), "nothing of it was committed");
    }
}

#[test]
fn a_closed_journal_continues_after_its_last_record() {
    for sync in [Sync::Always, Sync::Interval, Sync::Never] {
        let (store, mut workload) = some(sync);
        for epoch in 2..5 {
            let opened = open(&store, sync).unwrap();
            workload.agrees(&opened, workload.synced, "closed");
            assert_eq!((opened.recovery.epoch, opened.recovery.cut_files), (epoch, 0));
            assert_eq!(opened.journal.last(), opened.journal.synced());
            live(&opened.journal, &mut workload, u64::from(epoch), 20);
            opened.journal.close().unwrap();
            workload.synced = opened.journal.synced();
        }
    }
}

#[test]
fn what_a_snapshot_has_is_not_replayed() {
    let (store, workload) = some(Sync::Interval);
    for after in 0..=workload.synced.0 {
        let opened =
            open_store(Arc::new(store.kill_image()), options(Sync::Interval), Lsn(after), workload.synced).unwrap();
        let expected: Vec<RecordCopy> =
            workload.records(workload.synced).into_iter().filter(|kept| kept.lsn.0 > after).collect();
        assert_eq!(opened.found, expected, "after {after}");
    }
}

#[test]
fn a_journal_that_ends_before_a_snapshot_is_refused() {
    let (store, workload) = some(Sync::Interval);
    let known = Lsn(workload.synced.0 + 1);
    let error = refused(open_store(Arc::new(store), options(Sync::Interval), Lsn(3), known)).to_string();
    assert!(error.contains("levelgate inspect DATA_FOLDER") && error.contains("synced up to record"), "{error}");
    let error = refused(open_store(Arc::new(Memory::new()), options(Sync::Interval), known, known));
    assert!(matches!(error, OpenError::Corrupt { .. }), "an empty folder after a snapshot: {error}");
}

#[test]
fn a_missing_segment_is_refused_wherever_it_is() {
    let (store, workload) = some(Sync::Interval);
    for path in segments(&store) {
        let store = store.kill_image();
        store.remove(&path).unwrap();
        for after in [Lsn(0), workload.synced] {
            let opened = open_store(Arc::new(store.kill_image()), options(Sync::Interval), after, workload.synced);
            if path == segments(&store)[0] || after == Lsn(0) {
                let error = refused(opened);
                assert!(
                    matches!(error, OpenError::Corrupt { .. } | OpenError::BeginningMissing { .. }),
                    "{path}: {error}"
                );
            }
        }
        assert_eq!(store.paths(), store.kill_image().paths(), "nothing was changed");
    }
}

#[test]
fn a_journal_that_lost_its_beginning_goes_on_from_a_snapshot_and_is_refused_without() {
    let (store, mut workload) = some(Sync::Interval);
    let (first, second) = {
        let opened = open(&store, Sync::Interval).unwrap();
        let segments = opened.journal.segments();
        opened.journal.archive(segments[0].first_lsn).unwrap();
        assert!(opened.journal.remove_oldest(segments[1].first_lsn).is_err(), "it is not the oldest");
        opened.journal.remove_oldest(segments[0].first_lsn).unwrap();
        let mut into = Vec::new();
        opened.journal.read(workload.steps[0].records[0].offset, &mut into).expect_err("it was deleted");
        opened.journal.read(workload.records(workload.synced).last().unwrap().offset, &mut into).unwrap();
        opened.journal.close().unwrap();
        workload.synced = opened.journal.synced();
        (segments[0].clone(), segments[1].clone())
    };
    assert!(!store.paths().iter().any(|path| path.ends_with(first.path.rsplit('/').next().unwrap())));
    for after in [first.last, Lsn(first.last.0 + 3), workload.synced] {
        let opened = open_store(Arc::new(store.kill_image()), options(Sync::Interval), after, workload.synced).unwrap();
        let expected: Vec<RecordCopy> =
            workload.records(workload.synced).into_iter().filter(|kept| kept.lsn > after).collect();
        assert_eq!(opened.found, expected, "after {after}");
        assert_eq!(opened.journal.segments()[0].first_offset, second.first_offset);
        assert_eq!(opened.journal.last(), workload.synced, "numbers go on");
    }
    for after in [Lsn(0), Lsn(first.last.0 - 1)] {
        let before = store.paths();
        let error = refused(open_store(Arc::new(store.kill_image()), options(Sync::Interval), after, workload.synced));
        assert!(matches!(error, OpenError::BeginningMissing { begins, .. } if begins == second.first_lsn), "{error}");
        assert!(error.to_string().contains("bring a snapshot of this folder back"), "{error}");
        assert_eq!(store.paths(), before, "nothing was changed");
    }
}

#[test]
fn another_journal_and_a_newer_format_are_refused_with_their_remedy() {
    let (store, _) = some(Sync::Interval);
    let other = JournalId([7; 16]);
    let opened = Journal::open(
        Arc::new(store.clone()),
        other,
        options(Sync::Interval),
        None,
        Lsn(0),
        Lsn(0),
        &mut |_: &crate::storage::journal::model::record::Record<'_>| {
            panic!("nothing of a foreign journal is replayed")
        },
    );
    let error = opened.map(|_| ()).unwrap_err().to_string();
    assert!(error.contains(&ID.to_string()) && error.contains(&other.to_string()), "{error}");
    assert!(store.flip_bit(&segments(&store)[1], 8, 1), "format 5 becomes 7");
    let error = refused(open(&store, Sync::Interval)).to_string();
    assert!(error.contains("has format 7, which is newer than this program"), "{error}");
}

#[test]
fn a_refused_record_is_named_and_nothing_changes() {
    let (store, _) = some(Sync::Interval);
    let before = store.paths();
    let refuse = &mut |record: &crate::storage::journal::model::record::Record<'_>| {
        if record.lsn >= Lsn(9) { Err("no such event".to_owned()) } else { Ok(()) }
    };
    let opened = Journal::open(Arc::new(store.clone()), ID, options(Sync::Interval), None, Lsn(0), Lsn(0), refuse);
    let error = opened.map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("cannot be replayed: no such event"), "{error}");
    assert_eq!(store.paths(), before);
}

#[test]
fn records_after_a_gap_are_kept_in_a_separate_file() {
    let store = Memory::new();
    let opened = open(&store, Sync::Never).unwrap();
    let mut workload = Workload::default();
    live(&opened.journal, &mut workload, 3, 60);
    // Never was a sync asked for, so that a power cut may take any page of any file; the last thing it said counts.
    let synced = opened.journal.synced();
    let hit =
        opened.journal.segments().into_iter().find(|segment| segment.first_lsn > synced && segment.sealed).unwrap();
    drop(opened);
    let image = store.kill_image();
    let later: Vec<String> = segments(&image).into_iter().filter(|path| *path > hit.path).collect();
    assert!(!later.is_empty());
    assert!(image.flip_bit(&hit.path, 200, 0));
    let before: usize = segments(&image).iter().map(|path| image.bytes(path).unwrap().len()).sum();
    let opened = open(&image, Sync::Never).unwrap();
    assert!(opened.recovery.last >= synced && opened.recovery.last <= hit.last, "{:?}", opened.recovery);
    assert_eq!(opened.found, workload.records(opened.recovery.last));
    let aside: Vec<Vec<u8>> =
        image.paths().iter().filter(|path| path.starts_with("cut/")).map(|path| image.bytes(path).unwrap()).collect();
    assert_eq!(u64::try_from(aside.len()).unwrap(), opened.recovery.cut_files);
    let bytes: usize = aside.iter().map(Vec::len).sum();
    assert_eq!(u64::try_from(bytes).unwrap(), opened.recovery.cut_bytes);
    let after: usize = segments(&image).iter().map(|path| image.bytes(path).unwrap().len()).sum();
    assert_eq!(before, after - 60 + bytes, "no byte is gone; a new head is there");
}

#[test]
fn archived_segments_are_found_read_and_scanned() {
    for sync in [Sync::Always, Sync::Never] {
        let (store, mut workload) = (Memory::new(), Workload::default());
        let opened = open(&store, sync).unwrap();
        live(&opened.journal, &mut workload, 11, 60);
        let sealed: Vec<_> = opened.journal.segments().into_iter().filter(|segment| segment.sealed).collect();
        assert!(sealed.len() > 3);
        let mut scanned = Vec::new();
        for segment in &sealed {
            opened.journal.archive(segment.first_lsn).unwrap();
            opened.journal.archive(segment.first_lsn).unwrap();
        }
        assert!(opened.journal.archive(Lsn(99_999)).is_err());
        for segment in opened.journal.segments().iter().filter(|segment| segment.sealed) {
            assert!(segment.path.starts_with("archive/"));
            let keep = &mut |record: &crate::storage::journal::model::record::Record<'_>| {
                let (lsn, owner, offset) = (record.lsn, record.owner, record.offset);
                scanned.push(RecordCopy { lsn, owner, offset, events: record.events.to_vec() });
                Ok(())
            };
            opened.journal.scan(segment, keep).unwrap();
        }
        assert_eq!(scanned, workload.records(sealed.last().unwrap().last));
        let mut events = Vec::new();
        for kept in &scanned {
            assert_eq!(opened.journal.read(kept.offset, &mut events).unwrap().lsn, kept.lsn);
            assert_eq!(events, kept.events);
        }
        opened.journal.close().unwrap();
        // After a power cut, archived segments are durable with every sync option.
        let image = store.crash_image(&mut |_| Keep::Nothing);
        workload.agrees(&open(&image, sync).unwrap(), opened.journal.last(), "archived");
    }
}

#[test]
fn a_disk_keeps_a_journal() {
    let folder = tempfile::tempdir().unwrap();
    let mut workload = Workload::default();
    for epoch in 1..4 {
        for sync in [Sync::Always, Sync::Interval, Sync::Never] {
            let disk: Arc<dyn Store> = Arc::new(Disk::open(folder.path()).unwrap());
            let options = Options { tail_bytes: 1_000_000, ..options(sync) };
            let opened = open_store(disk, options, Lsn(0), workload.synced).unwrap();
            workload.agrees(&opened, workload.synced, "a disk");
            live(&opened.journal, &mut workload, epoch, 40);
            assert!(Disk::open(folder.path()).is_err(), "the folder is held");
            opened.journal.close().unwrap();
            workload.synced = opened.journal.synced();
        }
    }
}

#[test]
fn a_torn_head_is_cut_unless_more_is_known() {
    let store = Memory::new();
    let opened = open(&store, Sync::Interval).unwrap();
    for owner in 1..4 {
        opened.journal.append(owner, b"events");
    }
    opened.journal.rotate().unwrap();
    let end = opened.journal.end();
    drop(opened);
    let torn = "journal/00000000000000000004.log";
    assert!(store.flip_bit(torn, 30, 0));
    let reopen = |store: &Memory, after, known| {
        open_store(Arc::new(store.kill_image()), options(Sync::Interval), Lsn(after), Lsn(known))
    };
    for after in 0..4 {
        let opened = reopen(&store, after, 3).unwrap();
        assert_eq!((opened.recovery.last, opened.recovery.cut_files), (Lsn(3), 1), "after {after}");
        assert_eq!((opened.found.len() as u64, opened.journal.end()), (3 - after, end));
    }
    assert!(matches!(refused(reopen(&store, 3, 4)), OpenError::Corrupt { .. }));
    // Without the segment before it, the offset at which the journal continues is unknown.
    store.remove("journal/00000000000000000001.log").unwrap();
    assert!(matches!(refused(reopen(&store, 3, 3)), OpenError::Corrupt { .. }));
    assert!(store.flip_bit(torn, 30, 0));
    assert_eq!(reopen(&store, 3, 3).unwrap().journal.end(), end);
}

#[test]
fn a_reader_returns_records_and_damage() {
    let (store, workload) = some(Sync::Interval);
    let path = &segments(&store)[1];
    let count = |store: &Memory| {
        let mut reader = SegmentReader::open(store, path).unwrap();
        let (mut records, mut damage) = (0, None);
        loop {
            match reader.step().unwrap() {
                Step::Record(located) => records += usize::from(matches!(located.framed.head.owner, 1..)),
                Step::Damage(found) => {
                    damage = Some(found);
                    if !reader.skip().unwrap() {
                        return (records, damage);
                    }
                }
                Step::End => return (records, damage),
            }
        }
    };
    let (records, damage) = count(&store);
    assert!(records > 0 && records < workload.steps.len() && damage.is_none());
    assert!(store.flip_bit(path, 61, 0));
    let (fewer, damage) = count(&store);
    assert!(fewer < records, "the first batch is not told");
    assert_eq!(damage.unwrap().offset, 60);
}
