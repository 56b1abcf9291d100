//! Back-tests of what no configuration decides: rates of the day, test merchants, imports.

use serde_json::{Value, json};

use crate::backtest::{assert_no_difference, backtest, rates_file};
use support::daemon::{ConfigFolder, Daemon, Settings, run};
use support::fixtures::{CRM, DAY, GATEWAY, acme, filter, level, pay, when, with};
use support::process::eventually;

const DISK: &str = "kind = \"disk\"\npath = \"data\"";

/// A level whose limit adds dollars to euros.
fn gold_of_all_currencies() -> String {
    level("gold", &filter("window = \"90d\"; amount_limit = \"100.00\"; for_all_merchant_currencies = true"))
}

#[test]
fn backtest_converts_by_the_rates_that_the_files_had() {
    let folder = ConfigFolder::new(
        &Settings { store: DISK, ..Settings::REQUEST },
        &[("acme", acme(CRM, &[gold_of_all_currencies()]))],
    );
    folder.write("rates.toml", &rates_file("2026-11-20T00:00:00Z", "2"));
    let daemon = Daemon::start(folder);
    let pay_in = |id: &str, currency: &str, amount: &str, at: i64| {
        let body = with(pay(id, amount), &json!({ "currency": currency, "merchant_customer_identifier": "ann" }));
        daemon.reserve(&with(with(body, &when(at)), &json!({ "customer_level": "gold" }))).ok()["decision"].clone()
    };
    let (allow, deny) = (json!("allow"), json!("deny"));
    // Of a hundred euros, fifty are used by dollars at 2, and a hundred at 1.
    assert_eq!(pay_in("dollars", "USD", "100.00", 0), allow);
    assert_eq!(pay_in("fits", "EUR", "10.00", 1), allow);
    daemon.folder.write("rates.toml", &rates_file("2026-11-20T01:00:00Z", "1"));
    daemon.post_nothing("/v1/reload").ok();
    assert_eq!(pay_in("over", "EUR", "10.00", 2), deny);
    assert_no_difference(&backtest(&daemon.folder, ".", &[]), 3);
    // The rates of another configuration count with `--rates new` alone.
    let other = ConfigFolder::new(&Settings::REQUEST, &[("acme", acme(CRM, &[gold_of_all_currencies()]))]);
    other.write("rates.toml", &rates_file("2026-11-20T02:00:00Z", "4"));
    let other = other.path().display().to_string();
    assert_no_difference(&backtest(&daemon.folder, &other, &[]), 3);
    let by_new = backtest(&daemon.folder, &other, &["--rates", "new"]);
    assert_eq!((&by_new["differences"], &by_new["judged"]), (&json!(1), &json!(3)), "{by_new:#}");
    // Files without rates, and rates of the API after them.
    daemon.folder.remove("rates.toml");
    let refused = daemon.post_nothing("/v1/reload");
    assert_eq!(refused.status, 422, "the filter needs rates: {}", refused.body);
    daemon.folder.write("rates.toml", &rates_file("2026-11-20T01:00:00Z", "1"));
    let set = json!({ "base": "EUR", "as_of": "2026-11-20T09:00:00Z", "rates": { "USD": "5" } });
    daemon.send("PUT", "/v1/rates", &set).ok();
    assert_eq!(pay_in("fits-again", "EUR", "10.00", 3), allow);
    assert_no_difference(&backtest(&daemon.folder, ".", &[]), 4);
}

#[test]
fn backtest_of_a_test_merchant_repeats_what_ids_caused() {
    let keys = "sandbox = true\nseal_identifiers = true\ndeletion_grace = \"1s\"\n";
    let labels = "[[labels]]\nname = \"plain\"\n[[labels]]\nname = \"leaving\"\nkind = \"pending_deletion\"\n\
                  [[labels]]\nname = \"gone\"\nkind = \"deleted\"\n";
    let gateway = acme(&format!("{GATEWAY}sandbox = true\n"), &[]).replacen("\"acme\"", "\"gateway\"", 1);
    let merchants = [("acme", acme(&format!("{CRM}{keys}{labels}"), &[level("gold", "")])), ("gateway", gateway)];
    let daemon = Daemon::start(ConfigFolder::new(&Settings { store: DISK, ..Settings::SYSTEM }, &merchants));
    let pay_as = |id: &str, who: &str, more: &Value| {
        let body = with(with(pay(id, "10.00"), &json!({ "merchant_customer_identifier": who })), more);
        daemon.reserve(&body).ok()
    };
    let codes = [
        pay_as("a", "blocked-new", &json!({})),
        pay_as("b", "plain", &json!({ "payment_instrument": "stolen-1" })),
        pay_as("c-19000", "plain", &json!({})),
        pay_as("d", "plain", &json!({ "customer": { "payment_instrument": "stolen-2" } })),
        pay_as("e", "plain", &json!({})),
    ]
    .map(|answer| answer["code"].clone());
    assert_eq!(codes, [json!(19100), json!(19106), json!(19000), json!(19106), Value::Null]);
    // A customer who is unknown to a gateway merchant has no identifier that could block.
    let bypassed = json!({
        "transaction_id": "f", "direction": "deposit", "amount": "10.00", "currency": "EUR",
        "customer_id": "blocked-9",
    });
    let bypassed = daemon.post("/v1/merchants/gateway/transactions", &bypassed).ok();
    assert_eq!(bypassed["decision"], "allow", "{bypassed}");
    assert_no_difference(&backtest(&daemon.folder, ".", &[]), 6);
    // The identifier is erased with the customer, and the denial stays a fact.
    let blocked = daemon.get("/v1/merchants/acme/customers?merchant_customer_identifier=blocked-new").ok();
    let blocked = blocked["customers"][0]["customer_id"].as_str().expect("the customer").to_owned();
    let path = format!("/v1/merchants/acme/customers/{blocked}");
    daemon.delete(&path).ok();
    eventually("the customer is forgotten", || daemon.get(&path).ok()["erased"] == true);
    assert_no_difference(&backtest(&daemon.folder, ".", &[]), 6);
}

#[test]
fn backtest_knows_an_import_of_denials_alone() {
    let gold = level("gold", &filter("window = \"lifetime\"; amount_limit = \"100.00\""));
    let folder = ConfigFolder::new(&Settings { store: DISK, ..Settings::SYSTEM }, &[("acme", acme(CRM, &[gold]))]);
    // A denial of a moment ago looks like one of a daemon.
    let recent = a_minute_ago();
    let rows = format!(
        "id,customer,direction,currency,amount,level,time,outcome,code\na,alice,deposit,EUR,1.00,gold,{recent},denied,19000\n"
    );
    folder.write("history.csv", &rows);
    let ended = run(&folder, &["import", "--transactions", "history.csv", "--config", ".", "--merchant", "acme"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let daemon = Daemon::start(folder);
    daemon.reserve(&pay("b", "1.00")).ok();
    let report = backtest(&daemon.folder, ".", &[]);
    assert_eq!((&report["judged"], &report["differences"]), (&json!(1), &json!(0)), "{report:#}");
    assert_eq!(report["not_judged"][0]["what"], "imported", "{report:#}");
    assert_eq!(report["not_judged"][0]["decisions"], 1, "{report:#}");
}

fn a_minute_ago() -> String {
    (jiff::Timestamp::now() - jiff::SignedDuration::from_secs(60)).to_string()
}

/// A table of the API that is quoted before that of the files is not in force, now and in a back-test.
#[test]
fn backtest_takes_the_later_of_both_tables() {
    let folder = ConfigFolder::new(
        &Settings { store: DISK, ..Settings::REQUEST },
        &[("acme", acme(CRM, &[gold_of_all_currencies()]))],
    );
    folder.write("rates.toml", &rates_file("2026-11-20T05:00:00Z", "2"));
    let mut daemon = Daemon::start(folder);
    let pay_in = |daemon: &Daemon, id: &str, currency: &str, amount: &str, at: i64| {
        let body = with(pay(id, amount), &json!({ "currency": currency, "merchant_customer_identifier": "ann" }));
        daemon.reserve(&with(with(body, &when(at)), &json!({ "customer_level": "gold" }))).ok()["decision"].clone()
    };
    assert_eq!(pay_in(&daemon, "dollars", "USD", "100.00", 0), "allow");
    let set = json!({ "base": "EUR", "as_of": "2026-11-20T04:00:00Z", "rates": { "USD": "1" } });
    assert_eq!(daemon.send("PUT", "/v1/rates", &set).status, 422, "the files are later");
    let set = json!({ "base": "EUR", "as_of": "2026-11-20T06:00:00Z", "rates": { "USD": "1" } });
    daemon.send("PUT", "/v1/rates", &set).ok();
    assert_eq!(pay_in(&daemon, "none-left", "EUR", "10.00", 1), "deny");
    // A later table of the files replaces it, at a start.
    daemon.kill();
    daemon.folder.write("rates.toml", &rates_file("2026-11-20T07:00:00Z", "2"));
    daemon.kill_and_start();
    assert_eq!(pay_in(&daemon, "left", "EUR", "10.00", DAY), "allow");
    assert_no_difference(&backtest(&daemon.folder, ".", &[]), 3);
}
