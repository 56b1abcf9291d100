//! What a code of a denial says besides its number: whose limit it is, the figures of the decision, what blocks the
//! customer. The reserve, its repetition and every later answer about the transaction say the same.

use serde_json::{Value, json};

use support::daemon::{ConfigFolder, Daemon, Settings};
use support::fixtures::{CRM, acme, filter, level, pay, with};

const LABELS: &str = "\n[[labels]]\nname = \"regular\"\n\n[[labels]]\nname = \"stopped\"\nkind = \"suspended\"\n\
                      restrictions = [\"block_deposits\"]\n\n";

fn config(head: &str) -> String {
    let filters = filter("window = \"daily\"; amount_limit = \"100.00\"; quantity_limit = 2; calendar = true")
        + &filter(
            "name = \"world\"; window = \"lifetime\"; amount_limit = \"500.00\"; for_all_merchant_currencies = true",
        );
    let text = acme(&format!("time_zone = \"UTC\"\n{CRM}"), &[level("gold", &filters)]);
    // Tables end the keys of the top level.
    text.replacen("[[gates]]", &format!("{head}[[gates]]"), 1)
}

fn customer_of(answer: &Value) -> String {
    format!("/v1/merchants/acme/customers/{}", answer["customer"]["customer_id"].as_str().expect("an id"))
}

/// A code without the times of its window.
fn without_times(code: &Value) -> Value {
    let mut code = code.clone();
    if let Some(window) = code.get_mut("window").and_then(Value::as_object_mut) {
        assert!(window.remove("end").is_some_and(|end| end.is_string()), "a window has an end");
        window.remove("start");
    }
    code
}

#[test]
fn every_answer_about_a_denial_has_the_figures_of_the_decision() {
    let mut daemon = Daemon::start(ConfigFolder::new(
        &Settings { store: "kind = \"disk\"\nsync = \"always\"", ..Settings::SYSTEM },
        &[("acme", config(""))],
    ));
    let first = daemon.reserve(&pay("first", "60.00")).ok();
    let customer = customer_of(&first);
    let own = json!({ "filters": [{ "window": "daily", "amount_limit": "70.00" }] });
    daemon.send("PUT", &format!("{customer}/limits/deposit/EUR"), &own).ok();
    let operators = json!({ "filters": [{ "name": "watch", "window": "weekly", "quantity_limit": 1 }],
                            "until": "2200-01-01T00:00:00Z" });
    daemon.send("PUT", &format!("{customer}/limits/deposit/EUR"), &operators).ok();
    let denied = daemon.reserve(&pay("denied", "460.00")).ok();
    let codes: Vec<Value> = denied["codes"].as_array().unwrap().iter().map(without_times).collect();
    let amount = |limit: &str| json!({ "limit": limit, "used": "60.00", "asked": "460.00" });
    assert_eq!(
        json!(codes),
        json!([
            { "code": 19000, "reason": "daily_amount_limit_exceeded", "filter": "daily", "scope": "level",
              "owner": "level", "window": { "calendar": true }, "span": "day", "currency": "EUR",
              "amount": amount("100.00") },
            { "code": 19000, "reason": "daily_amount_limit_exceeded", "filter": "daily", "scope": "customer",
              "owner": "customer", "window": { "calendar": false }, "span": "1d", "currency": "EUR",
              "amount": amount("70.00") },
            { "code": 19003, "reason": "weekly_quantity_limit_exceeded", "filter": "watch", "scope": "customer",
              "owner": "operator", "window": { "calendar": false }, "span": "7d",
              "quantity": { "limit": 1, "used": 1, "asked": 1 } },
            { "code": 19006, "reason": "amount_limit_exceeded", "filter": "world", "scope": "merchant",
              "owner": "level", "window": { "calendar": false }, "span": "lifetime", "currency": "EUR",
              "amount": amount("500.00") },
        ])
    );
    // A customer is never asked to trust memory: the record explains the denial after the limits and the usage moved on.
    daemon.delete(&format!("{customer}/limits/deposit/EUR?operator=true")).ok();
    daemon.step("first", "cancel", &json!({})).ok();
    for round in 0..2 {
        let again = daemon.reserve(&pay("denied", "460.00"));
        assert!(again.is_replay());
        assert_eq!(again.ok()["codes"], denied["codes"], "round {round}");
        assert_eq!(daemon.fetch("denied").ok()["codes"], denied["codes"], "round {round}");
        for list in [format!("{customer}/transactions"), "/v1/merchants/acme/transactions?status=denied".to_owned()] {
            let listed = daemon.get(&list).ok();
            let found = listed["transactions"].as_array().unwrap().iter().find(|t| t["transaction_id"] == "denied");
            assert_eq!(found.expect("it is listed")["codes"], denied["codes"], "{list}, round {round}");
        }
        daemon.kill_and_start();
    }
}

#[test]
fn limits_of_an_explanation_name_their_owner() {
    let daemon = Daemon::live(config(""));
    let customer = customer_of(&daemon.reserve(&pay("first", "1.00")).ok());
    let own = json!({ "filters": [{ "window": "weekly", "amount_limit": "70.00" }] });
    daemon.send("PUT", &format!("{customer}/limits/deposit/EUR"), &own).ok();
    let answer = daemon.reserve(&with(pay("second", "1.00"), &json!({ "explain": true }))).ok();
    let owners = |limits: &Value| -> Vec<String> {
        let of = |limit: &Value| format!("{} {} {}", limit["filter"], limit["scope"], limit["owner"]).replace('"', "");
        limits.as_array().unwrap().iter().map(of).collect()
    };
    let want = ["daily level level", "world merchant level", "weekly customer customer"];
    assert_eq!(owners(&answer["limits"]), want);
    let usage = daemon.get(&format!("{customer}/usage")).ok();
    assert_eq!(owners(&usage["usage"][0]["limits"]), want);
}

#[test]
fn a_bound_names_its_value_and_who_set_it() {
    let daemon = Daemon::live(config(""));
    let customer = customer_of(&daemon.reserve(&pay("first", "1.00")).ok());
    let bound = |answer: &Value| {
        let code = &answer["codes"][0];
        json!([code["code"], code["owner"], code["currency"], code["amount"]])
    };
    let by_card = |id: &str, amount: &str| with(pay(id, amount), &json!({ "payment_method": "card" }));
    let low = daemon.reserve(&by_card("low", "0.50")).ok();
    assert_eq!(bound(&low), json!([19102, "endpoint", "EUR", { "limit": "1.00", "asked": "0.50" }]));
    let settings = json!({ "global_limit": { "max_amount": "5.00" } });
    let settings = daemon.send("PUT", &format!("{customer}/settings/deposit/EUR/gold"), &settings);
    assert_eq!(settings.status, 200, "{settings:?}");
    let high = daemon.reserve(&by_card("high", "6.00")).ok();
    assert_eq!(bound(&high), json!([19103, "customer", "EUR", { "limit": "5.00", "asked": "6.00" }]));
    // Without a method: the bound that comes nearest to the amount.
    let any = daemon.reserve(&pay("any", "7.00")).ok();
    assert_eq!(bound(&any), json!([19103, "customer", "EUR", { "limit": "5.00", "asked": "7.00" }]));
}

#[test]
fn a_blocked_customer_is_told_by_what() {
    let daemon = Daemon::live(config(LABELS));
    let causes = |answer: &Value| -> Vec<String> {
        let causes = answer["codes"][0]["blocked_by"].as_array().cloned().unwrap_or_default();
        let of = |cause: &Value| {
            let word = |key: &str| cause[key].as_str().map(|text| format!(" {text}")).unwrap_or_default();
            assert!(cause["detail"].is_string(), "{cause}");
            format!("{}{}{}{}", cause["cause"].as_str().unwrap(), word("label"), word("restriction"), word("project"))
        };
        causes.iter().map(of).collect()
    };
    let customer_of = |who: &str| {
        let body = with(pay(&format!("first-{who}"), "1.00"), &json!({ "merchant_customer_identifier": who }));
        customer_of(&daemon.reserve(&body).ok())
    };
    let denial = |who: &str, instrument: Option<&str>| {
        let fields = json!({ "merchant_customer_identifier": who, "payment_instrument": instrument });
        daemon.reserve(&with(pay(&format!("{who}-{}", instrument.unwrap_or("none")), "1.00"), &fields)).ok()
    };
    let labelled = customer_of("labelled");
    daemon.send("PATCH", &labelled, &json!({ "labels": ["stopped"], "disabled_projects": [] })).ok();
    assert_eq!(causes(&denial("labelled", None)), ["label stopped block_deposits"]);
    let fraud = customer_of("fraud");
    daemon.post(&format!("{fraud}/signals"), &json!({ "signal": "fraud_confirmed" })).ok();
    assert_eq!(causes(&denial("fraud", Some("tok-7"))), ["status"]);
    let card = customer_of("card");
    daemon.post(&format!("{card}/signals"), &json!({ "signal": "card_stolen", "payment_instrument": "tok-8" })).ok();
    assert_eq!(causes(&denial("card", None)), ["instrument"]);
    // A blocked instrument is named, and is the one that was sent.
    let blocked = denial("card", Some("tok-8"));
    assert_eq!(blocked["codes"][0]["code"], 19106);
    assert_eq!(blocked["codes"][0]["payment_instrument"], "tok-8");
    // The history shows the signal that set the block, with its time.
    let history = daemon.get(&format!("{card}/history")).ok();
    let step = &history["history"][0];
    assert_eq!(step["signal"], json!({ "signal": "card_stolen", "names_instrument": true }), "{step}");
    assert!(step["at"].is_string(), "{step}");
    // The record keeps the causes.
    for id in ["labelled-none", "fraud-tok-7", "card-none"] {
        let shown = daemon.fetch(id).ok();
        assert!(!causes(&shown).is_empty(), "{shown}");
    }
}
