//! What operators watch: counts of decisions over time, and the status of a level.

use serde_json::{Value, json};

use crate::staff_calls::{of, register};
use support::daemon::{ConfigFolder, Daemon, Settings};
use support::fixtures::{MINUTE, acme, at, filter, gold, level, pay, when, with};

fn series(daemon: &Daemon, query: &str) -> Value {
    daemon.get(&format!("/v1/merchants/acme/series{query}")).ok()
}

fn counts(list: &Value) -> Vec<u64> {
    list.as_array().expect("a list").iter().map(|count| count.as_u64().expect("a count")).collect()
}

fn lifetime() -> String {
    gold("window = \"lifetime\"; amount_limit = \"100.00\"")
}

#[test]
fn decisions_count_in_their_second_and_minute_by_the_time_of_the_ledger() {
    let daemon = Daemon::timed(lifetime());
    for (id, amount, time) in [
        ("a", "60.00", 0),
        ("b", "60.00", 0),
        ("c", "1.00", 1_000),
        ("d", "5000.00", 1_500),
        ("e", "1.00", MINUTE + 2_000),
    ] {
        let body = with(pay(id, amount), &json!({ "payment_method": "card" }));
        daemon.reserve(&with(body, &when(time))).ok();
    }
    // None of these is a new decision.
    assert!(
        daemon.reserve(&with(with(pay("c", "1.00"), &json!({ "payment_method": "card" })), &when(1_000))).is_replay()
    );
    daemon.check(&pay("f", "1.00")).ok();
    daemon.step("c", "approve", &json!({})).ok();

    let seconds = series(&daemon, &format!("?resolution=1s&from={}&to={}", at(0), at(3_000)));
    assert_eq!((&seconds["from"], &seconds["to"]), (&json!(at(0)), &json!(at(3_000))), "{seconds}");
    assert_eq!((&seconds["merchant"], &seconds["resolution"]), (&json!("acme"), &json!("1s")));
    assert_eq!((counts(&seconds["allow"]), counts(&seconds["deny"])), (vec![1, 1, 0], vec![1, 1, 0]), "{seconds}");
    let codes: Vec<(&Value, &Value, Vec<u64>)> = seconds["codes"]
        .as_array()
        .expect("codes")
        .iter()
        .map(|row| (&row["code"], &row["reason"], counts(&row["deny"])))
        .collect();
    let [above, limit] =
        [(json!(19103), json!("amount_above_maximum")), (json!(19006), json!("amount_limit_exceeded"))];
    assert_eq!(codes, [(&above.0, &above.1, vec![0, 1, 0]), (&limit.0, &limit.1, vec![1, 0, 0])]);
    assert_eq!(seconds["since"], json!(at(0)), "counting began with the first decision: {seconds}");

    let minutes = series(&daemon, "");
    assert_eq!((&minutes["resolution"], &minutes["totals"]), (&json!("1m"), &json!({ "allow": 3, "deny": 2 })));
    assert_eq!((counts(&minutes["allow"]), counts(&minutes["deny"])), (vec![2, 1], vec![2, 0]), "{minutes}");
    let all = series(&daemon, "?resolution=1s");
    assert_eq!(all["totals"], minutes["totals"]);
    assert_eq!(counts(&all["allow"]).len(), 63, "from the first decision to the present second: {all}");
    assert_eq!(series(&daemon, &format!("?to={}", at(-MINUTE)))["allow"], json!([]), "before the start");
}

#[test]
fn series_are_of_one_merchant_and_begin_empty_at_a_start() {
    let globex = lifetime().replacen("id = \"acme\"", "id = \"globex\"", 1);
    let merchants = [("acme", lifetime()), ("globex", globex)];
    let mut daemon =
        Daemon::start(ConfigFolder::new(&Settings { store: "kind = \"disk\"", ..Settings::SYSTEM }, &merchants));
    for n in 0..3 {
        daemon.reserve(&pay(&format!("t{n}"), "1.00")).ok();
    }
    daemon.post("/v1/merchants/globex/transactions", &pay("g", "101.00")).ok();
    let ours = series(&daemon, "?resolution=1s");
    assert_eq!((&ours["totals"], &ours["codes"]), (&json!({ "allow": 3, "deny": 0 }), &json!([])));
    let theirs = daemon.get("/v1/merchants/globex/series").ok();
    assert_eq!(theirs["totals"], json!({ "allow": 0, "deny": 1 }));
    daemon.kill_and_start();
    let again = series(&daemon, "?resolution=1s");
    assert_eq!(again["totals"], json!({ "allow": 0, "deny": 0 }));
    assert!(again["since"].as_str() > ours["since"].as_str(), "{again} after {ours}");
}

#[test]
fn invalid_queries_for_a_series_are_refused_with_the_reason() {
    let daemon = Daemon::live(lifetime());
    for (query, field) in [
        ("resolution=1h", "resolution"),
        ("from=yesterday", "from"),
        ("to=1", "to"),
        ("from=2026-11-20T10:00:00Z&to=2026-11-20T10:00:00Z", "from"),
        ("step=1", "step"),
    ] {
        let problem = daemon.get(&format!("/v1/merchants/acme/series?{query}")).problem(400);
        assert_eq!(problem["field"], field, "{query}: {problem}");
    }
    assert_eq!(daemon.get("/v1/merchants/nowhere/series").problem(404)["code"], "merchant_not_found");
}

#[test]
fn status_of_a_level_counts_its_customers_and_names_its_origin() {
    let levels = [level("gold", &filter("window = \"daily\"; amount_limit = \"10.00\"")), level("silver", "")];
    let head = "operation_mode = \"crm\"\nadd_all_projects_to_unknown_level = true\n";
    let daemon = Daemon::live(acme(head, &levels));
    let status = |path: &str| daemon.get(&format!("/v1/merchants/acme/levels/{path}/status"));
    let new = |id: &str, level: Value| {
        register(&daemon, &with(json!({ "merchant_customer_identifier": id }), &json!({ "deposit_level": level })))
    };
    let ids = [new("a", json!("gold")), new("b", json!("gold")), new("c", json!("silver")), new("d", Value::Null)];
    let settings = json!({ "global_limit": { "max_amount": "9.00" } });
    for id in [&ids[0], &ids[3]] {
        daemon.send("PUT", &of(id, "/settings/deposit/EUR/gold"), &settings).ok();
    }
    let gold = status("deposit/EUR/gold").ok();
    for (member, value) in [
        ("name", json!("gold")),
        ("direction", json!("deposit")),
        ("currency", json!("EUR")),
        ("status", json!("active")),
        ("is_configured", json!(true)),
        ("customers", json!(2)),
        ("individual_settings", json!(2)),
        ("origin", json!("file")),
        ("by", Value::Null),
    ] {
        assert_eq!(gold[member], value, "`{member}` of {gold}");
    }
    // A merged customer counts as part of its target, and a change through the API changes the origin.
    daemon.post(&of(&ids[1], "/merge"), &json!({ "into": ids[0] })).ok();
    daemon.send("PUT", "/v1/merchants/acme/levels/deposit/EUR/gold", &json!({ "projects": ["web"] })).ok();
    let after = status("deposit/EUR/gold").ok();
    assert_eq!((&after["customers"], &after["origin"]), (&json!(1), &json!("api")), "{after}");
    assert!(after["modified"].as_str() > gold["modified"].as_str(), "{after} after {gold}");
    daemon.reserve(&with(pay("t1", "1.00"), &json!({ "customer_level": "made-by-a-request" }))).ok();
    let made = status("deposit/EUR/made-by-a-request").ok();
    assert_eq!((&made["origin"], &made["is_configured"]), (&json!("request"), &json!(false)), "{made}");
    assert_eq!(status("withdrawal/EUR/unknown").ok()["customers"], json!(0));
    for missing in ["deposit/EUR/bronze", "withdrawal/EUR/gold", "deposit/USD/gold", "deposit/EUR/web"] {
        assert_eq!(status(missing).problem(404)["code"], "level_not_found", "{missing}");
    }
}

#[test]
fn status_of_a_level_counts_who_is_above_its_limits_and_repeats_the_warnings_of_its_put() {
    let daemon = Daemon::live(gold("window = \"daily\"; amount_limit = \"10.00\""));
    let path = "/v1/merchants/acme/levels/deposit/EUR/gold";
    let status = || daemon.get(&format!("{path}/status")).ok();
    for (id, amount) in [("a", "8.00"), ("b", "4.00"), ("c", "8.00")] {
        let new = json!({ "merchant_customer_identifier": id, "deposit_level": "gold" });
        register(&daemon, &new);
        let paid = pay(&format!("t-{id}"), amount);
        daemon.reserve(&with(paid, &json!({ "merchant_customer_identifier": id, "customer_level": "gold" }))).ok();
    }
    let before = status();
    let none = json!([{ "filter": "daily", "mode": "enforce", "customers": 0 }]);
    assert_eq!(before["above_limits"]["filters"], none, "{before}");
    assert_eq!(before["above_limits"]["customers_read"], 3, "{before}");
    let filters = json!([
        { "name": "day", "window": "daily", "amount_limit": "5.00" },
        { "name": "week", "window": "weekly", "quantity_limit": 0, "amount_limit": "100.00", "mode": "shadow" },
        { "name": "off", "window": "monthly", "amount_limit": "1.00", "mode": "off" },
    ]);
    let put = daemon.send("PUT", path, &json!({ "projects": [], "filters": filters })).ok();
    let after = status();
    let above = &after["above_limits"];
    assert_eq!(above["filters"][0], json!({ "filter": "day", "mode": "enforce", "customers": 2 }), "{after}");
    assert_eq!(above["filters"][1], json!({ "filter": "week", "mode": "shadow", "customers": 3 }), "{after}");
    assert_eq!(above["filters"].as_array().map(Vec::len), Some(2), "a filter that is off is not counted: {after}");
    assert_eq!((&above["customers_read"], &above["customers_read_max"]), (&json!(6), &json!(100_000)), "{after}");
    assert!(!put["warnings"].as_array().expect("a list").is_empty(), "a level without projects: {put}");
    assert_eq!(after["warnings"], put["warnings"]);
    daemon.send("PUT", path, &json!({ "projects": ["web"] })).ok();
    let plain = status();
    assert_eq!((&plain["warnings"], &plain["above_limits"]["filters"]), (&json!([]), &json!([])), "{plain}");
}
