//! Going live with history: past payments are imported into an empty folder, count from the first day, and are exported as
//! they were imported.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Value, json};

use support::daemon::{ConfigFolder, Daemon, Settings, run};
use support::fixtures::{CRM, DAY, GATEWAY, HOUR, acme, filter, level, level_in, pay, with, without};
use support::model::calendar::{Window, instant, written};
use support::process::eventually;
use support::random::Random;

const SMALL: &str = "kind = \"disk\"\nsegment_bytes = 16384\nsnapshot_records = 500\nstop_snapshot_s = 0\n\n[memory]\n\
                     retention_days = 1";
const DISK: Settings = Settings { store: SMALL, ..Settings::SYSTEM };

/// The filters of a level: the name, the keys, the window, whether over all currencies, whether cancels are subtracted.
const FILTERS: [(&str, &str, Window, bool, bool); 7] = [
    ("day", "window = \"daily\"", Window::Rolling(DAY), false, false),
    ("week", "window = \"weekly\"; calendar = true", Window::CalendarWeek { sunday: false }, false, true),
    ("month", "window = \"monthly\"; month = \"same_day\"", Window::SameDay, false, false),
    ("quarter", "window = \"90d\"", Window::Rolling(90 * DAY), false, true),
    ("all", "window = \"90d\"; for_all_merchant_currencies = true", Window::Rolling(90 * DAY), true, true),
    ("ever", "window = \"lifetime\"", Window::Lifetime, false, false),
    ("net", "window = \"lifetime\"; for_all_merchant_currencies = true", Window::Lifetime, true, true),
];

fn filters() -> String {
    let text = |(name, keys, _, _, subtracts): &(&str, &str, Window, bool, bool)| {
        let limits = "amount_limit = \"1000000.00\"; quantity_limit = 100000";
        filter(&format!("name = \"{name}\"; {keys}; {limits}; subtract_cancel_transactions = {subtracts}"))
    };
    FILTERS.iter().map(text).collect()
}

fn shop(head: &str) -> String {
    let filters = filters();
    let levels = [("deposit", "EUR"), ("deposit", "USD"), ("withdrawal", "EUR")];
    let of = |name| levels.map(|(direction, currency)| level_in(direction, currency, name, &filters));
    acme(head, &[of("gold"), of("silver")].concat())
}

fn now() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

fn import(folder: &ConfigFolder, file: &str, more: &[&str]) -> support::process::Ended {
    run(folder, &[&["import", "--transactions", file, "--config", ".", "--merchant", "acme"], more].concat())
}

fn export(folder: &ConfigFolder, out: &str, more: &[&str]) -> String {
    let ended = run(folder, &[&["export", "--transactions", "--config", ".", "--out", out], more].concat());
    assert_eq!(ended.code, Some(0), "{ended:?}");
    std::fs::read_to_string(folder.path().join(out)).expect("the export")
}

/// A payment of the naive model.
struct Past {
    id: String,
    customer: usize,
    direction: &'static str,
    currency: &'static str,
    level: &'static str,
    at: i64,
    outcome: &'static str,
    amount: i64,
    /// Cancelled, refunded or charged back.
    part: i64,
    expires_at: Option<i64>,
}

impl Past {
    fn random(random: &mut Random, n: usize, now: i64) -> Past {
        let age =
            if random.percent(30) { random.between(2 * HOUR, 80 * DAY) } else { random.between(DAY, 4_000 * DAY) };
        let outcome = random.word(&[
            "approved",
            "approved",
            "approved",
            "declined",
            "cancelled",
            "refunded",
            "partially_refunded",
            "charged_back",
            "reserved",
            "expired",
            "denied",
        ]);
        let amount = random.between(1_i64, 50_000);
        let part = random.between(1, amount);
        let (direction, currency) = *random.pick(&[("deposit", "EUR"), ("deposit", "USD"), ("withdrawal", "EUR")]);
        let expires_at = match outcome {
            "reserved" if random.percent(50) => Some(now + random.between(DAY, 30 * DAY)),
            "reserved" => Some(now - age + 1),
            _ => None,
        };
        Past {
            id: format!("t{n}"),
            customer: random.place(9),
            direction,
            currency,
            level: random.word(&["gold", "silver", "bronze"]),
            at: now - age,
            outcome,
            amount,
            part,
            expires_at,
        }
    }

    fn text(amount: i64) -> String {
        format!("{}.{:02}", amount / 100, amount % 100)
    }

    fn csv(&self) -> String {
        let cancelled =
            if self.outcome == "approved" && self.part % 3 == 0 { Self::text(self.part) } else { String::new() };
        let refunded = if self.outcome == "partially_refunded" { Self::text(self.part) } else { String::new() };
        let code = if self.outcome == "denied" { "19000" } else { "" };
        format!(
            "{},c{},{},{},{},{},{},{},{cancelled},{refunded},{},{code}\n",
            self.id,
            self.customer,
            self.direction,
            self.currency,
            Self::text(self.amount),
            self.level,
            written(self.at),
            self.outcome,
            self.expires_at.map(written).unwrap_or_default()
        )
    }

    /// The amount that counts.
    fn counts(&self, subtracts: bool, now: i64) -> i64 {
        match self.outcome {
            "approved" if subtracts && self.part % 3 == 0 => self.amount - self.part,
            "cancelled" if subtracts => 0,
            "declined" | "denied" | "expired" => 0,
            "reserved" if self.expires_at.is_some_and(|until| until <= now) => 0,
            _ => self.amount,
        }
    }
}

const HEAD: &str =
    "id,customer,direction,currency,amount,level,time,outcome,cancelled_amount,refunded_amount,expires_at,code\n";

/// A partial refund of everything is a refund, so the last minor unit stays.
fn random_history(random: &mut Random, count: usize, now: i64) -> Vec<Past> {
    let mut history: Vec<Past> = (0..count).map(|n| Past::random(random, n, now)).collect();
    for past in history.iter_mut().filter(|past| past.outcome == "partially_refunded") {
        (past.amount, past.part) = (past.amount + 1, past.part.min(past.amount));
    }
    history
}

fn customer_id(daemon: &Daemon, identifier: &str) -> String {
    let found = daemon.get(&format!("/v1/merchants/acme/customers?merchant_customer_identifier={identifier}")).ok();
    found["customers"][0]["customer_id"].as_str().expect("a customer").to_owned()
}

/// Compares every filter of a customer with the sum over a list. Returns how many were compared.
fn compare_usage(daemon: &Daemon, history: &[Past], customer: usize, default_level: &str) -> usize {
    let id = customer_id(daemon, &format!("c{customer}"));
    let answer = daemon.get(&format!("/v1/merchants/acme/customers/{id}/usage")).ok();
    let now = instant(answer["server_time"].as_str().expect("a time")).expect("a time");
    let mut compared = 0;
    for usage in answer["usage"].as_array().expect("a list") {
        let (direction, currency) = (usage["direction"].as_str().unwrap(), usage["currency"].as_str().unwrap());
        let of_direction = || history.iter().filter(|past| past.customer == customer && past.direction == direction);
        let last = of_direction().max_by_key(|past| past.at).map_or(default_level, |past| past.level);
        assert_eq!(usage["level"], last, "the level of the last payment is stored: {usage}");
        for limit in usage["limits"].as_array().expect("a list") {
            let name = limit["filter"].as_str().unwrap();
            let (_, _, window, for_all, subtracts) = FILTERS.iter().find(|known| known.0 == name).expect("a filter");
            let bounds = window.at(now, &jiff::tz::TimeZone::UTC);
            let (mut sums, mut quantity) = (BTreeMap::from([("EUR", 0), ("USD", 0)]), 0);
            for past in of_direction().filter(|past| bounds.hold(past.at)) {
                let is_own = past.currency == currency && past.level == last;
                if is_own || *for_all {
                    let counts = past.counts(*subtracts, now);
                    *sums.get_mut(past.currency).unwrap() += counts;
                    quantity += i64::from(counts > 0);
                }
            }
            // One euro is 1.25 dollars; what is used is rounded up.
            let used = match currency {
                "EUR" => (sums["EUR"] * 5 + sums["USD"] * 4 + 4) / 5,
                _ => (sums["USD"] * 4 + sums["EUR"] * 5 + 3) / 4,
            };
            let found = (&limit["amount"]["used"], limit["quantity"]["used"].as_i64());
            assert_eq!(
                found,
                (&json!(Past::text(used)), Some(quantity)),
                "c{customer} {direction} {currency}: {limit}"
            );
            compared += 1;
        }
    }
    compared
}

#[test]
fn imported_history_counts_as_a_naive_model_says() {
    for seed in support::environment::seeds(2) {
        eprintln!("seed {seed}");
        let mut random = Random::seeded(seed);
        let folder = ConfigFolder::new(&DISK, &[("acme", shop(CRM))]);
        let now = now();
        let history = random_history(&mut random, 3_000, now);
        let mut rows: Vec<String> = history.iter().map(Past::csv).collect();
        rows.push(rows[17].clone());
        random.shuffle(&mut rows);
        folder.write("history.csv", &(HEAD.to_owned() + &rows.concat()));
        let tried = import(&folder, "history.csv", &["--dry-run"]);
        assert_eq!(tried.code, Some(0), "{tried:?}");
        assert!(!folder.path().join("data").exists(), "a trial makes no folder");
        let ended = import(&folder, "history.csv", &[]);
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert!(ended.text.contains("3000 payments were imported, 0 were there already"), "{ended:?}");
        let table = |text: &str| -> Vec<String> {
            text.lines().filter(|line| line.starts_with("acme ")).map(str::to_owned).collect()
        };
        assert_eq!(table(&tried.text), table(&ended.text), "the trial prints the sums of the import");
        let approved: Vec<&Past> =
            history.iter().filter(|p| (p.direction, p.currency, p.outcome) == ("deposit", "USD", "approved")).collect();
        let line = table(&ended.text).into_iter().find(|line| line.contains("deposit    USD      approved")).unwrap();
        let amount = Past::text(approved.iter().map(|past| past.amount).sum());
        let cells: Vec<&str> = line.split_whitespace().collect();
        assert_eq!(cells[4..7], [&approved.len().to_string(), &amount, &amount], "{line}");

        let mut daemon = Daemon::start(folder);
        let in_memory = daemon.get("/v1/status").ok()["transactions"].as_u64().expect("a number");
        // The longest window, the longest hold, and a day.
        let kept = history.iter().filter(|p| p.at >= now - 98 * DAY || p.expires_at.is_some_and(|until| until > now));
        assert!(in_memory <= kept.count() as u64, "{in_memory} are in memory");
        for round in ["imported", "restarted"] {
            let compared: usize = (0..9).map(|customer| compare_usage(&daemon, &history, customer, "unknown")).sum();
            assert!(compared > 50, "{compared} filters were compared, {round}");
            daemon.kill_and_start();
        }
        // An old payment is known: a repetition changes nothing, and it can be paid back.
        let old = history.iter().filter(|p| p.outcome == "approved" && p.part % 3 != 0).min_by_key(|p| p.at).unwrap();
        assert!(daemon.step(&old.id, "approve", &json!({})).is_replay());
        let refunded = daemon.step(&old.id, "refund", &json!({})).ok();
        assert_eq!((&refunded["status"], &refunded["refunded"]), (&json!("approved"), &json!(Past::text(old.amount))));
        let shown = daemon.fetch(&old.id).ok();
        assert_eq!((&shown["occurred_at"], &shown["flags"]), (&json!(written(old.at)), &json!([])), "{shown}");
    }
}

#[test]
fn history_is_imported_on_top_of_registered_customers_and_their_levels_stay() {
    let folder = ConfigFolder::new(&DISK, &[("acme", shop(CRM))]);
    folder.write(
        "customers.csv",
        "merchant_customer_identifier,deposit_level,email\nann,gold,ann@example.com\nben,,b@example.com\n",
    );
    let ended = run(&folder, &["import", "customers.csv", "--config", ".", "--merchant", "acme"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let mut rows = String::from(
        "{\"id\": \"n0\", \"customer\": \"ann\", \"direction\": \"withdrawal\", \"currency\": \"EUR\", \"amount\": 5, \"level\": \"silver\", \"time\": \"2015-02-03T04:05:06+02:00\", \"outcome\": \"approved\"}\n",
    );
    for (n, (customer, level)) in
        [("ann", "silver"), ("ben", "gold"), ("ben", "silver"), ("cat", "gold")].iter().enumerate()
    {
        let _ = writeln!(
            rows,
            "{}",
            json!({ "id": format!("m{n}"), "customer": customer, "direction": "deposit", "currency": "EUR", "amount": "7.50",
                    "level": level, "time": format!("2016-01-0{}T00:00:00Z", n + 1), "outcome": "approved" })
        );
    }
    folder.write("history.ndjson", &rows);
    let ended = import(&folder, "history.ndjson", &[]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let daemon = Daemon::start(folder);
    let levels = |identifier: &str| {
        let id = customer_id(&daemon, identifier);
        let shown = daemon.get(&format!("/v1/merchants/acme/customers/{id}")).ok();
        (shown["deposit_level"].clone(), shown["withdrawal_level"].clone(), shown["created_at"].clone())
    };
    // The table is newer than the payment; what it left empty is the payment's, and the last payment decides.
    assert_eq!((levels("ann").0, levels("ann").1), (json!("gold"), json!("silver")));
    assert_eq!(levels("ben").0, "silver");
    assert_eq!((levels("cat").0, levels("cat").2), (json!("gold"), json!("2016-01-04T00:00:00.000Z")));
    let id = customer_id(&daemon, "ann");
    let totals = daemon.get(&format!("/v1/merchants/acme/customers/{id}/usage")).ok()["totals"].clone();
    let counted =
        totals.as_array().unwrap().iter().any(|total| total["level"] == "silver" && total["gross"]["amount"] == "7.50");
    assert!(counted, "a payment counts under its own level: {totals}");
}

#[test]
fn bad_rows_are_all_reported_and_nothing_is_imported() {
    let folder = ConfigFolder::new(&DISK, &[("acme", shop(CRM))]);
    let future = written(now() + HOUR);
    let rows = [
        ("a1,ann,deposit,EUR,1.00,gold,2020-01-01T00:00:00Z,approved,,,,", None),
        ("a2,ann,deposit,EUR,1.001,gold,2020-01-01T00:00:00Z,approved,,,,", Some("column amount: `amount`: too many")),
        ("a3,ann,sideways,EUR,1.00,gold,2020-01-01T00:00:00Z,approved,,,,", Some("column direction: ")),
        ("a4,ann,deposit,EUR,1.00,gold,2020-01-01,approved,,,,", Some("column time: ")),
        ("a5,,deposit,EUR,1.00,gold,2020-01-01T00:00:00Z,approved,,,,", Some("column customer: is empty")),
        ("a6,ann,deposit,XXQ,1.00,gold,2020-01-01T00:00:00Z,approved,,,,", Some("column currency: ")),
        (
            "a7,ann,deposit,EUR,1.00,gold,2020-01-01T00:00:00Z,paid,,,,",
            Some("column outcome: \"paid\" is not one of approved,"),
        ),
        (
            "a8,ann,deposit,EUR,1.00,gold,2020-01-01T00:00:00Z,partially_refunded,,,,",
            Some("column refunded_amount: `refunded_amount` is needed"),
        ),
        (
            "a9,ann,deposit,EUR,1.00,gold,2020-01-01T00:00:00Z,approved,,1.00,,",
            Some("column outcome: `outcome` is approved, and the amounts give refunded"),
        ),
        ("b1,ann,deposit,EUR,1.00,gold,2020-01-01T00:00:00Z,denied,,,,", Some("column code: `code` is needed")),
        ("b2,ann,deposit,EUR,1.00,gold,2020-01-01T00:00:00Z,declined,1.00,,,", Some("column cancelled_amount: ")),
        (
            "1.23457E+15,ann,deposit,EUR,1.00,gold,2020-01-01T00:00:00Z,approved,,,,",
            Some("column id: \"1.23457E+15\" is a number"),
        ),
        ("b3,4111111111111111,deposit,EUR,1.00,gold,2020-01-01T00:00:00Z,approved,,,,", Some("column customer: ")),
        ("a1,ann,deposit,EUR,2.00,gold,2020-01-01T00:00:00Z,approved,,,,", Some("column id: line 2 has the same id")),
        ("b4,ann,deposit,EUR,1.00,gold,2020-01-01T00:00:00Z,approved", Some("the row has 8 cells")),
        (
            "b5,ann,deposit,EUR,1.00,gold,2020-01-01T00:00:00Z,refunded,,2.00,,",
            Some("column refunded_amount: `refunded_amount` is more than"),
        ),
    ];
    let mut table = HEAD.to_owned();
    rows.iter().for_each(|(row, _)| table += &format!("{row}\n"));
    let _ = writeln!(table, "b6,ann,deposit,EUR,1.00,gold,{future},approved,,,,");
    folder.write("history.csv", &table);
    for more in [&["--dry-run"][..], &[]] {
        let ended = import(&folder, "history.csv", more);
        assert_eq!(ended.code, Some(1), "{ended:?}");
        for (place, (row, wanted)) in rows.iter().enumerate() {
            let line = format!("line {}", place + 2);
            let found = ended
                .text
                .lines()
                .find(|text| text.starts_with(&format!("{line},")) || text.starts_with(&format!("{line}:")));
            match (wanted, found) {
                (None, None) => {}
                (Some(wanted), Some(found)) if found.contains(wanted) => {}
                _ => panic!("{row}: {found:?}\n{}", ended.text),
            }
        }
        assert!(ended.text.contains("line 18, column time: is in the future"), "{ended:?}");
        assert!(ended.text.contains("16 of 17 rows are bad; nothing was imported"), "{ended:?}");
        assert!(!ended.text.contains("4111111111111111"), "{ended:?}");
    }
    assert_eq!(export(&folder, "out.csv", &[]).lines().count(), 1, "only the header");
    for (head, wanted) in [
        ("id,customer,direction,currency,amount,time,outcom\n", "did you mean `outcome`?"),
        ("id,customer,direction,currency,amount,time\n", "column outcome: the header has no such column"),
        ("{\"id\": \"x\", \"id\": \"y\"}\n", "line 1: duplicate field `id`"),
        ("{\"id\": \"x\"\n", "line 1: EOF while parsing an object"),
        ("", "the file is empty"),
    ] {
        folder.write("history.csv", head);
        let ended = import(&folder, "history.csv", &["--dry-run"]);
        assert!(ended.code == Some(1) && ended.text.contains(wanted), "{wanted}: {ended:?}");
    }
}

/// What a daemon records in many ways, at both kinds of merchants.
fn busy_daemon(head: &str) -> Daemon {
    let hold = "hold = { deposit = \"20ms\", withdrawal = \"7d\" }\n";
    let gateway = shop(&format!("{GATEWAY}{hold}")).replace("\"acme\"", "\"globex\"");
    let folder = ConfigFolder::new(&DISK, &[("acme", shop(&format!("{CRM}{head}{hold}"))), ("globex", gateway)]);
    let daemon = Daemon::start(folder);
    let mut random = Random::seeded(9);
    let mut globex: Vec<String> = Vec::new();
    for n in 0..400 {
        let (id, amount) = (format!("t{n}"), Past::text(random.between(100_i64, 90_000)));
        let direction = random.word(&["deposit", "withdrawal"]);
        let body = with(
            pay(&id, &amount),
            &json!({ "direction": direction, "customer_level": random.word(&["gold", "silver", "=odd"]) }),
        );
        let (merchant, body) = match n % 4 {
            0 => (
                "globex",
                with(without(body, &["merchant_customer_identifier"]), &json!({ "customer_id": globex.last() })),
            ),
            1 => (
                "globex",
                with(
                    without(body, &["merchant_customer_identifier"]),
                    &json!({ "customer": { "email": format!("g{}@example.com", n % 7) } }),
                ),
            ),
            2 => (
                "acme",
                with(
                    without(body, &["merchant_customer_identifier"]),
                    &json!({ "customer": { "email": format!("a{}@example.com", n % 5) }, "payment_method": random.word(&["card", "voucher"]) }),
                ),
            ),
            _ => (
                "acme",
                with(
                    body,
                    &json!({ "merchant_customer_identifier": format!("c{}", n % 6), "payment_instrument": format!("tok-{}", n % 9) }),
                ),
            ),
        };
        let body = if n % 40 == 0 { with(body, &json!({ "customer_id": "stranger" })) } else { body };
        let path = format!("/v1/merchants/{merchant}/transactions");
        let step = |operation: &str, body: &Value| daemon.post(&format!("{path}/{id}/{operation}"), body);
        if n % 11 == 5 {
            // An approval without a reserve.
            step("approve", &without(body, &["transaction_id"])).ok();
        } else {
            let answer = daemon.post(&path, &body).ok();
            if let (true, Some(customer)) =
                (merchant == "globex" && n % 40 > 0, answer["customer"]["customer_id"].as_str())
            {
                globex.push(customer.to_owned());
            }
            if answer["decision"] == "deny" {
                continue;
            }
        }
        let half = json!({ "amount": "0.50" });
        let part = |kind: &str| with(half.clone(), &json!({ format!("{kind}_id"): "one" }));
        for _ in 0..3 {
            // Some of them are refused, because the order is random.
            let _ = match random.place(9) {
                0 => step("approve", &json!({})),
                1 => step("approve", &with(part("capture"), &json!({ "final": false }))),
                2 => step("decline", &json!({})),
                3 => step("cancel", &json!({})),
                4 => step("cancel", &part("cancel")),
                5 => step("refund", &part("refund")),
                6 => step("refund", &json!({})),
                7 => step("chargeback", &part("chargeback")),
                _ => break,
            };
        }
    }
    let (one, other) = (customer_id(&daemon, "c1"), customer_id(&daemon, "c5"));
    let merged = daemon.post(&format!("/v1/merchants/acme/customers/{one}/merge"), &json!({ "into": other }));
    assert_eq!(merged.status, 200, "{merged:?}");
    daemon
}

#[test]
fn export_and_import_into_an_empty_folder_are_inverse() {
    check_inverse(busy_daemon(""));
}

#[test]
fn export_and_import_are_inverse_with_sealed_identifiers() {
    check_inverse(busy_daemon("seal_identifiers = true\n"));
}

fn check_inverse(mut daemon: Daemon) {
    daemon.signal("TERM");
    assert!(daemon.wait().success());
    let folder = &daemon.folder;
    let first = export(folder, "first.csv", &[]);
    assert_eq!(first.lines().count(), 401, "{first}");
    for outcome in [
        "approved",
        "declined",
        "cancelled",
        "refunded",
        "partially_refunded",
        "charged_back",
        "reserved",
        "expired",
        "denied",
    ] {
        assert!(first.contains(&format!(",{outcome},")), "{outcome}");
    }
    assert!(first.contains("stranger") && first.contains(",true\r\n"), "{first}");
    let ended = run(folder, &["import", "--transactions", "first.csv", "--config", ".", "--data", "second"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(export(folder, "second.csv", &["--data", "second"]), first, "to the byte");
    let lines = export(folder, "second.ndjson", &["--data", "second", "--format", "ndjson"]);
    let ended = run(folder, &["import", "--transactions", "second.ndjson", "--config", ".", "--data", "third"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(export(folder, "third.csv", &["--data", "third"]), first, "to the byte");
    // Of a level that is not configured, the name that the payment named.
    assert!(lines.contains("\"level\":\"=odd\"") && !lines.contains("\"level\":\"unknown\""), "{lines}");
    assert_eq!(export(folder, "third.ndjson", &["--data", "third", "--format", "ndjson"]), lines);
    let of_one = export(folder, "acme.csv", &["--data", "third", "--merchant", "acme"]);
    assert!(of_one.lines().count() > 100 && !of_one.contains("globex"), "{of_one}");

    // Both folders count the same for each customer.
    let usage = |daemon: &Daemon| -> Vec<Value> {
        let ids: Vec<String> = (1_000_001..1_000_030).map(|id| id.to_string()).collect();
        let both = ["acme", "globex"].iter().flat_map(|merchant| ids.iter().map(move |id| (merchant, id)));
        let answers = both.map(|(merchant, id)| daemon.get(&format!("/v1/merchants/{merchant}/customers/{id}/usage")));
        answers
            .filter(|answer| answer.status == 200)
            .map(|answer| {
                let mut totals = answer.json()["totals"].as_array().expect("a list").clone();
                totals.retain(|total| total["gross"]["quantity"] != 0);
                totals.sort_by_key(ToString::to_string);
                json!(totals)
            })
            .collect()
    };
    daemon.kill_and_start();
    let before = usage(&daemon);
    let text = std::fs::read_to_string(daemon.folder.path().join("levelgate.toml")).unwrap();
    daemon.folder.write("levelgate.toml", &text.replacen("[store]\n", "[store]\npath = \"third\"\n", 1));
    daemon.kill_and_start();
    let after = usage(&daemon);
    // The source of the merge is listed in the first folder only.
    assert!(after.len() > 10, "{after:?}");
    assert!(after.iter().all(|totals| before.contains(totals)), "{before:#?}\n{after:#?}");
}

#[test]
fn foreign_folders_are_refused_and_an_import_may_be_repeated() {
    let folder = ConfigFolder::new(&DISK, &[("acme", shop(CRM))]);
    let row = |id: &str, day: u32| format!("{id},ann,deposit,EUR,1.00,gold,2020-01-{day:02}T00:00:00Z,approved,,,,\n");
    let one = HEAD.to_owned() + &row("a", 3) + &row("b", 1);
    folder.write("one.csv", &one);
    folder.write("two.csv", &(one.clone() + &row("c", 7)));
    folder.write("other.csv", &(HEAD.to_owned() + &row("x", 1) + &row("y", 2) + &row("z", 3)));
    folder.write("changed.csv", &(HEAD.to_owned() + &row("a", 4) + &row("b", 1)));
    assert_eq!(import(&folder, "one.csv", &[]).code, Some(0));
    let again = import(&folder, "one.csv", &[]);
    assert!(
        again.code == Some(0) && again.text.contains("0 payments were imported, 2 were there already"),
        "{again:?}"
    );
    for (file, wanted) in [
        ("other.csv", "line 2: the data folder has transactions that no import of this file has written"),
        ("changed.csv", "line 2: this id was sent before with another time"),
    ] {
        let refused = import(&folder, file, &[]);
        assert!(refused.code == Some(1) && refused.text.contains(wanted), "{refused:?}");
        assert!(refused.text.contains("name a new folder with --data"), "the remedy is named: {refused:?}");
    }
    let more = import(&folder, "two.csv", &[]);
    assert!(more.text.contains("1 payments were imported, 2 were there already"), "{more:?}");
    let fewer = import(&folder, "one.csv", &[]);
    assert!(fewer.code == Some(1) && fewer.text.contains("has 3 transactions and the file has 2"), "{fewer:?}");
    assert!(fewer.text.contains("name a new folder with --data"), "{fewer:?}");
    // A daemon that served the folder has written other transactions.
    let mut daemon = Daemon::start(folder);
    let busy = import(&daemon.folder, "two.csv", &[]);
    assert!(busy.code == Some(1) && busy.text.contains("held by process"), "{busy:?}");
    daemon.reserve(&pay("live", "1.00")).ok();
    daemon.signal("TERM");
    assert!(daemon.wait().success());
    daemon.folder.write("three.csv", &(one + &row("c", 7) + &row("d", 8)));
    let refused = import(&daemon.folder, "three.csv", &[]);
    assert!(refused.code == Some(1) && refused.text.contains("no import of this file has written"), "{refused:?}");
}

#[test]
fn no_daemon_starts_on_half_an_import() {
    let folder = ConfigFolder::new(&DISK, &[("acme", shop(CRM))]);
    let row = "a,ann,deposit,EUR,1.00,gold,2020-01-01T00:00:00Z,approved,,,,\n";
    folder.write("history.csv", &(HEAD.to_owned() + row));
    assert_eq!(import(&folder, "history.csv", &[]).code, Some(0));
    // As a killed import leaves it.
    folder.write("data/import", "");
    for command in [
        &["serve", "--config", "."][..],
        &["inspect", "data"],
        &["backup", "data", "copy"],
        &["export", "--config", "."],
        &["export", "--transactions", "--config", "."],
    ] {
        let refused = run(&folder, command);
        assert!(refused.code == Some(1) && refused.text.contains("is not finished"), "{command:?}: {refused:?}");
    }
    let ended = import(&folder, "history.csv", &[]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(!folder.path().join("data/import").exists());
    // Only payments of many years ago: the daemon accepts its clock and decides.
    let daemon = Daemon::start(folder);
    assert_eq!(daemon.reserve(&pay("now", "1.00")).ok()["decision"], "allow");
    let id = customer_id(&daemon, "ann");
    eventually("it is listed", || {
        daemon.get(&format!("/v1/merchants/acme/transactions?customer_id={id}")).ok()["transactions"][0]["transaction_id"]
            == "a"
    });
}

#[test]
fn history_beyond_max_transactions_is_imported_as_far_as_it_may_leave_memory() {
    let store = "kind = \"disk\"\nsegment_bytes = 4096\n\n[memory]\nretention_days = 1\nmax_transactions = 40";
    let levels = [level("gold", &filter("window = \"lifetime\"; amount_limit = \"100000.00\""))];
    let folder = ConfigFolder::new(&Settings { store, ..Settings::SYSTEM }, &[("acme", acme(CRM, &levels))]);
    let row = |n: i64, at: i64| format!("t{n},ann,deposit,EUR,1.00,gold,{},approved,,,,\n", written(at));
    let old: String = (0..300).map(|n| row(n, now() - 1_000 * DAY + n * HOUR)).collect();
    let recent = |count: i64| -> String { (300..300 + count).map(|n| row(n, now() - DAY + n)).collect() };
    folder.write("history.csv", &(HEAD.to_owned() + &old + &recent(100)));
    let full = import(&folder, "history.csv", &[]);
    assert!(
        full.code == Some(1) && full.text.contains("memory is full: 40 transactions are within the retention"),
        "{full:?}"
    );
    folder.write("history.csv", &(HEAD.to_owned() + &old + &recent(30)));
    std::fs::remove_dir_all(folder.path().join("data")).unwrap();
    let ended = import(&folder, "history.csv", &[]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let daemon = Daemon::start(folder);
    let id = customer_id(&daemon, "ann");
    let totals = daemon.get(&format!("/v1/merchants/acme/customers/{id}/usage")).ok()["totals"].clone();
    assert_eq!(totals[0]["gross"], json!({ "amount": "330.00", "quantity": 330 }));
}
