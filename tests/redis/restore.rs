//! Restoring a lost machine from Redis.

use std::fs;

use support::daemon::{ConfigFolder, Daemon, run};
use support::fixtures::pay;
use support::process::{Ended, eventually};
use support::redis::server::RedisServer;

use crate::daemons::{durable, last, tip};
use crate::restored_answers::{answers, assert_same, of_another_machine, two_merchants, work};

const DISK: &str = "kind = \"disk\"\npath = \"data\"\nsegment_bytes = 4096";
const CONTINUE: &str = "ack = \"redis\"\non_outage = \"continue\"";
const REFUSE: &str = "ack = \"redis\"\non_outage = \"refuse\"";

/// Runs `serve` with these arguments, which must be refused; returns what it said.
#[track_caller]
fn refused(folder: &ConfigFolder, arguments: &[&str]) -> String {
    let config = folder.path().to_str().expect("a path");
    let Ended { code, text } = run(folder, &[&["serve", "--config", config], arguments].concat());
    assert_eq!(code, Some(1), "{text}");
    text
}

#[track_caller]
fn command(folder: &ConfigFolder, arguments: &[&str]) -> Ended {
    let config = folder.path().to_str().expect("a path");
    run(folder, &[arguments, &["--config", config]].concat())
}

/// A daemon with state of all kinds, killed; its configuration, and its answers before.
fn killed(server: &RedisServer, rule: &str) -> (ConfigFolder, std::collections::BTreeMap<String, String>) {
    let daemon = Daemon::start(two_merchants(server, DISK, rule));
    work(&daemon, "one");
    wait_for_erasures(&daemon, 1);
    let before = answers(&daemon);
    let second = of_another_machine(&daemon.folder);
    assert!(tip(server) >= last(&daemon));
    // The key file is in the folder of the first daemon.
    let key = second.scratch_path("key");
    fs::write(&key, [7; 32]).expect("the key file is written");
    name_key(&second, &key);
    drop(daemon);
    (second, before)
}

/// The erasures of a round are recorded at both merchants: the grace period is a second.
fn wait_for_erasures(daemon: &Daemon, rounds: usize) {
    eventually("a customer of each merchant is erased", || {
        let audit = |merchant: &str| daemon.get(&format!("/v1/merchants/{merchant}/audit")).body;
        ["acme", "beta"].iter().all(|merchant| audit(merchant).matches("\"field\":\"erased\"").count() >= rounds)
    });
}

fn name_key(folder: &ConfigFolder, key: &std::path::Path) {
    let text = fs::read_to_string(folder.path().join("levelgate.toml")).expect("the settings");
    let lines = text.lines().map(|line| match line.starts_with("key_file") {
        true => format!("key_file = \"{}\"", key.display()),
        false => line.to_owned(),
    });
    folder.write("levelgate.toml", &(lines.collect::<Vec<_>>().join("\n") + "\n"));
}

fn restored(mut folder: ConfigFolder) -> Daemon {
    folder.arguments.push("--restore");
    let mut daemon = Daemon::start(folder);
    daemon.folder.arguments.clear();
    daemon
}

#[test]
fn a_lost_machine_is_restored_with_the_same_answers() {
    for rule in [CONTINUE, REFUSE] {
        let server = durable();
        let (folder, before) = killed(&server, rule);
        let text = refused(&folder, &[]);
        assert!(text.contains("serve --restore") && text.contains("is empty, and Redis has data"), "{text}");
        assert!(!folder.path().join("data").exists(), "nothing was created");
        let mut daemon = restored(folder);
        assert!(daemon.log().contains("restored instance"), "{}", daemon.log());
        assert_same(&before, &answers(&daemon));
        // It continues, and so does the copy: without an option after a kill.
        work(&daemon, "two");
        wait_for_erasures(&daemon, 2);
        let before = answers(&daemon);
        daemon.kill_and_start();
        assert_same(&before, &answers(&daemon));
        assert!(tip(&server) >= last(&daemon));
        assert!(refused(&daemon.folder, &["--restore"]).contains("already has `"));
    }
}
