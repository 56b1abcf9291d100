//! What leaves memory stays: old transactions are found in the archive, as if they had never left.

use serde_json::{Value, json};

use support::daemon::{ConfigFolder, Daemon, Settings, run};
use support::fixtures::{CRM, DAY, HOUR, acme, filter, level, pay, tick, when, with};

/// A day of retention, and segments so small that some are sealed with every few dozen payments.
const SMALL: &str = "kind = \"disk\"\nsnapshot_interval_s = 3600\nsegment_bytes = 4096\n\n[memory]\nretention_days = 1";

fn shop() -> String {
    let filters = filter("window = \"daily\"; amount_limit = \"10000.00\"")
        + &filter("window = \"lifetime\"; amount_limit = \"10000.00\"; subtract_cancel_transactions = true");
    acme(CRM, &[level("gold", &filters)])
}

/// Eighty payments of alice, of which every third is approved and every fifth of those cancelled in part; then a month
/// passes and a snapshot is taken, so that all but the youngest may leave memory.
pub(crate) fn a_month_later() -> Daemon {
    let daemon = Daemon::start(ConfigFolder::new(&Settings { store: SMALL, ..Settings::REQUEST }, &[("acme", shop())]));
    for n in 0..80_i64 {
        let id = format!("t{n}");
        daemon.reserve(&with(pay(&id, "10.00"), &when(n * 1_000))).ok();
        match n % 3 {
            0 => _ = daemon.step(&id, "approve", &json!({ "capture_id": "c", "amount": "8.00" })).ok(),
            1 => _ = daemon.step(&id, "decline", &json!({})).ok(),
            _ => {}
        }
        if n % 15 == 0 {
            daemon.step(&id, "cancel", &json!({ "cancel_id": "k", "amount": "3.00" })).ok();
        }
    }
    daemon.reserve(&tick(30 * DAY)).ok();
    daemon.post_nothing("/v1/snapshot").ok();
    daemon
}

pub(crate) fn transactions_in_memory(daemon: &Daemon) -> u64 {
    daemon.get("/v1/status").ok()["transactions"].as_u64().expect("a number")
}

/// A transaction without the members that depend on the current time.
fn as_it_was(daemon: &Daemon, id: &str) -> Value {
    let mut shown = daemon.fetch(id).ok();
    for now in ["server_time", "remaining"] {
        shown.as_object_mut().expect("an object").remove(now);
    }
    shown
}

/// What the lifetime filter counts, in the last piece of the answer to a check.
fn lifetime_used(daemon: &Daemon) -> String {
    let asked = with(pay("probe", "1.00"), &json!({ "explain": true }));
    let limits = daemon.check(&asked).ok()["limits"].clone();
    let lifetime = limits.as_array().expect("limits").iter().find(|l| l["filter"] == "lifetime").expect("lifetime");
    lifetime["amount"]["used"].as_str().expect("an amount").to_owned()
}

/// The ids of all pages of a list.
fn listed(daemon: &Daemon, query: &str) -> Vec<String> {
    let (mut listed, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = daemon.get(&format!("/v1/merchants/acme/transactions{query}{cursor}")).ok();
        let ids = page["transactions"].as_array().expect("a list").iter();
        listed.extend(ids.map(|t| t["transaction_id"].as_str().expect("an id").to_owned()));
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return listed,
        }
    }
}

#[test]
fn archived_transactions_are_shown_replayed_and_listed() {
    let mut daemon = a_month_later();
    assert!(transactions_in_memory(&daemon) < 40, "most have left memory: {}", transactions_in_memory(&daemon));
    let before: Vec<Value> = (0..80).map(|n| as_it_was(&daemon, &format!("t{n}"))).collect();
    assert_eq!(before[0]["status"], "approved", "{}", before[0]);
    assert_eq!(before[0]["cancelled"], "3.00", "{}", before[0]);
    assert_eq!(before[1]["status"], "declined", "{}", before[1]);
    assert_eq!(before[2]["status"], "expired", "{}", before[2]);
    // 27 approvals of 8.00 less 6 cancels of 3.00, and the check itself.
    assert_eq!(lifetime_used(&daemon), "199.00");
    for round in ["before", "after"] {
        for n in [0, 1, 2, 40, 79] {
            let again = daemon.reserve(&with(pay(&format!("t{n}"), "10.00"), &when(n * 1_000)));
            assert!(again.is_replay(), "t{n} {round} a restart: {again:?}");
            assert_eq!(again.ok()["decision"], "allow");
            daemon.reserve(&with(pay(&format!("t{n}"), "11.00"), &when(n * 1_000))).problem(409);
        }
        let wanted: Vec<String> = (0..80).map(|n| format!("t{n}")).collect();
        assert_eq!(listed(&daemon, "?customer_id=1000001&limit=7"), wanted, "all orders, {round} a restart");
        let newest: Vec<String> = wanted.iter().rev().cloned().collect();
        for query in ["?order=newest&limit=7", "?order=newest&customer_id=1000001&limit=7"] {
            let found = listed(&daemon, query);
            let known: Vec<&String> = found.iter().filter(|id| wanted.contains(id)).collect();
            assert_eq!(known, newest.iter().collect::<Vec<_>>(), "{query}, {round} a restart");
        }
        let approved = listed(&daemon, "?order=newest&customer_id=1000001&status=approved&limit=4");
        assert_eq!(approved, (0..80).rev().filter(|n| n % 3 == 0).map(|n| format!("t{n}")).collect::<Vec<_>>());
        let declined = daemon.get("/v1/merchants/acme/transactions?status=declined&limit=1000").ok();
        assert_eq!(declined["transactions"].as_array().expect("a list").len(), 27, "{round} a restart");
        daemon.kill_and_start();
        daemon.reserve(&tick(30 * DAY + HOUR)).ok();
        for (n, before) in (0..80).zip(&before) {
            assert_eq!(&as_it_was(&daemon, &format!("t{n}")), before, "t{n} {round} a restart");
        }
        assert_eq!(lifetime_used(&daemon), "199.00", "{round} a restart");
    }
}

#[test]
fn late_fact_on_an_archived_transaction_counts_once() {
    let mut daemon = a_month_later();
    let cancel = |daemon: &Daemon| daemon.step("t3", "cancel", &json!({ "cancel_id": "late", "amount": "5.00" }));
    let approve = |daemon: &Daemon| daemon.step("t2", "approve", &json!({ "amount": "4.00" }));
    assert!(!cancel(&daemon).is_replay());
    let late = approve(&daemon);
    assert_eq!(late.ok()["flags"], json!(["late"]), "{late:?}");
    assert_eq!(lifetime_used(&daemon), "198.00", "5.00 less and 4.00 more");
    for restart in 0..3 {
        assert!(cancel(&daemon).is_replay(), "after {restart} restarts");
        assert!(approve(&daemon).is_replay(), "after {restart} restarts");
        daemon.step("t3", "cancel", &json!({ "cancel_id": "more", "amount": "3.01" })).problem(422);
        assert_eq!(lifetime_used(&daemon), "198.00", "after {restart} restarts");
        if restart == 1 {
            // A snapshot after the late facts, whose segment the archive has not taken yet.
            daemon.post_nothing("/v1/snapshot").ok();
        }
        daemon.kill_and_start();
        daemon.reserve(&tick(31 * DAY)).ok();
    }
}

#[test]
fn archived_transactions_follow_a_level_rename() {
    let mut daemon = a_month_later();
    assert!(transactions_in_memory(&daemon) < 40, "most have left memory: {}", transactions_in_memory(&daemon));
    let rename = json!({ "to": "best" });
    daemon.post("/v1/merchants/acme/levels/deposit/gold/rename", &rename).ok();
    let used = |daemon: &Daemon| {
        let asked = with(pay("probe", "1.00"), &json!({ "explain": true, "customer_level": "best" }));
        let answer = daemon.check(&asked).ok();
        assert_eq!(answer["level"]["name"], "best", "{answer}");
        let limits = answer["limits"].as_array().expect("limits");
        let lifetime = limits.iter().find(|limit| limit["filter"] == "lifetime").expect("a lifetime filter");
        lifetime["amount"]["used"].clone()
    };
    assert_eq!(used(&daemon), "199.00");
    for restart in 0..3 {
        for id in ["t0", "t2", "t79"] {
            assert_eq!(daemon.fetch(id).ok()["level"]["name"], "best", "{id} after {restart} restarts");
        }
        assert!(daemon.reserve(&with(pay("t79", "10.00"), &when(79_000))).is_replay());
        if restart == 0 {
            daemon.step("t3", "cancel", &json!({ "cancel_id": "late", "amount": "5.00" })).ok();
        } else {
            // A snapshot after the rename, and an older one that still exists.
            daemon.post_nothing("/v1/snapshot").ok();
        }
        assert_eq!(used(&daemon), "194.00", "what is late counts under the new name, after {restart} restarts");
        daemon.kill_and_start();
        daemon.reserve(&tick(31 * DAY)).ok();
    }
    let page = daemon.get("/v1/merchants/acme/transactions?customer_id=1000001&limit=1000").ok();
    let listed = page["transactions"].as_array().expect("a list");
    assert!(listed.len() == 80 && listed.iter().all(|row| row["level"]["name"] == "best"), "{page}");
}

#[test]
fn lost_archive_index_is_rebuilt() {
    let mut daemon = a_month_later();
    let before = as_it_was(&daemon, "t0");
    daemon.step("t0", "refund", &json!({ "refund_id": "r", "amount": "1.00" })).ok();
    daemon.post_nothing("/v1/snapshot").ok();
    daemon.signal("TERM");
    assert!(daemon.wait().success());
    daemon.folder.remove("data/archive/index.redb");
    daemon.kill_and_start();
    daemon.reserve(&tick(31 * DAY)).ok();
    let after = as_it_was(&daemon, "t0");
    assert_eq!(after["refunded"], "1.00", "{after}");
    assert_eq!(after["occurred_at"], before["occurred_at"]);
    assert!(daemon.reserve(&with(pay("t79", "10.00"), &when(0))).is_replay());
    assert_eq!(lifetime_used(&daemon), "199.00");
}

#[test]
fn unsettled_transactions_stay_in_memory() {
    let shop = shop().replace("operation_mode", "hold = { deposit = \"never\" }\noperation_mode");
    let daemon = Daemon::start(ConfigFolder::new(&Settings { store: SMALL, ..Settings::REQUEST }, &[("acme", shop)]));
    for n in 0..60_i64 {
        daemon.reserve(&with(pay(&format!("t{n}"), "1.00"), &when(n * 1_000))).ok();
        if n != 7 {
            daemon.step(&format!("t{n}"), "decline", &json!({})).ok();
        }
    }
    daemon.reserve(&tick(30 * DAY)).ok();
    daemon.post_nothing("/v1/snapshot").ok();
    assert!(transactions_in_memory(&daemon) < 40, "{}", transactions_in_memory(&daemon));
    let waiting = daemon.get("/v1/merchants/acme/transactions?status=reserved&customer_id=1000001").ok();
    assert_eq!(waiting["transactions"][0]["transaction_id"], "t7", "{waiting}");
    assert_eq!(daemon.step("t7", "approve", &json!({})).ok()["status"], "approved");
    assert_eq!(lifetime_used(&daemon), "2.00");
}

/// As [`SMALL`], and what is older than two months is deleted.
const SHORT: &str = "kind = \"disk\"\nsync = \"always\"\nsnapshot_interval_s = 3600\nsegment_bytes = 4096\n\n[memory]\nretention_days = 1\narchive_days = 60";

#[test]
fn archive_days_delete_all_but_retained_facts() {
    let shop = shop().replace("operation_mode", "hold = { deposit = \"never\" }\noperation_mode");
    let mut daemon =
        Daemon::start(ConfigFolder::new(&Settings { store: SHORT, ..Settings::REQUEST }, &[("acme", shop)]));
    for n in 0..40_i64 {
        let id = format!("t{n}");
        daemon.reserve(&with(pay(&id, "10.00"), &when(n * 1_000))).ok();
        // The seventh never ends.
        if n != 7 {
            daemon.step(&id, "approve", &json!({ "capture_id": "c", "amount": "8.00" })).ok();
        }
    }
    daemon.reserve(&tick(30 * DAY)).ok();
    daemon.post_nothing("/v1/snapshot").ok();
    // Told of when it had left memory, and so are those that come now.
    daemon.step("t3", "cancel", &json!({ "cancel_id": "late", "amount": "5.00" })).ok();
    for n in 40..60_i64 {
        daemon.reserve(&with(pay(&format!("t{n}"), "10.00"), &when(30 * DAY))).ok();
        daemon.step(&format!("t{n}"), "decline", &json!({})).ok();
    }
    let segments = |daemon: &Daemon| {
        let listed = std::fs::read_dir(daemon.folder.path().join("data/archive")).expect("an archive");
        listed.filter(|file| file.as_ref().expect("a file").path().extension().is_some_and(|e| e == "log")).count()
    };
    let first = "data/archive/00000000000000000001.log";
    daemon.reserve(&tick(80 * DAY)).ok();
    let stay: Vec<String> = [3, 7].into_iter().chain(40..60).map(|n| format!("t{n}")).collect();
    let before: Vec<Value> = stay.iter().map(|id| as_it_was(&daemon, id)).collect();
    let (used, held_before) = (lifetime_used(&daemon), segments(&daemon));
    assert!(daemon.folder.path().join(first).is_file());
    daemon.post_nothing("/v1/snapshot").ok();
    assert!(!daemon.folder.path().join(first).exists(), "{}", daemon.log());
    assert!(segments(&daemon) < held_before);
    for round in ["before a restart", "after a restart", "after the loss of the index"] {
        for (id, before) in stay.iter().zip(&before) {
            assert_eq!(&as_it_was(&daemon, id), before, "{round}");
        }
        assert_eq!(lifetime_used(&daemon), used, "{round}");
        assert!(daemon.reserve(&with(pay("t3", "10.00"), &when(3_000))).is_replay(), "{round}");
        let late = daemon.step("t3", "cancel", &json!({ "cancel_id": "late", "amount": "5.00" }));
        assert!(late.is_replay(), "{round}: {late:?}");
        daemon.fetch("t0").problem(404);
        daemon.step("t0", "refund", &json!({ "amount": "1.00" })).problem(404);
        let listed = daemon.get("/v1/merchants/acme/transactions?customer_id=1000001&limit=1000").ok();
        let ids: Vec<&str> = listed["transactions"]
            .as_array()
            .expect("a list")
            .iter()
            .filter_map(|t| t["transaction_id"].as_str())
            .collect();
        assert_eq!(
            ids.iter().filter(|id| stay.iter().any(|stays| stays == *id)).count(),
            stay.len(),
            "{round}: {ids:?}"
        );
        assert!(!ids.contains(&"t0"), "{round}: {ids:?}");
        if round == "before a restart" {
            daemon.kill_and_start();
        } else {
            daemon.signal("TERM");
            assert!(daemon.wait().success());
            daemon.folder.remove("data/archive/index.redb");
            daemon.kill_and_start();
        }
        daemon.reserve(&tick(80 * DAY + 2 * HOUR)).ok();
    }
    assert_eq!(
        daemon.step("t7", "approve", &json!({ "capture_id": "c", "amount": "8.00" })).ok()["status"],
        "approved"
    );
    let again = daemon.reserve(&with(pay("t0", "10.00"), &when(80 * DAY + 2 * HOUR)));
    assert!(!again.is_replay(), "what is gone counts as new: {again:?}");
    again.ok();
    // `inspect` and `backup` accept a journal that begins later.
    let looked = run(&daemon.folder, &["inspect", "data"]);
    assert!(looked.code == Some(0) && looked.text.contains("journal    begins with record"), "{looked:?}");
    let made = run(&daemon.folder, &["backup", "data", "data/copy"]);
    assert!(made.code == Some(1) && made.text.contains("is inside the folder"), "{made:?}");
    assert!(!daemon.folder.path().join("data/copy").exists(), "nothing is left of it");
    let made = run(&daemon.folder, &["backup", "data", "both", "--keys", "both/keys"]);
    assert!(made.code == Some(1) && made.text.contains("name a file outside the copy"), "{made:?}");
    let made = run(&daemon.folder, &["backup", "data", "copy", "--keys", "keys"]);
    assert_eq!(made.code, Some(0), "{made:?}");
    let made = run(&daemon.folder, &["restore", "copy", "restored", "--keys", "nowhere"]);
    assert!(made.code == Some(1) && made.text.contains("there is no file nowhere"), "{made:?}");
    let made = run(&daemon.folder, &["restore", "copy", "strange", "--keys", "copy/instance"]);
    assert!(made.code == Some(1) && made.text.contains("does not go with this copy"), "{made:?}");
    let made = run(&daemon.folder, &["restore", "copy", "restored", "--keys", "keys", "--verify"]);
    assert!(made.code == Some(0) && made.text.contains("verified"), "{made:?}");
    std::fs::remove_dir_all(daemon.folder.path().join("copy/snapshots")).expect("removed");
    let made = run(&daemon.folder, &["restore", "copy", "headless", "--keys", "keys", "--verify"]);
    assert!(made.code == Some(1) && made.text.contains("bring a snapshot of this folder back"), "{made:?}");
    let looked = run(&daemon.folder, &["inspect", "copy"]);
    assert!(looked.code == Some(1) && looked.text.contains("no snapshot contains the records before it"), "{looked:?}");
}
