//! Signals about customers and instruments, and the two codes that they lead to.

use serde_json::{Value, json};

use crate::decisions::{assert_allowed, assert_denied};
use crate::harness::{Daemon, Folder, Settings};
use crate::shop::{CRM, acme, pay, with};

fn deposit(id: &str, who: &str, instrument: Option<&str>) -> Value {
    let body = with(pay(id, "1.00"), &json!({ "merchant_customer_identifier": who }));
    match instrument {
        Some(token) => with(body, &json!({ "payment_instrument": token })),
        None => body,
    }
}

fn signal(daemon: &Daemon, merchant: &str, customer: &str, body: &Value) -> Value {
    daemon.post(&format!("/v1/merchants/{merchant}/customers/{customer}/signals"), body).ok()
}

#[test]
fn fraud_blocks_the_instrument_and_whoever_names_none() {
    let daemon = Daemon::live(acme(CRM, &[]));
    let answer = assert_allowed(daemon.reserve(&deposit("t1", "alice", Some("tok_1"))).ok());
    let alice = answer["customer"]["customer_id"].as_str().expect("an id").to_owned();
    let said = signal(&daemon, "acme", &alice, &json!({ "signal": "fraud_suspected" }));
    assert_eq!(said, json!({ "customer_id": alice, "status": "suspicious" }));
    let answer = assert_allowed(daemon.reserve(&deposit("t2", "alice", None)).ok());
    assert_eq!(answer["flags"], json!(["suspicious"]), "flagged, not blocked");
    assert_eq!(answer["customer"]["status"], "suspicious");

    let body = json!({ "signal": "card_stolen", "payment_instrument": "tok_1" });
    assert_eq!(signal(&daemon, "acme", &alice, &body)["status"], "fraud");
    assert_denied(&daemon.reserve(&deposit("t3", "alice", None)).ok(), &["19100 customer_blocked -"]);
    assert_denied(
        &daemon.reserve(&deposit("t4", "alice", Some("tok_1"))).ok(),
        &["19106 payment_instrument_blocked -"],
    );
    assert_denied(&daemon.reserve(&deposit("t5", "bob", Some("tok_1"))).ok(), &["19106 payment_instrument_blocked -"]);
    assert_allowed(daemon.reserve(&deposit("t6", "alice", Some("tok_2"))).ok());
    assert_allowed(daemon.reserve(&deposit("t7", "bob", None)).ok());

    let body = json!({ "signal": "cleared", "payment_instrument": "tok_1" });
    assert_eq!(signal(&daemon, "acme", &alice, &body)["status"], "new");
    assert_allowed(daemon.reserve(&deposit("t8", "alice", Some("tok_1"))).ok());
}

#[test]
fn a_fraud_signal_reaches_all_holders_at_every_merchant() {
    let globex = acme(CRM, &[]).replacen("id = \"acme\"", "id = \"globex\"", 1);
    let merchants = [("acme", acme(CRM, &[])), ("globex", globex)];
    let daemon = Daemon::start(Folder::new(&Settings::SYSTEM, &merchants));
    let first = |merchant: &str, id: &str, who: &str| {
        let path = format!("/v1/merchants/{merchant}/transactions");
        assert_allowed(daemon.post(&path, &deposit(id, who, Some("tok_9"))).ok())
    };
    let alice = first("acme", "t1", "alice")["customer"]["customer_id"].as_str().expect("an id").to_owned();
    first("acme", "t2", "bob");
    first("globex", "t1", "carol");
    signal(&daemon, "acme", &alice, &json!({ "signal": "fraud_confirmed", "payment_instrument": "tok_9" }));
    for (merchant, who) in [("acme", "bob"), ("globex", "carol")] {
        let path = format!("/v1/merchants/{merchant}/transactions");
        assert_denied(&daemon.post(&path, &deposit("t3", who, None)).ok(), &["19100 customer_blocked -"]);
    }
}

#[test]
fn signals_refuse_what_they_do_not_know() {
    let daemon = Daemon::live(acme(CRM, &[]));
    let post =
        |customer: &str, body: Value| daemon.post(&format!("/v1/merchants/acme/customers/{customer}/signals"), &body);
    post("1000001", json!({ "signal": "cleared" })).problem(404);
    post("alice", json!({ "signal": "cleared" })).problem(404);
    post("1000001", json!({ "signal": "nonsense" })).problem(400);
    post("1000001", json!({})).problem(400);
    post("1000001", json!({ "signal": "card_stolen", "payment_instrument": "4111111111111111" })).problem(400);
}
