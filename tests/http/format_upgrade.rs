//! A data folder that the first version of the format wrote opens, keeps what it recorded, and goes on by the meaning of
//! today. `tests/upgrade/format-1` has the folder and the configuration under which it was written: a snapshot, and a
//! journal that goes on after it and was cut off by a kill.

use serde_json::{Value, json};
use std::path::Path;

use support::daemon::{ConfigFolder, Daemon, Settings, run};

const STORE: &str = "kind = \"disk\"\nsync = \"always\"\nsnapshot_interval_s = 3600";
/// An hour after the last record.
const LATER: &str = "2026-11-28T23:02:48Z";

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        match entry.path().is_dir() {
            true => copy(&entry.path(), &target),
            false => _ = std::fs::copy(entry.path(), target).unwrap(),
        }
    }
}

fn old_folder() -> ConfigFolder {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/upgrade/format-1");
    let merchant = |id: &str| std::fs::read_to_string(root.join(format!("config/merchants/{id}.toml"))).unwrap();
    let settings = Settings { store: STORE, ..Settings::REQUEST };
    let folder = ConfigFolder::new(&settings, &[("acme", merchant("acme")), ("beta", merchant("beta"))]);
    folder.write("rates.toml", &std::fs::read_to_string(root.join("config/rates.toml")).unwrap());
    copy(&root.join("data"), &folder.path().join("data"));
    folder
}

fn at(mut body: Value) -> Value {
    body["occurred_at"] = LATER.into();
    body
}

fn pay(daemon: &Daemon, id: &str, who: &str, amount: &str, instrument: Option<&str>) -> Value {
    let body = json!({
        "transaction_id": id, "direction": "deposit", "amount": amount, "currency": "EUR",
        "merchant_customer_identifier": who, "customer_level": "gold", "payment_instrument": instrument,
    });
    daemon.post("/v1/merchants/acme/transactions", &at(body)).ok()
}

fn beta(daemon: &Daemon, id: &str) -> Value {
    let customer = json!({ "email": "gil@example.com" });
    let body = json!({
        "transaction_id": id, "direction": "deposit", "amount": "1.00", "currency": "EUR", "customer": customer,
    });
    daemon.post("/v1/merchants/beta/transactions", &at(body)).ok()
}

fn usage(daemon: &Daemon, customer: &str) -> Value {
    daemon.get(&format!("/v1/merchants/acme/customers/{customer}/usage")).ok()["totals"].clone()
}

/// Status, amount, approved, cancelled and released of a transaction.
fn quantities(daemon: &Daemon, id: &str) -> [String; 5] {
    let shown = daemon.fetch(id).ok();
    ["status", "amount", "approved", "cancelled", "released"].map(|key| shown[key].as_str().unwrap().to_owned())
}

/// The state that the old version recorded, before anything new is recorded.
fn is_as_it_was(daemon: &Daemon) {
    for (id, want) in [
        ("held", ["reserved", "10.00", "0.00", "0.00", "4.00"]),
        ("paid", ["approved", "20.00", "20.00", "0.00", "0.00"]),
        // Their status was recorded when a cancel before the approval took from approved money.
        ("cut-then-paid", ["cancelled", "40.00", "40.00", "0.00", "60.00"]),
        ("late-cut", ["cancelled", "40.00", "40.00", "0.00", "60.00"]),
        ("cut-open", ["reserved", "100.00", "0.00", "0.00", "60.00"]),
        ("paid-then-cut", ["approved", "50.00", "50.00", "15.00", "0.00"]),
        ("two-captures", ["approved", "50.00", "50.00", "10.00", "0.00"]),
        ("declined", ["declined", "9.00", "0.00", "0.00", "0.00"]),
        ("back", ["approved", "70.00", "70.00", "0.00", "0.00"]),
        ("first-paid", ["approved", "33.00", "33.00", "0.00", "0.00"]),
    ] {
        assert_eq!(quantities(daemon, id), want, "{id}");
    }
    let gold = json!([{
        "direction": "deposit", "currency": "EUR", "level": "gold",
        "gross": { "amount": "352.00", "quantity": 10 }, "net": { "amount": "242.00", "quantity": 8 },
    }]);
    assert_eq!(usage(daemon, "1000001"), gold);
    let limits = daemon.get("/v1/merchants/acme/customers/1000001/limits/deposit/EUR").ok();
    assert_eq!(limits["filters"][0]["amount_limit"], "5000.00");
    assert_eq!(limits["pending"]["filters"][0]["amount_limit"], "9000.00");
    let merged = daemon.get("/v1/merchants/acme/customers/1000005").ok();
    assert_eq!(merged["customer_id"], "1000006", "a merged customer leads to the other");
    let levels = daemon.get("/v1/merchants/acme/levels").ok().to_string();
    assert!(levels.contains("\"bronze\"") && !levels.contains("\"silver\""), "{levels}");
    assert_eq!(daemon.get("/v1/rates").ok()["rates"]["USD"], "1.2");
    let old = daemon.get("/v1/merchants/beta/transactions/p4").ok();
    assert_eq!(old["level"], json!({ "name": "unknown", "source": "default" }));
}

#[test]
fn folder_of_format_1_keeps_its_records_and_accepts_new_ones() {
    let mut daemon = Daemon::start(old_folder());
    // The clock runs by requests: this one opens no transaction of the old customers.
    assert_eq!(pay(&daemon, "tick", "nobody-else", "1.00", None)["decision"], "allow");
    is_as_it_was(&daemon);

    // A retry is a replay, and what was sent otherwise is named: instruments were recorded then, too.
    let repeated = |instrument: &str| {
        let body = json!({
            "transaction_id": "held", "direction": "deposit", "amount": "10.00", "currency": "EUR",
            "merchant_customer_identifier": "ann", "customer_level": "gold", "payment_instrument": instrument,
        });
        daemon.post("/v1/merchants/acme/transactions", &at(body))
    };
    assert!(repeated("tok-1").is_replay());
    assert_eq!(repeated("tok-9").problem(409)["field"], "payment_instrument");

    // The next fact brings the state of today: captured money counts, also after a cancel of the reservation.
    let tried = json!({ "attempt": 1, "gate": "g", "outcome": "approved" });
    for id in ["cut-then-paid", "late-cut"] {
        assert_eq!(daemon.step(id, "attempts", &at(tried.clone())).ok()["status"], "approved");
    }
    let net = |daemon: &Daemon| usage(daemon, "1000001")[0]["net"].clone();
    assert_eq!(net(&daemon), json!({ "amount": "322.00", "quantity": 10 }));
    assert_eq!(daemon.step("held", "approve", &at(json!({}))).ok()["amount"], "6.00");
    let third = at(json!({ "amount": "10.00", "capture_id": "k3" }));
    let third = daemon.step("two-captures", "approve", &third).ok();
    assert_eq!((&third["amount"], &third["flags"], &third["held"]), (&json!("60.00"), &json!([]), &json!("0.00")));
    assert!(daemon.step("two-captures", "approve", &at(json!({ "amount": "30.00", "capture_id": "k1" }))).is_replay());
    let late = pay(&daemon, "first-paid", "ann", "33.00", None);
    assert_eq!((&late["decision"], &late["flags"]), (&json!("allow"), &json!(["unreserved"])));
    assert_eq!(net(&daemon), json!({ "amount": "332.00", "quantity": 10 }));

    // A fraud signal of then blocks the whole customer: no record of then says whether it named an instrument. Blocks of
    // instruments act everywhere, as they did.
    for (who, instrument, code) in [
        ("dora", None, 19100),
        ("dora", Some("tok-99"), 19100),
        ("carl", Some("tok-99"), 19100),
        ("hal", Some("tok-99"), 19100),
        ("ann", Some("tok-2"), 19106),
        ("ann", Some("tok-4"), 19106),
    ] {
        let denied = pay(&daemon, &format!("blocked-{who}-{instrument:?}"), who, "1.00", instrument);
        assert_eq!(denied["code"], code, "{who} {instrument:?}");
    }

    // Without a level, the default behaviour `project` is no level today.
    assert_eq!(beta(&daemon, "p5")["level"], json!({ "name": null, "source": "project" }));

    // From the journal of both versions, and from a snapshot of this one.
    let before = [usage(&daemon, "1000001"), usage(&daemon, "1000006")];
    daemon.kill_and_start();
    beta(&daemon, "p5");
    assert_eq!([usage(&daemon, "1000001"), usage(&daemon, "1000006")], before);
    daemon.post_nothing("/v1/snapshot").ok();
    daemon.kill_and_start();
    beta(&daemon, "p5");
    assert_eq!([usage(&daemon, "1000001"), usage(&daemon, "1000006")], before);
    assert_eq!(quantities(&daemon, "cut-then-paid"), ["approved", "40.00", "40.00", "0.00", "60.00"]);
}

/// The folder of format 3: denials, a part of them in a snapshot's past, without figures.
fn folder_of_format_3() -> ConfigFolder {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/upgrade/format-3");
    let merchant = std::fs::read_to_string(root.join("config/merchants/acme.toml")).unwrap();
    let folder = ConfigFolder::new(&Settings { store: STORE, ..Settings::REQUEST }, &[("acme", merchant)]);
    folder.write("rates.toml", &std::fs::read_to_string(root.join("config/rates.toml")).unwrap());
    copy(&root.join("data"), &folder.path().join("data"));
    folder
}

#[test]
fn denials_of_format_3_say_that_their_figures_were_not_recorded() {
    let mut daemon = Daemon::start(folder_of_format_3());
    let pay = |daemon: &Daemon, id: &str, amount: &str| {
        let body = json!({
            "transaction_id": id, "direction": "deposit", "amount": amount, "currency": "EUR", "payment_method": "card",
            "merchant_customer_identifier": "ann", "customer_level": "gold", "occurred_at": "2026-11-29T13:00:00Z",
        });
        daemon.post("/v1/merchants/acme/transactions", &body)
    };
    // The clock runs by requests.
    let new = pay(&daemon, "new", "30.00").ok();
    assert_eq!(new["codes"][0]["amount"], json!({ "limit": "70.00", "used": "60.00", "asked": "30.00" }), "{new}");
    let old = |code: u16, reason: &str, filter: Option<&str>| json!({ "code": code, "reason": reason, "filter": filter, "figures_recorded": false });
    let daily = || old(19000, "daily_amount_limit_exceeded", Some("daily"));
    let is_as_it_was = |daemon: &Daemon| {
        for (id, want) in [
            ("over-level", json!([daily()])),
            ("over-both", json!([daily(), daily()])),
            ("too-small", json!([old(19102, "amount_below_minimum", None)])),
            ("blocked", json!([old(19100, "customer_blocked", None)])),
            ("cid-over", json!([daily()])),
            ("cid-stopped", json!([old(19100, "customer_blocked", None), old(19102, "amount_below_minimum", None)])),
        ] {
            assert_eq!(daemon.fetch(id).ok()["codes"], want, "{id}");
        }
        assert_eq!(daemon.fetch("new").ok()["codes"], new["codes"]);
        let repeated = pay(daemon, "over-level", "50.00");
        assert!(repeated.is_replay());
        assert_eq!(repeated.ok()["codes"], json!([daily()]));
        let ann = new["customer"]["customer_id"].as_str().unwrap();
        let usage = daemon.get(&format!("/v1/merchants/acme/customers/{ann}/usage")).ok();
        assert_eq!(usage["totals"][0]["gross"], json!({ "amount": "60.00", "quantity": 1 }));
    };
    is_as_it_was(&daemon);
    // From the journal of both formats, and from a snapshot of this one.
    daemon.kill_and_start();
    pay(&daemon, "new", "30.00");
    is_as_it_was(&daemon);
    daemon.post_nothing("/v1/snapshot").ok();
    daemon.kill_and_start();
    pay(&daemon, "new", "30.00");
    is_as_it_was(&daemon);
}

/// The folder of format 4: payments in two currencies, a denial with figures, and a test merchant.
fn folder_of_format_4(test_merchant: &dyn Fn(String) -> String) -> ConfigFolder {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/upgrade/format-4");
    let merchant = |id: &str| std::fs::read_to_string(root.join(format!("config/merchants/{id}.toml"))).unwrap();
    let merchants = [("acme", merchant("acme")), ("test", test_merchant(merchant("test")))];
    let folder = ConfigFolder::new(&Settings { store: STORE, ..Settings::REQUEST }, &merchants);
    folder.write("rates.toml", &std::fs::read_to_string(root.join("config/rates.toml")).unwrap());
    copy(&root.join("data"), &folder.path().join("data"));
    folder
}

#[test]
fn folder_of_format_4_gets_the_rates_and_merchants_of_the_files() {
    let mut daemon = Daemon::start(folder_of_format_4(&|text| text));
    let pay = |daemon: &Daemon, id: &str, amount: &str, currency: &str, minute: u32| {
        let body = json!({
            "transaction_id": id, "direction": "deposit", "amount": amount, "currency": currency,
            "merchant_customer_identifier": "ann", "customer_level": "gold",
            "occurred_at": format!("2026-11-29T12:{minute:02}:00Z"),
        });
        daemon.post("/v1/merchants/acme/transactions", &body).ok()
    };
    assert_eq!(pay(&daemon, "fits", "5.00", "EUR", 10)["decision"], "allow");
    let denied = daemon.fetch("over").ok()["codes"][0]["amount"].clone();
    assert_eq!(denied, json!({ "limit": "70.00", "used": "65.00", "asked": "10.00" }));
    // The rates of the files change at a reload and again at a start.
    let rates =
        |day: u32, usd: &str| format!("base = \"EUR\"\nas_of = 2026-11-{day}T00:00:00Z\n[rates]\nUSD = \"{usd}\"\n");
    daemon.folder.write("rates.toml", &rates(21, "0.5"));
    daemon.post_nothing("/v1/reload").ok();
    // Fifty dollars are a hundred euros now, which is beyond the limit.
    assert_eq!(pay(&daemon, "none-left", "0.01", "EUR", 11)["decision"], "deny");
    daemon.kill();
    daemon.folder.write("rates.toml", &rates(22, "2.5"));
    daemon.kill_and_start();
    // Now they are twenty euros.
    assert_eq!(pay(&daemon, "left-again", "20.00", "EUR", 12)["decision"], "allow");
    let report = |more: &[&str]| -> Value {
        let arguments = ["backtest", "--config", ".", "--data", "data", "--format", "json"];
        let ended = run(&daemon.folder, &[&arguments, more].concat());
        let json = ended.text.find('{').unwrap_or_else(|| panic!("{ended:?}"));
        serde_json::from_str(&ended.text[json..]).unwrap()
    };
    // Before the journal had the rates, those of the files count. By them the denial of format 4 is allowed, and its ten euros
    // leave no room for two later payments.
    let recorded = report(&[]);
    assert_eq!((&recorded["judged"], &recorded["differences"]), (&json!(9), &json!(3)), "{recorded:#}");
    let all = |what: &str| recorded["totals"].as_array().unwrap().iter().filter(|row| row["what"] == what).count();
    assert_eq!((all("newly_allowed"), all("newly_denied")), (1, 1), "{recorded:#}");
    daemon.folder.write("rates.toml", &rates(20, "1.25"));
    assert_eq!(report(&[])["differences"], 0);
}

#[test]
fn folder_without_its_memory_knows_the_test_merchants_from_the_journal() {
    let without_memory = |daemon: &mut Daemon, sandbox: &str, now: &str| {
        daemon.kill();
        std::fs::remove_file(daemon.folder.path().join("data/configuration")).unwrap();
        let path = daemon.folder.path().join("merchants/test.toml");
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(sandbox), "{text}");
        std::fs::write(path, text.replacen(sandbox, now, 1)).unwrap();
    };
    for (first, then, words) in [
        ("sandbox = true\n", "# real\n", "cannot become a real one"),
        ("# real\n", "sandbox = true\n", "cannot become a test merchant"),
    ] {
        // At the first start the folder of format 4 has its file, or else takes the value of the files.
        let text = |text: String| text.replacen("sandbox = true\n", first, 1);
        let folder = folder_of_format_4(&text);
        std::fs::remove_file(folder.path().join("data/configuration")).unwrap();
        let mut daemon = Daemon::start(folder);
        // Until a request waits for it, the record is in memory.
        daemon.post_nothing("/v1/snapshot").ok();
        without_memory(&mut daemon, first, then);
        let ended = run(&daemon.folder, &["serve", "--config", "."]);
        assert!(ended.code != Some(0) && ended.text.contains(words), "{ended:?}");
    }
}
