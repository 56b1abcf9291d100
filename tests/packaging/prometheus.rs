//! Metrics by the conventions of Prometheus, and the alerts.

use serde_json::json;
use std::collections::BTreeSet;

use crate::{printed, run_system};
use support::daemon::{ConfigFolder, Daemon, Settings};
use support::fixtures::{gold, pay};

/// A daemon on a disk that has answered, refused and reloaded.
fn busy_daemon() -> Daemon {
    let filters = "name = \"day\"; window = \"daily\"; quantity_limit = 2";
    let acme = gold(filters).replace(
        "quantity_limit = 2",
        "quantity_limit = 2\n  [[levels.filters]]\n  name = \"trial\"\n  window = \"weekly\"\n  quantity_limit = 1\n  mode = \"shadow\"",
    );
    let settings = Settings { store: "kind = \"disk\"\npath = \"data\"", ..Settings::SYSTEM };
    let daemon = Daemon::start(ConfigFolder::new(&settings, &[("acme", acme)]));
    for number in 0..4 {
        daemon.reserve(&pay(&format!("t{number}"), "1.00")).ok();
    }
    daemon.check(&pay("t9", "1.00")).ok();
    daemon.reserve(&json!({})).problem(400);
    for (number, outcome) in [(1, "declined"), (2, "approved"), (3, "alice@example.com")] {
        let attempt =
            json!({ "attempt": number, "gate": if number == 3 { "elsewhere" } else { "gate-a" }, "outcome": outcome });
        daemon.step("t0", "attempts", &attempt).ok();
    }
    daemon.step("t0", "approve", &json!({})).ok();
    daemon.post_nothing("/v1/snapshot").ok();
    daemon.post_nothing("/v1/reload").ok();
    daemon.folder.write("merchants/other.toml", "id = ");
    assert_ne!(daemon.post_nothing("/v1/reload").status, 200);
    daemon.get("/nowhere").problem(404);
    daemon
}

/// The value of the only line that begins so.
fn value(metrics: &str, start: &str) -> f64 {
    let mut lines = metrics.lines().filter_map(|line| line.strip_prefix(start));
    let rest = lines.next().unwrap_or_else(|| panic!("no line begins with {start} in\n{metrics}"));
    assert_eq!(lines.next(), None, "{start} is not unique");
    let value = rest.rsplit(' ').next().unwrap();
    value.parse().unwrap_or_else(|_| panic!("{start}: {rest}"))
}

#[test]
fn metrics_follow_the_conventions_and_count_what_happened() {
    let daemon = busy_daemon();
    let metrics = daemon.get("/metrics").body;
    let judged = run_system("promtool", &["check", "metrics"], &metrics);
    assert!(judged.status.success() && printed(&judged).is_empty(), "{}\n{metrics}", printed(&judged));

    let reserve = "operation=\"POST /v1/merchants/{merchant}/transactions\"";
    let level = "merchant=\"acme\",direction=\"deposit\",currency=\"EUR\",level=\"gold\"";
    for (start, expected) in [
        (format!("levelgate_request_seconds_count{{{reserve},outcome=\"answered\"}}"), 4.0),
        (format!("levelgate_request_seconds_count{{{reserve},outcome=\"refused\"}}"), 1.0),
        ("levelgate_decision_seconds_count{decision=\"allow\"}".to_owned(), 2.0),
        ("levelgate_decision_seconds_count{decision=\"deny\"}".to_owned(), 2.0),
        (format!("levelgate_filter_denials_total{{{level},filter=\"day\"}}"), 2.0),
        (format!("levelgate_filter_shadow_denials_total{{{level},filter=\"trial\"}}"), 3.0),
        ("levelgate_gate_attempts_total{merchant=\"acme\",gate=\"gate-a\",outcome=\"declined\"}".to_owned(), 1.0),
        ("levelgate_gate_attempts_total{merchant=\"acme\",gate=\"gate-a\",outcome=\"approved\"}".to_owned(), 1.0),
        ("levelgate_gate_attempts_total{merchant=\"acme\",gate=\"other\",outcome=\"other\"}".to_owned(), 1.0),
        ("levelgate_config_last_reload_successful".to_owned(), 0.0),
        ("levelgate_reload_seconds_count{outcome=\"applied\"}".to_owned(), 1.0),
        ("levelgate_reload_seconds_count{outcome=\"refused\"}".to_owned(), 1.0),
        ("levelgate_snapshot_seconds_count".to_owned(), 1.0),
        (format!("levelgate_build_info{{version=\"{}\"}}", env!("CARGO_PKG_VERSION")), 1.0),
    ] {
        assert!((value(&metrics, &start) - expected).abs() < 0.5, "{start} is not {expected}:\n{metrics}");
    }
    for start in [
        "levelgate_answer_seconds_count",
        "levelgate_commit_wait_seconds_count",
        "levelgate_journal_sync_seconds_count",
        "levelgate_config_problems{severity=\"error\"}",
        "levelgate_config_last_reload_success_timestamp_seconds",
        "levelgate_journal_backlog_bytes_max",
        "levelgate_snapshot_bytes",
        "process_resident_memory_bytes",
        "process_open_fds",
        "process_max_fds",
        "process_start_time_seconds",
    ] {
        assert!(value(&metrics, &format!("{start} ").replace("} ", "}")) > 0.0, "{start} is zero:\n{metrics}");
    }
    assert!(value(&metrics, "process_cpu_seconds_total ") >= 0.0);
    assert!(!metrics.contains("alice"), "no customer is named in a metric:\n{metrics}");
}

#[test]
fn every_alert_fires_on_its_series_alone_and_names_cause_and_remedy() {
    let rules = "packaging/prometheus/levelgate-alerts.yml";
    let checked = run_system("promtool", &["check", "rules", rules], "");
    assert!(checked.status.success(), "{}", printed(&checked));
    let tests = "tests/packaging/alerts_test.yml";
    let run = run_system("promtool", &["test", "rules", tests], "");
    assert!(run.status.success(), "{}", printed(&run));

    let read = |path: &str| std::fs::read_to_string(support::environment::repository().join(path)).unwrap();
    let (rules, tests) = (read(rules), read(tests));
    let alerts: Vec<&str> = rules.split("- alert: ").skip(1).collect();
    assert!(alerts.len() > 10, "the alerts were found: {}", alerts.len());
    for alert in alerts {
        let name = alert.lines().next().unwrap();
        for annotation in ["summary: \"", "cause: \"", "remedy: \""] {
            assert_eq!(alert.matches(annotation).count(), 1, "{name}: {annotation}");
        }
        assert!(tests.contains(&format!("{{alertname=\"{name}\"}}")), "{name} has a test");
    }
}

/// The names of metrics in a text that begin so.
fn names_in(text: &str, start: &str) -> BTreeSet<String> {
    let name = |at: usize| text[at..].chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect();
    text.match_indices(start).map(|(at, _)| name(at)).collect()
}

#[test]
fn dashboard_and_rules_name_only_metrics_that_exist() {
    const OF_THE_PROCESS: [&str; 6] = [
        "process_cpu_seconds_total",
        "process_max_fds",
        "process_open_fds",
        "process_resident_memory_bytes",
        "process_start_time_seconds",
        "process_threads",
    ];
    let read = |path: &str| std::fs::read_to_string(support::environment::repository().join(path)).unwrap();
    let table = read("src/telemetry/descriptions.rs");
    let (_, table) = table.split_once("const METRICS").unwrap();
    let (table, _) = table.split_once("];").unwrap();
    let mut known = names_in(table, "levelgate_");
    assert!(known.len() > 60, "the table was found: {}", known.len());
    known.extend(OF_THE_PROCESS.map(str::to_owned));
    for path in ["packaging/grafana/levelgate.json", "packaging/prometheus/levelgate-alerts.yml"] {
        let text = read(path);
        let named: BTreeSet<String> =
            names_in(&text, "levelgate_").union(&names_in(&text, "process_")).cloned().collect();
        assert!(named.len() > 10, "{path} names metrics: {named:?}");
        let is_known = |name: &String| {
            let mut series = ["_bucket", "_count", "_sum"].iter().filter_map(|end| name.strip_suffix(end));
            known.contains(name) || series.any(|name| known.contains(name))
        };
        let unknown: Vec<&String> = named.iter().filter(|name| !is_known(name)).collect();
        assert!(unknown.is_empty(), "{path} names metrics that do not exist: {unknown:?}");
    }
}
