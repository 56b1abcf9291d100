//! The console of the real daemon: its pages over HTTP, and what staff do in a real browser, with scripts and without.
//!
//! Pictures of the pages are written to `console-pictures` in the folder of the tests' temporary files.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

mod accessibility;
mod browser_flows;
mod customers_flows;
mod instrument_flows;
mod level_flows;
mod operator_flows;
mod pages;
mod people;
mod story;
mod webdriver;
mod zoomed;

use serde_json::{Value, json};
use support::daemon::{ConfigFolder, Daemon, Settings};
use support::fixtures::{CRM, acme, filter, level, pay, with};

/// Name and role of each token, and the merchants that it is for; none: all.
const TOKENS: [(&str, &str, &[&str]); 4] =
    [("olga", "operator", &[]), ("vera", "viewer", &[]), ("till", "gateway", &[]), ("gina", "viewer", &["globex"])];

pub(crate) fn token_of(name: &str) -> String {
    format!("token-{name}-0123456789")
}

/// The settings of a daemon with these tokens, and further lines.
fn settings_text(folder: &ConfigFolder, tokens: &[(&str, &str, &[&str])], lines: &str) -> String {
    let mut text = Settings::SYSTEM.text();
    text.push_str("\n[auth]\ntokens = [\n");
    for (name, role, merchants) in tokens {
        folder.write(&format!("{name}.token"), &token_of(name));
        let file = folder.path().join(format!("{name}.token")).display().to_string();
        let some = if merchants.is_empty() { String::new() } else { format!(", merchants = {merchants:?}") };
        text.push_str(&format!("  {{ name = {name:?}, role = {role:?}, token_file = {file:?}{some} }},\n"));
    }
    text + "]\n" + lines
}

/// A folder with the merchants `acme` and `globex` and the levels gold and silver.
pub(crate) fn folder() -> ConfigFolder {
    let daily = |limit: &str| filter(&format!("name = \"daily\";window = \"daily\";amount_limit = \"{limit}\""));
    let levels = [level("gold", &daily("500.00")), level("silver", &daily("1000.00"))];
    let acme_text = acme(CRM, &levels).replacen(
        "[[gates]]",
        "[[labels]]\nname = \"regular\"\n\n[[labels]]\nname = \"vip\"\n\n[[gates]]",
        1,
    );
    let globex =
        acme(CRM, &levels).replacen("id = \"acme\"\nname = \"Acme Games\"", "id = \"globex\"\nname = \"Globex\"", 1);
    ConfigFolder::new(&Settings::SYSTEM, &[("acme", acme_text), ("globex", globex)])
}

/// A daemon with the tokens above.
pub(crate) fn daemon_with(lines: &str) -> Daemon {
    let folder = folder();
    let text = settings_text(&folder, &TOKENS, lines);
    folder.write("levelgate.toml", &text);
    Daemon::start(folder)
}

/// A client of the API that follows nothing.
pub(crate) fn agent() -> ureq::Agent {
    ureq::Agent::config_builder().http_status_as_error(false).proxy(None).max_redirects(0).build().into()
}

/// Calls the API as a token.
pub(crate) fn api(daemon: &Daemon, token: &str, method: &str, path: &str, body: &Value) -> Value {
    let url = format!("http://127.0.0.1:{}/v1/merchants/acme/{path}", daemon.port());
    let request = ureq::http::Request::builder().method(method).uri(url);
    let request = request.header("authorization", format!("Bearer {}", token_of(token)));
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let mut answer = agent().run(request.body(body).expect("a request")).expect("an answer");
    let text = answer.body_mut().read_to_string().expect("a body");
    assert!(answer.status().is_success(), "{method} {path}: {text}");
    serde_json::from_str(&text).expect("JSON")
}

/// Alice has paid 125.50 and was denied 400.00: the level gold allows 500.00 a day. Bob and others have paid too.
pub(crate) fn fill(daemon: &Daemon) {
    let reserve = |id: &str, amount: &str, members: &Value| {
        api(daemon, "till", "POST", "transactions", &with(pay(id, amount), members))
    };
    reserve(
        "tx-1",
        "125.50",
        &json!({
            "payment_instrument": "tok_81",
            "customer": { "email": "alice@example.com", "first_name": "Alice", "last_name": "Ng" },
        }),
    );
    api(daemon, "till", "POST", "transactions/tx-1/approve", &json!({ "gate": "gate-a" }));
    api(daemon, "till", "POST", "transactions/tx-1/refund", &json!({ "amount": "25.50", "refund_id": "r-1" }));
    for n in 0..8 {
        let who = json!({ "merchant_customer_identifier": format!("payer-{n}") });
        reserve(&format!("other-{n}"), "20.00", &who);
    }
    let denied = reserve("tx-2", "400.00", &json!({}));
    assert_eq!(denied["decision"], "deny", "{denied}");
}
