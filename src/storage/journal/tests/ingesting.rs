//! A journal that follows another one has its bytes after every crash, and continues as an ordinary journal.

use crate::storage::{
    fs::{
        memory::{Keep, Memory, Unsynced},
        store::Store,
    },
    journal::{
        follow::Visited,
        log::Journal,
        model::{
            ids::Lsn,
            options::{Options, Sync},
        },
        raw::{following_mark, ingest::IngestError, raw_reader::RawReader, raw_records::RawRecords},
        tests::{
            Opened, Random, RecordCopy, Workload, live, open_store, options,
            raw_ranges::{ranges, read_all},
        },
    },
};
use std::{ops::ControlFlow, sync::Arc};

const KINDS: [Sync; 3] = [Sync::Always, Sync::Interval, Sync::Never];

fn opened(store: &Memory, sync: Sync, segment_bytes: u64) -> Opened {
    let options = Options { segment_bytes, ..options(sync) };
    match open_store(Arc::new(store.clone()), options, Lsn(0), Lsn(0)) {
        Ok(opened) => opened,
        Err(error) => panic!("{sync:?}: {error}"),
    }
}

/// The journal of a primary with several epochs, the first of which ends in a group without its end, and its records.
fn primary(seed: u64, steps: usize) -> (Vec<RawRecords>, Vec<RecordCopy>) {
    let (mut store, mut workload, mut random) = (Memory::new(), Workload::default(), Random::new(seed));
    for epoch in 0..3 {
        let first = opened(&store, Sync::Interval, 900);
        live(&first.journal, &mut workload, seed * 10 + epoch, steps);
        workload.sync(&first.journal);
        let path = if epoch == 0 {
            first.journal.append_group(&[(1, b"a part".to_vec()), (2, b"another".to_vec())]);
            first.journal.commit(first.journal.last()).unwrap();
            first.journal.segments().last().map(|segment| segment.path.clone())
        } else {
            None
        };
        drop(first);
        store = store.kill_image();
        if let Some(path) = path {
            let bytes = store.bytes(&path).unwrap();
            store.put(&path, &bytes[..bytes.len() - 48]);
        }
    }
    let last = opened(&store, Sync::Interval, 900);
    let pieces = ranges(&last.journal, Lsn(0), || 1 + random.below(400));
    (pieces, workload.records(Lsn(u64::MAX)))
}

fn bytes_of(ranges: &[RawRecords]) -> Vec<u8> {
    ranges.iter().flat_map(|raw| raw.bytes.clone()).collect()
}

/// The bytes of a journal from its beginning.
fn bytes_in(journal: &Journal) -> Vec<u8> {
    bytes_of(&ranges(journal, Lsn(0), || 10_000))
}

fn followed(journal: &Journal) -> Vec<RecordCopy> {
    let mut found = Vec::new();
    let followed = journal.follow(Lsn(0), &mut |visited| {
        let Visited::Records(records) = visited else { panic!("nothing is damaged: {visited:?}") };
        found.extend(records.iter().map(|record| RecordCopy {
            lsn: record.lsn,
            owner: record.owner,
            offset: record.offset,
            events: record.events.to_vec(),
        }));
        ControlFlow::Continue(())
    });
    assert!(!followed.unwrap().was_cut);
    found
}

fn is_prefix(bytes: &[u8], of: &[u8], about: &str) {
    assert!(of.starts_with(bytes), "{about}: {} bytes are no prefix of {}", bytes.len(), of.len());
}

#[test]
fn a_follower_has_the_bytes_of_its_primary_and_continues_after_a_restart() {
    for seed in 1..=4 {
        let (pieces, records) = primary(seed, 50);
        let (all, mut random) = (bytes_of(&pieces), Random::new(seed));
        for sync in KINDS {
            let (store, mut at) = (Memory::new(), 0);
            while at < pieces.len() {
                let about = format!("seed {seed}, {sync:?}, from range {at}");
                let segment_bytes = [400, 2_000, u64::MAX][random.below(3)];
                let opened = opened(&store, sync, segment_bytes);
                let journal = &opened.journal;
                let known = pieces.iter().take_while(|raw| raw.last <= journal.last()).count();
                // Some of them are known.
                let mut reader = RawReader::new(super::ID, Lsn(0));
                let _read = read_all(&mut reader, &pieces[..known.max(at)]);
                let more = 1 + random.below(pieces.len());
                let from = known.saturating_sub(random.below(3));
                for raw in pieces.iter().skip(from).take(more) {
                    journal.ingest(raw).unwrap();
                }
                at = (from + more).min(pieces.len()).max(known);
                if sync == Sync::Always {
                    assert_eq!(journal.lasting(), journal.last(), "{about}");
                }
                journal.sync().unwrap();
                is_prefix(&bytes_in(journal), &all, &about);
                let last = journal.last();
                let want: Vec<RecordCopy> = records.iter().filter(|record| record.lsn <= last).cloned().collect();
                assert!(followed(journal) == want, "{about}: follow");
                for record in &want {
                    let mut events = Vec::new();
                    let head = journal.read(record.offset, &mut events).unwrap();
                    assert_eq!((head.lsn, &events), (record.lsn, &record.events), "{about}: read");
                }
                for raw in pieces.iter().filter(|raw| raw.last <= last) {
                    let mark = journal.record_mark(raw.last).unwrap().unwrap();
                    assert_eq!((mark.epoch, mark.crc, mark.end), (raw.epoch, raw.last_crc, raw.end()), "{about}");
                }
                journal.close().unwrap();
            }
            let about = format!("seed {seed}, {sync:?}");
            let last = opened(&store, sync, 2_000);
            assert!(last.found == records, "{about}: the records that a start finds");
            assert!(bytes_in(&last.journal) == all, "{about}: all bytes");
        }
    }
}

/// Ingests all ranges that are not known, then begins an epoch.
fn take_over(journal: &Journal, pieces: &[RawRecords]) {
    for raw in pieces {
        journal.ingest(raw).unwrap();
    }
    journal.begin_epoch().unwrap();
}

#[test]
fn a_follower_that_begins_an_epoch_is_an_ordinary_journal() {
    for seed in 1..=4 {
        let (pieces, records) = primary(seed, 30);
        let (last, whole) = (pieces.last().unwrap(), pieces.len());
        for sync in KINDS {
            // The ranges end after any record, also inside a group.
            for count in [0, 1, 7, 8, 9, 10, 11, 12, pieces.len()] {
                let about = format!("seed {seed}, {sync:?}, {count} ranges");
                let (store, pieces) = (Memory::new(), &pieces[..count]);
                let follower = opened(&store, sync, 2_000);
                take_over(&follower.journal, pieces);
                let journal = &follower.journal;
                let taken = pieces.last().map_or(Lsn(0), |raw| raw.last);
                assert_eq!((journal.last(), journal.lasting()), (taken, taken), "{about}");
                assert!(bytes_in(journal) == bytes_of(pieces), "{about}");
                assert!(!following_mark::is_set(&store).unwrap(), "{about}");
                let mut workload = Workload::default();
                live(journal, &mut workload, seed, 30);
                workload.sync(journal);
                let own = ranges(journal, taken, || 500);
                let epoch = pieces.last().map_or(1, |raw| raw.epoch + 1);
                assert!(own.iter().all(|raw| raw.epoch == epoch), "{about}: {:?}", own.first());
                assert!(matches!(journal.ingest(last), Err(IngestError::Appends)), "{about}");
                drop(follower);
                let image = store.crash_image(&mut |_| Keep::Nothing);
                let again = opened(&image, sync, 2_000);
                let mut reader = RawReader::new(super::ID, Lsn(0));
                let want = [read_all(&mut reader, pieces), workload.records(Lsn(u64::MAX))].concat();
                assert!(again.found == want, "{about}");
                assert!(count < whole || want.starts_with(&records), "{about}");
            }
        }
    }
}

#[test]
fn records_that_do_not_follow_are_refused_and_change_nothing() {
    let (pieces, _) = primary(1, 30);
    let (others, _) = primary(2, 30);
    let store = Memory::new();
    let follower = opened(&store, Sync::Always, 2_000);
    let journal = &follower.journal;
    journal.ingest(&pieces[0]).unwrap();
    assert!(matches!(journal.ingest(&pieces[2]), Err(IngestError::Flaw(_))));
    let mut damaged = pieces[1].clone();
    damaged.bytes[70] ^= 1;
    assert!(matches!(journal.ingest(&damaged), Err(IngestError::Flaw(_))));
    let diverged = others.iter().find(|raw| raw.last >= journal.last()).unwrap();
    let refused = journal.ingest(diverged);
    assert!(matches!(refused, Err(IngestError::Diverged { .. } | IngestError::Flaw(_))), "{refused:?}");
    assert!(matches!(journal.ingest(&RawRecords { ..pieces[0].clone() }), Ok(())), "it is known");
    assert!(journal.ingest(&pieces[1]).is_ok() && !journal.failed());
    // An appended record fails a journal that follows.
    let appended = journal.append(1, b"own");
    assert!(journal.commit(appended.lsn).is_err() && journal.failed());
    drop(follower);
    let again = opened(&store.kill_image(), Sync::Always, 2_000);
    assert!(again.recovery.last <= pieces[1].last);
    again.journal.append(1, b"own");
    assert!(matches!(again.journal.ingest(&pieces[2]), Err(IngestError::Appends)));
    assert!(matches!(Journal::in_memory().ingest(&pieces[0]), Err(IngestError::Appends)));
}

fn random_image(seed: u64) -> impl FnMut(Unsynced) -> Keep {
    let mut random = Random::new(seed);
    move |change| match (random.below(6), change) {
        (0, _) => Keep::Nothing,
        (1 | 2, _) => Keep::All,
        (3, Unsynced::Write { bytes, .. }) => Keep::Prefix(random.below(bytes + 1)),
        (4, _) => Keep::Sectors(random.next()),
        _ => Keep::Length,
    }
}

/// Follows until the store fails. Returns the last record that was ingested, and the last one that was synced.
fn run(store: &Memory, sync: Sync, pieces: &[RawRecords]) -> (Lsn, Lsn) {
    let options = Options { segment_bytes: 900, ..options(sync) };
    let Ok(opened) = open_store(Arc::new(store.clone()), options, Lsn(0), Lsn(0)) else { return (Lsn(0), Lsn(0)) };
    let (journal, mut written) = (&opened.journal, Lsn(0));
    for raw in pieces {
        if journal.ingest(raw).is_err() {
            return (written, journal.synced());
        }
        written = journal.last();
    }
    if journal.begin_epoch().is_ok() {
        written = journal.last();
    }
    (written, journal.synced())
}

#[test]
fn a_crash_at_every_call_leaves_a_folder_that_continues_to_follow() {
    let (pieces, records) = primary(3, 9);
    let all = bytes_of(&pieces);
    for sync in KINDS {
        let whole = Memory::new();
        run(&whole, sync, &pieces);
        for call in 1..=whole.calls() {
            let store = Memory::new();
            store.freeze_at(call);
            let (written, synced) = run(&store, sync, &pieces);
            let mut images = vec![("killed".to_owned(), store.kill_image(), written)];
            for keep in [Keep::Nothing, Keep::All, Keep::Length] {
                images.push((format!("{keep:?}"), store.crash_image(&mut |_| keep), synced));
            }
            for seed in 0..3 {
                let image = store.crash_image(&mut random_image(call * 100 + seed));
                images.push((format!("image {seed}"), image, synced));
            }
            for (image, store, least) in images {
                let about = format!("{sync:?}, frozen at call {call}, {image}");
                let again = opened(&store, sync, 900);
                let journal = &again.journal;
                assert!(journal.last() >= least, "{about}: {least} is lost, {} is left", journal.last());
                is_prefix(&bytes_in(journal), &all, &about);
                take_over(journal, &pieces);
                assert!(bytes_in(journal) == all, "{about}");
                assert!(followed(journal) == records, "{about}");
                drop(again);
                let image = store.crash_image(&mut |_| Keep::Nothing);
                let again = opened(&image, sync, 900);
                assert!(again.found == records && again.recovery.cut_files == 0, "{about}");
                assert!(!image.list("").unwrap().iter().any(|name| name == following_mark::PATH), "{about}");
            }
        }
    }
}

#[test]
fn a_journal_that_begins_to_follow_accepts_no_record_of_its_own() {
    let (pieces, _) = primary(3, 20);
    let store = Memory::new();
    let journal = opened(&store, Sync::Interval, 900).journal;
    journal.begin_following().unwrap();
    journal.begin_following().unwrap();
    journal.append(1, b"by mistake");
    assert!(journal.failed());
    let store = Memory::new();
    let journal = opened(&store, Sync::Interval, 900).journal;
    journal.begin_following().unwrap();
    journal.ingest(&pieces[0]).unwrap();
    journal.begin_epoch().unwrap();
    journal.append(1, b"as a primary");
    journal.commit(journal.last()).unwrap();
    assert!(matches!(journal.begin_following(), Err(IngestError::Appends)));
}
