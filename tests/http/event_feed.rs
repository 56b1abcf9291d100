//! The feed of facts: in order, whole, and gone on with where it was left.

use serde_json::{Value, json};
use std::thread;

use crate::staff_calls::register;
use support::daemon::{ConfigFolder, Daemon, Settings};
use support::fixtures::{
    CRM, DAY, GATEWAY, HOUR, MINUTE, acme, at, filter, gold, level, pay, tick, when, with, without,
};
use support::process::eventually;

fn page(daemon: &Daemon, query: &str) -> Value {
    daemon.get(&format!("/v1/events{query}")).ok()
}

fn events(page: &Value) -> &[Value] {
    page["events"].as_array().unwrap_or_else(|| panic!("a list of events: {page}"))
}

/// The feed after a number to its end, in pages of this size, once every answer is durable.
fn feed(daemon: &Daemon, mut after: u64, limit: usize) -> Vec<Value> {
    eventually("all lasts", || {
        let status = daemon.get("/v1/status").ok();
        status["synced_lsn"] == status["lsn"]
    });
    let mut all = Vec::new();
    loop {
        let page = page(daemon, &format!("?after={after}&limit={limit}"));
        let next = page["next"].as_u64().expect("a number");
        all.extend(events(&page).iter().cloned());
        if events(&page).is_empty() && next == after {
            return all;
        }
        after = next;
    }
}

/// In few words: what, of which transaction, its status and flags.
fn brief(events: &[Value]) -> Vec<String> {
    let word = |event: &Value, member: &str| event[member].as_str().unwrap_or_default().to_owned();
    let brief = |event: &Value| {
        let flags: Vec<&str> = event["flags"].as_array().expect("flags").iter().filter_map(Value::as_str).collect();
        let words = [word(event, "event"), word(event, "transaction_id"), word(event, "status"), flags.join("+")];
        words.join(" ").trim_end().to_owned()
    };
    events.iter().map(brief).collect()
}

#[test]
fn feed_contains_every_fact_in_order_with_its_transaction_at_that_time() {
    let daemon = Daemon::timed(gold("window = \"lifetime\"; amount_limit = \"1000.00\""));
    let step = |id: &str, operation: &str, body: Value| _ = daemon.step(id, operation, &body).ok();
    let alice = daemon.reserve(&with(pay("a", "10.00"), &when(0))).ok();
    step("a", "attempts", json!({ "attempt": 1, "gate": "gate-a", "outcome": "declined" }));
    step("a", "extend", json!({ "until": at(5 * HOUR) }));
    step("a", "approve", json!({ "amount": "20.00", "gate": "gate-b", "capture_id": "cap-1" }));
    step("a", "cancel", json!({ "cancel_id": "can-1", "amount": "5.00" }));
    step("a", "refund", json!({ "refund_id": "ref-1", "amount": "4.00" }));
    step("a", "chargeback", json!({ "chargeback_id": "cha-1", "amount": "3.00" }));
    daemon.reserve(&pay("big", "1000.00")).ok();
    step("big", "approve", json!({ "amount": "1.00" }));
    daemon.reserve(&pay("b", "1.00")).ok();
    step("b", "decline", json!({}));
    step("u", "approve", without(pay("u", "2.00"), &["transaction_id"]));
    daemon.reserve(&pay("u", "3.00")).ok();
    let line = with(pay("p", "4.00"), &json!({ "op": "payment", "merchant": "acme", "outcome": "approved" }));
    assert_eq!(daemon.post_text("/v1/batch", &format!("{line}\n")).status, 200);
    daemon.reserve(&pay("late", "1.00")).ok();
    daemon.reserve(&tick(3 * HOUR)).ok();
    step("late", "approve", json!({}));
    // None of these is a fact about a transaction.
    daemon.check(&pay("asked", "1.00")).ok();
    daemon.post("/v1/merchants/acme/customers/1000001/signals", &json!({ "signal": "consent_given" })).ok();
    daemon.step("a", "cancel", &json!({ "cancel_id": "more", "amount": "999.00" })).problem(422);
    assert!(daemon.reserve(&pay("late", "1.00")).is_replay());

    let all = feed(&daemon, 0, 1_000);
    let wanted = [
        "reserved a reserved",
        "attempted a reserved",
        "extended a reserved",
        "approved a approved over_limit",
        "cancelled a approved over_limit",
        "refunded a approved over_limit",
        "charged_back a approved over_limit",
        "denied big denied",
        "approved big approved conflict",
        "reserved b reserved",
        "declined b declined",
        "approved u approved unreserved",
        "reserved u approved unreserved",
        "reserved p reserved",
        "approved p approved",
        "reserved late reserved",
        "reserved tick-10800000 reserved",
        "approved late approved late",
    ];
    assert_eq!(brief(&all), wanted);
    let first = &all[0];
    for (member, value) in [
        ("merchant", json!("acme")),
        ("at", json!(at(0))),
        ("direction", json!("deposit")),
        ("currency", json!("EUR")),
        ("amount", json!("10.00")),
        ("level", json!({ "name": "gold", "source": "request" })),
        ("customer_id", alice["customer"]["customer_id"].clone()),
        ("resolution", json!("created")),
        ("expires_at", alice["expires_at"].clone()),
    ] {
        assert_eq!(first[member], value, "`{member}` of {first}");
    }
    assert_eq!((&all[2]["expires_at"], &all[3]["expires_at"]), (&json!(at(5 * HOUR)), &Value::Null));
    assert_eq!((&all[3]["amount"], &all[7]["code"]), (&json!("20.00"), &json!(19006)), "{} {}", all[3], all[7]);
    assert_eq!(all[7]["codes"], daemon.fetch("big").ok()["codes"], "the figures of the denial, as everywhere");
    assert!(all[8].get("codes").is_none() && first.get("codes").is_none(), "{} {first}", all[8]);
    assert!(all[8].get("code").is_none() && first.get("transition").is_none());
    let transitions = daemon.fetch("a").ok()["transitions"].clone();
    let shown_transitions: Vec<&Value> = all[1..7].iter().map(|event| &event["transition"]).collect();
    assert_eq!(json!(shown_transitions), transitions);
    // Facts of one step stay in one page at any limit.
    assert_eq!(all[13]["lsn"], all[14]["lsn"]);
    for limit in [1, 2, 7] {
        assert_eq!(feed(&daemon, 0, limit), all, "pages of {limit}");
    }
    let after = all[9]["lsn"].as_u64().expect("a number");
    assert_eq!(feed(&daemon, after, 5), all[10..], "continued after {after}");

    let flagged = page(&daemon, "?flag=late");
    assert_eq!(brief(events(&flagged)), ["approved late approved late"]);
    let end = flagged["next"].as_u64().expect("a number");
    assert!(
        end >= all[17]["lsn"].as_u64().expect("a number"),
        "the cursor is after the facts that the filter omits: {flagged}"
    );
    assert_eq!(brief(events(&page(&daemon, "?flag=conflict&merchant=acme"))), ["approved big approved conflict"]);
    assert_eq!(page(&daemon, &format!("?after={end}&wait=1")), json!({ "events": [], "next": end, "begins_at": 1 }));
}

#[test]
fn feed_contains_unassigned_transactions_and_their_assignment() {
    let daemon = Daemon::live(acme(&format!("{GATEWAY}[registration]\nallow_any_identifier = true\n"), &[]));
    let alice = register(&daemon, &json!({ "email": "a@example.com" }));
    let unknown_payer = without(pay("s", "1.00"), &["merchant_customer_identifier", "customer_level"]);
    daemon.reserve(&with(unknown_payer, &json!({ "customer_id": "555" }))).ok();
    daemon.step("s", "approve", &json!({})).ok();
    daemon.post("/v1/merchants/acme/transactions/s/customer", &json!({ "customer_id": alice })).ok();
    daemon.step("s", "refund", &json!({ "refund_id": "r", "amount": "1.00" })).ok();
    let all = feed(&daemon, 0, 1);
    assert_eq!(brief(&all), ["reserved s reserved", "approved s approved", "linked s approved", "refunded s approved"]);
    let whose: Vec<(&Value, &Value)> = all.iter().map(|event| (&event["customer_id"], &event["resolution"])).collect();
    let (nobody, somebody) = ((&json!("555"), &json!("bypassed")), (&json!(alice), &json!("found")));
    assert_eq!(whose, [nobody, nobody, somebody, somebody]);
    assert_eq!((&all[1]["level"], &all[2]["amount"]), (&Value::Null, &json!("1.00")));
}

#[test]
fn waiting_reader_receives_new_facts_only() {
    for store in [
        "kind = \"memory\"",
        "kind = \"disk\"",
        "kind = \"disk\"\nsync = \"always\"",
        "kind = \"disk\"\nsync = \"never\"",
    ] {
        let shop = gold("window = \"lifetime\"; amount_limit = \"1000.00\"");
        let daemon = Daemon::start(ConfigFolder::new(&Settings { store, ..Settings::SYSTEM }, &[("acme", shop)]));
        let end = page(&daemon, "")["next"].as_u64().expect("a number");
        thread::scope(|scope| {
            let any = scope.spawn(|| page(&daemon, &format!("?after={end}&wait=30")));
            let flagged = scope.spawn(|| page(&daemon, &format!("?after={end}&wait=30&flag=over_limit")));
            eventually("both wait", || daemon.get("/metrics").body.contains("levelgate_events_waiting 2"));
            daemon.reserve(&pay("t1", "1.00")).ok();
            assert_eq!(brief(events(&any.join().expect("an answer"))), ["reserved t1 reserved"], "{store}");
            daemon.step("t1", "approve", &json!({ "amount": "2.00" })).ok();
            let flagged = flagged.join().expect("an answer");
            assert_eq!(brief(events(&flagged)), ["approved t1 approved over_limit"], "{store}");
        });
        eventually("nobody waits", || daemon.get("/metrics").body.contains("levelgate_events_waiting 0"));
    }
}

/// Few answers are assembled at a time: a waiting reader takes no slot.
#[test]
fn every_waiting_reader_receives_a_new_fact() {
    const CROWD: usize = 40;
    let daemon = Daemon::live(gold("window = \"lifetime\"; amount_limit = \"1000.00\""));
    thread::scope(|scope| {
        let crowd: Vec<_> = (0..CROWD).map(|_| scope.spawn(|| page(&daemon, "?wait=30"))).collect();
        let all = format!("levelgate_events_waiting {CROWD}\n");
        eventually("all wait", || daemon.get("/metrics").body.contains(&all));
        daemon.reserve(&pay("t1", "1.00")).ok();
        for one in crowd {
            assert_eq!(brief(events(&one.join().expect("an answer"))), ["reserved t1 reserved"]);
        }
    });
}

#[test]
fn shutdown_answers_waiting_readers() {
    let mut daemon = Daemon::live(gold("window = \"lifetime\"; amount_limit = \"1000.00\""));
    daemon.reserve(&pay("t1", "1.00")).ok();
    let end = page(&daemon, "")["next"].clone();
    thread::scope(|scope| {
        let waiting = scope.spawn(|| page(&daemon, &format!("?after={end}&wait=30")));
        eventually("it waits", || daemon.get("/metrics").body.contains("levelgate_events_waiting 1"));
        daemon.signal("TERM");
        assert_eq!(waiting.join().expect("an answer"), json!({ "events": [], "next": end, "begins_at": 1 }));
    });
    assert!(daemon.wait().success());
    assert!(daemon.log().contains("every request was answered"), "{}", daemon.log());
}

#[test]
fn invalid_feed_requests_are_refused_with_the_reason() {
    let daemon = Daemon::live(gold("window = \"lifetime\"; amount_limit = \"1000.00\""));
    daemon.reserve(&pay("t1", "1.00")).ok();
    for (query, field) in [
        ("after=x", "after"),
        ("after=-1", "after"),
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("wait=31", "wait"),
        ("wait=soon", "wait"),
        ("flag=early", "flag"),
        ("since=1", "since"),
        ("after=0&after=1", "after"),
    ] {
        let problem = daemon.get(&format!("/v1/events?{query}")).problem(400);
        assert_eq!(problem["field"], field, "{query}: {problem}");
    }
    let ahead = daemon.get("/v1/events?after=1000").problem(422);
    assert_eq!((&ahead["code"], &ahead["field"]), (&json!("events_ahead"), &json!("after")), "{ahead}");
    // Names of a level, of a project and of a gate are names of no merchant.
    for merchant in ["nowhere", "gold", "web", "gate-a", "unknown"] {
        let problem = daemon.get(&format!("/v1/events?merchant={merchant}")).problem(404);
        assert_eq!(problem["code"], "merchant_not_found", "{merchant}");
    }
    assert_eq!(events(&page(&daemon, "?merchant=acme")).len(), 1);
    daemon.post("/v1/events", &json!({})).problem(405);
}

#[test]
fn feed_contains_facts_of_a_removed_merchant() {
    let text = gold("window = \"lifetime\"; amount_limit = \"1000.00\"");
    let globex = text.replacen("id = \"acme\"", "id = \"globex\"", 1);
    let daemon = Daemon::start(ConfigFolder::new(&Settings::SYSTEM, &[("acme", text), ("globex", globex)]));
    let of_globex = "/v1/merchants/globex/transactions";
    daemon.post(of_globex, &pay("g1", "1.00")).ok();
    daemon.reserve(&pay("t1", "1.00")).ok();
    let first = page(&daemon, "?merchant=globex");
    assert_eq!(brief(events(&first)), ["reserved g1 reserved"]);
    daemon.folder.write("merchants/globex.toml", "id = \"globex\"\nremoved = true\n");
    daemon.post_nothing("/v1/reload").ok();
    // No fact is after that yet, and new facts are delivered.
    let after = page(&daemon, &format!("?merchant=globex&after={}", first["events"][0]["lsn"]));
    assert_eq!(brief(events(&after)), Vec::<String>::new());
    daemon.post(&format!("{of_globex}/g1/approve"), &json!({})).ok();
    let then = page(&daemon, &format!("?merchant=globex&after={}&wait=5", after["next"]));
    assert_eq!(brief(events(&then)), ["approved g1 approved"]);
}

/// A day of retention, two months of archive, and segments so small that some are sealed with every few dozen payments.
const SHORT: &str = "kind = \"disk\"\nsnapshot_interval_s = 3600\nsegment_bytes = 4096\n\n[memory]\nretention_days = 1\narchive_days = 60";

#[test]
fn feed_survives_restarts_and_rotation_and_reports_deleted_facts() {
    let shop = acme(CRM, &[level("gold", &filter("window = \"daily\"; amount_limit = \"10000.00\""))]);
    let shop = shop.replace("operation_mode", "hold = { deposit = \"never\" }\noperation_mode");
    let mut daemon =
        Daemon::start(ConfigFolder::new(&Settings { store: SHORT, ..Settings::REQUEST }, &[("acme", shop)]));
    for n in 0..40_i64 {
        let id = format!("t{n}");
        daemon.reserve(&with(pay(&id, "10.00"), &when(n * MINUTE))).ok();
        daemon.step(&id, "approve", &json!({ "capture_id": "c", "amount": "8.00" })).ok();
    }
    daemon.reserve(&tick(30 * DAY)).ok();
    let before = feed(&daemon, 0, 1_000);
    assert_eq!(before.len(), 81);
    daemon.post_nothing("/v1/snapshot").ok();
    assert_eq!(feed(&daemon, 0, 7), before, "from the archive");
    daemon.kill_and_start();
    assert_eq!(feed(&daemon, 0, 7), before, "after a kill");
    daemon.reserve(&tick(30 * DAY + HOUR)).ok();
    daemon.step("t3", "cancel", &json!({ "cancel_id": "late", "amount": "5.00" })).ok();
    daemon.step("t3", "cancel", &json!({ "cancel_id": "later", "amount": "1.00" })).ok();
    for n in 40..60_i64 {
        daemon.reserve(&with(pay(&format!("t{n}"), "10.00"), &when(30 * DAY + HOUR))).ok();
        daemon.step(&format!("t{n}"), "decline", &json!({})).ok();
    }
    let before = feed(&daemon, 0, 1_000);
    daemon.reserve(&tick(80 * DAY)).ok();
    daemon.post_nothing("/v1/snapshot").ok();
    let left = page(&daemon, "?limit=1");
    let begins_at = left["begins_at"].as_u64().expect("a number");
    assert!(begins_at > before[20]["lsn"].as_u64().expect("a number"), "the oldest were deleted: {left}");
    for round in ["before", "after"] {
        let kept = feed(&daemon, 0, 7);
        let wanted = before.iter().filter(|event| event["lsn"].as_u64() >= Some(begins_at));
        let wanted: Vec<Value> = wanted.cloned().collect();
        // What opened the third was deleted: it is known by what was carried on of it.
        assert!(wanted.iter().any(|event| event["transition"]["id"] == "later"));
        assert_eq!(kept[..wanted.len()], wanted, "{round} a restart");
        assert_eq!(kept.len(), wanted.len() + 1, "and the tick; rewritten records are no facts");
        let gone = daemon.get(&format!("/v1/events?after={}", begins_at - 2)).problem(410);
        assert_eq!((&gone["code"], &gone["field"]), (&json!("events_gone"), &json!("after")), "{gone}");
        assert!(gone["detail"].to_string().contains(&format!("after={}", begins_at - 1)), "{gone}");
        assert_eq!(feed(&daemon, begins_at - 1, 7), kept, "{round} a restart");
        if round == "before" {
            daemon.kill_and_start();
        }
    }
}
