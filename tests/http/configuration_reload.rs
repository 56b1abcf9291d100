//! Changing the configuration of a running daemon: at once, whole, without losing a counter, and never by halves.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use serde_json::{Value, json};

use crate::decisions::{assert_allowed, assert_denied};
use support::answer::Answer;
use support::daemon::{ConfigFolder, Daemon, Settings};
use support::fixtures::{CRM, RATES, acme, filter, gold, level, pay, with};
use support::process::eventually;

const FULL: &str = "19000 daily_amount_limit_exceeded daily";

fn daily(limit: &str) -> String {
    gold(&format!("window = \"daily\"; amount_limit = \"{limit}\""))
}

fn reload(daemon: &Daemon) -> Answer {
    daemon.post_nothing("/v1/reload")
}

#[test]
fn a_reload_applies_a_changed_limit_to_the_next_decision_and_loses_no_counter() {
    let daemon = Daemon::live(daily("100.00"));
    let first = assert_allowed(daemon.reserve(&pay("t1", "100.00")).ok());
    assert_denied(&daemon.reserve(&pay("t2", "1.00")).ok(), &[FULL]);
    daemon.folder.write("merchants/acme.toml", &daily("200.00"));
    assert_denied(&daemon.reserve(&pay("t3", "1.00")).ok(), &[FULL]);
    reload(&daemon).ok();
    let raised = assert_allowed(daemon.reserve(&pay("t4", "1.00")).ok());
    assert_eq!(raised["remaining"]["amount"], "99.00", "what was used before still counts: {raised}");
    assert_ne!(raised["config_version"], first["config_version"], "other rules, another version");
    daemon.folder.write("merchants/acme.toml", &daily("50.00"));
    reload(&daemon).ok();
    let lowered = daemon.reserve(&pay("t5", "1.00")).ok();
    assert_denied(&lowered, &[FULL]);
    assert_eq!(lowered["remaining"]["amount"], "0.00", "never below nothing: {lowered}");
}

#[test]
fn sighup_reloads_the_configuration() {
    let daemon = Daemon::live(daily("100.00"));
    daemon.reserve(&pay("t1", "100.00")).ok();
    daemon.folder.write("merchants/acme.toml", &daily("200.00"));
    daemon.signal("HUP");
    eventually("the new limit applies", || daemon.check(&pay("probe", "1.00")).ok()["decision"] == "allow");
    let answer = assert_allowed(daemon.reserve(&pay("t2", "1.00")).ok());
    assert_eq!(answer["remaining"]["amount"], "99.00", "{answer}");
}

#[test]
fn a_filter_that_is_added_counts_what_already_happened() {
    let daemon = Daemon::live(acme(CRM, &[level("gold", "")]));
    daemon.reserve(&pay("t1", "70.00")).ok();
    daemon.reserve(&pay("t2", "20.00")).ok();
    let filters = filter("window = \"weekly\"; calendar = true; amount_limit = \"100.00\"")
        + &filter("window = \"45m\"; quantity_limit = 3");
    daemon.folder.write("merchants/acme.toml", &acme(CRM, &[level("gold", &filters)]));
    reload(&daemon).ok();
    let answer = assert_allowed(daemon.reserve(&pay("t3", "5.00")).ok());
    assert_eq!(answer["remaining"], json!({"amount": "5.00", "quantity": 0, "currency": "EUR"}), "{answer}");
}

#[test]
fn changed_rates_apply_at_once_and_the_version_names_rules_and_rates_alone() {
    let world = filter("window = \"daily\"; amount_limit = \"100.00\"; for_all_merchant_currencies = true");
    let daemon = Daemon::live(acme(CRM, &[level("gold", &world)]));
    daemon.reserve(&with(pay("t1", "50.00"), &json!({ "currency": "USD", "customer_level": null }))).ok();
    let probe = || daemon.check(&pay("probe", "1.00")).ok();
    let before = probe();
    assert_eq!(before["remaining"]["amount"], "59.00", "fifty dollars are forty euro: {before}");
    daemon.folder.write("levelgate.toml", &format!("{}\n[memory]\nretention_days = 50\n", Settings::SYSTEM.text()));
    reload(&daemon).ok();
    assert_eq!(probe()["config_version"], before["config_version"], "the daemon's own settings are no rules");
    let rates = RATES.replace("USD = \"1.25\"", "USD = \"2\"").replace("2026-11-20T", "2026-11-21T");
    daemon.folder.write("rates.toml", &rates);
    reload(&daemon).ok();
    let after = probe();
    assert_eq!(after["remaining"]["amount"], "74.00", "fifty dollars are twenty-five euro: {after}");
    assert_ne!(after["config_version"], before["config_version"]);
}

#[test]
fn a_broken_file_changes_nothing_and_is_reported_until_a_good_one_comes() {
    let daemon = Daemon::live(daily("100.00"));
    let version = || daemon.check(&pay("probe", "1.00")).ok()["config_version"].clone();
    let status = || daemon.get("/v1/status").ok();
    let (before, calm) = (version(), status());
    assert_eq!(failures(&calm), Vec::<String>::new(), "nothing has failed: {calm}");

    let broken = daily("200.00").replace("\"gate-b\"]", "\"gate-nowhere\"]").replace("window = ", "windoww = ");
    daemon.folder.write("merchants/acme.toml", &broken);
    daemon.folder.write("rates.toml", &RATES.replace("USD = \"1.25\"", "USD = \"cheap\""));
    for _ in 0..2 {
        let answer = reload(&daemon);
        assert!((400..500).contains(&answer.status), "{answer:?}");
        let problem = answer.problem(answer.status).to_string();
        for part in ["gate-nowhere", "windoww", "cheap", "acme.toml", "rates.toml"] {
            assert!(problem.contains(part), "{part} is among the problems: {problem}");
        }
        assert_ne!(failures(&status()), Vec::<String>::new(), "the status reports it: {}", status());
        assert_eq!(version(), before, "the rules are as they were");
        assert_eq!(daemon.get("/healthz").status, 200);
    }
    let answer = assert_allowed(daemon.reserve(&pay("t1", "100.00")).ok());
    assert_eq!(answer["remaining"]["amount"], "0.00", "the old limit: {answer}");
    // The log is another pipe than the answer, so that its lines may come a moment later.
    eventually("every problem is logged", || {
        ["gate-nowhere", "windoww", "cheap"].iter().all(|p| daemon.log().contains(p))
    });

    daemon.folder.write("merchants/acme.toml", &daily("200.00"));
    daemon.folder.write("rates.toml", RATES);
    reload(&daemon).ok();
    assert_eq!(failures(&status()), Vec::<String>::new(), "a good one came: {}", status());
    assert_allowed(daemon.reserve(&pay("t2", "100.00")).ok());
}

/// Names of members of the status that tell of a failure and are not empty.
fn failures(status: &Value) -> Vec<String> {
    let mut names = Vec::new();
    let mut rest = vec![status];
    while let Some(value) = rest.pop() {
        for (name, value) in value.as_object().into_iter().flatten() {
            let is_empty = match value {
                Value::Null | Value::Bool(false) => true,
                Value::String(text) => text.is_empty(),
                Value::Array(list) => list.is_empty(),
                Value::Number(number) => number.as_u64() == Some(0),
                _ => false,
            };
            if name.contains("fail") && !is_empty {
                names.push(name.clone());
            }
            rest.push(value);
        }
    }
    names
}

#[test]
fn reloads_under_load_fail_no_request_and_each_request_sees_one_configuration() {
    let daemon = Daemon::live(daily("1000000.00"));
    let ended = AtomicBool::new(false);
    let mut versions = thread::scope(|scope| {
        let load = |thread: usize| {
            let (daemon, ended) = (&daemon, &ended);
            move || {
                let (mut count, mut versions) = (0, Vec::new());
                while !ended.load(Ordering::Relaxed) || count < 50 {
                    let id = format!("load-{thread}-{count}");
                    let body = with(pay(&id, "1.00"), &json!({ "explain": true }));
                    let answer = assert_allowed(daemon.reserve(&body).ok());
                    let limit = &answer["limits"][0]["amount"]["limit"];
                    versions.push((answer["config_version"].to_string(), limit.to_string()));
                    count += 1;
                }
                (count, versions)
            }
        };
        let threads = [scope.spawn(load(0)), scope.spawn(load(1))];
        for round in 0..20 {
            let limit = if round % 2 == 0 { "2000000.00" } else { "1000000.00" };
            daemon.folder.write("merchants/acme.toml", &daily(limit));
            reload(&daemon).ok();
        }
        ended.store(true, Ordering::Relaxed);
        let results: Vec<_> = threads.into_iter().map(|t| t.join().unwrap()).collect();
        let counted: usize = results.iter().map(|(count, _)| count).sum();
        let left = daemon.check(&pay("probe", "1.00")).ok()["remaining"]["amount"].clone();
        assert_eq!(left, format!("{}.00", 1_000_000 - counted - 1), "every reserve is counted");
        results.into_iter().flat_map(|(_, versions)| versions).collect::<Vec<_>>()
    });
    versions.sort();
    versions.dedup();
    assert!(versions.len() <= 2, "one version, one limit, and the same again for the same files: {versions:?}");
}

#[test]
fn removed_merchant_accepts_facts_and_decides_nothing() {
    let other = acme(CRM, &[]).replace("id = \"acme\"", "id = \"zenith\"");
    let folder = ConfigFolder::new(&Settings::SYSTEM, &[("acme", daily("100.00")), ("zenith", other)]);
    let daemon = Daemon::start(folder);
    for id in ["t1", "t2", "t3"] {
        daemon.reserve(&pay(id, "10.00")).ok();
    }
    daemon.folder.write("merchants/acme.toml", "id = \"acme\"\nremoved = true\n");
    reload(&daemon).ok();
    daemon.reserve(&pay("t4", "10.00")).problem(404);
    daemon.check(&pay("t4", "10.00")).problem(404);
    daemon.get("/v1/merchants/acme").problem(404);
    assert_eq!(daemon.step("t1", "approve", &json!({})).ok()["status"], "approved");
    assert_eq!(daemon.step("t2", "decline", &json!({})).ok()["status"], "declined");
    assert_eq!(daemon.step("t1", "cancel", &json!({ "cancel_id": "x", "amount": "4.00" })).ok()["cancelled"], "4.00");
    daemon.step("nobody", "approve", &json!({})).problem(404);
    let elsewhere = daemon.post("/v1/merchants/zenith/transactions", &pay("t1", "1.00")).ok();
    assert_eq!(elsewhere["decision"], "allow");

    // It comes back with all facts of that time.
    daemon.folder.write("merchants/acme.toml", &daily("100.00"));
    reload(&daemon).ok();
    let answer = assert_allowed(daemon.check(&pay("probe", "10.00")).ok());
    assert_eq!(answer["remaining"]["amount"], "70.00", "approved ten and reserved ten are used: {answer}");
}
