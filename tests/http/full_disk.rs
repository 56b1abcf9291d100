//! A disk without room, and uploads that do not end: what is refused, what is shown, and what goes on.

use serde_json::{Value, json};
use std::io::Write;
use std::net::TcpStream;
use std::time::Instant;
use support::daemon::{ConfigFolder, Daemon, Settings, run};
use support::fixtures::{CRM, acme, filter, level, pay};
use support::process::eventually;
use support::raw_http;

const CUSTOMERS: &str = "/v1/merchants/acme/customers";
const TABLE: &str = "merchant_customer_identifier\r\nann\r\nben\r\n";
/// No disk has so much free.
const MUCH: &str = "1125899906842624";

fn merchant() -> String {
    acme(CRM, &[level("gold", &filter("window = \"daily\"; amount_limit = \"5000.00\""))])
}

fn upload(daemon: &Daemon, merchant: &str) -> support::answer::Answer {
    let path = format!("/v1/merchants/{merchant}/customers.csv");
    raw_http::send(daemon.port(), "POST", &path, TABLE.as_bytes())
}

/// A metric's value; 0 where it is not there.
fn metric(daemon: &Daemon, name: &str) -> u64 {
    let all = daemon.get("/metrics").body;
    let line = all.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.map_or(0, |value| value.split('.').next().unwrap().parse().expect("a number"))
}

fn files_of(daemon: &Daemon, folder: &str) -> usize {
    let folder = daemon.folder.path().join("data").join(folder);
    std::fs::read_dir(folder).map_or(0, Iterator::count)
}

/// Uploads that arrive, or are tried.
fn partial_of(daemon: &Daemon) -> usize {
    let Ok(entries) = std::fs::read_dir(daemon.folder.path().join("data/jobs")) else { return 0 };
    entries
        .filter(|entry| entry.as_ref().is_ok_and(|entry| entry.path().extension().is_some_and(|e| e == "new")))
        .count()
}

#[test]
fn below_min_free_bytes_secondary_files_are_refused_and_payments_pass() {
    let settings = Settings {
        store: "kind = \"disk\"\nsnapshot_interval_s = 1\nmin_free_bytes = 1125899906842624",
        ..Settings::SYSTEM
    };
    let daemon = Daemon::start(ConfigFolder::new(&settings, &[("acme", merchant())]));
    assert_eq!(daemon.reserve(&pay("t1", "10.00")).ok()["decision"], "allow");
    let assert_storage_full = |place: &str, problem: &Value| {
        assert_eq!(problem["code"], "storage_full", "{problem}");
        let detail = problem["detail"].as_str().expect("words").to_owned();
        assert!([place, " free; ", " needs ", "min_free_bytes"].iter().all(|part| detail.contains(part)), "{detail}");
    };
    let refused = daemon.post_nothing("/v1/snapshot");
    assert_storage_full("data has ", &refused.problem(503));
    assert!(refused.header("retry-after").is_some());
    assert_storage_full("the disk has ", &upload(&daemon, "acme").problem(503));
    let bulk = json!({ "select": { "all": true }, "set": { "status": "deny" } });
    assert_storage_full("the disk has ", &daemon.post(&format!("{CUSTOMERS}/bulk"), &bulk).problem(503));
    // The daemon's own snapshots are skipped, counted and shown, and logged once.
    eventually("snapshots are skipped", || metric(&daemon, "levelgate_snapshots_skipped_total") >= 4);
    assert_eq!(metric(&daemon, "levelgate_snapshots_failed_total"), 0);
    assert!(metric(&daemon, "levelgate_disk_free_bytes") > 0);
    assert_eq!(metric(&daemon, "levelgate_jobs_without_space_total"), 2);
    assert_eq!(daemon.log().matches("the snapshot was skipped").count(), 1, "{}", daemon.log());
    let shown = daemon.get("/v1/status").ok()["snapshot"].clone();
    assert!(shown["last_at"].is_null() && shown["failed_since"].is_string(), "{shown}");
    assert!(shown["reason"].as_str().expect("words").contains("min_free_bytes"), "{shown}");
    assert_eq!((files_of(&daemon, "snapshots"), files_of(&daemon, "jobs")), (0, 0), "nothing was written");
    assert_eq!(daemon.reserve(&pay("t2", "10.00")).ok()["decision"], "allow", "payments pass");
    let made = run(&daemon.folder, &["backup", "data", "copy", "--min-free-bytes", MUCH]);
    assert!(made.code == Some(1) && made.text.contains("the copy needs"), "{made:?}");
    assert!(!daemon.folder.path().join("copy").exists(), "nothing is left of the copy");
}

#[test]
fn taken_snapshot_is_listed() {
    let settings = Settings { store: "kind = \"disk\"\nmin_free_bytes = 0", ..Settings::SYSTEM };
    let mut daemon = Daemon::start(ConfigFolder::new(&settings, &[("acme", merchant())]));
    let shown = |daemon: &Daemon| daemon.get("/v1/status").ok()["snapshot"].clone();
    assert_eq!(shown(&daemon), json!({ "last_at": null, "failed_since": null, "reason": null }));
    daemon.post_nothing("/v1/snapshot").ok();
    let taken = shown(&daemon);
    assert!(taken["last_at"].is_string() && taken["reason"].is_null(), "{taken}");
    daemon.kill_and_start();
    assert_eq!(shown(&daemon), taken, "it is known after a start");
    let memory = Daemon::live(merchant());
    assert!(shown(&memory).is_null(), "there is nothing to take one of");
}

#[test]
fn snapshot_contains_earlier_acknowledgements_and_reports_its_duration() {
    let settings = Settings { store: "kind = \"disk\"\nsnapshot_interval_s = 3600", ..Settings::SYSTEM };
    let daemon = Daemon::start(ConfigFolder::new(&settings, &[("acme", merchant())]));
    let made = daemon.post(&format!("{CUSTOMERS}/mock"), &json!({ "count": 5_000, "seed": 1 })).ok();
    assert_eq!(made["created"], 5_000, "{made}");
    std::thread::scope(|scope| {
        for caller in 0..4 {
            let daemon = &daemon;
            scope.spawn(move || {
                for n in 0..5 {
                    daemon.reserve(&pay(&format!("c{caller}-{n}"), "1.00")).ok();
                    let acknowledged = daemon.get("/v1/status").ok()["lsn"].as_u64().expect("a number");
                    let called = Instant::now();
                    let taken = daemon.post_nothing("/v1/snapshot").ok();
                    let took = called.elapsed().as_millis();
                    let number = |name: &str| taken[name].as_u64().expect("a number");
                    assert!(number("true_up_to") >= acknowledged, "{taken}: {acknowledged} was acknowledged");
                    let logged_ms = u128::from(number("milliseconds") + number("waited_milliseconds"));
                    assert!(logged_ms <= took, "{taken}: the call took {took} ms");
                }
            });
        }
    });
}

/// Begins an upload and sends a part of its body.
fn stall(daemon: &Daemon, merchant: &str) -> TcpStream {
    let mut stream = raw_http::connect(daemon.port());
    let head = raw_http::head("POST", &format!("/v1/merchants/{merchant}/customers.csv"), 1_000_000);
    stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(TABLE.as_bytes())).expect("a part is sent");
    stream
}

#[test]
fn stalled_uploads_of_a_merchant_block_no_other_merchant() {
    for store in ["kind = \"memory\"", "kind = \"disk\""] {
        let globex = merchant().replace("id = \"acme\"", "id = \"globex\"");
        let folder =
            ConfigFolder::new(&Settings { store, ..Settings::SYSTEM }, &[("acme", merchant()), ("globex", globex)]);
        let daemon = Daemon::start(folder);
        let mut stalled: Vec<TcpStream> = Vec::new();
        // An upload that finds a place may take it from a stalled one, which is then refused: so more follow.
        eventually("the merchant is at the limit", || {
            stalled.extend((0..4).map(|_| stall(&daemon, "acme")));
            upload(&daemon, "acme").status == 429
        });
        let refused = upload(&daemon, "acme");
        let problem = refused.problem(429);
        assert_eq!(problem["code"], "too_many_jobs", "{problem}");
        assert!(problem["detail"].as_str().expect("words").contains("merchant acme has 4 jobs"), "{problem}");
        assert!(refused.header("retry-after").is_some());
        for _ in 0..3 {
            assert_eq!(upload(&daemon, "globex").ok()["rows"], 2);
        }
        let bulk = json!({ "select": { "all": true }, "set": { "status": "deny" } });
        let changed = daemon.post("/v1/merchants/globex/customers/bulk", &bulk).ok();
        assert_eq!(changed["changed"], 2, "{changed}");
        drop(stalled);
        eventually("the places are free again", || upload(&daemon, "acme").status == 200);
        eventually("nothing is left of those", || partial_of(&daemon) == 0);
    }
}
