//! The daemon trims the stream by itself, and a standby deletes what its primary has released.

use std::fs;
use std::path::PathBuf;

use serde_json::json;
use support::daemon::{ConfigFolder, Daemon, run};
use support::fixtures::pay;
use support::moved_clock;
use support::process::eventually;
use support::redis::daemons::{copy, durable, last, tip};
use support::redis::server::RedisServer;

use crate::restore::{archived, machine, wait_for_erasures};
use crate::restored_answers::{answers, assert_same, two_merchants, work};

const DISK: &str = "kind = \"disk\"\npath = \"data\"\nsegment_bytes = 4096";
const REDIS: &str = "ack = \"redis\"\non_outage = \"continue\"\nsnapshot_interval_s = 1";

/// A primary that is as old as its first records, and the file of its clock.
fn primary(server: &RedisServer) -> (Daemon, PathBuf) {
    let mut folder = two_merchants(server, DISK, REDIS);
    let clock = folder.scratch_path("clock");
    moved_clock::set(&clock, "+0");
    moved_clock::follow(&mut folder, &clock);
    let daemon = Daemon::start(folder);
    work(&daemon, "one");
    wait_for_erasures(&daemon, 1);
    for n in 0..100 {
        daemon.reserve(&pay(&format!("old-{n}"), "1.00")).ok();
        daemon.step(&format!("old-{n}"), ["approve", "decline"][n % 2], &json!({})).ok();
    }
    (daemon, clock)
}

/// Moves the clock of all daemons that go by the file, and lets the primary accept it.
fn move_to(daemon: &Daemon, clock: &std::path::Path, now: &str) {
    moved_clock::set(clock, now);
    eventually("the clock has jumped", || daemon.get("/v1/status").ok()["clock_state"]["state"] == "jumped");
    daemon.post("/v1/clock/accept", &json!({ "move_future_entries": false })).ok();
}

/// Takes the two snapshots after which segments are moved to the archive.
fn archive(daemon: &Daemon, round: &str) {
    for n in 0..2 {
        daemon.reserve(&pay(&format!("{round}-{n}"), "1.00")).ok();
        daemon.post_nothing("/v1/snapshot").ok();
    }
    eventually("segments are in the archive", || archived(&daemon.folder).len() > 3);
}

fn begin(server: &RedisServer) -> u64 {
    u64::try_from(server.command("HGET {levelgate}:head begin_lsn").number()).expect("a number")
}

/// Another machine of the same clock.
fn machine_at(folder: &ConfigFolder, clock: &std::path::Path) -> ConfigFolder {
    let mut second = machine(folder);
    moved_clock::follow(&mut second, clock);
    second
}

#[test]
fn old_records_leave_the_stream_and_the_rest_is_a_whole_copy() {
    let server = durable();
    let (mut daemon, clock) = primary(&server);
    archive(&daemon, "first");
    let old = last(&daemon);
    assert_eq!(begin(&server), 1, "nothing is older than the retention");
    move_to(&daemon, &clock, "+100d");
    // The next snapshot in Redis contains a new record, and then the stream is trimmed.
    work(&daemon, "two");
    wait_for_erasures(&daemon, 2);
    archive(&daemon, "second");
    eventually("the stream is trimmed", || begin(&server) > 1);
    assert!(daemon.log().contains("leave the stream"), "{}", daemon.log());
    eventually("it is trimmed up to the last archived segment of that time", || {
        daemon.reserve(&pay(&format!("more-{}", last(&daemon)), "1.00")).ok();
        begin(&server) + 40 > old
    });
    eventually("Redis has every record", || tip(&server) >= last(&daemon));
    let config = daemon.folder.path().to_str().expect("a path").to_owned();
    let examined = run(&daemon.folder, &["inspect", "--redis", "--config", &config]);
    assert!(examined.code == Some(0) && examined.text.contains("whole      nothing is damaged"), "{}", examined.text);

    let before = answers(&daemon);
    let second = machine_at(&daemon.folder, &clock);
    let archive = second.path().join("data/archive");
    copy(&daemon.folder.path().join("data/archive"), &archive);
    let _ = fs::remove_file(archive.join("index.redb"));
    daemon.kill();
    let mut second = second;
    second.arguments.push("--restore");
    let mut restored = Daemon::start(second);
    assert_same(&before, &answers(&restored));
    // Held since the beginning, it was copied.
    restored.step("one-held", "approve", &json!({})).ok();
    restored.folder.arguments.clear();
    restored.kill_and_start();
    assert_eq!(restored.fetch("one-held").ok()["status"], "approved");
}

#[test]
fn a_standby_deletes_what_its_primary_has_released() {
    let server = durable();
    let (primary, clock) = primary(&server);
    let mut folder = machine_at(&primary.folder, &clock);
    folder.arguments.push("--standby");
    let standby = Daemon::start_unready(folder);
    let caught_up = || eventually("the standby has every record", || last(&standby) >= last(&primary));
    caught_up();
    archive(&primary, "first");
    caught_up();
    for _ in 0..2 {
        standby.post_nothing("/v1/snapshot").ok();
        primary.reserve(&pay(&format!("between-{}", last(&primary)), "1.00")).ok();
        caught_up();
    }
    // The standby divides the same records into its own segments.
    eventually("the standby has an archive", || {
        primary.reserve(&pay(&format!("more-{}", last(&primary)), "1.00")).ok();
        caught_up();
        standby.post_nothing("/v1/snapshot").ok();
        archived(&standby.folder).len() > 3
    });
    let (of_primary, of_standby) = (archived(&primary.folder), archived(&standby.folder));
    move_to(&primary, &clock, "+900d");
    work(&primary, "two");
    wait_for_erasures(&primary, 1);
    for n in 0..3 {
        primary.reserve(&pay(&format!("late-{n}"), "1.00")).ok();
        primary.post_nothing("/v1/snapshot").ok();
    }
    eventually("the primary has deleted segments", || {
        primary.post_nothing("/v1/snapshot").ok();
        archived(&primary.folder).first() > of_primary.first()
    });
    caught_up();
    eventually("the standby has deleted segments", || {
        primary.reserve(&pay(&format!("last-{}", last(&primary)), "1.00")).ok();
        caught_up();
        standby.post_nothing("/v1/snapshot").ok();
        archived(&standby.folder).first() > of_standby.first()
    });
    // Both have forgotten the same, and show the rest.
    for id in ["old-1", "one-held", "one-paid", "late-1"] {
        let (one, other) = (primary.fetch(id), standby.fetch(id));
        assert_eq!((one.status, &one.json()["status"]), (other.status, &other.json()["status"]), "{id}");
    }
    let mut standby = standby;
    standby.kill_and_start_unready();
    eventually("it continues", || last(&standby) >= last(&primary));
}
