//! Floods at small limits: heads, bodies, batches and tables that cost memory or time are bounded, refused in words, and
//! forgotten when they are over.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::decisions::assert_allowed;
use support::daemon::{ConfigFolder, Daemon, Settings};
use support::fixtures::{CRM, acme, pay};
use support::process::{PATIENCE, eventually};
use support::raw_http::{self, AnswerReader};

const TRANSACTIONS: &str = "/v1/merchants/acme/transactions";
const TABLE: &str = "/v1/merchants/acme/customers.csv";

/// A daemon with further keys of `[http]`.
fn daemon(keys: &str) -> Daemon {
    let folder = ConfigFolder::new(&Settings::SYSTEM, &[("acme", acme(CRM, &[]))]);
    folder.write("levelgate.toml", &Settings::SYSTEM.text().replace("[http]\n", &format!("[http]\n{keys}\n")));
    Daemon::start(folder)
}

/// The memory of the daemon, in kibibytes.
fn resident_kib(daemon: &Daemon) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", daemon.pid())).expect("the daemon's status");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("a line");
    line.split_whitespace().nth(1).and_then(|text| text.parse().ok()).expect("a number")
}

/// The sum of the samples of a metric whose line has all of these parts.
fn counted(daemon: &Daemon, parts: &[&str]) -> u64 {
    let metrics = daemon.get("/metrics").body;
    let lines = metrics.lines().filter(|line| !line.starts_with('#') && parts.iter().all(|part| line.contains(part)));
    lines.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
}

/// Sends a byte again and again until the daemon answers.
fn drip(mut stream: TcpStream) -> AnswerReader {
    stream.set_read_timeout(Some(Duration::from_millis(100))).expect("a bounded read");
    let start = std::time::Instant::now();
    loop {
        let _ = stream.write_all(b"x");
        match stream.peek(&mut [0]) {
            Ok(_) => break,
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(error) => panic!("no answer came: {error}"),
        }
        assert!(start.elapsed() < PATIENCE, "a caller who drips is never cut off");
    }
    stream.set_read_timeout(Some(PATIENCE)).expect("a bounded read");
    AnswerReader::new(stream)
}

#[test]
fn heads_that_are_never_finished_cost_little_and_are_cut_off() {
    let daemon = daemon("max_header_bytes = 8192\nheader_timeout_s = 3");
    daemon.reserve(&pay("t1", "1.00")).ok();
    let before = resident_kib(&daemon);
    let head = format!("GET /healthz HTTP/1.1\r\nhost: localhost\r\nx-long: {}", "y".repeat(390_000));
    let callers: Vec<TcpStream> = (0..400)
        .map(|_| {
            let mut caller = raw_http::connect(daemon.port());
            // The daemon may hang up before everything is written.
            let _ = caller.write_all(head.as_bytes());
            caller
        })
        .collect();
    let grown = resident_kib(&daemon).saturating_sub(before);
    assert!(grown < 64 * 1024, "400 heads of 390 kB cost {grown} KiB");
    assert_allowed(daemon.reserve(&pay("t2", "1.00")).ok());
    assert!(counted(&daemon, &["levelgate_headers_too_large_total"]) > 0);
    drop(callers);
    let mut caller = raw_http::connect(daemon.port());
    let _ = caller.write_all(&head.as_bytes()[..20_000]);
    let answer = AnswerReader::new(caller).answer();
    assert_eq!(answer.problem(431)["code"], "header_too_large");
    let mut caller = raw_http::connect(daemon.port());
    caller.write_all(&head.as_bytes()[..8_000]).and_then(|()| caller.write_all(b"\r\n\r\n")).expect("a long head");
    assert_eq!(AnswerReader::new(caller).head().0, 200, "one within the limit is read");
}

#[test]
fn a_dripped_head_and_a_dripped_body_have_their_time() {
    let daemon = daemon("header_timeout_s = 1\nbody_timeout_s = 1");
    let head = raw_http::head("POST", TRANSACTIONS, 60_000);
    for begun in ["GET /healthz HTTP/1.1\r\nx-slow: ", &head] {
        let mut caller = raw_http::connect(daemon.port());
        caller.write_all(begun.as_bytes()).expect("a beginning is sent");
        let answer = drip(caller).answer();
        assert_eq!(answer.problem(408)["code"], "request_too_slow", "{begun}");
    }
    for part in ["header", "body"] {
        assert_eq!(counted(&daemon, &["levelgate_requests_too_slow_total", part]), 1, "{part}");
    }
    assert_allowed(daemon.reserve(&pay("t1", "1.00")).ok());
}

#[test]
fn batches_beyond_the_limit_are_refused() {
    let daemon = daemon("max_batches = 2");
    let open = || raw_http::stream(daemon.port(), "/v1/batch");
    let mut running: Vec<_> = (0..2).map(|_| open()).collect();
    for (number, (upload, reading)) in running.iter_mut().enumerate() {
        let mut line = pay(&format!("b{number}"), "1.00");
        line["op"] = "reserve".into();
        line["merchant"] = "acme".into();
        upload.send(format!("{line}\n").as_bytes());
        assert_eq!(reading.head().0, 200);
    }
    let refused = raw_http::post_streamed(daemon.port(), "/v1/batch", b"{}\n".to_vec());
    assert_eq!(refused.header("retry-after"), Some("1"));
    assert_eq!(refused.problem(503)["code"], "overloaded");
    assert_eq!(counted(&daemon, &["levelgate_overloaded_total", "batches"]), 1);
    assert_eq!(counted(&daemon, &["levelgate_batches "]), 2);
    assert_allowed(daemon.reserve(&pay("t1", "1.00")).ok());
    running.clear();
    eventually("there is room again", || {
        raw_http::post_streamed(daemon.port(), "/v1/batch", b"{}\n".to_vec()).status == 200
    });
}

#[test]
fn memory_is_bounded_over_all_batches_and_bodies() {
    // One batch takes 256 KiB and four lines of 64 KiB.
    let daemon = daemon("max_inflight_bytes = 1310720");
    let open = || {
        let (mut upload, reading) = raw_http::stream(daemon.port(), "/v1/batch");
        upload.send(b"\n");
        (upload, reading)
    };
    let mut running: Vec<_> = (0..2).map(|_| open()).collect();
    eventually("both run", || counted(&daemon, &["levelgate_batches "]) == 2);
    let refused = raw_http::post_streamed(daemon.port(), "/v1/batch", b"{}\n".to_vec());
    assert_eq!(refused.problem(503)["code"], "overloaded");
    // Unfinished bodies take the rest.
    let half = vec![b' '; 60_000];
    let bodies: Vec<TcpStream> = (0..8)
        .map(|_| {
            let mut caller = raw_http::connect(daemon.port());
            caller.write_all(raw_http::head("POST", TRANSACTIONS, 65_000).as_bytes()).expect("a head");
            let _ = caller.write_all(&half);
            caller
        })
        .collect();
    eventually("a body finds no room", || counted(&daemon, &["levelgate_overloaded_total", "bytes"]) > 1);
    assert!(counted(&daemon, &["levelgate_inflight_bytes "]) <= 1_310_720);
    // A payment is small and not counted.
    assert_allowed(daemon.reserve(&pay("t1", "1.00")).ok());
    drop(bodies);
    running.clear();
    eventually("nothing is held any more", || counted(&daemon, &["levelgate_inflight_bytes "]) == 0);
    let padded = format!("{}{}", pay("t2", "1.00"), " ".repeat(60_000));
    assert_allowed(daemon.post_text(TRANSACTIONS, &padded).ok());
}

#[test]
fn batches_that_do_not_read_their_answers_cost_little() {
    let daemon = daemon("max_batches = 40");
    let mut line = pay("probe", "1.00");
    line["op"] = "check".into();
    line["merchant"] = "acme".into();
    line["explain"] = true.into();
    let lines = format!("{line}\n").repeat(2_000);
    let before = resident_kib(&daemon);
    let callers: Vec<TcpStream> = (0..40)
        .map(|_| {
            let mut caller = raw_http::connect(daemon.port());
            caller.set_write_timeout(Some(Duration::from_millis(300))).expect("a bounded write");
            let head = raw_http::head("POST", "/v1/batch", lines.len() * 100);
            let _ = caller.write_all(head.as_bytes());
            // Written until the daemon accepts no more, because its answers are not read.
            for _ in 0..100 {
                if caller.write_all(lines.as_bytes()).is_err() {
                    break;
                }
            }
            caller
        })
        .collect();
    let grown = resident_kib(&daemon).saturating_sub(before);
    assert!(grown < 40 * 1_024, "40 batches that read nothing cost {grown} KiB");
    assert_allowed(daemon.reserve(&pay("t1", "1.00")).ok());
    drop(callers);
    eventually("all are over", || counted(&daemon, &["levelgate_batches "]) == 0);
}

#[test]
fn a_line_of_a_batch_has_the_time_of_a_body_and_the_pause_between_two_has_not() {
    let daemon = daemon("body_timeout_s = 1");
    let line = |id: &str| {
        let mut line = pay(id, "1.00");
        line["op"] = "reserve".into();
        line["merchant"] = "acme".into();
        format!("{line}\n")
    };
    let (mut upload, reading) = raw_http::stream(daemon.port(), "/v1/batch");
    upload.send(line("b1").as_bytes());
    // Longer than a line may take: nothing has begun that is not finished.
    std::thread::sleep(Duration::from_millis(1_500));
    upload.send(line("b2").as_bytes());
    upload.send(b"{\"op\": \"reserve\"");
    let answer = reading.answer();
    let lines: Vec<&str> = answer.body.lines().collect();
    assert_eq!(lines.len(), 3, "{}", answer.body);
    assert!(lines[1].contains("\"decision\":\"allow\""), "{}", lines[1]);
    assert!(lines[2].contains("\"status\":408") && lines[2].contains("request_too_slow"), "{}", lines[2]);
    assert_eq!(daemon.fetch("b2").ok()["status"], "reserved");
}

#[test]
fn slow_uploads_time_out() {
    let daemon = daemon("body_timeout_s = 1\nmin_upload_bytes_per_s = 1048576");
    // As many as a merchant may have under way at a time, twice.
    for _ in 0..2 {
        let uploads: Vec<TcpStream> = (0..4)
            .map(|_| {
                let mut caller = raw_http::connect(daemon.port());
                caller.write_all(raw_http::head("POST", TABLE, 1 << 20).as_bytes()).expect("a head");
                caller.write_all(b"merchant_customer_identifier\n").expect("a beginning");
                caller
            })
            .collect();
        for caller in uploads {
            let answer = drip(caller).answer();
            assert_eq!(answer.problem(408)["code"], "request_too_slow");
        }
    }
    let table = b"merchant_customer_identifier\nalice\n";
    eventually("a table is taken again", || raw_http::send(daemon.port(), "POST", TABLE, table).status == 200);
}

#[test]
fn unread_large_answers_are_counted_and_released() {
    let daemon = daemon("max_inflight_bytes = 1048576");
    daemon.post("/v1/merchants/acme/customers/mock", &serde_json::json!({"count": 1000, "seed": 1})).ok();
    let path = "/v1/merchants/acme/customers?limit=1000";
    let page = daemon.get(path);
    assert!(page.status == 200 && page.body.len() > 100_000, "a page is large: {}", page.body.len());
    // The answers are not read: the socket takes a part, and the rest of each page waits.
    let mut callers = Vec::new();
    eventually("a page finds no room", || {
        let mut caller = raw_http::connect(daemon.port());
        let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n");
        caller.write_all(request.repeat(64).as_bytes()).expect("requests are sent");
        callers.push(caller);
        counted(&daemon, &["levelgate_overloaded_total", "bytes"]) > 0
    });
    assert_allowed(daemon.reserve(&pay("t1", "1.00")).ok());
    for mut caller in callers {
        let mut some = [0; 1_024];
        let _ = caller.read(&mut some);
    }
    eventually("they are given back", || daemon.get(path).status == 200);
}
