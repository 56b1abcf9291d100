//! A record that cannot be read: its page reports it and shows everything else.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::staff_calls::{of, register};
use support::daemon::{ConfigFolder, Daemon, Settings};
use support::fixtures::{CRM, acme, level, pay, with};

fn daemon() -> Daemon {
    let settings = Settings { store: "kind = \"disk\"\nsync = \"always\"\nsegment_bytes = 4096", ..Settings::SYSTEM };
    let levels = [level("gold", ""), level("silver", "")];
    Daemon::start(ConfigFolder::new(&settings, &[("acme", acme(CRM, &levels))]))
}

/// The segments of the journal and the archive, oldest first.
fn segments(daemon: &Daemon) -> Vec<PathBuf> {
    let data = daemon.folder.path().join("data");
    let folders = ["archive", "journal"].map(|folder| fs::read_dir(data.join(folder)));
    let mut paths: Vec<PathBuf> =
        folders.into_iter().flatten().flatten().map(|entry| entry.expect("an entry").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|end| end == "log"));
    paths.sort_by_key(|path| path.file_name().expect("a name").to_owned());
    paths
}

/// Starts the daemon again, so that nothing is read from the journal's memory, and changes a byte of the last record
/// that contains a text.
fn damage_last(daemon: &mut Daemon, text: &str) {
    daemon.kill_and_start();
    let found = segments(daemon).into_iter().rev().find_map(|path| {
        let bytes = fs::read(&path).expect("a segment");
        let at = bytes.windows(text.len()).rposition(|window| window == text.as_bytes())?;
        Some((path, at, bytes[at]))
    });
    let (path, at, byte) = found.unwrap_or_else(|| panic!("no record contains {text:?}"));
    let file = fs::OpenOptions::new().write(true).open(&path).expect("a segment");
    file.write_all_at(&[byte ^ 1], at as u64).expect("a byte");
}

fn unreadable(events: &Value) -> Vec<&Value> {
    events.as_array().expect("a list").iter().filter(|event| event["event"] == "unreadable").collect()
}

#[test]
fn feed_reports_an_unreadable_record_and_continues() {
    let mut daemon = daemon();
    for n in 0..40 {
        daemon.reserve(&pay(&format!("pay-{n:02}-end"), "1.00")).ok();
    }
    let before = daemon.get("/v1/events?limit=1000").ok();
    damage_last(&mut daemon, "pay-17-end");
    let page = daemon.get("/v1/events?limit=1000").ok();
    let reported = unreadable(&page["events"]);
    assert_eq!(reported.len(), 1, "{page}");
    let lsn = before["events"][17]["lsn"].clone();
    assert_eq!((&reported[0]["lsn"], &reported[0]["last_lsn"]), (&lsn, &lsn), "{}", reported[0]);
    assert_eq!(reported[0]["reason"], "the record's checksum does not match");
    let mut want = before["events"].as_array().expect("a list").clone();
    want.remove(17);
    let readable = page["events"].as_array().expect("a list").iter().filter(|event| event["event"] != "unreadable");
    assert_eq!(readable.cloned().collect::<Vec<_>>(), want, "every other fact is shown");
    // Pages of any size find the same entries, and a restricted reader learns of the record too.
    let (mut after, mut found) = (json!(0), Vec::new());
    loop {
        let page = daemon.get(&format!("/v1/events?limit=3&merchant=acme&after={after}")).ok();
        found.extend(page["events"].as_array().expect("a list").iter().cloned());
        if page["next"] == after {
            break;
        }
        after = page["next"].clone();
    }
    assert_eq!(json!(found), page["events"]);
    // Facts after the damage are shown.
    daemon.step("pay-16-end", "approve", &json!({})).ok();
    let later = daemon.get(&format!("/v1/events?after={after}&wait=5")).ok();
    assert_eq!((&later["events"][0]["event"], later["events"].as_array().map(Vec::len)), (&json!("approved"), Some(1)));
}

#[test]
fn transaction_list_reports_an_unreadable_transaction_and_shows_the_others() {
    let mut daemon = daemon();
    for n in 0..20 {
        daemon.reserve(&pay(&format!("pay-{n:02}-end"), "1.00")).ok();
    }
    let customer = daemon.fetch("pay-07-end").ok()["customer"]["customer_id"].clone();
    let before = daemon.get("/v1/merchants/acme/transactions").ok();
    assert!(before.get("unreadable").is_none(), "{before}");
    damage_last(&mut daemon, "pay-07-end");
    let page = daemon.get("/v1/merchants/acme/transactions").ok();
    let ids = |page: &Value| -> Vec<Value> {
        let all = page["transactions"].as_array().expect("a list").iter();
        all.map(|transaction| transaction["transaction_id"].clone()).filter(|id| id != "pay-07-end").collect()
    };
    assert_eq!(ids(&page), ids(&before));
    assert_eq!(page["unreadable"].as_array().map(Vec::len), Some(1), "{page}");
    assert_eq!(page["unreadable"][0]["customer_id"], customer);
    let reason = page["unreadable"][0]["reason"].as_str().expect("a reason");
    assert!(reason.contains("checksum does not match"), "{reason}");
    // It counts in the limit of a page, and the next page continues after it.
    let (mut cursor, mut rows) = (String::new(), 0);
    loop {
        let page = daemon.get(&format!("/v1/merchants/acme/transactions?limit=1{cursor}")).ok();
        rows += page["transactions"].as_array().map_or(0, Vec::len) + page["unreadable"].as_array().map_or(0, Vec::len);
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(rows, 20);
}

#[test]
fn history_reports_an_unreadable_step_and_shows_those_after_it() {
    let mut daemon = daemon();
    let id = register(&daemon, &json!({ "merchant_customer_identifier": "alice" }));
    for level in ["gold", "silver", "gold"] {
        daemon.send("PATCH", &of(&id, ""), &json!({ "deposit_level": level })).ok();
    }
    daemon.reserve(&with(pay("t1", "1.00"), &json!({ "payment_instrument": "tok_1" }))).ok();
    damage_last(&mut daemon, "silver");
    let history = daemon.get(&of(&id, "/history")).ok()["history"].clone();
    let history = history.as_array().expect("a list");
    let oldest = history.last().expect("an entry");
    let reason = oldest["unreadable"].as_str().unwrap_or_else(|| panic!("{oldest}"));
    assert!(reason.contains("checksum does not match") && reason.contains("are not shown"), "{reason}");
    assert_eq!((&oldest["at"], &oldest["changes"], &oldest["customer_id"]), (&Value::Null, &json!([]), &json!(id)));
    let shown: Vec<&Value> = history.iter().filter(|entry| entry.get("unreadable").is_none()).collect();
    let levels: Vec<&Value> = shown.iter().flat_map(|entry| entry["changes"].as_array()).flatten().collect();
    let is_gold = |change: &&&Value| change["field"] == "deposit_level" && change["new"] == "gold";
    assert_eq!(levels.iter().filter(is_gold).count(), 1, "the step after it is shown: {history:?}");

    // The audit reads the records themselves: it misses the damaged one alone.
    let audit = daemon.get("/v1/merchants/acme/audit").ok();
    let kinds: Vec<&Value> = audit["audit"].as_array().expect("entries").iter().map(|entry| &entry["kind"]).collect();
    assert_eq!(kinds, ["customer", "unreadable", "customer", "customer", "level"], "{audit}");
    let [after, unreadable] = [&audit["audit"][0], &audit["audit"][1]];
    assert_eq!(after["old_is_partial"], true, "{after}");
    assert_eq!(unreadable["reason"], "the record's checksum does not match");
    assert!(audit["audit"][2].get("old_is_partial").is_none() && audit["audit"][3].get("old_is_partial").is_none());
    let by_kind = daemon.get("/v1/merchants/acme/audit?kind=rates&by=olga").ok();
    assert_eq!(by_kind["audit"], json!([unreadable]), "it may be an entry of any kind");
}
