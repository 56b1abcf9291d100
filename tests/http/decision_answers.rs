//! The decision's answer, member by member: names, types, headroom, explanation; the question that records nothing;
//! and the payment form.

use serde_json::{Value, json};

use crate::decisions::{assert_allowed, assert_denied};
use support::daemon::Daemon;
use support::fixtures::{CRM, DAY, HOUR, MINUTE, acme, at, filter, gold, level, pay, tick, when, with, without};

/// Members of an answer and the JSON type of each.
fn types(value: &Value) -> Vec<(String, &'static str)> {
    let members = value.as_object().unwrap_or_else(|| panic!("an object: {value}"));
    let kind = |value: &Value| match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    members.iter().map(|(name, value)| (name.clone(), kind(value))).collect()
}

/// Asserts that an object has each of these members with its type; there may be others.
#[track_caller]
fn assert_members(value: &Value, expected: &[(&str, &'static str)]) {
    let found = types(value);
    for (name, kind) in expected {
        assert!(found.iter().any(|(n, k)| n == name && k == kind), "`{name}` is of type {kind}: {value}");
    }
}

const DECISION: [(&str, &str); 12] = [
    ("decision", "string"),
    ("transaction_id", "string"),
    ("status", "string"),
    ("codes", "array"),
    ("customer", "object"),
    ("level", "object"),
    ("gates", "array"),
    ("remaining", "object"),
    ("config_version", "string"),
    ("server_time", "string"),
    ("code", "null"),
    ("reason", "null"),
];

#[test]
fn an_allowance_has_every_member_with_its_name_and_type() {
    let daemon = Daemon::timed(gold("window = \"daily\"; amount_limit = \"500.00\"; quantity_limit = 10"));
    let body = with(
        pay("tx-1", "125.50"),
        &json!({
            "project": "web", "endpoint": "web-eur", "payment_method": "card", "payment_instrument": "tok_81",
            "customer": {"email": "alice@example.com"}, "occurred_at": at(0), "explain": false,
        }),
    );
    let answer = daemon.reserve(&body);
    assert!(answer.header("content-type").unwrap_or_default().starts_with("application/json"), "{answer:?}");
    assert!(!answer.is_replay());
    let answer = answer.ok();
    assert_members(&answer, &DECISION);
    assert_members(&answer, &[("expires_at", "string")]);
    assert_members(&answer["customer"], &[("customer_id", "string"), ("merchant_customer_identifier", "string")]);
    for (member, value) in [
        ("decision", json!("allow")),
        ("transaction_id", json!("tx-1")),
        ("status", json!("reserved")),
        ("codes", json!([])),
        ("level", json!({"name": "gold", "source": "request"})),
        ("gates", json!(["gate-a", "gate-b"])),
        ("remaining", json!({"amount": "374.50", "quantity": 9, "currency": "EUR"})),
        ("expires_at", json!(at(HOUR))),
        ("server_time", json!(at(0))),
    ] {
        assert_eq!(answer[member], value, "`{member}` of {answer}");
    }
    assert_eq!(answer["customer"]["merchant_customer_identifier"], "alice");
    assert_eq!(answer["customer"]["resolution"], "created");
    assert_eq!(answer["customer"]["status"], "new");
    assert!(!answer["config_version"].as_str().unwrap_or_default().is_empty());
    for explained in ["limits", "amount_range", "skipped_gates", "rates"] {
        assert!(answer[explained].is_null(), "`{explained}` comes only when asked for: {answer}");
    }
    let second = daemon.reserve(&pay("tx-2", "1.00")).ok();
    assert_eq!(second["customer"]["resolution"], "found");
    assert_eq!(second["customer"]["customer_id"], answer["customer"]["customer_id"]);
    assert_eq!(second["config_version"], answer["config_version"]);
}

#[test]
fn a_denial_has_the_same_members_and_no_gates() {
    let daemon = Daemon::timed(gold("window = \"daily\"; amount_limit = \"500.00\"; quantity_limit = 10"));
    let answer = daemon.reserve(&with(pay("tx-1", "500.01"), &when(0))).ok();
    assert_members(&answer, &DECISION[..10]);
    assert_members(&answer, &[("code", "number"), ("reason", "string")]);
    assert_denied(&answer, &["19000 daily_amount_limit_exceeded daily"]);
    assert_eq!(answer["status"], "denied");
    assert_eq!(answer["remaining"], json!({"amount": "500.00", "quantity": 10, "currency": "EUR"}));
    assert!(answer["expires_at"].is_null(), "a refused payment holds nothing: {answer}");
}

/// Every member of a transition's answer, and no other.
const TRANSITION: [(&str, &str); 10] = [
    ("transaction_id", "string"),
    ("status", "string"),
    ("amount", "string"),
    ("held", "string"),
    ("cancelled", "string"),
    ("released", "string"),
    ("refunded", "string"),
    ("charged_back", "string"),
    ("flags", "array"),
    ("remaining", "object"),
];

#[test]
fn a_transition_answers_with_every_quantity() {
    let daemon = Daemon::timed(gold("window = \"daily\"; amount_limit = \"500.00\"; quantity_limit = 10"));
    daemon.reserve(&with(pay("t", "100.00"), &when(0))).ok();
    let steps: [(&str, Value); 8] = [
        ("attempts", json!({ "attempt": 1, "gate": "gate-a", "outcome": "declined" })),
        ("extend", json!({ "until": at(2 * HOUR) })),
        ("cancel", json!({ "cancel_id": "x", "amount": "10.00" })),
        ("approve", json!({ "amount": "40.00", "final": false })),
        ("refund", json!({ "refund_id": "r", "amount": "1.00" })),
        ("chargeback", json!({ "chargeback_id": "b", "amount": "2.00" })),
        ("cancel", json!({ "cancel_id": "y", "amount": "3.00", "of": "approved" })),
        ("decline", json!({})),
    ];
    for (operation, body) in steps {
        for answer in [daemon.step("t", operation, &body), daemon.step("t", operation, &body)] {
            let answer = answer.ok();
            assert_members(&answer, &TRANSITION);
            assert_eq!(types(&answer).len(), TRANSITION.len(), "{operation}: {answer}");
        }
    }
    let last = daemon.step("t", "decline", &json!({})).ok();
    for (member, value) in [
        ("status", json!("approved")),
        ("amount", json!("40.00")),
        ("held", json!("50.00")),
        ("cancelled", json!("3.00")),
        ("released", json!("10.00")),
        ("refunded", json!("1.00")),
        ("charged_back", json!("2.00")),
        ("flags", json!(["conflict"])),
        ("remaining", json!({ "amount": "410.00", "quantity": 9, "currency": "EUR" })),
    ] {
        assert_eq!(last[member], value, "`{member}` of {last}");
    }
}

#[test]
fn holds_end_after_the_merchant_s_time_by_direction_or_never() {
    let head = format!("{CRM}hold = {{ deposit = \"never\", withdrawal = \"2d\" }}\n");
    let daemon = Daemon::timed(acme(&head, &[]));
    let deposit = daemon.reserve(&with(pay("in", "1.00"), &when(0))).ok();
    assert!(deposit["expires_at"].is_null(), "{deposit}");
    let out = with(pay("out", "1.00"), &json!({ "direction": "withdrawal" }));
    assert_eq!(daemon.reserve(&out).ok()["expires_at"], at(2 * DAY));
    let daemon = Daemon::timed(acme(CRM, &[]));
    assert_eq!(daemon.reserve(&with(pay("in", "1.00"), &when(0))).ok()["expires_at"], at(HOUR));
    // A payment placed in the past is held from now.
    assert_eq!(daemon.reserve(&with(pay("past", "1.00"), &when(-4 * MINUTE))).ok()["expires_at"], at(HOUR));
    assert_eq!(daemon.reserve(&out).ok()["expires_at"], at(7 * DAY));
}

#[test]
fn an_explanation_shows_every_limit_the_range_with_sources_and_the_rates() {
    let filters = filter("window = \"daily\"; amount_limit = \"500.00\"; quantity_limit = 10")
        + &filter("name = \"calendar\"; window = \"daily\"; amount_limit = \"600.00\"; calendar = true")
        + &filter(
            "name = \"sunday\"; window = \"weekly\"; amount_limit = \"700.00\"; calendar = true; week_starts_on = \"sunday\"",
        )
        + &filter("window = \"monthly\"; quantity_limit = 20; for_all_merchant_currencies = true");
    let rest = format!("  [[levels.methods]]\n  method = \"card\"\n  max_amount = \"400.00\"\n{filters}");
    let daemon = Daemon::timed(acme(&format!("{CRM}time_zone = \"Europe/Nicosia\"\n"), &[level("gold", &rest)]));
    // Half the time of a hold, so that the first payment still counts.
    const HALF: i64 = HOUR / 2;
    let card = json!({ "payment_method": "card", "explain": true });
    let body = |id: &str, amount: &str, ms: i64| with(with(pay(id, amount), &card), &when(ms));
    daemon.reserve(&body("t1", "100.00", 0)).ok();
    let answer = assert_allowed(daemon.reserve(&body("t2", "25.50", HALF)).ok());
    let limits = answer["limits"].as_array().expect("limits");
    let names: Vec<&str> = limits.iter().filter_map(|l| l["filter"].as_str()).collect();
    assert_eq!(names, ["daily", "calendar", "sunday", "monthly"], "in the order of the level: {answer}");
    let daily = &limits[0];
    assert_eq!(daily["scope"], "level", "{answer}");
    assert_eq!(daily["mode"], "enforce", "{answer}");
    assert_eq!(daily["currency"], "EUR", "{answer}");
    assert_eq!(daily["amount"], json!({"limit": "500.00", "used": "125.50", "remaining": "374.50"}), "{answer}");
    assert_eq!(daily["quantity"], json!({"limit": 10, "used": 2, "remaining": 8}), "{answer}");
    let window = |index: usize, member: &str| limits[index]["window"][member].clone();
    assert_eq!(window(0, "calendar"), false);
    assert_eq!(window(0, "start"), at(HALF - DAY), "the rolling span ends now: {answer}");
    assert_eq!(window(0, "end"), at(HALF));
    assert_eq!(window(0, "frees_at"), at(DAY), "when the oldest payment is a day old: {answer}");
    assert_eq!(window(1, "calendar"), true);
    assert_eq!(window(1, "start"), "2026-11-19T22:00:00.000Z", "{answer}");
    assert_eq!(window(1, "end"), "2026-11-20T22:00:00.000Z");
    assert_eq!(window(1, "frees_at"), "2026-11-20T22:00:00.000Z");
    assert_eq!(window(2, "start"), "2026-11-14T22:00:00.000Z", "{answer}");
    assert_eq!(window(2, "end"), "2026-11-21T22:00:00.000Z");
    assert_ne!(limits[3]["scope"], "level", "over all currencies: {answer}");
    assert_eq!(limits[3]["quantity"], json!({"limit": 20, "used": 2, "remaining": 18}), "{answer}");
    let range = json!({"min": "1.00", "max": "400.00", "min_source": "endpoint", "max_source": "level"});
    assert_eq!(answer["amount_range"], range, "{answer}");
    assert_eq!(answer["skipped_gates"], json!([]), "{answer}");
    assert_members(&answer["rates"], &[("version", "string")]);
    assert_eq!(answer["rates"]["as_of"], "2026-11-20T00:00:00.000Z", "{answer}");

    // A denial explains what stands, without the payment that it refuses.
    let denied = daemon.reserve(&body("t3", "375.00", HALF)).ok();
    assert_denied(&denied, &["19000 daily_amount_limit_exceeded daily"]);
    assert_eq!(denied["limits"][0]["amount"]["used"], "125.50", "{denied}");
    assert_eq!(denied["limits"][0]["quantity"]["used"], 2, "{denied}");
    assert_eq!(denied["amount_range"], range, "{denied}");
}

#[test]
fn remaining_is_after_an_allowance_as_it_stands_on_a_denial_and_as_if_reserved_on_a_check() {
    let filters = filter("window = \"daily\"; amount_limit = \"100.00\"")
        + &filter("window = \"weekly\"; amount_limit = \"150.00\"; quantity_limit = 3");
    let daemon = Daemon::live(acme(CRM, &[level("gold", &filters)]));
    let remaining = |answer: &Value| (answer["remaining"]["amount"].clone(), answer["remaining"]["quantity"].clone());
    let after = daemon.reserve(&pay("t1", "30.00")).ok();
    assert_eq!(remaining(&after), (json!("70.00"), json!(2)), "the least over all filters: {after}");
    let denied = daemon.reserve(&pay("t2", "80.00")).ok();
    assert_eq!(remaining(&denied), (json!("70.00"), json!(2)), "{denied}");
    let checked = daemon.check(&pay("t3", "20.00")).ok();
    assert_eq!(remaining(&checked), (json!("50.00"), json!(1)), "{checked}");
    let after = daemon.reserve(&pay("t4", "20.00")).ok();
    assert_eq!(remaining(&after), (json!("50.00"), json!(1)), "a check counts nowhere: {after}");
    let unlimited = daemon.reserve(&with(pay("t5", "20.00"), &json!({ "currency": "JPY", "amount": "20" }))).ok();
    assert_eq!(unlimited["remaining"], json!({"amount": null, "quantity": null, "currency": "JPY"}), "{unlimited}");
}

#[test]
fn figures_have_the_fraction_digits_of_their_currency() {
    let amount = filter("window = \"daily\"; amount_limit = \"1000\"");
    let currencies = [("JPY", "816", "184"), ("EUR", "1.5", "998.50"), ("BHD", "1.5", "998.500")];
    let levels = currencies.map(|(currency, ..)| support::fixtures::level_in("deposit", currency, "gold", &amount));
    let daemon = Daemon::live(acme(CRM, &levels));
    for (currency, paid, left) in currencies {
        let answer = daemon.reserve(&with(pay(currency, paid), &json!({ "currency": currency }))).ok();
        assert_eq!(answer["remaining"], json!({"amount": left, "quantity": null, "currency": currency}), "{answer}");
    }
}

#[test]
fn check_records_nothing_creates_no_customer_and_takes_an_instant() {
    let daemon = Daemon::timed(gold("window = \"daily\"; amount_limit = \"100.00\"; quantity_limit = 2"));
    daemon.reserve(&tick(0)).ok();
    for _ in 0..3 {
        let answer = assert_allowed(daemon.check(&pay("t1", "100.00")).ok());
        assert_eq!(answer["status"], "checked", "{answer}");
        assert_eq!(answer["transaction_id"], "t1", "{answer}");
        assert_eq!(answer["customer"]["resolution"], "created", "no customer was created before: {answer}");
        assert!(!answer["customer"]["customer_id"].is_string(), "no customer has a number yet: {answer}");
        assert!(answer["expires_at"].is_null(), "nothing is held: {answer}");
    }
    daemon.fetch("t1").problem(404);
    let nameless = assert_allowed(daemon.check(&without(pay("", "1.00"), &["transaction_id"])).ok());
    assert!(nameless["transaction_id"].is_null(), "{nameless}");

    daemon.reserve(&pay("t1", "100.00")).ok();
    daemon.step("t1", "approve", &json!({})).ok();
    let full = "19000 daily_amount_limit_exceeded daily";
    assert_denied(&daemon.check(&pay("t2", "1.00")).ok(), &[full]);
    let then = |ms: i64| daemon.check(&with(pay("t2", "100.00"), &json!({ "as_of": at(ms) }))).ok();
    assert_denied(&then(DAY - 1), &[full]);
    let tomorrow = assert_allowed(then(DAY));
    assert_eq!(tomorrow["remaining"], json!({"amount": "0.00", "quantity": 1, "currency": "EUR"}), "{tomorrow}");
    let today = daemon.check(&pay("t2", "1.00")).ok();
    assert_denied(&today, &[full]);
    assert_eq!(today["server_time"], at(0), "a question about another instant moves no clock: {today}");
}

#[test]
fn check_does_not_store_its_level() {
    let daemon = Daemon::live(acme(CRM, &[level("gold", ""), level("silver", "")]));
    daemon.reserve(&pay("t1", "1.00")).ok();
    let asked = daemon.check(&with(pay("t2", "1.00"), &json!({ "customer_level": "silver" }))).ok();
    assert_eq!(asked["level"], json!({"name": "silver", "source": "request"}), "{asked}");
    let stored = daemon.reserve(&without(pay("t3", "1.00"), &["customer_level"])).ok();
    assert_eq!(stored["level"], json!({"name": "gold", "source": "stored"}), "{stored}");
}

#[test]
fn the_payment_form_shows_what_may_be_paid_cut_to_the_headroom() {
    let rest = format!(
        "  [[levels.methods]]\n  method = \"card\"\n  min_amount = \"2.00\"\n  gates = [\"gate-b\"]\n{}",
        filter("window = \"daily\"; amount_limit = \"500.00\"")
    );
    let daemon = Daemon::live(acme(CRM, &[level("gold", &rest)]));
    daemon.reserve(&pay("t1", "125.50")).ok();
    let question = without(pay("form-1", "0"), &["amount"]);
    let form = |body: &Value| daemon.post("/v1/merchants/acme/payment-form", body).ok();
    let answer = form(&question);
    let methods = answer["methods"].as_array().unwrap_or_else(|| panic!("the methods are listed: {answer}"));
    let names: Vec<&str> = methods.iter().filter_map(|m| m["method"].as_str()).collect();
    assert_eq!(names, ["card", "cash"], "hidden methods stay hidden: {answer}");
    let card = json!({"method": "card", "min": "2.00", "max": "374.50", "gates": ["gate-b"], "edited": true});
    for (member, value) in card.as_object().expect("an object") {
        assert_eq!(methods[0][member], *value, "`{member}` of {answer}");
    }
    assert_eq!(methods[1]["edited"], false, "{answer}");
    assert_eq!(methods[1]["max"], "374.50", "headroom alone limits it: {answer}");
    assert_eq!(methods[1]["gates"], json!(["gate-a", "gate-b"]), "{answer}");
    assert_eq!(answer["level"], json!({"name": "gold", "source": "request"}), "{answer}");
    assert_eq!(answer["customer"]["merchant_customer_identifier"], "alice", "{answer}");
    assert_eq!(answer["customer"]["resolution"], "found", "{answer}");

    let newcomer = json!({ "merchant_customer_identifier": "newcomer" });
    let unnamed = with(without(question, &["transaction_id"]), &newcomer);
    assert_eq!(form(&unnamed)["methods"][0]["max"], "500.00");
    let still = daemon.check(&with(pay("t2", "1.00"), &newcomer)).ok();
    assert_eq!(still["customer"]["resolution"], "created", "a form creates no customer: {still}");
}
