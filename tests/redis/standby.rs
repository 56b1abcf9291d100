//! A standby: it answers what its primary answers, records nothing, and takes over.

use std::time::Duration;

use serde_json::{Value, json};
use support::daemon::{ConfigFolder, Daemon};
use support::fixtures::pay;
use support::process::eventually;
use support::redis::server::RedisServer;

use support::redis::daemons::{daemon, durable, folder, folder_with, last, metric, status, tip};

const CONTINUE: &str = "ack = \"redis\"\non_outage = \"continue\"";
const REFUSE: &str = "ack = \"redis\"\non_outage = \"refuse\"";

/// A configuration of a standby with an empty data folder.
fn standby_folder(server: &RedisServer, rule: &str) -> ConfigFolder {
    let mut folder = folder(server, rule);
    folder.arguments.push("--standby");
    folder
}

fn standby(server: &RedisServer, rule: &str) -> Daemon {
    Daemon::start_unready(standby_folder(server, rule))
}

/// Waits until the standby has every record of the primary.
fn caught_up(standby: &Daemon, primary: &Daemon) {
    let wanted = last(primary);
    eventually("the standby has every record", || last(standby) >= wanted && lag(standby) == 0);
}

fn lag(standby: &Daemon) -> u64 {
    let answer = standby.get("/healthz");
    answer.header("levelgate-lag-ms").expect("the header").parse().expect("a number")
}

fn customer(daemon: &Daemon, name: &str) -> String {
    let body = json!({ "merchant_customer_identifier": name, "email": format!("{name}@example.com") });
    let answer = daemon.post("/v1/merchants/acme/customers", &body);
    answer.json()["customer_id"].as_str().expect("an id").to_owned()
}

/// What both daemons answer to the same reads. The time of the answer is left out.
fn reads(daemon: &Daemon, customers: &[String], payments: &[String]) -> Vec<Value> {
    let mut answers = Vec::new();
    for id in customers {
        for end in ["", "/usage", "/history", "/transactions", "/limits"] {
            let answer = daemon.get(&format!("/v1/merchants/acme/customers/{id}{end}"));
            answers.push(json!([answer.status, without_time(answer.json())]));
        }
    }
    for id in payments {
        answers.push(without_time(daemon.fetch(id).ok()));
    }
    for path in ["/v1/merchants/acme/customers", "/v1/merchants/acme/transactions", "/v1/merchants/acme", "/v1/events"]
    {
        answers.push(without_time(daemon.get(path).ok()));
    }
    let check = pay("check", "1.00");
    answers.push(without_time(daemon.check(&check).ok()));
    answers
}

/// Both answer the same once the standby has synced what it has: the feed shows only records that no power cut removes.
fn assert_same_reads(standby: &Daemon, primary: &Daemon, customers: &[String], payments: &[String]) {
    eventually("the feeds have the same events", || {
        let events = |daemon: &Daemon| daemon.get("/v1/events").json()["next"].clone();
        events(standby) == events(primary)
    });
    let (of_standby, of_primary) = (reads(standby, customers, payments), reads(primary, customers, payments));
    for (of_standby, of_primary) in of_standby.iter().zip(&of_primary) {
        assert_eq!(of_standby, of_primary);
    }
}

fn without_time(mut value: Value) -> Value {
    match &mut value {
        Value::Object(fields) => {
            // Each request has another id.
            let own = ["server_time", "as_of", "start", "end", "frees_at", "request_id"];
            own.iter().for_each(|field| _ = fields.remove(*field));
            fields.values_mut().for_each(|field| *field = without_time(field.take()));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| *item = without_time(item.take())),
        _ => {}
    }
    value
}

#[test]
fn a_standby_answers_reads_as_its_primary_and_refuses_writes() {
    let server = durable();
    let primary = daemon(&server, CONTINUE);
    let mut customers: Vec<String> = ["ann", "bob"].map(|name| customer(&primary, name)).into();
    let mut payments: Vec<String> = (0..20).map(|n| format!("before-{n}")).collect();
    payments.iter().for_each(|id| _ = primary.reserve(&pay(id, "1.00")).ok());
    let standby = standby(&server, CONTINUE);
    customers.push(customer(&primary, "carol"));
    for n in 0..20 {
        let id = format!("during-{n}");
        primary.reserve(&pay(&id, "2.00")).ok();
        primary.step(&id, ["approve", "decline"][n % 2], &json!({})).ok();
        payments.push(id);
    }
    let changed = json!({ "status": "suspicious", "email": "bob@example.org" });
    primary.send("PATCH", &format!("/v1/merchants/acme/customers/{}", customers[1]), &changed).ok();
    caught_up(&standby, &primary);
    assert_same_reads(&standby, &primary, &customers, &payments);
    let refused = [
        standby.reserve(&pay("new", "1.00")),
        standby.step("before-0", "approve", &json!({})),
        standby.post("/v1/merchants/acme/customers", &json!({ "merchant_customer_identifier": "dan" })),
        standby.delete(&format!("/v1/merchants/acme/customers/{}", customers[0])),
        standby.post_nothing("/v1/reload"),
        standby.post_nothing("/v1/clock/accept"),
    ];
    for answer in refused {
        assert_eq!(answer.problem(503)["code"], "standby", "{answer:?}");
        assert!(answer.header("levelgate-lag-ms").is_some() && answer.header("retry-after").is_some(), "{answer:?}");
    }
    let line = json!({ "op": "reserve", "merchant": "acme" });
    let mut line = [line, pay("in a batch", "1.00")].into_iter();
    let (mut first, second) = (line.next().expect("two"), line.next().expect("two"));
    first.as_object_mut().expect("an object").extend(second.as_object().expect("an object").clone());
    let answers = standby.post_text("/v1/batch", &format!("{first}\n"));
    assert!(answers.body.contains("\"code\":\"standby\""), "{answers:?}");
    let ready = standby.get("/readyz").problem(503);
    assert_eq!(ready["code"], "standby");
    assert!(ready["detail"].as_str().is_some_and(|text| text.contains("lag of 0 ms")), "{ready}");
    assert_eq!((&status(&standby)["role"], &status(&primary)["role"]), (&json!("standby"), &json!("primary")));
    assert_eq!(status(&standby)["standby"]["tip_lsn"], tip(&server));
    assert!((metric(&standby, "levelgate_standby") - 1.0).abs() < 0.1 && metric(&primary, "levelgate_standby") < 0.1);
    assert_eq!(primary.post_nothing("/v1/take-over").problem(409)["code"], "not_standby");
    assert!(primary.get("/healthz").header("levelgate-lag-ms").is_none());
    standby.post_nothing("/v1/snapshot").ok();
}

#[test]
fn a_standby_that_was_down_catches_up() {
    let server = durable();
    let primary = daemon(&server, CONTINUE);
    primary.reserve(&pay("before", "1.00")).ok();
    let mut standby = standby(&server, CONTINUE);
    for (round, signal) in ["KILL", "TERM", "KILL"].iter().enumerate() {
        caught_up(&standby, &primary);
        let erased = customer(&primary, &format!("erased-{round}"));
        caught_up(&standby, &primary);
        standby.signal(signal);
        standby.wait();
        for n in 0..30 {
            primary.reserve(&pay(&format!("p{round}-{n}"), "1.00")).ok();
        }
        let kept = customer(&primary, &format!("kept-{round}"));
        primary.delete(&format!("/v1/merchants/acme/customers/{erased}")).ok();
        eventually("the key is erased", || {
            server.command("HLEN {levelgate}:erased").number() == i64::try_from(round).expect("few") + 1
        });
        standby.kill_and_start_unready();
        caught_up(&standby, &primary);
        assert_same_reads(&standby, &primary, &[erased, kept], &[]);
    }
}

#[test]
fn a_standby_of_an_empty_redis_waits_for_a_primary() {
    let server = durable();
    let waiting = standby_folder(&server, CONTINUE);
    let (port, primary) = std::thread::scope(|scope| {
        // It listens once it has data.
        let standby = scope.spawn(|| standby_of(waiting));
        let primary = daemon(&server, CONTINUE);
        primary.reserve(&pay("first", "1.00")).ok();
        (standby.join().expect("the standby listens"), primary)
    });
    caught_up(&port, &primary);
    assert_eq!(port.fetch("first").ok()["amount"], primary.fetch("first").ok()["amount"]);
}

fn standby_of(folder: ConfigFolder) -> Daemon {
    Daemon::start_unready(folder)
}

#[test]
fn a_person_makes_a_standby_take_over() {
    let server = durable();
    let mut primary = daemon(&server, CONTINUE);
    for n in 0..20 {
        primary.reserve(&pay(&format!("p{n}"), "1.00")).ok();
    }
    let standby = standby(&server, CONTINUE);
    caught_up(&standby, &primary);
    primary.signal("STOP");
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(standby.reserve(&pay("early", "1.00")).problem(503)["code"], "standby", "not by itself");
    let taken = standby.post_nothing("/v1/take-over").ok();
    assert!(taken["milliseconds"].as_u64().is_some_and(|ms| ms < 2_000), "{taken}");
    eventually("it is ready", || standby.get("/readyz").status == 200);
    assert_eq!(standby.post_nothing("/v1/take-over").problem(409)["code"], "not_standby");
    for n in 0..20 {
        let again = standby.reserve(&pay(&format!("p{n}"), "1.00"));
        assert_eq!(again.header("idempotent-replay"), Some("true"), "p{n}");
    }
    standby.reserve(&pay("after", "1.00")).ok();
    assert!(tip(&server) >= last(&standby));
    assert!(standby.get("/healthz").header("levelgate-lag-ms").is_none());
    assert_eq!(status(&standby)["role"], "primary");
    primary.signal("CONT");
    assert_eq!(primary.wait().code(), Some(4), "{}", primary.log());
    let log = standby.log();
    assert!(log.contains("standby: this daemon has taken over after record"), "{log}");
}

#[test]
fn a_standby_takes_over_by_itself_with_refuse() {
    let server = durable();
    let mut primary = daemon(&server, REFUSE);
    primary.reserve(&pay("before", "1.00")).ok();
    let mut standby = standby(&server, REFUSE);
    caught_up(&standby, &primary);
    primary.signal("TERM");
    assert_eq!(primary.wait().code(), Some(0), "{}", primary.log());
    eventually("it answers writes", || standby.reserve(&pay("after", "1.00")).status == 200);
    let again = standby.reserve(&pay("before", "1.00"));
    assert_eq!(again.header("idempotent-replay"), Some("true"));
    // The former primary is a standby of the new one: its folder is behind in the same lineage.
    primary.folder.arguments.push("--standby");
    primary.kill_and_start_unready();
    caught_up(&primary, &standby);
    assert_eq!(primary.fetch("after").ok()["amount"], "1.00");
    standby.signal("KILL");
    standby.wait();
    eventually("it answers writes", || primary.reserve(&pay("again", "1.00")).status == 200);
    let again = primary.reserve(&pay("after", "1.00"));
    assert_eq!(again.header("idempotent-replay"), Some("true"));
}

#[test]
fn a_start_with_take_over_is_a_primary_at_once() {
    let server = durable();
    let mut primary = daemon(&server, CONTINUE);
    primary.reserve(&pay("before", "1.00")).ok();
    primary.signal("KILL");
    primary.wait();
    let mut folder = standby_folder(&server, CONTINUE);
    folder.arguments.push("--take-over");
    let taken = Daemon::start(folder);
    let again = taken.reserve(&pay("before", "1.00"));
    assert_eq!(again.header("idempotent-replay"), Some("true"));
    taken.reserve(&pay("after", "1.00")).ok();
    // An ordinary restart continues: the folder has the newest fence.
    let mut folder = taken;
    folder.folder.arguments.clear();
    folder.kill_and_start();
    let again = folder.reserve(&pay("after", "1.00"));
    assert_eq!(again.header("idempotent-replay"), Some("true"));
}

#[test]
fn an_unreadable_batch_stops_the_standby_in_words() {
    let server = durable();
    let primary = daemon(&server, CONTINUE);
    primary.reserve(&pay("before", "1.00")).ok();
    let mut standby = standby(&server, CONTINUE);
    caught_up(&standby, &primary);
    let next = tip(&server) + 1;
    server.command(&format!("XADD {{levelgate}}:stream {next}-0 b garbage"));
    assert_eq!(standby.wait().code(), Some(1), "{}", standby.log());
    let log = standby.log();
    assert!(log.contains("standby: following has ended, and the daemon stops"), "{log}");
    assert!(log.contains(&format!("that ends with record {next} cannot be read")), "{log}");
}

#[test]
fn a_standby_answers_reads_while_redis_is_away() {
    let mut server = durable();
    let primary = daemon(&server, CONTINUE);
    primary.reserve(&pay("before", "1.00")).ok();
    let standby = standby(&server, CONTINUE);
    caught_up(&standby, &primary);
    server.kill();
    eventually("the lag grows", || lag(&standby) > 1_000);
    assert_eq!(standby.fetch("before").ok()["amount"], "1.00");
    assert!(status(&standby)["standby"]["reason"].is_string());
    let refused = standby.post_nothing("/v1/take-over").problem(503);
    assert_eq!(refused["code"], "take_over_failed", "{refused}");
    server.restart();
    primary.reserve(&pay("after", "1.00")).ok();
    caught_up(&standby, &primary);
    assert_eq!(standby.fetch("after").ok()["amount"], "1.00");
}

#[test]
fn a_standby_without_a_disk_follows_and_takes_over() {
    let server = durable();
    let mut primary = daemon(&server, REFUSE);
    primary.reserve(&pay("before", "1.00")).ok();
    let mut folder = folder_with(&server, "kind = \"memory\"", REFUSE);
    folder.arguments.push("--standby");
    let standby = Daemon::start_unready(folder);
    primary.reserve(&pay("during", "1.00")).ok();
    eventually("it has the record", || standby.fetch("during").status == 200);
    primary.signal("KILL");
    primary.wait();
    eventually("it answers writes", || standby.reserve(&pay("after", "1.00")).status == 200);
    for id in ["before", "during"] {
        assert_eq!(standby.reserve(&pay(id, "1.00")).header("idempotent-replay"), Some("true"), "{id}");
    }
}

#[test]
fn a_folder_of_another_lineage_is_no_standby() {
    let mut server = durable();
    let mut primary = daemon(&server, CONTINUE);
    primary.reserve(&pay("before", "1.00")).ok();
    let taken = standby(&server, CONTINUE);
    caught_up(&taken, &primary);
    // The primary decides on without Redis, and another daemon takes over meanwhile.
    server.kill();
    primary.reserve(&pay("unseen", "1.00")).ok();
    primary.signal("KILL");
    primary.wait();
    server.restart();
    eventually("it takes over", || taken.post_nothing("/v1/take-over").status == 200);
    taken.reserve(&pay("after", "1.00")).ok();
    primary.folder.arguments.push("--standby");
    primary.kill_and_start_unready();
    assert_eq!(primary.wait().code(), Some(1), "{}", primary.log());
    assert!(primary.log().contains("the folder is of another lineage"), "{}", primary.log());
}

#[test]
fn levels_that_are_set_on_the_primary_are_in_force_on_the_standby() {
    let server = durable();
    let primary = daemon(&server, CONTINUE);
    let standby = standby(&server, CONTINUE);
    let path = "/v1/merchants/acme/levels/deposit/EUR/gold";
    let mut level = primary.get(path).ok();
    level["filters"][0]["amount_limit"] = json!("7.00");
    primary.send("PUT", path, &level).ok();
    caught_up(&standby, &primary);
    let shown = |daemon: &Daemon| daemon.get(path).ok()["filters"][0]["amount_limit"].clone();
    assert_eq!(shown(&primary), "7.00");
    // The rules follow the records that change them.
    eventually("the standby has the rules", || shown(&standby) == "7.00");
    let denied = standby.check(&pay("too much", "8.00")).ok();
    assert_eq!(denied["decision"], "deny", "{denied}");
    // A reload of the standby records nothing.
    standby.signal("HUP");
    eventually("it is reloaded", || standby.log().contains("the configuration was reloaded"));
    assert_eq!(shown(&standby), "7.00");
    standby.post_nothing("/v1/take-over").ok();
    assert_eq!(standby.reserve(&pay("too much", "8.00")).json()["decision"], "deny");
}

#[test]
fn one_of_two_standbys_takes_over_and_the_other_follows_it() {
    let server = durable();
    let mut primary = daemon(&server, REFUSE);
    primary.reserve(&pay("before", "1.00")).ok();
    let standbys = [standby(&server, REFUSE), standby(&server, REFUSE)];
    standbys.iter().for_each(|standby| caught_up(standby, &primary));
    primary.signal("KILL");
    primary.wait();
    let is_primary = |daemon: &Daemon| status(daemon)["role"] == "primary";
    eventually("one takes over", || standbys.iter().any(is_primary));
    let (taken, other) = match is_primary(&standbys[0]) {
        true => (&standbys[0], &standbys[1]),
        false => (&standbys[1], &standbys[0]),
    };
    for n in 0..20 {
        taken.reserve(&pay(&format!("after-{n}"), "1.00")).ok();
    }
    caught_up(other, taken);
    assert_eq!(other.reserve(&pay("more", "1.00")).problem(503)["code"], "standby");
    assert_same_reads(other, taken, &[], &["before".to_owned(), "after-19".to_owned()]);
}
