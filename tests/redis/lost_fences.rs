//! Fences and leases that Redis has lost, alone or with all of its data.

use std::fs;

use support::daemon::{ConfigFolder, Daemon, run};
use support::fixtures::pay;
use support::process::eventually;
use support::redis::daemons::{copy, daemon, durable, folder, last, status, tip};
use support::redis::server::RedisServer;

const CONTINUE: &str = "ack = \"redis\"\non_outage = \"continue\"";
const REFUSE: &str = "ack = \"redis\"\non_outage = \"refuse\"";

/// A second configuration whose data folder is that of the first one and has never had a fence, as after a restore.
fn of_another_machine(server: &RedisServer, first: &ConfigFolder, rule: &str) -> ConfigFolder {
    let second = folder(server, rule);
    let data = second.path().join("data");
    copy(&first.path().join("data"), &data);
    fs::remove_file(data.join("fence")).expect("it has a fence");
    second
}

fn fence(server: &RedisServer) -> i64 {
    server.command("HGET {levelgate}:head fence").number()
}

#[test]
fn a_lower_fence_of_another_daemon_is_not_taken_from_it() {
    let mut server = durable();
    let mut first = daemon(&server, CONTINUE);
    first.reserve(&pay("both", "1.00")).ok();
    for _ in 0..2 {
        first.kill_and_start();
    }
    assert_eq!(fence(&server), 3);
    first.signal("KILL");
    first.wait();
    // Redis loses all acquisitions, and another daemon is first.
    server.restart_empty();
    let mut second = Daemon::start(of_another_machine(&server, &first.folder, CONTINUE));
    assert_eq!(fence(&server), 1);
    let wanted = last(&second);
    eventually("Redis has every record", || tip(&server) == wanted);
    let config = first.folder.path().to_str().expect("a path").to_owned();
    let refused = run(&first.folder, &["serve", "--config", &config]);
    assert_eq!(refused.code, Some(1), "{}", refused.text);
    assert!(refused.text.contains("another daemon has the lease"), "{}", refused.text);
    assert_eq!(fence(&server), 1, "nothing was changed");
    second.reserve(&pay("mine", "1.00")).ok();
    // And the other way round: a restart of the daemon that has the fence is no take-over.
    second.kill_and_start();
    assert_eq!(second.reserve(&pay("mine", "1.00")).header("idempotent-replay"), Some("true"));
}

#[test]
fn an_acquisition_that_a_failover_lost_is_repeated() {
    let server = durable();
    let mut first = daemon(&server, CONTINUE);
    first.reserve(&pay("one", "1.00")).ok();
    let owner = server.command("HGET {levelgate}:head owner").text();
    first.kill_and_start();
    let wanted = last(&first);
    eventually("Redis has every record", || tip(&server) == wanted);
    first.signal("STOP");
    server.command("HSET {levelgate}:head fence 1");
    set_owner(&server, &owner);
    first.signal("CONT");
    eventually("it takes the fence again", || fence(&server) == 3);
    first.reserve(&pay("two", "1.00")).ok();
    assert!(first.log().contains("a failover lost the fence of this daemon"), "{}", first.log());
}

fn set_owner(server: &RedisServer, owner: &str) {
    let set = server.try_command(&[b"HSET", b"{levelgate}:head", b"owner", owner.as_bytes()]);
    set.expect("the server answers");
}

#[test]
fn a_standby_takes_a_fence_above_every_one_that_it_has_seen() {
    let server = durable();
    let mut primary = daemon(&server, CONTINUE);
    primary.reserve(&pay("before", "1.00")).ok();
    for _ in 0..3 {
        primary.kill_and_start();
    }
    let mut following = folder(&server, CONTINUE);
    following.arguments.push("--standby");
    let standby = Daemon::start_unready(following);
    eventually("it has every record", || last(&standby) == last(&primary));
    primary.signal("KILL");
    primary.wait();
    // A failover goes back by some acquisitions. The owner of fence 4 may live.
    server.command("HSET {levelgate}:head fence 1");
    let taken = standby.post_nothing("/v1/take-over").ok();
    assert_eq!(taken["fence"], 5, "{taken}");
}

#[test]
fn a_start_and_a_restore_wait_for_a_lease_that_a_failover_may_have_lost() {
    for restores in [false, true] {
        let server = durable();
        let mut first = daemon(&server, REFUSE);
        first.reserve(&pay("both", "1.00")).ok();
        let acknowledged = last(&first);
        let wanted = last(&first);
        eventually("Redis has every record", || tip(&server) == wanted);
        // It is cut off from Redis, answers by its lease, and the failover lost that.
        first.signal("STOP");
        let mut second = match restores {
            true => folder(&server, REFUSE),
            false => of_another_machine(&server, &first.folder, REFUSE),
        };
        if restores {
            second.arguments.push("--restore");
        }
        server.command("DEL {levelgate}:lease");
        let mut second = Daemon::start(second);
        assert!(second.log().contains("a failover may have lost the lease of a daemon"), "{}", second.log());
        assert!(last(&second) >= acknowledged);
        first.signal("CONT");
        assert_eq!(first.wait().code(), Some(4), "{}", first.log());
        // An owner that has released its lease needs no wait, and neither does a restart.
        second.signal("TERM");
        assert_eq!(second.wait().code(), Some(0), "{}", second.log());
        let third = Daemon::start(of_another_machine(&server, &second.folder, REFUSE));
        assert!(!third.log().contains("a failover may have lost"), "{}", third.log());
        assert_eq!(status(&third)["redis"]["state"], "shipping");
    }
}
