//! Running it: health, status, metrics, the merchants as configured, starting, refusing to start, and ending.

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::{Value, json};

use crate::decisions::{assert_allowed, assert_denied};
use support::daemon::{ConfigFolder, Daemon, Settings, run};
use support::fixtures::{CRM, GATEWAY, acme, gold, level, pay, without};
use support::process::{PATIENCE, eventually};
use support::raw_http::{self, AnswerReader};

/// Every text that stands anywhere in a document.
fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(list) => list.iter().flat_map(texts).collect(),
        Value::Object(members) => members.values().flat_map(texts).collect(),
        _ => Vec::new(),
    }
}

#[test]
fn health_and_readiness_answer_200() {
    let daemon = Daemon::live(acme(CRM, &[]));
    assert_eq!(daemon.get("/healthz").status, 200);
    assert_eq!(daemon.get("/readyz").status, 200);
}

#[test]
fn status_reports_the_rules_in_force_and_the_memory_store() {
    let daemon = Daemon::live(acme(CRM, &[]));
    let version = daemon.check(&pay("t1", "1.00")).ok()["config_version"].clone();
    let status = daemon.get("/v1/status").ok();
    let texts = texts(&status);
    assert!(texts.iter().any(|text| text.contains("memory")), "the status reports the memory store: {status}");
    assert!(texts.contains(&env!("CARGO_PKG_VERSION")), "the program's version: {status}");
    assert!(texts.contains(&version.as_str().expect("a text")), "the rules in force: {status}");
    let log = daemon.log().to_lowercase();
    assert!(log.contains("memory"), "the start says it too: {log}");
    assert!(log.contains("no tokens"), "the log warns that loopback needs no token: {log}");
}

/// The nice values of the daemon's threads of a name.
fn nice_values(daemon: &Daemon, name: &str) -> Vec<i32> {
    let threads = std::fs::read_dir(format!("/proc/{}/task", daemon.pid())).expect("the daemon's threads");
    // A thread can end before its file is read.
    let stats = threads.filter_map(|thread| std::fs::read_to_string(thread.ok()?.path().join("stat")).ok());
    let nice = |stat: String| {
        let (head, fields) = stat.rsplit_once(") ")?;
        let is_named = head.split_once('(').is_some_and(|(_, of_thread)| of_thread == name);
        is_named.then(|| fields.split(' ').nth(16)?.parse().ok()).flatten()
    };
    stats.filter_map(nice).collect()
}

#[test]
fn work_beside_payments_runs_on_threads_with_a_lower_priority() {
    let settings = Settings { store: "kind = \"disk\"\nmin_free_bytes = 0", ..Settings::SYSTEM };
    let daemon = Daemon::start(ConfigFolder::new(&settings, &[("acme", acme(CRM, &[]))]));
    daemon.get("/v1/merchants/acme/customers").ok();
    let of_payments = nice_values(&daemon, "tokio-rt-worker");
    let normal = of_payments[0];
    assert_eq!(of_payments, vec![normal; of_payments.len()]);
    assert_eq!(nice_values(&daemon, "journal-write"), [normal]);
    let lower = (normal + 5).min(19);
    assert_eq!(nice_values(&daemon, "maintenance"), [lower]);
    // A thread that has just been started lowers its priority before it works.
    eventually("all background threads have the lower priority", || {
        let background = nice_values(&daemon, "background");
        background.len() > 1 && background.iter().all(|nice| *nice == lower)
    });
}

/// The sum of the samples whose line has all of these parts.
fn samples(metrics: &str, parts: &[&str]) -> u64 {
    let lines = metrics.lines().filter(|line| !line.starts_with('#') && parts.iter().all(|part| line.contains(part)));
    lines.filter_map(|line| line.rsplit(' ').next()).filter_map(|value| value.parse::<u64>().ok()).sum()
}

#[test]
fn metrics_count_decisions_by_their_outcome() {
    let daemon = Daemon::live(gold("window = \"daily\"; quantity_limit = 3"));
    let metrics = || {
        let answer = daemon.get("/metrics");
        assert_eq!(answer.status, 200);
        assert!(answer.header("content-type").unwrap_or_default().starts_with("text/plain"), "{:?}", answer.headers);
        answer.body
    };
    let before = metrics();
    for number in 0..5 {
        daemon.reserve(&pay(&format!("t{number}"), "1.00")).ok();
    }
    daemon.reserve(&json!({})).problem(400);
    let after = metrics();
    for (decision, moved) in [("decision=\"allow\"", 3), ("decision=\"deny\"", 2)] {
        let parts = ["levelgate_decisions_total", decision];
        let difference = samples(&after, &parts) - samples(&before, &parts);
        assert_eq!(difference, moved, "{decision} in\n{after}");
    }
    assert!(samples(&after, &["19001"]) >= 2, "denials are counted by code:\n{after}");
    for line in after.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let value = line.rsplit(' ').next().unwrap_or_default();
        assert!(value.parse::<f64>().is_ok(), "name, labels, value: {line:?}");
    }
    assert!(!after.contains("alice"), "no customer is named in a metric:\n{after}");
}

#[test]
fn merchants_are_listed_and_shown_with_what_is_in_force() {
    let other = acme(GATEWAY, &[]).replace("id = \"acme\"", "id = \"zenith\"").replace("Acme Games", "Zenith");
    let gold = gold("name = \"day-limit\"; window = \"daily\"; amount_limit = \"500.00\"");
    let daemon = Daemon::start(ConfigFolder::new(&Settings::SYSTEM, &[("acme", gold), ("zenith", other)]));
    let list = daemon.get("/v1/merchants").ok();
    for id in ["acme", "zenith"] {
        assert!(texts(&list).contains(&id), "{id} is listed: {list}");
    }
    let merchant = daemon.get("/v1/merchants/acme").ok();
    assert_eq!(merchant["id"], "acme", "{merchant}");
    assert_eq!(merchant["name"], "Acme Games", "{merchant}");
    assert_eq!(merchant["operation_mode"], "crm", "{merchant}");
    assert_eq!(merchant["default_behaviour"], "unknown_level", "a default is shown as it applies: {merchant}");
    assert_eq!(merchant["time_zone"], "UTC", "{merchant}");
    let parts = texts(&merchant);
    for part in ["web", "web-eur", "gate-a", "gate-off", "gold", "day-limit", "500.00", "card", "1000.00"] {
        assert!(parts.contains(&part), "{part} is shown: {merchant}");
    }
    assert_eq!(daemon.get("/v1/merchants/zenith").ok()["operation_mode"], "payment_gateway");
    daemon.get("/v1/merchants/nowhere").problem(404);
}

#[test]
fn sigterm_answers_the_request_in_flight_and_ends_with_0() {
    let mut daemon = Daemon::live(gold("window = \"daily\"; amount_limit = \"100.00\""));
    let body = pay("in-flight", "1.00").to_string();
    let path = "/v1/merchants/acme/transactions";
    let head = raw_http::head("POST", path, body.len()).replace("connection: close", "expect: 100-continue");
    let mut stream = raw_http::connect(daemon.port());
    stream.write_all(head.as_bytes()).expect("the head is sent");
    let mut reading = AnswerReader::new(stream.try_clone().expect("a second handle"));
    // The daemon asks for the body only once the request is in its hands.
    let line = reading.head_line();
    assert!(line.starts_with("HTTP/1.1 100"), "{line}");
    let (first, second) = body.split_at(body.len() / 2);
    stream.write_all(first.as_bytes()).expect("half the body is sent");
    daemon.signal("TERM");
    let port = daemon.port();
    eventually("the daemon takes no more", || TcpStream::connect(("127.0.0.1", port)).is_err());
    stream.write_all(second.as_bytes()).expect("the rest is sent");
    assert_eq!(reading.head_line(), "", "the interim answer ends");
    let answer = reading.answer();
    assert_allowed(answer.ok());
    drop(stream);
    let status = daemon.wait();
    assert_eq!(status.code(), Some(0), "{status}; standard error:\n{}", daemon.log());
}

#[test]
fn an_idle_connection_does_not_keep_the_daemon_from_ending() {
    let mut daemon = Daemon::live(acme(CRM, &[]));
    daemon.reserve(&pay("t1", "1.00")).ok();
    let idle = raw_http::connect(daemon.port());
    daemon.signal("TERM");
    assert_eq!(daemon.wait().code(), Some(0), "standard error:\n{}", daemon.log());
    drop(idle);
    let mut daemon = Daemon::live(acme(CRM, &[]));
    daemon.signal("INT");
    assert_eq!(daemon.wait().code(), Some(0), "standard error:\n{}", daemon.log());
}

#[test]
fn a_start_on_a_broken_configuration_exits_with_1_and_prints_every_problem() {
    let broken = acme(CRM, &[]).replace("gates = [\"gate-a\", \"gate-b\"]", "gates = [\"gate-a\", \"gate-nowhere\"]");
    let folder = ConfigFolder::new(&Settings::SYSTEM, &[("acme", broken)]);
    folder.write(
        "rates.toml",
        "base = \"EUR\"\nas_of = 2026-11-20T00:00:00Z\nmax_agee = \"24h\"\n[rates]\nUSD = \"1.25\"\n",
    );
    let config = folder.path().to_str().expect("a path in UTF-8").to_owned();
    for command in ["serve", "check"] {
        let arguments = if command == "serve" { vec![command, "--config", &config] } else { vec![command, &config] };
        let ended = run(&folder, &arguments);
        assert_eq!(ended.code, Some(1), "{command}:\n{}", ended.text);
        for part in ["gate-nowhere", "max_agee", "acme.toml", "rates.toml"] {
            assert!(ended.text.contains(part), "{command} names {part}:\n{}", ended.text);
        }
        assert!(!ended.text.contains("panicked"), "{}", ended.text);
    }
}

#[test]
fn a_good_configuration_passes_the_check_and_a_missing_one_does_not() {
    let folder = ConfigFolder::new(&Settings::SYSTEM, &[("acme", acme(CRM, &[]))]);
    let config = folder.path().to_str().expect("a path in UTF-8").to_owned();
    let ended = run(&folder, &["check", &config]);
    assert_eq!(ended.code, Some(0), "{}", ended.text);
    let ended = run(&folder, &["check", &format!("{config}/nowhere")]);
    assert_eq!(ended.code, Some(1), "{}", ended.text);
}

#[test]
fn without_tokens_an_address_beyond_loopback_is_refused() {
    for listen in ["0.0.0.0:0", "[::]:0"] {
        let settings = Settings { listen, ..Settings::SYSTEM };
        let folder = ConfigFolder::new(&settings, &[("acme", acme(CRM, &[]))]);
        let config = folder.path().to_str().expect("a path in UTF-8").to_owned();
        let ended = run(&folder, &["serve", "--config", &config]);
        assert_eq!(ended.code, Some(1), "{listen}:\n{}", ended.text);
        let text = ended.text.to_lowercase();
        assert!(text.contains("tokens") && text.contains("127.0.0.1"), "both remedies are named:\n{}", ended.text);
    }
}

#[test]
fn the_memory_store_forgets_everything_with_the_process() {
    let mut daemon = Daemon::live(gold("window = \"daily\"; quantity_limit = 1"));
    daemon.reserve(&pay("t1", "1.00")).ok();
    assert_denied(&daemon.reserve(&pay("t2", "1.00")).ok(), &["19001 daily_quantity_limit_exceeded daily"]);
    daemon.signal("TERM");
    assert_eq!(daemon.wait().code(), Some(0));
    let daemon = Daemon::live(gold("window = \"daily\"; quantity_limit = 1"));
    daemon.fetch("t1").problem(404);
    assert_allowed(daemon.reserve(&pay("t2", "1.00")).ok());
}

#[test]
fn a_full_memory_refuses_new_reserves_and_takes_facts() {
    let folder = ConfigFolder::new(&Settings::SYSTEM, &[("acme", acme(CRM, &[]))]);
    folder.write("levelgate.toml", &format!("{}\n[memory]\nmax_transactions = 2\n", Settings::SYSTEM.text()));
    let daemon = Daemon::start(folder);
    daemon.reserve(&pay("t1", "1.00")).ok();
    daemon.reserve(&pay("t2", "1.00")).ok();
    let refused = daemon.reserve(&pay("t3", "1.00"));
    assert!(refused.header("retry-after").is_some());
    assert_eq!(refused.problem(503)["code"], "memory_full");
    assert!(daemon.reserve(&pay("t1", "1.00")).is_replay(), "what is known is answered");
    assert_eq!(daemon.step("t1", "approve", &json!({})).ok()["status"], "approved");
    let unreserved = without(pay("t4", "1.00"), &["transaction_id"]);
    assert_eq!(daemon.step("t4", "approve", &unreserved).ok()["flags"], json!(["unreserved"]));
}

#[test]
fn connections_beyond_the_limit_get_503_until_there_is_room() {
    let folder = ConfigFolder::new(&Settings::SYSTEM, &[("acme", acme(CRM, &[level("gold", "")]))]);
    let text = Settings::SYSTEM.text().replace("[http]\n", "[http]\nmax_connections = 8\n");
    folder.write("levelgate.toml", &text);
    let daemon = Daemon::start(folder);
    let request = "GET /v1/merchants HTTP/1.1\r\nhost: localhost\r\n\r\n";
    // Eight who say nothing yet: the test's own connection is one of those that there is room for.
    let connect = || {
        let stream = TcpStream::connect(("127.0.0.1", daemon.port())).expect("a connection");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        stream
    };
    let silent: Vec<TcpStream> = (0..8).map(|_| connect()).collect();
    let ask = || {
        let mut stream = connect();
        stream.write_all(request.as_bytes()).expect("a request");
        let mut answer = [0; 4096];
        let length = stream.read(&mut answer).expect("an answer");
        String::from_utf8_lossy(&answer[..length]).into_owned()
    };
    let answer = ask();
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    assert!(answer.contains("retry-after: 1") && answer.contains("too_many_connections"), "{answer}");
    drop(silent);
    eventually("there is room again", || ask().starts_with("HTTP/1.1 200"));
}
