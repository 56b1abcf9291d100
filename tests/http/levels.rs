//! Which level a payment is decided under: what the request says, what is stored, and what the merchant's default is.

use serde_json::{Value, json};

use crate::decisions::{assert_allowed, assert_denied};
use support::daemon::Daemon;
use support::fixtures::{CRM, GATEWAY, acme, filter, level, level_in, pay, with, without};
use support::process::eventually;

/// The level in a request.
#[derive(Debug, Clone, Copy)]
enum LevelField {
    Name(&'static str),
    Empty,
    Null,
    Nothing,
}

/// A deposit of one euro by one customer that says this of its level.
fn body(id: &str, customer: &Value, says: LevelField) -> Value {
    let body = with(without(pay(id, "1.00"), &["customer_level", "merchant_customer_identifier"]), customer);
    match says {
        LevelField::Name(name) => with(body, &json!({ "customer_level": name })),
        LevelField::Empty => with(body, &json!({ "customer_level": "" })),
        LevelField::Null => with(body, &json!({ "customer_level": null })),
        LevelField::Nothing => body,
    }
}

/// Sends one request after the other for one customer and compares the level of each answer; one without a name is none.
#[track_caller]
fn run_steps(daemon: &Daemon, tag: &str, customer: &Value, steps: &[(LevelField, &str, &str)]) {
    for (number, (says, name, source)) in steps.iter().enumerate() {
        let answer = assert_allowed(daemon.reserve(&body(&format!("{tag}-{number}"), customer, *says)).ok());
        let expected = json!({ "name": (!name.is_empty()).then_some(name), "source": source });
        assert_eq!(answer["level"], expected, "step {number} ({says:?}) of {tag}: {answer}");
    }
}

/// Levels with a state of each kind; `dormant` is disabled, `elsewhere` belongs to no project.
fn ladder() -> Vec<String> {
    vec![
        level("gold", ""),
        level("silver", ""),
        level("dormant", "status = \"disabled\"\n"),
        level("elsewhere", "").replace("projects = [\"web\"]\n", ""),
        level_in("withdrawal", "EUR", "out", ""),
        level_in("deposit", "USD", "dollar", ""),
    ]
}

#[test]
fn crm_stores_the_level_that_a_request_names_and_an_empty_one_resets_it() {
    let daemon = Daemon::live(acme(CRM, &ladder()));
    let alice = json!({ "merchant_customer_identifier": "alice" });
    run_steps(
        &daemon,
        "alice",
        &alice,
        &[
            (LevelField::Nothing, "unknown", "default"),
            (LevelField::Name("gold"), "gold", "request"),
            (LevelField::Nothing, "gold", "stored"),
            (LevelField::Null, "gold", "stored"),
            (LevelField::Name("silver"), "silver", "request"),
            (LevelField::Nothing, "silver", "stored"),
            (LevelField::Name("dormant"), "unknown", "default"),
            (LevelField::Nothing, "unknown", "default"),
            (LevelField::Name("elsewhere"), "unknown", "default"),
            (LevelField::Name("dollar"), "unknown", "default"),
            (LevelField::Name("never-heard-of"), "unknown", "default"),
            (LevelField::Nothing, "unknown", "default"),
            (LevelField::Name("gold"), "gold", "request"),
            (LevelField::Empty, "unknown", "default"),
            // The empty name stored `unknown`, which every project belongs to here.
            (LevelField::Nothing, "unknown", "stored"),
            (LevelField::Name("unknown"), "unknown", "request"),
        ],
    );
}

#[test]
fn crm_with_the_project_s_default_stores_an_empty_name_and_applies_no_level() {
    let levels = [level("gold", ""), level("unknown", &filter("window = \"daily\"; amount_limit = \"10.00\""))];
    let daemon = Daemon::live(acme(&format!("{CRM}default_behaviour = \"project\"\n"), &levels));
    let alice = json!({ "merchant_customer_identifier": "alice" });
    run_steps(
        &daemon,
        "alice",
        &alice,
        &[
            (LevelField::Nothing, "", "project"),
            (LevelField::Name("gold"), "gold", "request"),
            (LevelField::Name("never-heard-of"), "", "project"),
            (LevelField::Empty, "", "project"),
            (LevelField::Nothing, "", "project"),
            (LevelField::Name("unknown"), "unknown", "request"),
        ],
    );
    let big = |id: &str, says: LevelField| with(body(id, &alice, says), &json!({ "amount": "50.00" }));
    let answer = assert_allowed(daemon.reserve(&big("big", LevelField::Empty)).ok());
    assert_eq!(answer["remaining"]["amount"], Value::Null, "no level, no filters: {answer}");
    // None of these counted under `unknown` but the one that named it.
    let named = |id: &str, amount: &str| with(big(id, LevelField::Name("unknown")), &json!({ "amount": amount }));
    assert_denied(&daemon.reserve(&named("much", "9.01")).ok(), &["19000 daily_amount_limit_exceeded daily"]);
    assert_allowed(daemon.reserve(&named("rest", "9.00")).ok());
}

#[test]
fn payment_without_level_counts_only_over_all_levels() {
    let wide = "window = \"lifetime\"; amount_limit = \"100.00\"; for_all_merchant_currencies = true";
    let own = "window = \"daily\"; amount_limit = \"100.00\"";
    let levels = [level("gold", &(filter(wide) + &filter(own))), level("unknown", &filter(own))];
    let daemon = Daemon::live(acme(&format!("{CRM}default_behaviour = \"project\"\n"), &levels));
    let none = json!({ "name": null, "source": "project" });
    let paid = without(with(pay("t1", "40.00"), &json!({ "explain": true })), &["customer_level"]);
    let answer = assert_allowed(daemon.reserve(&paid).ok());
    assert_eq!((&answer["level"], &answer["limits"]), (&none, &json!([])), "{answer}");
    assert_eq!(assert_allowed(daemon.check(&without(paid, &["transaction_id"])).ok())["level"], none);
    daemon.step("t1", "approve", &json!({})).ok();
    assert_eq!(daemon.fetch("t1").ok()["level"], none);
    let list = daemon.get("/v1/merchants/acme/transactions").ok();
    assert_eq!(list["transactions"][0]["level"], none, "{list}");
    eventually("the feed has both facts", || {
        let feed = daemon.get("/v1/events?after=0").ok();
        let levels: Vec<Value> =
            feed["events"].as_array().expect("events").iter().map(|e| e["level"].clone()).collect();
        levels == [none.clone(), none.clone()]
    });
    let id = answer["customer"]["customer_id"].as_str().expect("a number").to_owned();
    let orders = daemon.get(&format!("/v1/merchants/acme/customers/{id}/transactions")).ok();
    assert_eq!(orders["transactions"][0]["level"], none, "{orders}");
    let usage = daemon.get(&format!("/v1/merchants/acme/customers/{id}/usage")).ok();
    assert_eq!(usage["totals"][0]["level"], Value::Null, "{usage}");
    assert_eq!(usage["totals"][0]["gross"], json!({ "amount": "40.00", "quantity": 1 }), "{usage}");
    // A filter over all levels sees it, one of a level does not.
    let gold = with(pay("probe", "0.01"), &json!({ "explain": true }));
    let answer = assert_allowed(daemon.check(&gold).ok());
    let used: Vec<&Value> = answer["limits"].as_array().expect("limits").iter().map(|l| &l["amount"]["used"]).collect();
    assert_eq!(used, ["40.01", "0.01"], "{answer}");
    let unknown = with(gold, &json!({ "customer_level": "unknown" }));
    assert_eq!(daemon.check(&unknown).ok()["limits"][0]["amount"]["used"], "0.01");
}

#[test]
fn the_default_of_the_unknown_level_applies_its_filters() {
    let levels = [level("unknown", &filter("window = \"daily\"; amount_limit = \"10.00\""))];
    let daemon = Daemon::live(acme(CRM, &levels));
    let first = assert_allowed(daemon.reserve(&with(pay("t1", "6.00"), &json!({ "customer_level": "nowhere" }))).ok());
    assert_eq!(first["level"], json!({"name": "unknown", "source": "default"}));
    assert_eq!(first["remaining"]["amount"], "4.00", "{first}");
    let second = daemon.reserve(&with(pay("t2", "4.01"), &json!({ "customer_level": null }))).ok();
    assert_denied(&second, &["19000 daily_amount_limit_exceeded daily"]);
}

#[test]
fn gateway_mode_leaves_the_stored_level_alone_when_an_empty_one_comes() {
    let daemon = Daemon::live(acme(GATEWAY, &ladder()));
    let created = daemon.reserve(&body("first", &json!({}), LevelField::Nothing)).ok();
    let customer = json!({ "customer_id": created["customer"]["customer_id"] });
    run_steps(
        &daemon,
        "customer",
        &customer,
        &[
            (LevelField::Name("gold"), "gold", "request"),
            (LevelField::Nothing, "gold", "stored"),
            (LevelField::Empty, "unknown", "default"),
            (LevelField::Nothing, "gold", "stored"),
            (LevelField::Null, "gold", "stored"),
            (LevelField::Name("never-heard-of"), "unknown", "default"),
            (LevelField::Nothing, "unknown", "default"),
        ],
    );
}

#[test]
fn a_level_is_stored_by_direction_and_used_in_every_currency_that_configures_it() {
    let mut levels = ladder();
    levels.push(level_in("deposit", "USD", "gold", ""));
    let daemon = Daemon::live(acme(CRM, &levels));
    let level_of = |id: &str, members: Value| {
        let body = with(without(pay(id, "1.00"), &["customer_level"]), &members);
        assert_allowed(daemon.reserve(&body).ok())["level"].clone()
    };
    assert_eq!(level_of("t1", json!({ "customer_level": "gold" })), json!({"name": "gold", "source": "request"}));
    let unknown = json!({"name": "unknown", "source": "default"});
    assert_eq!(level_of("t2", json!({ "direction": "withdrawal" })), unknown);
    let out = json!({ "direction": "withdrawal", "customer_level": "out" });
    assert_eq!(level_of("t3", out), json!({"name": "out", "source": "request"}));
    assert_eq!(level_of("t4", json!({})), json!({"name": "gold", "source": "stored"}), "deposits are as they were");
    let stored = json!({"name": "gold", "source": "stored"});
    assert_eq!(level_of("t5", json!({ "currency": "USD" })), stored);
    assert_eq!(level_of("t6", json!({ "currency": "JPY", "amount": "1" })), unknown, "no such level in yen");
    assert_eq!(level_of("t7", json!({ "direction": "withdrawal" })), json!({"name": "out", "source": "stored"}));
}

#[test]
fn payments_count_under_the_level_that_applied_and_a_level_change_moves_nothing() {
    let daily = filter("window = \"daily\"; amount_limit = \"100.00\"");
    let daemon = Daemon::live(acme(CRM, &[level("gold", &daily), level("silver", &daily)]));
    let left = |id: &str, name: &str, amount: &str| {
        let answer = daemon.reserve(&with(pay(id, amount), &json!({ "customer_level": name }))).ok();
        assert_allowed(answer)["remaining"]["amount"].clone()
    };
    assert_eq!(left("t1", "gold", "60.00"), "40.00");
    assert_eq!(left("t2", "silver", "10.00"), "90.00", "the ladder's other rung starts afresh");
    assert_eq!(left("t3", "gold", "1.00"), "39.00");
}
