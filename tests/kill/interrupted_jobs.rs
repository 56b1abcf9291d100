//! Tables and bulk changes that are cut off: each is applied completely after the next start, or not at all.

use std::fmt::Write as _;
use std::io::Write as _;
use std::net::TcpStream;
use std::thread;

use serde_json::{Value, json};

use crate::client::Client;
use crate::daemon::{Daemon, run};
use crate::folders::{Settings, TestFolders, files, names};
use support::answer::Answer;
use support::process::eventually;

const CUSTOMERS: &str = "/v1/merchants/acme/customers";
const TABLE: &str = "/v1/merchants/acme/customers.csv?job=spring";
const ROWS: u64 = 30_000;

fn table() -> String {
    let mut table = String::from("merchant_customer_identifier,email\n");
    for n in 0..ROWS {
        let _ = writeln!(table, "row-{n},personal-{n}@example.com");
    }
    table
}

fn customers(client: &mut Client) -> u64 {
    client.get("/v1/status").expect("an answer").ok()["customers"].as_u64().expect("a number")
}

fn job(client: &mut Client, id: &str) -> Option<Value> {
    let answer = client.get(&format!("{CUSTOMERS}/jobs/{id}"))?;
    (answer.status == 200).then(|| answer.json())
}

/// Sends something that takes long, and kills the daemon once its job is in a state; says whether it was in time.
fn cut_off(daemon: &mut Daemon, call: (&str, &str), id: &str, state: &str, rows_done: u64) -> bool {
    let (mut client, mut watching) = (daemon.client(), daemon.client());
    thread::scope(|scope| {
        let sending = scope.spawn(move || client.call("POST", call.0, call.1));
        eventually("the job is under way", || {
            job(&mut watching, id).is_some_and(|job| {
                job["state"] == "done" || (job["state"] == state && job["rows_done"].as_u64() >= Some(rows_done))
            })
        });
        daemon.kill();
        sending.join().expect("it is sent").is_none()
    })
}

fn done(client: &mut Client, id: &str) -> Value {
    eventually("the job is done", || job(client, id).is_some_and(|job| job["state"] == "done"));
    job(client, id).expect("a job")
}

fn assert_sealed(folders: &TestFolders) {
    for (name, bytes) in files(&folders.data()) {
        assert!(!bytes.windows(9).any(|part| part == b"personal-"), "{name}");
    }
}

fn again(client: &mut Client, table: &str) -> Answer {
    client.call("POST", TABLE, table).expect("an answer")
}

#[test]
fn killed_import_is_applied_completely() {
    let table = table();
    let mut in_the_middle = 0;
    for (sync, rows_done) in [("interval", 0), ("interval", 5_000), ("always", 300), ("never", 20_000)] {
        let folders = TestFolders::new(&Settings { sync, segment_bytes: 262_144, ..Settings::BUSY });
        let mut daemon = Daemon::start(&folders);
        let was_in_time = cut_off(&mut daemon, (TABLE, &table), "spring", "applying", rows_done);
        assert_sealed(&folders);
        if was_in_time {
            assert_eq!(names(&folders.data().join("jobs"), ".job").len(), 1, "it is stored");
        }
        // And again, while the job is finished.
        let mut daemon = Daemon::start(&folders);
        in_the_middle += u32::from(daemon.log().contains("continues after step"));
        daemon.kill();
        let daemon = Daemon::start(&folders);
        let mut client = daemon.client();
        let document = done(&mut client, "spring");
        assert_eq!((&document["rows"], &document["rows_done"]), (&json!(ROWS), &json!(ROWS)), "{document}");
        assert_eq!(customers(&mut client), ROWS, "each row is one customer");
        assert_eq!(document["answer"]["bad"], 0, "{document}");
        let sent_again = again(&mut client, &table);
        assert!(sent_again.is_replay() && sent_again.ok()["rows"] == ROWS, "{sent_again:?}");
        assert_eq!(again(&mut client, &table.replacen("row-7,", "row-8,", 1)).status, 409);
        assert_eq!(customers(&mut client), ROWS);
        for n in [0, 1, ROWS / 2, ROWS - 1] {
            let found =
                client.get(&format!("{CUSTOMERS}?merchant_customer_identifier=row-{n}")).expect("an answer").ok();
            assert_eq!(found["customers"][0]["email"], format!("personal-{n}@example.com"), "{found}");
        }
        assert!(names(&folders.data().join("jobs"), ".job").is_empty(), "its content is gone");
        assert_eq!(names(&folders.data().join("jobs"), ".done").len(), 1);
        drop(daemon);
        assert_sealed(&folders);
    }
    assert!(in_the_middle > 0, "none was cut off in the middle");
}

#[test]
fn killed_upload_or_dry_run_leaves_nothing() {
    let table = table();
    for half in [true, false] {
        let folders = TestFolders::new(&Settings::BUSY);
        let mut daemon = Daemon::start(&folders);
        if half {
            let mut sending = TcpStream::connect(("127.0.0.1", daemon.port())).expect("a connection");
            let head = format!("POST {TABLE} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n\r\n", table.len());
            sending.write_all(head.as_bytes()).expect("sent");
            sending.write_all(&table.as_bytes()[..table.len() / 2]).expect("sent");
            eventually("it is written down", || !names(&folders.data().join("jobs"), ".new").is_empty());
            daemon.kill();
        } else if !cut_off(&mut daemon, (TABLE, &table), "spring", "trying", 0) {
            continue;
        }
        assert_sealed(&folders);
        let began = !names(&folders.data().join("jobs"), ".job").is_empty();
        let daemon = Daemon::start(&folders);
        let mut client = daemon.client();
        if began {
            // It was quicker than the kill.
            done(&mut client, "spring");
            continue;
        }
        assert_eq!((customers(&mut client), job(&mut client, "spring")), (0, None));
        assert!(files(&folders.data().join("jobs")).is_empty(), "nothing is left of it");
        // With the same id it begins anew.
        let taken = again(&mut client, &table);
        assert!(!taken.is_replay() && taken.ok()["created"] == ROWS, "{taken:?}");
        assert_eq!(customers(&mut client), ROWS);
    }
}

#[test]
fn killed_bulk_update_reaches_every_selected_customer() {
    let folders = TestFolders::new(&Settings::BUSY);
    let mut daemon = Daemon::start(&folders);
    let mut client = daemon.client();
    assert_eq!(again(&mut client, &table()).ok()["created"], ROWS);
    let path = format!("{CUSTOMERS}/bulk?job=deny");
    let body = json!({ "select": { "status": "new" }, "set": { "status": "deny" } }).to_string();
    let was_in_time = cut_off(&mut daemon, (&path, &body), "deny", "applying", 1_000);
    let daemon = Daemon::start(&folders);
    let mut client = daemon.client();
    let document = done(&mut client, "deny");
    assert!(!was_in_time || daemon.log().contains("continues after step"), "{}", daemon.log());
    assert_eq!(
        (&document["answer"]["selected"], &document["answer"]["refused"]),
        (&json!(ROWS), &json!(0)),
        "{document}"
    );
    let left = client.get(&format!("{CUSTOMERS}?status=new&limit=1")).expect("an answer").ok();
    assert_eq!(left["customers"], json!([]), "no customer is left out");
    let sent_again = client.call("POST", &path, &body).expect("an answer");
    assert!(sent_again.is_replay(), "{sent_again:?}");
}

#[test]
fn interrupted_import_resumes_by_its_id_and_does_not_delay_a_stop() {
    let folders = TestFolders::new(&Settings::BUSY);
    let mut daemon = Daemon::start(&folders);
    let (file, table) = (folders.scratch_path("customers.csv").display().to_string(), table());
    std::fs::write(&file, &table).expect("a file");
    let mut client = daemon.client();
    thread::scope(|scope| {
        let path = TABLE;
        let (mut sending, table) = (daemon.client(), &table);
        let sent = scope.spawn(move || sending.call("POST", path, table));
        eventually("it is applied", || job(&mut client, "spring").is_some_and(|job| job["state"] != "trying"));
        daemon.signal("TERM");
        // The waiting caller gets an answer, or the job was done already.
        let document = sent.join().expect("it is sent").expect("an answer");
        assert!(
            document.status == 200 || (document.status == 503 && document.body.contains("job_interrupted")),
            "{document:?}"
        );
    });
    assert_eq!(daemon.wait().code(), Some(0), "{}", daemon.log());
    let daemon = Daemon::start(&folders);
    let url = format!("http://127.0.0.1:{}", daemon.port());
    let imported = run(&["import", &file, "--merchant", "acme", "--url", &url, "--job", "spring"]);
    assert!(imported.code == Some(0) && imported.text.contains("30000 rows"), "{imported:?}");
    assert_eq!(customers(&mut daemon.client()), ROWS);
}

#[test]
fn a_copy_of_a_folder_holds_the_jobs_that_had_begun() {
    let folders = TestFolders::new(&Settings::BUSY);
    let mut daemon = Daemon::start(&folders);
    let was_in_time = cut_off(&mut daemon, (TABLE, &table()), "spring", "applying", 1_000);
    let path = |name: &str| folders.scratch_path(name).display().to_string();
    let made = run(&["backup", &path("data"), &path("copy"), "--keys", &path("keys")]);
    assert_eq!(made.code, Some(0), "{made:?}");
    let made = run(&["restore", &path("copy"), &path("restored"), "--keys", &path("keys")]);
    assert_eq!(made.code, Some(0), "{made:?}");
    let other = TestFolders::new(&Settings::CALM);
    other.settle(&Settings::CALM, &folders.scratch_path("restored"));
    let restored = Daemon::start(&other);
    done(&mut restored.client(), "spring");
    assert_eq!(customers(&mut restored.client()), ROWS);
    assert!(!was_in_time || restored.log().contains("continues after step"), "{}", restored.log());
}

#[test]
fn staff_changes_after_an_imported_row_survive_the_resumed_job() {
    for sync in ["interval", "always"] {
        let folders = TestFolders::new(&Settings { sync, segment_bytes: 262_144, ..Settings::BUSY });
        let mut daemon = Daemon::start(&folders);
        let (mut client, mut watching, table) = (daemon.client(), daemon.client(), table());
        let mut changed = Vec::new();
        thread::scope(|scope| {
            let sending = scope.spawn(|| client.call("POST", TABLE, &table));
            let mut done = 0;
            // The newest rows: only a mark after them records that they are applied.
            while changed.len() < 40 {
                eventually("a row more is taken", || {
                    let now = job(&mut watching, "spring").filter(|job| job["state"] != "trying");
                    let rows = now.and_then(|job| job["rows_done"].as_u64()).unwrap_or(0);
                    let is_more = rows > done + 1;
                    done = done.max(rows);
                    is_more
                });
                let who = format!("row-{}", done - 2);
                let found =
                    watching.get(&format!("{CUSTOMERS}?merchant_customer_identifier={who}")).expect("an answer");
                let path =
                    format!("{CUSTOMERS}/{}", found.ok()["customers"][0]["customer_id"].as_str().expect("an id"));
                let email = json!({ "email": format!("staff-{done}@example.com") });
                watching.call("PATCH", &path, &email.to_string()).expect("an answer").ok();
                changed.push((path, email));
            }
            daemon.kill();
            sending.join().expect("it is sent");
        });
        let daemon = Daemon::start(&folders);
        let mut client = daemon.client();
        done(&mut client, "spring");
        assert_eq!(customers(&mut client), ROWS);
        for (path, email) in &changed {
            let shown = client.get(path).expect("an answer").ok();
            assert_eq!(shown["email"], email["email"], "sync = {sync}: {shown}");
        }
    }
}
