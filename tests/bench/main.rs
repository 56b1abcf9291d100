//! `levelgate bench` as its users run it: short runs against real daemons. No figure is asserted, only what was recorded.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

mod tls;

use serde_json::Value;
use std::{fs, path::Path};
use support::{
    daemon::{ConfigFolder, Daemon, Settings},
    figures::{figure_line, slope},
    fixtures::{CRM, acme},
    process::{self, Ended, program},
};

/// Small enough for a machine that does other things. The generator may be as late as it likes.
const SMALL: &[&str] = &["--customers", "60", "--connections", "6", "--warm-up", "0", "--lag-max", "1000s"];

fn bench(arguments: &[&str]) -> Ended {
    let mut command = program();
    command.arg("bench").args(arguments);
    process::run(command)
}

/// Runs a small bench that must succeed. Returns what it printed and its file.
#[track_caller]
fn measured(folder: &Path, arguments: &[&str]) -> (String, Value) {
    let json = folder.join("bench.json");
    let file = json.to_str().unwrap();
    let ended = bench(&[SMALL, arguments, &["--json", file]].concat());
    assert_eq!(ended.code, Some(0), "{}", ended.text);
    (ended.text, serde_json::from_str(&fs::read_to_string(&json).unwrap()).unwrap())
}

/// Asserts that all runs are valid, and that every daemon has recorded what it answered.
#[track_caller]
fn assert_valid(report: &Value, daemons: usize) {
    assert_eq!(report["valid"], true, "{report}");
    let usage = report["usage"].as_array().unwrap();
    assert_eq!(usage.len(), daemons);
    for one in usage {
        assert_eq!((&one["different"], &one["uncertain"]), (&Value::from(0), &Value::from(0)), "{one}");
        assert!(one["customers"].as_u64().unwrap() > 0 && one["transactions"].as_u64().unwrap() > 0, "{one}");
    }
    for run in report["runs"].as_array().unwrap() {
        let done = run["done"].as_object().unwrap().values().map(|count| count.as_u64().unwrap()).sum::<u64>();
        assert_eq!(run["requests"], done, "{run}");
        assert_eq!(run["latency"]["count"], done, "{run}");
    }
}

#[test]
fn an_open_loop_is_measured_and_its_usage_is_equal() {
    let folder = tempfile::tempdir().unwrap();
    let hgrm = folder.path().join("bench.hgrm");
    let order = ["--rate", "500", "--seconds", "2", "--hgrm", hgrm.to_str().unwrap()];
    let (text, report) = measured(folder.path(), &order);
    assert_valid(&report, 1);
    let run = &report["runs"][0];
    assert_eq!((&run["offered"], &run["requests"]), (&Value::from(500), &Value::from(1_000)));
    assert!(run["server_cpu_ns"].is_u64(), "{run}");
    assert_eq!(report["usage"][0]["customers"], 60);
    assert!(report["memory"]["transaction_bytes"].is_u64(), "{report}");
    for words in
        ["seed 1, 60 customers", "operations   reserve=50,", "equal to the bench's own sum", "p99.99", "The generator"]
    {
        assert!(text.contains(words), "{words:?} in\n{text}");
    }
    assert!(fs::read_to_string(&hgrm).unwrap().contains("Total count    =         1000]"));

    // The same seed is the same workload, and a file compared with itself has no changes.
    let hash = |report: &Value| report["runs"][0]["workload_hash"].as_str().unwrap().to_owned();
    let (_, again) = measured(folder.path(), &order);
    assert_eq!(hash(&again), hash(&report));
    let (_, other) = measured(folder.path(), &[&order[..], &["--seed", "2"]].concat());
    assert_ne!(hash(&other), hash(&report));
    let json = folder.path().join("bench.json");
    let diff = bench(&["--diff", json.to_str().unwrap(), json.to_str().unwrap()]);
    assert_eq!(diff.code, Some(0), "{}", diff.text);
    assert!(diff.text.contains("bench levelgate 500/s: latency") && diff.text.contains("+0.0 %"), "{}", diff.text);
}

#[test]
fn every_store_is_measured() {
    let folder = tempfile::tempdir().unwrap();
    for store in ["always", "never", "memory"] {
        let (text, report) = measured(folder.path(), &["--store", store, "--rate", "200", "--seconds", "1"]);
        assert_valid(&report, 1);
        assert!(text.contains(&format!("store {store}")), "{text}");
    }
}

#[test]
fn the_floor_is_measured_in_turns() {
    let folder = tempfile::tempdir().unwrap();
    let (text, report) = measured(
        folder.path(),
        &["--compare", "floor", "--turns", "2", "--rate", "200", "--saturate", "--seconds", "1"],
    );
    assert_valid(&report, 1);
    let labels = |label: &str| report["runs"].as_array().unwrap().iter().filter(|run| run["label"] == label).count();
    assert_eq!((labels("levelgate"), labels("floor")), (4, 4));
    for ratio in report["ratios"].as_array().unwrap() {
        assert_eq!(ratio["turns"], 2, "{ratio}");
    }
    assert!(text.contains("levelgate against floor"), "{text}");
}

#[test]
fn the_unix_socket_is_measured_in_turns() {
    let folder = tempfile::tempdir().unwrap();
    let order = ["--compare", "unix", "--turns", "2", "--rate", "200", "--seconds", "1"];
    let (text, report) = measured(folder.path(), &order);
    // Both daemons have recorded what they answered.
    assert_valid(&report, 2);
    let labels = |label: &str| report["runs"].as_array().unwrap().iter().filter(|run| run["label"] == label).count();
    assert_eq!((labels("levelgate"), labels("unix")), (2, 2));
    assert!(text.contains("levelgate against unix"), "{text}");
}

#[test]
fn a_daemon_is_measured_during_other_work() {
    const WORK: [&str; 6] = ["snapshot", "reload", "archive", "upload", "download", "busy-loop"];
    let folder = tempfile::tempdir().unwrap();
    let sizes = ["--rate", "100,200", "--seconds", "1", "--rows", "50", "--merchants", "3"];
    let during = WORK.join(",");
    let (text, report) = measured(folder.path(), &[&["--during", during.as_str()], &sizes[..]].concat());
    assert_valid(&report, 1 + WORK.len());
    for label in WORK {
        for offered in ["100/s", "200/s"] {
            let work = &report["disturbances"][format!("{label} {offered}")];
            assert!(work["finished"].as_u64().unwrap() > 0, "{label} {offered}: {work}");
        }
        assert!(text.contains(label), "{text}");
    }
}

#[test]
fn the_highest_rate_is_searched() {
    let folder = tempfile::tempdir().unwrap();
    // No daemon answers within a nanosecond.
    let (_, report) = measured(folder.path(), &["--find-max", "--slo", "p50=1ns", "--seconds", "1", "--fill", "0"]);
    assert_eq!(report["max_rate"], 0);
    assert_valid(&report, 1);
}

#[test]
fn a_running_daemon_is_measured_only_at_a_merchant_that_is_reserved() {
    let merchant = bench(&["--print-merchant"]);
    assert_eq!(merchant.code, Some(0), "{}", merchant.text);
    let unmarked = merchant.text.replace("benchmark = true", "").replace("\"bench\"", "\"plain\"");
    let merchants = [("acme", acme(CRM, &[])), ("bench", merchant.text), ("plain", unmarked)];
    let folder = ConfigFolder::new(&Settings::SYSTEM, &merchants);
    fs::write(folder.path().join("gateway.token"), "token-of-the-bench-0123456789abcdef").unwrap();
    let settings = Settings::SYSTEM.text();
    let tokens = "[auth]\ntokens = [{ name = \"b\", role = \"gateway\", token_file = \"gateway.token\", merchants = [\"bench\", \"plain\"] }]\n";
    folder.write("levelgate.toml", &format!("{settings}\n{tokens}"));
    let token = folder.path().join("gateway.token").to_str().unwrap().to_owned();
    let daemon = Daemon::start(folder);
    let (url, pid) = (format!("http://127.0.0.1:{}", daemon.port()), daemon.pid().to_string());

    let order = |merchant: &'static str| {
        let words = ["--url", &url, "--token-file", &token, "--merchant", merchant, "--pid", &pid];
        [words.map(str::to_owned).to_vec(), ["--rate", "200", "--seconds", "1"].map(str::to_owned).to_vec()].concat()
    };
    let words = |order: &[String]| order.iter().map(|word| word.as_str().to_owned()).collect::<Vec<_>>();
    let scratch = tempfile::tempdir().unwrap();
    // Twice: what an earlier bench has recorded does not matter.
    for _ in 0..2 {
        let order = words(&order("bench"));
        let order: Vec<&str> = order.iter().map(String::as_str).collect();
        let (_, report) = measured(scratch.path(), &order);
        assert_valid(&report, 1);
        assert!(report["runs"][0]["server_cpu_ns"].is_u64(), "{report}");
    }
    for (merchant, refusal) in [
        ("plain", "the merchant plain is not reserved for benches"),
        ("acme", "does not show the merchant acme"),
        ("nobody", "does not show the merchant nobody"),
    ] {
        let order = words(&order(merchant));
        let order: Vec<&str> = order.iter().map(String::as_str).collect();
        let ended = bench(&[SMALL, &order].concat());
        assert_eq!(ended.code, Some(1), "{}", ended.text);
        assert!(ended.text.contains(refusal), "{}", ended.text);
    }
}

#[test]
fn the_workload_is_printed_without_a_run() {
    let show = |seed: &str| {
        let ended = bench(&["--show", "5", "--seed", seed]);
        assert_eq!(ended.code, Some(0), "{}", ended.text);
        ended.text
    };
    assert_eq!(show("1"), show("1"));
    assert_ne!(show("1"), show("2"));
    assert_eq!(show("1").lines().count(), 6);
    assert!(show("1").starts_with("POST /v1/merchants/bench/"), "{}", show("1"));
}

#[test]
fn wrong_usage_is_refused() {
    for arguments in [
        &["--url", "http://127.0.0.1:1"][..],
        &["--merchant", "bench"],
        &["--find-max"],
        &["--find-max", "--slo", "p98=1ms"],
        &["--rate", "0"],
        &["--mix", "refund=1"],
        &["--during", "nothing"],
        &["--diff", "one"],
        &["--lag-max", "1"],
    ] {
        let ended = bench(arguments);
        assert_eq!(ended.code, Some(2), "{arguments:?}: {}", ended.text);
    }
    let ended = bench(&["--diff", "/nowhere/a", "/nowhere/b"]);
    assert_eq!(ended.code, Some(1), "{}", ended.text);
    let ended = bench(&["--url", "http://127.0.0.1:1", "--merchant", "bench", "--compare", "unix"]);
    assert!(ended.code == Some(1) && ended.text.contains("leave out --url"), "{}", ended.text);
}

#[test]
fn figures_of_the_benches_are_compared() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    fs::write(path("old"), figure_line("reserve, one thread", "ns", 700, Some(1_500), 10)).unwrap();
    fs::write(path("new"), figure_line("reserve, one thread", "ns", 350, None, 10)).unwrap();
    let ended = bench(&["--diff", &path("old"), &path("new")]);
    assert_eq!(ended.code, Some(0), "{}", ended.text);
    assert!(ended.text.contains("-50.0 %") && !ended.text.contains("machines differ"), "{}", ended.text);
}

#[test]
fn growth_is_said_in_words() {
    for (points, words) in [
        (&[(1_000, 100), (10_000_000, 115)][..], "flat from 1 k to 10 M"),
        (&[(10, 100), (1_000, 500), (100_000, 130)], "grows 1.30x from 10 to 100 k"),
        (&[(1, 1_000), (1_000, 250)], "falls to 0.25x from 1 to 1 k"),
        (&[], "no sizes"),
    ] {
        assert_eq!(slope(points), words);
    }
}
