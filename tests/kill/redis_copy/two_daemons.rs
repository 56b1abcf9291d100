//! Two daemons of one copy: the older one is woken between its check and its append. Data of another instance.

use std::fs;
use std::thread;

use support::daemon::{ConfigFolder, Daemon, run};
use support::fixtures::pay;
use support::process::eventually;
use support::redis::proxy::{Fault, Proxy};
use support::redis::server::{RedisOptions, RedisServer};

use crate::redis_copy::case::{Rule, with_both};
use crate::redis_copy::copied_state::restore;
use support::redis::daemons::{daemon, folder, metric, status, tip};

/// Starts a second daemon on a folder that is made of what Redis has.
fn replace(server: &RedisServer, rule: &str) -> ConfigFolder {
    let mut second = folder(server, rule);
    restore(&server.url(), &second.path().join("data"));
    if rule.contains("continue") {
        second.arguments.push("--take-over");
    }
    second
}

#[test]
fn an_older_daemon_that_wakes_between_its_check_and_its_append_answers_nothing() {
    with_both(|rule| {
        let rule = match rule {
            Rule::Continue => "ack = \"redis\"\non_outage = \"continue\"",
            Rule::Refuse => "ack = \"redis\"\non_outage = \"refuse\"",
        };
        let server = RedisServer::start();
        let proxy = Proxy::start(server.port());
        let configured = folder(&server, rule);
        let text = fs::read_to_string(configured.path().join("levelgate.toml")).expect("the settings");
        // No time-out ends the waiting of the older one.
        let text = text.replace(&server.url(), &proxy.url()).replace("response_ms = 300", "response_ms = 50000");
        configured.write("levelgate.toml", &text.replace("total_ms = 600", "total_ms = 55000"));
        let mut older = Daemon::start(configured);
        for n in 0..10 {
            older.reserve(&pay(&format!("both-{n}"), "1.00")).ok();
        }
        proxy.set(Fault::HoldRequests);
        thread::scope(|scope| {
            let asked = scope.spawn(|| older.reserve(&pay("unseen", "1.00")));
            eventually("the record is on its way", || {
                metric(&older, "levelgate_redis_lag_records") > 0.0 && proxy.holds()
            });
            // With a lease, it starts once that has expired.
            let newer = Daemon::start(replace(&server, rule));
            for n in 0..10 {
                let again = newer.reserve(&pay(&format!("both-{n}"), "1.00"));
                assert_eq!(again.header("idempotent-replay"), Some("true"), "{rule}: both-{n}");
            }
            assert_eq!(newer.fetch("unseen").status, 404, "{rule}");
            newer.reserve(&pay("mine", "1.00")).ok();
            proxy.set(Fault::None);
            let answer = asked.join().expect("an answer");
            assert_eq!(answer.problem(503)["code"], "outcome_unknown", "{rule}");
            newer.reserve(&pay("mine too", "1.00")).ok();
            let shipped = status(&newer)["lsn"].as_u64().expect("a number");
            assert!(tip(&server) >= shipped, "{rule}");
        });
        assert_eq!(older.wait().code(), Some(4), "{rule}: {}", older.log());
        let unshipped = fs::read_to_string(older.folder.path().join("data/unshipped")).expect("the list");
        assert!(unshipped.contains("unseen") && !unshipped.contains("both-"), "{rule}: {unshipped}");
    });
}

#[test]
fn a_daemon_whose_failover_lost_its_tail_lists_it_when_another_one_has_continued() {
    let rule = "ack = \"redis\"\non_outage = \"continue\"";
    let mut master = RedisServer::start();
    let replica = RedisServer::with(RedisOptions { replica_of: Some(master.port()), ..RedisOptions::default() });
    replica.wait_until_synced();
    let proxy = Proxy::start(master.port());
    let configured = folder(&master, rule);
    let text = fs::read_to_string(configured.path().join("levelgate.toml")).expect("the settings");
    configured.write("levelgate.toml", &text.replace(&master.url(), &proxy.url()));
    let mut older = Daemon::start(configured);
    older.reserve(&pay("both", "1.00")).ok();
    eventually("the replica has it", || tip(&replica) == tip(&master) && tip(&master) > 0);
    replica.command("REPLICAOF NO ONE");
    older.reserve(&pay("confirmed", "1.00")).ok();
    // The failover loses the last record, and another daemon continues without it.
    proxy.set(Fault::Refuse);
    master.kill();
    proxy.point_to(replica.port());
    let newer = Daemon::start(replace(&replica, rule));
    newer.reserve(&pay("mine", "1.00")).ok();
    proxy.set(Fault::None);
    assert_eq!(older.wait().code(), Some(4), "{}", older.log());
    let unshipped = fs::read_to_string(older.folder.path().join("data/unshipped")).expect("the list");
    assert!(unshipped.contains("confirmed") && !unshipped.contains("both"), "{unshipped}");
}

#[test]
fn data_of_another_instance_end_a_running_daemon() {
    let rule = "ack = \"redis\"\non_outage = \"continue\"";
    let server = RedisServer::start();
    let mut first = daemon(&server, rule);
    first.reserve(&pay("a", "1.00")).ok();
    // Redis loses its data while the first one is stopped, and another instance begins there.
    first.signal("STOP");
    server.command("FLUSHALL");
    let other = daemon(&server, rule);
    other.reserve(&pay("b", "1.00")).ok();
    first.signal("CONT");
    assert_eq!(first.wait().code(), Some(4), "{}", first.log());
    assert!(first.log().contains("another instance"), "{}", first.log());
    let again = run(&first.folder, &["serve", "--config", first.folder.path().to_str().expect("a path")]);
    assert_eq!(again.code, Some(1), "{}", again.text);
    other.reserve(&pay("c", "1.00")).ok();
}
