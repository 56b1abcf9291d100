//! Where a customer stands, signal by signal; and the stored payment instruments.

use serde_json::{Value, json};

use crate::decisions::{assert_allowed, assert_denied};
use crate::staff_calls::{amend, kept, look, of, register};
use support::daemon::{Daemon, Settings};
use support::fixtures::{CRM, acme, pay, with};

fn shop() -> String {
    acme(CRM, &[])
}

fn put(daemon: &Daemon, id: &str, instrument: &str, body: &Value) -> Value {
    daemon.send("PUT", &of(id, &format!("/instruments/{instrument}")), body).ok()
}

fn signal(daemon: &Daemon, id: &str, body: &Value) -> Value {
    daemon.post(&of(id, "/signals"), body).ok()["status"].clone()
}

#[test]
fn status_follows_from_signals_and_staff_changes() {
    // The steps in order, and the status after each: a signal, one about an instrument that is stored
    // before (`a` or `b`), or `=` and a status by hand.
    for row in [
        "consent_given member",
        "consent_refused deny",
        "consent_given member | consent_refused deny | consent_given member",
        "fraud_suspected suspicious | cleared new",
        "consent_given member | fraud_suspected suspicious | cleared member",
        "consent_refused deny | fraud_suspected suspicious | cleared deny",
        "fraud_suspected suspicious | consent_given suspicious | cleared member",
        "fraud_confirmed fraud | fraud_suspected fraud | cleared new",
        "card_stolen fraud | cleared new",
        "fraud_suspected suspicious | fraud_confirmed fraud",
        "card_expired:a not_active",
        "card_invalid:a not_active",
        "card_expired:a not_active | cleared:a new",
        "consent_given member | card_invalid:a not_active | consent_given not_active | cleared:a member",
        "card_expired:b new | card_expired:a not_active",
        "card_expired:nowhere new",
        "consent_refused deny | card_expired:a deny",
        "card_expired:a not_active | fraud_suspected suspicious | cleared not_active",
        "card_expired:a not_active | fraud_confirmed:a fraud | cleared:a new",
        "cleared new",
        "=member member | =new new",
        "=not_active not_active | consent_given member",
        "=suspicious suspicious | cleared new",
        "consent_given member | =fraud fraud | cleared member",
        "fraud_confirmed fraud | =member member",
        "=deny deny | fraud_suspected suspicious | =suspicious suspicious | =fraud fraud | =new new",
        "card_expired:a not_active | =not_active not_active | =new not_active | cleared:a new",
    ] {
        let daemon = Daemon::live(shop());
        let id = register(&daemon, &json!({ "merchant_customer_identifier": "alice" }));
        put(&daemon, &id, "a", &json!({}));
        if row.contains(":b") {
            put(&daemon, &id, "b", &json!({}));
        }
        for step in row.split(" | ") {
            let (what, want) = step.split_once(' ').expect("a step and the status after it");
            let got = match (what.strip_prefix('='), what.split_once(':')) {
                (Some(status), _) => amend(&daemon, &id, &json!({ "status": status }))["status"].clone(),
                (_, Some((name, instrument))) => {
                    signal(&daemon, &id, &json!({ "signal": name, "payment_instrument": instrument }))
                }
                _ => signal(&daemon, &id, &json!({ "signal": what })),
            };
            assert_eq!(got, want, "{step} of {row}");
            assert_eq!(look(&daemon, &id)["status"], want, "{step} of {row}: shown");
            let query = format!("{}?status={want}", crate::staff_calls::CUSTOMERS);
            let found = daemon.get(&query).ok();
            assert_eq!(found["customers"].as_array().map(Vec::len), Some(1), "{step} of {row}: found by it");
        }
    }
}

#[test]
fn staff_change_without_effect_leaves_no_record() {
    let daemon = kept(&Settings::SYSTEM, shop());
    let id = register(&daemon, &json!({ "merchant_customer_identifier": "alice" }));
    put(&daemon, &id, "a", &json!({ "state": "expired" }));
    let lsn = || daemon.get("/v1/status").ok()["lsn"].clone();
    let before = lsn();
    for status in ["not_active", "new", "new"] {
        assert_eq!(amend(&daemon, &id, &json!({ "status": status }))["status"], "not_active");
    }
    assert_eq!(lsn(), before);
}

#[test]
fn approved_payments_store_instruments() {
    let daemon = kept(&Settings::REQUEST, shop());
    let by = |id: &str, token: &str, ms: i64| {
        with(pay(id, "1.00"), &json!({ "payment_instrument": token, "occurred_at": support::fixtures::at(ms) }))
    };
    let paid = daemon.reserve(&by("t1", "tok_a", 0)).ok();
    let id = paid["customer"]["customer_id"].as_str().expect("an id").to_owned();
    let of_token = |token: &str| {
        let shown = look(&daemon, &id)["payment_instruments"].as_array().expect("instruments").clone();
        shown.into_iter().find(|i| i["payment_instrument"] == token).unwrap_or_else(|| panic!("no {token}"))
    };
    let is_stored = |token: &str| {
        let shown = look(&daemon, &id)["payment_instruments"].as_array().expect("instruments").clone();
        shown.iter().any(|i| i["payment_instrument"] == token)
    };
    assert!(!is_stored("tok_a"), "only reserved");
    daemon.step("t1", "approve", &json!({})).ok();
    let used = of_token("tok_a");
    assert_eq!((&used["successful_payments"], &used["last_success_at"]), (&json!(1), &json!(support::fixtures::at(0))));
    assert_eq!(used["saved_at"], support::fixtures::at(0));
    daemon.step("t1", "approve", &json!({})).ok();
    assert_eq!(of_token("tok_a"), used, "a repetition is no second payment");
    daemon.step("t1", "approve", &json!({ "capture_id": "c2", "amount": "0.50" })).ok();
    assert_eq!(of_token("tok_a"), used, "a second capture is no second payment");
    daemon.reserve(&by("t2", "tok_b", 1_000)).ok();
    daemon.step("t2", "decline", &json!({})).ok();
    assert!(!is_stored("tok_b"), "a declined payment stores nothing");
    daemon.reserve(&by("t3", "tok_b", 2_000)).ok();
    daemon.step("t3", "approve", &json!({ "payment_instrument": "tok_c" })).ok();
    assert_eq!(of_token("tok_c")["successful_payments"], 1, "the one that paid");
    assert!(!is_stored("tok_b"));

    let body = json!({
        "type": "card", "masked_number": "411111******1111", "expires": "2031-04", "default": true, "card_on_file": true,
    });
    let shown = put(&daemon, &id, "tok_a", &body);
    for (field, want) in body.as_object().expect("fields") {
        assert_eq!(shown[field], *want, "{shown}");
    }
    assert_eq!(shown["successful_payments"], 1, "what payments made of it stays");
    let lsn = daemon.get("/v1/status").ok()["lsn"].clone();
    assert_eq!(put(&daemon, &id, "tok_a", &body), shown);
    assert_eq!(daemon.get("/v1/status").ok()["lsn"], lsn, "the same again is no change");
    put(&daemon, &id, "tok_b", &json!({ "default": true }));
    assert_eq!(of_token("tok_a")["default"], false, "one is the default");
    let order: Vec<Value> = look(&daemon, &id)["payment_instruments"]
        .as_array()
        .expect("instruments")
        .iter()
        .map(|i| i["payment_instrument"].clone())
        .collect();
    assert_eq!(order, ["tok_b", "tok_c", "tok_a"], "last used first; one that never was, by when it was stored");

    let all = || look(&daemon, &id)["payment_instruments"].clone();
    let before = all();
    let mut daemon = daemon;
    daemon.kill_and_start();
    assert_eq!(look(&daemon, &id)["payment_instruments"], before, "after kill -9");
    daemon.post_nothing("/v1/snapshot").ok();
    daemon.kill_and_start();
    assert_eq!(look(&daemon, &id)["payment_instruments"], before, "after a snapshot");
}

#[test]
fn new_holder_of_a_blocked_instrument_becomes_suspicious() {
    let daemon = Daemon::live(shop());
    let alice = register(&daemon, &json!({ "merchant_customer_identifier": "alice" }));
    let bob = register(&daemon, &json!({ "merchant_customer_identifier": "bob" }));
    put(&daemon, &alice, "tok", &json!({}));
    let stolen = json!({ "signal": "card_stolen", "payment_instrument": "tok" });
    assert_eq!(signal(&daemon, &alice, &stolen), "fraud");
    assert_eq!(look(&daemon, &alice)["payment_instruments"][0]["state"], "blocked");
    assert_eq!(put(&daemon, &bob, "tok", &json!({}))["state"], "blocked");
    assert_eq!(look(&daemon, &bob)["status"], "fraud", "the block reaches every holder, also a later one");
    assert_denied(
        &daemon.reserve(&with(pay("t1", "1.00"), &json!({ "merchant_customer_identifier": "bob" }))).ok(),
        &["19100 customer_blocked -"],
    );
    let clean = json!({ "merchant_customer_identifier": "bob", "payment_instrument": "clean" });
    assert_allowed(daemon.reserve(&with(pay("t2", "1.00"), &clean)).ok());
}

#[test]
fn instrument_added_by_staff_receives_later_signals() {
    let globex = shop().replacen("id = \"acme\"", "id = \"globex\"", 1);
    let folder = support::daemon::ConfigFolder::new(&Settings::SYSTEM, &[("acme", shop()), ("globex", globex)]);
    let daemon = Daemon::start(folder);
    let alice = register(&daemon, &json!({ "merchant_customer_identifier": "alice" }));
    let there = daemon.post("/v1/merchants/globex/customers", &json!({ "merchant_customer_identifier": "gus" })).json();
    let there = format!("/v1/merchants/globex/customers/{}", there["customer_id"].as_str().expect("an id"));
    daemon.send("PUT", &format!("{there}/instruments/tok"), &json!({})).ok();
    signal(&daemon, &alice, &json!({ "signal": "fraud_suspected", "payment_instrument": "tok" }));
    assert_eq!(daemon.get(&there).ok()["status"], "suspicious");
}
