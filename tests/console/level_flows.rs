//! What risk staff do with levels and transactions, in a real browser, with scripts and without.

use crate::{
    agent, api, browser_flows::pictures, daemon_with, fill, folder, settings_text, token_of, webdriver::Browser,
};
use serde_json::{Value, json};
use support::daemon::Daemon;
use support::fixtures::{GATEWAY, acme, filter, level, pay, with, without};

fn address(daemon: &Daemon, path: &str) -> String {
    format!("http://127.0.0.1:{}/{path}", daemon.port())
}

fn sign_in(browser: &Browser, daemon: &Daemon, name: &str) {
    browser.open(&address(daemon, "console"));
    browser.fill("token", &token_of(name));
    browser.press("Sign in");
    browser.wait_for("Acme Games");
}

/// The status of a call of the API.
fn status(daemon: &Daemon, path: &str) -> u16 {
    let url = format!("http://127.0.0.1:{}/v1/merchants/acme/{path}", daemon.port());
    let request = agent().get(url).header("authorization", format!("Bearer {}", token_of("vera")));
    request.call().unwrap().status().as_u16()
}

fn decides(daemon: &Daemon, amount: &str) -> Value {
    api(daemon, "till", "POST", "decisions", &pay("tx-9", amount))["decision"].clone()
}

/// A limit is lowered; then the level is deleted, with the number of its customers.
fn change_and_delete_a_level(scripts: bool) {
    let daemon = daemon_with("");
    fill(&daemon);
    let browser = Browser::start(scripts);
    sign_in(&browser, &daemon, "olga");
    assert_eq!(decides(&daemon, "200.00"), "allow");
    browser.follow("Acme Games");
    browser.follow("Levels");
    browser.follow("gold");
    browser.follow("Limits");
    browser.follow("Change");
    browser.fill("amount_limit", "100.00");
    browser.press("Show what changes");
    browser.wait_for("This will change");
    let preview = browser.text();
    for part in ["daily amount 500.00 -> 100.00", "1 customer is above it now", "9 customers are decided by it now"] {
        assert!(preview.contains(part), "{part}:\n{preview}");
    }
    assert_eq!(decides(&daemon, "200.00"), "allow", "a preview changes nothing");
    browser.press("Change the level");
    browser.wait_for("The change is recorded.");
    assert_eq!(decides(&daemon, "200.00"), "deny");
    browser.follow("Above it now");
    browser.wait_for("Above daily now");
    assert!(browser.text().contains("125.50 of 100.00 EUR used"), "{}", browser.text());
    browser.follow("Level");
    browser.wait_for("olga");
    browser.follow("Delete");
    browser.press("Show what changes");
    browser.wait_for("Type the number of customers to confirm: 9");
    browser.fill("count", "8");
    browser.press("Delete the level");
    browser.wait_for("Nothing has changed.");
    assert_eq!(status(&daemon, "levels/deposit/EUR/gold"), 200);
    browser.fill("count", "9");
    browser.press("Delete the level");
    browser.wait_for("The change is recorded.");
    assert_eq!(status(&daemon, "levels/deposit/EUR/gold"), 404);
    let audit = api(&daemon, "vera", "GET", "audit?kind=level", &Value::Null);
    let steps = audit["audit"].as_array().unwrap().iter().filter(|step| step["source"] == "api");
    let authors: Vec<&Value> = steps.map(|step| &step["by"]).collect();
    assert_eq!(authors, [&json!("olga"), &json!("olga")], "the audit names who did it: {audit}");
    assert_eq!(browser.log(), Vec::<String>::new(), "the browser reports nothing");
}

#[test]
fn a_level_is_changed_and_decides_and_is_deleted_by_its_number() {
    change_and_delete_a_level(true);
}

#[test]
fn a_level_is_changed_and_deleted_without_scripts() {
    change_and_delete_a_level(false);
}

/// From the first page to what would pass: four clicks.
fn explain_a_denial(scripts: bool) {
    let daemon = daemon_with("");
    fill(&daemon);
    let browser = Browser::start(scripts);
    sign_in(&browser, &daemon, "vera");
    browser.follow("Acme Games");
    browser.wait_for("Recent denials");
    browser.follow("tx-2");
    browser.wait_for("Why it was denied");
    browser.follow("What would pass now?");
    browser.wait_for("What would pass");
    let answer = browser.text();
    for part in ["374.50 EUR", "The payment form now", "set by the level", "daily"] {
        assert!(answer.contains(part), "{part}:\n{answer}");
    }
    browser.follow("All gates of the level");
    browser.wait_for("Would it be used?");
    assert!(browser.text().contains("gate-a"), "{}", browser.text());
    assert_eq!(browser.log(), Vec::<String>::new(), "the browser reports nothing");
}

#[test]
fn a_denial_is_explained_in_four_clicks() {
    explain_a_denial(true);
}

#[test]
fn a_denial_is_explained_without_scripts() {
    explain_a_denial(false);
}

/// A merchant who names customers by `customer_id`, and a payment by an unknown customer.
fn daemon_with_bypassed_payment() -> Daemon {
    let folder = folder();
    folder.write("levelgate.toml", &settings_text(&folder, &crate::TOKENS, ""));
    let head = format!("{GATEWAY}[registration]\nallow_any_identifier = true\n");
    let levels = [level("gold", &filter("window = \"daily\";amount_limit = \"500.00\""))];
    folder.write("merchants/acme.toml", &acme(&head, &levels));
    let daemon = Daemon::start(folder);
    let known = json!({ "email": "alice@example.com", "first_name": "Alice", "deposit_level": "gold" });
    api(&daemon, "olga", "POST", "customers", &known);
    let body = without(pay("tx-1", "40.00"), &["merchant_customer_identifier", "customer_level"]);
    api(&daemon, "till", "POST", "transactions", &with(body, &json!({ "customer_id": "555" })));
    api(
        &daemon,
        "till",
        "POST",
        "transactions/tx-1/attempts",
        &json!({ "attempt": 1, "gate": "gate-a", "outcome": "declined" }),
    );
    api(&daemon, "till", "POST", "transactions/tx-1/approve", &json!({ "gate": "gate-b" }));
    daemon
}

fn link_a_customer(scripts: bool) {
    let daemon = daemon_with_bypassed_payment();
    let browser = Browser::start(scripts);
    sign_in(&browser, &daemon, "olga");
    browser.follow("Acme Games");
    browser.follow("Transactions");
    browser.choose("resolution", "bypassed");
    browser.press("Search");
    browser.follow("tx-1");
    browser.wait_for("Attempts by gate");
    browser.follow("Create or link a customer");
    browser.fill("customer_id", "999");
    browser.press("Show the customer");
    browser.wait_for("999");
    browser.fill("customer_id", "1000001");
    browser.press("Show the customer");
    browser.wait_for("alice@example.com");
    let before = api(&daemon, "vera", "GET", "transactions/tx-1", &Value::Null);
    assert_eq!(before["customer"]["resolution"], "bypassed", "a preview changes nothing: {before}");
    browser.press("Link the customer");
    browser.wait_for("The change is recorded.");
    let after = api(&daemon, "vera", "GET", "transactions/tx-1", &Value::Null);
    assert_eq!(after["customer"]["customer_id"], "1000001", "{after}");
    assert_eq!(browser.log(), Vec::<String>::new(), "the browser reports nothing");
}

#[test]
fn a_customer_is_linked_to_a_transaction() {
    link_a_customer(true);
}

#[test]
fn a_customer_is_linked_without_scripts() {
    link_a_customer(false);
}

#[test]
fn pages_of_levels_and_decisions_fit_their_window() {
    let daemon = daemon_with("");
    fill(&daemon);
    let browser = Browser::start(true);
    sign_in(&browser, &daemon, "olga");
    let methods = json!([{ "method": "card", "max_amount": "700.00", "gates": ["gate-b"] }]);
    let limits = json!([
        { "window": "daily", "amount_limit": "500.00", "quantity_limit": 10, "warn_at": "80%" },
        { "window": "weekly", "amount_limit": "100.00", "calendar": true, "mode": "shadow", "for_all_merchant_currencies": true },
    ]);
    let gates = json!(["gate-off", "gate-a", "gate-b", "gate-big", "gate-usd"]);
    let body = json!({ "projects": ["web"], "methods": methods, "filters": limits, "gates": gates });
    api(&daemon, "olga", "PUT", "levels/deposit/EUR/gold", &body);
    for (attempt, gate, outcome) in [(1, "gate-a", "declined"), (2, "gate-b", "timeout"), (3, "gate-b", "approved")] {
        let body = json!({ "attempt": attempt, "gate": gate, "outcome": outcome });
        api(&daemon, "till", "POST", "transactions/other-1/attempts", &body);
    }
    let first = json!({ "amount": "5.00", "capture_id": "c-1", "final": false, "gate": "gate-nowhere" });
    api(&daemon, "till", "POST", "transactions/other-1/approve", &first);
    let gold = "/m/acme/levels/deposit/EUR/gold";
    let ask = "merchant_customer_identifier=payer-1&direction=deposit&amount=400.00&currency=EUR&payment_method=card";
    let pages = [
        ("levels", "/m/acme/levels".to_owned()),
        ("level", gold.to_owned()),
        ("level-edit", format!("{gold}/edit")),
        ("level-methods", format!("{gold}/methods")),
        ("level-methods-default", format!("{gold}/methods?show=default")),
        ("level-method-form", format!("{gold}/methods/change?method=card")),
        ("level-gates", format!("{gold}/gates?amount=20.00")),
        ("level-limits", format!("{gold}/filters")),
        ("level-limit-form", format!("{gold}/filters/change?filter=weekly")),
        ("level-above", format!("{gold}/above?filter=weekly")),
        ("level-new", "/m/acme/levels/new".to_owned()),
        ("level-file", "/m/acme/levels/file".to_owned()),
        ("transaction-steps", "/m/acme/transactions/other-1".to_owned()),
        ("usage-held", "/m/acme/customers/1000002/usage".to_owned()),
        ("decide-form", format!("/m/acme/decide?{ask}")),
    ];
    for (view, size, colours) in
        [("light", (1_280, 1_000), "light"), ("dark", (1_280, 1_000), "dark"), ("narrow", (390, 1_400), "light")]
    {
        browser.display(size, colours);
        for (name, path) in &pages {
            browser.open(&address(&daemon, &format!("console{path}")));
            browser.picture(&pictures().join(format!("{name}-{view}.png")));
            let (taken, has) = browser.widths();
            assert!(taken <= has, "{name} takes {taken} of {has} pixels in {view}");
        }
        browser.open(&address(&daemon, &format!("console{gold}/delete")));
        browser.press("Show what changes");
        browser.wait_for("Type the number of customers");
        browser.picture(&pictures().join(format!("level-delete-{view}.png")));
    }
    assert_eq!(browser.log(), Vec::<String>::new(), "the browser reports nothing");
}
