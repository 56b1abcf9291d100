//! The stream: appending, trimming, reading.

use crate::fixtures::{INSTANCE, SECRET, append_all, batch, primary, store, tip};
use levelgate::config::OnOutage;
use levelgate::replication::{
    Appended, BatchToAppend, Begun, ErasedKey, Fence, Finished, Lease, RedisError, SnapshotToFinish, Tip, WrappedKey,
};
use levelgate::storage::journal::Lsn;
use support::redis::server::RedisServer;

#[tokio::test]
async fn a_batch_is_appended_only_after_the_record_before_it() {
    let server = RedisServer::start();
    let (mut store, fence) = primary(&server.url()).await;
    let ends_with = |lsn: Option<u64>| Ok(Appended::EndsWith(lsn.map(tip)));
    assert_eq!(store.append(fence, batch(4, 6, b"x")).await, ends_with(None), "the stream is empty");
    assert_eq!(store.append(fence, batch(0, 5, b"a")).await, Ok(Appended::Yes));
    for (name, batch, want) in [
        ("a duplicate", batch(0, 5, b"a"), Ok(Appended::Already)),
        ("a gap", batch(6, 8, b"x"), ends_with(Some(5))),
        ("an older one", batch(3, 4, b"x"), ends_with(Some(5))),
        ("another begin", batch(0, 4, b"x"), ends_with(Some(5))),
        ("the next one", batch(5, 9, b"b"), Ok(Appended::Yes)),
        ("the one before the last", batch(0, 5, b"a"), ends_with(Some(9))),
        ("the last one with another begin", batch(8, 9, b"c"), Ok(Appended::Already)),
    ] {
        assert_eq!(store.append(fence, batch).await, want, "{name}");
    }
    for (name, previous) in [
        ("another epoch", Tip { epoch: 4, ..tip(9) }),
        ("another checksum", Tip { crc: 1, ..tip(9) }),
        ("another number", Tip { lsn: Lsn(8), ..tip(9) }),
    ] {
        let of_other = BatchToAppend { previous: Some(previous), ..batch(9, 10, b"x") };
        assert_eq!(store.append(fence, of_other).await, ends_with(Some(9)), "{name}");
    }
    let of_other = BatchToAppend { last: Tip { crc: 1, ..tip(9) }, ..batch(5, 9, b"b") };
    assert_eq!(store.append(fence, of_other).await, ends_with(Some(9)), "another lineage of the same length");
    let page = store.read_stream(Lsn(0), 10, 1 << 20).await.unwrap();
    let entries: Vec<_> = page.entries.into_iter().map(|entry| (entry.last.0, entry.frame)).collect();
    assert_eq!(entries, [(5, b"a".to_vec()), (9, b"b".to_vec())]);
}

#[tokio::test]
async fn the_head_has_everything_that_was_written() {
    let server = RedisServer::start();
    let mut reader = store(&server.url(), "reader");
    assert_eq!(reader.head().await, Ok(None));
    let (mut store, fence) = primary(&server.url()).await;
    let head = reader.head().await.unwrap().unwrap();
    assert_eq!((head.format, head.instance, head.secret.as_slice()), (1, INSTANCE, SECRET));
    assert_eq!((head.fence, head.owner.as_str(), head.on_outage), (Fence(1), "primary", OnOutage::Continue));
    assert_eq!((head.tip, head.begin, head.snapshot, head.batches), (None, None, None, 0));
    assert_eq!(head.lease, Some(Lease { fence: Fence(1), expires_in_ms: None }));
    append_all(&mut store, fence, &[5, 9]).await;
    let keys = [1, u64::MAX].map(|number| WrappedKey { number, wrapped: vec![0, 255, number.to_le_bytes()[0]] });
    store.put_keys(fence, &keys).await.unwrap();
    let erased = ErasedKey { number: 1, customer: 77 };
    store.erase_keys(fence, &[erased]).await.unwrap();
    store.put_keys(fence, &keys).await.unwrap();
    let head = reader.head().await.unwrap().unwrap();
    assert_eq!((head.tip, head.begin, head.batches), (Some(tip(9)), Some(Lsn(1)), 2));
    assert_eq!((head.keys, head.erased), (1, 1), "an erased key is not written again");
    let (keys_page, erased_page) = (reader.read_keys(0).await.unwrap(), reader.read_erased(0).await.unwrap());
    assert_eq!((keys_page.cursor, keys_page.keys), (0, vec![keys[1].clone()]));
    assert_eq!((erased_page.cursor, erased_page.keys), (0, vec![erased]));
    let numbers = [1, 2, u64::MAX];
    assert_eq!(reader.read_keys_of(&numbers).await, Ok(vec![keys[1].clone()]));
    assert_eq!(reader.read_erased_of(&numbers).await, Ok(vec![erased]));
    assert_eq!(reader.read_keys_of(&[]).await, Ok(Vec::new()));
}

#[tokio::test]
async fn many_keys_are_read_page_by_page() {
    let server = RedisServer::start();
    let (mut store, fence) = primary(&server.url()).await;
    let keys: Vec<WrappedKey> =
        (0..5_000).map(|number| WrappedKey { number, wrapped: number.to_le_bytes().to_vec() }).collect();
    store.put_keys(fence, &keys).await.unwrap();
    let (mut read, mut pages, mut cursor) = (Vec::new(), 0, 0);
    loop {
        let page = store.read_keys(cursor).await.unwrap();
        (pages, cursor) = (pages + 1, page.cursor);
        read.extend(page.keys);
        if cursor == 0 {
            break;
        }
    }
    read.sort_by_key(|key| key.number);
    read.dedup();
    assert!(pages > 1);
    assert_eq!(read, keys);
}

#[tokio::test]
async fn a_page_of_the_stream_ends_at_its_limits() {
    let server = RedisServer::start();
    let (mut store, fence) = primary(&server.url()).await;
    append_all(&mut store, fence, &[2, 4, 6, 8]).await;
    for (after, count, bytes, want) in [
        (0, 10, 1 << 20, vec![2, 4, 6, 8]),
        (0, 2, 1 << 20, vec![2, 4]),
        (0, 10, 1, vec![2]),
        (0, 10, 11, vec![2, 4]),
        (4, 10, 1 << 20, vec![6, 8]),
        (5, 10, 1 << 20, vec![6, 8]),
        (8, 10, 1 << 20, vec![]),
    ] {
        let page = store.read_stream(Lsn(after), count, bytes).await.unwrap();
        let read: Vec<u64> = page.entries.iter().map(|entry| entry.last.0).collect();
        assert_eq!(read, want, "{after} {count} {bytes}");
        assert_eq!((page.tip, page.begin, page.fence), (Some(tip(8)), Some(Lsn(1)), fence));
        assert_eq!(page.lease.map(|lease| lease.fence), Some(fence));
    }
}

#[tokio::test]
async fn only_what_a_finished_snapshot_contains_is_trimmed() {
    let server = RedisServer::start();
    let (mut store, fence) = primary(&server.url()).await;
    append_all(&mut store, fence, &[2, 4, 6, 8]).await;
    let is_uncovered =
        |answer| matches!(answer, Err(RedisError::Refused(text)) if text.contains("no snapshot contains"));
    assert!(is_uncovered(store.trim(fence, Lsn(2)).await), "there is no snapshot");
    assert_eq!(store.begin_snapshot(fence, Lsn(5)).await, Ok(Begun::Yes));
    let snapshot = SnapshotToFinish { begin: Lsn(5), end: Lsn(6), chunks: 0, bytes: 0 };
    assert!(is_uncovered(store.trim(fence, Lsn(2)).await), "the snapshot is not finished");
    assert_eq!(store.finish_snapshot(fence, snapshot).await, Ok(Finished::Yes));
    for (through, want) in [(1, Ok(Lsn(1))), (2, Ok(Lsn(3))), (3, Ok(Lsn(3))), (5, Ok(Lsn(5))), (4, Ok(Lsn(5)))] {
        assert_eq!(store.trim(fence, Lsn(through)).await, want, "through {through}");
    }
    assert!(is_uncovered(store.trim(fence, Lsn(6)).await));
    let page = store.read_stream(Lsn(0), 10, 1 << 20).await.unwrap();
    assert_eq!(page.entries.iter().map(|entry| entry.last.0).collect::<Vec<_>>(), [6, 8]);
    assert_eq!(page.begin, Some(Lsn(5)), "a reader sees that entries are missing");
    assert_eq!(store.append(fence, batch(8, 9, b"x")).await, Ok(Appended::Yes), "the stream continues");
}

#[tokio::test]
async fn the_last_batch_is_never_trimmed() {
    let server = RedisServer::start();
    let (mut store, fence) = primary(&server.url()).await;
    append_all(&mut store, fence, &[2, 4]).await;
    store.begin_snapshot(fence, Lsn(4)).await.unwrap();
    let snapshot = SnapshotToFinish { begin: Lsn(4), end: Lsn(4), chunks: 0, bytes: 0 };
    assert_eq!(store.finish_snapshot(fence, snapshot).await, Ok(Finished::Yes));
    assert_eq!(store.trim(fence, Lsn(4)).await, Ok(Lsn(3)));
    assert_eq!(store.append(fence, batch(4, 5, b"x")).await, Ok(Appended::Yes));
}

#[tokio::test]
async fn a_stream_that_was_changed_by_hand_is_noticed() {
    for (command, found) in [
        ("DEL {levelgate}:stream", "none"),
        ("XDEL {levelgate}:stream 4-0", "2-0"),
        ("XTRIM {levelgate}:stream MAXLEN 1", "4-0"),
        ("XADD {levelgate}:stream 5-0 b x", "5-0"),
    ] {
        let server = RedisServer::start();
        let (mut store, fence) = primary(&server.url()).await;
        append_all(&mut store, fence, &[2, 4]).await;
        server.command(command);
        let want = RedisError::StreamChanged { found: found.to_owned(), expected: "4-0".to_owned() };
        assert_eq!(store.append(fence, batch(4, 6, b"x")).await, Err(want.clone()), "{command}");
        assert_eq!(store.append(fence, batch(2, 4, b"x")).await, Err(want), "{command}: also a duplicate");
    }
}

#[tokio::test]
async fn a_script_that_the_server_forgot_is_sent_again() {
    let server = RedisServer::start();
    let (mut store, fence) = primary(&server.url()).await;
    append_all(&mut store, fence, &[2]).await;
    server.command("SCRIPT FLUSH SYNC");
    assert_eq!(store.append(fence, batch(2, 4, b"x")).await, Ok(Appended::Yes));
}
