//! A machine whose clock is moved under the daemon: nothing is answered by a time that cannot be right.

use crate::harness::{Daemon, Folder, Settings, eventually};
use crate::shop::{gold, later, pay};

const DISK: &str = "kind = \"disk\"";

/// A daemon whose wall clock goes by a file, the monotonic one by the machine.
fn movable(store: &'static str) -> Daemon {
    let shop = gold("window = \"daily\"; quantity_limit = 2");
    let mut folder = Folder::new(&Settings { store, ..Settings::SYSTEM }, &[("acme", shop)]);
    let clock = folder.beside("clock");
    std::fs::write(&clock, "+0\n").expect("the clock's file");
    folder.environment = vec![
        ("LD_PRELOAD", library()),
        ("FAKETIME_TIMESTAMP_FILE", clock.display().to_string()),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
        ("FAKETIME_NO_CACHE", "1".to_owned()),
    ];
    Daemon::start(folder)
}

/// Where libfaketime lies; `tests/run` installs it.
fn library() -> String {
    let architectures = std::fs::read_dir("/usr/lib").expect("/usr/lib").filter_map(Result::ok);
    let mut libraries = architectures.map(|entry| entry.path().join("faketime/libfaketimeMT.so.1"));
    let found = libraries.find(|path| path.is_file()).expect("libfaketime is installed (tests/run does that)");
    found.display().to_string()
}

/// Moves the clock in one step: the daemon reads it at any time, and half a file is no time.
fn set(daemon: &Daemon, clock: &str) {
    let next = daemon.folder.beside("clock.next");
    std::fs::write(&next, format!("{clock}\n")).expect("the clock's next file");
    std::fs::rename(next, daemon.folder.beside("clock")).expect("the clock's file");
}

fn time(daemon: &Daemon) -> String {
    daemon.check(&pay("probe", "1.00")).ok()["server_time"].as_str().expect("a time").to_owned()
}

#[test]
fn a_clock_that_jumps_ahead_is_not_believed_until_somebody_accepts_it() {
    let daemon = movable(DISK);
    daemon.reserve(&pay("t1", "1.00")).ok();
    daemon.reserve(&pay("t2", "1.00")).ok();
    let before = time(&daemon);
    set(&daemon, "+40d");
    for refused in [daemon.reserve(&pay("t3", "1.00")), daemon.step("t1", "approve", &serde_json::json!({}))] {
        assert_eq!(refused.problem(503)["code"], "clock_jumped");
        assert!(refused.header("retry-after").is_some());
    }
    assert_eq!(daemon.get("/readyz").problem(503)["code"], "clock_jumped");
    assert_eq!(daemon.get("/healthz").status, 200, "the process lives");
    daemon.post_nothing("/v1/clock/accept");
    assert_eq!(daemon.get("/readyz").status, 200);
    assert!(time(&daemon) > later(&before, 39 * crate::shop::DAY), "forty days have passed");
    assert_eq!(daemon.reserve(&pay("t3", "1.00")).ok()["decision"], "allow", "the window has gone on");
}

#[test]
fn a_clock_that_goes_back_is_waited_for_and_no_window_opens_twice() {
    let daemon = movable(DISK);
    daemon.reserve(&pay("t1", "1.00")).ok();
    daemon.reserve(&pay("t2", "1.00")).ok();
    let before = time(&daemon);
    set(&daemon, "-3600");
    assert_eq!(daemon.reserve(&pay("t3", "1.00")).problem(503)["code"], "clock_jumped");
    set(&daemon, "+0");
    eventually("the clock is right again", || daemon.get("/readyz").status == 200);
    assert!(time(&daemon) >= before);
    assert_eq!(daemon.reserve(&pay("t3", "1.00")).ok()["code"], 19001, "both still count");
    // Accepted as it stands, the time waits: it never goes backwards.
    let before = time(&daemon);
    set(&daemon, "-3600");
    daemon.post_nothing("/v1/clock/accept");
    assert_eq!(daemon.get("/readyz").status, 200);
    assert!(time(&daemon) >= before);
    assert_eq!(daemon.reserve(&pay("t4", "1.00")).ok()["code"], 19001);
}

#[test]
fn a_start_before_the_newest_record_takes_nothing_until_the_clock_is_right() {
    let mut daemon = movable(DISK);
    daemon.reserve(&pay("t1", "1.00")).ok();
    let before = time(&daemon);
    set(&daemon, "-3600");
    daemon.kill_and_start_unready();
    assert_eq!(daemon.get("/readyz").problem(503)["code"], "clock_jumped");
    assert_eq!(daemon.reserve(&pay("t2", "1.00")).problem(503)["code"], "clock_jumped");
    set(&daemon, "+0");
    eventually("the clock is right", || daemon.get("/readyz").status == 200);
    assert!(time(&daemon) >= before);
    assert!(daemon.reserve(&pay("t1", "1.00")).is_replay());
    // Half a minute is no step: the time stands until the machine's has caught up.
    let recorded = daemon.fetch("t1").ok()["recorded_at"].as_str().expect("a time").to_owned();
    set(&daemon, "-30");
    daemon.kill_and_start();
    assert!(time(&daemon) >= recorded, "no time before the newest record's is told");
    assert_eq!(daemon.reserve(&pay("t2", "1.00")).ok()["decision"], "allow");
}
