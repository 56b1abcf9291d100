//! What staff say of a customer rules the very next decision: individual settings, labels, projects.

use serde_json::{Value, json};

use crate::decisions::{assert_allowed, assert_denied};
use crate::staff_calls::{amend, kept, labels, look, of, register, steps};
use support::daemon::{Daemon, Settings};
use support::fixtures::{CRM, acme, level, level_in, pay, with};

const ROUTE: &str = "\n[[routes]]\nid = \"cards\"\ngates = [\"gate-b\", \"gate-a\"]\n";

/// Gold takes cards from 5.00 to 500.00 by gate-b; silver has no settings.
fn shop(head: &str) -> String {
    let card = "  [[levels.methods]]\n  method = \"card\"\n  min_amount = \"5.00\"\n  max_amount = \"500.00\"\n  gates = [\"gate-b\"]\n";
    let levels =
        [level("gold", card), level("silver", ""), level_in("withdrawal", "EUR", "gold", ""), ROUTE.to_owned()];
    acme(&format!("{CRM}{head}"), &levels)
}

fn settings(daemon: &Daemon, id: &str, place: &str, body: &Value) -> Value {
    daemon.send("PUT", &of(id, &format!("/settings/{place}")), body).ok()
}

fn card(amount: &str) -> Value {
    with(pay("probe", amount), &json!({ "payment_method": "card", "explain": true }))
}

/// The settings, and of a card then: the range with the layers of its ends, and the gates.
const LAYERED: [(&str, [&str; 4], &[&str]); 11] = [
    ("{}", ["5.00", "level", "500.00", "level"], &["gate-b"]),
    (
        r#"{"methods": [{"method": "card", "min_amount": "10.00"}]}"#,
        ["10.00", "customer", "500.00", "level"],
        &["gate-b"],
    ),
    (r#"{"methods": [{"method": "card", "min_amount": 2}]}"#, ["2.00", "customer", "500.00", "level"], &["gate-b"]),
    (
        r#"{"methods": [{"method": "card", "max_amount": "900.00"}]}"#,
        ["5.00", "level", "900.00", "customer"],
        &["gate-b"],
    ),
    (r#"{"methods": [{"method": "card", "gates": ["gate-a"]}]}"#, ["5.00", "level", "500.00", "level"], &["gate-a"]),
    (
        r#"{"methods": [{"method": "card", "gates": ["cards"]}]}"#,
        ["5.00", "level", "500.00", "level"],
        &["gate-b", "gate-a"],
    ),
    (r#"{"global_limit": {"max_amount": "20.00"}}"#, ["5.00", "level", "20.00", "customer"], &["gate-b"]),
    (r#"{"global_limit": {"min_amount": "20.00"}}"#, ["20.00", "customer", "500.00", "level"], &["gate-b"]),
    (
        r#"{"methods": [{"method": "card", "min_amount": "10.00", "max_amount": "50.00"}], "global_limit": {"min_amount": "12.00", "max_amount": "30.00"}}"#,
        ["12.00", "customer", "30.00", "customer"],
        &["gate-b"],
    ),
    (
        r#"{"methods": [{"method": "card", "min_amount": "15.00", "max_amount": "25.00"}], "global_limit": {"min_amount": "12.00", "max_amount": "30.00"}}"#,
        ["15.00", "customer", "25.00", "customer"],
        &["gate-b"],
    ),
    (r#"{"methods": [{"method": "cash", "max_amount": "7.00"}]}"#, ["5.00", "level", "500.00", "level"], &["gate-b"]),
];

#[test]
fn individual_settings_override_level_settings_field_by_field() {
    let daemon = Daemon::live(shop(""));
    let id = register(&daemon, &json!({ "merchant_customer_identifier": "alice", "deposit_level": "gold" }));
    for (sent, [min, min_source, max, max_source], gates) in LAYERED {
        let sent: Value = serde_json::from_str(sent).expect("JSON");
        settings(&daemon, &id, "deposit/EUR/gold", &sent);
        let answer = assert_allowed(daemon.check(&card(min)).ok());
        let range = json!({ "min": min, "max": max, "min_source": min_source, "max_source": max_source });
        assert_eq!(answer["amount_range"], range, "{sent}");
        assert_eq!(answer["gates"], json!(gates), "{sent}");
        for (amount, code) in [(min, None), (max, None), ("0.99", Some(19102)), ("1000.01", Some(19103))] {
            let code = code.map_or(Value::Null, |code| json!(code));
            assert_eq!(daemon.check(&card(amount)).ok()["code"], code, "{amount} under {sent}");
        }
        let form = daemon.post("/v1/merchants/acme/payment-form", &form_body()).ok();
        let methods = form["methods"].as_array().expect("methods").clone();
        let shown = methods.iter().find(|method| method["method"] == "card").expect("card");
        assert_eq!((&shown["min"], &shown["max"]), (&json!(min), &json!(max)), "the form under {sent}");
        assert_eq!((&shown["gates"], &shown["edited"]), (&json!(gates), &json!(true)), "the form under {sent}");
        let silver = daemon.check(&with(card("600.00"), &json!({ "customer_level": "silver" }))).ok();
        assert_eq!(silver["decision"], "allow", "another level's settings are not touched: {silver}");
    }
    let back = daemon.delete(&of(&id, "/settings/deposit/EUR/gold")).ok();
    assert_eq!(back["methods"], json!([]));
    assert_eq!(look(&daemon, &id)["settings"], json!([]), "reset to default leaves nothing");
}

fn form_body() -> Value {
    json!({ "direction": "deposit", "currency": "EUR", "merchant_customer_identifier": "alice" })
}

#[test]
fn a_method_is_shown_or_hidden_for_one_customer() {
    let daemon = Daemon::live(shop(""));
    let id = register(&daemon, &json!({ "merchant_customer_identifier": "alice", "deposit_level": "gold" }));
    let by = |method: &str| daemon.check(&with(card("18.00"), &json!({ "payment_method": method }))).ok();
    assert_eq!((&by("card")["code"], &by("voucher")["code"]), (&Value::Null, &json!(19101)));
    let sent = json!({ "methods": [{ "method": "card", "show_in_form": false }, { "method": "voucher", "show_in_form": true }] });
    let shown = settings(&daemon, &id, "deposit/EUR/gold", &sent);
    assert_eq!(
        shown["methods"][0],
        json!({ "method": "card", "show_in_form": false, "min_amount": null, "max_amount": null, "gates": null })
    );
    assert_eq!((&by("card")["code"], &by("voucher")["code"]), (&json!(19101), &Value::Null));
    let why = daemon.check(&with(card("18.00"), &json!({ "explain": true }))).ok();
    assert_eq!(why["amount_range"], Value::Null, "what is hidden has no range: {why}");
    let form = daemon.post("/v1/merchants/acme/payment-form", &form_body()).ok();
    let names: Vec<&Value> = form["methods"].as_array().expect("methods").iter().map(|m| &m["method"]).collect();
    assert_eq!(names, ["cash", "voucher"], "{form}");
}

#[test]
fn settings_that_can_never_apply_are_refused() {
    let daemon = kept(&Settings::SYSTEM, shop(""));
    let id = register(&daemon, &json!({ "merchant_customer_identifier": "alice" }));
    let before = daemon.get("/v1/status").ok()["lsn"].clone();
    for (place, body, status, field) in [
        ("sideways/EUR/gold", json!({}), 400, "direction"),
        ("deposit/XXQ/gold", json!({}), 400, "currency"),
        ("deposit/EUR/gold", json!({ "methods": [{ "method": "card", "gates": ["gate-z"] }] }), 422, "gates"),
        (
            "deposit/EUR/gold",
            json!({ "methods": [{ "method": "card", "min_amount": "2.00", "max_amount": "1.00" }] }),
            400,
            "min_amount",
        ),
        ("deposit/EUR/gold", json!({ "global_limit": { "max_amount": "1.001" } }), 400, "max_amount"),
        ("deposit/EUR/gold", json!({ "global_limits": {} }), 400, "global_limits"),
    ] {
        let problem = daemon.send("PUT", &of(&id, &format!("/settings/{place}")), &body).problem(status);
        assert_eq!(problem["field"], field, "{place} {body}: {problem}");
    }
    for place in ["deposit/EUR/golden", "withdrawal/EUR/silver"] {
        for body in [json!({ "global_limit": { "max_amount": "1.00" } }), json!({}), json!({ "methods": 1 })] {
            let problem = daemon.send("PUT", &of(&id, &format!("/settings/{place}")), &body).problem(404);
            assert_eq!(problem["code"], "level_not_found", "{place} {body}: {problem}");
        }
    }
    assert_eq!(daemon.get("/v1/status").ok()["lsn"], before);
    settings(&daemon, &id, "deposit/EUR/unknown", &json!({ "global_limit": { "max_amount": "1.00" } }));
    assert_denied(
        &daemon.check(&with(card("2.00"), &json!({ "customer_level": null }))).ok(),
        &["19103 amount_above_maximum -"],
    );
}

#[test]
fn level_change_resets_individual_settings_where_configured() {
    for (resets, by_request) in [(true, true), (true, false), (false, true), (false, false)] {
        let daemon = Daemon::live(shop(&format!("reset_individual_settings_on_level_change = {resets}\n")));
        let id = register(&daemon, &json!({ "merchant_customer_identifier": "alice", "deposit_level": "gold" }));
        for place in ["deposit/EUR/gold", "deposit/USD/silver", "withdrawal/EUR/gold"] {
            settings(&daemon, &id, place, &json!({ "global_limit": { "max_amount": "9.00" } }));
        }
        let change = |level: &str| {
            let paid = with(pay(&format!("to-{level}"), "1.00"), &json!({ "customer_level": level }));
            match by_request {
                true => daemon.reserve(&paid).ok(),
                false => amend(&daemon, &id, &json!({ "deposit_level": level })),
            }
        };
        let settings_count = || look(&daemon, &id)["settings"].as_array().map(Vec::len);
        change("gold");
        assert_eq!(settings_count(), Some(3), "the same level is no change");
        change("silver");
        assert_eq!(settings_count(), Some(if resets { 1 } else { 3 }), "resets: {resets}, by request: {by_request}");
        let changes: Vec<Value> = steps(&daemon, &id)[0]["changes"].as_array().expect("changes").clone();
        assert_eq!(changes.iter().any(|change| change["field"] == "settings"), resets, "{changes:?}");
    }
}

#[test]
fn settings_that_go_with_a_level_do_not_judge_the_payment_that_brings_the_other_one() {
    for resets in [true, false] {
        let daemon = Daemon::live(shop(&format!("reset_individual_settings_on_level_change = {resets}\n")));
        let id = register(&daemon, &json!({ "merchant_customer_identifier": "alice", "deposit_level": "gold" }));
        let most = json!({ "global_limit": { "max_amount": "9.00" } });
        for place in ["deposit/EUR/gold", "deposit/EUR/silver", "deposit/EUR/unknown"] {
            settings(&daemon, &id, place, &most);
        }
        // Asked, shown and paid alike; and the next payment is judged as this one was.
        let body = |level: &str| with(card("20.00"), &json!({ "customer_level": level }));
        for level in ["silver", ""] {
            let code = if resets { Value::Null } else { json!(19103) };
            assert_eq!(daemon.check(&body(level)).ok()["code"], code, "{level:?}, resets: {resets}");
            let form = with(form_body(), &json!({ "customer_level": level }));
            let form = daemon.post("/v1/merchants/acme/payment-form", &form).ok();
            let shown = form["methods"].as_array().expect("methods").iter().find(|method| method["method"] == "card");
            let is_cut = shown.expect("card")["max"] == "9.00";
            assert_eq!(is_cut, !resets, "{level:?}, resets: {resets}: {form}");
        }
        assert_eq!(daemon.check(&body("gold")).ok()["code"], 19103, "the same level is no change");
        for n in 0..2 {
            let paid = with(body("silver"), &json!({ "transaction_id": format!("t{n}") }));
            let code = if resets { Value::Null } else { json!(19103) };
            assert_eq!(daemon.reserve(&paid).ok()["code"], code, "{n}, resets: {resets}");
        }
    }
}

const LABELLED: [(&str, &str, &[&str]); 8] = [
    ("all", "suspended", &["block_transactions"]),
    ("in", "active", &["block_deposits"]),
    ("out", "active", &["block_withdrawals"]),
    ("odd", "active", &["mark_outlier"]),
    ("gone", "deleted", &[]),
    ("other", "internal", &["no_bonus", "ask_support"]),
    ("stuck", "active", &["block_level_change"]),
    ("same", "active", &["block_identifier_change"]),
];

#[test]
fn labels_restrict_from_the_next_decision_on() {
    let head = labels(&[("plain", "active", &[])]) + &labels(&LABELLED);
    let daemon = Daemon::live(shop(&head));
    let id = register(&daemon, &json!({ "merchant_customer_identifier": "alice" }));
    for (label, deposit, withdrawal) in [
        ("all", false, false),
        ("in", false, true),
        ("out", true, false),
        ("odd", true, true),
        ("gone", false, false),
        ("other", true, true),
        ("stuck", true, true),
        ("plain", true, true),
    ] {
        amend(&daemon, &id, &json!({ "labels": [label] }));
        for (direction, passes) in [("deposit", deposit), ("withdrawal", withdrawal)] {
            let body = with(pay(&format!("{label}-{direction}"), "1.00"), &json!({ "direction": direction }));
            let checked = daemon.check(&body).ok();
            let answer = daemon.reserve(&body).ok();
            for answer in [&checked, &answer] {
                match passes {
                    true => drop(assert_allowed(answer.clone())),
                    false => assert_denied(answer, &["19100 customer_blocked -"]),
                }
            }
            let flags = if label == "odd" { json!(["outlier"]) } else { Value::Null };
            assert_eq!(answer["flags"], flags, "{label} {direction}: {answer}");
            assert_eq!(answer["customer"]["labels"], json!([label]), "{answer}");
        }
        let form = daemon.post("/v1/merchants/acme/payment-form", &form_body()).ok();
        assert_eq!(form["methods"] == json!([]), !deposit, "{label}: {form}");
    }
    amend(&daemon, &id, &json!({ "labels": ["other", "odd"] }));
    let answer = daemon.check(&pay("t", "1.00")).ok();
    assert_eq!(answer["customer"]["restrictions"], json!(["no_bonus", "ask_support", "mark_outlier"]), "{answer}");
}

#[test]
fn labels_that_forbid_a_change_forbid_it_to_requests_and_to_staff() {
    let daemon = Daemon::live(shop(&(labels(&[("plain", "active", &[])]) + &labels(&LABELLED))));
    let id = register(&daemon, &json!({ "merchant_customer_identifier": "alice", "deposit_level": "silver" }));
    amend(&daemon, &id, &json!({ "labels": ["stuck"] }));
    let paid = daemon.reserve(&pay("t1", "1.00")).ok();
    assert_eq!(paid["level"], json!({ "name": "silver", "source": "stored" }), "gold was requested: {paid}");
    assert_eq!(look(&daemon, &id)["deposit_level"], "silver");
    let refused = daemon.send("PATCH", &of(&id, ""), &json!({ "deposit_level": "gold" })).problem(422);
    assert_eq!(refused["field"], "deposit_level");
    let names = |refused: &Value, label: &str| {
        refused["detail"].as_str().is_some_and(|detail| detail.contains(&format!("the label \"{label}\"")))
    };
    assert!(names(&refused, "stuck"), "{refused}");

    amend(&daemon, &id, &json!({ "labels": ["same"] }));
    for change in
        [json!({ "email": "a@example.com" }), json!({ "phone": "+49301234502" }), json!({ "external_id": "x" })]
    {
        let refused = daemon.send("PATCH", &of(&id, ""), &change).problem(422);
        assert!(names(&refused, "same"), "{refused}");
    }
    amend(&daemon, &id, &json!({ "city": "Wien" }));
    let filling = json!({ "customer": { "email": "a@example.com", "language": "de" } });
    daemon.reserve(&with(pay("t2", "1.00"), &filling)).ok();
    let shown = look(&daemon, &id);
    assert_eq!((&shown["email"], &shown["language"]), (&Value::Null, &json!("de")), "no payment brings an identifier");

    amend(&daemon, &id, &json!({ "labels": ["gone"] }));
    daemon.send("PATCH", &of(&id, ""), &json!({ "deposit_level": "silver" })).problem(422);
    amend(&daemon, &id, &json!({ "labels": ["plain"], "city": "Rom" }));
    assert_allowed(daemon.reserve(&pay("t3", "10.00")).ok());
}

#[test]
fn a_project_is_switched_off_once_nothing_is_reserved_there() {
    let daemon = Daemon::live(shop(""));
    let id = register(&daemon, &json!({ "merchant_customer_identifier": "alice" }));
    daemon.reserve(&pay("open-1", "10.00")).ok();
    let off = json!({ "disabled_projects": ["web"], "city": "Wien" });
    let refused = daemon.send("PATCH", &of(&id, ""), &off).problem(422);
    assert_eq!((&refused["code"], &refused["field"]), (&json!("not_allowed"), &json!("disabled_projects")));
    assert!(refused["detail"].as_str().is_some_and(|detail| detail.contains("open-1")), "{refused}");
    assert_eq!(look(&daemon, &id)["city"], Value::Null, "all or nothing");
    daemon.step("open-1", "approve", &json!({})).ok();
    assert_eq!(amend(&daemon, &id, &off)["disabled_projects"], json!(["web"]));
    assert_denied(&daemon.reserve(&pay("t2", "10.00")).ok(), &["19100 customer_blocked -"]);
    let late = with(pay("t3", "10.00"), &json!({}));
    let late = daemon.step("t3", "approve", &support::fixtures::without(late, &["transaction_id"])).ok();
    assert_eq!(late["status"], "approved", "money that moved is a fact: {late}");
    daemon.step("open-1", "cancel", &json!({})).ok();
    amend(&daemon, &id, &json!({ "disabled_projects": [] }));
    assert_allowed(daemon.reserve(&pay("t4", "10.00")).ok());
}
