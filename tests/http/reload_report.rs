//! What a reload reports: what was added, changed and removed, in the answer, the log and the status; and errors apart
//! from warnings where it is refused.

use serde_json::{Value, json};

use crate::token_access::call;
use support::daemon::{ConfigFolder, Daemon, Settings};
use support::fixtures::{CRM, acme, filter, gold, level, pay, with};
use support::process::eventually;

const OPERATOR: &str = "operator-secret-0123456789";
const VIEWER: &str = "viewer-of-globex-0123456789";

fn daily(limit: &str) -> String {
    gold(&format!("window = \"daily\"; amount_limit = \"{limit}\""))
}

fn reload(daemon: &Daemon) -> Value {
    daemon.post_nothing("/v1/reload").ok()
}

#[test]
fn a_reload_lists_what_was_added_changed_and_removed() {
    let silver = level("silver", &filter("window = \"daily\"; amount_limit = \"9.00\""));
    let levels = |gold: &str| level("gold", &filter(&format!("window = \"daily\"; amount_limit = \"{gold}\"")));
    let daemon = Daemon::live(acme(CRM, &[levels("500.00"), silver]));
    for (n, amount) in ["400.00", "350.00", "300.00", "20.00"].iter().enumerate() {
        let who = json!({ "merchant_customer_identifier": format!("c{n}") });
        daemon.reserve(&with(pay(&format!("t{n}"), amount), &who)).ok();
    }
    let of_silver = json!({ "merchant_customer_identifier": "s", "customer_level": "silver" });
    daemon.reserve(&with(pay("s1", "5.00"), &of_silver)).ok();
    let platinum = level("platinum", "");
    daemon.folder.write("merchants/acme.toml", &acme(CRM, &[levels("300.00"), platinum]).replace("Acme Games", "Acme"));
    let other = acme(CRM, &[]).replace("id = \"acme\"", "id = \"zenith\"");
    daemon.folder.write("merchants/zenith.toml", &other);
    let settings = Settings::SYSTEM.text().replace("max_body_bytes = 65536", "max_body_bytes = 70000");
    daemon.folder.write("levelgate.toml", &settings);
    let answer = reload(&daemon);
    let changed = [
        "[http] max_body_bytes 65536 -> 70000; takes effect at the next start",
        "acme: name \"Acme Games\" -> \"Acme\"",
        "acme: gold deposits in EUR: daily amount 500.00 -> 300.00; 2 customers are above it now",
    ];
    assert_eq!(answer["changed"], json!(changed), "{answer}");
    assert_eq!(answer["added"][0], "acme: platinum deposits in EUR: added (status active, projects web)", "{answer}");
    assert!(answer["added"][1].as_str().unwrap().starts_with("zenith: merchant added ("), "{answer}");
    let removed = answer["removed"][0].as_str().unwrap();
    assert!(removed.starts_with("acme: silver deposits in EUR: removed (status active, projects web, filter daily: "));
    assert!(removed.ends_with("; 1 customer has it"), "{answer}");
    assert_eq!(answer["restart_needed"], json!(["[http] max_body_bytes"]), "{answer}");
    let last = daemon.get("/v1/status").ok()["config"]["last_reload"].clone();
    assert_eq!(last, answer, "the status shows the newest reload");
    eventually("the log has every line", || changed.iter().all(|line| daemon.log().contains(line)));
    // The same files again: there is nothing to list, and the restart is still needed.
    let again = reload(&daemon);
    for list in ["added", "changed", "removed"] {
        assert_eq!(again[list], json!([]), "{again}");
    }
    assert_eq!(again["restart_needed"], json!(["[http] max_body_bytes"]), "{again}");
}

#[test]
fn a_refused_reload_counts_errors_and_warnings_apart() {
    let daemon = Daemon::live(daily("100.00"));
    let spare = "\n[[gates]]\nid = \"spare\"\n";
    daemon.folder.write("merchants/acme.toml", &format!("colour = 1\nshape = 2\n{}{spare}", daily("50.00")));
    for _ in 0..2 {
        let refused = daemon.post_nothing("/v1/reload").problem(422);
        let texts = |value: &Value| value.as_array().map_or(0, Vec::len);
        assert_eq!(
            (texts(&refused["problems"]), refused["code"].as_str()),
            (2, Some("configuration_invalid")),
            "{refused}"
        );
        assert!(refused["detail"].as_str().unwrap().starts_with("2 errors"), "{refused}");
        let status = daemon.get("/v1/status").ok();
        assert_eq!(status["config"]["problems"], refused["problems"], "{status}");
    }
    let rates = "base = \"EUR\"\nmax_age = \"24h\"\n[rates]\nUSD = \"1\"\n";
    daemon.folder.write("rates.toml", rates);
    let refused = daemon.post_nothing("/v1/reload").problem(422);
    assert!(refused["detail"].as_str().unwrap().starts_with("2 errors, 1 warning;"), "{refused}");
    assert!(refused["warnings"][0].as_str().unwrap().contains("`max_age` without `as_of`"), "{refused}");
    let status = daemon.get("/v1/status").ok();
    assert_eq!(status["config"]["warnings"], refused["warnings"], "{status}");
    eventually("the log counts them", || {
        daemon.log().contains("the configuration was not reloaded: 2 errors, 1 warning")
    });
    daemon.folder.write("merchants/acme.toml", &format!("{}{spare}", daily("50.00")));
    let answer = reload(&daemon);
    let warnings = answer["warnings"].to_string();
    assert!(warnings.contains("nothing uses gate `spare`") && warnings.contains("`max_age` without"), "{answer}");
    let status = daemon.get("/v1/status").ok();
    assert_eq!((&status["config"]["problems"], &status["config"]["warnings"]), (&json!([]), &json!([])), "{status}");
}

#[test]
fn a_token_for_some_merchants_sees_the_differences_of_its_merchants() {
    let globex = |limit: &str| daily(limit).replace("id = \"acme\"", "id = \"globex\"");
    let folder = ConfigFolder::new(&Settings::SYSTEM, &[("acme", daily("100.00")), ("globex", globex("100.00"))]);
    folder.write("operator.token", OPERATOR);
    folder.write("viewer.token", VIEWER);
    let auth = "[auth]\ntokens = [{ role = \"operator\", token_file = \"operator.token\" },
        { role = \"viewer\", token_file = \"viewer.token\", merchants = [\"globex\"] }]\n";
    folder.write("levelgate.toml", &format!("{}{auth}", Settings::SYSTEM.text()));
    let daemon = Daemon::start(folder);
    daemon.folder.write("merchants/acme.toml", &daily("90.00"));
    daemon.folder.write("merchants/globex.toml", &globex("80.00"));
    let (status, answer) = call(&daemon, "POST", "/v1/reload", OPERATOR, "");
    assert!(status == 200 && answer.contains("acme: gold") && answer.contains("globex: gold"), "{answer}");
    let (_, answer) = call(&daemon, "GET", "/v1/status", VIEWER, "");
    let shown: Value = serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap();
    let last = &shown["config"]["last_reload"];
    assert_eq!(
        last["changed"],
        json!(["globex: gold deposits in EUR: daily amount 100.00 -> 80.00; 0 customers are above it now"])
    );
    assert_eq!(last["restart_needed"], Value::Null, "{last}");
    assert!(!last.to_string().contains("acme"), "{last}");
}

#[test]
fn a_level_of_the_api_that_a_file_replaces_is_listed_and_warned_about() {
    let daemon = Daemon::live(daily("100.00"));
    let path = "/v1/merchants/acme/levels/deposit/EUR/gold";
    let body = json!({ "projects": ["web"], "filters": [{ "window": "daily", "amount_limit": "70.00" }] });
    daemon.send("PUT", path, &body).ok();
    daemon.folder.write("merchants/acme.toml", &daily("80.00"));
    let answer = reload(&daemon);
    assert!(answer["changed"][0].as_str().unwrap().contains("daily amount 70.00 -> 80.00"), "{answer}");
    assert!(answer["warnings"].to_string().contains("is superseded"), "{answer}");
}
