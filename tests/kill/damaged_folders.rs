//! Damaged data folders: what is refused, what is truncated, and what an older copy replaces.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::json;

use crate::daemon::{Daemon, inspect, run};
use crate::folders::{Settings, TestFolders, files, names};
use crate::worker::Worker;
use support::process::{Ended, eventually};

/// A daemon that has answered so many operations of one client.
fn filled(settings: &Settings, count: usize) -> (TestFolders, Daemon, Worker) {
    let (folders, mut worker) = (TestFolders::new(settings), Worker::new("w", 7, 20));
    // A start from a snapshot would not read the damaged part.
    folders.set_stop_snapshot(0);
    let daemon = Daemon::start(&folders);
    worker.send(&mut daemon.client(), count);
    (folders, daemon, worker)
}

fn stop(mut daemon: Daemon) {
    daemon.signal("TERM");
    assert_eq!(daemon.wait().code(), Some(0), "{}", daemon.log());
}

/// The files of a folder, but for the one that names the process which looked last.
fn kept(data: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = files(data);
    files.remove("lock");
    files
}

/// A start that is refused, and leaves every byte as it was.
#[track_caller]
fn refused_untouched(folders: &TestFolders) -> Ended {
    let before = kept(&folders.data());
    let ended = Daemon::refused(folders);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let after = kept(&folders.data());
    let changed = before.iter().filter(|(name, bytes)| after.get(*name) != Some(bytes)).map(|(name, _)| name);
    let changed: Vec<&String> = changed.chain(after.keys().filter(|name| !before.contains_key(*name))).collect();
    assert!(changed.is_empty(), "{changed:?} changed\n{ended:?}");
    ended
}

fn flip(path: &Path, at: usize) {
    let mut bytes = std::fs::read(path).expect("a file");
    bytes[at] ^= 0x40;
    std::fs::write(path, bytes).expect("a file");
}

/// The client's operations are all there.
fn verify(daemon: &Daemon, worker: &mut Worker) {
    let mut client = daemon.client();
    worker.settle(&mut client);
    worker.verify(&mut client, true);
    assert_eq!(shown_totals(daemon), worker.totals());
    // And it goes on.
    worker.send(&mut client, 50);
}

fn shown_totals(daemon: &Daemon) -> (u64, u64) {
    let status = daemon.client().get("/v1/status").expect("an answer").ok();
    (status["customers"].as_u64().unwrap_or(0), status["transactions"].as_u64().unwrap_or(0))
}

const SMALL: Settings = Settings { segment_bytes: 4_096, ..Settings::CALM };

#[test]
fn a_byte_that_changed_in_a_synced_segment_is_refused_and_named() {
    let (folders, daemon, mut worker) = filled(&SMALL, 300);
    stop(daemon);
    let segments = names(&folders.data().join("journal"), ".log");
    assert!(segments.len() > 5, "{segments:?}");
    for (name, share) in [(&segments[0], 2), (&segments[segments.len() / 2], 2), (&segments[2], 3)] {
        let path = folders.data().join("journal").join(name);
        let bytes = std::fs::metadata(&path).expect("a segment").len();
        let at = usize::try_from(bytes / share).expect("small");
        flip(&path, at);
        let ended = refused_untouched(&folders);
        let named = format!("journal/{name}");
        assert!(ended.text.contains(&named) && ended.text.contains("levelgate inspect"), "{ended:?}");
        // The record that contains the byte begins at most some hundred bytes before it.
        let offset = ended.text.split_once("at byte ").and_then(|(_, rest)| rest.split(',').next()?.parse().ok());
        let offset: usize = offset.unwrap_or_else(|| panic!("no offset is named: {ended:?}"));
        assert!(offset <= at && at - offset < 2_000, "byte {at} was changed, {offset} is named");
        let looked = inspect(&folders.data());
        assert_eq!(looked.code, Some(1), "{looked:?}");
        assert!(looked.text.contains(&format!("{named} is damaged at byte {offset}")), "{looked:?}");
        flip(&path, at);
    }
    assert_eq!(inspect(&folders.data()).code, Some(0));
    verify(&Daemon::start(&folders), &mut worker);
}

#[test]
fn a_segment_that_is_missing_is_refused() {
    let (folders, daemon, mut worker) = filled(&SMALL, 300);
    stop(daemon);
    let segments = names(&folders.data().join("journal"), ".log");
    let (path, aside) = (folders.data().join("journal").join(&segments[3]), folders.scratch_path("aside"));
    std::fs::rename(&path, &aside).expect("a move");
    let ended = refused_untouched(&folders);
    assert!(ended.text.contains("journal/") && ended.text.contains("levelgate inspect"), "{ended:?}");
    assert_eq!(inspect(&folders.data()).code, Some(1));
    std::fs::rename(&aside, &path).expect("a move");
    verify(&Daemon::start(&folders), &mut worker);
}

#[test]
fn incomplete_tail_is_truncated_and_saved() {
    let (folders, mut daemon, mut worker) = filled(&Settings::CALM, 200);
    daemon.kill();
    let name = names(&folders.data().join("journal"), ".log").pop().expect("a segment");
    let path = folders.data().join("journal").join(name);
    let whole = std::fs::read(&path).expect("a segment");
    let garbage: Vec<u8> = (0..777_u32).map(|n| n.to_le_bytes()[0] ^ 0x5a).collect();
    std::fs::write(&path, [whole.as_slice(), &garbage].concat()).expect("a segment");
    let looked = inspect(&folders.data());
    assert_eq!(looked.code, Some(1), "{looked:?}");
    assert!(looked.text.contains("never whole") && looked.text.contains("`cut`"), "{looked:?}");
    let daemon = Daemon::start(&folders);
    assert!(daemon.log().contains("777 bytes"), "the start logs what it truncated:\n{}", daemon.log());
    let cut = files(&folders.data().join("cut"));
    assert_eq!(cut.values().collect::<Vec<_>>(), [&garbage], "the bytes are kept");
    assert_eq!(std::fs::read(&path).expect("a segment"), whole, "and nothing else is gone");
    verify(&daemon, &mut worker);
    assert_eq!(inspect(&folders.data()).code, Some(0));
}

#[test]
fn a_segment_that_was_only_begun_is_named_and_moved_aside() {
    let (folders, mut daemon, mut worker) = filled(&Settings::CALM, 50);
    let status = daemon.client().get("/v1/status").expect("an answer").ok();
    daemon.kill();
    let next = status["lsn"].as_u64().expect("a number") + 1;
    // A process that dies between making the file and writing its head leaves this.
    for head in [&b""[..], b"LGJOURNL\x01"] {
        std::fs::write(folders.data().join(format!("journal/{next:020}.log")), head).expect("a file");
        let looked = inspect(&folders.data());
        assert_eq!(looked.code, Some(1), "{looked:?}");
        assert!(looked.text.contains("never whole") && looked.text.contains("`cut`"), "{looked:?}");
    }
    verify(&Daemon::start(&folders), &mut worker);
    assert_eq!(inspect(&folders.data()).code, Some(0));
}

#[test]
fn older_snapshot_or_journal_replaces_a_damaged_snapshot() {
    let (folders, daemon, mut worker) = filled(&SMALL, 200);
    let mut client = daemon.client();
    for _ in 0..2 {
        worker.send(&mut client, 150);
        client.call("POST", "/v1/snapshot", "").expect("an answer").ok();
    }
    worker.send(&mut client, 100);
    stop(daemon);
    let folder = folders.data().join("snapshots");
    let snapshots = names(&folder, ".snap");
    assert_eq!(snapshots.len(), 2, "{snapshots:?}");
    // The newest, then both: what is gone is replayed from further back.
    for (name, used) in [(&snapshots[1], Some(&snapshots[0])), (&snapshots[0], None)] {
        let path = folder.join(name);
        flip(&path, usize::try_from(std::fs::metadata(&path).expect("a snapshot").len() / 2).expect("small"));
        let looked = inspect(&folders.data());
        assert!(looked.code == Some(1) && looked.text.contains(name.as_str()), "{looked:?}");
        let mut daemon = Daemon::start(&folders);
        let log = daemon.log();
        assert!(log.contains(&format!("snapshots/{name} cannot be used")), "{log}");
        assert_eq!(
            used.is_some_and(|used| log.contains(&format!("snapshot {used}: true up to"))),
            used.is_some(),
            "{log}"
        );
        verify(&daemon, &mut worker);
        daemon.kill();
    }
}

#[test]
fn folder_without_keys_or_instance_is_refused_with_a_remedy() {
    let (folders, daemon, mut worker) = filled(&SMALL, 200);
    stop(daemon);
    for (name, remedy) in [
        ("keys", "restore it from the copy that `levelgate backup --keys` made"),
        ("instance", "bring it back from a backup"),
    ] {
        let (path, aside) = (folders.data().join(name), folders.scratch_path("aside"));
        std::fs::rename(&path, &aside).expect("a move");
        let ended = refused_untouched(&folders);
        assert!(ended.text.contains(&format!("`{name}`")) && ended.text.contains(remedy), "{ended:?}");
        std::fs::rename(&aside, &path).expect("a move");
    }
    for name in ["keys", "instance"] {
        let path = folders.data().join(name);
        flip(&path, 20);
        let ended = refused_untouched(&folders);
        assert!(ended.text.contains(&format!("`{name}`")), "{ended:?}");
        let looked = inspect(&folders.data());
        assert!(looked.code == Some(1) && looked.text.contains(&format!("`{name}`")), "{looked:?}");
        flip(&path, 20);
    }
    verify(&Daemon::start(&folders), &mut worker);
}

#[test]
fn archive_index_may_be_lost_or_damaged() {
    let (folders, daemon, mut worker) = filled(&SMALL, 300);
    daemon.client().call("POST", "/v1/snapshot", "").expect("an answer").ok();
    worker.send(&mut daemon.client(), 50);
    stop(daemon);
    let index = folders.data().join("archive/index.redb");
    assert!(index.is_file() && !names(&folders.data().join("archive"), ".log").is_empty(), "segments are archived");
    std::fs::remove_file(&index).expect("an index");
    let daemon = Daemon::start(&folders);
    verify(&daemon, &mut worker);
    daemon.client().call("POST", "/v1/snapshot", "").expect("an answer").ok();
    verify(&daemon, &mut worker);
}

#[test]
fn a_second_process_is_refused_at_once_and_the_first_goes_on() {
    let (folders, daemon, mut worker) = filled(&Settings::CALM, 100);
    let ended = Daemon::refused(&folders);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let cause = format!("held by process {}", daemon.id());
    assert!(ended.text.contains(&cause) && ended.text.contains(&folders.data().display().to_string()), "{ended:?}");
    verify(&daemon, &mut worker);
    // Again, because the refusal must not have changed the lock of the first one.
    assert!(Daemon::refused(&folders).text.contains(&cause));
}

#[test]
fn keys_that_are_older_than_the_journal_are_refused_however_the_daemon_ended() {
    // Of the second customer an attribute is sealed, or the identifier alone.
    let cases =
        [("always", true, true), ("interval", true, false), ("interval", false, true), ("interval", false, false)];
    for (sync, is_stopped, has_email) in cases {
        let folders = TestFolders::new(&Settings { sync, ..Settings::CALM });
        let keys = folders.data().join("keys");
        let mut daemon = Daemon::start(&folders);
        let pay = |client: &mut crate::client::Client, id: &str, who: &str| {
            let mut body = json!({
                "transaction_id": id, "direction": "deposit", "currency": "EUR", "amount": "1.00", "customer_level": "gold",
                "merchant_customer_identifier": who, "customer": { "email": format!("{who}@example.com") },
            });
            if !has_email {
                body.as_object_mut().expect("an object").remove("customer");
            }
            client.post("/v1/merchants/acme/transactions", &body).expect("an answer").ok();
        };
        let mut client = daemon.client();
        pay(&mut client, "t1", "anna");
        eventually("the key is written", || std::fs::metadata(&keys).is_ok_and(|file| file.len() > 0));
        let older = std::fs::read(&keys).expect("keys");
        pay(&mut client, "t2", "bert");
        if is_stopped {
            stop(daemon);
        } else {
            daemon.kill();
        }
        let own = std::fs::read(&keys).expect("keys");
        assert_ne!(own, older);
        std::fs::write(&keys, &older).expect("written");
        let refused = refused_untouched(&folders);
        assert!(refused.text.contains("`keys` is an older copy"), "{refused:?}");
        // The same of a copy that is restored with them.
        let path = |name: &str| folders.scratch_path(name).display().to_string();
        let older_keys = path("older-keys");
        std::fs::write(&older_keys, &older).expect("written");
        std::fs::write(&keys, &own).expect("written");
        assert_eq!(run(&["backup", &path("data"), &path("copy")]).code, Some(0));
        let restored = run(&["restore", &path("copy"), &path("restored"), "--keys", &older_keys, "--verify"]);
        assert!(restored.code == Some(1) && restored.text.contains("`keys` is an older copy"), "{restored:?}");
        // With those that belong there it starts, and nothing is lost.
        let daemon = Daemon::start(&folders);
        for id in ["t1", "t2"] {
            daemon.client().get(&format!("/v1/merchants/acme/transactions/{id}")).expect("an answer").ok();
        }
    }
}
