//! A transaction that passed by the customer rules becomes a customer's, and counts as if it had been all along.

use serde_json::{Value, json};

use crate::concurrency::at_once;
use crate::decisions::{assert_allowed, assert_denied};
use crate::staff_calls::{CUSTOMERS, kept, look, of, register, steps};
use support::answer::Answer;
use support::daemon::{ConfigFolder, Daemon, Settings};
use support::fixtures::{DAY, GATEWAY, HOUR, acme, filter, gold, level, pay, when, with, without};
use support::raw_http;

/// The call that links a transaction to a customer.
fn link(daemon: &Daemon, id: &str, whose: &Value) -> Answer {
    daemon.post(&format!("/v1/merchants/acme/transactions/{id}/customer"), whose)
}

fn to(customer_id: &str) -> Value {
    json!({ "customer_id": customer_id })
}

/// A merchant who names customers by `customer_id`, with a daily and a lifetime limit at `gold`.
fn shop() -> String {
    let filters = filter("window = \"daily\"; amount_limit = \"10.00\"; quantity_limit = 4")
        + &filter("window = \"lifetime\"; amount_limit = \"1000.00\"; subtract_cancel_transactions = true");
    acme(&format!("{GATEWAY}[registration]\nallow_any_identifier = true\n"), &[level("gold", &filters)])
}

/// A payment by an unknown customer.
fn bypassed_payment(id: &str, amount: &str) -> Value {
    with(without(pay(id, amount), &["merchant_customer_identifier", "customer_level"]), &to("555"))
}

fn by(customer_id: &str, id: &str, amount: &str) -> Value {
    with(bypassed_payment(id, amount), &to(customer_id))
}

fn golden(daemon: &Daemon, email: &str) -> String {
    register(daemon, &json!({ "email": email, "deposit_level": "gold" }))
}

/// What counts for a customer: amount and number.
fn used(daemon: &Daemon, id: &str) -> (Value, Value) {
    let totals = daemon.get(&of(id, "/usage")).ok()["totals"][0]["net"].clone();
    (totals["amount"].clone(), totals["quantity"].clone())
}

#[test]
fn transactions_are_listed_by_how_their_customer_was_found() {
    let mut daemon = kept(&Settings::SYSTEM, shop());
    let alice = golden(&daemon, "a@example.com");
    for (id, customer) in [("t1", "555"), ("t2", alice.as_str()), ("t3", "556"), ("t4", alice.as_str())] {
        daemon.reserve(&by(customer, id, "1.00")).ok();
    }
    let listed = |daemon: &Daemon, query: &str| -> Vec<String> {
        let (mut found, mut cursor) = (Vec::new(), String::new());
        loop {
            let path = format!("/v1/merchants/acme/transactions?limit=1&{query}{cursor}");
            let page = daemon.get(&path).ok();
            let ids = page["transactions"].as_array().expect("transactions").iter();
            found.extend(ids.map(|one| one["transaction_id"].as_str().expect("an id").to_owned()));
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        found.sort_unstable();
        found
    };
    for round in ["at first", "after a kill"] {
        assert_eq!(listed(&daemon, "resolution=bypassed"), ["t1", "t3"], "{round}");
        assert_eq!(listed(&daemon, "resolution=found"), ["t2", "t4"], "{round}");
        assert_eq!(listed(&daemon, "resolution=bypassed&status=approved"), [""; 0], "{round}");
        assert_eq!(listed(&daemon, &format!("resolution=bypassed&customer_id={alice}")), [""; 0], "{round}");
        daemon.kill_and_start();
    }
    link(&daemon, "t1", &to(&alice)).ok();
    assert_eq!(listed(&daemon, "resolution=bypassed"), ["t3"], "a linked one has a customer");
    let problem = daemon.get("/v1/merchants/acme/transactions?resolution=nobody").problem(400);
    assert_eq!((&problem["code"], &problem["field"]), (&json!("value_unknown"), &json!("resolution")));
}

#[test]
fn linked_transaction_counts_under_the_customer_level_at_its_own_time() {
    let mut daemon = kept(&Settings::SYSTEM, shop());
    let alice = golden(&daemon, "a@example.com");
    let card = json!({ "payment_instrument": "tok" });
    let passed = daemon.reserve(&with(bypassed_payment("t1", "6.00"), &card)).ok();
    assert_eq!((&passed["customer"]["resolution"], &passed["level"]), (&json!("bypassed"), &Value::Null));
    assert_eq!(used(&daemon, &alice), (Value::Null, Value::Null), "it counts nowhere");

    let linked = link(&daemon, "t1", &to(&alice)).ok();
    assert_eq!(linked["customer"]["customer_id"], alice.as_str(), "{linked}");
    assert_eq!((&linked["status"], &linked["level"]["name"]), (&json!("reserved"), &json!("gold")), "{linked}");
    let shown_transaction = |daemon: &Daemon| without(daemon.fetch("t1").ok(), &["server_time"]);
    assert_eq!(shown_transaction(&daemon), without(linked, &["server_time"]));
    let lsn = |daemon: &Daemon| daemon.get("/v1/status").ok()["lsn"].clone();
    let before = lsn(&daemon);
    assert_eq!(
        without(link(&daemon, "t1", &to(&alice)).ok(), &["server_time"]),
        shown_transaction(&daemon),
        "asked again"
    );
    assert_eq!(lsn(&daemon), before, "nothing happens twice");

    assert_eq!(used(&daemon, &alice), (json!("6.00"), json!(1)));
    assert_denied(&daemon.reserve(&by(&alice, "over", "4.01")).ok(), &["19000 daily_amount_limit_exceeded daily"]);
    let again = daemon.reserve(&with(bypassed_payment("t1", "6.00"), &card));
    assert!(again.is_replay(), "the id is known as before: {again:?}");
    assert_eq!(again.ok()["customer"]["customer_id"], alice.as_str());
    daemon.reserve(&with(bypassed_payment("t1", "6.01"), &card)).problem(409);

    let instruments = |daemon: &Daemon| look(daemon, &alice)["payment_instruments"][0].clone();
    assert_eq!(instruments(&daemon), Value::Null, "no approval stored it yet");
    daemon.step("t1", "approve", &json!({ "amount": "5.00" })).ok();
    daemon.step("t1", "cancel", &json!({ "cancel_id": "c", "amount": "2.00" })).ok();
    assert_eq!(instruments(&daemon)["successful_payments"], 1);
    let [stored, step] = [0, 1].map(|nth| steps(&daemon, &alice)[nth].clone());
    assert_eq!((&stored["transaction_id"], &stored["source"]), (&json!("t1"), &json!("payment")), "{stored}");
    assert_eq!((&step["transaction_id"], &step["source"]), (&json!("t1"), &json!("api")), "{step}");
    let change = json!({ "field": "transactions", "old": null, "new": "t1" });
    assert!(step["changes"].as_array().expect("changes").contains(&change), "{step}");

    let (usage, shown) = (used(&daemon, &alice), shown_transaction(&daemon));
    assert_eq!(usage, (json!("3.00"), json!(1)));
    let listed = |daemon: &Daemon, query: &str| {
        let page = daemon.get(&format!("/v1/merchants/acme/transactions?limit=100{query}")).ok();
        let all = page["transactions"].as_array().expect("a list").clone();
        all.iter().filter(|t| t["transaction_id"] == "t1").map(|t| t["customer"]["customer_id"].clone()).collect()
    };
    for restart in 0..3 {
        let once: Vec<Value> = listed(&daemon, "");
        assert_eq!(once, [json!(alice)], "it is in the list once, after {restart} restarts");
        assert_eq!(listed(&daemon, &format!("&customer_id={alice}")), once);
        assert_eq!(
            (used(&daemon, &alice), shown_transaction(&daemon)),
            (usage.clone(), shown.clone()),
            "after {restart} restarts"
        );
        if restart == 1 {
            daemon.post_nothing("/v1/snapshot").ok();
        }
        daemon.kill_and_start();
    }
}

#[test]
fn linking_creates_a_customer_by_policy() {
    let policy = "[registration]\nemail = { required = true, unique = true }\n";
    let daemon = kept(&Settings::SYSTEM, shop().replacen("[registration]\n", policy, 1));
    assert_allowed(daemon.reserve(&bypassed_payment("t1", "6.00")).ok());
    assert_allowed(daemon.reserve(&bypassed_payment("t2", "1.00")).ok());
    let lacks = link(&daemon, "t1", &json!({ "deposit_level": "gold" })).problem(422);
    assert_eq!(lacks["code"], "identifier_required", "{lacks}");
    let customers = |daemon: &Daemon| daemon.get(CUSTOMERS).ok()["customers"].as_array().expect("customers").len();
    assert_eq!(customers(&daemon), 0, "a refusal creates no customer");

    let made = link(&daemon, "t1", &json!({ "email": "a@example.com", "deposit_level": "gold" }));
    assert_eq!(made.status, 201, "{made:?}");
    let id = made.json()["customer"]["customer_id"].as_str().expect("an id").to_owned();
    assert_eq!(look(&daemon, &id)["email"], "a@example.com");
    assert_eq!(used(&daemon, &id), (json!("6.00"), json!(1)));
    let taken = link(&daemon, "t2", &json!({ "email": "a@example.com" })).problem(409);
    assert!(taken["detail"].as_str().expect("words").contains(&id), "{taken}");
    link(&daemon, "t2", &to(&id)).ok();
    assert_eq!((used(&daemon, &id), customers(&daemon)), ((json!("7.00"), json!(2)), 1));
}

#[test]
fn impossible_link_is_refused_and_changes_nothing() {
    let daemon = kept(&Settings::SYSTEM, shop());
    let (alice, bob) = (golden(&daemon, "a@example.com"), golden(&daemon, "b@example.com"));
    assert_allowed(daemon.reserve(&bypassed_payment("t1", "6.00")).ok());
    assert_allowed(daemon.reserve(&by(&alice, "own", "1.00")).ok());
    let problem = |id: &str, whose: Value, status: u16| {
        let problem = link(&daemon, id, &whose).problem(status);
        (problem["code"].as_str().expect("a code").to_owned(), problem["field"].clone())
    };
    let code = |id: &str, whose: Value, status: u16| problem(id, whose, status).0;
    assert_eq!(code("none", to(&alice), 404), "transaction_not_found");
    assert_eq!(code("t1", to("1999999"), 404), "customer_not_found");
    assert_eq!(code("t1", to("555"), 404), "customer_not_found", "an unknown id finds no customer");
    assert_eq!(code("own", to(&bob), 409), "already_linked");
    assert_eq!(code("own", json!({}), 409), "already_linked");
    assert_eq!(problem("t1", json!({ "customer_id": "" }), 400), ("field_missing".into(), json!("customer_id")));
    assert_eq!(problem("t1", json!({ "customer_id": 7 }), 400), ("wrong_type".into(), json!("customer_id")));
    let both = json!({ "customer_id": alice, "email": "x@example.com" });
    assert_eq!(problem("t1", both, 400), ("unknown_field".into(), json!("email")));
    assert_eq!(problem("t1", json!({ "id": alice }), 400), ("unknown_field".into(), json!("id")));
    assert_eq!(daemon.fetch("t1").ok()["customer"]["resolution"], "bypassed");
    link(&daemon, "t1", &to(&alice)).ok();
    let is_alice_s = link(&daemon, "t1", &to(&bob)).problem(409);
    assert!(is_alice_s["detail"].as_str().expect("words").contains(&alice), "{is_alice_s}");

    // In a mode in which payments create customers, every transaction has one.
    let crm = Daemon::start(ConfigFolder::new(
        &Settings::SYSTEM,
        &[("acme", gold("window = \"daily\"; amount_limit = \"10.00\""))],
    ));
    crm.reserve(&pay("t1", "1.00")).ok();
    assert_eq!(link(&crm, "t1", &json!({})).problem(409)["code"], "already_linked");
}

#[test]
fn link_to_a_merged_customer_reaches_the_target() {
    let mut daemon = kept(&Settings::SYSTEM, shop());
    let (alice, bob) = (golden(&daemon, "a@example.com"), golden(&daemon, "b@example.com"));
    for id in ["t1", "t2"] {
        assert_allowed(daemon.reserve(&bypassed_payment(id, "3.00")).ok());
    }
    link(&daemon, "t1", &to(&bob)).ok();
    daemon.post(&of(&bob, "/merge"), &json!({ "into": alice })).ok();
    link(&daemon, "t2", &to(&bob)).ok();
    for _ in 0..2 {
        for id in ["t1", "t2"] {
            assert_eq!(daemon.fetch(id).ok()["customer"]["customer_id"], alice.as_str());
            link(&daemon, id, &to(&bob)).ok();
            link(&daemon, id, &to(&alice)).ok();
        }
        assert_denied(&daemon.check(&by(&alice, "c", "4.01")).ok(), &["19000 daily_amount_limit_exceeded daily"]);
        daemon.kill_and_start();
    }
}

#[test]
fn a_hold_ends_and_a_window_passes_where_it_was_opened() {
    let store = "kind = \"disk\"\nsync = \"always\"";
    let holds = format!("{GATEWAY}hold = {{ deposit = \"30h\", withdrawal = \"7d\" }}\n");
    let shop = shop().replacen(GATEWAY, &holds, 1);
    let daemon = Daemon::start(ConfigFolder::new(&Settings { store, ..Settings::REQUEST }, &[("acme", shop)]));
    let pass = |id: &str, ms: i64| daemon.reserve(&with(bypassed_payment(id, "6.00"), &when(ms)));
    assert_allowed(pass("t1", 0).ok());
    assert_allowed(pass("t2", 0).ok());
    daemon.step("t2", "approve", &json!({})).ok();
    assert_allowed(pass("now", 20 * HOUR).ok());
    let alice = golden(&daemon, "a@example.com");
    link(&daemon, "t1", &to(&alice)).ok();
    link(&daemon, "t2", &to(&alice)).ok();
    let check = |ms: i64| daemon.check(&with(by(&alice, "c", "5.00"), &when(ms))).ok();
    assert_denied(&check(20 * HOUR), &["19000 daily_amount_limit_exceeded daily"]);
    assert_eq!(daemon.get(&of(&alice, "/usage")).ok()["totals"][0]["net"]["quantity"], 2);
    // A day after the payments, not after the link.
    assert_allowed(check(24 * HOUR + 1));
    assert_eq!(daemon.fetch("t1").ok()["status"], "reserved");
    assert_allowed(pass("later", 40 * DAY).ok());
    assert_eq!(daemon.fetch("t1").ok()["status"], "expired");
    assert_eq!(daemon.get(&of(&alice, "/usage")).ok()["totals"][0]["net"]["quantity"], 1);
}

/// A day of retention, small segments, and what is older than two months is deleted.
const SHORT: &str = "kind = \"disk\"\nsnapshot_interval_s = 3600\nsegment_bytes = 4096\n\n[memory]\nretention_days = 1\narchive_days = 60";

#[test]
fn archived_transaction_is_linked_and_found_once() {
    let mut daemon =
        Daemon::start(ConfigFolder::new(&Settings { store: SHORT, ..Settings::REQUEST }, &[("acme", shop())]));
    for n in 0..80 {
        daemon.reserve(&with(bypassed_payment(&format!("t{n}"), "1.00"), &when(n * 1_000))).ok();
        daemon.step(&format!("t{n}"), "approve", &json!({})).ok();
    }
    let tick = |daemon: &Daemon, days: i64| {
        daemon.reserve(&with(bypassed_payment(&format!("tick-{days}"), "1.00"), &when(days * DAY))).ok();
    };
    let pass = |daemon: &Daemon, days: i64| {
        tick(daemon, days);
        daemon.post_nothing("/v1/snapshot").ok();
    };
    pass(&daemon, 31);
    let in_memory = daemon.get("/v1/status").ok()["transactions"].as_u64().expect("a number");
    assert!(in_memory < 40, "most have left memory: {in_memory}");
    let alice = golden(&daemon, "a@example.com");
    let linked = ["t0", "t7", "t79"];
    for id in linked {
        assert_eq!(link(&daemon, id, &to(&alice)).ok()["status"], "approved");
    }
    for restart in 0..4 {
        for id in linked {
            let shown = daemon.fetch(id).ok();
            assert_eq!(shown["customer"]["customer_id"], alice.as_str(), "after {restart} restarts: {shown}");
            assert_eq!(shown["level"]["name"], "gold", "{shown}");
        }
        assert_eq!(daemon.fetch("t1").ok()["customer"]["resolution"], "bypassed");
        assert_eq!(used(&daemon, &alice), (json!("3.00"), json!(3)), "after {restart} restarts");
        let page = daemon.get("/v1/merchants/acme/transactions?limit=1000").ok();
        let mut ids: Vec<&str> = page["transactions"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|t| t["transaction_id"].as_str().expect("an id"))
            .filter(|id| id.starts_with('t') && !id.starts_with("tick"))
            .collect();
        ids.sort_unstable();
        let all = ids.len();
        ids.dedup();
        assert_eq!((all, ids.len()), (80, 80), "each once, after {restart} restarts");
        if restart == 1 {
            // The archive takes the links, and they leave memory too.
            pass(&daemon, 40);
        }
        daemon.kill_and_start();
        tick(&daemon, 38 + 3 * restart);
    }
    // The segments in which they were opened are deleted, and nothing of what was linked is lost.
    pass(&daemon, 70);
    pass(&daemon, 72);
    for _ in 0..2 {
        daemon.fetch("t1").problem(404);
        for id in linked {
            assert_eq!(daemon.fetch(id).ok()["customer"]["customer_id"], alice.as_str());
        }
        assert_eq!(used(&daemon, &alice), (json!("3.00"), json!(3)));
        daemon.kill_and_start();
        tick(&daemon, 73);
    }
}

#[test]
fn concurrent_links_count_once() {
    let daemon = kept(&Settings::SYSTEM, shop());
    let (alice, bob) = (golden(&daemon, "a@example.com"), golden(&daemon, "b@example.com"));
    assert_allowed(daemon.reserve(&bypassed_payment("t1", "6.00")).ok());
    let answers = at_once(8, 4, |n| {
        let whose = if n % 2 == 0 { &alice } else { &bob };
        match n % 4 {
            3 => daemon.step("t1", "cancel", &json!({ "cancel_id": "c", "amount": "1.00" })).status,
            _ => link(&daemon, "t1", &to(whose)).status,
        }
    });
    assert!(answers.iter().all(|status| [200, 409, 422].contains(status)), "{answers:?}");
    let whose = daemon.fetch("t1").ok()["customer"]["customer_id"].clone();
    let (its, other) = if whose == json!(alice) { (&alice, &bob) } else { (&bob, &alice) };
    assert_eq!(used(&daemon, its).1, 1);
    assert_eq!(used(&daemon, other), (Value::Null, Value::Null));
}

#[test]
fn transaction_too_large_for_a_record_is_not_linked() {
    let daemon = kept(&Settings::SYSTEM, shop());
    let alice = golden(&daemon, "a@example.com");
    assert_allowed(daemon.reserve(&bypassed_payment("t1", "6.00")).ok());
    let capture = |n: usize| {
        let name = |of: &str| format!("{of}-{n}-{}", "x".repeat(230));
        let body = json!({
            "op": "approve", "merchant": "acme", "transaction_id": "t1", "amount": "0.01", "capture_id": name("c"),
            "gate": name("g"), "payment_instrument": name("i"),
        });
        body.to_string() + "\n"
    };
    // Captures are bounded by no number; these are more than the 16 MB of a record.
    let lines: String = (0..24_000).map(capture).collect();
    // Answers are read at the same time: together they are longer than a socket's buffer.
    let answers = raw_http::post_streamed(daemon.port(), "/v1/batch", lines.into_bytes()).body;
    assert_eq!(answers.matches("\"status\":\"approved\"").count(), 24_000, "{}", &answers[..200]);
    let refused = link(&daemon, "t1", &to(&alice)).problem(422);
    assert_eq!((&refused["code"], &refused["field"]), (&json!("not_allowed"), &json!("transaction_id")), "{refused}");
    let customers = || daemon.get(CUSTOMERS).ok()["customers"].as_array().map(Vec::len);
    let before = customers();
    link(&daemon, "t1", &json!({ "email": "b@example.com" })).problem(422);
    assert_eq!(customers(), before, "a refusal creates no customer");
    assert_allowed(daemon.reserve(&by(&alice, "t2", "1.00")).ok());
}
