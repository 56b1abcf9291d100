//! Stores and batches.

use levelgate::config::{OnOutage, Redis, RedisFiles, RedisTimeouts, RedisUrl};
use levelgate::replication::{
    AcquireRequest, Acquired, Appended, BatchToAppend, ExpectedCopy, Fence, RedisError, RedisStore, Replaces, Tip,
    client::tls_provider,
};
use levelgate::storage::journal::{JournalId, LogOffset, Lsn};
use std::time::{Duration, Instant};
use support::process::PATIENCE;

pub(crate) const INSTANCE: JournalId = JournalId(*b"0123456789abcdef");
pub(crate) const SECRET: &[u8] = b"a wrapped secret";
pub(crate) const LEASE_MS: u64 = 60_000;
/// Long, because machines are shared. A test that waits for a time-out sets shorter ones.
const TIMEOUTS: RedisTimeouts = RedisTimeouts { connect_ms: 10_000, response_ms: 10_000, total_ms: 20_100 };
pub(crate) const SHORT: RedisTimeouts = RedisTimeouts { connect_ms: 1_000, response_ms: 500, total_ms: 2_000 };

pub(crate) fn settings(url: &str) -> Redis {
    Redis { timeouts: TIMEOUTS, ..Redis::new(RedisUrl::parse(url).unwrap(), "redis.key".into()) }
}

pub(crate) fn files() -> RedisFiles {
    RedisFiles { wrapping_key: [7; 32], password: None, ca: None }
}

/// A store of [`INSTANCE`] with this owner.
pub(crate) fn store_with(settings: &Redis, files: &RedisFiles, owner: &str) -> RedisStore {
    tls_provider::install();
    let mut store = RedisStore::new(settings, files, owner);
    store.expect_instance(INSTANCE);
    store
}

pub(crate) fn store(url: &str, owner: &str) -> RedisStore {
    store_with(&settings(url), &files(), owner)
}

pub(crate) fn request(on_outage: OnOutage) -> AcquireRequest<'static> {
    AcquireRequest {
        secret: SECRET,
        replaces: Replaces::Nobody,
        expected: ExpectedCopy::Any,
        above: Fence(0),
        on_outage,
        lease_ms: LEASE_MS,
    }
}

/// Takes the fence.
#[track_caller]
pub(crate) fn acquired(answer: Result<Acquired, RedisError>) -> Fence {
    match answer {
        Ok(Acquired::Yes { fence, .. }) => fence,
        other => panic!("not acquired: {other:?}"),
    }
}

/// A store that has the fence of an empty server.
pub(crate) async fn primary(url: &str) -> (RedisStore, Fence) {
    let mut store = store(url, "primary");
    let fence = acquired(store.acquire(request(OnOutage::Continue)).await);
    (store, fence)
}

/// The record with this number in the lineage of the tests.
pub(crate) fn tip(lsn: u64) -> Tip {
    let crc = u32::try_from(lsn).unwrap().wrapping_mul(0x9E37_79B9) | 0x8000_0000;
    Tip { lsn: Lsn(lsn), epoch: 3, crc, end: LogOffset(lsn * 100) }
}

/// The batch of the records after `previous` up to `last`; `previous` 0 begins the stream.
pub(crate) fn batch(previous: u64, last: u64, frame: &[u8]) -> BatchToAppend<'_> {
    let before = (previous > 0).then(|| tip(previous));
    BatchToAppend { previous: before, first: Lsn(previous + 1), last: tip(last), frame }
}

/// Appends batches that end at these records, from the beginning of the stream.
pub(crate) async fn append_all(store: &mut RedisStore, fence: Fence, ends: &[u64]) {
    let mut previous = 0;
    for &end in ends {
        let frame = format!("batch to {end}").into_bytes();
        assert_eq!(store.append(fence, batch(previous, end, &frame)).await, Ok(Appended::Yes), "{end}");
        previous = end;
    }
}

/// Appends until it succeeds, as the shipper does, and returns the answer and the errors on the way.
pub(crate) async fn append_until_done(
    store: &mut RedisStore,
    fence: Fence,
    batch: BatchToAppend<'_>,
) -> (Appended, Vec<RedisError>) {
    let (begin, mut errors) = (Instant::now(), Vec::new());
    loop {
        match store.append(fence, batch).await {
            Ok(appended) => return (appended, errors),
            Err(error) => errors.push(error),
        }
        assert!(begin.elapsed() < 2 * PATIENCE, "not appended: {errors:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
