//! Two customers are merged: counters add up, identifiers of the source lead to the target, and limits see both.

use std::thread;

use serde_json::{Value, json};

use crate::concurrency::at_once;
use crate::decisions::{assert_allowed, assert_denied};
use crate::staff_calls::{CUSTOMERS, amend, kept, labels, look, of, register, steps};
use support::daemon::{Daemon, Settings};
use support::fixtures::{CRM, GATEWAY, acme, filter, gold, level, pay, with, without};

fn merge(daemon: &Daemon, source: &str, into: &str) -> Value {
    daemon.post(&of(source, "/merge"), &json!({ "into": into })).ok()
}

fn by(who: &str, id: &str, amount: &str) -> Value {
    with(pay(id, amount), &json!({ "merchant_customer_identifier": who }))
}

fn ids(page: &Value) -> Vec<String> {
    let transactions = page["transactions"].as_array().expect("transactions").iter();
    let mut ids: Vec<String> = transactions.map(|t| t["transaction_id"].as_str().expect("an id").to_owned()).collect();
    ids.sort();
    ids
}

/// Everything that is shown of a customer.
fn all_of(daemon: &Daemon, id: &str) -> Vec<Value> {
    let mut usage = daemon.get(&of(id, "/usage")).ok();
    usage.as_object_mut().expect("a document").remove("server_time");
    for limit in
        usage["usage"].as_array_mut().expect("usage").iter_mut().flat_map(|u| u["limits"].as_array_mut().unwrap())
    {
        limit.as_object_mut().expect("a limit").remove("window");
    }
    let mut transactions = daemon.get(&of(id, "/transactions")).ok();
    for shown in transactions["transactions"].as_array_mut().expect("transactions") {
        shown.as_object_mut().expect("a transaction").remove("server_time");
    }
    vec![look(daemon, id), usage, transactions, daemon.get(&of(id, "/history")).ok()]
}

#[test]
fn usage_transactions_instruments_and_history_add_up_and_survive_restarts() {
    let filters = filter("window = \"daily\"; amount_limit = \"10.00\"; quantity_limit = 4");
    let mut daemon = kept(&Settings::SYSTEM, acme(CRM, &[level("gold", &filters)]));
    let body = |who: &str, rest: Value| with(json!({ "merchant_customer_identifier": who }), &rest);
    let alice = register(&daemon, &body("alice", json!({ "email": "a@example.com" })));
    let bob = register(&daemon, &body("bob", json!({ "email": "b@example.com", "city": "Rom" })));
    assert_allowed(daemon.reserve(&by("alice", "a1", "3.00")).ok());
    let card = json!({ "payment_instrument": "tok" });
    assert_allowed(daemon.reserve(&with(by("bob", "b1", "4.00"), &card)).ok());
    daemon.step("b1", "approve", &json!({})).ok();
    assert_allowed(daemon.reserve(&by("bob", "b2", "1.00")).ok());

    let merged = merge(&daemon, &bob, &alice);
    assert_eq!((&merged["customer_id"], &merged["city"]), (&json!(alice), &json!("Rom")), "{merged}");
    assert_eq!(merged["email"], "a@example.com", "what the target has stays");
    assert_eq!((&merged["other_identifiers"], &merged["merged_customers"]), (&json!(["bob"]), &json!([bob])));
    assert_eq!(merged["payment_instruments"][0]["successful_payments"], 1);
    let lsn = || daemon.get("/v1/status").ok()["lsn"].clone();
    let before = lsn();
    assert_eq!(merge(&daemon, &bob, &alice), merged, "asked again it answers the same");
    assert_eq!(lsn(), before, "and nothing happens twice");

    assert_eq!(look(&daemon, &bob), merged, "the source's customer_id leads to the target");
    for query in ["", "?merchant_customer_identifier=bob", "?email=b@example.com", &format!("?customer_id={bob}")] {
        let found = daemon.get(&format!("{CUSTOMERS}{query}")).ok();
        assert_eq!(found["customers"], json!([merged]), "{query}");
    }
    let page = daemon.get(&of(&alice, "/transactions")).ok();
    assert_eq!(ids(&page), ["a1", "b1", "b2"]);
    let shown = daemon.fetch("b1").ok()["customer"].clone();
    assert_eq!((&shown["customer_id"], &shown["merchant_customer_identifier"]), (&json!(alice), &json!("alice")));
    let usage = daemon.get(&of(&bob, "/usage")).ok();
    assert_eq!(usage["totals"].as_array().map(Vec::len), Some(1), "{usage}");
    assert_eq!(usage["totals"][0]["gross"], json!({ "amount": "8.00", "quantity": 3 }));

    // The limits of the next decision see both.
    for who in ["alice", "bob"] {
        let over = daemon.reserve(&by(who, &format!("over-{who}"), "2.01")).ok();
        assert_denied(&over, &["19000 daily_amount_limit_exceeded daily"]);
        assert_eq!(over["customer"]["customer_id"], alice.as_str());
        assert_eq!(over["customer"]["merchant_customer_identifier"], "alice");
    }
    let found = daemon.check(&without(
        with(pay("c", "1.00"), &json!({ "customer": { "email": "B@example.com" } })),
        &["merchant_customer_identifier"],
    ));
    assert_eq!(found.ok()["customer"]["customer_id"], alice.as_str(), "an attribute of the source's leads there");
    // Facts find the source's transactions; what is left is left of both.
    let moved = daemon.step("b2", "approve", &json!({ "payment_instrument": "tok2" })).ok();
    assert_eq!(moved["remaining"]["amount"], "2.00");
    let cancelled = daemon.step("b1", "cancel", &json!({ "amount": "1.00", "cancel_id": "c" })).ok();
    assert_eq!(cancelled["cancelled"], "1.00");
    assert!(daemon.reserve(&with(by("bob", "b1", "4.00"), &card)).is_replay(), "a repetition is one");
    let instruments = look(&daemon, &alice)["payment_instruments"].clone();
    assert_eq!(instruments[0]["payment_instrument"], "tok2", "{instruments}");
    assert_eq!(instruments[0]["successful_payments"], 1);
    assert_allowed(daemon.reserve(&by("bob", "b3", "2.00")).ok());
    assert_denied(
        &daemon.reserve(&by("alice", "a9", "1.00")).ok(),
        &["19000 daily_amount_limit_exceeded daily", "19001 daily_quantity_limit_exceeded daily"],
    );
    amend(&daemon, &bob, &json!({ "language": "de" }));
    assert_eq!(look(&daemon, &alice)["language"], "de", "an update of the source updates the target");

    let shown_steps = steps(&daemon, &alice);
    let is_of = |step: &Value, id: &str, field: &str| {
        step["customer_id"] == id && step["changes"].as_array().unwrap().iter().any(|change| change["field"] == field)
    };
    for (id, field) in [(&alice, "merged_customers"), (&bob, "merged_into"), (&bob, "city"), (&alice, "city")] {
        assert_eq!(
            shown_steps.iter().filter(|step| is_of(step, id, field)).count(),
            1,
            "{field} of {id}: {shown_steps:#?}"
        );
    }

    let before = all_of(&daemon, &alice);
    daemon.kill_and_start();
    assert_eq!(all_of(&daemon, &bob), before, "after kill -9");
    daemon.post_nothing("/v1/snapshot").ok();
    daemon.kill_and_start();
    assert_eq!(all_of(&daemon, &alice), before, "after a snapshot");
    assert_eq!(daemon.get(CUSTOMERS).ok()["customers"].as_array().map(Vec::len), Some(1));
    assert_denied(
        &daemon.reserve(&by("bob", "b9", "1.00")).ok(),
        &["19000 daily_amount_limit_exceeded daily", "19001 daily_quantity_limit_exceeded daily"],
    );
}

#[test]
fn a_chain_of_merges_ends_at_the_last_target() {
    let mut daemon = kept(&Settings::SYSTEM, acme(GATEWAY, &[]));
    let [a, b, c] = ["a", "b", "c"].map(|n| register(&daemon, &json!({ "merchant_customer_identifier": n })));
    merge(&daemon, &a, &b);
    merge(&daemon, &b, &c);
    for _ in 0..2 {
        for id in [&a, &b, &c] {
            let shown = look(&daemon, id);
            assert_eq!((&shown["customer_id"], &shown["merged_customers"]), (&json!(c), &json!([a, b])));
            let paid = without(pay(&format!("t{id}"), "1.00"), &["merchant_customer_identifier", "customer_level"]);
            let paid = daemon.reserve(&with(paid, &json!({ "customer_id": id })));
            let sent = paid.ok();
            assert_eq!(
                (&sent["customer"]["customer_id"], &sent["customer"]["resolution"]),
                (&json!(c), &json!("found"))
            );
        }
        daemon.kill_and_start();
    }
    assert_eq!(merge(&daemon, &a, &c)["customer_id"], c.as_str());
    let d = register(&daemon, &json!({ "merchant_customer_identifier": "d" }));
    let elsewhere = daemon.post(&of(&a, "/merge"), &json!({ "into": d })).problem(409);
    assert_eq!(elsewhere["code"], "already_merged");
    assert_eq!(merge(&daemon, &d, &a)["customer_id"], c.as_str(), "into the customer that replaces the named one");
}

#[test]
fn impossible_merges_are_refused() {
    let head = labels(&[("plain", "active", &[]), ("alone", "active", &["block_merge"])]);
    let globex = acme(CRM, &[]).replacen("id = \"acme\"", "id = \"globex\"", 1);
    let shop = acme(&format!("{CRM}{head}"), &[]);
    let daemon =
        Daemon::start(support::daemon::ConfigFolder::new(&Settings::SYSTEM, &[("acme", shop), ("globex", globex)]));
    let [alice, bob] = ["alice", "bob"].map(|n| register(&daemon, &json!({ "merchant_customer_identifier": n })));
    let there = daemon.post("/v1/merchants/globex/customers", &json!({ "merchant_customer_identifier": "gus" })).json();
    amend(&daemon, &bob, &json!({ "labels": ["alone"] }));
    for (source, body, status, code, field) in [
        (&alice, json!({}), 400, "field_missing", "into"),
        (&alice, json!({ "into": 7 }), 400, "wrong_type", "into"),
        (&alice, json!({ "into": alice, "dry_run": true }), 400, "unknown_field", "dry_run"),
        (&alice, json!({ "into": alice }), 422, "not_allowed", "into"),
        (&alice, json!({ "into": bob }), 422, "not_allowed", "into"),
        (&bob, json!({ "into": alice }), 422, "not_allowed", "customer_id"),
        (&alice, json!({ "into": "1" }), 404, "customer_not_found", ""),
        (&alice, json!({ "into": there["customer_id"] }), 404, "customer_not_found", ""),
        (&"1009999".to_owned(), json!({ "into": alice }), 404, "customer_not_found", ""),
    ] {
        let problem = daemon.post(&of(source, "/merge"), &body).problem(status);
        let fits = problem["code"] == code && (field.is_empty() || problem["field"] == field);
        assert!(fits, "{body}: {code} of {field} was expected, and not {problem}");
    }
    assert_eq!(look(&daemon, &alice)["merged_customers"], json!([]));
}

#[test]
fn merge_keeps_the_stricter_settings() {
    let head = labels(&[
        ("plain", "active", &[]),
        ("vip", "internal", &[]),
        ("stopped", "suspended", &["block_withdrawals"]),
        ("leaving", "pending_deletion", &[]),
    ]);
    let daemon = Daemon::live(acme(&format!("{CRM}{head}"), &[level("gold", "")]));
    let [alice, bob] = ["alice", "bob"].map(|n| register(&daemon, &json!({ "merchant_customer_identifier": n })));
    let limit = |id: &str, amount: &str| {
        let limits = json!({ "filters": [{ "window": "daily", "amount_limit": amount }] });
        daemon.send("PUT", &of(id, "/limits/deposit/EUR"), &limits).ok();
    };
    limit(&alice, "9.00");
    limit(&bob, "5.00");
    amend(&daemon, &bob, &json!({ "labels": ["vip", "stopped"], "disabled_projects": ["web"] }));
    daemon.post(&of(&bob, "/signals"), &json!({ "signal": "fraud_suspected" })).ok();
    let due = daemon.delete(&of(&bob, "")).ok()["deletion_due"].clone();
    let merged = merge(&daemon, &bob, &alice);
    assert_eq!(merged["status"], "suspicious");
    assert_eq!(merged["labels"], json!(["plain", "stopped", "leaving"]), "labels with an effect are merged");
    assert_eq!(merged["disabled_projects"], json!(["web"]));
    assert_eq!(merged["deletion_due"], due, "who asked to be forgotten is forgotten");
    assert_eq!(merged["limits"][0]["filters"][0]["amount_limit"], "5.00", "{merged}");
    assert_denied(
        &daemon.reserve(&by("alice", "t1", "5.01")).ok(),
        &["19100 customer_blocked -", "19000 daily_amount_limit_exceeded daily"],
    );
}

#[test]
fn customer_merged_by_registration_is_found_by_new_identifier() {
    let policy = "[registration]\nemail = { unique = true }\nmerge_on_duplicate = true\n";
    let mut daemon = kept(&Settings::SYSTEM, acme(&format!("{CRM}{policy}"), &[level("gold", "")]));
    let body = |who: &str| json!({ "merchant_customer_identifier": who, "email": "a@example.com" });
    let id = register(&daemon, &body("alice"));
    let merged = daemon.post(CUSTOMERS, &body("bob")).ok();
    assert_eq!((&merged["customer_id"], &merged["other_identifiers"]), (&json!(id), &json!(["bob"])));
    let again = daemon.post(CUSTOMERS, &body("bob")).problem(409);
    assert_eq!(again["code"], "already_taken", "bob exists by now: {again}");
    for n in 0..3 {
        let paid = daemon.reserve(&by("bob", &format!("t{n}"), "1.00")).ok();
        assert_eq!((&paid["customer"]["customer_id"], &paid["customer"]["resolution"]), (&json!(id), &json!("found")));
        assert_eq!(
            daemon.get(&format!("{CUSTOMERS}?merchant_customer_identifier=bob")).ok()["customers"][0]["customer_id"],
            id.as_str()
        );
        if n == 1 {
            daemon.post_nothing("/v1/snapshot").ok();
        }
        daemon.kill_and_start();
    }
    let many = at_once(4, 5, |n| daemon.post(CUSTOMERS, &body(&format!("c{}", n % 5))));
    assert_eq!(many.iter().filter(|answer| answer.status == 200).count(), 5, "each identifier comes once");
    assert_eq!(look(&daemon, &id)["other_identifiers"].as_array().map(Vec::len), Some(6));
}

#[test]
fn reserves_on_both_during_a_merge_lose_nothing_and_then_stay_within_the_limits() {
    let daemon =
        Daemon::live(gold("window = \"daily\"; amount_limit = \"60.00\"; subtract_cancel_transactions = true"));
    for round in 0..4 {
        let (one, other) = (format!("one{round}"), format!("other{round}"));
        let [a, b] = [&one, &other].map(|who| register(&daemon, &json!({ "merchant_customer_identifier": who })));
        let before = at_once(2, 10, |n| {
            daemon.reserve(&by(if n < 10 { &one } else { &other }, &format!("b{round}-{n}"), "1.00"))
        });
        assert!(before.iter().all(|answer| answer.ok()["decision"] == "allow"));
        let allowed = thread::scope(|scope| {
            let merging = scope.spawn(|| merge(&daemon, &a, &b));
            let calls = at_once(4, 20, |n| {
                let who = if n % 2 == 0 { &one } else { &other };
                let id = format!("t{round}-{n}");
                let passes = daemon.reserve(&by(who, &id, "1.00")).ok()["decision"] == "allow";
                if passes && n % 10 == 0 {
                    daemon.step(&id, "approve", &json!({})).ok();
                }
                passes
            });
            merging.join().unwrap();
            calls.into_iter().filter(|passes| *passes).count()
        });
        // Each alone had room for 50 more; payments after the merge had to fit in what both left.
        let used = daemon.get(&of(&a, "/usage")).ok()["totals"][0]["gross"].clone();
        assert_eq!(used["quantity"], 20 + allowed, "nothing is lost: {used}");
        let left = 60_usize.saturating_sub(20 + allowed);
        let answers = at_once(4, 10, |n| {
            daemon.reserve(&by(if n % 2 == 0 { &one } else { &other }, &format!("z{round}-{n}"), "1.00"))
        });
        let passed = answers.iter().filter(|answer| answer.ok()["decision"] == "allow").count();
        assert_eq!(passed, left.min(40), "after the merge exactly what both left passes");
    }
}
