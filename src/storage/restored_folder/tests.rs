//! Restored folders start as the original does, and an unfinished restore is refused and can be repeated.

use super::{IncompleteGroup, RestoreError, Restored, RestoredFolder, refuse_unfinished_restore};
use crate::{
    domain::transaction::log_offset::LogOffset,
    storage::{
        fs::{
            memory::{Keep, Memory},
            store::Store,
        },
        journal::{Instance, Journal, Lsn, Options, RawRecords, Record, Sync},
        keys::{KeyEntry, Keys},
        snapshot::{self, GlobalDto, Header, Piece, SegmentDto},
    },
};
use std::{sync::Arc, time::Duration};

fn options() -> Options {
    Options { sync: Sync::Interval, sync_interval: Duration::from_secs(3_600), segment_bytes: 500, tail_bytes: 0 }
}

type Found = Vec<(Lsn, u32, u64, LogOffset, Vec<u8>)>;

/// Opens the journal of a folder and returns the replayed records.
fn open(store: &Memory, after: Lsn) -> (Arc<Journal>, Keys, Found) {
    let instance = Instance::known(store).unwrap().unwrap();
    let keys = Keys::open(store, instance.id.0).unwrap();
    let mut found = Vec::new();
    let mut replay = |record: &Record<'_>| {
        found.push((record.lsn, record.epoch, record.owner, record.offset, record.events.to_vec()));
        Ok(())
    };
    let store: Arc<dyn Store> = Arc::new(store.clone());
    let (journal, _) = Journal::open(store, instance.id, options(), None, after, after, &mut replay).unwrap();
    (journal, keys, found)
}

/// The parts that a copy elsewhere has.
struct Copy {
    instance: Instance,
    entries: Vec<KeyEntry>,
    snapshot: Vec<u8>,
    records: Vec<RawRecords>,
    last: Lsn,
}

const SNAPSHOT: Lsn = Lsn(20);

/// A folder with groups, erased keys and three epochs, the second of which ends in a group without its end.
fn original() -> (Memory, Copy) {
    let mut store = Memory::new();
    let instance = Instance::open(&store).unwrap();
    for epoch in 0..3 {
        let (journal, keys, _) = open(&store, Lsn(0));
        for n in 0..12_u8 {
            keys.seal(u64::from(n), b"x", &mut Vec::new()).unwrap();
            journal.append(n.into(), &[n; 40]);
            if n % 4 == 1 {
                journal.append_group(&[(1, vec![n; 30]), (2, vec![n; 200])]);
                journal.rotate().unwrap();
            }
        }
        keys.erase(epoch).unwrap();
        journal.close().unwrap();
        if epoch == 1 {
            journal.append_group(&[(1, b"a part".to_vec()), (2, b"another".to_vec())]);
            journal.commit(journal.last()).unwrap();
            let path = journal.segments().last().unwrap().path.clone();
            drop(journal);
            store = store.kill_image();
            let bytes = store.bytes(&path).unwrap();
            store.put(&path, &bytes[..bytes.len() - 48]);
        }
    }
    let (journal, keys, _) = open(&store, Lsn(0));
    let (mut records, mut after) = (Vec::new(), Lsn(0));
    while let Some(raw) = journal.raw_after(after, 300).unwrap() {
        after = raw.last;
        records.push(raw);
    }
    let mut snapshot = Vec::new();
    let header = Header { journal: instance.id.0, begin_lsn: SNAPSHOT.0, created_at: 5 };
    let mut writer = snapshot::Writer::begin(&header, |bytes: &[u8]| {
        snapshot.extend_from_slice(bytes);
        Ok(())
    });
    let listed = |first_lsn, last_lsn| SegmentDto { first_lsn, last_lsn, bytes: 77, crc: 9 };
    let archive = vec![listed(1, 9), listed(10, 14), listed(15, 20)];
    writer.put(&Piece::Global(GlobalDto { archive, ..GlobalDto::default() })).unwrap();
    writer.end(25).unwrap();
    let entries = keys.entries_after(0, 999).unwrap().into_iter().map(|(_, entry)| entry).collect();
    (store, Copy { instance, entries, snapshot, records, last: after })
}

/// Restores the records after a number, and the snapshot if there is one.
fn restore(
    store: &Memory,
    copy: &Copy,
    (after, has_snapshot): (Lsn, bool),
    group: IncompleteGroup,
) -> Result<Restored, RestoreError> {
    let mut folder = RestoredFolder::begin(Arc::new(store.clone()), copy.instance, 700)?;
    folder.put_keys(&copy.entries)?;
    if has_snapshot {
        folder.put_snapshot(SNAPSHOT, &mut copy.snapshot.chunks(50).map(|chunk| Ok(chunk.to_vec())))?;
    }
    let mut crc_before = 0;
    for raw in &copy.records {
        if raw.last > after {
            folder.put_records(raw, crc_before)?;
        }
        crc_before = raw.last_crc;
    }
    folder.finish(group)
}

fn bytes(journal: &Journal, mut after: Lsn) -> Vec<u8> {
    let mut all = Vec::new();
    while let Some(raw) = journal.raw_after(after, 10_000).unwrap() {
        all.extend_from_slice(&raw.bytes);
        after = raw.last;
    }
    all
}

#[test]
fn a_restored_folder_starts_as_the_original_does() {
    let (original, copy) = original();
    let (journal, keys, found) = open(&original, Lsn(0));
    let restored = Memory::new();
    let report = restore(&restored, &copy, (Lsn(0), false), IncompleteGroup::Write).unwrap();
    assert_eq!((report.last, report.epoch), (copy.last, 3));
    assert!(report.segments > 3);
    // All of it is on the medium.
    let image = restored.crash_image(&mut |_| Keep::Nothing);
    let (again, again_keys, again_found) = open(&image, Lsn(0));
    assert!(again_found == found && !found.is_empty());
    assert!(bytes(&again, Lsn(0)) == bytes(&journal, Lsn(0)));
    assert_eq!(again_keys.entries_after(0, 999).unwrap(), keys.entries_after(0, 999).unwrap());
    assert_eq!(Instance::known(&image).unwrap(), Some(copy.instance));
    // From a snapshot on, with some records before it.
    for after in [Lsn(0), Lsn(14), SNAPSHOT] {
        let restored = Memory::new();
        restore(&restored, &copy, (after, true), IncompleteGroup::Write).unwrap();
        let first = copy.records.iter().find(|raw| raw.last > after).unwrap().first;
        let (again, _, again_found) = open(&restored, SNAPSHOT);
        let later: Found = found.iter().filter(|record| record.0 > SNAPSHOT).cloned().collect();
        assert!(again_found == later, "after {after}");
        assert_eq!(again.begins_at(), first);
        let file = restored.open("snapshots/00000000000000000020.snap").unwrap();
        let mut reader = snapshot::Reader::open(file, copy.instance.id.0).unwrap();
        let Some(Piece::Global(global)) = reader.next_piece().unwrap() else { panic!("another piece") };
        let listed: Vec<u64> = global.archive.iter().map(|segment| segment.first_lsn).collect();
        let want: Vec<u64> = [1, 10, 15].into_iter().filter(|listed| *listed < first.0).collect();
        assert_eq!((listed, reader.header().created_at), (want, 5), "after {after}");
        assert!(matches!(reader.next_piece().unwrap(), Some(Piece::End { end_lsn: 25, .. })));
    }
}

#[test]
fn a_group_without_its_end_is_written_or_left_to_the_stream() {
    let (_, mut copy) = original();
    let inside = copy.records.iter().position(|raw| {
        let mut reader = crate::storage::journal::RawReader::new(copy.instance.id, Lsn(raw.first.0 - 1));
        reader.read(raw, &mut |_| {}).is_ok() && reader.has_open_group()
    });
    copy.records.truncate(inside.unwrap() + 1);
    let last = copy.records.last().unwrap().last;
    for group in [IncompleteGroup::Write, IncompleteGroup::LeaveOut] {
        let store = Memory::new();
        let report = restore(&store, &copy, (Lsn(0), false), group).unwrap();
        let (journal, _, found) = open(&store, Lsn(0));
        assert_eq!((journal.last(), report.last == last), (report.last, group == IncompleteGroup::Write));
        assert!(found.iter().all(|record| record.0 <= report.last));
        if group == IncompleteGroup::LeaveOut {
            journal.ingest(copy.records.last().unwrap()).unwrap();
            assert_eq!(journal.last(), report.last, "it waits for the rest of the group");
        }
    }
}

#[test]
fn what_cannot_be_restored_is_refused() {
    let (original, copy) = original();
    let refused =
        |store: &Memory, copy: &Copy, from| restore(store, copy, from, IncompleteGroup::Write).unwrap_err().to_string();
    assert!(refused(&original, &copy, (Lsn(0), false)).contains("into an empty folder only"));
    let journal_only = Memory::new();
    journal_only.put("journal/00000000000000000001.log", b"x");
    assert!(refused(&journal_only, &copy, (Lsn(0), false)).contains("already has `journal/0"));
    let missing = refused(&Memory::new(), &copy, (Lsn(30), true));
    assert!(missing.contains("the records from 21 on are needed"), "{missing}");
    let missing = refused(&Memory::new(), &copy, (Lsn(30), false));
    assert!(missing.contains("the records from 1 on are needed"), "{missing}");
    let short = |mut copy: Copy| {
        copy.records.retain(|raw| raw.last < Lsn(24));
        copy
    };
    let store = Memory::new();
    let error = refused(&store, &short(self::original().1), (Lsn(0), true));
    assert!(error.contains("needs the records up to 25"), "{error}");
    assert!(refuse_unfinished_restore(&store).is_err(), "it is not finished");
    let mut damaged = self::original().1;
    let at = damaged.snapshot.len() - 20;
    damaged.snapshot[at] ^= 1;
    assert!(refused(&Memory::new(), &damaged, (Lsn(0), true)).contains("snapshot to restore cannot be used"));
    let mut gap = self::original().1;
    gap.records.remove(3);
    assert!(refused(&Memory::new(), &gap, (Lsn(0), false)).contains("is expected"));
}

#[test]
fn a_restore_that_is_cut_short_at_any_call_is_refused_and_can_be_repeated() {
    let (_, copy) = original();
    let whole = Memory::new();
    restore(&whole, &copy, (Lsn(0), true), IncompleteGroup::Write).unwrap();
    let (_, _, found) = open(&whole.kill_image(), SNAPSHOT);
    for call in 1..=whole.calls() {
        let store = Memory::new();
        store.freeze_at(call);
        let finished = restore(&store, &copy, (Lsn(0), true), IncompleteGroup::Write).is_ok();
        for image in
            [store.kill_image(), store.crash_image(&mut |_| Keep::Nothing), store.crash_image(&mut |_| Keep::All)]
        {
            let is_marked = refuse_unfinished_restore(&image).is_err();
            assert!(!(finished && is_marked), "call {call}");
            let is_empty = image.paths().is_empty();
            if is_marked || is_empty {
                restore(&image, &copy, (Lsn(0), true), IncompleteGroup::Write).unwrap();
            }
            assert!(open(&image, SNAPSHOT).2 == found, "call {call}");
        }
    }
}

/// The segments of a folder, oldest first.
fn segments(store: &Memory) -> Vec<String> {
    store.paths().into_iter().filter(|path| path.starts_with("journal/0")).collect()
}

/// A store with the first segments of a folder as its archive.
fn with_archive(original: &Memory, count: usize) -> Memory {
    let store = Memory::new();
    for path in segments(original).iter().take(count) {
        store.put(&path.replace("journal/", "archive/"), &original.bytes(path).unwrap());
    }
    store
}

#[test]
fn records_continue_after_an_archive_that_is_in_place() {
    let (original, copy) = original();
    let (journal, _, found) = open(&original, Lsn(0));
    let count = segments(&original).len();
    for archived in 1..count {
        for after in [Lsn(0), Lsn(14), SNAPSHOT] {
            // Without the snapshot's list, which names other segments.
            let store = with_archive(&original, archived);
            let has_all = after == Lsn(0);
            let restored = restore(&store, &copy, (after, !has_all), IncompleteGroup::Write);
            let last_archived = Lsn(journal.segments().get(archived - 1).unwrap().last.0);
            if last_archived >= copy.last {
                assert!(matches!(restored, Err(RestoreError::ArchiveAhead { .. })), "{archived} {after}");
                continue;
            }
            restored.unwrap();
            if has_all {
                let (again, _, again_found) = open(&store, Lsn(0));
                assert!(again_found == found, "{archived} segments");
                assert!(bytes(&again, Lsn(0)) == bytes(&journal, Lsn(0)), "{archived} segments");
                assert_eq!(restore_again(&store, &copy), Some("instance".to_owned()), "it has data now");
            }
        }
    }
}

fn restore_again(store: &Memory, copy: &Copy) -> Option<String> {
    match restore(store, copy, (Lsn(0), false), IncompleteGroup::Write) {
        Err(RestoreError::NotEmpty(name)) => Some(name),
        _ => None,
    }
}

#[test]
fn an_archive_of_another_journal_or_lineage_is_refused() {
    let (original, copy) = original();
    let refused = |store: &Memory| restore(store, &copy, (Lsn(0), false), IncompleteGroup::Write).unwrap_err();
    let (other, _) = self::original();
    assert!(refused(&with_archive(&other, 2)).to_string().contains("it belongs to journal"), "another instance");
    let damaged = with_archive(&original, 2);
    let path = damaged.paths().pop().unwrap();
    let mut bytes = damaged.bytes(&path).unwrap();
    let at = bytes.len() - 5;
    bytes[at] ^= 1;
    damaged.put(&path, &bytes);
    assert!(matches!(refused(&damaged), RestoreError::Archive { .. }), "damaged");
    // A daemon that was fenced out wrote another record with the same number.
    let lineage = Memory::new();
    let instance = Instance::open(&lineage).unwrap();
    lineage.put("instance", &original.bytes("instance").unwrap());
    assert_ne!(instance, copy.instance);
    let (journal, _, _) = open(&lineage, Lsn(0));
    for n in 0..5 {
        journal.append(n, b"another");
    }
    journal.close().unwrap();
    let last = segments(&lineage).len();
    let refusal = refused(&with_archive(&lineage, last)).to_string();
    assert!(refusal.contains("of different lineages"), "{refusal}");
}
