//! What support staff do, in a real browser: sign in, find a customer, see why a payment was denied, change the level.

use crate::{api, daemon_with, fill, token_of, webdriver::Browser};
use serde_json::{Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
};
use support::daemon::Daemon;
use support::fixtures::pay;

pub(crate) fn address(daemon: &Daemon, path: &str) -> String {
    format!("http://127.0.0.1:{}/{path}", daemon.port())
}

pub(crate) fn sign_in(browser: &Browser, daemon: &Daemon, name: &str) {
    browser.open(&address(daemon, "console"));
    browser.fill("token", &token_of(name));
    browser.press("Sign in");
    browser.wait_for("Acme Games");
}

/// The flow of a support agent, by links and forms alone.
fn find_explain_and_change(scripts: bool) {
    let daemon = daemon_with("");
    fill(&daemon);
    let browser = Browser::start(scripts);
    sign_in(&browser, &daemon, "olga");
    browser.follow("Acme Games");
    browser.follow("Customers");
    browser.fill("email", "alice@");
    browser.press("Search");
    browser.wait_for("alice@example.com");
    browser.follow("1000001");
    browser.wait_for("Alice Ng (1000001)");
    browser.follow("Orders");
    browser.follow("tx-2");
    browser.wait_for("Why it was denied");
    let why = browser.text();
    for part in ["daily amount limit exceeded", "500.00 EUR", "125.50 EUR", "374.50 EUR", "400.00 EUR"] {
        assert!(why.contains(part), "{part}:\n{why}");
    }
    browser.follow("What would pass now?");
    browser.wait_for("What would pass");
    assert!(browser.text().contains("374.50 EUR"), "{}", browser.text());
    browser.open(&address(&daemon, "console/m/acme/customers/1000001"));
    browser.follow("Change level, status or labels");
    browser.choose("deposit_level", "silver");
    browser.press("Show what changes");
    browser.wait_for("This will change");
    let customer = api(&daemon, "vera", "GET", "customers/1000001", &Value::Null);
    assert_eq!(customer["deposit_level"], "gold", "a preview changes nothing");
    browser.press("Change the customer");
    browser.wait_for("The change is recorded.");
    browser.follow("History");
    browser.wait_for("deposit level");
    assert!(browser.text().contains("olga"), "the history names who did it:\n{}", browser.text());
    let passes = api(&daemon, "till", "POST", "decisions", &pay("tx-3", "400.00"));
    assert_eq!(passes["decision"], "deny", "the level of the request decides: {passes}");
    let mut by_stored_level = pay("tx-3", "400.00");
    by_stored_level.as_object_mut().unwrap().remove("customer_level");
    let passes = api(&daemon, "till", "POST", "decisions", &by_stored_level);
    assert_eq!((&passes["decision"], &passes["level"]["name"]), (&json!("allow"), &json!("silver")), "{passes}");
    browser.press("Sign out");
    browser.wait_for("Access token");
    assert!(browser.url().ends_with("/console/login"), "{}", browser.url());
    assert_eq!(browser.log(), Vec::<String>::new(), "the browser reports nothing");
}

#[test]
fn an_agent_finds_a_customer_sees_why_and_changes_the_level() {
    find_explain_and_change(true);
}

#[test]
fn the_same_works_without_scripts() {
    find_explain_and_change(false);
}

pub(crate) fn pictures() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("console-pictures");
    fs::create_dir_all(&folder).expect("a folder for the pictures");
    folder
}

#[test]
fn pages_fit_their_window_light_dark_narrow_and_zoomed() {
    let daemon = daemon_with("");
    fill(&daemon);
    let folder = pictures();
    let browser = Browser::start(true);
    browser.display((1_280, 900), "light");
    browser.open(&address(&daemon, "console/login"));
    browser.picture(&folder.join("login-light.png"));
    sign_in(&browser, &daemon, "olga");
    let limits = json!({ "filters": [{ "name": "mine", "window": "daily", "amount_limit": "300.00" }] });
    api(&daemon, "till", "PUT", "customers/1000001/limits/deposit/EUR", &limits);
    let ask =
        "decide?merchant_customer_identifier=alice&direction=deposit&amount=400.00&currency=EUR&payment_method=card";
    let pages = [
        ("merchants", ""),
        ("merchant", "/m/acme"),
        ("customers", "/m/acme/customers"),
        ("customers-empty", "/m/acme/customers?customer_id=5"),
        ("customer", "/m/acme/customers/1000001"),
        ("usage", "/m/acme/customers/1000001/usage"),
        ("limits", "/m/acme/customers/1000001/limits"),
        ("limits-form", "/m/acme/customers/1000001/limits/change?direction=deposit&currency=EUR&owner=operator"),
        ("settings", "/m/acme/customers/1000001/settings"),
        ("orders", "/m/acme/customers/1000001/orders"),
        ("wallet", "/m/acme/customers/1000001/wallet"),
        ("history", "/m/acme/customers/1000001/history"),
        ("change", "/m/acme/customers/1000001/change"),
        ("transactions", "/m/acme/transactions"),
        ("transaction", "/m/acme/transactions/tx-1"),
        ("denial", "/m/acme/transactions/tx-2"),
        ("levels", "/m/acme/levels"),
        ("level", "/m/acme/levels/deposit/EUR/gold"),
        ("decide", &format!("/m/acme/{ask}")),
        ("missing", "/m/acme/customers/7"),
    ];
    // A page at 200 % in a window of 1,280 pixels has 640.
    for (view, size, colours) in [
        ("light", (1_280, 1_000), "light"),
        ("dark", (1_280, 1_000), "dark"),
        ("narrow", (390, 1_400), "light"),
        ("zoomed", (640, 500), "light"),
    ] {
        browser.display(size, colours);
        for (name, path) in pages {
            browser.open(&address(&daemon, &format!("console{path}")));
            browser.picture(&folder.join(format!("{name}-{view}.png")));
            let (taken, has) = browser.widths();
            assert!(taken <= has, "{name} takes {taken} of {has} pixels in {view}");
        }
    }
    let log: Vec<String> = browser.log().into_iter().filter(|line| !line.contains("/customers/7 ")).collect();
    assert_eq!(log, Vec::<String>::new(), "the browser reports nothing but the missing page");
}
