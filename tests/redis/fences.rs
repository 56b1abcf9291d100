//! The fence and the lease.

use crate::fixtures::{
    INSTANCE, LEASE_MS, acquired, append_all, append_until_done, batch, primary, request, store, tip,
};
use levelgate::config::OnOutage;
use levelgate::replication::{
    AcquireRequest, Acquired, Appended, ErasedKey, ExpectedCopy, Fence, HeldLease, Lease, RedisError, RedisStore,
    ReplacedOwner, Replaces, SnapshotToFinish, Tip, WrappedKey,
};
use levelgate::storage::journal::{JournalId, Lsn};
use support::process::eventually;
use support::redis::proxy::{Fault, Proxy};
use support::redis::server::RedisServer;

/// The error of every script that changes something.
async fn errors_of_all_changes(store: &mut RedisStore, fence: Fence) -> Vec<RedisError> {
    let key = WrappedKey { number: 1, wrapped: vec![1] };
    let snapshot = SnapshotToFinish { begin: Lsn(1), end: Lsn(1), chunks: 0, bytes: 0 };
    vec![
        store.renew(fence, None).await.unwrap_err(),
        store.renew(fence, Some(LEASE_MS)).await.unwrap_err(),
        store.append(fence, batch(2, 3, b"x")).await.unwrap_err(),
        store.put_keys(fence, &[key]).await.unwrap_err(),
        store.erase_keys(fence, &[ErasedKey { number: 1, customer: 1 }]).await.unwrap_err(),
        store.begin_snapshot(fence, Lsn(1)).await.unwrap_err(),
        store.put_chunk(fence, Lsn(1), 0, b"x").await.unwrap_err(),
        store.finish_snapshot(fence, snapshot).await.unwrap_err(),
        store.trim(fence, Lsn(1)).await.unwrap_err(),
        store.release(fence).await.unwrap_err(),
    ]
}

#[track_caller]
fn assert_all(errors: &[RedisError], want: &RedisError) {
    assert!(errors.iter().all(|error| error == want), "{errors:?}");
}

#[tokio::test]
async fn a_lease_keeps_other_owners_out_until_it_is_released() {
    let server = RedisServer::start();
    let (mut first, fence) = primary(&server.url()).await;
    append_all(&mut first, fence, &[2]).await;
    let mut second = store(&server.url(), "second");
    let held = HeldLease { owner: "primary".to_owned(), fence, expires_in_ms: None };
    assert_eq!(second.acquire(request(OnOutage::Continue)).await, Ok(Acquired::Held(held)));
    assert_eq!(first.renew(fence, None).await, Ok(()));
    first.release(fence).await.unwrap();
    assert_eq!(first.head().await.unwrap().unwrap().lease, None);
    let answer = second.acquire(request(OnOutage::Refuse)).await;
    let replaced = Some(ReplacedOwner { fence, owner: "primary".to_owned() });
    assert_eq!(answer, Ok(Acquired::Yes { fence: Fence(2), tip: Some(tip(2)), created: false, replaced }));
    let lease = second.head().await.unwrap().unwrap().lease.unwrap();
    assert!(lease.fence == Fence(2) && lease.expires_in_ms.is_some_and(|ms| ms <= LEASE_MS), "{lease:?}");
    let fenced = RedisError::FencedOut { fence: Fence(2), owner: "second".to_owned() };
    assert_all(&errors_of_all_changes(&mut first, fence).await, &fenced);
}

#[tokio::test]
async fn the_same_owner_takes_its_lease_again() {
    // A call that timed out may have run: it is repeated.
    let server = RedisServer::start();
    let (mut store, fence) = primary(&server.url()).await;
    let again = store.acquire(request(OnOutage::Continue)).await;
    let replaced = Some(ReplacedOwner { fence, owner: "primary".to_owned() });
    assert_eq!(again, Ok(Acquired::Yes { fence: Fence(2), tip: None, created: false, replaced }));
}

#[tokio::test]
async fn a_lease_expires_unless_it_is_renewed() {
    let server = RedisServer::start();
    let mut first = store(&server.url(), "first");
    let fence = acquired(first.acquire(AcquireRequest { lease_ms: 50, ..request(OnOutage::Refuse) }).await);
    eventually("the lease expires", || server.command("EXISTS {levelgate}:lease").number() == 0);
    // No other daemon took the fence, so the owner may go on.
    first.renew(fence, Some(LEASE_MS)).await.unwrap();
    let mut second = store(&server.url(), "second");
    assert!(matches!(second.acquire(request(OnOutage::Refuse)).await, Ok(Acquired::Held(_))));
    first.renew(fence, Some(50)).await.unwrap();
    eventually("the lease expires", || server.command("EXISTS {levelgate}:lease").number() == 0);
    assert_eq!(acquired(second.acquire(request(OnOutage::Refuse)).await), Fence(2));
}

#[tokio::test]
async fn a_forced_take_over_needs_no_lease() {
    let server = RedisServer::start();
    let (mut first, fence) = primary(&server.url()).await;
    let mut second = store(&server.url(), "second");
    let forced = AcquireRequest { replaces: Replaces::Anybody, ..request(OnOutage::Continue) };
    assert_eq!(acquired(second.acquire(forced).await), Fence(2));
    let fenced = RedisError::FencedOut { fence: Fence(2), owner: "second".to_owned() };
    assert_eq!(first.renew(fence, None).await, Err(fenced));
}

#[tokio::test]
async fn a_fence_is_not_taken_if_the_stream_is_not_as_compared() {
    let server = RedisServer::start();
    let mut second = store(&server.url(), "second");
    let with = |expected| AcquireRequest { replaces: Replaces::Anybody, expected, ..request(OnOutage::Continue) };
    assert_eq!(second.acquire(with(ExpectedCopy::EndsWith(None))).await, Ok(Acquired::Moved(None)), "no copy");
    let (mut first, fence) = primary(&server.url()).await;
    append_all(&mut first, fence, &[2]).await;
    // It lives, and has appended a record that the other one does not have.
    for expected in [
        ExpectedCopy::Nothing,
        ExpectedCopy::EndsWith(None),
        ExpectedCopy::EndsWith(Some(tip(1))),
        ExpectedCopy::EndsWith(Some(Tip { crc: 1, ..tip(2) })),
        ExpectedCopy::EndsWith(Some(Tip { epoch: 1, ..tip(2) })),
    ] {
        assert_eq!(second.acquire(with(expected)).await, Ok(Acquired::Moved(Some(tip(2)))), "{expected:?}");
    }
    assert_eq!(first.renew(fence, None).await, Ok(()), "it keeps its fence");
    append_until_done(&mut first, fence, batch(2, 3, b"more")).await;
    assert_eq!(acquired(second.acquire(with(ExpectedCopy::EndsWith(Some(tip(3))))).await), Fence(2));
}

#[tokio::test]
async fn an_owner_is_replaced_by_name_only_while_it_has_the_fence() {
    let server = RedisServer::start();
    let (_, fence) = primary(&server.url()).await;
    let mut second = store(&server.url(), "second");
    let of =
        |fence, owner| AcquireRequest { replaces: Replaces::Owner { fence, owner }, ..request(OnOutage::Continue) };
    for (other, owner) in [(Fence(7), "primary"), (fence, "another")] {
        let held = second.acquire(of(other, owner)).await;
        assert!(matches!(held, Ok(Acquired::Held(_))), "{other} {owner}: {held:?}");
    }
    assert_eq!(acquired(second.acquire(of(fence, "primary")).await), Fence(2));
}

#[tokio::test]
async fn a_released_lease_is_told_from_a_lost_one() {
    let server = RedisServer::start();
    let (mut first, fence) = primary(&server.url()).await;
    let head = async |store: &mut RedisStore| store.head().await.unwrap().unwrap();
    server.command("DEL {levelgate}:lease");
    let lost = head(&mut first).await;
    assert!(lost.lease.is_none() && !lost.is_released);
    first.release(fence).await.unwrap();
    assert!(head(&mut first).await.is_released);
    acquired(first.acquire(request(OnOutage::Continue)).await);
    assert!(!head(&mut first).await.is_released, "it is that of an older fence");
}

#[tokio::test]
async fn an_append_on_its_way_is_refused_after_a_take_over() {
    // The older daemon has checked everything, and its command is still in the network when the newer one takes over.
    let server = RedisServer::start();
    let proxy = Proxy::start(server.port());
    let (mut first, fence) = primary(&proxy.url()).await;
    append_all(&mut first, fence, &[2]).await;
    proxy.set(Fault::HoldRequests);
    let append = tokio::spawn(async move { first.append(fence, batch(2, 4, b"of the first")).await });
    while !proxy.holds() {
        tokio::task::yield_now().await;
    }
    let mut second = store(&server.url(), "second");
    let forced = AcquireRequest { replaces: Replaces::Anybody, ..request(OnOutage::Continue) };
    let newer = acquired(second.acquire(forced).await);
    proxy.set(Fault::None);
    let fenced = RedisError::FencedOut { fence: newer, owner: "second".to_owned() };
    assert_eq!(append.await.unwrap(), Err(fenced));
    assert_eq!(second.append(newer, batch(2, 3, b"of the second")).await, Ok(Appended::Yes));
}

#[tokio::test]
async fn a_fence_that_redis_lost_is_not_given_twice() {
    let mut server = RedisServer::start();
    let (mut first, fence) = primary(&server.url()).await;
    let mut second = store(&server.url(), "second");
    let forced = AcquireRequest { replaces: Replaces::Anybody, ..request(OnOutage::Continue) };
    let newer = acquired(second.acquire(forced).await);
    assert!(newer > fence);
    server.restart_empty();
    let is_empty = |error: &RedisError| *error == RedisError::Empty;
    let mut error = second.renew(newer, None).await.unwrap_err();
    while !is_empty(&error) {
        error = second.renew(newer, None).await.unwrap_err();
    }
    assert_all(&errors_of_all_changes(&mut second, newer).await, &RedisError::Empty);
    // The older daemon is faster: with its own fence as the lower bound, it gets the number that the newer one has.
    let mut stolen = first.acquire(AcquireRequest { above: fence, ..request(OnOutage::Continue) }).await;
    while stolen.as_ref().is_err_and(RedisError::is_outage) {
        stolen = first.acquire(AcquireRequest { above: fence, ..request(OnOutage::Continue) }).await;
    }
    let stolen = acquired(stolen);
    assert_eq!(stolen, newer);
    let fenced = RedisError::FencedOut { fence: stolen, owner: "primary".to_owned() };
    assert_all(&errors_of_all_changes(&mut second, newer).await, &fenced);
}

#[tokio::test]
async fn other_instances_and_newer_formats_are_refused() {
    let server = RedisServer::start();
    let (mut first, fence) = primary(&server.url()).await;
    append_all(&mut first, fence, &[2]).await;
    let mut other = store(&server.url(), "primary");
    other.expect_instance(JournalId([9; 16]));
    let instance = RedisError::OtherInstance(INSTANCE);
    assert_eq!(
        other.acquire(AcquireRequest { replaces: Replaces::Anybody, ..request(OnOutage::Continue) }).await,
        Err(instance.clone())
    );
    assert_eq!(other.head().await, Err(instance.clone()));
    assert_eq!(other.read_stream(Lsn(0), 1, 1).await.map(|_| ()), Err(instance.clone()));
    assert_all(&errors_of_all_changes(&mut other, fence).await, &instance);
    server.command("HSET {levelgate}:head format 2");
    let newer = RedisError::NewerFormat { found: 2 };
    assert_eq!(first.head().await, Err(newer.clone()));
    assert_eq!(first.acquire(request(OnOutage::Continue)).await, Err(newer.clone()));
    assert_eq!(first.discard(true).await, Err(newer.clone()));
    assert_eq!(first.read_stream(Lsn(0), 1, 1).await.map(|_| ()), Err(newer.clone()));
    assert_all(&errors_of_all_changes(&mut first, fence).await, &newer);
}

#[tokio::test]
async fn a_discarded_copy_is_empty_and_fences_its_writer_out() {
    let server = RedisServer::start();
    let (mut first, fence) = primary(&server.url()).await;
    append_all(&mut first, fence, &[2]).await;
    first.put_keys(fence, &[WrappedKey { number: 1, wrapped: vec![1] }]).await.unwrap();
    first.begin_snapshot(fence, Lsn(2)).await.unwrap();
    first.put_chunk(fence, Lsn(2), 0, b"x").await.unwrap();
    let mut operator = store(&server.url(), "operator");
    let held = HeldLease { owner: "primary".to_owned(), fence, expires_in_ms: None };
    assert_eq!(operator.discard(false).await, Ok(Some(held)), "a lease prevents it");
    assert_eq!(operator.discard(true).await, Ok(None));
    assert_eq!(server.command("DBSIZE").number(), 1, "only the head with the fence is left");
    assert_eq!(operator.head().await, Ok(None));
    let fenced = RedisError::FencedOut { fence: Fence(2), owner: "operator (discarded the copy)".to_owned() };
    assert_all(&errors_of_all_changes(&mut first, fence).await, &fenced);
    let answer = operator.acquire(request(OnOutage::Continue)).await;
    let replaced = Some(ReplacedOwner { fence: Fence(2), owner: "operator (discarded the copy)".to_owned() });
    assert_eq!(answer, Ok(Acquired::Yes { fence: Fence(3), tip: None, created: true, replaced }));
    assert_eq!(operator.head().await.unwrap().unwrap().lease, Some(Lease { fence: Fence(3), expires_in_ms: None }));
}

#[tokio::test]
async fn a_copy_without_its_head_is_not_continued() {
    let server = RedisServer::start();
    let (mut first, fence) = primary(&server.url()).await;
    append_all(&mut first, fence, &[2]).await;
    server.command("DEL {levelgate}:head");
    let refused = first.acquire(request(OnOutage::Continue)).await;
    assert!(
        matches!(&refused, Err(RedisError::Refused(text)) if text.contains("levelgate redis discard")),
        "{refused:?}"
    );
    assert_eq!(first.discard(true).await, Ok(None));
    acquired(first.acquire(request(OnOutage::Continue)).await);
}
