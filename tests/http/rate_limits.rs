//! The rate of requests of a token: payments, other calls, batches, reloads.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::token_access::call;
use support::daemon::{ConfigFolder, Daemon, Settings};
use support::fixtures::{CRM, acme, pay};
use support::process::eventually;

const OPERATOR: &str = "operator-token-0123456789";
const GATEWAY: &str = "gateway-token-0123456789";
const RESERVE: &str = "/v1/merchants/acme/transactions";

/// Writes `levelgate.toml`: an operator, and a gateway whose entry has these keys too.
fn write_tokens(folder: &ConfigFolder, keys: &str) {
    let file = |name: &str| folder.path().join(format!("{name}.token")).display().to_string();
    folder.write("operator.token", OPERATOR);
    folder.write("gateway.token", GATEWAY);
    let (operator, gateway) = (file("operator"), file("gateway"));
    folder.write(
        "levelgate.toml",
        &format!(
            "{}\n[auth]\ntokens = [\n  {{ role = \"operator\", token_file = {operator:?} }},\n  \
             {{ role = \"gateway\", token_file = {gateway:?}{keys} }},\n]\n",
            Settings::SYSTEM.text()
        ),
    );
}

fn daemon(keys: &str) -> Daemon {
    let folder = ConfigFolder::new(&Settings::SYSTEM, &[("acme", acme(CRM, &[]))]);
    write_tokens(&folder, keys);
    Daemon::start(folder)
}

/// The statuses of so many calls one after the other, and the time that they took.
fn statuses(count: usize, mut one: impl FnMut(usize) -> u16) -> (Vec<u16>, Duration) {
    let began = Instant::now();
    ((0..count).map(&mut one).collect(), began.elapsed())
}

/// Asserts that the first calls of a burst pass, and later ones at one a second at most.
#[track_caller]
fn assert_limited((statuses, took): (Vec<u16>, Duration), burst: usize) {
    let passed = statuses.iter().filter(|status| **status == 200).count();
    let refused = statuses.iter().filter(|status| **status == 429).count();
    assert_eq!(passed + refused, statuses.len(), "{statuses:?}");
    assert!(statuses.iter().take(burst).all(|status| *status == 200), "the burst passes: {statuses:?}");
    let most = burst + usize::try_from(took.as_secs()).expect("a short time") + 1;
    assert!(passed <= most, "{passed} calls in {took:?}: {statuses:?}");
}

fn metric(daemon: &Daemon, name: &str) -> u64 {
    let (_, answer) = call(daemon, "GET", "/metrics", OPERATOR, "");
    let line = answer.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix("{token=\"gateway\"} "));
    line.map_or(0, |value| value.trim().parse().expect("a number"))
}

#[test]
fn a_token_beyond_its_rate_is_refused_and_others_are_not() {
    let daemon = daemon(", requests_per_second = 1, burst = 3");
    let reserve =
        |n: usize, token: &str| call(&daemon, "POST", RESERVE, token, &pay(&format!("t{n}"), "1.00").to_string());
    let mut refusals = Vec::new();
    let tried = statuses(8, |n| {
        let (status, answer) = reserve(n, GATEWAY);
        if status == 429 {
            refusals.push((n, answer));
        }
        status
    });
    assert_limited(tried, 3);
    assert_eq!(metric(&daemon, "levelgate_rate_limited_total"), u64::try_from(refusals.len()).expect("few"));
    for (n, answer) in &refusals {
        let lower = answer.to_ascii_lowercase();
        assert!(lower.contains("retry-after: 1\r\n") && lower.contains("\"code\":\"rate_limited\""), "{answer}");
        assert!(!answer.contains(GATEWAY), "the secret is not shown: {answer}");
        // Nothing was recorded.
        assert_eq!(call(&daemon, "GET", &format!("{RESERVE}/t{n}"), OPERATOR, "").0, 404);
    }
    // Another token has no limit. Health checks need no token.
    assert!(statuses(20, |n| reserve(100 + n, OPERATOR).0).0.iter().all(|status| *status == 200));
    assert!(statuses(20, |_| call(&daemon, "GET", "/healthz", "", "").0).0.iter().all(|status| *status == 200));
    assert!(refusals.len() >= 2, "a machine that takes seconds for eight calls: {refusals:?}");
}

#[test]
fn every_kind_of_call_counts() {
    let daemon = daemon(", requests_per_second = 1, burst = 2");
    // Reads, payments on the short way and on the long one, calls that are refused, paths that do not exist.
    for (method, path, body, passes) in [
        ("GET", "/v1/merchants/acme/transactions", String::new(), 200),
        ("POST", RESERVE, pay("t1", "1.00").to_string(), 200),
        ("POST", "/v1/reload", String::new(), 403),
        ("GET", "/v1/nowhere", String::new(), 404),
    ] {
        std::thread::sleep(Duration::from_millis(2_100));
        let (mut seen, _) = statuses(12, |_| call(&daemon, method, path, GATEWAY, &body).0);
        assert_eq!(seen[..2], [passes, passes], "{method} {path}: {seen:?}");
        seen.dedup();
        assert!(seen.contains(&429), "{method} {path}: {seen:?}");
    }
}

#[test]
fn lines_of_a_batch_wait_for_their_turn() {
    let daemon = daemon(", requests_per_second = 4, burst = 2");
    let line = |n: usize| {
        let mut line = pay(&format!("b{n}"), "1.00");
        line["op"] = json!("reserve");
        line["merchant"] = json!("acme");
        line.to_string()
    };
    // The call and seven lines are eight requests: two at once, six more at a quarter of a second each. The last line has no
    // line end.
    let body = (0..7).map(line).collect::<Vec<_>>().join("\n");
    let began = Instant::now();
    let (status, answer) = call(&daemon, "POST", "/v1/batch", GATEWAY, &body);
    let took = began.elapsed();
    assert_eq!(status, 200);
    let answers: Vec<Value> = answer
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .filter(|answer: &Value| answer.is_object())
        .collect();
    assert_eq!(answers.len(), 7, "{answer}");
    assert!(answers.iter().all(|answer| answer["decision"] == "allow"), "{answer}");
    assert!(took >= Duration::from_millis(1_450), "{took:?}");
    assert!(metric(&daemon, "levelgate_rate_limit_waits_total") >= 1);
    assert_eq!(metric(&daemon, "levelgate_rate_limited_total"), 0);
    // Without a limit no line waits.
    let (status, answer) = call(&daemon, "POST", "/v1/batch", OPERATOR, &body);
    assert!(status == 200 && answer.matches("\"replay\":true").count() == 7, "{answer}");
}

/// A batch of one line, which is none, whose sender has not ended it. It runs until it is dropped.
fn endless_batch(daemon: &Daemon, token: &str) -> (TcpStream, u16) {
    let mut stream = TcpStream::connect(("127.0.0.1", daemon.port())).expect("a connection");
    let head = format!(
        "POST /v1/batch HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\ncontent-type: application/x-ndjson\r\n\
         transfer-encoding: chunked\r\n\r\n2\r\nx\n\r\n"
    );
    stream.write_all(head.as_bytes()).expect("the head");
    let mut status = [0; 12];
    stream.read_exact(&mut status).expect("a status line");
    let status = std::str::from_utf8(&status).expect("text").rsplit(' ').next().expect("a status").parse();
    (stream, status.expect("a number"))
}

#[test]
fn a_token_with_a_rate_leaves_batches_to_other_tokens() {
    let folder = ConfigFolder::new(&Settings::SYSTEM, &[("acme", acme(CRM, &[]))]);
    write_tokens(&folder, ", requests_per_second = 100");
    let file = std::fs::read_to_string(folder.path().join("levelgate.toml")).expect("the settings");
    folder.write("levelgate.toml", &file.replacen("[http]\n", "[http]\nmax_batches = 8\n", 1));
    let daemon = Daemon::start(folder);
    // A quarter of eight, and not one more.
    let limited: Vec<(TcpStream, u16)> = (0..2).map(|_| endless_batch(&daemon, GATEWAY)).collect();
    let statuses = |batches: &[(TcpStream, u16)]| batches.iter().map(|(_, status)| *status).collect::<Vec<_>>();
    assert_eq!(statuses(&limited), [200, 200]);
    let whole = |token: &str| call(&daemon, "POST", "/v1/batch", token, "x\n");
    let (status, answer) = whole(GATEWAY);
    assert!(status == 503 && answer.contains("one token has a quarter of [http] max_batches"), "{answer}");
    // The others are there for the token without a rate.
    let others: Vec<(TcpStream, u16)> = (0..6).map(|_| endless_batch(&daemon, OPERATOR)).collect();
    assert_eq!(statuses(&others), [200; 6]);
    assert_eq!(whole(OPERATOR).0, 503);
    // What has ended can begin again.
    drop((limited, others));
    eventually("the batches have ended", || whole(GATEWAY).0 == 200);
}

#[test]
fn a_reload_changes_the_rate() {
    let daemon = daemon("");
    let read = |_| call(&daemon, "GET", "/v1/merchants/acme", GATEWAY, "").0;
    let reload = |keys: &str| {
        write_tokens(&daemon.folder, keys);
        let (status, answer) = call(&daemon, "POST", "/v1/reload", OPERATOR, "");
        assert_eq!(status, 200, "{answer}");
        answer
    };
    assert!(statuses(20, read).0.iter().all(|status| *status == 200), "no limit by default");
    let answer = reload(", requests_per_second = 1, burst = 5");
    assert!(answer.contains("token gateway: requests_per_second") && answer.contains("burst"), "{answer}");
    assert_limited(statuses(12, read), 5);
    // The same limit again gives no new burst.
    reload(", requests_per_second = 1, burst = 5");
    let (seen, took) = statuses(6, read);
    let passed = seen.iter().filter(|status| **status == 200).count();
    assert!(passed <= usize::try_from(took.as_secs()).expect("short") + 3, "{seen:?}");
    reload("");
    assert!(statuses(20, read).0.iter().all(|status| *status == 200), "no limit again");
}
