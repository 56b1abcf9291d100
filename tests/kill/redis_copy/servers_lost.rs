//! Servers that are killed, lose their data or lack the newest records, alone, with Sentinels and in a cluster.

use support::process::eventually;
use support::redis::cluster::{Cluster, REPLICA};
use support::redis::proxy::{Fault, Proxy};
use support::redis::sentinels::Sentinels;
use support::redis::server::{RedisOptions, RedisServer};

use crate::redis_copy::case::{Case, Options, Rule, status, wait_for_outage, with_both};
use support::redis::daemons::durable;

#[test]
fn a_server_that_starts_again_with_its_data() {
    with_both(|rule| {
        let mut server = durable();
        let mut case = Case::start("killed", &server.url(), Options::of(rule));
        case.load(|_| server.restart());
        case.load(|daemon| {
            server.kill();
            wait_for_outage(daemon);
            server.restart();
        });
        case.judge();
    });
}

#[test]
fn a_server_that_starts_again_without_its_data() {
    with_both(|rule| {
        let mut server = RedisServer::start();
        let mut case = Case::start("emptied", &server.url(), Options::of(rule));
        case.load(|_| server.restart_empty());
        case.load(|_| drop(server.command("FLUSHALL")));
        case.judge();
        assert!(case.daemon.log().contains("listening"), "{}", case.name());
    });
}

#[test]
fn a_daemon_without_load_sends_everything_again_to_a_server_that_lost_its_data() {
    with_both(|rule| {
        let mut server = RedisServer::start();
        let mut case = Case::start("emptied at rest", &server.url(), Options::of(rule));
        case.load(|_| {});
        case.settle();
        case.wait_until_shipped();
        let last = support::redis::daemons::tip(&server);
        server.restart_empty();
        eventually("Redis has every record again", || support::redis::daemons::tip(&server) >= last);
        case.judge();
    });
}

/// Replaces the server at the other side of a proxy with its replica, which has stopped to follow it before.
#[test]
fn a_tail_that_a_failover_lost() {
    with_both(|rule| {
        let mut master = RedisServer::start();
        let replica = RedisServer::with(RedisOptions { replica_of: Some(master.port()), ..RedisOptions::default() });
        replica.wait_until_synced();
        let proxy = Proxy::start(master.port());
        let mut case = Case::start("a lost tail", &proxy.url(), Options::of(rule));
        case.load(|_| {});
        case.wait_until_shipped();
        eventually("the replica has it", || {
            let tip = |server: &RedisServer| server.command("HGET {levelgate}:head tip_lsn");
            tip(&replica) == tip(&master)
        });
        replica.command("REPLICAOF NO ONE");
        let before = support::redis::daemons::tip(&replica);
        // Redis confirms what the replica lacks, keys of new customers among it.
        case.load(|_| {});
        assert!(support::redis::daemons::tip(&master) > before);
        proxy.point_to(replica.port());
        case.load(|_| {
            proxy.set(Fault::Refuse);
            master.kill();
            proxy.set(Fault::None);
        });
        case.wait_until_shipped();
        assert!(case.daemon.log().contains("lost its tail"), "{}", case.daemon.log());
        case.judge();
    });
}

/// Keys and erasures that a failover lost are sent again, although the stream lacks nothing.
#[test]
fn keys_and_erasures_that_a_failover_lost() {
    let mut master = RedisServer::start();
    let replica = RedisServer::with(RedisOptions { replica_of: Some(master.port()), ..RedisOptions::default() });
    replica.wait_until_synced();
    let proxy = Proxy::start(master.port());
    let mut case = Case::start("lost keys", &proxy.url(), Options::of(Rule::Continue));
    case.load(|_| {});
    case.settle();
    case.wait_until_shipped();
    let keys = |server: &RedisServer| server.command("HLEN {levelgate}:keys").number();
    let wanted = keys(&master);
    assert!(wanted > 0);
    eventually("the replica has the keys", || keys(&replica) == wanted);
    replica.command("REPLICAOF NO ONE");
    replica.command("DEL {levelgate}:keys");
    proxy.point_to(replica.port());
    case.load(|_| {
        proxy.set(Fault::Refuse);
        master.kill();
        proxy.set(Fault::None);
    });
    case.judge();
}

#[test]
fn a_failover_by_sentinels() {
    with_both(|rule| {
        let mut sentinels = Sentinels::start(2);
        let old = sentinels.master_port();
        // With `redis+1` the new master needs a replica: the one that is left.
        let ack = if rule == Rule::Continue { "redis+1" } else { "redis" };
        let mut case = Case::start("sentinels", &sentinels.url(), Options { ack, ..Options::of(rule) });
        case.load(|daemon| {
            sentinels.servers[0].kill();
            wait_for_outage(daemon);
            eventually("the Sentinels name the new master", || sentinels.master_port() != old);
            eventually("the daemon ships again", || status(daemon)["redis"]["state"] == "shipping");
        });
        case.judge();
    });
}

#[test]
fn a_failover_of_the_slot_in_a_cluster() {
    let mut cluster = Cluster::start("{levelgate}:head");
    let owner = cluster.owner;
    let others: Vec<usize> = (0..REPLICA).filter(|node| *node != owner).collect();
    let mut case = Case::start("cluster", &cluster.url(&others), Options::of(Rule::Refuse));
    case.load(|daemon| {
        cluster.nodes[owner].kill();
        wait_for_outage(daemon);
        eventually("the daemon ships again", || status(daemon)["redis"]["state"] == "shipping");
    });
    assert!(support::redis::daemons::tip(&cluster.nodes[REPLICA]) > 0);
    case.judge();
}
