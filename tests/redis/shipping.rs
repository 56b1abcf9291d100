//! Shipping to a real Redis: what is acknowledged is there, and who may answer while it is away.

use std::fs;

use serde_json::json;
use support::daemon::{ConfigFolder, Daemon, run};
use support::fixtures::pay;
use support::process::eventually;
use support::redis::server::{RedisOptions, RedisServer};

use support::redis::daemons::{copy, daemon, durable, folder, folder_with, last, metric, status, tip};

const CONTINUE: &str = "ack = \"redis\"\non_outage = \"continue\"";
const REFUSE: &str = "ack = \"redis\"\non_outage = \"refuse\"";

#[test]
fn acknowledged_records_are_in_redis_after_a_kill() {
    for rule in [CONTINUE, REFUSE] {
        let server = durable();
        let mut daemon = daemon(&server, rule);
        for round in 0..3 {
            for n in 0..20 {
                daemon.reserve(&pay(&format!("p{round}-{n}"), "1.00")).ok();
            }
            let acknowledged = last(&daemon);
            assert!(tip(&server) >= acknowledged, "round {round}: {} of {acknowledged}", tip(&server));
            // The lease of the killed process is that of this data folder, so the start does not wait for it.
            daemon.kill_and_start();
            for n in 0..20 {
                let again = daemon.reserve(&pay(&format!("p{round}-{n}"), "1.00"));
                assert_eq!(again.header("idempotent-replay"), Some("true"), "{rule}: p{round}-{n}");
            }
        }
        daemon.reserve(&pay("last", "1.00")).ok();
        assert_eq!(status(&daemon)["redis"]["state"], "shipping");
        assert!(metric(&daemon, "levelgate_redis_batches_total") > 0.0);
        assert!(daemon.get("/readyz").body.contains("redis: lag of 0 records, 0 s"), "{}", daemon.get("/readyz").body);
    }
}

#[test]
fn an_orderly_stop_ships_everything_and_releases_the_lease() {
    for ack in ["local", "redis"] {
        let server = durable();
        let mut daemon = daemon(&server, &format!("ack = \"{ack}\""));
        for n in 0..50 {
            daemon.reserve(&pay(&format!("p{n}"), "1.00")).ok();
        }
        let acknowledged = last(&daemon);
        daemon.signal("TERM");
        assert_eq!(daemon.wait().code(), Some(0), "{}", daemon.log());
        assert!(tip(&server) >= acknowledged);
        assert_eq!(server.command("EXISTS {levelgate}:lease").number(), 0);
    }
}

#[test]
fn decisions_continue_while_redis_is_stopped_and_it_catches_up() {
    let server = durable();
    let daemon = daemon(&server, CONTINUE);
    daemon.reserve(&pay("before", "1.00")).ok();
    server.signal("STOP");
    // The first answer waits until the outage is established, and further ones do not wait.
    for n in 0..5 {
        daemon.reserve(&pay(&format!("during-{n}"), "1.00")).ok();
    }
    assert_eq!(status(&daemon)["redis"]["state"], "outage");
    assert!(daemon.get("/readyz").body.contains("redis: unavailable; decisions continue from the journal"));
    assert!((metric(&daemon, "levelgate_redis_outage") - 1.0).abs() < 0.1);
    let acknowledged = last(&daemon);
    server.signal("CONT");
    eventually("Redis has every record", || tip(&server) >= acknowledged);
    eventually("the outage is over", || status(&daemon)["redis"]["state"] == "shipping");
    let log = daemon.log();
    assert!(log.matches("Redis does not confirm for").count() <= 2, "not one line an attempt:\n{log}");
    assert!(log.contains("redis: the outage of"), "{log}");
}

#[test]
fn writes_are_refused_and_reads_answered_while_redis_is_stopped() {
    let server = durable();
    let daemon = daemon(&server, REFUSE);
    daemon.reserve(&pay("before", "1.00")).ok();
    server.signal("STOP");
    // This one may have been decided before the lease ended.
    let first = daemon.reserve(&pay("during", "1.00"));
    assert_eq!(first.problem(503)["code"], "outcome_unknown");
    eventually("writes are refused before they are decided", || {
        let refused = daemon.reserve(&pay("refused", "1.00"));
        refused.problem(503)["code"] == "redis_unavailable"
    });
    assert_eq!(daemon.fetch("refused").status, 404, "nothing was recorded");
    assert_eq!(daemon.fetch("before").status, 200);
    // What was answered `outcome_unknown` counts, so a read shows it. The feed waits: a standby could take over without it.
    assert_eq!(daemon.fetch("during").status, 200);
    let feed = |after: u64| daemon.get(&format!("/v1/events?after={after}")).ok();
    let shown = feed(0);
    assert!(shown.to_string().contains("before") && !shown.to_string().contains("during"), "{shown}");
    let next = shown["next"].as_u64().expect("a number");
    assert_eq!(feed(next)["next"], next, "it stops there");
    assert_eq!(daemon.get("/readyz").problem(503)["code"], "redis_unavailable");
    server.signal("CONT");
    eventually("the daemon is ready again", || daemon.get("/readyz").status == 200);
    let again = daemon.reserve(&pay("during", "1.00"));
    assert_eq!(again.header("idempotent-replay"), Some("true"), "the record was there: {again:?}");
    assert!(feed(next).to_string().contains("during"), "it continues without a gap");
    daemon.reserve(&pay("refused", "1.00")).ok();
    assert!(tip(&server) >= last(&daemon));
}

#[test]
fn redis_that_was_killed_gets_everything_again() {
    for keeps_data in [true, false] {
        let mut server = durable();
        let daemon = daemon(&server, CONTINUE);
        for n in 0..30 {
            daemon.reserve(&pay(&format!("a{n}"), "1.00")).ok();
        }
        server.kill();
        daemon.reserve(&pay("during", "1.00")).ok();
        match keeps_data {
            true => server.restart(),
            false => server.restart_empty(),
        }
        daemon.reserve(&pay("after", "1.00")).ok();
        let acknowledged = last(&daemon);
        eventually("Redis has every record", || tip(&server) >= acknowledged);
        eventually("the outage is over", || status(&daemon)["redis"]["state"] == "shipping");
        assert_eq!(server.command("HGET {levelgate}:head begin_lsn").number(), 1, "keeps its data: {keeps_data}");
    }
}

#[test]
fn a_start_without_redis_depends_on_what_the_folder_knows() {
    let mut server = durable();
    let refusing = folder(&server, REFUSE);
    let without_disk = folder_with(&server, "kind = \"memory\"", REFUSE);
    let folder = folder(&server, CONTINUE);
    server.kill();
    // An empty folder may be a lost one, whose instance Redis has.
    for folder in [&folder, &refusing, &without_disk] {
        let first = run(folder, &["serve", "--config", folder.path().to_str().expect("a path")]);
        assert_eq!(first.code, Some(1), "{}", first.text);
        assert!(first.text.contains("cannot know whether another one has taken over"), "{}", first.text);
        assert!(!folder.path().join("data").exists(), "nothing was created");
    }
    server.restart();
    let mut daemon = Daemon::start(folder);
    daemon.reserve(&pay("first", "1.00")).ok();
    server.kill();
    daemon.kill_and_start();
    assert!(daemon.log().contains("the daemon starts without it"), "{}", daemon.log());
    daemon.reserve(&pay("second", "1.00")).ok();
    let acknowledged = last(&daemon);
    server.restart();
    eventually("Redis has every record", || tip(&server) >= acknowledged);
}

#[test]
fn a_start_that_refuses_writes_waits_for_redis() {
    let mut server = durable();
    let mut daemon = daemon(&server, REFUSE);
    server.kill();
    daemon.kill_and_start_unready();
    assert_eq!(daemon.get("/readyz").problem(503)["code"], "redis_unavailable");
    assert_eq!(daemon.reserve(&pay("early", "1.00")).problem(503)["code"], "redis_unavailable");
    server.restart();
    eventually("the daemon is ready", || daemon.get("/readyz").status == 200);
    daemon.reserve(&pay("early", "1.00")).ok();
}

/// A second configuration with a copy of the data folder.
fn with_copy_of(server: &RedisServer, folder: &ConfigFolder, rule: &str) -> ConfigFolder {
    let second = support::redis::daemons::folder(server, rule);
    copy(&folder.path().join("data"), &second.path().join("data"));
    second
}

#[test]
fn a_daemon_that_was_replaced_lists_what_it_never_shipped() {
    let mut server = durable();
    let mut first = daemon(&server, CONTINUE);
    first.reserve(&pay("both", "1.00")).ok();
    first.signal("TERM");
    assert_eq!(first.wait().code(), Some(0));
    let mut second = with_copy_of(&server, &first.folder, CONTINUE);
    first.kill_and_start();
    let config = second.path().to_str().expect("a path").to_owned();
    let refused = run(&second, &["serve", "--config", &config]);
    assert_eq!(refused.code, Some(1), "{}", refused.text);
    assert!(
        refused.text.contains("another daemon has the lease") || refused.text.contains("does not have"),
        "{}",
        refused.text
    );
    // The first one is cut off from Redis and continues; a person lets the second one take over.
    let replaced = Replaced::of(&mut server, &mut first, &mut second);
    assert!(replaced.log.contains("fenced out: Redis never got records"), "{}", replaced.log);
    assert!(replaced.unshipped.contains("unseen"), "{}", replaced.unshipped);
    assert_eq!(replaced.status, Some(4));
    assert_starts_no_more(&mut server, &first.folder);
}

/// The daemon of this folder was replaced: no start goes on, whether or not Redis answers.
fn assert_starts_no_more(server: &mut RedisServer, folder: &ConfigFolder) {
    let config = folder.path().to_str().expect("a path");
    server.kill();
    let away = run(folder, &["serve", "--config", config]);
    assert_eq!(away.code, Some(1), "{}", away.text);
    assert!(away.text.contains("cannot know whether another one has taken over"), "{}", away.text);
    server.restart();
    let again = run(folder, &["serve", "--config", config]);
    assert_eq!(again.code, Some(1), "{}", again.text);
    assert!(again.text.contains("which this data folder does not have"), "{}", again.text);
}

#[test]
fn a_start_that_another_daemon_prevents_does_not_go_on_without_redis_later() {
    let mut server = durable();
    let mut first = daemon(&server, CONTINUE);
    first.reserve(&pay("both", "1.00")).ok();
    first.signal("KILL");
    first.wait();
    let mut second = with_copy_of(&server, &first.folder, CONTINUE);
    second.arguments.push("--take-over");
    let other = Daemon::start(second);
    let config = first.folder.path().to_str().expect("a path").to_owned();
    let refused = run(&first.folder, &["serve", "--config", &config]);
    assert!(refused.text.contains("another daemon has the lease"), "{}", refused.text);
    other.reserve(&pay("mine", "1.00")).ok();
    drop(other);
    assert_starts_no_more(&mut server, &first.folder);
}

#[test]
fn an_idle_daemon_notices_its_fence_in_the_hands_of_another_owner() {
    let server = durable();
    let mut daemon = daemon(&server, CONTINUE);
    daemon.reserve(&pay("first", "1.00")).ok();
    // A Redis that had lost the fence of this daemon gave its number to another one.
    server.command("HSET {levelgate}:head owner another");
    assert_eq!(daemon.wait().code(), Some(4), "{}", daemon.log());
    assert!(daemon.log().contains("fenced out: another has taken over"), "{}", daemon.log());
}

#[test]
fn a_start_confirms_nothing_that_the_replicas_lack() {
    let master = durable();
    let replica = RedisServer::with(RedisOptions { replica_of: Some(master.port()), ..RedisOptions::default() });
    replica.wait_until_synced();
    let mut daemon = daemon(&master, "ack = \"redis+1\"\non_outage = \"refuse\"");
    eventually("the replica confirms", || daemon.reserve(&pay("both", "1.00")).status == 200);
    replica.signal("STOP");
    assert_eq!(daemon.reserve(&pay("one", "1.00")).problem(503)["code"], "outcome_unknown");
    daemon.kill_and_start_unready();
    // The master has the record, and no other server.
    let problem = daemon.reserve(&pay("one", "1.00")).problem(503);
    assert!(problem["code"] == "outcome_unknown" || problem["code"] == "redis_unavailable", "{problem}");
    replica.signal("CONT");
    eventually("the daemon is ready", || daemon.get("/readyz").status == 200);
    let again = daemon.reserve(&pay("one", "1.00"));
    assert_eq!(again.header("idempotent-replay"), Some("true"));
}

#[test]
fn the_rights_that_the_guide_names_are_enough() {
    let guide = levelgate::docs::guide("redis").expect("the guide").text;
    let rights = guide.lines().find(|line| line.starts_with("ACL SETUSER levelgate ")).expect("the rights");
    for script in fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/src/replication/scripts")).expect("the scripts") {
        let text = fs::read_to_string(script.expect("an entry").path()).expect("a script");
        for call in text.split("redis.call('").skip(1) {
            let command = call.split('\'').next().unwrap_or_default().to_lowercase();
            assert!(rights.split(' ').any(|right| right == format!("+{command}")), "{command}");
        }
    }
    let server = durable();
    server.command(rights);
    let folder = folder(&server, CONTINUE);
    let text = fs::read_to_string(folder.path().join("levelgate.toml")).expect("the settings");
    folder.write("levelgate.toml", &text.replace("redis://", "redis://levelgate:PASSWORD@"));
    let mut daemon = Daemon::start(folder);
    let body = json!({ "merchant_customer_identifier": "ann", "email": "ann@example.com" });
    daemon.post("/v1/merchants/acme/customers", &body);
    daemon.reserve(&pay("first", "1.00")).ok();
    eventually("a snapshot is in Redis", || metric(&daemon, "levelgate_redis_snapshots_total") > 0.0);
    daemon.signal("TERM");
    assert_eq!(daemon.wait().code(), Some(0), "{}", daemon.log());
    assert_eq!(server.command("EXISTS {levelgate}:lease").number(), 0, "the lease is released");
    assert!(!daemon.log().contains("lacks a permission"), "{}", daemon.log());
}

struct Replaced {
    log: String,
    unshipped: String,
    status: Option<i32>,
}

impl Replaced {
    /// Stops the first daemon's process while the second one takes over, and wakes it.
    fn of(server: &mut RedisServer, first: &mut Daemon, second: &mut ConfigFolder) -> Replaced {
        // The copy has every record of Redis: it is made again after all records are shipped.
        let shipped = last(first);
        eventually("Redis has every record", || tip(server) >= shipped);
        fs::remove_dir_all(second.path().join("data")).expect("the copy is removed");
        server.kill();
        copy(&first.folder.path().join("data"), &second.path().join("data"));
        // Answered after the outage is established; Redis never gets it.
        first.reserve(&pay("unseen", "1.00")).ok();
        first.signal("STOP");
        server.restart();
        second.arguments.push("--take-over");
        let taken = std::mem::replace(second, ConfigFolder::new(&support::daemon::Settings::SYSTEM, &[]));
        let other = Daemon::start(taken);
        other.reserve(&pay("mine", "1.00")).ok();
        first.signal("CONT");
        let status = first.wait().code();
        let unshipped = fs::read_to_string(first.folder.path().join("data/unshipped")).unwrap_or_default();
        other.reserve(&pay("mine too", "1.00")).ok();
        Replaced { log: first.log(), unshipped, status }
    }
}

#[test]
fn an_erased_key_leaves_redis_also_after_an_outage() {
    let server = durable();
    let daemon = daemon(&server, CONTINUE);
    let customer = |name: &str| {
        let body = json!({ "merchant_customer_identifier": name, "email": format!("{name}@example.com") });
        let answer = daemon.post("/v1/merchants/acme/customers", &body);
        answer.json()["customer_id"].as_str().expect("an id").to_owned()
    };
    let (first, second) = (customer("ann"), customer("bob"));
    let counts = || {
        let count = |key: &str| server.command(&format!("HLEN {{levelgate}}:{key}")).number();
        (count("keys"), count("erased"))
    };
    eventually("Redis has both keys", || counts() == (2, 0));
    let path = |customer: &str| format!("/v1/merchants/acme/customers/{customer}");
    daemon.delete(&path(&first)).ok();
    eventually("the key of the first one is erased", || counts() == (1, 1));
    server.signal("STOP");
    daemon.delete(&path(&second)).ok();
    eventually("the erasure waits for Redis", || daemon.log().contains("is still in Redis; it is tried again"));
    server.signal("CONT");
    eventually("the key of the second one is erased", || counts() == (0, 2));
}

#[test]
fn a_daemon_without_a_disk_answers_nothing_that_redis_lacks() {
    for rule in [CONTINUE, REFUSE] {
        let mut server = durable();
        let daemon = Daemon::start(folder_with(&server, "kind = \"memory\"", rule));
        for n in 0..20 {
            daemon.reserve(&pay(&format!("p{n}"), "1.00")).ok();
        }
        assert!(tip(&server) > 20);
        server.kill();
        assert_eq!(daemon.reserve(&pay("during", "1.00")).problem(503)["code"], "outcome_unknown");
        eventually("writes are refused before they are decided", || {
            daemon.reserve(&pay("refused", "1.00")).problem(503)["code"] == "redis_unavailable"
        });
        server.restart();
        eventually("the daemon is ready again", || daemon.get("/readyz").status == 200);
        let again = daemon.reserve(&pay("during", "1.00"));
        assert_eq!(again.header("idempotent-replay"), Some("true"), "{rule}");
        daemon.reserve(&pay("refused", "1.00")).ok();
    }
}

#[test]
fn another_instance_is_refused() {
    let server = durable();
    let first = daemon(&server, CONTINUE);
    first.reserve(&pay("a", "1.00")).ok();
    // The folder has data. An empty one would be restored.
    let other = durable();
    let mut second = daemon(&other, CONTINUE);
    second.signal("TERM");
    assert_eq!(second.wait().code(), Some(0));
    let settings = std::fs::read_to_string(second.folder.path().join("levelgate.toml")).expect("the settings");
    second.folder.write("levelgate.toml", &settings.replace(&other.url(), &server.url()));
    let config = second.folder.path().to_str().expect("a path").to_owned();
    let refused = run(&second.folder, &["serve", "--config", &config]);
    assert_eq!(refused.code, Some(1), "{}", refused.text);
    assert!(refused.text.contains("Redis has the data of another instance"), "{}", refused.text);
    first.reserve(&pay("b", "1.00")).ok();
}
