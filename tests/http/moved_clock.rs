//! A machine whose clock is moved under the daemon: nothing is answered by a time that cannot be right.

use serde_json::{Value, json};
use support::daemon::{ConfigFolder, Daemon, Settings, run};
use support::fixtures::{DAY, GATEWAY, HOUR, MINUTE, acme, filter, gold, later, level, pay, with, without};
use support::moved_clock;
use support::process::eventually;

const DISK: &str = "kind = \"disk\"";
/// From today to the year 2099.
const FAR: &str = "+26663d";
const ACCEPT: &str = "/v1/clock/accept";

/// A daemon whose wall clock goes by a file, the monotonic one by the machine.
fn movable(store: &'static str) -> Daemon {
    Daemon::start(folder(store, "+0"))
}

fn folder(store: &'static str, now: &str) -> ConfigFolder {
    folder_of(gold("window = \"daily\"; quantity_limit = 2"), store, now)
}

fn folder_of(shop: String, store: &'static str, now: &str) -> ConfigFolder {
    let mut folder = ConfigFolder::new(&Settings { store, ..Settings::SYSTEM }, &[("acme", shop)]);
    let clock = folder.scratch_path("clock");
    moved_clock::set(&clock, now);
    moved_clock::follow(&mut folder, &clock);
    folder
}

/// Moves the clock in one step.
fn set(daemon: &Daemon, clock: &str) {
    moved_clock::set(&daemon.folder.scratch_path("clock"), clock);
}

/// The clock in the status.
fn clock(daemon: &Daemon) -> Value {
    daemon.get("/v1/status").ok()["clock_state"].clone()
}

fn stamp(daemon: &Daemon) -> String {
    clock(daemon)["time"].as_str().expect("a time").to_owned()
}

/// Whether the clock metrics have this value.
fn measures(daemon: &Daemon, line: &str) -> bool {
    daemon.get("/metrics").body.lines().any(|known| known == line)
}

/// Whether the log says something, and only once.
fn logged_once(daemon: &Daemon, words: &str) {
    eventually(words, || daemon.log().contains(words));
    assert_eq!(daemon.log().matches(words).count(), 1, "{}", daemon.log());
}

fn accept(daemon: &Daemon, moves: bool) -> Value {
    daemon.post(ACCEPT, &json!({ "move_future_entries": moves })).ok()
}

fn time(daemon: &Daemon) -> String {
    time_of(daemon, &pay("probe", "1.00"))
}

fn time_of(daemon: &Daemon, question: &Value) -> String {
    daemon.check(question).ok()["server_time"].as_str().expect("a time").to_owned()
}

/// Everything that needs the present time is refused, in words.
fn waits(daemon: &Daemon) {
    let line = with(pay("wait", "1.00"), &json!({ "op": "reserve", "merchant": "acme" }));
    let batch = daemon.post_text("/v1/batch", &format!("{line}\n")).body;
    let form = without(pay("wait", "1.00"), &["amount"]);
    let refused = [
        daemon.reserve(&pay("wait", "1.00")).problem(503),
        daemon.check(&pay("wait", "1.00")).problem(503),
        daemon.post("/v1/merchants/acme/payment-form", &form).problem(503),
        daemon.get("/readyz").problem(503),
        serde_json::from_str(batch.trim()).expect("a problem"),
    ];
    for refused in refused {
        assert_eq!(refused["code"], "clock_jumped", "{refused}");
        let detail = refused["detail"].as_str().unwrap_or_default();
        assert!(detail.contains(clock(daemon)["wall"].as_str().unwrap().split_once(':').unwrap().0), "{detail}");
        assert!(detail.contains(stamp(daemon).split_once(':').unwrap().0), "{detail}");
        assert!(detail.contains("POST /v1/clock/accept"), "{detail}");
    }
    assert!(daemon.reserve(&pay("wait", "1.00")).header("retry-after").is_some());
    assert_eq!(daemon.fetch("wait").problem(404)["code"], "transaction_not_found", "nothing was recorded");
    assert_eq!(clock(daemon)["state"], "jumped");
    assert!(measures(daemon, "levelgate_clock_accepted 0"));
    assert_eq!(daemon.get("/healthz").status, 200, "the process lives");
}

/// Facts, signals, changes by staff and reads go on, with a stamp from `from` on; `id` is reserved.
fn goes_on(daemon: &Daemon, id: &str, from: &str) {
    // As a gateway sends it, by a clock that is right.
    let now = json!({ "occurred_at": format!("{:.3}", jiff::Timestamp::now()) });
    let fact = with(now.clone(), &json!({ "amount": "0.25", "capture_id": "c1", "final": false }));
    assert_eq!(daemon.step(id, "approve", &fact).ok()["status"], "approved");
    let line = with(
        now.clone(),
        &json!({ "op": "refund", "merchant": "acme", "transaction_id": id, "amount": "0.10", "refund_id": "r1" }),
    );
    assert_eq!(daemon.post_text("/v1/batch", &format!("{line}\n")).ok()["refunded"], "0.10");
    let new = format!("paid-while-{id}");
    let unknown = with(without(pay(&new, "2.00"), &["transaction_id"]), &now);
    assert_eq!(daemon.step(&new, "approve", &unknown).ok()["status"], "approved", "money that moved is taken");
    let customer = daemon.fetch(id).ok()["customer"]["customer_id"].as_str().expect("a customer").to_owned();
    let customer = format!("/v1/merchants/acme/customers/{customer}");
    daemon.post(&format!("{customer}/signals"), &json!({ "signal": "consent_given" })).ok();
    daemon.send("PATCH", &customer, &json!({ "first_name": "Alice" })).ok();
    for read in
        [&customer, &format!("{customer}/usage"), &format!("{customer}/history"), "/v1/merchants/acme/transactions"]
    {
        daemon.get(read).ok();
    }
    let shown = daemon.fetch(id).ok();
    for fact in shown["transitions"].as_array().expect("facts") {
        let at = fact["at"].as_str().or(fact["recorded_at"].as_str()).expect("a time").to_owned();
        assert!(at.as_str() >= from && at < later(from, HOUR), "{fact} is stamped from {from} on");
    }
}

#[test]
fn clock_that_jumps_ahead_needs_acceptance() {
    let daemon = movable(DISK);
    daemon.reserve(&pay("t1", "1.00")).ok();
    daemon.reserve(&pay("t2", "1.00")).ok();
    let before = time(&daemon);
    assert!(measures(&daemon, "levelgate_clock_accepted 1") && measures(&daemon, "levelgate_clock_step_seconds 0"));
    set(&daemon, "+40d");
    waits(&daemon);
    assert!(measures(&daemon, &format!("levelgate_clock_step_seconds {}", 40 * DAY / 1000)));
    goes_on(&daemon, "t1", &before);
    logged_once(&daemon, "the system clock is not accepted");
    let accepted = daemon.post_nothing(ACCEPT).ok();
    assert_eq!((&accepted["recorded"], &accepted["moved"]), (&json!(true), &json!(false)), "{accepted}");
    assert_eq!(accepted["future_transactions"], 0, "{accepted}");
    assert!((accepted["difference_ms"].as_i64().expect("a number") - 40 * DAY).abs() < MINUTE, "{accepted}");
    logged_once(&daemon, "the system clock is accepted again");
    logged_once(&daemon, "the system clock was accepted by");
    assert_eq!((daemon.get("/readyz").status, &clock(&daemon)["state"]), (200, &json!("accepted")));
    assert!(time(&daemon) > later(&before, 39 * DAY), "forty days have passed");
    assert_eq!(daemon.reserve(&pay("t3", "1.00")).ok()["decision"], "allow", "the window has gone on");
    // A repetition changes nothing.
    assert_eq!(daemon.post_nothing(ACCEPT).ok()["recorded"], false);
    let audit = daemon.get("/v1/merchants/acme/audit?kind=clock").ok()["audit"].clone();
    assert_eq!(audit.as_array().map(Vec::len), Some(1), "{audit}");
    assert_eq!(
        (&audit[0]["kind"], &audit[0]["source"], &audit[0]["customer_id"]),
        (&json!("clock"), &json!("api"), &Value::Null)
    );
    let change = &audit[0]["changes"][0];
    assert_eq!((&change["field"], &change["new"]["moves_future_entries"]), (&json!("clock"), &json!(false)), "{audit}");
    let times = ["old", "new"].map(|side| change[side]["time"].as_str().expect("a time").to_owned());
    assert!(times[1] > later(&times[0], 39 * DAY), "the clock before and after: {audit}");
}

#[test]
fn clock_that_goes_back_is_waited_for_or_accepted() {
    let mut daemon = movable(DISK);
    daemon.reserve(&pay("t1", "1.00")).ok();
    daemon.reserve(&pay("t2", "1.00")).ok();
    let before = time(&daemon);
    set(&daemon, "-3600");
    waits(&daemon);
    set(&daemon, "+0");
    eventually("the clock is right again", || daemon.get("/readyz").status == 200);
    assert!(time(&daemon) >= before);
    assert_eq!(daemon.reserve(&pay("t3", "1.00")).ok()["code"], 19001, "both still count");
    // Accepted as it is, the time goes back, and what is from the future counts.
    set(&daemon, "-3600");
    let accepted = accept(&daemon, false);
    assert_eq!((&accepted["future_entries"], &accepted["future_holds"]), (&json!(2), &json!(2)), "{accepted}");
    assert_eq!(accepted["future_transactions"], 3, "the denied one too: {accepted}");
    for round in ["at once", "after a restart"] {
        assert_eq!(daemon.get("/readyz").status, 200, "{round}");
        assert!(time(&daemon) < later(&before, -50 * MINUTE), "{round}");
        assert_eq!(daemon.reserve(&pay(round, "1.00")).ok()["code"], 19001, "{round}");
        daemon.kill_and_start();
    }
}

#[test]
fn a_start_before_the_newest_record_decides_nothing_until_the_clock_is_right() {
    let mut daemon = movable(DISK);
    daemon.reserve(&pay("t1", "1.00")).ok();
    let before = time(&daemon);
    set(&daemon, "-3600");
    daemon.kill_and_start_unready();
    waits(&daemon);
    let from = daemon.fetch("t1").ok()["recorded_at"].as_str().expect("a time").to_owned();
    goes_on(&daemon, "t1", &from);
    set(&daemon, "+0");
    eventually("the clock is right", || daemon.get("/readyz").status == 200);
    assert!(time(&daemon) >= before);
    assert!(daemon.reserve(&pay("t1", "1.00")).is_replay());
    // Half a minute is no step: the time waits until the machine's has caught up.
    let recorded = daemon.fetch("t1").ok()["transitions"][0].clone();
    let recorded = recorded["at"].as_str().or(recorded["recorded_at"].as_str()).expect("a time").to_owned();
    set(&daemon, "-30");
    daemon.kill_and_start();
    assert!(time(&daemon) >= recorded, "no earlier time than the newest record's is shown");
}

#[test]
fn daemon_started_in_2099_continues_today() {
    let mut daemon = Daemon::start(folder(DISK, FAR));
    daemon.reserve(&pay("t1", "1.00")).ok();
    daemon.reserve(&pay("t2", "1.00")).ok();
    let then = time(&daemon);
    assert!(then.starts_with("2099") || then.starts_with("21"), "{then}");
    set(&daemon, "+0");
    daemon.kill_and_start_unready();
    waits(&daemon);
    goes_on(&daemon, "t1", daemon.fetch("t1").ok()["recorded_at"].as_str().unwrap());
    // Accepted without moving: used up in 2099 is used up now, for as long as it takes.
    let accepted = accept(&daemon, false);
    assert!(
        accepted["before"].as_str() >= Some(then.as_str()) && accepted["after"].as_str() < Some("2090"),
        "{accepted}"
    );
    assert_eq!((&accepted["future_entries"], &accepted["future_holds"]), (&json!(3), &json!(2)), "{accepted}");
    let expires = |daemon: &Daemon| daemon.fetch("t2").ok()["expires_at"].as_str().expect("a hold").to_owned();
    assert!(expires(&daemon) > then);
    for (round, keeps) in [("at once", true), ("after a restart", false), ("after a restart on a snapshot", true)] {
        assert_eq!(daemon.get("/readyz").status, 200, "{round}");
        assert!(time(&daemon).as_str() < "2090", "{round}");
        assert_eq!(daemon.reserve(&pay(round, "1.00")).ok()["code"], 19001, "{round}");
        if keeps {
            daemon.post_nothing("/v1/snapshot").ok();
        }
        daemon.kill_and_start();
    }
    // Moved, it counts as if it were now, and leaves the window in time.
    let accepted = accept(&daemon, true);
    assert_eq!((&accepted["moved"], &accepted["future_entries"]), (&json!(true), &json!(3)), "{accepted}");
    let end = expires(&daemon);
    assert!(end.as_str() < "2090" && Some(end.as_str()) > accepted["after"].as_str(), "{end}");
    assert_eq!(accept(&daemon, true)["future_transactions"], 0, "there is nothing left to be moved");
    for (round, keeps) in [("moved", false), ("moved, restarted", true), ("moved, on a snapshot", false)] {
        assert_eq!(expires(&daemon), end, "{round}");
        assert_eq!(daemon.reserve(&pay(round, "1.00")).ok()["code"], 19001, "{round}");
        if keeps {
            daemon.post_nothing("/v1/snapshot").ok();
        }
        daemon.kill_and_start();
    }
    // The record is history: the facts are from 2099, and are found by that time.
    let shown = daemon.fetch("t2").ok();
    assert!(
        shown["recorded_at"].as_str() <= Some(then.as_str()) && shown["recorded_at"].as_str() > Some("2090"),
        "{shown}"
    );
    let listed = daemon.get("/v1/merchants/acme/transactions?from=2098-01-01T00:00:00Z&status=reserved").ok();
    assert_eq!(listed["transactions"][0]["transaction_id"], "t2", "{listed}");
    set(&daemon, "+2d");
    daemon.kill_and_start();
    assert_eq!(daemon.fetch("t2").ok()["status"], "expired");
    assert_eq!(daemon.reserve(&pay("t9", "1.00")).ok()["decision"], "allow", "the window has gone on");
}

#[test]
fn unassigned_transactions_count_at_their_corrected_time() {
    let policy = format!("{GATEWAY}[registration]\nallow_any_identifier = true\n");
    let shop = acme(&policy, &[level("gold", &filter("window = \"daily\"; quantity_limit = 2"))]);
    let mut daemon = Daemon::start(folder_of(shop, DISK, FAR));
    // The customer is made in 2099 too.
    let alice = crate::staff_calls::register(&daemon, &json!({ "email": "a@example.com", "deposit_level": "gold" }));
    let by = |customer: &str, id: &str| {
        let payment = without(pay(id, "1.00"), &["merchant_customer_identifier", "customer_level"]);
        with(payment, &json!({ "customer_id": customer }))
    };
    let passed = daemon.reserve(&by("555", "t1")).ok();
    assert_eq!(passed["customer"]["resolution"], "bypassed", "{passed}");
    set(&daemon, "+0");
    daemon.kill_and_start_unready();
    assert_eq!(accept(&daemon, true)["future_transactions"], 1);
    let today = time_of(&daemon, &by(&alice, "probe"));
    let whose = json!({ "customer_id": alice });
    let linked = daemon.post("/v1/merchants/acme/transactions/t1/customer", &whose).ok();
    assert!(linked["expires_at"].as_str() < Some(later(&today, DAY).as_str()), "{linked}");
    assert_eq!(daemon.reserve(&by(&alice, "t2")).ok()["decision"], "allow");
    for keeps in [true, false] {
        assert_eq!(daemon.reserve(&by(&alice, &format!("t3-{keeps}"))).ok()["code"], 19001);
        if keeps {
            daemon.post_nothing("/v1/snapshot").ok();
        }
        daemon.kill_and_start();
        assert!(time_of(&daemon, &by(&alice, "probe")) < later(&today, DAY));
    }
    set(&daemon, "+2d");
    daemon.kill_and_start();
    assert_eq!(daemon.reserve(&by(&alice, "t4")).ok()["decision"], "allow", "the window has gone on");
}

#[test]
fn clock_before_2020_is_rejected_and_before_1970_prevents_the_start() {
    // Long before any record, and with none.
    for has_record in [true, false] {
        let mut daemon = Daemon::start(folder(DISK, "+0"));
        if has_record {
            daemon.reserve(&pay("t1", "1.00")).ok();
        }
        let before = stamp(&daemon);
        set(&daemon, "-14000d");
        daemon.kill_and_start_unready();
        waits(&daemon);
        assert!(clock(&daemon)["wall"].as_str().is_some_and(|wall| wall.starts_with("198")), "{}", clock(&daemon));
        if has_record {
            goes_on(&daemon, "t1", daemon.fetch("t1").ok()["recorded_at"].as_str().unwrap());
        } else {
            assert!(stamp(&daemon).starts_with("2020-01-01"), "{}", stamp(&daemon));
        }
        accept(&daemon, true);
        assert!(time(&daemon).as_str() < "1990");
        // The transactions of that time are moved to now, and have used up the limit.
        let code = daemon.reserve(&pay("t2", "1.00")).ok()["code"].clone();
        assert_eq!(code, if has_record { json!(19001) } else { Value::Null });
        daemon.kill_and_start();
        assert!(time(&daemon).as_str() < "1990", "accepted once, it is accepted");
        // And right again, which is more than a year ahead.
        set(&daemon, "+0");
        daemon.kill_and_start_unready();
        waits(&daemon);
        accept(&daemon, false);
        assert!(time(&daemon) >= before);
        set(&daemon, "-21900d");
        daemon.signal("KILL");
        daemon.wait();
        let ended = run(&daemon.folder, &["serve", "--config", &daemon.folder.path().display().to_string()]);
        assert_ne!(ended.code, Some(0), "{}", ended.text);
        assert!(
            ended.text.contains("the system clock says 196") && ended.text.contains("before 1970"),
            "{}",
            ended.text
        );
    }
}

#[test]
fn start_long_after_the_newest_record_needs_acceptance() {
    let mut daemon = movable(DISK);
    daemon.reserve(&pay("t1", "1.00")).ok();
    set(&daemon, "+360d");
    daemon.kill_and_start();
    daemon.reserve(&pay("t2", "1.00")).ok();
    set(&daemon, "+730d");
    daemon.kill_and_start_unready();
    waits(&daemon);
    // Set right, to a time that was good at the start, it needs no acceptance.
    set(&daemon, "+700d");
    eventually("the clock is right", || daemon.get("/readyz").status == 200);
    assert_eq!(daemon.reserve(&pay("t3", "1.00")).ok()["decision"], "allow");
}

#[test]
fn a_clock_by_requests_is_not_accepted_and_a_body_is_read_strictly() {
    let daemon = Daemon::timed(gold("window = \"daily\"; quantity_limit = 2"));
    let refused = daemon.post_nothing(ACCEPT).problem(422);
    assert_eq!(refused["code"], "clock_by_requests", "{refused}");
    let daemon = movable(DISK);
    for (body, code) in [
        (json!({ "move": true }), "unknown_field"),
        (json!({ "move_future_entries": "yes" }), "wrong_type"),
        (json!({ "move_future_entries": null }), "wrong_type"),
    ] {
        assert_eq!(daemon.post(ACCEPT, &body).problem(400)["code"], code);
    }
    assert_eq!(daemon.post(ACCEPT, &json!({})).ok()["recorded"], false);
}
