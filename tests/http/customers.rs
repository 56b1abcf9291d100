//! Who pays: every branch of identification in both operation modes, and what a request teaches about a customer.

use serde_json::{Value, json};

use crate::decisions::{assert_allowed, assert_denied};
use support::daemon::{ConfigFolder, Daemon, Settings};
use support::fixtures::{CRM, GATEWAY, acme, filter, level, pay, with, without};

/// A deposit of one euro that names no customer.
fn anonymous(id: &str) -> Value {
    json!({ "transaction_id": id, "direction": "deposit", "currency": "EUR", "amount": "1.00" })
}

/// The same with attributes of the customer.
fn described(id: &str, attributes: &Value) -> Value {
    with(anonymous(id), &json!({ "customer": attributes }))
}

/// The same by the merchant's identifier, with attributes.
fn named(id: &str, name: &str, attributes: &Value) -> Value {
    with(described(id, attributes), &json!({ "merchant_customer_identifier": name }))
}

/// Reserves; returns how the customer was found, and its id.
#[track_caller]
fn who(daemon: &Daemon, body: &Value) -> (String, String) {
    let answer = assert_allowed(daemon.reserve(body).ok());
    let customer = &answer["customer"];
    let text = |member: &str| customer[member].as_str().unwrap_or_else(|| panic!("`{member}` of {answer}")).to_owned();
    (text("resolution"), text("customer_id"))
}

#[test]
fn crm_finds_by_identifier_then_by_client_definition_then_creates() {
    let daemon = Daemon::live(acme(CRM, &[]));
    let (how, alice) = who(&daemon, &named("t1", "alice", &json!({})));
    assert_eq!(how, "created");
    assert_eq!(who(&daemon, &named("t2", "alice", &json!({}))), ("found".into(), alice.clone()));
    let (how, bob) = who(&daemon, &named("t3", "bob", &json!({ "email": "bob@example.com" })));
    assert_eq!(how, "created");
    assert_ne!(alice, bob);
    // Without an identifier, absent or empty, the client definition decides.
    let by_mail = described("t4", &json!({ "email": " Bob@Example.COM " }));
    assert_eq!(who(&daemon, &by_mail), ("client_definition".into(), bob.clone()), "compared normalised");
    let empty = with(by_mail, &json!({ "transaction_id": "t5", "merchant_customer_identifier": "" }));
    assert_eq!(who(&daemon, &empty), ("client_definition".into(), bob));

    // No customer matches: a new one without an identifier, which the client definition finds from then on.
    let answer = daemon.reserve(&described("t6", &json!({ "email": "carol@example.com" }))).ok();
    assert_eq!(answer["customer"]["resolution"], "created");
    assert!(answer["customer"]["merchant_customer_identifier"].is_null(), "{answer}");
    let carol = answer["customer"]["customer_id"].as_str().expect("an id").to_owned();
    let again = described("t7", &json!({ "email": "carol@example.com" }));
    assert_eq!(who(&daemon, &again), ("client_definition".into(), carol));
}

#[test]
fn crm_refuses_unidentifiable_customers_and_gateway_identifiers() {
    let daemon = Daemon::live(acme(CRM, &[]));
    let rows = [
        anonymous("t1"),
        described("t2", &json!({})),
        described("t3", &json!({ "email": "", "phone": null })),
        described("t4", &json!({ "country": "CY" })),
        with(anonymous("t5"), &json!({ "merchant_customer_identifier": "" })),
    ];
    for body in rows {
        daemon.reserve(&body).problem(422);
        daemon.check(&body).problem(422);
    }
    let wrong = with(named("t6", "alice", &json!({})), &json!({ "customer_id": "1000001" }));
    assert_eq!(daemon.reserve(&wrong).problem(422)["field"], "customer_id");
    let none = with(named("t7", "alice", &json!({})), &json!({ "customer_id": "" }));
    assert_eq!(who(&daemon, &none).0, "created", "an empty identifier of the other mode is none");
    let null = with(named("t8", "alice", &json!({})), &json!({ "customer_id": null }));
    assert_eq!(who(&daemon, &null).0, "found");
}

#[test]
fn the_first_attribute_that_matches_wins_and_of_several_customers_the_oldest() {
    let daemon = Daemon::live(acme(CRM, &[]));
    let (_, mail) = who(&daemon, &named("t1", "mail", &json!({ "email": "a@example.com" })));
    let (_, phone) = who(&daemon, &named("t2", "phone", &json!({ "phone": "+4930123456" })));
    let (_, younger) = who(&daemon, &named("t3", "younger", &json!({ "email": "a@example.com" })));
    assert!(mail != phone && phone != younger && mail != younger);
    let second = described("t4", &json!({ "phone": "+49 30 123456", "email": "unknown@example.com" }));
    assert_eq!(who(&daemon, &second), ("client_definition".into(), phone), "a phone is compared as E.164");
    // This one also gives the customer found the phone that was missing, so it comes last.
    let both = described("t5", &json!({ "phone": "+4930123456", "email": "a@example.com" }));
    assert_eq!(who(&daemon, &both).1, mail, "the e-mail comes first in the definition, and the oldest holds it");
}

#[test]
fn an_endpoint_may_recognise_customers_by_other_attributes_than_its_project() {
    let text =
        acme(CRM, &[]).replace("id = \"web-usd\"\n", "id = \"web-usd\"\n  client_definition = [\"external_id\"]\n");
    let daemon = Daemon::live(text);
    let dollars = |id: &str, attributes: Value| with(described(id, &attributes), &json!({ "currency": "USD" }));
    daemon.reserve(&dollars("t1", json!({ "email": "a@example.com" }))).problem(422);
    let (how, first) = who(&daemon, &dollars("t2", json!({ "email": "a@example.com", "external_id": "X-1" })));
    assert_eq!(how, "created");
    let same = dollars("t3", json!({ "external_id": "X-1" }));
    assert_eq!(who(&daemon, &same), ("client_definition".into(), first.clone()));
    let euro = described("t4", &json!({ "email": "a@example.com" }));
    assert_eq!(who(&daemon, &euro), ("client_definition".into(), first), "the project's definition holds elsewhere");
}

#[test]
fn attributes_fill_what_is_missing_and_never_overwrite() {
    let daemon = Daemon::live(acme(CRM, &[]));
    let (_, alice) = who(&daemon, &named("t1", "alice", &json!({ "phone": "+4930123456" })));
    who(&daemon, &named("t2", "alice", &json!({ "email": "" })));
    who(&daemon, &named("t3", "alice", &json!({ "email": "alice@example.com" })));
    let by_mail = described("t4", &json!({ "email": "alice@example.com" }));
    assert_eq!(who(&daemon, &by_mail), ("client_definition".into(), alice.clone()), "what was missing is filled");
    who(&daemon, &named("t5", "alice", &json!({ "email": "other@example.com" })));
    let still = described("t6", &json!({ "email": "alice@example.com" }));
    assert_eq!(who(&daemon, &still), ("client_definition".into(), alice.clone()), "what was there stays");
    let (how, other) = who(&daemon, &described("t7", &json!({ "email": "other@example.com" })));
    assert_eq!(how, "created", "the later attribute belongs to no customer");
    assert_ne!(other, alice);
}

#[test]
fn a_denial_creates_its_customer_and_a_refusal_does_not() {
    let daemon = Daemon::live(acme(CRM, &[level("gold", &filter("window = \"daily\"; quantity_limit = 0"))]));
    daemon.reserve(&with(pay("t1", "1.00"), &json!({ "currency": "SEK" }))).problem(422);
    assert_eq!(daemon.check(&pay("t2", "1.00")).ok()["customer"]["resolution"], "created");
    assert_denied(&daemon.reserve(&pay("t3", "1.00")).ok(), &["19001 daily_quantity_limit_exceeded daily"]);
    let found = daemon.check(&pay("t4", "1.00")).ok();
    assert_eq!(found["customer"]["resolution"], "found", "{found}");
}

#[test]
fn gateway_mode_finds_by_customer_id_bypasses_unknown_ones_and_creates_for_the_rest() {
    let daemon =
        Daemon::live(acme(GATEWAY, &[level("unknown", &filter("window = \"daily\"; amount_limit = \"10.00\""))]));
    let (how, first) = who(&daemon, &anonymous("t1"));
    assert_eq!(how, "created", "nothing to match by: a new customer");
    let again = with(anonymous("t2"), &json!({ "customer_id": first }));
    let answer = assert_allowed(daemon.reserve(&again).ok());
    assert_eq!(answer["customer"]["resolution"], "found", "{answer}");
    assert_eq!(answer["customer"]["customer_id"], first.as_str(), "{answer}");
    assert_eq!(answer["remaining"]["amount"], "8.00", "both payments count for one customer: {answer}");

    let (how, mail) = who(&daemon, &described("t3", &json!({ "email": "a@example.com" })));
    assert_eq!(how, "created");
    let matched = with(described("t4", &json!({ "email": "A@example.com" })), &json!({ "customer_id": "" }));
    assert_eq!(who(&daemon, &matched), ("client_definition".into(), mail.clone()));
    let (how, another) = who(&daemon, &anonymous("t5"));
    assert_eq!(how, "created");
    assert!(another != first && another != mail, "each unknown customer is a new one");

    let wrong = with(anonymous("t6"), &json!({ "merchant_customer_identifier": "alice" }));
    assert_eq!(daemon.reserve(&wrong).problem(422)["field"], "merchant_customer_identifier");
    let none = with(anonymous("t7"), &json!({ "merchant_customer_identifier": "" }));
    assert_eq!(who(&daemon, &none).0, "created");
}

#[test]
fn an_unknown_customer_id_bypasses_levels_and_limits_but_not_the_endpoint() {
    let daemon =
        Daemon::live(acme(GATEWAY, &[level("unknown", &filter("window = \"daily\"; amount_limit = \"10.00\""))]));
    let body = |id: &str, amount: &str| {
        let members = json!({ "customer_id": "999999999", "amount": amount, "payment_method": "card", "customer_level": "unknown" });
        with(anonymous(id), &members)
    };
    for id in ["t1", "t2"] {
        let answer = assert_allowed(daemon.reserve(&body(id, "900.00")).ok());
        assert_eq!(answer["customer"]["resolution"], "bypassed", "{answer}");
        assert_eq!(answer["level"], Value::Null, "{answer}");
        assert_eq!(answer["remaining"], json!({"amount": null, "quantity": null, "currency": "EUR"}), "{answer}");
        assert_eq!(answer["gates"], json!(["gate-a", "gate-b"]), "{answer}");
        assert_eq!(answer["status"], "reserved", "{answer}");
    }
    assert_denied(&daemon.reserve(&body("t3", "1000.01")).ok(), &["19103 amount_above_maximum -"]);
    let explained = daemon.check(&with(body("t4", "1.00"), &json!({ "explain": true }))).ok();
    assert_eq!(explained["limits"], json!([]), "{explained}");
    daemon.step("t1", "approve", &json!({})).ok();
    assert_eq!(daemon.fetch("t1").ok()["status"], "approved");
}

#[test]
fn customers_are_unknown_to_other_merchants() {
    let other = acme(CRM, &[]).replace("id = \"acme\"", "id = \"zenith\"");
    let folder = ConfigFolder::new(&Settings::SYSTEM, &[("acme", acme(CRM, &[])), ("zenith", other)]);
    let daemon = Daemon::start(folder);
    let (_, here) = who(&daemon, &named("t1", "alice", &json!({ "email": "alice@example.com" })));
    let body = named("t1", "alice", &json!({ "email": "alice@example.com" }));
    let there = daemon.post("/v1/merchants/zenith/transactions", &body);
    assert!(!there.is_replay(), "a transaction id is the merchant's own");
    let there = assert_allowed(there.ok());
    assert_eq!(there["customer"]["resolution"], "created", "{there}");
    assert_ne!(there["customer"]["customer_id"], here.as_str(), "{there}");
    let anonymous = without(body, &["merchant_customer_identifier"]);
    let second = daemon.post("/v1/merchants/zenith/transactions", &with(anonymous, &json!({ "transaction_id": "t2" })));
    assert_eq!(second.ok()["customer"]["customer_id"], there["customer"]["customer_id"]);
}
