//! Shutdown by signals, and the daemon's report of its durability.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use serde_json::json;

use crate::client::Client;
use crate::daemon::{Daemon, inspect};
use crate::folders::{Settings, TestFolders};
use crate::worker::{Totals, Worker};
use support::process::{PATIENCE, eventually};
use support::{environment::number, random::Random};

#[test]
fn sigterm_under_load_loses_nothing_and_answers_what_it_has_taken() {
    let (seed, mut counted) = (number("LEVELGATE_SEED", 1), Totals::default());
    let mut random = Random::seeded(seed);
    let mut workers: Vec<Worker> = (0..4).map(|n| Worker::new(&format!("w{n}"), seed * 10 + n, 20)).collect();
    workers.iter_mut().for_each(|worker| worker.records.sends_jobs = true);
    let folders = TestFolders::new(&Settings::BUSY);
    for round in 0..6 {
        let settings = Settings { sync: random.word(&["interval", "always", "never"]), ..Settings::BUSY };
        folders.settle(&settings, &folders.data());
        let mut daemon = Daemon::start(&folders);
        let goal = random.between(50, 600);
        let context =
            format!("LEVELGATE_SEED={seed}, round {round}: TERM after {goal} answers, sync {}", settings.sync);
        println!("{context}");
        let (stop, answered) = (AtomicBool::new(false), AtomicU64::new(0));
        thread::scope(|scope| {
            for worker in &mut workers {
                worker.context.clone_from(&context);
                let (mut client, stop, answered) = (daemon.client(), &stop, &answered);
                scope.spawn(move || worker.load(&mut client, stop, answered));
            }
            eventually("enough answers", || answered.load(Ordering::Relaxed) >= goal);
            daemon.signal("TERM");
            assert_eq!(daemon.wait().code(), Some(0), "{context}: {}", daemon.log());
            stop.store(true, Ordering::Relaxed);
        });
        assert!(daemon.log().contains("everything acknowledged is on the disk"), "{context}: {}", daemon.log());
        assert_eq!(inspect(&folders.data()).code, Some(0), "{context}");
        let daemon = Daemon::start(&folders);
        for worker in &mut workers {
            let (mut client, before) = (daemon.client(), worker.counted.happened);
            worker.settle(&mut client);
            assert_eq!(worker.counted.happened, before, "{context}: something was done and not answered");
            worker.verify(&mut client, round == 5);
        }
    }
    workers.iter().for_each(|worker| counted.add(worker.counted));
    println!("{counted:?}");
}

#[test]
fn request_in_flight_is_answered_before_shutdown() {
    let folders = TestFolders::new(&Settings::CALM);
    let mut daemon = Daemon::start(&folders);
    let body = json!({ "transaction_id": "t1", "direction": "deposit", "currency": "EUR", "amount": "1.00",
        "merchant_customer_identifier": "alice" });
    let body = body.to_string();
    let mut stream = TcpStream::connect(("127.0.0.1", daemon.port())).expect("a connection");
    stream.set_read_timeout(Some(PATIENCE)).expect("a bounded read");
    let head = format!(
        "POST /v1/merchants/acme/transactions HTTP/1.1\r\nhost: localhost\r\nexpect: 100-continue\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).expect("a head");
    // The daemon asks for the body once it has taken the request.
    let mut interim = [0; 25];
    stream.read_exact(&mut interim).expect("an interim answer");
    assert!(interim.starts_with(b"HTTP/1.1 100"), "{interim:?}");
    daemon.signal("TERM");
    let port = daemon.port();
    eventually("the port is closed", || TcpStream::connect(("127.0.0.1", port)).is_err());
    stream.write_all(body.as_bytes()).expect("a body");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("\"allow\""), "{answer}");
    assert_eq!(daemon.wait().code(), Some(0));
    let daemon = Daemon::start(&folders);
    let shown = daemon.client().get("/v1/merchants/acme/transactions/t1").expect("an answer").ok();
    assert_eq!(shown["status"], "reserved");
}

#[test]
fn signal_right_after_the_start_is_handled() {
    let folders = TestFolders::new(&Settings::CALM);
    for _ in 0..10 {
        let mut daemon = Daemon::launch(&folders);
        daemon.wait_until_listening();
        daemon.signal("HUP");
        eventually("it reloads", || daemon.log().contains("the configuration was reloaded"));
        daemon.kill();
        let mut daemon = Daemon::launch(&folders);
        daemon.wait_until_listening();
        daemon.signal("TERM");
        assert_eq!(daemon.wait().code(), Some(0), "{}", daemon.log());
    }
}

#[test]
fn log_and_status_report_durability() {
    let rows = [
        ("disk", "always", "before the answer leaves"),
        ("disk", "interval", "a power cut may take the last"),
        ("disk", "never", "a power cut may take what the system had not written"),
        ("memory", "always", "nothing: all state is in memory"),
    ];
    for (kind, sync, keeps) in rows {
        let folders = TestFolders::new(&Settings { kind, sync, ..Settings::CALM });
        let mut daemon = Daemon::start(&folders);
        let status = daemon.client().get("/v1/status").expect("an answer").ok();
        assert_eq!(status["store"], kind);
        assert!(status["keeps"].as_str().is_some_and(|text| text.contains(keeps)), "{status}");
        assert!(daemon.log().contains(keeps), "{}", daemon.log());
        assert_eq!(status["lsn"].is_u64(), kind == "disk", "{status}");
        let mut worker = Worker::new("w", 3, 5);
        worker.send(&mut daemon.client(), 40);
        let snapshot = daemon.client().call("POST", "/v1/snapshot", "").expect("an answer");
        assert_eq!(snapshot.status, if kind == "disk" { 200 } else { 422 }, "{snapshot:?}");
        daemon.signal("TERM");
        assert_eq!(daemon.wait().code(), Some(0));
        assert_eq!(folders.data().exists(), kind == "disk", "a daemon that keeps nothing makes no folder");
        let daemon = Daemon::start(&folders);
        if kind == "disk" {
            worker.verify(&mut daemon.client(), true);
        } else {
            let mut client: Client = daemon.client();
            assert_eq!(client.get("/v1/status").expect("an answer").ok()["transactions"], 0, "it is as it said");
        }
    }
}
