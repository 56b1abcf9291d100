//! A customer's own limits, which are cut at once and raised later, and own exchange rates.

use serde_json::{Value, json};

use crate::decisions::{assert_allowed, assert_denied};
use crate::staff_calls::{amend, kept, look, of, register, steps};
use support::daemon::{Daemon, Settings};
use support::fixtures::{CRM, DAY, HOUR, acme, at, filter, level, level_in, pay, tick, when, with};

fn shop() -> String {
    let all = "window = \"monthly\"; name = \"all\"; amount_limit = \"1000.00\"; for_all_merchant_currencies = true";
    let gold = filter("window = \"daily\"; amount_limit = \"100.00\"") + &filter(all);
    acme(CRM, &[level("gold", &gold), level("silver", ""), level_in("deposit", "USD", "gold", "")])
}

/// A daemon on the clock of the requests at 10:00, and alice.
fn alice() -> (Daemon, String) {
    let daemon = kept(&Settings::REQUEST, shop());
    daemon.reserve(&tick(0)).ok();
    let id = register(&daemon, &json!({ "merchant_customer_identifier": "alice", "deposit_level": "gold" }));
    (daemon, id)
}

fn daily(amount: &str) -> Value {
    json!({ "filters": [{ "window": "daily", "amount_limit": amount }] })
}

#[track_caller]
fn set(daemon: &Daemon, id: &str, body: &Value) -> Value {
    let mut answer = daemon.send("PUT", &of(id, "/limits/deposit/EUR"), body).ok();
    // The answer to a change has warnings in addition to what is shown.
    assert!(answer.as_object_mut().and_then(|document| document.remove("warnings")).is_some_and(|w| w.is_array()));
    answer
}

fn limits(daemon: &Daemon, id: &str) -> Value {
    daemon.get(&of(id, "/limits/deposit/EUR")).ok()
}

/// The amounts of the filters, as the wire shows them.
fn amounts(filters: &Value) -> Vec<&str> {
    filters.as_array().expect("filters").iter().filter_map(|filter| filter["amount_limit"].as_str()).collect()
}

fn lsn(daemon: &Daemon) -> Value {
    daemon.get("/v1/status").ok()["lsn"].clone()
}

#[test]
fn customer_limits_apply_with_level_limits_and_the_same_codes() {
    let (daemon, id) = alice();
    let body = json!({ "filters": [
        { "window": "daily", "amount_limit": "50.00", "quantity_limit": 3 },
        { "window": "weekly", "amount_limit": "60.00" },
        { "window": "monthly", "amount_limit": "70.00" },
    ] });
    let shown = set(&daemon, &id, &body);
    assert_eq!((amounts(&shown["filters"]), &shown["pending"]), (vec!["50.00", "60.00", "70.00"], &Value::Null));
    assert_denied(
        &daemon.reserve(&pay("t1", "110.00")).ok(),
        &[
            "19000 daily_amount_limit_exceeded daily",
            "19000 daily_amount_limit_exceeded daily",
            "19002 weekly_amount_limit_exceeded weekly",
            "19004 monthly_amount_limit_exceeded monthly",
        ],
    );
    let explained = daemon.check(&with(pay("t", "1.00"), &json!({ "explain": true }))).ok();
    let scopes: Vec<(&Value, &Value)> =
        explained["limits"].as_array().expect("limits").iter().map(|l| (&l["filter"], &l["scope"])).collect();
    let [level, merchant, own] = [json!("level"), json!("merchant"), json!("customer")];
    let [d, w, m, all] = [json!("daily"), json!("weekly"), json!("monthly"), json!("all")];
    assert_eq!(scopes, [(&d, &level), (&all, &merchant), (&d, &own), (&w, &own), (&m, &own)]);

    let paid = assert_allowed(daemon.reserve(&pay("t2", "20.00")).ok());
    let left = json!({ "amount": "30.00", "quantity": 2, "currency": "EUR" });
    assert_eq!(paid["remaining"], left, "what is left is the least of all");
    let again = daemon.reserve(&pay("t2", "20.00"));
    assert!(again.is_replay());
    assert_eq!(again.ok()["remaining"], left, "on a repetition");
    assert_eq!(daemon.step("t2", "approve", &json!({})).ok()["remaining"], left, "on a transition");
    assert_eq!(daemon.fetch("t2").ok()["remaining"], left, "on a transaction that is shown");
    let form = daemon
        .post(
            "/v1/merchants/acme/payment-form",
            &json!({ "direction": "deposit", "currency": "EUR", "merchant_customer_identifier": "alice" }),
        )
        .ok();
    assert_eq!((&form["remaining"], &form["methods"][0]["max"]), (&left, &json!("30.00")), "{form}");
    let usage = daemon.get(&of(&id, "/usage")).ok();
    let euro = usage["usage"]
        .as_array()
        .expect("usage")
        .iter()
        .find(|u| u["currency"] == "EUR" && u["direction"] == "deposit");
    let used: Vec<&Value> =
        euro.expect("euro")["limits"].as_array().expect("limits").iter().map(|l| &l["amount"]["used"]).collect();
    assert_eq!(used, [&json!("20.00"); 5], "{usage}");

    // Another level is no way around them.
    let silver = json!({ "customer_level": "silver" });
    let paid = assert_allowed(daemon.reserve(&with(pay("t3", "30.00"), &silver)).ok());
    assert_eq!(paid["remaining"]["amount"], "0.00", "{paid}");
    assert_denied(
        &daemon.reserve(&with(pay("t4", "0.01"), &silver)).ok(),
        &["19000 daily_amount_limit_exceeded daily"],
    );
    // Another direction and another currency have limits of their own.
    assert_allowed(
        daemon.reserve(&with(pay("t5", "500.00"), &json!({ "direction": "withdrawal", "customer_level": null }))).ok(),
    );
    assert_allowed(daemon.reserve(&with(pay("t6", "60.00"), &json!({ "currency": "USD" }))).ok());
}

#[test]
fn customer_limit_cuts_apply_at_once_and_raises_wait() {
    let (mut daemon, id) = alice();
    set(&daemon, &id, &daily("50.00"));
    let raised = set(&daemon, &id, &daily("80.00"));
    assert_eq!(amounts(&raised["filters"]), ["50.00"]);
    assert_eq!((&raised["pending"]["from"], amounts(&raised["pending"]["filters"])), (&json!(at(DAY)), vec!["80.00"]));
    assert_eq!(look(&daemon, &id)["limits"], json!([raised]), "the customer shows the same");
    assert_denied(&daemon.check(&pay("t", "50.01")).ok(), &["19000 daily_amount_limit_exceeded daily"]);

    daemon.reserve(&tick(HOUR)).ok();
    let before = lsn(&daemon);
    assert_eq!(set(&daemon, &id, &daily("80.00")), raised, "asked again, it keeps its time");
    assert_eq!(lsn(&daemon), before);
    let other = set(&daemon, &id, &daily("90.00"));
    assert_eq!(other["pending"]["from"], at(DAY + HOUR), "something else waits anew");
    let cancelled = daemon.delete(&of(&id, "/limits/deposit/EUR/pending")).ok();
    assert_eq!((&cancelled["pending"], amounts(&cancelled["filters"])), (&Value::Null, vec!["50.00"]));
    let gone = daemon.delete(&of(&id, "/limits/deposit/EUR")).ok();
    assert_eq!(
        (amounts(&gone["filters"]), &gone["pending"]["filters"]),
        (vec!["50.00"], &json!([])),
        "none is a raise too"
    );
    let lower = set(&daemon, &id, &daily("40.00"));
    assert_eq!((amounts(&lower["filters"]), &lower["pending"]), (vec!["40.00"], &Value::Null), "a cut holds at once");

    set(&daemon, &id, &daily("60.00"));
    daemon.kill_and_start();
    daemon.post_nothing("/v1/reload").ok();
    daemon.post_nothing("/v1/snapshot").ok();
    daemon.kill_and_start();
    assert_eq!(limits(&daemon, &id)["pending"]["from"], at(DAY + HOUR), "it waits on after a restart");
    let just_before = when(DAY + HOUR - 1);
    assert_denied(
        &daemon.reserve(&with(pay("t1", "40.01"), &just_before)).ok(),
        &["19000 daily_amount_limit_exceeded daily"],
    );
    assert_allowed(daemon.reserve(&with(pay("t2", "60.00"), &when(DAY + HOUR))).ok());
    let now = limits(&daemon, &id);
    assert_eq!((amounts(&now["filters"]), &now["pending"]), (vec!["60.00"], &Value::Null));
    let (before, step_count) = (lsn(&daemon), steps(&daemon, &id).len());
    assert_eq!(set(&daemon, &id, &daily("60.00")), now, "what has come to be is no change");
    assert_eq!(daemon.delete(&of(&id, "/limits/deposit/EUR/pending")).ok(), now, "and cannot be taken back");
    assert_eq!((lsn(&daemon), steps(&daemon, &id).len()), (before, step_count));
}

#[test]
fn an_operator_limits_one_customer_until_a_date() {
    let (daemon, id) = alice();
    set(&daemon, &id, &daily("50.00"));
    let shown = set(&daemon, &id, &with(daily("10.00"), &json!({ "until": at(2 * HOUR) })));
    assert_eq!((amounts(&shown["filters"]), amounts(&shown["operator"]["filters"])), (vec!["50.00"], vec!["10.00"]));
    assert_eq!(shown["operator"]["until"], at(2 * HOUR));
    assert_denied(&daemon.check(&pay("t", "10.01")).ok(), &["19000 daily_amount_limit_exceeded daily"]);
    set(&daemon, &id, &with(daily("20.00"), &json!({ "until": at(2 * HOUR) })));
    assert_allowed(daemon.check(&pay("t", "20.00")).ok());
    assert_denied(
        &daemon.reserve(&with(pay("t1", "20.01"), &when(2 * HOUR - 1))).ok(),
        &["19000 daily_amount_limit_exceeded daily"],
    );
    assert_allowed(daemon.reserve(&with(pay("t2", "20.01"), &when(2 * HOUR))).ok());
    assert_eq!(limits(&daemon, &id)["operator"], Value::Null);
    set(&daemon, &id, &with(daily("30.00"), &json!({ "until": at(9 * HOUR) })));
    let taken = daemon.delete(&of(&id, "/limits/deposit/EUR?operator=true")).ok();
    assert_eq!((amounts(&taken["filters"]), &taken["operator"]), (vec!["50.00"], &Value::Null));
    let before = lsn(&daemon);
    set(&daemon, &id, &json!({ "filters": [], "until": at(9 * HOUR) }));
    daemon.delete(&of(&id, "/limits/deposit/EUR?operator=true")).ok();
    assert_eq!(lsn(&daemon), before, "no limits until a date are none");
    for (body, field) in [
        (with(daily("1.00"), &json!({ "until": at(2 * HOUR) })), "until"),
        (json!({ "filters": [{ "window": "dayly", "amount_limit": "1" }] }), "window"),
    ] {
        let answer = daemon.send("PUT", &of(&id, "/limits/deposit/EUR"), &body);
        assert!(matches!(answer.status, 400 | 422), "{body}: {}", answer.body);
        assert_eq!(answer.json()["field"], field, "{body}: {}", answer.body);
    }
}

#[test]
fn an_operator_s_limit_that_raises_nothing_is_answered_with_what_to_do() {
    let (daemon, id) = alice();
    let warnings = |body: &Value| -> Vec<String> {
        let body = with(body.clone(), &json!({ "until": at(9 * HOUR) }));
        let answer = daemon.send("PUT", &of(&id, "/limits/deposit/EUR"), &body).ok();
        let warnings = answer["warnings"].as_array().expect("warnings").iter();
        warnings.map(|text| text.as_str().expect("a text").to_owned()).collect()
    };
    for tighter in
        [daily("99.99"), daily("100.00"), json!({ "filters": [{ "window": "weekly", "amount_limit": "900" }] })]
    {
        assert_eq!(warnings(&tighter), Vec::<String>::new(), "{tighter}");
    }
    let of_level = warnings(&daily("150.00")).concat();
    for words in ["`daily`", "150.00", "100.00", "level `gold`", "`deposit_level`"] {
        assert!(of_level.contains(words), "{words}: {of_level}");
    }
    // A limit of the calendar day is as long as one of the last 24 hours.
    for window in [json!({ "window": "daily", "calendar": true }), json!({ "window": "24h" })] {
        let other = with(window, &json!({ "name": "other", "amount_limit": "150.00" }));
        let of_level = warnings(&json!({ "filters": [other] })).concat();
        assert!(of_level.contains("raises nothing") && of_level.contains("level `gold`"), "{other}: {of_level}");
    }
    assert_denied(&daemon.check(&pay("t", "120.00")).ok(), &["19000 daily_amount_limit_exceeded daily"]);
    // As the warning says: another level, and the old one again.
    set(&daemon, &id, &daily("80.00"));
    let both = warnings(&daily("150.00"));
    assert!(both.len() == 2 && both[1].contains("80.00") && both[1].contains("`raise_delay`"), "{both:?}");
    amend(&daemon, &id, &json!({ "deposit_level": "silver" }));
    let own = warnings(&daily("150.00"));
    assert!(own.len() == 1 && own[0].contains("80.00"), "{own:?}");
}

#[test]
fn repeated_limit_requests_keep_one_pending_raise() {
    let (daemon, id) = alice();
    let named = |from: usize| -> Value {
        let filters: Vec<Value> = (from..from + 20)
            .map(|n| json!({ "window": "daily", "name": format!("limit {n}"), "amount_limit": "50.00" }))
            .collect();
        json!({ "filters": filters })
    };
    set(&daemon, &id, &named(0));
    let refused = daemon.send("PUT", &of(&id, "/limits/deposit/EUR"), &named(20)).problem(422);
    assert_eq!((&refused["code"], &refused["field"]), (&json!("too_many"), &json!("filters")), "the first still hold");
    let many: Vec<Value> =
        (0..21).map(|n| json!({ "window": "daily", "name": format!("n{n}"), "amount_limit": "1" })).collect();
    daemon.send("PUT", &of(&id, "/limits/deposit/EUR"), &json!({ "filters": many })).problem(422);
}

fn rate(from: &str, to: &str, rate: &str, units: u32, valid_from: &str) -> Value {
    json!({ "from": from, "to": to, "rate": rate, "units": units, "valid_from": valid_from })
}

#[test]
fn newest_valid_customer_rate_applies_in_both_directions() {
    let (daemon, id) = alice();
    daemon.reserve(&with(pay("t1", "125.00"), &json!({ "currency": "USD" }))).ok();
    daemon.step("t1", "approve", &json!({})).ok();
    let euro = || daemon.check(&with(pay("t", "1.00"), &json!({ "explain": true }))).ok();
    let used = |answer: &Value| answer["limits"][1]["amount"]["used"].clone();
    let [begin, later] = [at(-DAY), at(HOUR)];
    let common = euro();
    assert_eq!(used(&common), "101.00", "by the common table: {common}");
    assert_eq!(common["rates"]["own"], Value::Null, "{common}");
    for (rates, want, own) in [
        (vec![rate("EUR", "USD", "2.5", 1, &begin)], "51.00", Some(0)),
        (vec![rate("EUR", "USD", "25", 10, &begin)], "51.00", Some(0)),
        (vec![rate("USD", "EUR", "0.5", 1, &begin)], "63.50", Some(0)),
        (vec![rate("USD", "EUR", "50", 100, &begin)], "63.50", Some(0)),
        (vec![rate("EUR", "USD", "2.5", 1, &begin), rate("USD", "EUR", "0.5", 1, &at(-HOUR))], "63.50", Some(1)),
        (vec![rate("USD", "EUR", "0.5", 1, &at(-HOUR)), rate("EUR", "USD", "2.5", 1, &begin)], "63.50", Some(0)),
        (vec![rate("EUR", "USD", "2.5", 1, &begin), rate("USD", "EUR", "0.5", 1, &later)], "51.00", Some(0)),
        (vec![rate("EUR", "USD", "2.5", 1, &later)], "101.00", None),
        (vec![rate("EUR", "JPY", "2.5", 1, &begin)], "101.00", None),
    ] {
        amend(&daemon, &id, &json!({ "rates": rates }));
        let answer = euro();
        assert_eq!(used(&answer), want, "{rates:?}: {answer}");
        let want = own.map_or(Value::Null, |place: usize| json!([rates[place]]));
        assert_eq!(answer["rates"]["own"], want, "which rate was used: {answer}");
    }
    amend(
        &daemon,
        &id,
        &json!({ "rates": [rate("EUR", "USD", "2.5", 1, &begin), rate("USD", "EUR", "0.5", 1, &later)] }),
    );
    daemon.reserve(&tick(HOUR)).ok();
    assert_eq!(used(&euro()), "63.50", "the newer one has begun");
    // A pair that the common table does not have.
    daemon.reserve(&with(pay("t2", "1.000"), &json!({ "currency": "BHD", "customer_level": null }))).ok();
    assert_denied(&euro(), &["19104 rate_unavailable all"]);
    amend(&daemon, &id, &json!({ "rates": [rate("BHD", "EUR", "2", 1, &begin)] }));
    assert_eq!(used(&euro()), "103.00", "{}", euro());
}
