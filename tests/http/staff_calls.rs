//! What staff do with one customer: registering, looking up, changing, asking for deletion; and everything that is
//! refused on the way.

use serde_json::{Value, json};

use support::answer::Answer;
use support::daemon::{ConfigFolder, Daemon, Settings};
use support::fixtures::{CRM, CUSTOMER_ATTRIBUTES, acme, filter, level, level_in, pay, with};

pub(crate) const CUSTOMERS: &str = "/v1/merchants/acme/customers";
/// A full card number of the networks' test ranges.
const CARD: &str = "4111111111111111";

/// `acme` alone, on a disk that is synced before each answer.
pub(crate) fn kept(settings: &Settings, acme: String) -> Daemon {
    let store = "kind = \"disk\"\nsync = \"always\"";
    Daemon::start(ConfigFolder::new(&Settings { store, ..*settings }, &[("acme", acme)]))
}

/// The path of a customer, and of what lies below.
pub(crate) fn of(id: &str, below: &str) -> String {
    format!("{CUSTOMERS}/{id}{below}")
}

/// Registers a customer who must be taken; returns the `customer_id`.
#[track_caller]
pub(crate) fn register(daemon: &Daemon, body: &Value) -> String {
    let answer = daemon.post(CUSTOMERS, body);
    assert_eq!(answer.status, 201, "a customer is made: {}", answer.body);
    answer.json()["customer_id"].as_str().expect("an id").to_owned()
}

/// The customer's document.
#[track_caller]
pub(crate) fn look(daemon: &Daemon, id: &str) -> Value {
    daemon.get(&of(id, "")).ok()
}

/// Changes a customer, who must take it; returns the document.
#[track_caller]
pub(crate) fn amend(daemon: &Daemon, id: &str, body: &Value) -> Value {
    daemon.send("PATCH", &of(id, ""), body).ok()
}

/// The newest steps of a customer's history first.
#[track_caller]
pub(crate) fn steps(daemon: &Daemon, id: &str) -> Vec<Value> {
    daemon.get(&of(id, "/history")).ok()["history"].as_array().expect("steps").clone()
}

/// The number of the last record.
fn records(daemon: &Daemon) -> u64 {
    daemon.get("/v1/status").ok()["lsn"].as_u64().expect("a number")
}

/// Labels of a merchant's file: name, kind, restrictions.
pub(crate) fn labels(labels: &[(&str, &str, &[&str])]) -> String {
    let one = |(name, kind, restrictions): &(&str, &str, &[&str])| {
        format!("[[labels]]\nname = {name:?}\nkind = {kind:?}\nrestrictions = {restrictions:?}\n")
    };
    labels.iter().map(one).collect()
}

/// `acme` with labels, and levels of both directions.
fn shop() -> String {
    let head =
        labels(&[("plain", "active", &[]), ("vip", "internal", &["no_bonus"]), ("leaving", "pending_deletion", &[])]);
    let gold = level("gold", &filter("window = \"daily\"; amount_limit = \"100.00\""));
    acme(&format!("{CRM}labels_max = 2\n{head}"), &[gold, level_in("withdrawal", "EUR", "silver", "")])
}

/// Every field of a customer, with a value.
fn whole() -> Value {
    json!({
        "merchant_customer_identifier": "alice", "created_at": "2025-01-02T03:04:05.678Z", "deposit_level": "gold",
        "withdrawal_level": "silver", "status": "member", "labels": ["vip", "plain"], "disabled_projects": [],
        "email": " Alice@Example.com", "phone": "+49 30 1234502", "external_id": "X-1", "name": "Alice Abel",
        "first_name": "Alice", "last_name": "Abel", "country": "DE", "city": "Berlin", "address": "Am Markt 1",
        "postal_code": "10115", "date_of_birth": "1990-01-02", "language": "de", "payment_instrument": "tok_1",
        "rates": [{ "from": "EUR", "to": "USD", "rate": "1.50", "units": 10, "valid_from": "2026-01-01T00:00:00.000Z" }],
    })
}

#[test]
fn a_customer_is_made_with_every_field_and_found_by_payments() {
    let daemon = kept(&Settings::SYSTEM, shop());
    let id = register(&daemon, &whole());
    let shown = look(&daemon, &id);
    for (field, want) in whole().as_object().expect("fields") {
        let want = match field.as_str() {
            "phone" => &json!("+49301234502"),
            _ => want,
        };
        assert_eq!(shown[field], *want, "{field}: {shown}");
    }
    assert_eq!(shown["restrictions"], json!(["no_bonus"]));
    assert_eq!(daemon.get(CUSTOMERS).ok()["customers"], json!([shown]), "a list shows the same");
    let paid = daemon.reserve(&with(pay("t1", "100.01"), &json!({ "customer_level": null }))).ok();
    assert_eq!(paid["customer"]["customer_id"], id.as_str());
    assert_eq!((&paid["customer"]["resolution"], &paid["code"]), (&json!("found"), &json!(19000)), "{paid}");
    for attribute in [json!({ "email": "alice@EXAMPLE.com " }), json!({ "phone": "+49301234502" })] {
        let mut body = with(pay("t2", "1.00"), &json!({ "customer": attribute }));
        body.as_object_mut().expect("fields").remove("merchant_customer_identifier");
        let found = daemon.check(&body).ok();
        assert_eq!(found["customer"]["customer_id"], id.as_str(), "{found}");
        assert_eq!(found["customer"]["resolution"], "client_definition", "{found}");
    }
    let again = daemon.post(CUSTOMERS, &json!({ "merchant_customer_identifier": "alice" })).problem(409);
    assert_eq!((&again["code"], &again["field"]), (&json!("already_taken"), &json!("merchant_customer_identifier")));
    let bare = register(&daemon, &json!({ "merchant_customer_identifier": "bob" }));
    assert_eq!(look(&daemon, &bare)["labels"], json!(["plain"]), "the first label is the default");
}

#[test]
fn changed_email_identifies_the_customer_and_the_old_one_does_not() {
    let daemon = kept(&Settings::SYSTEM, shop());
    let id = register(&daemon, &whole());
    amend(&daemon, &id, &json!({ "email": "new@example.com", "phone": null }));
    for (attribute, want) in [
        (json!({ "email": "NEW@example.com" }), "client_definition"),
        (json!({ "email": "alice@example.com" }), "created"),
        (json!({ "phone": "+49301234502" }), "created"),
    ] {
        let mut body = with(pay("t2", "1.00"), &json!({ "customer": attribute }));
        body.as_object_mut().expect("fields").remove("merchant_customer_identifier");
        assert_eq!(daemon.check(&body).ok()["customer"]["resolution"], want, "{attribute}");
    }
    for (query, want) in [("email=new@example.com", 1), ("email=alice@example.com", 0), ("phone=%2B49301234502", 0)] {
        let found = daemon.get(&format!("{CUSTOMERS}?{query}")).ok();
        assert_eq!(found["customers"].as_array().map(Vec::len), Some(want), "{query}");
    }
}

#[test]
fn each_field_changes_alone_and_an_equal_value_is_no_change() {
    let daemon = kept(&Settings::SYSTEM, shop());
    let id = register(&daemon, &whole());
    let mut want = look(&daemon, &id);
    for change in [
        json!({ "deposit_level": null }),
        json!({ "deposit_level": "unknown" }),
        json!({ "withdrawal_level": "" }),
        json!({ "status": "deny" }),
        json!({ "labels": ["plain"] }),
        json!({ "labels": [] }),
        json!({ "disabled_projects": ["web"] }),
        json!({ "rates": [] }),
        json!({ "email": "b@example.com" }),
        json!({ "phone": "+44 20 7946 0018" }),
        json!({ "external_id": "X-2" }),
        json!({ "name": "Bea Brand" }),
        json!({ "first_name": "Bea" }),
        json!({ "last_name": "Brand" }),
        json!({ "country": "AT" }),
        json!({ "city": "Wien" }),
        json!({ "address": "Ring 2" }),
        json!({ "postal_code": "1010" }),
        json!({ "date_of_birth": "1991-02-03" }),
        json!({ "language": "en" }),
        json!({ "payment_instrument": "tok_2" }),
    ] {
        let before = steps(&daemon, &id).len();
        let shown = amend(&daemon, &id, &change);
        let (field, value) = change.as_object().and_then(|fields| fields.iter().next()).expect("a field");
        let value = match (field.as_str(), value.as_str()) {
            ("phone", _) => json!("+442079460018"),
            (_, Some("")) => Value::Null,
            _ => value.clone(),
        };
        want[field] = value.clone();
        want["restrictions"] = shown["restrictions"].clone();
        want["modified_at"] = shown["modified_at"].clone();
        assert_eq!(shown, want, "{change} changes this and no more");
        let history = steps(&daemon, &id);
        assert_eq!(history.len(), before + 1, "{change}");
        let field_changes = &history[0]["changes"];
        assert_eq!(field_changes.as_array().map(Vec::len), Some(1), "{change}: {field_changes}");
        assert_eq!(
            (&field_changes[0]["field"], &field_changes[0]["new"]),
            (&json!(field), &value),
            "{change}: {field_changes}"
        );
        let records_before = records(&daemon);
        assert_eq!(amend(&daemon, &id, &change), want, "{change}, again");
        assert_eq!(amend(&daemon, &id, &json!({})), want, "an empty change");
        assert_eq!(records(&daemon), records_before, "{change}, again, leaves no record");
        assert_eq!(steps(&daemon, &id).len(), before + 1, "{change}, again, leaves no step");
    }
}

#[test]
fn deletion_request_is_idempotent_and_withdrawn_by_labels() {
    let daemon = kept(&Settings::SYSTEM, shop());
    let id = register(&daemon, &json!({ "merchant_customer_identifier": "alice" }));
    let asked = daemon.delete(&of(&id, "")).ok();
    assert_eq!(asked["labels"], json!(["plain", "leaving"]));
    let due = asked["deletion_due"].as_str().expect("a time").to_owned();
    assert!(due.as_str() > asked["modified_at"].as_str().expect("a time"));
    let before = records(&daemon);
    assert_eq!(daemon.delete(&of(&id, "")).ok(), asked, "asked again, nothing moves");
    assert_eq!(records(&daemon), before);
    let stays = amend(&daemon, &id, &json!({ "labels": ["plain"] }));
    assert_eq!(stays["deletion_due"], Value::Null, "{stays}");
    let by_label = amend(&daemon, &id, &json!({ "labels": ["leaving"] }));
    assert!(by_label["deletion_due"].is_string(), "the label asks for the same: {by_label}");
    daemon.delete(&of("999999999", "")).problem(404);
}

/// Asserts a refusal of this status, code and field.
#[track_caller]
fn assert_refused(answer: &Answer, status: u16, code: &str, field: &str, about: &str) {
    let problem = answer.problem(status);
    assert_eq!((&problem["code"], &problem["field"]), (&json!(code), &json!(field)), "{about}: {problem}");
}

#[test]
fn invalid_customer_update_names_its_field_and_changes_nothing() {
    let daemon = kept(&Settings::SYSTEM, shop());
    let id = register(&daemon, &whole());
    let long = "x".repeat(257);
    let many_rates: Vec<Value> = (0..101).map(|_| json!({ "from": "EUR", "to": "USD", "rate": 1 })).collect();
    let mut rows: Vec<(String, u16, &str, &str)> = vec![
        ("[]".into(), 400, "body_invalid", ""),
        ("".into(), 400, "body_invalid", ""),
        (r#"{"email": "a@b.c", "email": "a@b.d"}"#.into(), 400, "body_invalid", "email"),
        (r#"{"custmer_level": "gold"}"#.into(), 400, "unknown_field", "custmer_level"),
        (r#"{"customer_id": "1"}"#.into(), 400, "unknown_field", "customer_id"),
        (r#"{"email": 1}"#.into(), 400, "wrong_type", "email"),
        (r#"{"labels": "vip"}"#.into(), 400, "wrong_type", "labels"),
        (r#"{"labels": [1]}"#.into(), 400, "wrong_type", "labels"),
        (r#"{"rates": {}}"#.into(), 400, "wrong_type", "rates"),
        (r#"{"status": true}"#.into(), 400, "wrong_type", "status"),
        (r#"{"status": "blocked"}"#.into(), 400, "value_unknown", "status"),
        (r#"{"deposit_level": "golden"}"#.into(), 422, "not_allowed", "deposit_level"),
        (r#"{"deposit_level": "silver"}"#.into(), 422, "not_allowed", "deposit_level"),
        (r#"{"labels": ["nobody"]}"#.into(), 422, "not_allowed", "labels"),
        (r#"{"labels": ["vip", "vip"]}"#.into(), 422, "not_allowed", "labels"),
        (r#"{"labels": ["plain", "vip", "leaving"]}"#.into(), 422, "too_many", "labels"),
        (r#"{"disabled_projects": ["shop"]}"#.into(), 422, "place_unknown", "disabled_projects"),
        (json!({ "rates": many_rates }).to_string(), 422, "too_many", "rates"),
        (r#"{"rates": [{"from": "EUR", "to": "EUR", "rate": 1}]}"#.into(), 400, "value_unknown", "rates"),
        (r#"{"rates": [{"from": "EUR", "to": "USD", "rate": 0}]}"#.into(), 400, "value_unknown", "rates"),
        (r#"{"rates": [{"from": "EUR", "to": "USD", "rate": 1, "units": 0}]}"#.into(), 400, "value_unknown", "rates"),
        (r#"{"rates": [{"from": "EUR", "to": "USD"}]}"#.into(), 400, "value_unknown", "rates"),
        (r#"{"rates": [{"from": "EUR", "to": "USD", "rate": 1, "of": 2}]}"#.into(), 400, "unknown_field", "of"),
    ];
    for attribute in CUSTOMER_ATTRIBUTES {
        rows.push((json!({ attribute: CARD }).to_string(), 400, "card_number", attribute));
        rows.push((json!({ attribute: "4111-1111 1111-1111" }).to_string(), 400, "card_number", attribute));
        rows.push((json!({ attribute: long }).to_string(), 400, "text_too_long", attribute));
    }
    for list in ["labels", "disabled_projects"] {
        rows.push((json!({ list: [CARD] }).to_string(), 400, "card_number", list));
    }
    for level in ["deposit_level", "withdrawal_level"] {
        rows.push((json!({ level: CARD }).to_string(), 400, "card_number", level));
    }
    let (shown, before) = (look(&daemon, &id), records(&daemon));
    for (body, status, code, field) in &rows {
        for (method, path) in [("PATCH", of(&id, "")), ("POST", CUSTOMERS.to_owned())] {
            let body = match method {
                // Else the policy would speak first.
                "POST" => body.replacen('{', r#"{"merchant_customer_identifier": "new", "#, 1),
                _ => body.clone(),
            };
            let answer = daemon.send_text(method, &path, &body);
            let problem = answer.problem(*status);
            let fits = problem["code"] == *code && (field.is_empty() || problem["field"] == *field);
            assert!(fits, "{method} {body}: {code} of {field:?} was expected, and not {problem}");
            assert!(!problem.to_string().contains(CARD), "a card's number is not said again: {problem}");
        }
    }
    for (body, status, code, field) in [
        (json!({ "merchant_customer_identifier": CARD }), 400, "card_number", "merchant_customer_identifier"),
        (json!({ "merchant_customer_identifier": long }), 400, "text_too_long", "merchant_customer_identifier"),
        (json!({ "merchant_customer_identifier": "x", "created_at": "soon" }), 400, "time_malformed", "created_at"),
        (
            json!({ "merchant_customer_identifier": "x", "created_at": "2999-01-01T00:00:00Z" }),
            422,
            "too_far_ahead",
            "created_at",
        ),
        (json!({}), 422, "identifier_required", "merchant_customer_identifier"),
    ] {
        assert_refused(&daemon.post(CUSTOMERS, &body), status, code, field, &body.to_string());
    }
    let renamed = json!({ "merchant_customer_identifier": "bob" });
    assert_refused(
        &daemon.send("PATCH", &of(&id, ""), &renamed),
        400,
        "unknown_field",
        "merchant_customer_identifier",
        "",
    );
    assert_eq!(records(&daemon), before, "refusals leave no record");
    assert_eq!(look(&daemon, &id), shown);
    assert!(!daemon.log().contains(CARD), "a card's number is not logged");
    for unknown in ["999999999", "alice", "0", "18446744073709551616", "-1", "%00"] {
        for answer in [daemon.get(&of(unknown, "")), daemon.send("PATCH", &of(unknown, ""), &json!({}))] {
            assert_eq!(answer.problem(404)["code"], "customer_not_found", "{unknown}");
        }
        for below in ["/history", "/usage", "/transactions", "/settings/deposit/EUR/gold", "/limits/deposit/EUR"] {
            assert_eq!(daemon.get(&of(unknown, below)).problem(404)["code"], "customer_not_found", "{unknown}{below}");
        }
    }
    let answer = daemon.get("/v1/merchants/nobody/customers");
    assert_eq!(answer.problem(404)["code"], "merchant_not_found");
}

#[test]
fn card_numbers_in_settings_limits_and_instruments_are_refused() {
    let daemon = kept(&Settings::SYSTEM, shop());
    let id = register(&daemon, &json!({ "merchant_customer_identifier": "alice" }));
    let before = records(&daemon);
    for (below, body) in [
        ("/settings/deposit/EUR/gold", json!({ "methods": [{ "method": CARD, "max_amount": "1.00" }] })),
        ("/settings/deposit/EUR/gold", json!({ "methods": [{ "method": "card", "gates": [CARD] }] })),
        (&format!("/settings/deposit/EUR/{CARD}"), json!({ "global_limit": { "max_amount": "1.00" } })),
        ("/limits/deposit/EUR", json!({ "filters": [{ "window": "daily", "name": CARD, "amount_limit": "1.00" }] })),
        (&format!("/instruments/{CARD}"), json!({})),
        ("/instruments/tok", json!({ "type": "card", "masked_number": CARD })),
        ("/instruments/tok%01", json!({})),
        ("/instruments/tok", json!({ "type": "bank_account", "masked_number": "123456****3210" })),
    ] {
        let answer = daemon.send("PUT", &of(&id, below), &body);
        assert!(matches!(answer.status, 400 | 422), "PUT {below} {body}: {}", answer.body);
        assert!(!answer.body.contains(CARD), "a card's number is not said again: {}", answer.body);
    }
    assert_eq!(records(&daemon), before, "refusals leave no record");
}
