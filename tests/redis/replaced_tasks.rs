//! Each task of the replication thread notices by itself that another daemon has taken over.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use levelgate::config::{OnOutage, Redis};
use levelgate::replication::{
    ErasedKey, FenceMemory, KnownFence, RedisError, ReplicationEnd, ReplicationParts, ReplicationThread, ShippingRules,
    ShippingState, SnapshotSink, SnapshotSource, client::tls_provider,
};
use levelgate::storage::fs::memory::Memory;
use levelgate::storage::journal::{Instance, Journal, JournalId, Lsn, Options, Record, Sync};
use levelgate::storage::keys::Keys;
use support::process::eventually;
use support::redis::server::RedisServer;

use crate::fixtures::{files, settings};

const ID: JournalId = JournalId([7; 16]);

#[derive(Default)]
struct KnownFences(Mutex<Option<KnownFence>>);

impl FenceMemory for KnownFences {
    fn known(&self) -> Option<KnownFence> {
        *self.0.lock().unwrap()
    }

    fn keep(&self, fence: KnownFence) -> io::Result<()> {
        *self.0.lock().unwrap() = Some(fence);
        Ok(())
    }
}

struct NoSnapshots;

impl SnapshotSource for NoSnapshots {
    fn write(&self, begin: Lsn, sink: &mut SnapshotSink<'_>) -> io::Result<Lsn> {
        sink(b"a snapshot")?;
        // The stream does not reach it, so another one is tried each second.
        Ok(Lsn(begin.0.saturating_sub(1)))
    }

    fn trimmable(&self, _: Lsn, _: Lsn) -> anyhow::Result<Option<Lsn>> {
        Ok(None)
    }
}

/// A journal whose only record is not synced: the shipper has nothing to send, and asks Redis nothing.
fn journal() -> Arc<Journal> {
    let options = Options {
        sync: Sync::Interval,
        sync_interval: Duration::from_secs(3_600),
        segment_bytes: 1 << 20,
        tail_bytes: 0,
    };
    let mut replay = |_: &Record<'_>| Ok(());
    let store = Arc::new(Memory::new());
    let (journal, _) = Journal::open(store, ID, options, None, Lsn::NONE, Lsn::NONE, &mut replay).unwrap();
    let lsn = journal.append(1, b"event").lsn;
    journal.commit(lsn).unwrap();
    journal
}

/// A thread that has the fence, and renews its lease so seldom that the lease tells it nothing after the first renewal.
fn started(server: &RedisServer, journal: Arc<Journal>) -> ReplicationThread {
    tls_provider::install();
    let rules = ShippingRules {
        waits_for_redis: false,
        needs_lease: false,
        continues_without: true,
        outage_after: Duration::from_secs(20),
    };
    let parts = ReplicationParts {
        journal,
        keys: Arc::new(Keys::in_memory(ID.0)),
        instance: Instance { id: ID, secret: (1, 2) },
        settings: Redis {
            lease_ms: 7_200_000,
            renew_ms: 3_600_000,
            snapshot_interval_s: 1,
            on_outage: OnOutage::Continue,
            ..settings(&server.url())
        },
        files: files(),
        state: Arc::new(ShippingState::new(rules)),
        owner: "the first".to_owned(),
        takes_over: false,
        fence_memory: Arc::new(KnownFences::default()),
        snapshots: Arc::new(NoSnapshots),
    };
    let (mut thread, established) = ReplicationThread::start(parts).unwrap();
    established.unwrap();
    thread.proceed();
    thread
}

fn take_over(server: &RedisServer) {
    server.command("HSET {levelgate}:head fence 2 owner another");
}

#[track_caller]
fn assert_ends(thread: ReplicationThread) {
    eventually("it is fenced out", || thread.state().is_fenced_out());
    assert_eq!(thread.stop(Duration::ZERO), Some(ReplicationEnd::FencedOut(Lsn::NONE)));
}

/// Erases a key with the fence of the thread. The lease is renewed for the first time before that.
fn erase(thread: &ReplicationThread) -> Result<(), RedisError> {
    thread.eraser().erase(vec![ErasedKey { number: 1, customer: 1 }])
}

#[test]
fn an_erasure_that_is_refused_ends_the_daemon() {
    let server = RedisServer::start();
    let thread = started(&server, Arc::new(Journal::in_memory()));
    erase(&thread).unwrap();
    take_over(&server);
    let refused = erase(&thread).unwrap_err();
    assert!(matches!(refused, RedisError::FencedOut { .. }), "{refused}");
    assert_ends(thread);
}

#[test]
fn a_snapshot_that_is_refused_ends_the_daemon() {
    let server = RedisServer::start();
    let thread = started(&server, journal());
    erase(&thread).unwrap();
    take_over(&server);
    assert_ends(thread);
}
