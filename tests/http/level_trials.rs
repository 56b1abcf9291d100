//! Trials of changes of levels, resets to the file, the gates of a level, who is above a limit, and a merchant's file.

use serde_json::{Value, json};

use crate::staff_calls::{of, register};
use support::daemon::{ConfigFolder, Daemon, Settings};
use support::fixtures::{CRM, acme, filter, gold, level, pay, with};
use support::process::eventually;

const LEVELS: &str = "/v1/merchants/acme/levels";
const GOLD: &str = "/v1/merchants/acme/levels/deposit/EUR/gold";

fn lines(document: &Value, list: &str) -> Vec<String> {
    let list = document[list].as_array().expect("a list").iter();
    list.map(|line| line.as_str().expect("a sentence").to_owned()).collect()
}

/// Three customers of gold; two have paid 8.00.
fn daemon() -> (Daemon, Vec<String>) {
    let daemon = Daemon::live(acme(
        CRM,
        &[level("gold", &filter("window = \"daily\"; amount_limit = \"10.00\"")), level("silver", "")],
    ));
    let ids = ["a", "b", "c"]
        .map(|id| register(&daemon, &json!({ "merchant_customer_identifier": id, "deposit_level": "gold" })));
    for id in ["a", "b"] {
        daemon.reserve(&with(pay(id, "8.00"), &json!({ "merchant_customer_identifier": id }))).ok();
    }
    (daemon, ids.to_vec())
}

#[test]
fn a_trial_says_what_differs_and_whom_it_affects_and_changes_nothing() {
    let (daemon, _) = daemon();
    let before = daemon.get(GOLD).ok();
    let body = |limit: &str| json!({ "projects": ["web"], "filters": [{ "window": "daily", "amount_limit": limit }] });
    let tried = daemon.send("PUT", &format!("{GOLD}?dry_run=true"), &body("5.00")).ok();
    assert_eq!((&tried["dry_run"], &tried["customers"]), (&json!(true), &json!(3)), "{tried}");
    let changed = lines(&tried, "changed");
    assert_eq!(changed, ["gold deposits in EUR: daily amount 10.00 -> 5.00; 2 customers are above it now"]);
    assert_eq!(daemon.get(GOLD).ok(), before);
    let deleted = daemon.send("DELETE", &format!("{GOLD}?dry_run=true"), &Value::Null).ok();
    assert_eq!(deleted["customers"], json!(3));
    let removed = lines(&deleted, "removed");
    assert!(removed.len() == 1 && removed[0].ends_with("; 3 customers have it"), "{deleted}");
    let all = daemon.send("DELETE", &format!("{LEVELS}/deposit/EUR?dry_run=true"), &Value::Null).ok();
    assert_eq!(lines(&all, "removed").len(), 2, "{all}");
    let renamed = daemon.post(&format!("{LEVELS}/deposit/gold/rename?dry_run=true"), &json!({ "to": "golden" })).ok();
    assert_eq!((lines(&renamed, "added").len(), lines(&renamed, "removed").len()), (1, 1), "{renamed}");
    assert_eq!(daemon.get(GOLD).ok(), before);
    // What a change refuses, its trial refuses in the same words.
    for call in ["?dry_run=true", ""] {
        let refused = daemon.send("PUT", &format!("{GOLD}{call}"), &json!({ "projects": ["nowhere"] })).problem(400);
        assert_eq!(refused["code"], "body_invalid", "{refused}");
    }
    let wrong = daemon.send("PUT", &format!("{GOLD}?dry_run=perhaps"), &body("5.00")).problem(400);
    assert_eq!(wrong["field"], "dry_run");
    daemon.send("PUT", GOLD, &body("5.00")).ok();
    assert_ne!(daemon.get(GOLD).ok(), before);
}

#[test]
fn a_level_is_reset_to_its_entry_in_the_file_and_the_audit_names_it() {
    let mut daemon = Daemon::start(ConfigFolder::new(
        &Settings { store: "kind = \"disk\"", ..Settings::SYSTEM },
        &[("acme", gold("window = \"daily\"; amount_limit = \"10.00\""))],
    ));
    let of_file = daemon.get(GOLD).ok();
    let reset = |daemon: &Daemon, query: &str| daemon.post(&format!("{GOLD}/reset{query}"), &Value::Null);
    daemon.send("PUT", GOLD, &json!({ "projects": "all" })).ok();
    let tried = reset(&daemon, "?dry_run=true").ok();
    assert!(lines(&tried, "added").iter().any(|line| line.contains("daily")), "{tried}");
    assert_eq!(daemon.get(GOLD).ok()["origin"], "api");
    let level = reset(&daemon, "").ok()["level"].clone();
    assert_eq!((&level["origin"], &level["filters"]), (&json!("file"), &of_file["filters"]), "{level}");
    assert_eq!(level["created"], of_file["created"]);
    reset(&daemon, "").ok();
    let audit = daemon.get("/v1/merchants/acme/audit?kind=level").ok();
    let steps: Vec<&Value> =
        audit["audit"].as_array().expect("entries").iter().filter(|one| one["source"] == "api").collect();
    assert_eq!(steps.len(), 2, "a second reset changes nothing: {audit}");
    assert_eq!(steps[0]["changes"][0]["new"]["filters"][0]["amount_limit"], "10.00", "{audit}");
    daemon.kill_and_start();
    assert_eq!(daemon.get(GOLD).ok()["origin"], "file", "after a kill");
    // A deleted level comes back; one that no file has cannot be reset.
    daemon.send("DELETE", GOLD, &Value::Null).ok();
    assert_eq!(reset(&daemon, "").ok()["level"]["filters"], of_file["filters"]);
    daemon.send("PUT", &format!("{LEVELS}/deposit/EUR/ruby"), &json!({})).json();
    let refused = daemon.post(&format!("{LEVELS}/deposit/EUR/ruby/reset"), &Value::Null).problem(422);
    assert!(refused["detail"].as_str().expect("a detail").contains("delete it instead"), "{refused}");
}

#[test]
fn customers_above_a_limit_are_listed_in_pages() {
    let (daemon, ids) = daemon();
    let above = |query: &str| daemon.get(&format!("{GOLD}/above?{query}"));
    assert_eq!(above("filter=daily").ok()["customers"], json!([]));
    let body = json!({ "projects": ["web"], "filters": [{ "window": "daily", "amount_limit": "5.00" }] });
    daemon.send("PUT", GOLD, &body).ok();
    let (mut found, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = above(&format!("filter=daily&limit=1{cursor}")).ok();
        for one in page["customers"].as_array().expect("customers") {
            assert_eq!((&one["amount"]["used"], &one["amount"]["limit"]), (&json!("8.00"), &json!("5.00")), "{one}");
            found.push(one["customer_id"].as_str().expect("an id").to_owned());
        }
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(found, ids[..2]);
    assert_eq!(above("filter=nope").problem(400)["field"], "filter");
    assert_eq!(above("limit=1").problem(400)["field"], "filter");
    // Customers without a stored level are decided by `unknown`.
    register(&daemon, &json!({ "merchant_customer_identifier": "d" }));
    daemon.reserve(&with(plain("d", "3.00"), &json!({ "merchant_customer_identifier": "d" }))).ok();
    let unknown = json!({ "filters": [{ "window": "daily", "amount_limit": "1.00" }] });
    daemon.send("PUT", &format!("{LEVELS}/deposit/EUR/unknown"), &unknown).json();
    let page = daemon.get(&format!("{LEVELS}/deposit/EUR/unknown/above?filter=daily")).ok();
    assert_eq!(page["customers"].as_array().expect("customers").len(), 1, "{page}");
}

/// A payment that names no level.
fn plain(id: &str, amount: &str) -> Value {
    support::fixtures::without(pay(id, amount), &["customer_level"])
}

#[test]
fn gates_of_a_level_have_the_reason_for_which_they_are_left_out() {
    let gates = "gates = [\"gate-off\", \"gate-usd\", \"gate-out\", \"gate-big\", \"gate-cash\", \"gate-a\"]\n";
    let daemon = Daemon::live(acme(CRM, &[level("gold", gates)]));
    let reasons = |query: &str| {
        let shown = daemon.get(&format!("{GOLD}/gates{query}")).ok();
        let list = shown["lists"][0]["gates"].as_array().expect("gates").clone();
        assert_eq!((&shown["lists"][0]["edited"], &shown["lists"][0]["applies"]), (&json!(true), &json!(true)));
        list.iter().map(|gate| gate["reason"].as_str().unwrap_or("-").to_owned()).collect::<Vec<_>>()
    };
    let general = ["disabled", "currency_not_served", "direction_not_served", "-", "-", "-"];
    assert_eq!(reasons(""), general);
    let of_card = [&general[..3], &["amount_below_minimum", "method_not_served", "-"]].concat();
    assert_eq!(reasons("?payment_method=card&amount=20.00"), of_card);
    let refused = daemon.get(&format!("{GOLD}/gates?amount=1.234")).problem(400);
    assert_eq!(refused["field"], "amount");
    let unknown = daemon.get(&format!("{LEVELS}/deposit/EUR/unknown/gates?endpoint=web-eur")).ok();
    assert_eq!(unknown["lists"][0]["edited"], json!(false), "{unknown}");
}

#[test]
fn the_file_of_a_merchant_shows_what_a_reload_would_change() {
    let daemon = Daemon::live(gold("window = \"daily\"; amount_limit = \"10.00\""));
    let file = || daemon.get("/v1/merchants/acme/file").ok();
    let same = file();
    assert_eq!((&same["path"], &same["errors"]), (&json!("merchants/acme.toml"), &json!([])));
    assert!(same["text"].as_str().expect("a text").contains("amount_limit = \"10.00\""));
    for list in ["added", "changed", "removed"] {
        assert_eq!(same["reload"][list], json!([]), "{same}");
    }
    daemon.folder.write("merchants/acme.toml", &gold("window = \"daily\"; amount_limit = \"4.00\""));
    daemon.reserve(&pay("t1", "5.00")).ok();
    let next = file();
    let changed = lines(&next["reload"], "changed");
    assert_eq!(changed, ["gold deposits in EUR: daily amount 10.00 -> 4.00; 1 customer is above it now"], "{next}");
    assert_eq!(daemon.get(GOLD).ok()["filters"][0]["amount_limit"], "10.00", "nothing is reloaded");
    daemon.folder.write("merchants/acme.toml", &gold("window = \"daily\"; amount_limit = \"much\""));
    let broken = file();
    assert!(lines(&broken, "errors")[0].contains("merchants/acme.toml"), "{broken}");
}

#[test]
fn usage_shows_the_part_that_open_holds_keep() {
    let daemon = Daemon::live(gold("window = \"daily\"; amount_limit = \"100.00\"; quantity_limit = 10"));
    let paid = daemon.reserve(&pay("t1", "30.00")).ok();
    daemon.step("t1", "approve", &json!({})).ok();
    daemon.reserve(&pay("t2", "20.00")).ok();
    daemon.reserve(&pay("t3", "10.00")).ok();
    daemon.step("t3", "approve", &json!({ "amount": "4.00", "capture_id": "c1", "final": false })).ok();
    let id = paid["customer"]["customer_id"].as_str().expect("an id").to_owned();
    let daily = || {
        let usage = daemon.get(&of(&id, "/usage")).ok();
        let of_euro = usage["usage"].as_array().expect("usage").iter().find(|one| one["level"] == "gold").cloned();
        of_euro.expect("gold")["limits"][0].clone()
    };
    let amount = json!({ "limit": "100.00", "used": "60.00", "held": "26.00", "remaining": "40.00" });
    assert_eq!(daily()["amount"], amount);
    assert_eq!(daily()["quantity"], json!({ "limit": 10, "used": 3, "held": 1, "remaining": 7 }));
    daemon.step("t2", "decline", &json!({})).ok();
    eventually("the declined amount is not held", || daily()["amount"]["held"] == json!("6.00"));
    let check = daemon.check(&with(pay("t4", "1.00"), &json!({ "explain": true }))).ok();
    assert!(check["limits"][0]["amount"].get("held").is_none(), "an explanation has no held part: {check}");
}
