//! Defects that were found once, each with the smallest story that showed it.

use serde_json::json;

use crate::decisions::{assert_allowed, assert_denied};
use crate::staff_calls::CUSTOMERS;
use support::daemon::Daemon;
use support::fixtures::{CRM, MINUTE, acme, at, gold, level, pay, with, without};

#[test]
fn an_approval_is_taken_however_old_the_reserve_s_time_in_it_is() {
    let daemon = Daemon::timed(gold("window = \"daily\"; amount_limit = \"100.00\""));
    let reserve = with(pay("t1", "10.00"), &json!({ "occurred_at": at(0) }));
    assert_allowed(daemon.reserve(&reserve).ok());
    assert_allowed(daemon.reserve(&with(pay("t2", "1.00"), &json!({ "occurred_at": at(20 * MINUTE) }))).ok());
    let fields = without(reserve, &["transaction_id"]);
    assert_eq!(daemon.step("t1", "approve", &fields).ok()["status"], "approved");
    // The same without a reserve: the transaction is placed as far back as a payment may be.
    let answer = daemon.step("t3", "approve", &fields).ok();
    assert_eq!((&answer["status"], &answer["flags"]), (&json!("approved"), &json!(["unreserved"])));
    assert_eq!(daemon.fetch("t3").ok()["occurred_at"], at(15 * MINUTE));
    assert_eq!(answer["remaining"]["amount"], "79.00");
}

#[test]
fn a_customer_s_number_at_the_end_of_all_numbers_lists_nothing() {
    let daemon = Daemon::live(acme(CRM, &[]));
    let page = daemon.get("/v1/merchants/acme/transactions?customer_id=18446744073709551615").ok();
    assert_eq!(page, json!({ "transactions": [], "next_cursor": null }));
}

#[test]
fn the_form_offers_the_last_payment_that_would_pass() {
    let daemon = Daemon::live(gold("window = \"daily\"; quantity_limit = 1"));
    let body = without(pay("t0", "1.00"), &["amount", "transaction_id"]);
    let max = || daemon.post("/v1/merchants/acme/payment-form", &body).ok()["methods"][0]["max"].clone();
    assert_ne!(max(), "0.00");
    assert_allowed(daemon.reserve(&pay("t1", "1.00")).ok());
    assert_eq!(max(), "0.00");
}

#[test]
fn unreadable_path_is_refused_with_a_problem() {
    let daemon = Daemon::live(acme(CRM, &[]));
    for path in ["/v1/merchants/%ff/transactions/x", "/v1/merchants/%ff/levels", "/v1/merchants/%ff"] {
        daemon.get(path).problem(400);
    }
}

#[test]
fn clearing_a_customer_keeps_fraud_of_others() {
    let daemon = Daemon::live(acme(CRM, &[]));
    let deposit = |id: &str, who: &str, token: &str| {
        let members = json!({ "merchant_customer_identifier": who, "payment_instrument": token });
        assert_allowed(daemon.reserve(&with(pay(id, "1.00"), &members)).ok())["customer"]["customer_id"].clone()
    };
    let signal = |customer: &serde_json::Value, body: &serde_json::Value| {
        let id = customer.as_str().expect("an id");
        daemon.post(&format!("/v1/merchants/acme/customers/{id}/signals"), body).ok()
    };
    let crook = deposit("t1", "crook", "tok_x");
    deposit("t2", "crook", "tok_y");
    let other = deposit("t3", "other", "tok_y");
    signal(&crook, &json!({ "signal": "fraud_confirmed", "payment_instrument": "tok_x" }));
    signal(&other, &json!({ "signal": "cleared", "payment_instrument": "tok_y" }));
    let body = with(pay("t4", "1.00"), &json!({ "merchant_customer_identifier": "crook" }));
    assert_denied(&daemon.reserve(&body).ok(), &["19100 customer_blocked -"]);
}

#[test]
fn approval_instrument_belongs_to_its_customer_and_is_blocked_as_an_attribute() {
    let daemon = Daemon::live(acme(CRM, &[]));
    let answer = assert_allowed(daemon.reserve(&pay("t1", "1.00")).ok());
    let alice = answer["customer"]["customer_id"].as_str().expect("an id").to_owned();
    daemon.step("t1", "approve", &json!({ "payment_instrument": "tok_z" })).ok();
    let bob = assert_allowed(
        daemon.reserve(&with(pay("t2", "1.00"), &json!({ "merchant_customer_identifier": "bob" }))).ok(),
    );
    let bob = bob["customer"]["customer_id"].as_str().expect("an id").to_owned();
    let body = json!({ "signal": "card_stolen", "payment_instrument": "tok_z" });
    daemon.post(&format!("/v1/merchants/acme/customers/{bob}/signals"), &body).ok();
    assert_denied(&daemon.reserve(&pay("t3", "1.00")).ok(), &["19100 customer_blocked -"]);
    assert_ne!(alice, bob);
    let carol = json!({ "merchant_customer_identifier": "carol", "customer": { "payment_instrument": "tok_z" } });
    assert_denied(&daemon.reserve(&with(pay("t4", "1.00"), &carol)).ok(), &["19106 payment_instrument_blocked -"]);
}

#[test]
fn refused_requests_fill_no_table_and_facts_take_any_gate() {
    let daemon = Daemon::live(acme(CRM, &[]));
    for body in [
        json!({ "customer_level": "4111111111111111" }),
        json!({ "payment_method": "4111 1111 1111 1111" }),
        json!({ "transaction_id": "5500000000000004" }),
    ] {
        daemon.reserve(&with(pay("t1", "1.00"), &body)).problem(400);
    }
    assert_allowed(daemon.reserve(&pay("t1", "1.00")).ok());
    let card = json!({ "attempt": 1, "gate": "4111 1111 1111 1111", "outcome": "declined" });
    daemon.step("t1", "attempts", &card).problem(400);
    daemon.step("t1", "attempts", &json!({ "attempt": 1, "gate": "never heard of", "outcome": "declined" })).ok();
    daemon.step("t1", "approve", &json!({ "gate": "nor of this" })).ok();
}

#[test]
fn approval_without_reserve_has_no_requested_amount() {
    let daemon = Daemon::live(acme(CRM, &[level("gold", "")]));
    let fact = without(pay("t1", "5.00"), &["transaction_id"]);
    daemon.step("t1", "approve", &fact).ok();
    assert_eq!(daemon.fetch("t1").ok()["asked"], "0.00");
    daemon.reserve(&pay("t1", "4.00")).ok();
    assert_eq!(daemon.fetch("t1").ok()["asked"], "4.00");
}

#[test]
fn an_instrument_that_paid_though_the_payment_was_denied_is_held() {
    let daemon = Daemon::live(gold("window = \"daily\"; amount_limit = \"1.00\""));
    let card = json!({ "payment_instrument": "tok" });
    let denied = daemon.reserve(&with(pay("t1", "2.00"), &card)).ok();
    let path = format!("{CUSTOMERS}/{}", denied["customer"]["customer_id"].as_str().expect("an id"));
    let instruments = || daemon.get(&path).ok()["payment_instruments"].as_array().map(Vec::len);
    assert_eq!((&denied["decision"], instruments()), (&json!("deny"), Some(0)));
    daemon.step("t1", "approve", &json!({})).ok();
    assert_eq!(instruments(), Some(1));
    let stolen = json!({ "signal": "card_stolen", "payment_instrument": "tok" });
    let other = daemon.reserve(&with(pay("t2", "1.00"), &json!({ "merchant_customer_identifier": "bob" }))).ok();
    let other = other["customer"]["customer_id"].as_str().expect("an id").to_owned();
    daemon.post(&format!("{CUSTOMERS}/{other}/signals"), &stolen).ok();
    assert_eq!(daemon.get(&path).ok()["status"], "fraud", "it reaches the customer who paid by it");
}

#[test]
fn unknown_query_parameters_are_refused() {
    let daemon = Daemon::live(acme(CRM, &[level("gold", "")]));
    let made = daemon.reserve(&pay("t1", "1.00")).ok();
    let id = made["customer"]["customer_id"].as_str().expect("an id").to_owned();
    let (t, c) = ("/v1/merchants/acme/transactions", format!("{CUSTOMERS}/{id}"));
    for (method, path) in [
        ("POST", t.to_owned()),
        ("POST", "/v1/merchants/acme/decisions".to_owned()),
        ("POST", format!("{t}/t1/cancel")),
        ("GET", format!("{t}/t1")),
        ("DELETE", c.clone()),
        ("PATCH", c.clone()),
        ("GET", c.clone()),
        ("GET", format!("{c}/usage")),
        ("POST", format!("{c}/merge")),
        ("POST", format!("{c}/signals")),
        ("PUT", "/v1/rates".to_owned()),
        ("POST", "/v1/batch".to_owned()),
        ("GET", "/v1/status".to_owned()),
        ("GET", "/v1/merchants".to_owned()),
    ] {
        let asked = format!("{path}?dry_run=true");
        let refused = if method == "GET" { daemon.get(&asked) } else { daemon.send(method, &asked, &json!({})) };
        let refused = refused.problem(400);
        assert_eq!((&refused["code"], &refused["field"]), (&json!("unknown_field"), &json!("dry_run")), "{asked}");
    }
    assert_eq!(daemon.get(&c).ok()["deletion_due"], json!(null));
    // Changes of levels take `dry_run`, and refuse a misspelt one.
    for (method, name) in [("PUT", "new"), ("DELETE", "gold")] {
        let asked = format!("/v1/merchants/acme/levels/deposit/EUR/{name}?dryrun=true");
        let refused = daemon.send(method, &asked, &json!({})).problem(400);
        assert_eq!((&refused["code"], &refused["field"]), (&json!("unknown_field"), &json!("dryrun")), "{asked}");
    }
    assert_eq!(daemon.get("/healthz?probe=1").status, 200, "a health check is answered");
}

#[test]
fn a_limit_for_all_reaches_those_without_a_level() {
    let head = format!("{CRM}default_behaviour = \"unknown_level\"\n");
    let daemon = Daemon::live(acme(&head, &[level("gold", "")]));
    for (who, level) in [("alice", json!("gold")), ("bob", json!(null))] {
        let body = json!({ "merchant_customer_identifier": who, "deposit_level": level });
        assert_eq!(daemon.post(CUSTOMERS, &body).status, 201);
    }
    let limit = json!({ "direction": "deposit", "currency": "EUR", "max_amount": "5.00" });
    let set = json!({ "select": { "all": true }, "set": { "global_limit": limit } });
    assert_eq!(daemon.post(&format!("{CUSTOMERS}/bulk"), &set).ok()["changed"], 2);
    for who in ["alice", "bob"] {
        let by = with(without(pay("t", "5.01"), &["customer_level"]), &json!({ "merchant_customer_identifier": who }));
        let card = with(by, &json!({ "payment_method": "card" }));
        assert_denied(&daemon.check(&card).ok(), &["19103 amount_above_maximum -"]);
    }
}

#[test]
fn flag_reaches_current_holders_and_block_also_later_ones() {
    let daemon = Daemon::live(acme(CRM, &[level("gold", "")]));
    let by = |who: &str, id: &str, card: &str| {
        with(pay(id, "1.00"), &json!({ "merchant_customer_identifier": who, "payment_instrument": card }))
    };
    let first = assert_allowed(daemon.reserve(&by("first", "t1", "tok")).ok());
    let path = format!("{CUSTOMERS}/{}/signals", first["customer"]["customer_id"].as_str().expect("an id"));
    let signal = |signal: &str| json!({ "signal": signal, "payment_instrument": "tok" });
    assert_eq!(daemon.post(&path, &signal("fraud_suspected")).ok()["status"], "suspicious");
    let later = assert_allowed(daemon.reserve(&by("later", "t2", "tok")).ok());
    assert_eq!(later["customer"]["status"], "new", "{later}");
    daemon.post(&path, &signal("fraud_confirmed")).ok();
    assert_denied(&daemon.reserve(&by("latest", "t3", "tok")).ok(), &["19106 payment_instrument_blocked -"]);
}

#[test]
fn a_deletion_request_is_withdrawn_where_no_label_makes_it() {
    let daemon = Daemon::live(acme(CRM, &[level("gold", "")]));
    let body = json!({ "merchant_customer_identifier": "ann", "phone": "+35799123456" });
    let id = daemon.post(CUSTOMERS, &body).json()["customer_id"].as_str().expect("an id").to_owned();
    let customer = format!("{CUSTOMERS}/{id}");
    assert!(daemon.delete(&customer).ok()["deletion_due"].is_string());
    let refused = daemon.send("PATCH", &customer, &json!({ "deletion_due": "2030-01-01T00:00:00Z" })).problem(400);
    assert_eq!(refused["field"], "deletion_due", "{refused}");
    let shown = daemon.send("PATCH", &customer, &json!({ "deletion_due": null })).ok();
    assert!(shown["deletion_due"].is_null(), "{shown}");
    let step = &daemon.get(&format!("{customer}/history")).ok()["history"][0];
    assert_eq!(step["changes"][0]["field"], "deletion_due", "{step}");
    let refused = daemon.send("PATCH", &customer, &json!({ "labels": ["vip"] })).problem(422);
    assert!(refused["detail"].as_str().expect("words").ends_with("it has none"), "{refused}");
    // A plus that is not escaped arrives as a space.
    for phone in ["+35799123456", "%2B35799123456"] {
        let found = daemon.get(&format!("{CUSTOMERS}?phone={phone}")).ok();
        assert_eq!(found["customers"][0]["customer_id"], id.as_str(), "{phone}: {found}");
    }
}
