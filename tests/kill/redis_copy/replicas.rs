//! `ack = "redis+1"`: what was acknowledged is on a replica too.

use support::process::eventually;
use support::redis::server::{RedisOptions, RedisServer};

use crate::redis_copy::case::{Case, Options, Times, status, wait_for_outage, with_both};

fn with_replica() -> (RedisServer, RedisServer) {
    let master = RedisServer::start();
    let replica = RedisServer::with(RedisOptions { replica_of: Some(master.port()), ..RedisOptions::default() });
    replica.wait_until_synced();
    (master, replica)
}

#[test]
fn a_replica_has_what_was_acknowledged_when_everything_else_is_lost() {
    with_both(|rule| {
        let (mut master, replica) = with_replica();
        let options = Options { ack: "redis+1", times: Times::LONG, ..Options::of(rule) };
        let mut case = Case::start("a replica alone", &master.url(), options);
        case.load_and_kill(120);
        master.kill();
        replica.command("REPLICAOF NO ONE");
        case.judge_copy(&replica.url());
    });
}

#[test]
fn a_replica_that_hangs_is_an_outage() {
    with_both(|rule| {
        let (master, replica) = with_replica();
        let mut case = Case::start("a hanging replica", &master.url(), Options { ack: "redis+1", ..Options::of(rule) });
        case.load(|daemon| {
            replica.signal("STOP");
            wait_for_outage(daemon);
            replica.signal("CONT");
            eventually("the daemon ships again", || status(daemon)["redis"]["state"] == "shipping");
        });
        case.judge();
    });
}
