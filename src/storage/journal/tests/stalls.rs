//! A disk that stalls: what goes on while a write, a sync or a rotation waits, and what waits with it.

use crate::{
    scheduling::become_background_thread,
    storage::{
        fs::memory::{Keep, Memory, StalledCalls},
        journal::{
            log::Journal,
            model::{
                companion::Companion,
                ids::Lsn,
                options::{Options, Sync},
            },
            tests::{Opened, open_store, open_with_companion, options},
        },
    },
};
use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::task::JoinHandle;

const JOURNAL: &str = "journal";

fn opened(store: &Memory, sync: Sync) -> Opened {
    let options = Options { tail_bytes: 1_000_000, ..options(sync) };
    open_store(Arc::new(store.clone()), options, Lsn(0), Lsn(0)).unwrap()
}

/// Tasks that each append a record and wait for it.
fn many(journal: &Arc<Journal>, count: u64) -> Vec<JoinHandle<()>> {
    let one = |owner| {
        let journal = Arc::clone(journal);
        tokio::spawn(async move {
            let lsn = journal.append(owner, b"events").lsn;
            journal.committed(lsn).await.unwrap();
            assert!(journal.is_committed(lsn));
        })
    };
    (0..count).map(one).collect()
}

/// Everything that only reads memory answers.
fn reads(journal: &Journal) {
    let _seen = (journal.last(), journal.synced(), journal.is_full(), journal.failed(), journal.begins_at());
    let _seen = (journal.segments(), journal.slow_writes(), journal.rotations(), journal.oldest_unwritten());
    let appended = journal.append(7, b"read back");
    let mut events = Vec::new();
    assert_eq!(journal.read(appended.offset, &mut events).unwrap().lsn, appended.lsn);
}

/// Returns when every task of the runtime that can go on has done so: each of these is polled after those before it.
async fn until_idle() {
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stalled_write_blocks_one_worker_and_those_who_wait_for_it() {
    for sync in [Sync::Interval, Sync::Never] {
        let store = Memory::new();
        let opened = opened(&store, sync);
        let _pulse = crate::http::server::pulse::Pulse::start(&tokio::runtime::Handle::current()).unwrap();
        let stall = store.stall(StalledCalls::Writes(JOURNAL));
        let tasks = many(&opened.journal, 40);
        stall.until_a_call_waits();
        // This runs on the runtime too: with both workers blocked it would never come to its end.
        let journal = Arc::clone(&opened.journal);
        let other = tokio::spawn(async move {
            until_idle().await;
            reads(&journal);
        });
        other.await.unwrap();
        assert_eq!(stall.blocked_threads().len(), 1, "one leads, and no other blocks");
        assert!(tasks.iter().all(|task| !task.is_finished()), "nothing is acknowledged before it is written");
        drop(stall);
        for task in tasks {
            task.await.unwrap();
        }
        opened.journal.close().unwrap();
    }
}

#[test]
fn a_background_thread_leaves_writing_to_the_threads_of_the_journal() {
    let commit = |journal: &Journal| journal.commit(journal.last());
    let sync = |journal: &Journal| journal.sync().map(drop);
    let cases = [
        (Sync::Interval, commit as fn(&Journal) -> _, "journal-write"),
        (Sync::Never, commit, "journal-write"),
        (Sync::Always, commit, "journal-sync"),
        (Sync::Never, sync, "journal-sync"),
        (Sync::Always, sync, "journal-sync"),
    ];
    for (mode, wait, writer) in cases {
        let store = Memory::new();
        let journal = opened(&store, mode).journal;
        let stall = store.stall(StalledCalls::Writes(JOURNAL));
        let waiting = std::thread::spawn({
            let journal = Arc::clone(&journal);
            move || {
                become_background_thread();
                journal.append(1, b"events");
                wait(&journal).map(|()| journal.synced().max(Lsn(journal.marks.committed.load(Ordering::Acquire))))
            }
        });
        stall.until_a_call_waits();
        assert_eq!(stall.blocked_threads(), [writer], "{mode:?}");
        let later = journal.append(1, b"later").lsn;
        drop(stall);
        assert!(waiting.join().unwrap().unwrap() >= Lsn(1), "{mode:?}");
        let is_asked_for = mode != Sync::Never || writer != "journal-sync";
        assert!(is_asked_for || !journal.is_committed(later), "no caller has asked for the later record");
        journal.close().unwrap();
    }
    // A journal in memory has no threads that could write.
    let journal = Journal::in_memory();
    let record = journal.append(1, b"events");
    journal.marks.committed.store(0, Ordering::Release);
    let commit = move || {
        become_background_thread();
        journal.commit(record.lsn).and_then(|()| journal.sync())
    };
    assert_eq!(std::thread::spawn(commit).join().unwrap(), Ok(record.lsn));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_writes_are_slow_a_thread_writes() {
    let store = Memory::new();
    let opened = opened(&store, Sync::Interval);
    let stall = store.stall(StalledCalls::Writes(JOURNAL));
    let first = many(&opened.journal, 1);
    stall.until_a_call_waits();
    std::thread::sleep(Duration::from_millis(30));
    drop(stall);
    for task in first {
        task.await.unwrap();
    }
    assert_eq!(opened.journal.slow_writes(), 1);
    let stall = store.stall(StalledCalls::Writes(JOURNAL));
    let tasks = many(&opened.journal, 40);
    stall.until_a_call_waits();
    // Both workers poll: each of these tasks needs a separate one.
    let meet = Arc::new(std::sync::Barrier::new(2));
    let both = (0..2).map(|_| {
        let meet = Arc::clone(&meet);
        tokio::spawn(async move { meet.wait() })
    });
    for task in both.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    assert!(tasks.iter().all(|task| !task.is_finished()));
    drop(stall);
    for task in tasks {
        task.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stalled_sync_stalls_no_write_and_no_rotation() {
    let store = Memory::new();
    let opened = opened(&store, Sync::Interval);
    let journal = &opened.journal;
    let first = journal.append(1, &[1; 100]).lsn;
    journal.committed(first).await.unwrap();
    let stall = store.stall(StalledCalls::Syncs(JOURNAL));
    let syncing = {
        let journal = Arc::clone(journal);
        std::thread::spawn(move || journal.sync())
    };
    stall.until_a_call_waits();
    // Far more than two segments: they are written to the end, and a thread rotates.
    for owner in 0..40 {
        let lsn = journal.append(owner, &[2; 100]).lsn;
        journal.committed(lsn).await.unwrap();
    }
    assert!(journal.rotations() > 2, "{}", journal.rotations());
    assert_eq!(journal.synced(), Lsn(0), "what is not synced is not said to be");
    reads(journal);
    drop(stall);
    syncing.join().unwrap().unwrap();
    journal.sync().unwrap();
    assert_eq!(journal.synced(), journal.last());
    let image = store.crash_image(&mut |_| Keep::Nothing);
    assert_eq!(super::open(&image, Sync::Interval).unwrap().recovery.last, journal.last());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stalled_rotation_stalls_no_worker() {
    let store = Memory::new();
    let opened = opened(&store, Sync::Never);
    let journal = &opened.journal;
    // A segment without records takes any batch, and the tasks below share one.
    let first = journal.append(1, &[3; 100]).lsn;
    journal.committed(first).await.unwrap();
    let stall = store.stall(StalledCalls::Names);
    // Up to twice a segment's bytes the tasks write on; then they wait, on no worker.
    let tasks: Vec<_> = (0..40)
        .map(|owner| {
            let journal = Arc::clone(journal);
            tokio::spawn(async move {
                let lsn = journal.append(owner, &[3; 100]).lsn;
                journal.committed(lsn).await.unwrap();
            })
        })
        .collect();
    stall.until_a_call_waits();
    let meet = Arc::new(std::sync::Barrier::new(2));
    for _ in 0..2 {
        let meet = Arc::clone(&meet);
        drop(tokio::spawn(async move { meet.wait() }));
    }
    reads(journal);
    assert!(tasks.iter().any(|task| !task.is_finished()));
    drop(stall);
    for task in tasks {
        task.await.unwrap();
    }
    assert!(journal.rotations() > 0);
}

#[tokio::test]
async fn without_a_next_file_records_go_on_in_the_current_segment() {
    const EMFILE: i32 = 24;
    let store = Memory::new();
    let opened = opened(&store, Sync::Interval);
    let journal = &opened.journal;
    store.fail_creations(Some(EMFILE));
    for owner in 0..60 {
        let lsn = journal.append(owner, &[4; 100]).lsn;
        journal.committed(lsn).await.unwrap();
    }
    assert!(!journal.failed() && journal.rotations_postponed() > 0);
    assert!(journal.rotations() <= 1, "the file that was created ahead is all there is");
    store.fail_creations(None);
    let last = journal.last();
    journal.sync().unwrap();
    let image = store.crash_image(&mut |_| Keep::Nothing);
    assert_eq!(super::open(&image, Sync::Interval).unwrap().recovery.last, last);
}

/// A companion whose file another thread has locked.
#[derive(Default)]
struct Busy(AtomicBool);

impl Companion for Busy {
    fn write(&self) -> io::Result<()> {
        while self.0.load(Ordering::Acquire) {
            std::thread::yield_now();
        }
        Ok(())
    }
    fn try_write(&self) -> io::Result<bool> {
        Ok(!self.0.load(Ordering::Acquire))
    }
    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_task_does_not_wait_for_the_keys_file() {
    let (store, busy) = (Memory::new(), Arc::new(Busy::default()));
    let journal = open_with_companion(&store, busy.clone());
    busy.0.store(true, Ordering::Release);
    let tasks = many(&journal, 5);
    // The only worker of this runtime polls all of them, and this.
    until_idle().await;
    assert!(tasks.iter().all(|task| !task.is_finished()));
    busy.0.store(false, Ordering::Release);
    for task in tasks {
        task.await.unwrap();
    }
}
