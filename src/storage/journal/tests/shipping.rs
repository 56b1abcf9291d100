//! The watermark of the copy elsewhere.

use crate::storage::{
    fs::{memory::Memory, ram::Ram},
    journal::{
        log::Journal,
        model::{
            ids::Lsn,
            options::{BACKLOG_BYTES_MAX, Options, Sync},
        },
        tests::{Opened, Workload, live, open, open_store, options},
    },
};
use std::sync::Arc;

#[tokio::test]
async fn a_wait_for_the_copy_ends_with_its_record_or_with_the_failure() {
    let store = Memory::new();
    let Opened { journal, .. } = open(&store, Sync::Interval).unwrap();
    journal.append(1, b"one");
    journal.append(1, b"two");
    let waiting = |lsn| {
        let journal = Arc::clone(&journal);
        tokio::spawn(async move { journal.shipped_to(lsn).await })
    };
    let (first, second) = (waiting(Lsn(1)), waiting(Lsn(2)));
    tokio::task::yield_now().await;
    assert!(!first.is_finished() && !second.is_finished());
    journal.set_shipped(Lsn(1));
    first.await.unwrap().unwrap();
    tokio::task::yield_now().await;
    assert!(!second.is_finished());
    journal.set_shipped(Lsn(0));
    assert_eq!(journal.shipped(), Lsn(1), "it only increases");
    journal.shipped_to(Lsn(1)).await.unwrap();
    journal.set_shipped(Lsn(99));
    assert_eq!(journal.shipped(), Lsn(2), "no more than there is");
    second.await.unwrap().unwrap();
    journal.append(1, b"three");
    let third = waiting(Lsn(3));
    tokio::task::yield_now().await;
    journal.fail("a test");
    assert!(third.await.unwrap().is_err());
    assert!(journal.shipped_to(Lsn(2)).await.is_ok(), "what is confirmed stays so");
}

#[test]
fn a_journal_in_a_store_in_memory_is_full_of_what_the_copy_does_not_have() {
    let store = Arc::new(Ram::new());
    let options = Options { segment_bytes: 8 << 20, ..options(Sync::Never) };
    let Opened { journal, .. } = open_store(store, options, Lsn(0), Lsn(0)).unwrap();
    let append = |journal: &Journal| {
        let lsn = journal.append(1, &vec![7; 1 << 20]).lsn;
        journal.commit(lsn).unwrap();
    };
    for _ in 0..64 {
        append(&journal);
    }
    assert!(!journal.is_full(), "all of it is written");
    journal.limit_unshipped();
    assert!(journal.is_full() && journal.end().0 > BACKLOG_BYTES_MAX);
    let raw = journal.raw_after(Lsn(0), 3 << 20).unwrap().unwrap();
    journal.set_shipped(raw.last);
    assert!(!journal.is_full());
    append(&journal);
    append(&journal);
    assert!(journal.is_full());
    // A number that no range ended with.
    journal.set_shipped(Lsn(5));
    assert!(!journal.is_full());
}

#[test]
fn a_journal_in_a_store_in_memory_is_one_on_a_disk() {
    let (ram, memory) = (Arc::new(Ram::new()), Memory::new());
    let mut found = Vec::new();
    for epoch in 0..3 {
        let (mut one, mut other) = (Workload::default(), Workload::default());
        let on_ram = open_store(ram.clone(), options(Sync::Never), Lsn(0), Lsn(0)).unwrap();
        let on_memory = open(&memory, Sync::Never).unwrap();
        assert_eq!(on_ram.found, on_memory.found);
        live(&on_ram.journal, &mut one, epoch, 80);
        live(&on_memory.journal, &mut other, epoch, 80);
        on_ram.journal.close().unwrap();
        on_memory.journal.close().unwrap();
        found.extend(one.records(Lsn(u64::MAX)));
    }
    let last = open_store(ram, options(Sync::Never), Lsn(0), Lsn(0)).unwrap();
    assert_eq!(last.found, found);
}
