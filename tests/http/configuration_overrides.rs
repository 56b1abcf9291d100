//! Levels and rates that are set through the API while the daemon runs, in addition to those in the files.

use serde_json::{Value, json};

use crate::decisions::{assert_allowed, assert_denied};
use support::answer::Answer;
use support::daemon::{ConfigFolder, Daemon, Settings, run};
use support::fixtures::{CRM, RATES, acme, filter, level, level_in, pay, with};
use support::process::eventually;
use support::raw_http::send;

pub(crate) const FULL: &str = "19000 daily_amount_limit_exceeded daily";
pub(crate) const DISK: Settings = Settings { store: "kind = \"disk\"", ..Settings::SYSTEM };
pub(crate) const GOLD: &str = "/v1/merchants/acme/levels/deposit/EUR/gold";

/// `acme` in `crm` mode on a disk, with these levels in its file.
pub(crate) fn start(levels: &[String]) -> Daemon {
    Daemon::start(ConfigFolder::new(&DISK, &[("acme", acme(CRM, levels))]))
}

pub(crate) fn call(daemon: &Daemon, method: &str, path: &str, body: &Value) -> Answer {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    send(daemon.port(), method, path, body.as_bytes())
}

pub(crate) fn put(daemon: &Daemon, path: &str, body: &Value) -> Answer {
    call(daemon, "PUT", path, body)
}

pub(crate) fn delete(daemon: &Daemon, path: &str) -> Answer {
    call(daemon, "DELETE", path, &Value::Null)
}

pub(crate) fn reload(daemon: &Daemon) -> Value {
    daemon.post_nothing("/v1/reload").ok()
}

pub(crate) fn write(daemon: &Daemon, levels: &[String]) {
    daemon.folder.write("merchants/acme.toml", &acme(CRM, levels));
}

/// A level with a daily limit, as the API takes it.
pub(crate) fn daily(limit: &str) -> Value {
    json!({ "projects": ["web"], "filters": [{ "window": "daily", "amount_limit": limit }] })
}

/// The same as the file has it.
pub(crate) fn daily_in_file(limit: &str) -> String {
    level("gold", &filter(&format!("window = \"daily\"; amount_limit = \"{limit}\"")))
}

/// The level of this name for deposits in euro, as it is listed; null where it is not.
pub(crate) fn listed(daemon: &Daemon, name: &str) -> Value {
    let levels = daemon.get("/v1/merchants/acme/levels").ok();
    let rows = levels["levels"].as_array().expect("a list");
    let is_it = |row: &&Value| row["name"] == name && row["direction"] == "deposit" && row["currency"] == "EUR";
    assert!(rows.iter().filter(is_it).count() < 2, "a level is listed once: {levels}");
    let found = rows.iter().find(is_it).cloned().unwrap_or(Value::Null);
    let whole = daemon.get("/v1/merchants/acme").ok();
    assert_eq!(whole["levels"], levels["levels"], "the effective configuration says the same");
    found
}

/// What is left for alice at `gold`, and the level that applied.
pub(crate) fn left(daemon: &Daemon) -> (Value, Value) {
    let answer = daemon.check(&pay("probe", "1.00")).ok();
    (answer["remaining"]["amount"].clone(), answer["level"]["name"].clone())
}

pub(crate) fn version(daemon: &Daemon) -> Value {
    daemon.check(&pay("probe", "1.00")).ok()["config_version"].clone()
}

#[test]
fn level_override_applies_to_the_next_payment_and_survives_a_restart() {
    let mut daemon = start(&[daily_in_file("100.00")]);
    daemon.reserve(&pay("t1", "60.00")).ok();
    let before = version(&daemon);
    assert_eq!(left(&daemon).0, "39.00");
    let reply = put(&daemon, GOLD, &daily("70.00")).ok();
    assert_eq!(
        (&reply["level"]["origin"], &reply["level"]["filters"][0]["amount_limit"]),
        (&json!("api"), &json!("70.00"))
    );
    assert_eq!(left(&daemon).0, "9.00", "what was used before counts");
    let after = version(&daemon);
    assert_ne!(before, after, "other rules, another version");
    assert_eq!(reply["config_version"], after);
    let shown = listed(&daemon, "gold");
    assert_eq!(reply["level"], shown);

    // The same override again changes nothing.
    put(&daemon, GOLD, &daily("70.00")).ok();
    assert_eq!((listed(&daemon, "gold"), version(&daemon)), (shown.clone(), after));

    let silver = "/v1/merchants/acme/levels/deposit/EUR/silver";
    assert_eq!(put(&daemon, silver, &daily("5.00")).status, 201, "there was none");
    assert_eq!(put(&daemon, silver, &daily("6.00")).status, 200);
    let both = version(&daemon);
    for round in 0..2 {
        daemon.kill_and_start();
        assert_eq!(
            (left(&daemon).0, listed(&daemon, "gold"), version(&daemon)),
            (json!("9.00"), shown.clone(), both.clone())
        );
        assert_eq!(listed(&daemon, "silver")["filters"][0]["amount_limit"], "6.00");
        if round == 0 {
            daemon.post_nothing("/v1/snapshot").ok();
        }
    }
    // Without overrides the version depends on the files alone again.
    delete(&daemon, silver).ok();
    put(&daemon, GOLD, &daily("100.00")).ok();
    write(&daemon, &[daily_in_file("101.00")]);
    reload(&daemon);
    write(&daemon, &[daily_in_file("100.00")]);
    reload(&daemon);
    assert_eq!(version(&daemon), before);
}

#[test]
fn level_created_by_a_payment_can_be_configured_deleted_and_recreated() {
    let mut daemon = start(&[]);
    let made = |id: &str| with(pay(id, "1.00"), &json!({ "customer_level": "vip" }));
    assert_eq!(assert_allowed(daemon.reserve(&made("t1")).ok())["level"]["name"], "unknown");
    let row = listed(&daemon, "vip");
    assert_eq!((&row["origin"], &row["projects"]), (&json!("request"), &json!([])));
    let path = "/v1/merchants/acme/levels/deposit/EUR/vip";
    let reply = put(&daemon, path, &daily("3.00")).ok();
    assert_eq!(reply["level"]["created"], row["created"], "it was there before");
    assert_eq!(assert_allowed(daemon.reserve(&made("t2")).ok())["level"]["name"], "vip");
    daemon.kill_and_start();
    assert_eq!(listed(&daemon, "vip")["origin"], "api");
    assert_eq!(delete(&daemon, path).ok()["deleted"], json!(["vip"]));
    assert_eq!(listed(&daemon, "vip"), Value::Null);
    daemon.kill_and_start();
    assert_eq!(listed(&daemon, "vip"), Value::Null);
    assert_eq!(assert_allowed(daemon.reserve(&made("t3")).ok())["level"]["name"], "unknown");
    assert_eq!(listed(&daemon, "vip")["origin"], "request", "a payment names it, so it is made");
    daemon.post_nothing("/v1/snapshot").ok();
    daemon.kill_and_start();
    assert_eq!(listed(&daemon, "vip")["origin"], "request");
    assert_eq!(delete(&daemon, path).ok()["deleted"], json!(["vip"]));
    assert_eq!(delete(&daemon, path).problem(404)["code"], "level_not_found");
}

#[test]
fn changed_file_entry_replaces_only_its_override() {
    let mut daemon = start(&[daily_in_file("100.00"), level("silver", "")]);
    put(&daemon, GOLD, &daily("70.00")).ok();
    // Another level, the order, comments and spaces: the entry of `gold` is unchanged.
    let rewritten = daily_in_file("100.00").replace("name = ", "# the best\n  name   =   ");
    write(&daemon, &[level("silver", &filter("window = \"weekly\"; quantity_limit = 3")), rewritten]);
    reload(&daemon);
    assert_eq!(left(&daemon).0, "69.00");
    daemon.kill_and_start();
    assert_eq!(left(&daemon).0, "69.00");
    assert!(!daemon.log().contains("superseded"), "{}", daemon.log());
    write(&daemon, &[daily_in_file("200.00")]);
    reload(&daemon);
    assert_eq!((left(&daemon).0, &listed(&daemon, "gold")["origin"]), (json!("199.00"), &json!("file")));
    eventually("the superseded version is named", || {
        daemon.log().contains("level `gold` for deposits in EUR of merchant `acme`: its entry in the file has changed")
    });
    // The replaced override does not come back with the old entry.
    write(&daemon, &[daily_in_file("100.00")]);
    reload(&daemon);
    assert_eq!(left(&daemon).0, "99.00");
    // A file that changes while no daemon runs is read at the start.
    put(&daemon, GOLD, &daily("70.00")).ok();
    write(&daemon, &[daily_in_file("300.00")]);
    daemon.kill_and_start();
    assert_eq!(left(&daemon).0, "299.00");
    put(&daemon, GOLD, &daily("70.00")).ok();
    write(&daemon, &[]);
    reload(&daemon);
    assert_eq!(left(&daemon), (Value::Null, json!("unknown")), "the file has the level no more");
}

#[test]
fn level_deletion_lasts_until_its_file_entry_changes() {
    let mut daemon = start(&[daily_in_file("100.00")]);
    daemon.reserve(&pay("t1", "60.00")).ok();
    assert_eq!(delete(&daemon, GOLD).ok()["deleted"], json!(["gold"]));
    let gone = (Value::Null, json!("unknown"));
    assert_eq!((left(&daemon), listed(&daemon, "gold")), (gone.clone(), Value::Null));
    let deleted = version(&daemon);
    reload(&daemon);
    assert_eq!((left(&daemon), version(&daemon)), (gone.clone(), deleted.clone()));
    daemon.post_nothing("/v1/snapshot").ok();
    daemon.kill_and_start();
    assert_eq!((left(&daemon), version(&daemon)), (gone, deleted));
    assert_eq!(delete(&daemon, GOLD).problem(404)["code"], "level_not_found");
    write(&daemon, &[daily_in_file("100.01")]);
    reload(&daemon);
    assert_eq!(left(&daemon), (json!("39.01"), json!("gold")), "and has counted all the while");
    // One that is set after a deletion is there at once.
    delete(&daemon, GOLD).ok();
    assert_eq!(put(&daemon, GOLD, &daily("80.00")).status, 201);
    assert_eq!(left(&daemon), (json!("19.00"), json!("gold")));
}

#[test]
fn deleted_currency_recreates_the_unknown_level_without_filters() {
    let unknown = level("unknown", &filter("window = \"daily\"; amount_limit = \"1.00\""));
    let elsewhere = [level_in("deposit", "USD", "gold", ""), level_in("withdrawal", "EUR", "gold", "")];
    let mut daemon = start(&[[unknown, daily_in_file("100.00")].as_slice(), &elsewhere].concat());
    put(&daemon, "/v1/merchants/acme/levels/deposit/EUR/silver", &daily("5.00")).json();
    assert_allowed(daemon.reserve(&with(pay("t0", "1.00"), &json!({ "customer_level": "made" }))).ok());
    assert_denied(&daemon.check(&with(pay("t1", "2.00"), &json!({ "customer_level": "nowhere" }))).ok(), &[FULL]);
    let all = delete(&daemon, "/v1/merchants/acme/levels/deposit/EUR").ok();
    assert_eq!(all["deleted"], json!(["gold", "made", "silver", "unknown"]));
    for _ in 0..2 {
        let answer = assert_allowed(daemon.check(&pay("t2", "900.00")).ok());
        assert_eq!((&answer["level"]["name"], &answer["remaining"]["amount"]), (&json!("unknown"), &Value::Null));
        let levels = daemon.get("/v1/merchants/acme/levels").ok();
        let places: Vec<(&str, &str)> = levels["levels"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|row| (row["direction"].as_str().unwrap_or_default(), row["currency"].as_str().unwrap_or_default()))
            .collect();
        assert_eq!(places, [("deposit", "USD"), ("withdrawal", "EUR")]);
        daemon.kill_and_start();
    }
    assert_eq!(delete(&daemon, "/v1/merchants/acme/levels/deposit/EUR").ok()["deleted"], json!([]));
    assert_eq!(delete(&daemon, "/v1/merchants/acme/levels/deposit/EUR/unknown").ok()["deleted"], json!([]));
}

#[test]
fn level_creation_and_change_times_survive_restarts() {
    let mut daemon = start(&[daily_in_file("100.00"), level("silver", "")]);
    let times = |daemon: &Daemon, name: &str| {
        let row = listed(daemon, name);
        let time = |member: &str| row[member].as_str().expect("a time").to_owned();
        (time("created"), time("modified"))
    };
    let (gold, silver) = (times(&daemon, "gold"), times(&daemon, "silver"));
    assert_eq!(gold.0, gold.1);
    daemon.kill_and_start();
    assert_eq!((times(&daemon, "gold"), times(&daemon, "silver")), (gold.clone(), silver.clone()));
    write(&daemon, &[daily_in_file("50.00"), level("silver", "")]);
    reload(&daemon);
    let changed = times(&daemon, "gold");
    assert!(changed.0 == gold.0 && changed.1 > gold.1, "{gold:?} became {changed:?}");
    assert_eq!(times(&daemon, "silver"), silver);
    put(&daemon, GOLD, &daily("70.00")).ok();
    let set = times(&daemon, "gold");
    assert!(set.0 == gold.0 && set.1 >= changed.1, "{changed:?} became {set:?}");
}

#[test]
fn invalid_override_reports_every_problem_and_changes_nothing() {
    let daemon = start(&[daily_in_file("100.00")]);
    let before = (version(&daemon), listed(&daemon, "gold"));
    let body = json!({
        "projects": ["wep"], "gates": ["gate-x"], "routing": "random", "colour": "red",
        "filters": [{ "window": "dayly", "amount_limit": "1.001" }], "methods": [{ "method": "card", "min_amount": "9", "max_amount": "1" }],
    });
    let problem = put(&daemon, GOLD, &body).problem(400);
    assert_eq!(problem["code"], "body_invalid");
    let problem_text = problem["problems"].to_string();
    for part in [
        "`wep`",
        "did you mean `web`?",
        "`gate-x`",
        "`random`",
        "`colour`",
        "did you mean `daily`?",
        "fraction digits",
        "`min_amount` is above",
    ] {
        assert!(problem_text.contains(part), "{part} is among the problems: {problem_text}");
    }
    for (body, part) in [
        ("", "one JSON object"),
        ("[]", "one JSON object"),
        ("{", "EOF"),
        (r#"{"scope": "level"}"#, "`scope`"),
        (r#"{"gates": []}"#, "empty"),
        (r#"{"status": "active", "status": "disabled"}"#, "duplicate"),
    ] {
        let problem = send(daemon.port(), "PUT", GOLD, body.as_bytes()).problem(400);
        assert!(problem["problems"].to_string().contains(part), "{body}: {problem}");
    }
    let m = "/v1/merchants/acme/levels";
    for (path, status, code) in [
        ("/v1/merchants/nobody/levels/deposit/EUR/gold".to_owned(), 404, "merchant_not_found"),
        (format!("{m}/sideways/EUR/gold"), 400, "value_unknown"),
        (format!("{m}/deposit/eur/gold"), 400, "currency_unknown"),
        (format!("{m}/deposit/EUR/go%0Ald"), 400, "name_invalid"),
    ] {
        assert_eq!(put(&daemon, &path, &daily("1.00")).problem(status)["code"], code, "{path}");
        assert_eq!(delete(&daemon, &path).problem(status)["code"], code, "{path}");
    }
    assert_eq!(delete(&daemon, &format!("{m}/deposit/EUR/never")).problem(404)["code"], "level_not_found");
    assert_eq!((version(&daemon), listed(&daemon, "gold")), before);
}

#[test]
fn files_that_conflict_with_overrides_are_refused() {
    let daemon = start(&[daily_in_file("100.00")]);
    let body = with(daily("70.00"), &json!({ "gates": ["gate-b"] }));
    put(&daemon, GOLD, &body).ok();
    let before = version(&daemon);
    let without_gate = |text: String| {
        text.replace("id = \"gate-b\"", "id = \"gate-new\"").replace("\"gate-a\", \"gate-b\"", "\"gate-a\"")
    };
    let text = without_gate(acme(CRM, &[daily_in_file("100.00")]));
    daemon.folder.write("merchants/acme.toml", &text);
    let problem = daemon.post_nothing("/v1/reload").problem(422);
    let problem_text = problem["problems"].to_string();
    assert!(
        problem_text.contains("level `gold`")
            && problem_text.contains("set through the API")
            && problem_text.contains("`gate-b`"),
        "{problem_text}"
    );
    assert_eq!((version(&daemon), left(&daemon).0), (before, json!("69.00")));
    // The remedy that the message names.
    daemon.folder.write("merchants/acme.toml", &without_gate(acme(CRM, &[daily_in_file("101.00")])));
    reload(&daemon);
    assert_eq!(left(&daemon).0, "100.00");
}

#[test]
fn start_on_files_that_conflict_with_overrides_is_refused() {
    let daemon = start(&[daily_in_file("100.00")]);
    put(&daemon, GOLD, &with(daily("70.00"), &json!({ "gates": ["gate-off"] }))).ok();
    let text = acme(CRM, &[daily_in_file("100.00")]).replace("id = \"gate-off\"", "id = \"gate-new\"");
    daemon.folder.write("merchants/acme.toml", &text);
    daemon.signal("TERM");
    let config = daemon.folder.path().display().to_string();
    eventually("the folder is free again, and the start says why it does not go on", || {
        let ended = run(&daemon.folder, &["serve", "--config", &config]);
        assert_eq!(ended.code, Some(1), "{}", ended.text);
        ended.text.contains("level `gold`") && ended.text.contains("`gate-off`")
    });
}

#[test]
fn of_two_rate_tables_the_later_one_is_in_force() {
    let world = filter("window = \"daily\"; amount_limit = \"100.00\"; for_all_merchant_currencies = true");
    let mut daemon = start(&[level("gold", &world)]);
    daemon.reserve(&with(pay("t1", "50.00"), &json!({ "currency": "USD", "customer_level": null }))).ok();
    assert_eq!(left(&daemon).0, "59.00", "fifty dollars are forty euro");
    let of_files = version(&daemon);
    let shown = daemon.get("/v1/rates").ok();
    assert_eq!((&shown["origin"], &shown["by"]), (&json!("file"), &Value::Null));
    let table = |as_of: &str, usd: &str| json!({ "base": "EUR", "as_of": as_of, "rates": { "USD": usd } });
    let rates = |daemon: &Daemon, as_of: &str, usd: &str| put(daemon, "/v1/rates", &table(as_of, usd));
    let printed = run(&daemon.folder, &["check", "."]).text;
    assert!(printed.contains("set through the API"), "the files are not all: {printed}");
    let older = rates(&daemon, "2026-11-19T23:59:59Z", "2").problem(422);
    assert_eq!((&older["code"], &older["field"]), (&json!("not_allowed"), &json!("as_of")));
    let without = put(&daemon, "/v1/rates", &json!({ "base": "EUR", "rates": { "USD": "1.1" } })).problem(422);
    assert!(without["detail"].as_str().is_some_and(|detail| detail.contains("`as_of` is missing")), "{without}");
    let mut shown = rates(&daemon, "2026-11-21T00:00:00Z", "2").ok();
    assert!(shown.as_object_mut().and_then(|document| document.remove("warnings")).is_some());
    assert_eq!((&shown["origin"], &shown["rates"]["USD"]), (&json!("api"), &json!("2")));
    assert_eq!((left(&daemon).0, daemon.get("/v1/rates").ok()), (json!("74.00"), shown.clone()));
    assert_ne!(version(&daemon), of_files);
    let status = daemon.get("/v1/status").ok();
    assert_eq!(status["rates_as_of"], "2026-11-21T00:00:00.000Z");
    // A file that is no later changes nothing; what was set stays over a restart.
    daemon.folder.write("rates.toml", &RATES.replace("1.25", "4"));
    reload(&daemon);
    assert_eq!(left(&daemon).0, "74.00");
    daemon.kill_and_start();
    assert_eq!((left(&daemon).0, daemon.get("/v1/rates").ok()), (json!("74.00"), shown));
    assert_eq!(
        rates(&daemon, "2026-11-20T00:00:00Z", "3").problem(422)["code"],
        "not_allowed",
        "not even over the file's"
    );
    daemon.folder.write("rates.toml", &RATES.replace("1.25", "4").replace("2026-11-20T", "2026-11-22T"));
    reload(&daemon);
    assert_eq!((left(&daemon).0, &daemon.get("/v1/rates").ok()["origin"]), (json!("86.50"), &json!("file")));
    // Of the same time, the one that was set.
    rates(&daemon, "2026-11-22T00:00:00Z", "5").ok();
    assert_eq!(left(&daemon).0, "89.00");
    for (body, part) in [
        (json!({ "base": "EUR", "rates": { "USD": "cheap" } }), "cheap"),
        (json!({ "base": "EUR", "rates": { "USD": 0 } }), "zero"),
        (json!({ "base": "EUR", "rates": { "ZZZ": "1" } }), "ZZZ"),
        (json!({ "base": "EUR", "rate": {} }), "did you mean `rates`?"),
        (json!({ "base": "EUR", "as_of": "yesterday", "rates": {} }), "`as_of`"),
    ] {
        let problem = put(&daemon, "/v1/rates", &body).problem(400);
        assert!(problem["problems"].to_string().contains(part), "{part}: {problem}");
    }
    assert_eq!(left(&daemon).0, "89.00");
}
