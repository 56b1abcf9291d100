//! axe-core finds no fault of accessibility in any page, in light and dark.

use crate::{api, people::daemon_of_two, people::pending_change, token_of, webdriver::Browser};
use levelgate::console::page_paths;
use serde_json::{Value, json};
use std::{fs, path::Path};
use support::daemon::Daemon;

/// Pages in states that their address alone does not have: results, an answer, a refusal.
pub(crate) const STATES: [&str; 5] = [
    "/console/m/acme/customers?email=alice@example.com",
    "/console/m/acme/customers?customer_id=5",
    "/console/m/acme/customers?email=x",
    "/console/m/acme/decide?merchant_customer_identifier=alice&direction=deposit&amount=400.00&currency=EUR&payment_method=card",
    "/console/m/acme/customers/7",
];

/// The address of a row of the page table with ids of this daemon.
pub(crate) fn address_of(path: &str, change: &str) -> String {
    let mut address = path.to_owned();
    for (parameter, value) in [
        ("{merchant}", "acme"),
        ("{customer}", "1000001"),
        ("{transaction}", "tx-2"),
        ("{direction}", "deposit"),
        ("{currency}", "EUR"),
        ("{level}", "gold"),
        ("{instrument}", "tok_81"),
        ("{job}", "job-1"),
        ("{change}", change),
    ] {
        address = address.replace(parameter, value);
    }
    assert!(!address.contains('{'), "the walk has no id for a parameter of {path}: add one to address_of");
    if ["/limits/change", "/limits/raise", "/settings/change"].iter().any(|end| address.ends_with(end)) {
        address.push_str("?direction=deposit&currency=EUR&owner=customer&level=gold");
    }
    address
}

fn axe() -> String {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("axe-core/axe.min.js");
    fs::read_to_string(file).expect("axe-core is needed: run tests/console/install, as tests/run does")
}

/// The violations of the page: rule, element, cause. With some rules: those alone.
fn violations(browser: &Browser, axe: &str, rules: &[&str]) -> Vec<String> {
    let script = format!(
        "{axe}\nconst options = arguments[0].length ? {{ runOnly: arguments[0] }} : {{}};\n\
         return axe.run(document, options).then(found => [found.passes.length, found.violations.flatMap(violation =>\n\
         violation.nodes.map(node => [violation.id, node.target.join(' '), node.failureSummary].join(': ')))])"
    );
    let found = browser.execute(&script, &json!([rules]));
    assert!(found[0].as_u64().is_some_and(|passes| passes > 0), "axe has examined nothing: {found}");
    found[1].as_array().expect("a list").iter().map(|found| found.as_str().expect("a text").to_owned()).collect()
}

#[test]
fn no_page_has_a_fault_of_accessibility() {
    let daemon = daemon_of_two("four_eyes = [\"raise_limit\"]\n");
    let limits = json!({ "filters": [{ "name": "mine", "window": "daily", "amount_limit": "300.00" }] });
    api(&daemon, "till", "PUT", "customers/1000001/limits/deposit/EUR", &limits);
    let bulk = json!({ "select": { "ids": ["1000001"] }, "set": { "labels": ["regular"] } });
    api(&daemon, "olga", "POST", "customers/bulk?job=job-1", &bulk);
    let change = pending_change(&daemon);
    let (axe, browser) = (axe(), Browser::start(true));
    let root = format!("http://127.0.0.1:{}", daemon.port());
    sign_in(&browser, &daemon);
    let rows = page_paths().map(|path| address_of(path, &change));
    let pages: Vec<String> = rows.chain(STATES.map(str::to_owned)).collect();
    assert!(pages.len() > 20, "{pages:?}");
    let mut faults = Vec::new();
    for (colours, rules) in [("light", &[][..]), ("dark", &["color-contrast"])] {
        browser.display((1_280, 1_000), colours);
        for page in &pages {
            browser.open(&format!("{root}{page}"));
            let found = violations(&browser, &axe, rules);
            faults.extend(found.into_iter().map(|fault| format!("{page} ({colours}): {fault}")));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n\n"));
    // The same walk finds planted faults, so it examines the pages in spite of their policy.
    for colours in ["light", "dark"] {
        browser.display((1_280, 1_000), colours);
        browser.open(&format!("{root}/console"));
        let plant = "const main = document.querySelector('main'); main.append(document.createElement('img'));\n\
                     const text = document.createElement('p'); text.textContent = 'faint'; text.style.color = '#808080';\n\
                     text.style.background = '#888888'; main.append(text); return true";
        assert_eq!(browser.execute(plant, &json!([])), Value::Bool(true));
        let found = violations(&browser, &axe, &[]).join("\n");
        assert!(found.contains("image-alt: ") && found.contains("color-contrast: "), "{colours}: {found}");
    }
}

fn sign_in(browser: &Browser, daemon: &Daemon) {
    browser.open(&format!("http://127.0.0.1:{}/console", daemon.port()));
    browser.fill("token", &token_of("olga"));
    browser.press("Sign in");
    browser.wait_for("Acme Games");
}
