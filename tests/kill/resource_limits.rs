//! At the bounds: a disk that takes no more, a memory that is full, more callers than can be served.

use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, TcpStream};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::thread;

use serde_json::{Value, json};

use crate::daemon::{Daemon, inspect};
use crate::folders::{Settings, TestFolders, names};
use crate::worker::Worker;
use support::process::{PATIENCE, eventually};

fn pay(id: &str, who: &str) -> Value {
    json!({ "transaction_id": id, "direction": "deposit", "currency": "EUR", "amount": "1.00",
        "merchant_customer_identifier": who, "customer_level": "gold" })
}

const RESERVE: &str = "/v1/merchants/acme/transactions";

#[test]
fn full_disk_ends_the_daemon_and_a_restart_keeps_answered_operations() {
    // A client waits for the record that could not be written. A single call gets an answer; the answer of a batch breaks
    // off. With batches it therefore depends on chance whether a client gets an answer.
    let rows = ["interval", "always", "never"].into_iter().flat_map(|sync| [(sync, 0), (sync, 30)]);
    for ((sync, batches), room) in rows.zip([20_000, 7_777, 9_001, 15_000, 12_345, 9_999]) {
        let folders = TestFolders::new(&Settings { sync, ..Settings::CALM });
        let mut daemon = Daemon::launch_ignoring_file_limits(&folders);
        daemon.wait_until_ready();
        let mut workers: Vec<Worker> = (0..3).map(|n| Worker::new(&format!("w{n}"), 70 + n, 20)).collect();
        for worker in &mut workers {
            worker.context = format!("sync {sync}, {batches} % batches");
            worker.batches = batches;
            worker.send(&mut daemon.client(), 60);
        }
        let segment = names(&folders.data().join("journal"), ".log").pop().expect("a segment");
        let bytes = std::fs::metadata(folders.data().join("journal").join(segment)).expect("a segment").len();
        let limit = format!("--fsize={}", bytes + room);
        let limited = Command::new("prlimit").args(["--pid", &daemon.id().to_string(), &limit]).status();
        assert!(limited.expect("`prlimit` is there").success(), "a limit is set");
        let (stop, answered) = (AtomicBool::new(false), AtomicU64::new(0));
        thread::scope(|scope| {
            for worker in &mut workers {
                let (mut client, stop, answered) = (daemon.client(), &stop, &answered);
                scope.spawn(move || worker.load(&mut client, stop, answered));
            }
        });
        // Every client has met an answer that stayed away, or one that says that the outcome is unknown.
        let unknown: Vec<_> = workers.iter().filter_map(|worker| worker.unknown.clone()).collect();
        for answer in &unknown {
            assert_eq!((answer.status, answer.header("retry-after")), (503, Some("1")), "{answer:?}");
            assert_eq!(answer.json()["code"], "outcome_unknown", "{answer:?}");
        }
        assert!(batches > 0 || !unknown.is_empty(), "a client got the answer, sync {sync}:\n{}", daemon.log());
        let status = daemon.wait();
        assert_eq!(status.code(), Some(1), "it ends by itself:\n{}", daemon.log());
        assert!(daemon.log().contains("the journal has failed"), "{}", daemon.log());
        let looked = inspect(&folders.data());
        assert!(looked.code == Some(0) || looked.text.contains("never whole"), "{looked:?}");
        let daemon = Daemon::start(&folders);
        for worker in &mut workers {
            let mut client = daemon.client();
            worker.settle(&mut client);
            worker.verify(&mut client, true);
            worker.send(&mut client, 40);
        }
        println!("sync {sync}, {batches} % batches: {} got the answer that the outcome is unknown", unknown.len());
    }
}

#[test]
fn at_max_transactions_reserves_are_refused_and_facts_pass() {
    let folders = TestFolders::new(&Settings { max_transactions: 60, ..Settings::BUSY });
    let mut daemon = Daemon::start(&folders);
    for n in 0..60 {
        let answer =
            daemon.client().post(RESERVE, &pay(&format!("t{n}"), &format!("c{}", n % 7))).expect("an answer").ok();
        assert_eq!(answer["decision"], "allow", "{answer}");
    }
    for restarts in 0..3 {
        let mut client = daemon.client();
        let mut post = |path: String, body: Value| client.post(&path, &body).expect("an answer");
        let full = post(RESERVE.to_owned(), pay(&format!("more{restarts}"), "c1"));
        assert_eq!((full.status, full.header("retry-after")), (503, Some("1")), "{full:?}");
        assert_eq!(full.json()["code"], "memory_full", "{full:?}");
        let unseen = post(RESERVE.to_owned(), pay(&format!("other{restarts}"), "somebody-new"));
        assert_eq!(unseen.status, 503, "{unseen:?}");
        let step = |n: u32, what: &str| format!("{RESERVE}/t{n}/{what}");
        assert_eq!(post(step(restarts, "approve"), json!({})).ok()["status"], "approved");
        assert_eq!(post(step(restarts + 10, "decline"), json!({})).ok()["status"], "declined");
        assert_eq!(post(step(restarts, "cancel"), json!({})).ok()["status"], "cancelled");
        assert!(post(RESERVE.to_owned(), pay("t5", "c5")).is_replay(), "what is known is answered");
        assert_eq!(post("/v1/merchants/acme/decisions".to_owned(), pay("any", "c2")).ok()["decision"], "allow");
        // Money that moved is taken though there is no room for questions.
        let mut fact = pay("any", "c3");
        fact.as_object_mut().expect("an object").remove("transaction_id");
        let reply = post(format!("{RESERVE}/fact{restarts}/approve"), fact).ok();
        assert_eq!(reply["status"], "approved", "{reply}");
        assert_eq!(client.get("/readyz").expect("an answer").status, 200, "the daemon itself is well");
        let metrics = client.get("/metrics").expect("an answer").body;
        assert!(metrics.contains("levelgate_unavailable_total{code=\"memory_full\"} 2"), "{metrics}");
        daemon.kill();
        daemon = Daemon::start(&folders);
        let status = daemon.client().get("/v1/status").expect("an answer").ok();
        assert_eq!(status["transactions"], 61 + restarts, "{status}");
    }
}

/// Kibibytes of a process in memory.
fn resident(daemon: &Daemon) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", daemon.id())).expect("the process is there");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a size");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

fn open_files(daemon: &Daemon) -> usize {
    std::fs::read_dir(format!("/proc/{}/fd", daemon.id())).expect("the process is there").count()
}

fn connect(daemon: &Daemon) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", daemon.port())).expect("a connection");
    stream.set_read_timeout(Some(PATIENCE)).expect("a bounded read");
    stream
}

/// Sends a request as it is and reads the line with the status.
fn status_of(mut stream: &TcpStream, request: &[u8]) -> String {
    // A refusal may come, and the connection go, before everything is written.
    let _ = stream.write_all(request);
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).expect("an answer");
    line
}

fn head(bytes: usize) -> String {
    format!("POST {RESERVE} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {bytes}\r\n\r\n")
}

#[test]
fn excess_connections_cost_bounded_memory() {
    const BODY_MAX: usize = 65_536;
    const CALLERS: usize = 400;
    let folders = TestFolders::new(&Settings::CALM);
    let daemon = Daemon::start(&folders);
    let mut worker = Worker::new("w", 9, 20);
    worker.send(&mut daemon.client(), 100);
    let (files_before, before) = (open_files(&daemon), resident(&daemon));
    let mut callers = Vec::new();
    for n in 0..CALLERS {
        let mut caller = connect(&daemon);
        let begun = match n % 4 {
            // Nothing; half a head; a head and no body; almost the whole of the longest body.
            0 => String::new(),
            1 => "POST /v1/merchants/acme/tra".to_owned(),
            2 => head(200) + "{",
            _ => head(BODY_MAX) + &" ".repeat(BODY_MAX - 100),
        };
        caller.write_all(begun.as_bytes()).expect("a part of a request");
        callers.push(caller);
    }
    // The connections of before may have gone only now.
    eventually("all are let in", || open_files(&daemon) + 3 >= files_before + CALLERS);
    // Among them the others are served.
    worker.send(&mut daemon.client(), 200);
    let fits = pay("fits", "alice").to_string();
    let fits = head(BODY_MAX) + &fits + &" ".repeat(BODY_MAX - fits.len());
    assert!(status_of(&connect(&daemon), fits.as_bytes()).contains(" 200 "), "a body at the limit is taken");
    for bytes in [BODY_MAX + 1, 10 << 20, 1 << 40] {
        let request = head(bytes) + &" ".repeat(bytes.min(BODY_MAX + 1));
        assert!(status_of(&connect(&daemon), request.as_bytes()).contains(" 413 "), "{bytes} bytes are refused");
    }
    let long = format!("GET /healthz HTTP/1.1\r\nhost: localhost\r\nx-long: {}\r\n\r\n", "x".repeat(1 << 20));
    let refused = status_of(&connect(&daemon), long.as_bytes());
    assert!(refused.contains(" 431 "), "a head without end is refused: {refused}");
    let during = resident(&daemon);
    let bound = before + (CALLERS / 4 * BODY_MAX * 2 + CALLERS * 64 * 1024) as u64 / 1024 + 16 * 1024;
    println!("{before} KiB before, {during} KiB with {CALLERS} callers, at most {bound}");
    assert!(during <= bound, "{during} KiB are more than {bound}");
    for caller in callers.drain(..) {
        let _ = caller.shutdown(Shutdown::Both);
    }
    eventually("they are gone", || open_files(&daemon) <= files_before + 2);
    worker.send(&mut daemon.client(), 100);
    worker.verify(&mut daemon.client(), true);
}

#[test]
fn connection_churn_leaves_steady_clients_answered() {
    let folders = TestFolders::new(&Settings::CALM);
    let daemon = Daemon::start(&folders);
    let before = resident(&daemon);
    let mut all: Vec<Worker> = (0..40).map(|n| Worker::new(&format!("w{n}"), 300 + n, 2)).collect();
    thread::scope(|scope| {
        for worker in &mut all {
            let daemon = &daemon;
            scope.spawn(move || {
                for _ in 0..5 {
                    // A new connection each time, and a few that end in the middle of a request.
                    worker.send(&mut daemon.client(), 10);
                    let left: Vec<TcpStream> = (0..4).map(|_| connect(daemon)).collect();
                    left.iter().for_each(|mut stream| stream.write_all(head(500).as_bytes()).expect("a head"));
                }
            });
        }
    });
    for worker in &mut all {
        worker.verify(&mut daemon.client(), true);
    }
    println!("{before} KiB before, {} KiB after", resident(&daemon));
}

#[test]
fn unread_batch_answers_cost_bounded_memory() {
    const BATCHES: u64 = 8;
    let folders = TestFolders::new(&Settings::CALM);
    let daemon = Daemon::start(&folders);
    let mut line = pay("any", "alice");
    line["op"] = json!("check");
    line["merchant"] = json!("acme");
    line["explain"] = json!(true);
    let lines = format!("{line}\n").repeat(120_000);
    let request =
        format!("POST /v1/batch HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n\r\n", lines.len()) + &lines;
    let before = resident(&daemon);
    let batches: Vec<TcpStream> = (0..BATCHES)
        .map(|_| {
            let mut stream = connect(&daemon);
            // The daemon stops to take lines once their answers have nowhere to go; then nothing more can be written.
            stream.set_write_timeout(Some(std::time::Duration::from_millis(500))).expect("a bounded write");
            assert!(stream.write_all(request.as_bytes()).is_err(), "a daemon that takes everything holds everything");
            stream
        })
        .collect();
    let grown = resident(&daemon).saturating_sub(before);
    println!("{grown} KiB for {BATCHES} batches");
    assert!(grown < BATCHES * 10 * 1024, "{grown} KiB for {BATCHES} batches whose answers are not read");
    Worker::new("w", 4, 10).send(&mut daemon.client(), 50);
    drop(batches);
}
