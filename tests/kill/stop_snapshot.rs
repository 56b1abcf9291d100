//! The snapshot at a clean stop: the next start reads no journal. It can be switched off, skipped and killed.

use serde_json::json;

use crate::daemon::Daemon;
use crate::folders::{Settings, TestFolders, names};
use crate::worker::Worker;
use support::process::eventually;

fn snapshots(folders: &TestFolders, end: &str) -> Vec<String> {
    names(&folders.data().join("snapshots"), end)
}

/// Stops the daemon and returns its log.
fn stopped(mut daemon: Daemon) -> String {
    daemon.signal("TERM");
    assert_eq!(daemon.wait().code(), Some(0), "{}", daemon.log());
    daemon.log()
}

/// How many records a start has replayed.
fn replayed(daemon: &Daemon) -> u64 {
    let log = daemon.log();
    let (before, _) = log.split_once(" records replayed").expect("the log names the records");
    before.rsplit(' ').next().expect("a number").parse().expect("a number")
}

#[test]
fn start_after_a_clean_stop_reads_no_journal() {
    for sync in ["interval", "always", "never"] {
        let folders = TestFolders::new(&Settings { sync, ..Settings::CALM });
        let daemon = Daemon::start(&folders);
        let mut worker = Worker::new("w", 11, 20);
        worker.send(&mut daemon.client(), 150);
        let log = stopped(daemon);
        assert!(log.contains("snapshot at the stop: up to record"), "{log}");
        assert_eq!((snapshots(&folders, ".snap").len(), snapshots(&folders, ".new").len()), (1, 0));
        let daemon = Daemon::start(&folders);
        assert_eq!(replayed(&daemon), 0, "{}", daemon.log());
        worker.verify(&mut daemon.client(), true);
        let last = daemon.client().get("/v1/status").expect("an answer").ok()["lsn"].clone();
        let log = stopped(daemon);
        assert!(log.contains("nothing was recorded since the last one"), "{last}: {log}");
        // Without it the next start reads the records after the last snapshot.
        folders.set_stop_snapshot(0);
        let daemon = Daemon::start(&folders);
        worker.send(&mut daemon.client(), 100);
        let log = stopped(daemon);
        assert!(!log.contains("snapshot at the stop"), "{log}");
        assert_eq!(snapshots(&folders, ".snap").len(), 1);
        let daemon = Daemon::start(&folders);
        assert!(replayed(&daemon) > 0, "{}", daemon.log());
        worker.verify(&mut daemon.client(), true);
    }
}

#[test]
fn a_snapshot_at_a_stop_that_is_skipped_or_killed_leaves_a_folder_that_starts() {
    const MANY: u64 = 40_000;
    let folders = TestFolders::new(&Settings::CALM);
    let mut daemon = Daemon::start(&folders);
    let body = json!({ "count": MANY, "seed": 5 });
    let made = daemon.client().post("/v1/merchants/acme/customers/mock", &body).expect("an answer").ok();
    assert_eq!(made["created"], MANY, "{made}");
    let (mut killed, mut skipped) = (0, 0);
    for round in 0..6 {
        let id = format!("t{round}");
        let pay = json!({ "transaction_id": id, "direction": "deposit", "currency": "EUR", "amount": "1.00",
            "merchant_customer_identifier": "alice", "customer_level": "gold" });
        daemon.client().post("/v1/merchants/acme/transactions", &pay).expect("an answer").ok();
        daemon.signal("TERM");
        let is_logged = |daemon: &Daemon| daemon.log().contains("snapshot at the stop");
        eventually("it is being written", || !snapshots(&folders, ".new").is_empty() || is_logged(&daemon));
        let is_early = !is_logged(&daemon);
        if round % 2 == 0 {
            daemon.kill();
            killed += u32::from(is_early && !snapshots(&folders, ".new").is_empty());
        } else {
            if is_early {
                daemon.signal("TERM");
            }
            assert_eq!(daemon.wait().code(), Some(0), "{}", daemon.log());
            skipped += u32::from(daemon.log().contains("a second signal came"));
            assert_eq!(snapshots(&folders, ".new"), Vec::<String>::new(), "{}", daemon.log());
        }
        daemon = Daemon::start(&folders);
        assert_eq!(snapshots(&folders, ".new"), Vec::<String>::new(), "the start removes it");
        let status = daemon.client().get("/v1/status").expect("an answer").ok();
        assert_eq!(status["customers"], MANY + 1, "{status}");
        assert_eq!(status["transactions"], round + 1, "{status}");
    }
    println!("{killed} were killed in the middle, {skipped} skipped");
}
