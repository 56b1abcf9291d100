//! Names that requests bring: what is only asked is not kept, what is recorded is bounded for each merchant.

use serde_json::{Value, json};

use support::daemon::{ConfigFolder, Daemon, Settings};
use support::fixtures::{CRM, acme, level, pay, with};
use support::process::eventually;

fn metric(daemon: &Daemon, name: &str) -> u64 {
    let text = daemon.get("/metrics").body;
    let line = text.lines().find(|line| line.split(' ').next() == Some(name));
    line.and_then(|line| line.rsplit(' ').next()).and_then(|value| value.parse().ok()).unwrap_or(0)
}

fn daemon() -> Daemon {
    let levels = [level("gold", "")];
    let globex = acme(CRM, &levels).replacen("\"acme\"", "\"globex\"", 1);
    Daemon::start(ConfigFolder::new(&Settings::SYSTEM, &[("acme", acme(CRM, &levels)), ("globex", globex)]))
}

fn name_count(daemon: &Daemon) -> u64 {
    metric(daemon, "levelgate_names")
}

#[test]
fn names_in_checks_and_refusals_are_not_stored() {
    let daemon = daemon();
    daemon.reserve(&pay("t1", "1.00")).ok();
    let customer = "/v1/merchants/acme/customers/1000001";
    let before = name_count(&daemon);
    assert!(before > 0);
    for n in 0..50 {
        let new = |what: &str| format!("{what}-{n}");
        let asked = json!({ "customer_level": new("asked-level"), "payment_method": new("asked-method") });
        let answer = daemon.check(&with(pay("c", "1.00"), &asked)).ok();
        assert_eq!(answer["code"], 19_101, "a method that no endpoint has: {answer}");
        assert_eq!(answer["level"], json!({ "name": "unknown", "source": "default" }), "{answer}");
        let mut form = with(pay("f", "1.00"), &asked);
        form.as_object_mut().unwrap().remove("amount");
        daemon.post("/v1/merchants/acme/payment-form", &form).ok();
        // Refused: no such currency at an endpoint, the merchant is unknown, an id that was sent before.
        let refused = with(asked.clone(), &json!({ "currency": "SEK" }));
        daemon.reserve(&with(pay(&new("r"), "1.00"), &refused)).problem(422);
        daemon.post("/v1/merchants/nobody/transactions", &with(pay(&new("r"), "1.00"), &asked)).problem(404);
        daemon.reserve(&with(pay("t1", "1.00"), &asked)).problem(409);
        // Requests by staff about names that do not exist.
        daemon.get(&format!("{customer}/settings/deposit/EUR/{}", new("asked-level"))).problem(404);
        daemon.delete(&format!("{customer}/settings/deposit/EUR/{}", new("asked-level"))).problem(404);
        let settings = format!("{customer}/settings/deposit/EUR/{}", new("asked-level"));
        let problem = daemon.send("PUT", &settings, &json!({})).problem(404);
        assert!(problem["detail"].as_str().unwrap().contains(&new("asked-level")), "{problem}");
        let level = format!("/v1/merchants/acme/levels/deposit/EUR/{}", new("asked-level"));
        let problem = daemon.delete(&level).problem(404);
        assert!(problem["detail"].as_str().unwrap().contains(&new("asked-level")), "{problem}");
        let rename = format!("/v1/merchants/acme/levels/deposit/{}/rename", new("asked-level"));
        daemon.post(&rename, &json!({ "to": "gold" })).problem(404);
        daemon.get(&format!("/v1/merchants/acme/customers?label={}", new("asked-label"))).ok();
        daemon.get(&format!("/v1/events?merchant={}", new("asked-merchant"))).problem(404);
        for body in [
            json!({ "labels": [new("asked-label"), new("asked-other")] }),
            json!({ "deposit_level": new("asked-level") }),
            json!({ "disabled_projects": [new("asked-project")] }),
        ] {
            let problem = daemon.send("PATCH", customer, &body).problem(422);
            let first = body.as_object().unwrap().values().next().unwrap();
            let sent = first.as_str().or(first[0].as_str()).unwrap();
            assert!(problem["detail"].as_str().unwrap().contains(sent), "{problem}");
        }
        let table = format!("merchant_customer_identifier,deposit_level,labels\nzoe,{},\n", new("asked-level"));
        daemon.post_text("/v1/merchants/acme/customers.csv", &table).problem(422);
        let set = json!({ "global_limit": { "direction": "deposit", "currency": "EUR", "level": new("asked-level"),
            "max_amount": "5.00" } });
        let bulk = json!({ "select": { "ids": ["1000001"] }, "set": set, "dry_run": true });
        daemon.post("/v1/merchants/acme/customers/bulk", &bulk).problem(422);
        let line = with(pay("b", "1.00"), &with(asked, &json!({ "op": "check", "merchant": "acme" })));
        assert!(daemon.post_text("/v1/batch", &format!("{line}\n")).body.contains("\"checked\""));
    }
    assert_eq!(name_count(&daemon), before, "nothing was kept");
    // A recorded name is stored once.
    let brought = json!({ "customer_level": "brought-level", "payment_method": "brought-method" });
    let denied = daemon.reserve(&with(pay("t2", "1.00"), &brought)).ok();
    assert_eq!((&denied["decision"], &denied["code"]), (&json!("deny"), &json!(19_101)));
    assert_eq!(name_count(&daemon), before + 2);
    assert!(daemon.reserve(&with(pay("t2", "1.00"), &brought)).is_replay());
    assert_eq!(daemon.fetch("t2").ok()["payment_method"], "brought-method");
    assert_eq!(name_count(&daemon), before + 2);
    // The level that was brought is stored, and made a level to be configured.
    let shown = daemon.get(customer).ok();
    assert_eq!(shown["deposit_level"], "brought-level", "{shown}");
    let levels = daemon.get("/v1/merchants/acme/levels").ok();
    assert!(levels.to_string().contains("brought-level"), "{levels}");
    // A payment that comes first, and its approval.
    let late = json!({ "direction": "deposit", "currency": "EUR", "amount": "1.00", "payment_method": "late-method",
        "merchant_customer_identifier": "alice", "customer_level": "late-level" });
    daemon.step("t3", "approve", &late).ok();
    assert_eq!(name_count(&daemon), before + 4);
    assert_eq!(daemon.fetch("t3").ok()["payment_method"], "late-method");
    let other = json!({ "customer_level": "late-level", "payment_method": "other-method" });
    daemon.reserve(&with(pay("t3", "1.00"), &other)).problem(409);
    assert_eq!(name_count(&daemon), before + 4);
}

/// A recorded name is recognised after a restart; a name in an earlier check is not.
#[test]
fn stored_name_survives_a_restart() {
    let settings = Settings { store: "kind = \"disk\"\npath = \"data\"\nsync = \"interval\"", ..Settings::SYSTEM };
    let mut daemon = Daemon::start(ConfigFolder::new(&settings, &[("acme", acme(CRM, &[]))]));
    let brought = json!({ "customer_level": "brought-level", "payment_method": "brought-method" });
    daemon.reserve(&with(pay("t1", "1.00"), &brought)).ok();
    let late = json!({ "direction": "deposit", "currency": "EUR", "amount": "1.00",
        "merchant_customer_identifier": "alice" });
    daemon.step("t2", "approve", &late).ok();
    daemon.reserve(&with(pay("t2", "1.00"), &json!({ "customer_level": "late", "payment_method": "late-m" }))).ok();
    daemon.kill_and_start();
    assert!(daemon.reserve(&with(pay("t1", "1.00"), &brought)).is_replay());
    assert_eq!(daemon.fetch("t1").ok()["payment_method"], "brought-method");
    let again = json!({ "customer_level": "late", "payment_method": "late-m" });
    assert!(daemon.reserve(&with(pay("t2", "1.00"), &again)).is_replay());
    let other = json!({ "customer_level": "late", "payment_method": "another" });
    daemon.reserve(&with(pay("t2", "1.00"), &other)).problem(409);
}

#[test]
fn name_limit_is_per_merchant_and_known_names_stay_usable() {
    const MOST: usize = 10_000;
    let daemon = daemon();
    let line = |merchant: &str, n: usize| {
        let body = with(pay(&format!("t{n}"), "1.00"), &json!({ "payment_method": format!("method-{n}") }));
        with(body, &json!({ "op": "reserve", "merchant": merchant })).to_string() + "\n"
    };
    let lines: String = (0..MOST + 2).map(|n| line("acme", n)).collect();
    let answers = daemon.post_text("/v1/batch", &lines).body;
    let answers: Vec<Value> = answers.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(answers.len(), MOST + 2);
    assert!(answers[..MOST].iter().all(|answer| answer["decision"] == "deny"), "{:?}", answers[0]);
    for refused in &answers[MOST..] {
        assert_eq!((&refused["status"], &refused["code"]), (&json!(422), &json!("too_many_names")), "{refused}");
        assert_eq!(refused["field"], "payment_method");
        assert!(refused["detail"].as_str().unwrap().contains("10000"), "it names the limit: {refused}");
    }
    // What is known goes on, a check of anything too, and the other merchant is not touched.
    daemon.reserve(&pay("known", "1.00")).ok();
    daemon.reserve(&with(pay("known-2", "1.00"), &json!({ "payment_method": "method-7" }))).ok();
    daemon.check(&with(pay("c", "1.00"), &json!({ "payment_method": "method-new" }))).ok();
    assert!(daemon.post_text("/v1/batch", &line("globex", MOST + 5)).body.contains("\"deny\""));
    daemon.send("PUT", "/v1/merchants/acme/levels/deposit/EUR/new-level", &json!({})).problem(422);
    // A fact is never refused: it is recorded without the name.
    let late = json!({ "direction": "deposit", "currency": "EUR", "amount": "1.00", "payment_method": "late-method",
        "merchant_customer_identifier": "alice", "customer_level": "late-level" });
    assert_eq!(daemon.step("fact", "approve", &late).ok()["status"], "approved");
    assert_eq!(daemon.fetch("fact").ok()["payment_method"], Value::Null);
    assert_eq!(daemon.get("/v1/merchants/acme/customers/1000001").ok()["deposit_level"], "gold");
    eventually("the refusals are counted", || metric(&daemon, "levelgate_names_refused_total") >= 2);
    eventually("the log reports it", || daemon.log().contains("new names of levels, methods or filters were refused"));
}
