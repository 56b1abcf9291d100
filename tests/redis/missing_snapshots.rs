//! A stream that begins after records which Redis does not have: nothing is confirmed before a snapshot contains them.

use std::fs;
use std::path::PathBuf;

use support::daemon::{ConfigFolder, Daemon};
use support::fixtures::pay;
use support::process::eventually;
use support::redis::daemons::{folder_with, last, status, tip};
use support::redis::resp::Answer;
use support::redis::server::{RedisOptions, RedisServer};

const CONTINUE: &str = "ack = \"redis\"\non_outage = \"continue\"";
const REFUSE: &str = "ack = \"redis\"\non_outage = \"refuse\"";
const DISK: &str = "kind = \"disk\"\npath = \"data\"\nsegment_bytes = 4096\nsync = \"always\"";

/// A server that takes no chunk of a snapshot until [`let_in`].
fn server_without_chunks() -> RedisServer {
    let lines = vec!["user default on nopass ~* &* +@all -rpush".to_owned()];
    RedisServer::with(RedisOptions { durable: true, lines, ..RedisOptions::default() })
}

fn let_in(server: &RedisServer) {
    assert_eq!(server.command("ACL SETUSER default +rpush"), Answer::Text(b"OK".into()));
}

/// The segments of the archive.
fn archived(folder: &ConfigFolder) -> Vec<PathBuf> {
    let listed = fs::read_dir(folder.path().join("data/archive")).into_iter().flatten();
    let paths = listed.map(|entry| entry.expect("an entry").path());
    paths.filter(|path| path.extension().is_some_and(|extension| extension == "log")).collect()
}

/// A daemon whose journal lacks its first records. The same comes of segments that are older than `archive_days`.
fn without_beginning(server: &RedisServer, rule: &str) -> Daemon {
    let mut daemon = Daemon::start(folder_with(server, DISK, rule));
    for n in 0..60 {
        daemon.reserve(&pay(&format!("old-{n}"), "1.00")).ok();
    }
    // Segments are moved once two snapshots contain them.
    for n in 0..2 {
        daemon.reserve(&pay(&format!("between-{n}"), "1.00")).ok();
        daemon.post_nothing("/v1/snapshot").ok();
    }
    eventually("segments are in the archive", || !archived(&daemon.folder).is_empty());
    daemon.signal("TERM");
    assert_eq!(daemon.wait().code(), Some(0), "{}", daemon.log());
    archived(&daemon.folder).iter().for_each(|path| fs::remove_file(path).expect("it is removed"));
    daemon.folder.arguments.push("--accept-lost-archive");
    daemon.kill_and_start();
    daemon.folder.arguments.clear();
    daemon.reserve(&pay("kept", "1.00")).ok();
    daemon
}

fn snapshot(server: &RedisServer) -> bool {
    server.command("HEXISTS {levelgate}:head snapshot").number() == 1
}

fn begin(server: &RedisServer) -> i64 {
    server.command("HGET {levelgate}:head begin_lsn").number()
}

#[test]
fn nothing_is_confirmed_before_the_snapshot_of_an_emptied_redis() {
    for rule in [CONTINUE, REFUSE] {
        let mut server = server_without_chunks();
        let daemon = without_beginning(&server, rule);
        server.restart_empty();
        eventually("the journal is there again", || tip(&server) > 0 && tip(&server) == last(&daemon));
        assert!(begin(&server) > 1 && !snapshot(&server), "{rule}");
        let answer = daemon.reserve(&pay("unconfirmed", "1.00"));
        assert!(!snapshot(&server));
        match rule {
            // The outage is established, as with every other reason that Redis has no copy.
            CONTINUE => _ = answer.ok(),
            _ => {
                let code = answer.problem(503)["code"].clone();
                assert!(code == "outcome_unknown" || code == "redis_unavailable", "{code}");
            }
        }
        eventually("the reason is named", || {
            status(&daemon)["redis"]["reason"]
                .as_str()
                .is_some_and(|text| text.contains("no snapshot of the records before"))
        });
        let_in(&server);
        eventually("the copy is whole", || status(&daemon)["redis"]["state"] == "shipping");
        assert!(snapshot(&server), "{rule}");
        daemon.reserve(&pay("confirmed", "1.00")).ok();
        assert!(tip(&server) >= last(&daemon), "{rule}");
    }
}

#[test]
fn a_start_on_an_incomplete_copy_confirms_nothing() {
    let mut server = server_without_chunks();
    let mut daemon = without_beginning(&server, REFUSE);
    server.restart_empty();
    eventually("the journal is there again", || tip(&server) > 0 && tip(&server) == last(&daemon));
    daemon.kill_and_start_unready();
    // A record of the last process: Redis has it, and no folder can be restored with it.
    let problem = daemon.reserve(&pay("kept", "1.00")).problem(503);
    assert!(problem["code"] == "outcome_unknown" || problem["code"] == "redis_unavailable", "{problem}");
    assert!(!snapshot(&server));
    daemon.signal("TERM");
    assert_eq!(daemon.wait().code(), Some(0), "{}", daemon.log());
    assert!(daemon.log().contains("has no snapshot of the records before the stream"), "{}", daemon.log());
    daemon.kill_and_start_unready();
    let_in(&server);
    eventually("the snapshot is complete", || snapshot(&server));
    eventually("it is confirmed", || daemon.reserve(&pay("kept", "1.00")).status == 200);
    let again = daemon.reserve(&pay("kept", "1.00"));
    assert_eq!(again.header("idempotent-replay"), Some("true"));
}
