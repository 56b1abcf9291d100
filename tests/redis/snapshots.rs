//! Snapshots in chunks.

use crate::fixtures::{append_all, primary};
use levelgate::replication::{Begun, ChunkPut, Finished, SnapshotMark, SnapshotToFinish};
use levelgate::storage::journal::Lsn;
use support::redis::server::RedisServer;

#[tokio::test]
async fn a_snapshot_counts_once_it_is_whole_and_the_stream_has_reached_it() {
    let server = RedisServer::start();
    let (mut store, fence) = primary(&server.url()).await;
    append_all(&mut store, fence, &[5]).await;
    let snapshot = SnapshotToFinish { begin: Lsn(4), end: Lsn(6), chunks: 2, bytes: 3 };
    assert_eq!(store.put_chunk(fence, Lsn(4), 0, b"a").await, Ok(ChunkPut::NotBegun));
    assert_eq!(store.finish_snapshot(fence, snapshot).await, Ok(Finished::NotBegun));
    assert_eq!(store.begin_snapshot(fence, Lsn(4)).await, Ok(Begun::Yes));
    for (index, chunk, want) in [
        (1, b"b", ChunkPut::Expected { next: 0 }),
        (0, b"a", ChunkPut::Yes),
        (0, b"a", ChunkPut::Yes),
        (0, b"x", ChunkPut::Expected { next: 1 }),
        (2, b"c", ChunkPut::Expected { next: 1 }),
    ] {
        assert_eq!(store.put_chunk(fence, Lsn(4), index, chunk).await, Ok(want), "{index}");
    }
    assert_eq!(store.finish_snapshot(fence, snapshot).await, Ok(Finished::Chunks(1)));
    assert_eq!(store.put_chunk(fence, Lsn(4), 1, &[0, 255]).await, Ok(ChunkPut::Yes));
    assert_eq!(store.finish_snapshot(fence, snapshot).await, Ok(Finished::NotReached(Some(Lsn(5)))));
    assert_eq!(store.head().await.unwrap().unwrap().snapshot, None);
    assert_eq!(store.put_chunk(fence, Lsn(3), 0, b"x").await, Ok(ChunkPut::NotBegun), "another snapshot");
    store.append(fence, crate::fixtures::batch(5, 6, b"x")).await.unwrap();
    assert_eq!(store.finish_snapshot(fence, snapshot).await, Ok(Finished::Yes));
    assert_eq!(store.finish_snapshot(fence, snapshot).await, Ok(Finished::Yes), "a call that is repeated");
    let mark = SnapshotMark { begin: Lsn(4), end: Lsn(6), chunks: 2, bytes: 3 };
    assert_eq!(store.head().await.unwrap().unwrap().snapshot, Some(mark));
    assert_eq!(store.begin_snapshot(fence, Lsn(4)).await, Ok(Begun::AlreadyFinished));
    for (index, want) in [(0, Some(b"a".to_vec())), (1, Some(vec![0, 255])), (2, None)] {
        assert_eq!(store.read_chunk(Lsn(4), index).await, Ok(want), "{index}");
    }
}

#[tokio::test]
async fn an_older_and_an_unfinished_snapshot_are_deleted() {
    let server = RedisServer::start();
    let (mut store, fence) = primary(&server.url()).await;
    append_all(&mut store, fence, &[9]).await;
    let names = || {
        let mut names: Vec<String> =
            server.command("KEYS {levelgate}:snapshot:*").list().iter().map(|name| name.text()).collect();
        names.sort();
        names
    };
    for (begin, is_finished, want) in [
        (2, false, vec!["{levelgate}:snapshot:2"]),
        (2, false, vec!["{levelgate}:snapshot:2"]),
        (3, true, vec!["{levelgate}:snapshot:3"]),
        (4, false, vec!["{levelgate}:snapshot:3", "{levelgate}:snapshot:4"]),
        (5, true, vec!["{levelgate}:snapshot:5"]),
    ] {
        assert_eq!(store.begin_snapshot(fence, Lsn(begin)).await, Ok(Begun::Yes));
        assert_eq!(store.put_chunk(fence, Lsn(begin), 0, b"a").await, Ok(ChunkPut::Yes), "it begins without chunks");
        if is_finished {
            let snapshot = SnapshotToFinish { begin: Lsn(begin), end: Lsn(begin), chunks: 1, bytes: 1 };
            assert_eq!(store.finish_snapshot(fence, snapshot).await, Ok(Finished::Yes));
        }
        assert_eq!(names(), want, "{begin}");
    }
}
