//! What operators see of all merchants and of the daemon: gates over time, series, the newest events, settings, and what a
//! reload would change.

use serde_json::{Value, json};

use support::daemon::{ConfigFolder, Daemon, Settings};
use support::fixtures::{CRM, acme, at, filter, level, pay, when, with};

fn folder() -> ConfigFolder {
    let levels = [level("gold", &filter("window = \"lifetime\"; amount_limit = \"100.00\""))];
    let globex = acme(CRM, &levels).replacen("id = \"acme\"", "id = \"globex\"", 1);
    ConfigFolder::new(&Settings::REQUEST, &[("acme", acme(CRM, &levels)), ("globex", globex)])
}

fn reserve(daemon: &Daemon, merchant: &str, id: &str, amount: &str, at: i64) {
    let body = with(pay(id, amount), &when(at));
    daemon.post(&format!("/v1/merchants/{merchant}/transactions"), &body).ok();
}

fn ids(page: &Value) -> Vec<&str> {
    page["events"]
        .as_array()
        .expect("events")
        .iter()
        .map(|event| event["transaction_id"].as_str().expect("an id"))
        .collect()
}

#[test]
fn attempts_at_a_gate_count_over_time_with_what_uses_the_gate() {
    let daemon = Daemon::start(folder());
    reserve(&daemon, "acme", "t1", "1.00", 0);
    for (attempt, outcome) in [(1, "declined"), (2, "approved")] {
        let body = with(json!({ "attempt": attempt, "gate": "gate-a", "outcome": outcome }), &when(1_000));
        daemon.post("/v1/merchants/acme/transactions/t1/attempts", &body).ok();
    }
    let gates = daemon.get("/v1/merchants/acme/gates?resolution=1m").ok();
    let gate = &gates["gates"][0];
    assert_eq!((&gate["gate"], &gate["enabled"]), (&json!("gate-a"), &json!(true)), "{gates}");
    let outcomes: Vec<(&str, u64)> = gate["outcomes"]
        .as_array()
        .expect("outcomes")
        .iter()
        .map(|row| (row["outcome"].as_str().expect("a word"), row["total"].as_u64().expect("a count")))
        .collect();
    assert_eq!(outcomes, [("approved", 1), ("declined", 1)]);
    assert!(gate["used_by"].as_array().is_some_and(|uses| !uses.is_empty()), "{gates}");
    assert_eq!(daemon.get("/v1/merchants/globex/gates").ok()["gates"][0]["outcomes"], json!([]));
}

#[test]
fn the_series_of_all_merchants_is_their_sum() {
    let daemon = Daemon::start(folder());
    reserve(&daemon, "acme", "t1", "1.00", 0);
    reserve(&daemon, "acme", "t2", "200.00", 0);
    reserve(&daemon, "globex", "t1", "1.00", 1_000);
    let series = daemon.get(&format!("/v1/series?resolution=1s&from={}", at(0))).ok();
    assert_eq!(series["totals"], json!({ "allow": 2, "deny": 1 }), "{series}");
    assert_eq!((&series["allow"], &series["deny"]), (&json!([1, 1]), &json!([1, 0])));
    let merchants: Vec<&Value> =
        series["merchants"].as_array().expect("merchants").iter().map(|row| &row["merchant"]).collect();
    assert_eq!(merchants, [&json!("acme"), &json!("globex")], "those with the most decisions first");
    assert_eq!(series["codes"][0]["reason"], "amount_limit_exceeded");
}

#[test]
fn the_newest_events_come_first_and_pages_continue_backwards() {
    let daemon = Daemon::start(folder());
    for n in 0..3 {
        reserve(&daemon, "acme", &format!("t{n}"), "1.00", n);
        reserve(&daemon, "globex", &format!("u{n}"), "500.00", n);
    }
    let all = daemon.get("/v1/events/latest").ok();
    assert_eq!(ids(&all), ["u2", "t2", "u1", "t1", "u0", "t0"], "{all}");
    assert_eq!(all["next_before"], json!(null));
    assert_eq!(ids(&daemon.get("/v1/events/latest?merchant=acme").ok()), ["t2", "t1", "t0"]);
    assert_eq!(ids(&daemon.get("/v1/events/latest?event=denied&merchant=globex").ok()), ["u2", "u1", "u0"]);
    let lsn = all["events"][1]["lsn"].as_u64().expect("a number");
    assert_eq!(ids(&daemon.get(&format!("/v1/events/latest?before={lsn}")).ok()), ["u1", "t1", "u0", "t0"]);
    assert_eq!(daemon.get("/v1/events/latest?before=0").problem(400)["field"], "before");
    assert_eq!(daemon.get("/v1/events/latest?merchant=nowhere").problem(404)["code"], "merchant_not_found");
}

#[test]
fn settings_are_shown_with_limits_and_memory() {
    let daemon = Daemon::start(folder());
    let shown = daemon.get("/v1/settings").ok();
    let value = |name: &str| {
        let settings = shown["settings"].as_array().expect("settings");
        settings.iter().find(|setting| setting["name"] == name).map(|setting| setting["value"].clone())
    };
    assert_eq!(value("[http] max_connections"), Some(json!("4096")), "{shown}");
    let limits: Vec<&str> =
        shown["limits"].as_array().expect("limits").iter().filter_map(|limit| limit["limit"].as_str()).collect();
    assert_eq!(limits, ["transactions", "connections", "batches", "inflight_bytes", "journal_backlog_bytes"]);
    assert!(shown["memory"]["resident_bytes"].as_u64().is_some_and(|bytes| bytes > 1_000_000), "{shown}");
}

#[test]
fn a_preview_shows_what_a_reload_changes_and_changes_nothing() {
    let daemon = Daemon::start(folder());
    reserve(&daemon, "acme", "t1", "60.00", 0);
    let before = daemon.get("/v1/reload").ok();
    assert_eq!((&before["is_valid"], &before["changed"]), (&json!(true), &json!([])), "{before}");
    let file = daemon.folder.path().join("merchants/acme.toml");
    let text = std::fs::read_to_string(&file).expect("the merchant");
    daemon.folder.write("merchants/acme.toml", &text.replace("100.00", "50.00"));
    let preview = daemon.get("/v1/reload?merchant=acme").ok();
    let line = preview["changed"][0].as_str().expect("a difference").to_owned();
    assert!(line.contains("100.00 -> 50.00; 1 customer is above it now"), "{preview}");
    assert!(preview["text"].as_str().is_some_and(|text| text.contains("\"50.00\"")), "{preview}");
    let status = daemon.get("/v1/status").ok();
    assert_eq!((&status["config"]["last_reload"], &status["config"]["failed_since"]), (&json!(null), &json!(null)));
    let reloaded = daemon.post_nothing("/v1/reload").ok();
    assert_eq!((&reloaded["changed"][0], &reloaded["config_version"]), (&json!(line), &preview["config_version"]));
    daemon.folder.write("merchants/acme.toml", "id = 7\n");
    let refused = daemon.get("/v1/reload").ok();
    assert!(refused["is_valid"] == false && refused["problems"][0].is_string(), "{refused}");
    assert_eq!(daemon.get("/v1/status").ok()["config"]["failed_since"], json!(null), "a preview is no failed reload");
}
