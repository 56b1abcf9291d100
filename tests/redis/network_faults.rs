//! Connections that end, hang or are slow, and servers that restart.

use crate::fixtures::{SHORT, append_all, append_until_done, batch, files, primary, settings, store, store_with, tip};
use levelgate::config::{OnOutage, Redis};
use levelgate::replication::{AcquireRequest, Appended, Fence, RedisError, RedisStore};
use std::time::Duration;
use support::redis::proxy::{Fault, Proxy};
use support::redis::server::{RedisOptions, RedisServer, free_port};

/// A server with a primary that has appended to record 2, and a store of the same owner through a proxy.
async fn through_proxy(server: &RedisServer) -> (Proxy, RedisStore, Fence) {
    let (mut store, fence) = primary(&server.url()).await;
    append_all(&mut store, fence, &[2]).await;
    let proxy = Proxy::start(server.port());
    let store = store_with(&Redis { timeouts: SHORT, ..settings(&proxy.url()) }, &files(), "primary");
    (proxy, store, fence)
}

#[tokio::test]
async fn a_server_that_is_down_is_unreachable_and_found_once_it_runs() {
    let mut store = store(&format!("redis://127.0.0.1:{}", free_port()), "primary");
    let error = store.head().await.unwrap_err();
    assert!(matches!(error, RedisError::Unreachable(_)), "{error:?}");
    assert!(error.is_outage() && error.may_have_run());
}

#[tokio::test]
async fn an_append_whose_reply_is_cut_or_dropped_has_run_once() {
    for fault in [Fault::CutRepliesAfter(0), Fault::CutRepliesAfter(3), Fault::DropReplies] {
        let server = RedisServer::start();
        let (proxy, mut store, fence) = through_proxy(&server).await;
        store.head().await.unwrap();
        proxy.set(fault);
        let error = store.append(fence, batch(2, 4, b"x")).await.unwrap_err();
        assert!(error.may_have_run(), "{fault:?}: {error:?}");
        proxy.set(Fault::None);
        let (appended, _) = append_until_done(&mut store, fence, batch(2, 4, b"x")).await;
        assert_eq!(appended, Appended::Already, "{fault:?}");
        assert_eq!(store.head().await.unwrap().unwrap().batches, 2);
    }
}

#[tokio::test]
async fn a_slow_reply_is_waited_for_until_the_time_out() {
    let server = RedisServer::start();
    let (proxy, mut store, fence) = through_proxy(&server).await;
    store.head().await.unwrap();
    proxy.set(Fault::DelayReplies(Duration::from_millis(50)));
    // A shared machine may be slower than the time-out at any step; the batch arrives once in any case.
    let (appended, _) = append_until_done(&mut store, fence, batch(2, 4, b"x")).await;
    assert!(matches!(appended, Appended::Yes | Appended::Already));
    proxy.set(Fault::DelayReplies(Duration::from_secs(3)));
    let error = store.append(fence, batch(4, 6, b"x")).await.unwrap_err();
    assert_eq!(error, RedisError::TimedOut { what: "append", ms: SHORT.response_ms });
    proxy.set(Fault::None);
    let (appended, _) = append_until_done(&mut store, fence, batch(4, 6, b"x")).await;
    assert_eq!(appended, Appended::Already);
}

#[tokio::test]
async fn a_late_reply_is_never_taken_for_the_reply_to_another_command() {
    let server = RedisServer::start();
    let (proxy, mut store, fence) = through_proxy(&server).await;
    store.head().await.unwrap();
    proxy.set(Fault::DropReplies);
    assert!(store.append(fence, batch(2, 4, b"x")).await.is_err());
    proxy.set(Fault::None);
    let mut head = store.head().await;
    while head.is_err() {
        head = store.head().await;
    }
    assert_eq!(head.unwrap().unwrap().tip, Some(tip(4)));
}

#[tokio::test]
async fn a_stopped_server_times_out_and_is_used_again() {
    let server = RedisServer::start();
    let (_proxy, mut store, fence) = through_proxy(&server).await;
    store.head().await.unwrap();
    server.signal("STOP");
    for _ in 0..3 {
        let error = store.append(fence, batch(2, 4, b"x")).await.unwrap_err();
        assert!(matches!(error, RedisError::TimedOut { .. }), "{error:?}");
    }
    server.signal("CONT");
    let (appended, _) = append_until_done(&mut store, fence, batch(2, 4, b"x")).await;
    assert!(matches!(appended, Appended::Yes | Appended::Already));
    assert_eq!(store.head().await.unwrap().unwrap().tip, Some(tip(4)));
}

#[tokio::test]
async fn a_server_that_restarts_with_its_data_is_continued() {
    let mut server = RedisServer::with(RedisOptions { durable: true, ..RedisOptions::default() });
    let (mut store, fence) = primary(&server.url()).await;
    append_all(&mut store, fence, &[2]).await;
    server.restart();
    let (appended, errors) = append_until_done(&mut store, fence, batch(2, 4, b"x")).await;
    assert_eq!(appended, Appended::Yes);
    assert!(errors.iter().all(RedisError::is_outage), "{errors:?}");
}

#[tokio::test]
async fn a_server_that_restarts_without_its_data_says_so() {
    let mut server = RedisServer::start();
    let (mut store, fence) = primary(&server.url()).await;
    append_all(&mut store, fence, &[2]).await;
    server.restart_empty();
    let mut answer = store.append(fence, batch(2, 4, b"x")).await;
    while answer.as_ref().is_err_and(RedisError::is_outage) {
        answer = store.append(fence, batch(2, 4, b"x")).await;
    }
    assert_eq!(answer, Err(RedisError::Empty));
    let again = AcquireRequest { above: fence, ..crate::fixtures::request(OnOutage::Continue) };
    let newer = crate::fixtures::acquired(store.acquire(again).await);
    assert!(newer > fence);
    append_all(&mut store, newer, &[2, 4]).await;
}
