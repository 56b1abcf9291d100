//! Failovers: Sentinels and a cluster.

use crate::fixtures::{append_all, append_until_done, batch, primary, store, tip};
use levelgate::replication::{Appended, RedisError};
use support::process::eventually;
use support::redis::cluster::{Cluster, REPLICA};
use support::redis::sentinels::Sentinels;

#[tokio::test]
async fn the_master_that_the_sentinels_choose_is_found() {
    let mut sentinels = Sentinels::start(2);
    let old = sentinels.master_port();
    let (mut store, fence) = primary(&sentinels.url()).await;
    append_all(&mut store, fence, &[2, 4]).await;
    assert_eq!(store.wait_replicas(2).await, Ok(2), "the failover loses nothing");
    // One Sentinel is down too.
    sentinels.sentinels[2].kill();
    sentinels.servers[0].kill();
    let (appended, errors) = append_until_done(&mut store, fence, batch(4, 6, b"x")).await;
    assert!(matches!(appended, Appended::Yes | Appended::Already), "{appended:?}");
    assert!(!errors.is_empty() && errors.iter().all(RedisError::is_outage), "{errors:?}");
    eventually("all Sentinels name the new master", || sentinels.master_port() != old);
    let new = sentinels.master_port();
    // The old master comes back as a replica, and is not used.
    sentinels.servers[0].restart();
    // A server that changes its role closes its connections.
    let role = || sentinels.servers[0].try_command(&[b"ROLE"]).ok();
    eventually("the old master is a replica", || role().is_some_and(|role| role.list()[0].text() == "slave"));
    assert_eq!(store.append(fence, batch(6, 8, b"y")).await, Ok(Appended::Yes));
    let master = sentinels.servers.iter().find(|server| server.port() == new).unwrap();
    assert_eq!(master.command("XLEN {levelgate}:stream").number(), 4);
}

#[tokio::test]
async fn a_master_that_becomes_a_replica_is_left() {
    let sentinels = Sentinels::start(1);
    let old = sentinels.master_port();
    let (mut store, fence) = primary(&sentinels.url()).await;
    append_all(&mut store, fence, &[2]).await;
    assert_eq!(store.wait_replicas(1).await, Ok(1));
    sentinels.sentinels[0].command("SENTINEL FAILOVER main");
    eventually("the Sentinels have a new master", || sentinels.master_port() != old);
    let (appended, errors) = append_until_done(&mut store, fence, batch(2, 4, b"x")).await;
    assert!(errors.iter().all(RedisError::is_outage), "{errors:?}");
    match appended {
        Appended::Yes => {}
        // The old master took it before it became a replica, and passed it on.
        Appended::Already => assert!(!errors.is_empty()),
        Appended::EndsWith(_) => panic!("{appended:?}"),
    }
    assert_eq!(store.head().await.unwrap().unwrap().tip, Some(tip(4)));
}

#[tokio::test]
async fn the_slots_master_of_a_cluster_is_found_and_replaced() {
    let mut cluster = Cluster::start("{levelgate}:head");
    let owner = cluster.owner;
    let others: Vec<usize> = (0..REPLICA).filter(|node| *node != owner).collect();
    // The seeds are not the owner, so the store must follow MOVED.
    let (mut store, fence) = primary(&cluster.url(&others)).await;
    append_all(&mut store, fence, &[2, 4]).await;
    assert_eq!(cluster.nodes[owner].command("XLEN {levelgate}:stream").number(), 2);
    assert_eq!(store.wait_replicas(1).await, Ok(1), "the failover loses nothing");
    let mut of_all = crate::fixtures::store(&cluster.url(&[owner, others[0]]), "reader");
    assert_eq!(of_all.head().await.unwrap().unwrap().batches, 2);
    cluster.nodes[owner].kill();
    let (appended, errors) = append_until_done(&mut store, fence, batch(4, 6, b"x")).await;
    assert_eq!(appended, Appended::Yes);
    assert!(!errors.is_empty() && errors.iter().all(RedisError::is_outage), "{errors:?}");
    assert_eq!(cluster.nodes[REPLICA].command("XLEN {levelgate}:stream").number(), 3);
    // A seed is dead; another one is asked.
    let mut head = of_all.head().await;
    while head.as_ref().is_err_and(RedisError::is_outage) {
        head = of_all.head().await;
    }
    assert_eq!(head.unwrap().unwrap().batches, 3);
}

#[tokio::test]
async fn a_master_that_no_sentinel_knows_is_named() {
    let sentinels = Sentinels::start(0);
    let mut store = store(&sentinels.url().replace("/main", "/other"), "primary");
    let error = store.head().await.unwrap_err();
    assert!(matches!(&error, RedisError::MasterDown(text) if text.contains("no master `other`")), "{error:?}");
}
