//! The journal at work: reading by place, waiting, many threads.

use crate::{
    domain::transaction::log_offset::LogOffset,
    storage::{
        fs::{
            memory::{EIO, Fault, Keep, Memory},
            store::Store,
        },
        journal::{
            format::frame::{self, Kind, RECORD_BYTES_MAX},
            log::Journal,
            model::{
                companion::Companion,
                error::ReadError,
                ids::Lsn,
                options::{Options, Sync},
            },
            tests::{Opened, Workload, open, open_store, open_with_companion, options},
        },
    },
};
use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

#[test]
fn a_spare_chunk_is_ready_before_the_newest_is_full() {
    let journal = Journal::in_memory();
    for owner in 0..20 {
        journal.append(owner, &[5; 100_000]);
        assert!(!journal.buffer.lock().wants_spare(), "after record {owner}");
    }
    journal.fail("a test");
    assert!(!journal.buffer.lock().wants_spare(), "a failed journal needs no spare chunk");
}

#[test]
fn the_thread_that_writes_prepares_the_spare_chunk_and_writes_nothing() {
    let journal = open_store(Arc::new(Memory::new()), options(Sync::Never), Lsn(0), Lsn(0)).unwrap().journal;
    let record = journal.append(1, b"events");
    while journal.buffer.lock().wants_spare() {
        std::thread::yield_now();
    }
    assert!(!journal.is_committed(record.lsn));
    journal.close().unwrap();
}

#[test]
fn a_journal_in_memory_commits_at_once_and_forgets_nothing() {
    let journal = Journal::in_memory();
    let body = vec![5; 100_000];
    let places: Vec<LogOffset> = (0..30).map(|owner| journal.append(owner, &body).offset).collect();
    assert!(journal.is_committed(Lsn(30)) && journal.synced() == Lsn(30) && !journal.is_full());
    journal.commit(Lsn(30)).unwrap();
    assert_eq!((journal.sync().unwrap(), journal.segments()), (Lsn(30), vec![]));
    journal.rotate().unwrap();
    let mut events = Vec::new();
    for (owner, offset) in places.iter().enumerate() {
        let head = journal.read(*offset, &mut events).unwrap();
        assert_eq!((head.owner, head.lsn.0), (owner as u64, owner as u64 + 1));
        assert_eq!(events, body);
    }
    assert!(matches!(journal.read(LogOffset(0), &mut events), Err(ReadError::NoRecord(_))), "a batch header is none");
    assert!(
        journal.read(LogOffset(61), &mut events).is_err() && journal.read(LogOffset(u64::MAX), &mut events).is_err()
    );
    journal.close().unwrap();
}

#[test]
fn records_are_read_from_the_tail_and_from_the_file() {
    for tail_bytes in [0, 300_000, 10_000_000] {
        let store = Memory::new();
        let options = Options { tail_bytes, segment_bytes: 700_000, ..options(Sync::Interval) };
        let opened = open_store(Arc::new(store.clone()), options, Lsn(0), Lsn(0)).unwrap();
        let mut workload = Workload::default();
        for n in 0_usize..300 {
            // Some are longer than a chunk, some fill one to the byte.
            let len = [10, 600, 9_000, 262_144 - 96, 300_000][if n % 40 < 2 { 3 + n % 2 } else { n % 3 }];
            let lsn = if n % 7 == 0 {
                workload.append_group(&opened.journal, &[(1, vec![1; len]), (2, vec![2; 5])])
            } else {
                workload.append(&opened.journal, 3, &vec![u8::try_from(n % 256).unwrap(); len])
            };
            if n % 3 == 0 {
                opened.journal.commit(lsn).unwrap();
            }
        }
        let mut events = Vec::new();
        let mut read_all = |journal: &Journal| {
            for kept in workload.records(Lsn(u64::MAX)) {
                let head = journal.read(kept.offset, &mut events).unwrap();
                assert_eq!((head.lsn, head.owner, &events), (kept.lsn, kept.owner, &kept.events));
                assert!(matches!(head.kind, Kind::Events | Kind::Part));
            }
        };
        read_all(&opened.journal);
        opened.journal.close().unwrap();
        let again = open_store(Arc::new(store.kill_image()), options, Lsn(0), Lsn(0)).unwrap();
        read_all(&again.journal);
        assert!(again.journal.read(again.journal.end(), &mut events).is_err());
        // Flipped bits are reported, not read.
        let last = workload.records(Lsn(u64::MAX)).pop().unwrap();
        let segment =
            again.journal.segments().into_iter().rfind(|segment| segment.first_offset <= last.offset).unwrap();
        let path = if segment.last < last.lsn { again.journal.segments()[0].path.clone() } else { segment.path };
        assert!(store.bytes(&path).is_some());
    }
}

#[test]
fn a_flipped_bit_is_reported_by_a_read() {
    let store = Memory::new();
    let opened = open(&store, Sync::Interval).unwrap();
    let appended = opened.journal.append(1, b"some events");
    opened.journal.close().unwrap();
    drop(opened);
    let opened = open(&store, Sync::Interval).unwrap();
    assert!(store.flip_bit("journal/00000000000000000001.log", 60 + 60 + 33, 4));
    let error = opened.journal.read(appended.offset, &mut Vec::new()).unwrap_err().to_string();
    assert!(error.contains("checksum") && error.contains("journal/00000000000000000001.log"), "{error}");
}

#[test]
fn a_record_that_is_too_long_fails_the_journal() {
    let store = Memory::new();
    let opened = open(&store, Sync::Interval).unwrap();
    let longest = opened.journal.append(1, &vec![7; RECORD_BYTES_MAX - 36]);
    opened.journal.commit(longest.lsn).unwrap();
    let appended = opened.journal.append(1, &vec![7; RECORD_BYTES_MAX - 35]);
    assert!(opened.journal.failed());
    let error = opened.journal.commit(appended.lsn).unwrap_err().to_string();
    assert!(error.contains("longer than a record may be"), "{error}");
    drop(opened);
    assert_eq!(open(&store, Sync::Interval).unwrap().recovery.last, longest.lsn);
}

#[tokio::test]
async fn a_failed_journal_tells_everyone_for_ever() {
    for sync in [Sync::Always, Sync::Interval, Sync::Never] {
        let store = Memory::new();
        let opened = open(&store, sync).unwrap();
        let kept = opened.journal.append(1, b"kept");
        opened.journal.committed(kept.lsn).await.unwrap();
        for call in 1..100 {
            store.fail_at(store.calls() + call, Fault::Error(EIO));
        }
        let journal = Arc::clone(&opened.journal);
        let waits = tokio::spawn(async move { journal.when_failed().await });
        let unsynced = opened.journal.append(1, b"lost");
        let failure = opened.journal.committed(unsynced.lsn).await.unwrap_err();
        assert_eq!(
            (waits.await.unwrap(), opened.journal.commit(unsynced.lsn)),
            (failure.clone(), Err(failure.clone()))
        );
        let nowhere = opened.journal.append(1, b"nowhere");
        assert!(nowhere.offset > unsynced.offset && opened.journal.read(nowhere.offset, &mut Vec::new()).is_err());
        assert_eq!(opened.journal.committed(nowhere.lsn).await, Err(failure.clone()));
        assert!(opened.journal.sync().is_err() && opened.journal.rotate().is_err() && opened.journal.close().is_err());
        assert_eq!(opened.journal.committed(kept.lsn).await, Ok(()), "what was kept is kept");
    }
}

#[test]
fn the_backlog_says_when_it_is_full() {
    let opened = open(&Memory::new(), Sync::Interval).unwrap();
    let body = vec![0; 8 * 1024 * 1024];
    let mut last = Lsn(0);
    for _ in 0..8 {
        assert!(!opened.journal.is_full());
        last = opened.journal.append(1, &body).lsn;
    }
    assert!(opened.journal.is_full());
    opened.journal.commit(last).unwrap();
    assert!(!opened.journal.is_full());
}

#[derive(Default)]
struct Keys {
    written: AtomicU64,
    synced: AtomicU64,
    fails: AtomicU64,
}

impl Companion for Keys {
    fn write(&self) -> io::Result<()> {
        self.written.fetch_add(1, Ordering::Relaxed);
        if self.fails.load(Ordering::Relaxed) > 0 { Err(io::Error::other("no keys")) } else { Ok(()) }
    }
    fn sync(&self) -> io::Result<()> {
        self.synced.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

#[test]
fn the_companion_is_written_before_each_batch_and_synced_before_each_sync() {
    let (store, keys) = (Memory::new(), Arc::new(Keys::default()));
    let journal = open_with_companion(&store, keys.clone());
    let count = || (keys.written.load(Ordering::Relaxed), keys.synced.load(Ordering::Relaxed));
    let lsn = journal.append(1, b"a").lsn;
    assert_eq!(count(), (0, 0));
    journal.commit(lsn).unwrap();
    assert_eq!(count(), (1, 0));
    journal.sync().unwrap();
    assert_eq!(count(), (2, 1));
    journal.sync().unwrap();
    assert_eq!(count(), (3, 2), "a snapshot makes keys that no record needs");
    keys.fails.store(1, Ordering::Relaxed);
    let unsynced = journal.append(1, b"b").lsn;
    assert!(journal.commit(unsynced).unwrap_err().to_string().contains("no keys"));
    let image = store.kill_image();
    assert_eq!(open(&image, Sync::Interval).unwrap().recovery.last, lsn, "no batch is written without its keys");
}

#[test]
fn with_an_interval_the_medium_gets_it_by_itself() {
    let options = Options { sync_interval: Duration::from_millis(1), ..options(Sync::Interval) };
    let opened = open_store(Arc::new(Memory::new()), options, Lsn(0), Lsn(0)).unwrap();
    let appended = opened.journal.append(1, b"no caller waits for it");
    let begun = std::time::Instant::now();
    while opened.journal.synced() < appended.lsn {
        assert!(begun.elapsed() < Duration::from_secs(30), "nothing was synced");
        std::thread::yield_now();
    }
}

#[test]
fn a_rotation_syncs_what_it_seals_unless_nothing_is_ever_synced() {
    for (sync, synced) in [(Sync::Always, Lsn(3)), (Sync::Interval, Lsn(3)), (Sync::Never, Lsn(0))] {
        let store = Memory::new();
        let opened = open(&store, sync).unwrap();
        for owner in 1..4 {
            opened.journal.append(owner, b"events");
        }
        opened.journal.rotate().unwrap();
        opened.journal.rotate().unwrap();
        assert_eq!(opened.journal.synced(), synced, "{sync:?}");
        let segments = opened.journal.segments();
        assert_eq!(segments.iter().map(|segment| segment.sealed).collect::<Vec<_>>(), [true, false], "{sync:?}");
        assert_eq!((segments[0].last, segments[1].first_lsn, segments[1].last), (Lsn(3), Lsn(4), Lsn(3)));
        assert_eq!(segments[0].end_offset, segments[1].first_offset);
        let image = store.crash_image(&mut |_| Keep::Nothing);
        assert_eq!(open(&image, sync).unwrap().recovery.last, synced, "{sync:?}");
    }
}

#[tokio::test]
async fn after_a_close_whoever_waits_writes() {
    for sync in [Sync::Always, Sync::Interval, Sync::Never] {
        let store = Memory::new();
        let opened = open(&store, sync).unwrap();
        opened.journal.close().unwrap();
        let lsn = opened.journal.append(1, b"a").lsn;
        opened.journal.commit(lsn).unwrap();
        let lsn = opened.journal.append(1, b"b").lsn;
        opened.journal.committed(lsn).await.unwrap();
        assert_eq!(open(&store.kill_image(), sync).unwrap().recovery.last, lsn);
    }
}

fn many_threads(store: Arc<dyn Store>, options: Options, seen_by: impl Fn() -> Opened) {
    const THREADS: u64 = 8;
    const EACH: u64 = 400;
    let opened = open_store(store, options, Lsn(0), Lsn(0)).unwrap();
    let journal = &opened.journal;
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            scope.spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
                let mut events = Vec::new();
                for n in 0..EACH {
                    let body = [thread.to_le_bytes(), n.to_le_bytes()].concat();
                    let (offset, lsn) = if n % 10 == 3 {
                        let (appended, end) = journal.append_group(&[(thread, body.clone()), (100, vec![1; 8])]);
                        (appended[0].offset, end)
                    } else {
                        let appended = journal.append(thread, &body);
                        (appended.offset, appended.lsn)
                    };
                    match n % 4 {
                        0 => runtime.block_on(journal.committed(lsn)).unwrap(),
                        1 => journal.commit(lsn).unwrap(),
                        2 if n % 100 == 2 => {
                            journal.sync().unwrap();
                        }
                        _ => {}
                    }
                    assert_eq!(journal.read(offset, &mut events).unwrap().owner, thread);
                    assert_eq!(events, body);
                }
                journal.commit(journal.last()).unwrap();
            });
        }
    });
    let committed = journal.last();
    // A kill, but for the thread, which would hold the folder's lock a while longer.
    journal.stop_threads();
    drop(opened);
    let again = seen_by();
    assert_eq!(again.recovery.last, committed);
    let mut next = [0_u64; 8];
    for kept in again.found.iter().filter(|kept| kept.owner < THREADS) {
        let owner = usize::try_from(kept.owner).unwrap();
        assert_eq!(kept.events, [kept.owner.to_le_bytes(), next[owner].to_le_bytes()].concat());
        next[owner] += 1;
    }
    assert_eq!(next, [EACH; 8]);
}

#[test]
fn eight_threads_append_and_commit() {
    for sync in [Sync::Always, Sync::Interval, Sync::Never] {
        let store = Memory::new();
        let options = Options {
            sync_interval: Duration::from_millis(1),
            segment_bytes: 20_000,
            tail_bytes: 10_000,
            ..options(sync)
        };
        many_threads(Arc::new(store.clone()), options, || {
            // With each record synced even a power cut takes nothing that was committed.
            let image = match sync {
                Sync::Always => store.crash_image(&mut |_| Keep::Nothing),
                Sync::Interval | Sync::Never => store.kill_image(),
            };
            open(&image, sync).unwrap()
        });
    }
}

#[test]
fn eight_threads_on_a_disk() {
    for sync in [Sync::Always, Sync::Interval, Sync::Never] {
        let folder = tempfile::tempdir().unwrap();
        let disk = || Arc::new(crate::storage::fs::disk::Disk::open(folder.path()).unwrap());
        let options =
            Options { sync_interval: Duration::from_millis(1), segment_bytes: 50_000, tail_bytes: 0, ..options(sync) };
        many_threads(disk(), options, || open_store(disk(), options, Lsn(0), Lsn(0)).unwrap());
    }
}

/// The batches between two offsets with `records` records of `bytes` bytes: each begins with a header.
fn batches_between(from: LogOffset, to: LogOffset, records: usize, bytes: usize) -> u64 {
    let records = records * frame::record_bytes(bytes).unwrap();
    (to.0 - from.0 - records as u64) / frame::BATCH_BYTES as u64
}

#[tokio::test]
async fn the_ready_tasks_of_a_thread_share_a_write_and_a_task_alone_waits_for_no_other() {
    let options = Options { segment_bytes: 1 << 20, ..options(Sync::Interval) };
    let journal = open_store(Arc::new(Memory::new()), options, Lsn(0), Lsn(0)).unwrap().journal;
    for count in [1, 2, 40] {
        let from = journal.end();
        let one = |owner| {
            let journal = Arc::clone(&journal);
            tokio::spawn(async move { journal.committed(journal.append(owner, b"events").lsn).await })
        };
        for task in (0..count).map(one).collect::<Vec<_>>() {
            task.await.unwrap().unwrap();
        }
        assert_eq!(batches_between(from, journal.end(), usize::try_from(count).unwrap(), 6), 1, "{count} tasks");
    }
    let alone = Arc::clone(&journal);
    let task = tokio::spawn(async move {
        alone.committed(alone.append(1, b"events").lsn).await.unwrap();
        for _ in 0..5 {
            let lsn = alone.append(1, b"events").lsn;
            let mut committed = std::pin::pin!(alone.committed(lsn));
            let polled = std::future::poll_fn(|context| std::task::Poll::Ready(committed.as_mut().poll(context))).await;
            assert!(polled.is_ready(), "one task has nothing to wait for");
        }
    });
    task.await.unwrap();
    journal.close().unwrap();
}
