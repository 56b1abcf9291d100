//! Signals about customers and instruments, and the two codes that they lead to.

use serde_json::{Value, json};

use crate::decisions::{assert_allowed, assert_denied};
use support::daemon::{ConfigFolder, Daemon, Settings};
use support::fixtures::{CRM, acme, pay, with};
use support::raw_http;

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
fn fraud_blocks_the_instrument_and_payments_without_one() {
    let daemon = Daemon::live(acme(CRM, &[]));
    let answer = assert_allowed(daemon.reserve(&deposit("t1", "alice", Some("tok_1"))).ok());
    let alice = answer["customer"]["customer_id"].as_str().expect("an id").to_owned();
    let reply = signal(&daemon, "acme", &alice, &json!({ "signal": "fraud_suspected" }));
    assert_eq!(reply, json!({ "customer_id": alice, "status": "suspicious" }));
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

/// What is answered to a customer's payments: with no instrument, with one that nothing is known of, and as a form.
fn answers(daemon: &Daemon, who: &str, about: &str) -> [Value; 3] {
    let checked = |instrument| {
        let answer = daemon.check(&deposit("c", who, instrument)).ok();
        assert_eq!(answer["decision"] == "deny", answer["codes"] != json!([]), "{about}");
        answer["code"].clone()
    };
    let form = json!({ "direction": "deposit", "currency": "EUR", "merchant_customer_identifier": who });
    let form = daemon.post("/v1/merchants/acme/payment-form", &form).ok();
    let methods = form["methods"].as_array().expect("methods").len();
    [checked(None), checked(Some("clean")), json!(methods > 0)]
}

/// Every way in which a customer becomes fraud without an instrument.
#[test]
fn fraud_without_an_instrument_blocks_every_payment() {
    let daemon = Daemon::live(acme(CRM, &[]));
    let customers = "/v1/merchants/acme/customers";
    let of = |id: &str| format!("{customers}/{id}");
    let registered = |who: &str, status: &str| {
        let body = json!({ "merchant_customer_identifier": who, "status": status });
        daemon.post(customers, &body).json()["customer_id"].as_str().expect("an id").to_owned()
    };
    let table = |table: String| {
        let path = format!("{customers}.csv");
        raw_http::send(daemon.port(), "POST", &path, table.as_bytes()).ok();
    };
    for way in ["fraud_confirmed", "card_stolen", "by hand", "in bulk", "by a table", "a table's new one", "registered"]
    {
        let who = format!("by {way}");
        let id = match way {
            "a table's new one" => {
                table(format!("merchant_customer_identifier,status\r\n{who},fraud\r\n"));
                let found =
                    daemon.get(&format!("{customers}?merchant_customer_identifier={}", who.replace(' ', "%20")));
                found.ok()["customers"][0]["customer_id"].as_str().expect("an id").to_owned()
            }
            "registered" => registered(&who, "fraud"),
            _ => registered(&who, "member"),
        };
        match way {
            "fraud_confirmed" | "card_stolen" => drop(signal(&daemon, "acme", &id, &json!({ "signal": way }))),
            "by hand" => drop(daemon.send("PATCH", &of(&id), &json!({ "status": "fraud" })).ok()),
            "in bulk" => {
                let body = json!({ "select": { "ids": [&id] }, "set": { "status": "fraud" } });
                assert_eq!(daemon.post(&format!("{customers}/bulk"), &body).ok()["changed"], 1);
            }
            "by a table" => table(format!("customer_id,status\r\n{id},fraud\r\n")),
            _ => {}
        }
        assert_eq!(answers(&daemon, &who, way), [json!(19_100), json!(19_100), json!(false)], "{way}");
        let denied = daemon.reserve(&deposit(&format!("t {way}"), &who, Some("clean"))).ok();
        assert_denied(&denied, &["19100 customer_blocked -"]);
        assert_ne!(signal(&daemon, "acme", &id, &json!({ "signal": "cleared" }))["status"], "fraud");
        assert_eq!(answers(&daemon, &who, way), [json!(null), json!(null), json!(true)], "{way}, cleared");
    }
}

#[test]
fn fraud_of_an_instrument_becomes_the_customer_s_and_not_the_other_way_round() {
    let daemon = Daemon::live(acme(CRM, &[]));
    let answer = assert_allowed(daemon.reserve(&deposit("t1", "alice", Some("tok_1"))).ok());
    let alice = answer["customer"]["customer_id"].as_str().expect("an id").to_owned();
    let of_alice = format!("/v1/merchants/acme/customers/{alice}");
    let stolen = json!({ "signal": "card_stolen", "payment_instrument": "tok_1" });
    let (by_instrument, whole) =
        ([json!(19_100), json!(null), json!(false)], [json!(19_100), json!(19_100), json!(false)]);
    let named = |about: &str| {
        signal(&daemon, "acme", &alice, &json!({ "signal": "cleared", "payment_instrument": "tok_1" }));
        signal(&daemon, "acme", &alice, &stolen);
        assert_eq!(answers(&daemon, "alice", about), by_instrument, "{about}");
    };
    named("a signal");
    signal(&daemon, "acme", &alice, &json!({ "signal": "fraud_confirmed" }));
    assert_eq!(answers(&daemon, "alice", "a signal"), whole);
    signal(&daemon, "acme", &alice, &stolen);
    assert_eq!(answers(&daemon, "alice", "a later signal that names one"), whole);

    named("by hand");
    daemon.send("PATCH", &of_alice, &json!({ "status": "fraud" })).ok();
    assert_eq!(answers(&daemon, "alice", "by hand"), whole);

    named("in bulk");
    let body = json!({ "select": { "ids": [&alice] }, "set": { "status": "fraud" } });
    for changed in [1, 0] {
        assert_eq!(daemon.post("/v1/merchants/acme/customers/bulk", &body).ok()["changed"], changed);
    }
    assert_eq!(answers(&daemon, "alice", "in bulk"), whole);

    // A downloaded table changes nothing.
    named("a table");
    let table = daemon.get("/v1/merchants/acme/customers.csv").body;
    let counts = raw_http::send(daemon.port(), "POST", "/v1/merchants/acme/customers.csv", table.as_bytes()).ok();
    assert_eq!((&counts["changed"], &counts["unchanged"]), (&json!(0), &json!(1)), "{counts}");
    assert_eq!(answers(&daemon, "alice", "a table"), by_instrument);
}

#[test]
fn whole_fraud_and_fraud_of_an_instrument_outlast_a_restart_and_a_merge() {
    let mut daemon = crate::staff_calls::kept(&Settings::SYSTEM, acme(CRM, &[]));
    let id = |daemon: &Daemon, who: &str| {
        let answer = daemon.reserve(&deposit(&format!("t-{who}"), who, Some(&format!("tok-{who}")))).ok();
        answer["customer"]["customer_id"].as_str().expect("an id").to_owned()
    };
    for who in ["whole", "named", "target"] {
        id(&daemon, who);
    }
    let (whole, named, target) = ("1000001", "1000002", "1000003");
    signal(&daemon, "acme", whole, &json!({ "signal": "card_stolen" }));
    signal(&daemon, "acme", named, &json!({ "signal": "card_stolen", "payment_instrument": "tok-named" }));
    for about in ["at first", "after a kill", "after a snapshot"] {
        assert_eq!(answers(&daemon, "whole", about), [json!(19_100), json!(19_100), json!(false)], "{about}");
        assert_eq!(answers(&daemon, "named", about), [json!(19_100), json!(null), json!(false)], "{about}");
        let blocked = daemon.check(&deposit("c", "target", Some("tok-named"))).ok();
        assert_denied(&blocked, &["19106 payment_instrument_blocked -"]);
        if about == "after a kill" {
            daemon.post_nothing("/v1/snapshot").ok();
        }
        daemon.kill_and_start();
    }
    for (source, want) in [(named, json!(null)), (whole, json!(19_100))] {
        daemon.post(&format!("/v1/merchants/acme/customers/{source}/merge"), &json!({ "into": target })).ok();
        assert_eq!(answers(&daemon, "target", source), [json!(19_100), want, json!(false)], "{source}");
    }
}

#[test]
fn a_fraud_signal_reaches_all_holders_at_every_merchant() {
    let globex = acme(CRM, &[]).replacen("id = \"acme\"", "id = \"globex\"", 1);
    let merchants = [("acme", acme(CRM, &[])), ("globex", globex)];
    let daemon = Daemon::start(ConfigFolder::new(&Settings::SYSTEM, &merchants));
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
fn unknown_signals_are_refused() {
    let daemon = Daemon::live(acme(CRM, &[]));
    let post =
        |customer: &str, body: Value| daemon.post(&format!("/v1/merchants/acme/customers/{customer}/signals"), &body);
    post("1000001", json!({ "signal": "cleared" })).problem(404);
    post("alice", json!({ "signal": "cleared" })).problem(404);
    post("1000001", json!({ "signal": "nonsense" })).problem(400);
    post("1000001", json!({})).problem(400);
    post("1000001", json!({ "signal": "card_stolen", "payment_instrument": "4111111111111111" })).problem(400);
}
