//! `levelgate backtest`: a history that a daemon recorded, replayed under another configuration.

use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

use support::daemon::{ConfigFolder, Daemon, Settings, run};
use support::fixtures::{CRM, DAY, HOUR, MINUTE, acme, at, filter, level, level_in, pay, tick, when, with, without};
use support::random::Random;
use support::raw_http;

/// Segments so small that the archive has many, and a day of retention.
const SMALL: &str = "kind = \"disk\"\nsnapshot_interval_s = 3600\nsegment_bytes = 8192\nstop_snapshot_s = 0\n\n[memory]\nretention_days = 1";
const TIMED: Settings = Settings { store: SMALL, ..Settings::REQUEST };
const CUSTOMERS: &str = "/v1/merchants/acme/customers";

/// Replays the history in `data` of the daemon's folder under a configuration folder.
#[track_caller]
pub(crate) fn backtest(folder: &ConfigFolder, config: &str, more: &[&str]) -> Value {
    let ended = run(folder, &[&["backtest", "--config", config, "--data", "data", "--format", "json"], more].concat());
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let json = ended.text.find('{').expect("a document");
    serde_json::from_str(&ended.text[json..]).unwrap_or_else(|error| panic!("{error}: {}", ended.text))
}

#[track_caller]
pub(crate) fn assert_no_difference(report: &Value, judged_min: u64) {
    assert_eq!(report["differences"], 0, "{report:#}");
    assert_eq!(report["not_judged_decisions"], 0, "{report:#}");
    assert!(report["judged"].as_u64().expect("a count") >= judged_min, "{report:#}");
}

/// The files in the archive.
fn archived(folder: &ConfigFolder) -> usize {
    let names = std::fs::read_dir(folder.path().join("data/archive")).expect("the archive");
    names.filter(|name| name.as_ref().is_ok_and(|name| name.path().extension().is_some_and(|end| end == "log"))).count()
}

fn levels(gold_daily: &str) -> Vec<String> {
    let across = filter("window = \"weekly\"; amount_limit = \"260.00\"; for_all_merchant_currencies = true")
        + &filter("window = \"lifetime\"; quantity_limit = 200; subtract_cancel_transactions = true");
    let daily = filter(&format!("window = \"daily\"; amount_limit = \"{gold_daily}\"; calendar = true"));
    let dollars = filter("window = \"1h\"; quantity_limit = 3; amount_limit = \"90.00\"") + &across;
    vec![
        level("gold", &(daily + &across)),
        level_in("deposit", "USD", "gold", &dollars),
        level("silver", &filter("window = \"daily\"; amount_limit = \"40.00\"; quantity_limit = 2")),
        level_in("withdrawal", "EUR", "gold", &filter("window = \"monthly\"; amount_limit = \"150.00\"")),
    ]
}

/// A payment with its outcome, as a line of a batch.
fn pay_at_once(daemon: &Daemon, mut body: Value, outcome: &str) -> Value {
    let at = body["occurred_at"].take();
    let line = with(
        without(body, &["occurred_at"]),
        &json!({ "op": "payment", "merchant": "acme", "at": at, "outcome": outcome }),
    );
    let answer = raw_http::post_streamed(daemon.port(), "/v1/batch", line.to_string().into_bytes());
    assert_eq!(answer.status, 200, "{}", answer.body);
    let answer: Value = serde_json::from_str(&answer.body).expect("an answer");
    assert!(answer["decision"].is_string(), "{answer}");
    answer
}

/// A random payment or fact.
fn random_call(daemon: &Daemon, random: &mut Random, n: i64, now: i64) {
    let id = format!("t{n}");
    let earlier = format!("t{}", random.between(0, n));
    let currency = random.word(&["EUR", "EUR", "USD"]);
    let direction = if currency == "EUR" && random.percent(20) { "withdrawal" } else { "deposit" };
    let amount = format!("{}.{:02}", random.between(1, 70), random.between(0, 99));
    let level = [json!("gold"), json!("gold"), json!("silver"), Value::Null, json!("platinum")];
    let body = json!({
        "transaction_id": id, "direction": direction, "currency": currency, "amount": amount,
        "merchant_customer_identifier": format!("c{}", random.between(0, 6)),
        "customer_level": random.pick(&level), "occurred_at": at(now),
        "payment_instrument": if random.percent(30) { json!(format!("tok_{}", random.between(0, 3))) } else { Value::Null },
    });
    match random.between(0, 9) {
        0..4 => _ = daemon.reserve(&body).ok(),
        4..6 => {
            let outcome = random.word(&["approved", "declined"]);
            _ = pay_at_once(daemon, body, outcome);
        }
        // A fact may be refused: the history contains what was recorded.
        6 => _ = daemon.step(&earlier, "approve", &json!({ "capture_id": "k", "amount": "1.50", "final": false })),
        7 => _ = daemon.step(&earlier, "approve", &json!({})),
        8 => _ = daemon.step(&earlier, random.word(&["cancel", "decline", "refund"]), &json!({})),
        _ => _ = daemon.step(&earlier, "extend", &json!({ "until": at(now + 2 * DAY) })),
    }
}

/// `rates.toml` with another rate of the dollar.
pub(crate) fn rates_file(as_of: &str, usd: &str) -> String {
    format!(
        "base = \"EUR\"\nas_of = {as_of}\n[rates]\nUSD = \"{usd}\"\nJPY = \"160\"\nGBP = \"1.5\"\nCAD = \"1.5\"\nCHF = \"1.5\"\n"
    )
}

/// What staff and operators do at some points of the history.
fn change(daemon: &Daemon, n: i64, ids: &BTreeMap<String, String>) {
    let of = |name: &str, below: &str| format!("{CUSTOMERS}/{}{below}", ids[name]);
    let call = |method: &str, path: &str, body: &Value| _ = daemon.send(method, path, body).ok();
    let rates = |day: u32, usd: &str| json!({ "base": "EUR", "as_of": format!("2026-11-{day}T00:00:00Z"), "rates": { "USD": usd } });
    match n {
        40 => call("PUT", "/v1/rates", &rates(21, "1.5")),
        60 => {
            // A new merchant, and a level that no payment named before.
            let more = [levels("100.00"), vec![level("bronze", "")]].concat();
            daemon.folder.write("merchants/acme.toml", &acme(CRM, &more));
            let beta = acme(CRM, &[]).replacen("\"acme\"", "\"beta\"", 1);
            daemon.folder.write("merchants/beta.toml", &beta);
            daemon.folder.write("rates.toml", &rates_file("2026-11-21T12:00:00Z", "0.7"));
            daemon.post_nothing("/v1/reload").ok();
        }
        80 => call("PUT", "/v1/rates", &rates(22, "0.9")),
        100 => call("POST", &of("c1", "/merge"), &json!({ "into": ids["c0"] })),
        120 => {
            let bulk = json!({ "select": { "ids": [ids["c2"]] }, "set": { "deposit_level": "silver" } });
            call("POST", &format!("{CUSTOMERS}/bulk?job=spring"), &bulk);
            let table = "merchant_customer_identifier,deposit_level\r\nc3,silver\r\nnew,gold\r\n";
            raw_http::send(daemon.port(), "POST", &format!("{CUSTOMERS}.csv?job=table"), table.as_bytes()).ok();
        }
        140 => {
            let own = json!({ "methods": [], "global_limit": { "max_amount": "35.00" } });
            call("PUT", &of("c4", "/settings/deposit/EUR/gold"), &own);
            let limits = json!({ "filters": [{ "window": "daily", "amount_limit": "25.00" }] });
            call("PUT", &of("c5", "/limits/deposit/EUR"), &limits);
        }
        160 => {
            daemon.post_nothing("/v1/snapshot").ok();
        }
        180 => {
            let stolen = json!({ "signal": "card_stolen", "payment_instrument": "tok_1" });
            call("POST", &of("c0", "/signals"), &stolen);
            call("PATCH", &of("c6", ""), &json!({ "status": "fraud" }));
        }
        200 => {
            let gold = json!({ "projects": ["web"], "filters": [{ "window": "daily", "amount_limit": "55.00" }] });
            call("PUT", "/v1/merchants/acme/levels/deposit/EUR/gold", &gold);
        }
        220 => call("POST", &of("c6", "/signals"), &json!({ "signal": "cleared" })),
        240 => {
            call("PUT", "/v1/rates", &rates(25, "1.1"));
            daemon.post_nothing("/v1/snapshot").ok();
        }
        _ => {}
    }
}

/// A daemon with a history of weeks, on which everything happened that must not change a decision.
fn eventful(seed: u64) -> (Daemon, u64) {
    let mut daemon = Daemon::start(ConfigFolder::new(&TIMED, &[("acme", acme(CRM, &levels("100.00")))]));
    daemon.reserve(&tick(0)).ok();
    let mut random = Random::seeded(seed);
    let mut ids = BTreeMap::new();
    for n in 0..7 {
        let name = format!("c{n}");
        let created = daemon.post(CUSTOMERS, &json!({ "merchant_customer_identifier": name })).json();
        ids.insert(name, created["customer_id"].as_str().expect("an id").to_owned());
    }
    let mut now = 0;
    for n in 0..320 {
        now += random.between(MINUTE, 2 * HOUR);
        random_call(&daemon, &mut random, n, now);
        change(&daemon, n, &ids);
        if n == 170 {
            daemon.kill();
            daemon.folder.write("rates.toml", &rates_file("2026-11-23T00:00:00Z", "1.4"));
            daemon.kill_and_start();
        }
    }
    daemon.post_nothing("/v1/snapshot").ok();
    (daemon, 160)
}

#[test]
fn backtest_under_the_same_configuration_changes_no_decision() {
    for seed in [11, 12] {
        let (mut daemon, judged_min) = eventful(seed);
        // A daemon serves the folder.
        assert_no_difference(&backtest(&daemon.folder, ".", &[]), judged_min);
        let files = |folder: &ConfigFolder| support_files(&folder.path().join("data"));
        daemon.signal("TERM");
        daemon.wait();
        assert!(archived(&daemon.folder) > 2, "segments are archived");
        let before = files(&daemon.folder);
        let report = backtest(&daemon.folder, ".", &[]);
        assert_no_difference(&report, judged_min);
        assert_eq!(report["reloads"], 1, "{report:#}");
        assert!(before == files(&daemon.folder), "the folder is only read");
        let allowed = |what: &str| total(&report, what, "EUR")["decisions"].clone();
        assert!(allowed("allowed_before").as_u64().is_some_and(|count| count > 20), "{report:#}");
        assert_eq!(allowed("allowed_before"), allowed("allowed_after"));
    }
}

/// The content of all files below a folder.
fn support_files(folder: &std::path::Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files.extend(support_files(&path));
        } else {
            files.insert(path.display().to_string(), std::fs::read(&path).expect("a file"));
        }
    }
    files
}

/// The row of the totals.
fn total(report: &Value, what: &str, currency: &str) -> Value {
    let rows = report["totals"].as_array().expect("rows");
    let found = rows.iter().find(|row| row["what"] == what && row["currency"] == currency);
    found.cloned().unwrap_or(Value::Null)
}

/// A payment of the naive calculation.
#[derive(Clone)]
struct Paid {
    id: String,
    customer: String,
    time: i64,
    cents: i64,
    /// Whether the daemon allowed it.
    allowed: bool,
}

/// Whether each payment is allowed under a limit for a calendar day in UTC. A payment that was approved in fact counts always,
/// another one until its hold of an hour ends.
fn decide_naively(payments: &[Paid], limit: i64) -> Vec<bool> {
    const START: i64 = 10 * HOUR;
    let day = |time: i64| (time + START).div_euclid(DAY);
    let mut decided: Vec<bool> = Vec::new();
    for paid in payments {
        let earlier = payments.iter().zip(&decided).filter(|(other, allowed)| {
            let counts = other.allowed || paid.time < other.time + HOUR;
            **allowed && counts && other.customer == paid.customer && day(other.time) == day(paid.time)
        });
        let used: i64 = earlier.map(|(other, _)| other.cents).sum();
        decided.push(used + paid.cents <= limit);
    }
    decided
}

fn cents(count: i64) -> String {
    format!("{}.{:02}", count / 100, count % 100)
}

#[test]
fn backtest_of_a_lower_limit_equals_an_independent_calculation() {
    let shop = |limit: i64| {
        let keys = format!("window = \"daily\"; calendar = true; amount_limit = \"{}\"", cents(limit));
        acme(CRM, &[level("gold", &filter(&keys))])
    };
    let daemon = Daemon::start(ConfigFolder::new(&TIMED, &[("acme", shop(10_000))]));
    let (mut random, mut now, mut payments) = (Random::seeded(3), 0, Vec::new());
    for n in 0..500 {
        now += random.between(MINUTE, 25 * MINUTE);
        let paid = Paid {
            id: format!("p{n}"),
            customer: format!("c{}", random.between(0, 3)),
            time: now,
            cents: random.between(100, 4_500),
            allowed: false,
        };
        let who = json!({ "merchant_customer_identifier": paid.customer });
        let body = with(with(pay(&paid.id, &cents(paid.cents)), &who), &when(now));
        let answer = pay_at_once(&daemon, body, "approved");
        payments.push(Paid { allowed: answer["decision"] == "allow", ..paid });
        if n % 90 == 80 {
            daemon.post_nothing("/v1/snapshot").ok();
        }
    }
    let facts: Vec<bool> = payments.iter().map(|paid| paid.allowed).collect();
    assert_eq!(facts, decide_naively(&payments, 10_000), "the calculation agrees with the daemon");
    let new = ConfigFolder::new(&TIMED, &[("acme", shop(6_000))]);
    let config = new.path().display().to_string();
    let list = new.scratch_path("changes.csv").display().to_string();
    let after = decide_naively(&payments, 6_000);
    let (from, to) = (now / 3, now * 2 / 3);
    let (from_text, to_text) = (at(from), at(to));
    let periods: [(&[&str], i64, i64); 2] =
        [(&[], i64::MIN, i64::MAX), (&["--from", &from_text, "--to", &to_text], from, to)];
    for (period, from, to) in periods {
        let report = backtest(&daemon.folder, &config, &[&["--list", &list], period].concat());
        let inside = |paid: &Paid| (from..to).contains(&paid.time);
        let expect = |what: &str, is_it: &dyn Fn(bool, bool) -> bool| {
            let rows = payments.iter().zip(&after).filter(|(paid, after)| inside(paid) && is_it(paid.allowed, **after));
            let rows: Vec<&Paid> = rows.map(|(paid, _)| paid).collect();
            let row = total(&report, what, "EUR");
            let customers: BTreeSet<&str> = rows.iter().map(|paid| paid.customer.as_str()).collect();
            let sum: i64 = rows.iter().map(|paid| paid.cents).sum();
            assert!(!rows.is_empty(), "the history has some: {what}");
            assert_eq!(
                (&row["decisions"], &row["customers"], &row["amount"]),
                (&json!(rows.len()), &json!(customers.len()), &json!(cents(sum))),
                "{what}: {report:#}"
            );
            rows.iter().map(|paid| paid.id.clone()).collect::<BTreeSet<_>>()
        };
        expect("judged", &|_, _| true);
        expect("allowed_before", &|before, _| before);
        expect("allowed_after", &|_, after| after);
        let denied = expect("newly_denied", &|before, after| before && !after);
        expect("approved_now_denied", &|before, after| before && !after);
        let allowed = expect("newly_allowed", &|before, after| !before && after);
        assert_eq!(report["differences"], json!(denied.len() + allowed.len()));
        let code = &report["by_code"];
        assert_eq!((&code[0]["code"], &code[0]["reason"]), (&json!(19000), &json!("daily_amount_limit_exceeded")));
        assert_eq!(report["by_level"][0]["level"], "gold");
        let gate = &report["by_gate"][0];
        assert_eq!((&gate["gate_before"], &gate["gate_after"]), (&Value::Null, &json!("gate-a")), "{report:#}");
        let text = std::fs::read_to_string(&list).expect("the list");
        let mut lines = text.lines();
        let header: Vec<&str> = lines.next().expect("a header").split(',').collect();
        let column = |name: &str| header.iter().position(|column| *column == name).expect("a column");
        let rows: Vec<Vec<&str>> = lines.map(|line| line.split(',').collect()).collect();
        let listed = |change: &str| -> BTreeSet<String> {
            let rows = rows.iter().filter(|row| row[column("change")] == change);
            rows.map(|row| row[column("transaction_id")].to_owned()).collect()
        };
        assert_eq!((listed("newly_denied"), listed("newly_allowed")), (denied, allowed));
    }
    let table = run(&daemon.folder, &["backtest", "--config", &config, "--data", "data"]);
    assert!(
        table.text.contains("newly denied") && table.text.contains("19000 daily_amount_limit_exceeded"),
        "{table:?}"
    );
    let csv = run(&daemon.folder, &["backtest", "--config", &config, "--data", "data", "--format", "csv"]);
    assert!(csv.text.contains("totals,newly_denied,acme,"), "{csv:?}");
}

#[test]
fn backtest_follows_a_renamed_level_by_the_name_that_the_files_have() {
    let silver = || levels("100.00")[2].clone();
    let daemon = Daemon::start(ConfigFolder::new(&TIMED, &[("acme", acme(CRM, &[silver()]))]));
    let pay_as = |id: &str, level: &Value, ms: i64| {
        daemon.reserve(&with(with(pay(id, "15.00"), &json!({ "customer_level": level })), &when(ms))).ok()
    };
    let first: Vec<Value> = (0..3).map(|n| pay_as(&format!("a{n}"), &json!("silver"), n)).collect();
    assert_eq!((&first[1]["decision"], &first[2]["decision"]), (&json!("allow"), &json!("deny")));
    daemon.post("/v1/merchants/acme/levels/deposit/silver/rename", &json!({ "to": "platinum" })).ok();
    assert_eq!(pay_as("b", &Value::Null, 10)["decision"], "deny", "usage goes along");
    assert_eq!(pay_as("c", &json!("platinum"), 2 * DAY)["decision"], "allow");
    // The files have the old name, and the API the new one.
    assert_no_difference(&backtest(&daemon.folder, ".", &[]), 5);
    let platinum = silver().replace("\"silver\"", "\"platinum\"");
    daemon.folder.write("merchants/acme.toml", &acme(CRM, &[platinum]));
    daemon.post_nothing("/v1/reload").ok();
    assert_eq!(pay_as("d", &Value::Null, 2 * DAY + 1)["decision"], "allow");
    assert_eq!(pay_as("e", &Value::Null, 2 * DAY + 2)["decision"], "deny");
    // The files have the new name.
    assert_no_difference(&backtest(&daemon.folder, ".", &[]), 7);
}

#[test]
fn backtest_judges_no_customer_whose_records_are_deleted() {
    const SHORT: &str = "kind = \"disk\"\nsnapshot_interval_s = 3600\nsegment_bytes = 4096\n\n[memory]\nretention_days = 1\narchive_days = 60";
    let gold = level("gold", &filter("window = \"daily\"; amount_limit = \"30.00\""));
    let daemon = Daemon::start(ConfigFolder::new(&Settings { store: SHORT, ..TIMED }, &[("acme", acme(CRM, &[gold]))]));
    let pay_of = |who: &str, n: i64, ms: i64| {
        let body = with(pay(&format!("{who}{n}"), "10.00"), &json!({ "merchant_customer_identifier": who }));
        daemon.reserve(&with(body, &when(ms))).ok()
    };
    for n in 0..80 {
        pay_of("old", n, n * HOUR);
    }
    for month in 1..5 {
        daemon.reserve(&tick(month * 30 * DAY)).ok();
        daemon.post_nothing("/v1/snapshot").ok();
    }
    for n in 0..20 {
        let ms = 125 * DAY + n * HOUR;
        pay_of("new", n, ms);
        pay_of("old", 100 + n, ms + 1);
    }
    let report = backtest(&daemon.folder, ".", &[]);
    assert!(report["first_record"].as_u64().is_some_and(|first| first > 1), "records are deleted: {report:#}");
    assert_eq!(report["differences"], 0, "{report:#}");
    let rows = report["not_judged"].as_array().expect("rows");
    assert!(rows.iter().all(|row| row["what"] == "history_deleted"), "{report:#}");
    assert!(report["not_judged_decisions"].as_u64().is_some_and(|count| count >= 20), "{report:#}");
    assert!(report["judged"].as_u64().is_some_and(|count| count >= 20), "{report:#}");
}

#[test]
fn backtest_judges_no_import_and_counts_it_in_usage() {
    let gold = level("gold", &filter("window = \"lifetime\"; amount_limit = \"100.00\""));
    let folder =
        ConfigFolder::new(&Settings { store: "kind = \"disk\"", ..Settings::SYSTEM }, &[("acme", acme(CRM, &[gold]))]);
    let rows = "id,customer,direction,currency,amount,level,time,outcome\n\
                a,alice,deposit,EUR,80.00,gold,2020-03-01T10:00:00Z,approved\n\
                b,alice,deposit,EUR,90.00,gold,2020-03-02T10:00:00Z,approved\n\
                c,bob,deposit,EUR,50.00,gold,2020-03-03T10:00:00Z,approved\n";
    folder.write("history.csv", rows);
    let ended = run(&folder, &["import", "--transactions", "history.csv", "--config", ".", "--merchant", "acme"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let daemon = Daemon::start(folder);
    let pay_of = |id: &str, who: &str, amount: &str| {
        daemon.reserve(&with(pay(id, amount), &json!({ "merchant_customer_identifier": who }))).ok()["decision"].clone()
    };
    assert_eq!((pay_of("d", "alice", "1.00"), pay_of("e", "bob", "40.00")), (json!("deny"), json!("allow")));
    let report = backtest(&daemon.folder, ".", &[]);
    assert_eq!((&report["judged"], &report["differences"]), (&json!(2), &json!(0)), "{report:#}");
    let imported = &report["not_judged"][0];
    assert_eq!((&imported["what"], &imported["decisions"]), (&json!("imported"), &json!(3)), "{report:#}");
}

#[test]
fn backtest_counts_what_it_cannot_judge_and_refuses_what_is_no_history() {
    let daemon = Daemon::start(ConfigFolder::new(&TIMED, &[("acme", acme(CRM, &levels("100.00")))]));
    daemon.reserve(&with(pay("t1", "5.00"), &when(0))).ok();
    daemon.reserve(&with(pay("t2", "5.00"), &with(when(1), &json!({ "currency": "USD" })))).ok();
    let folder = &daemon.folder;
    let other = acme(CRM, &levels("100.00")).replace("\"web-usd\"", "\"web-dollars\"");
    let new = ConfigFolder::new(&TIMED, &[("acme", other)]);
    let report = backtest(folder, &new.path().display().to_string(), &[]);
    assert_eq!((&report["judged"], &report["not_judged_decisions"]), (&json!(1), &json!(1)), "{report:#}");
    assert_eq!(report["not_judged"][0]["what"], "endpoint_missing", "{report:#}");
    for (arguments, code, words) in [
        (&["--config", ".", "--data", "nowhere"][..], 1, "there is no data folder nowhere"),
        (&["--config", ".", "--data", "merchants"], 1, "instance"),
        (&["--data", "data", "--from", "yesterday"], 2, "`yesterday` is no time"),
        (
            &["--data", "data", "--from", "2026-12-02", "--to", "2026-12-01", "--config", "."],
            1,
            "no decision is in between",
        ),
        (&["--data", "data", "--config", "nowhere"], 1, "nowhere"),
    ] {
        let ended = run(folder, &[&["backtest"], arguments].concat());
        assert_eq!(ended.code, Some(code), "{arguments:?}: {ended:?}");
        assert!(ended.text.contains(words), "{arguments:?}: {ended:?}");
    }
}
