//! Refusals of the server, each with its own error in words.

use crate::fixtures::{acquired, append_all, batch, files, primary, request, settings, store, store_with};
use levelgate::config::{OnOutage, Redis, RedisFiles};
use levelgate::replication::{Appended, Fence, RedisError, RedisStore};
use levelgate::storage::journal::Lsn;
use support::redis::server::{RedisOptions, RedisServer};

#[tokio::test]
async fn without_memory_nothing_changes_and_later_writes_succeed() {
    let server = RedisServer::with(RedisOptions { maxmemory: Some(64 << 20), ..RedisOptions::default() });
    let (mut store, fence) = primary(&server.url()).await;
    append_all(&mut store, fence, &[2]).await;
    server.command("CONFIG SET maxmemory 1");
    assert_eq!(store.append(fence, batch(2, 4, b"x")).await, Err(RedisError::OutOfMemory));
    assert_eq!(store.renew(fence, None).await, Err(RedisError::OutOfMemory));
    assert_eq!(store.head().await.unwrap().unwrap().tip, Some(crate::fixtures::tip(2)), "reads are answered");
    server.command("CONFIG SET maxmemory 0");
    assert_eq!(store.append(fence, batch(2, 4, b"x")).await, Ok(Appended::Yes));
}

#[tokio::test]
async fn the_server_tells_what_it_does_when_memory_is_short() {
    let server = RedisServer::with(RedisOptions { maxmemory: Some(64 << 20), ..RedisOptions::default() });
    let mut store = store(&server.url(), "reader");
    let facts = store.server().await.unwrap();
    assert_eq!((facts.is_master, facts.replicas, facts.bytes_max), (true, 0, 64 << 20));
    assert!(!facts.version.is_empty() && facts.used_bytes > 0 && !facts.may_evict());
    for policy in ["allkeys-lru", "volatile-ttl"] {
        server.command(&format!("CONFIG SET maxmemory-policy {policy}"));
        assert!(store.server().await.unwrap().may_evict(), "{policy}");
    }
}

#[tokio::test]
async fn a_replica_is_read_and_not_written() {
    let master = RedisServer::start();
    let (mut store, fence) = primary(&master.url()).await;
    append_all(&mut store, fence, &[2, 4]).await;
    let replica = RedisServer::with(RedisOptions { replica_of: Some(master.port()), ..RedisOptions::default() });
    replica.wait_until_synced();
    let mut of_replica = crate::fixtures::store(&replica.url(), "primary");
    assert_eq!(of_replica.append(fence, batch(4, 6, b"x")).await, Err(RedisError::ReadOnly));
    assert_eq!(of_replica.acquire(request(OnOutage::Continue)).await, Err(RedisError::ReadOnly));
    assert_eq!(of_replica.read_stream(Lsn(0), 10, 1 << 20).await.unwrap().entries.len(), 2);
    assert_eq!(of_replica.head().await.unwrap().unwrap().batches, 2);
}

#[tokio::test]
async fn replicas_confirm_on_the_connection_that_appended() {
    let mut master = RedisServer::with(RedisOptions { durable: true, ..RedisOptions::default() });
    let (mut store, fence) = primary(&master.url()).await;
    assert_eq!(store.wait_replicas(0).await, Err(RedisError::NothingToConfirm));
    append_all(&mut store, fence, &[2]).await;
    assert_eq!(store.wait_replicas(0).await, Ok(0));
    let replica = RedisServer::with(RedisOptions { replica_of: Some(master.port()), ..RedisOptions::default() });
    replica.wait_until_synced();
    assert_eq!(store.append(fence, batch(2, 4, b"x")).await, Ok(Appended::Yes));
    assert_eq!(store.wait_replicas(1).await, Ok(1));
    assert_eq!(store.append(fence, batch(2, 4, b"x")).await, Ok(Appended::Already));
    assert_eq!(store.wait_replicas(1).await, Ok(1));
    // Another connection has appended nothing, and would confirm at once.
    assert_eq!(store.separate().wait_replicas(1).await, Err(RedisError::NothingToConfirm));
    replica.signal("STOP");
    assert_eq!(store.append(fence, batch(4, 6, b"x")).await, Ok(Appended::Yes));
    assert_eq!(store.wait_replicas(1).await, Ok(0), "a replica that does not answer confirms nothing");
    replica.signal("CONT");
    master.restart();
    while store.head().await.is_err() {}
    assert_eq!(store.wait_replicas(1).await, Err(RedisError::NothingToConfirm), "the connection is new");
}

#[tokio::test]
async fn a_key_of_another_type_is_named() {
    for key in ["head", "stream"] {
        let server = RedisServer::start();
        server.command(&format!("SET {{levelgate}}:{key} x"));
        let mut store = store(&server.url(), "primary");
        let error = store.acquire(request(OnOutage::Continue)).await.unwrap_err();
        let is_named = match key {
            "head" => error == RedisError::WrongType,
            // A stream without a head is refused before it is read.
            _ => matches!(&error, RedisError::Refused(text) if text.contains("levelgate redis discard")),
        };
        assert!(is_named, "{key}: {error:?}");
    }
    for (key, is_of_append) in [("stream", true), ("keys", false), ("erased", false)] {
        let server = RedisServer::start();
        let (mut store, fence) = primary(&server.url()).await;
        server.command(&format!("DEL {{levelgate}}:{key}"));
        server.command(&format!("SET {{levelgate}}:{key} x"));
        let key_entry = levelgate::replication::WrappedKey { number: 1, wrapped: vec![1] };
        let error = match is_of_append {
            true => store.append(fence, batch(0, 2, b"x")).await.unwrap_err(),
            false => store.put_keys(fence, &[key_entry]).await.unwrap_err(),
        };
        assert_eq!(error, RedisError::WrongType, "{key}");
    }
}

/// The error of a read with this password.
async fn error_with(settings: &Redis, password: Option<&str>) -> Option<RedisError> {
    let files = RedisFiles { password: password.map(str::to_owned), ..files() };
    store_with(settings, &files, "primary").head().await.err()
}

#[tokio::test]
async fn passwords_and_users_are_checked() {
    let options = RedisOptions { password: Some("open sesame".replace(' ', "-")), ..RedisOptions::default() };
    let server = RedisServer::with(options);
    let url = settings(&server.url());
    assert_eq!(error_with(&url, Some("open-sesame")).await, None);
    for password in [None, Some("wrong")] {
        let error = error_with(&url, password).await.unwrap();
        assert!(matches!(&error, RedisError::NotAuthenticated(_)), "{password:?}: {error:?}");
        assert!(!error.to_string().contains("sesame") && !format!("{error:?}").contains("wrong\""), "{error:?}");
    }
    server.command("ACL SETUSER reader on >secret ~{levelgate}:* +@all -evalsha -eval");
    let of_reader = settings(&server.url().replace("://", "://reader@"));
    let error = error_with(&of_reader, Some("secret")).await.unwrap();
    assert!(matches!(&error, RedisError::NotPermitted(_)), "{error:?}");
    let of_stranger = settings(&server.url().replace("://", "://stranger@"));
    assert!(matches!(error_with(&of_stranger, Some("secret")).await, Some(RedisError::NotAuthenticated(_))));
}

#[tokio::test]
async fn writes_that_the_server_disables_are_named() {
    let server = RedisServer::start();
    let (mut store, fence) = primary(&server.url()).await;
    server.command("CONFIG SET min-replicas-to-write 1");
    let error = store.append(fence, batch(0, 2, b"x")).await.unwrap_err();
    assert!(matches!(error, RedisError::WritesDisabled(_)), "{error:?}");
}

#[tokio::test]
async fn a_server_with_tls_is_verified() {
    let server = RedisServer::with(RedisOptions { tls: true, ..RedisOptions::default() });
    let trusted = RedisFiles { ca: Some(std::fs::read(&server.authority().ca).unwrap()), ..files() };
    let mut store = store_with(&settings(&server.tls_url()), &trusted, "primary");
    let fence = acquired(store.acquire(request(OnOutage::Continue)).await);
    assert_eq!(store.append(fence, batch(0, 2, &[7; 1 << 20])).await, Ok(Appended::Yes));
    assert_eq!(store.read_stream(Lsn(0), 1, 1).await.unwrap().entries[0].frame, [7; 1 << 20]);
    let mut untrusting = store_with(&settings(&server.tls_url()), &files(), "primary");
    let error = untrusting.head().await.unwrap_err();
    assert!(matches!(&error, RedisError::Unreachable(text) if text.contains("certificate")), "{error:?}");
}

#[tokio::test]
async fn a_unix_socket_and_a_database_are_used() {
    let server = RedisServer::start();
    let (mut store, _) = primary(&format!("unix://{}", server.socket().display())).await;
    assert!(store.head().await.unwrap().is_some());
    let mut of_other: RedisStore = crate::fixtures::store(&format!("{}/3", server.url()), "primary");
    assert_eq!(of_other.head().await, Ok(None));
    assert_eq!(acquired(of_other.acquire(request(OnOutage::Continue)).await), Fence(1));
}
