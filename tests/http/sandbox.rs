//! Test merchants: denials that ids cause, counters and blocks that are apart from those of real merchants.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use support::daemon::{ConfigFolder, Daemon, Settings, run};
use support::fixtures::{CRM, GATEWAY, acme, filter, level, pay, with};

const DISK: Settings = Settings { store: "kind = \"disk\"\npath = \"data\"\nsync = \"always\"", ..Settings::SYSTEM };

/// Every code of a denial with its reason, as the guide on errors lists them.
fn codes() -> Vec<(u64, String)> {
    let guide = include_str!("../../src/docs/errors.md");
    let table = guide.split("## Denial codes").nth(1).expect("the chapter").split("The fields of a row").next();
    let rows = table.expect("the table").lines().filter_map(|line| {
        let mut cells = line.split('|').map(|cell| cell.trim().trim_matches('`'));
        let number = cells.nth(1)?.parse().ok()?;
        Some((number, cells.next()?.to_owned()))
    });
    rows.collect()
}

fn merchant(id: &str, keys: &str) -> (String, String) {
    let levels = [level("gold", &filter("window = \"daily\"; amount_limit = \"500.00\""))];
    (id.to_owned(), acme(keys, &levels).replacen("id = \"acme\"", &format!("id = {id:?}"), 1))
}

/// `acme` and `globex` are real, `test` and `test-2` are test merchants, `gateway` is one that names customers by our number.
fn daemon(settings: &Settings) -> Daemon {
    let sandbox = format!("{CRM}sandbox = true\n");
    let merchants = [
        merchant("acme", CRM),
        merchant("globex", CRM),
        merchant("test", &sandbox),
        merchant("test-2", &sandbox),
        merchant("gateway", &format!("{GATEWAY}sandbox = true\n")),
    ];
    let merchants: Vec<(&str, String)> = merchants.iter().map(|(id, text)| (id.as_str(), text.clone())).collect();
    Daemon::start(ConfigFolder::new(settings, &merchants))
}

fn reserve(daemon: &Daemon, merchant: &str, body: &Value) -> Value {
    daemon.post(&format!("/v1/merchants/{merchant}/transactions"), body).ok()
}

fn check(daemon: &Daemon, merchant: &str, body: &Value) -> Value {
    daemon.post(&format!("/v1/merchants/{merchant}/decisions"), body).ok()
}

fn metric(daemon: &Daemon, line: &str) -> u64 {
    let text = daemon.get("/metrics").body;
    let value = text.lines().find_map(|known| known.strip_prefix(line)?.trim().parse().ok());
    value.unwrap_or_else(|| panic!("{line}: {text}"))
}

/// An answer without what depends on the time of the call.
fn lasting(mut answer: Value) -> Value {
    for key in ["server_time", "transaction_id", "replay"] {
        answer.as_object_mut().expect("an object").remove(key);
    }
    answer
}

#[test]
fn an_id_that_ends_in_a_code_is_denied_with_it() {
    let mut daemon = daemon(&DISK);
    let codes = codes();
    assert_eq!(codes.len(), 15, "{codes:?}");
    let mut recorded = Vec::new();
    for (code, reason) in &codes {
        // Each amount violates the maximum too; the requested code is the only one.
        for (what, body) in [
            ("in range", pay(&format!("r-{code}"), "10.00")),
            ("above", with(pay(&format!("a-{code}"), "1500.00"), &json!({ "payment_method": "card" }))),
        ] {
            let body = with(body, &json!({ "payment_instrument": "tok" }));
            let checked = check(&daemon, "test", &body);
            let reserved = reserve(&daemon, "test", &body);
            for answer in [&checked, &reserved] {
                assert_eq!(answer["decision"], "deny", "{code} {what}: {answer}");
                assert_eq!((&answer["code"], &answer["reason"]), (&json!(code), &json!(reason)), "{answer}");
                let listed = answer["codes"].as_array().expect("codes");
                assert_eq!((listed.len(), &listed[0]["code"]), (1, &json!(code)), "{answer}");
                assert_eq!(listed[0].get("figures_recorded"), None, "{code} has its figures: {answer}");
                assert_eq!(answer["gates"], json!([]), "{answer}");
            }
            assert_eq!((&checked["status"], &reserved["status"]), (&json!("checked"), &json!("denied")));
            let line = with(
                body.clone(),
                &json!({ "op": "payment", "merchant": "test", "transaction_id": format!("p-{what}-{code}") }),
            );
            let line = daemon.post_text("/v1/batch", &line.to_string());
            assert_eq!(line.json()["code"], json!(code), "{}", line.body);
            // A real merchant has no such ids.
            let real = check(&daemon, "acme", &pay(&format!("r-{code}"), "10.00"));
            assert_eq!(real["decision"], "allow", "{real}");
            recorded.push((body, reserved));
        }
    }
    for (id, allowed) in [("19000", true), ("x19000", true), ("x-19999", true), ("x-19000-1", true), ("-19000", false)]
    {
        let answer = check(&daemon, "test", &pay(id, "10.00"));
        assert_eq!(answer["decision"] == "allow", allowed, "{id}: {answer}");
    }
    // The figures have the form of real ones.
    let shown = |code: u64| daemon.get(&format!("/v1/merchants/test/transactions/r-{code}")).ok()["codes"][0].clone();
    assert_eq!(shown(19000)["amount"], json!({ "limit": "0.00", "used": "0.00", "asked": "10.00" }));
    assert_eq!((&shown(19003)["quantity"]["limit"], &shown(19003)["filter"]), (&json!(0), &json!("weekly")));
    assert_eq!(shown(19102)["amount"], json!({ "limit": "10.01", "asked": "10.00" }));
    assert_eq!(shown(19103)["amount"], json!({ "limit": "9.99", "asked": "10.00" }));
    assert_eq!((&shown(19104)["pair"], &shown(19104)["amount"]["used"]), (&json!("USD/EUR"), &Value::Null));
    assert_eq!(shown(19100)["blocked_by"][0]["cause"], "status");
    assert_eq!(shown(19106)["payment_instrument"], "tok");
    // The same answers after a start from the journal, and after one from a snapshot.
    for _ in 0..2 {
        daemon.kill_and_start();
        for (body, first) in &recorded {
            let again = daemon.post("/v1/merchants/test/transactions", body);
            assert!(again.is_replay(), "{}", again.body);
            assert_eq!(lasting(again.ok()), lasting(first.clone()));
        }
        daemon.post_nothing("/v1/snapshot").ok();
    }
}

#[test]
fn blocked_customers_and_stolen_instruments_are_denied_as_by_a_real_block() {
    let daemon = daemon(&Settings::SYSTEM);
    let of = |id: &str, who: &str, instrument: Option<&str>| {
        with(pay(id, "10.00"), &json!({ "merchant_customer_identifier": who, "payment_instrument": instrument }))
    };
    for (who, instrument, codes) in [
        ("blocked-1", None, json!([19100])),
        (" blocked-1", None, json!([19100])),
        ("blocked-", None, json!([19100])),
        ("blocked", None, json!([])),
        ("unblocked-1", None, json!([])),
        ("alice", Some("stolen-1"), json!([19106])),
        ("alice", Some("stolen"), json!([])),
        ("blocked-2", Some("stolen-1"), json!([19100, 19106])),
    ] {
        let numbers = |answer: Value| {
            let codes = answer["codes"].as_array().expect("codes").iter().map(|code| code["code"].clone());
            Value::from(codes.collect::<Vec<_>>())
        };
        // A check before the customer exists, the reserve that creates the customer, and a check after it.
        for round in ["new", "created", "known"] {
            let id = format!("{who}-{instrument:?}-{round}");
            let answer = match round {
                "created" => reserve(&daemon, "test", &of(&id, who, instrument)),
                _ => check(&daemon, "test", &of(&id, who, instrument)),
            };
            assert_eq!(numbers(answer), codes, "{round} {who} {instrument:?}");
        }
        assert_eq!(numbers(check(&daemon, "acme", &of("c", who, instrument))), json!([]), "a real merchant");
    }
    // The code at the end of the id replaces the blocks.
    let answer = check(&daemon, "test", &of("t-19105", "blocked-1", Some("stolen-1")));
    assert_eq!((&answer["code"], &answer["codes"][1]), (&json!(19105), &Value::Null), "{answer}");
    // The instrument as an attribute, and a customer who is named by our number.
    let body = with(pay("c", "10.00"), &json!({ "customer": { "payment_instrument": "stolen-2" } }));
    assert_eq!(check(&daemon, "test", &body)["code"], 19106);
    let created = daemon.post(
        "/v1/merchants/gateway/customers",
        &json!({ "merchant_customer_identifier": "blocked-9", "email": "nine@example.com" }),
    );
    assert_eq!(created.status, 201, "{}", created.body);
    let mut body = with(pay("g", "10.00"), &json!({ "customer_id": created.json()["customer_id"] }));
    body.as_object_mut().expect("fields").remove("merchant_customer_identifier");
    assert_eq!(reserve(&daemon, "gateway", &body)["code"], 19100);
    // A form asks without an id.
    let mut body = of("f", "blocked-1", None);
    body.as_object_mut().expect("fields").remove("amount");
    daemon.post("/v1/merchants/test/payment-form", &body).ok();
}

/// The customer of a payment with an instrument.
fn holder(daemon: &Daemon, merchant: &str, id: &str) -> String {
    let body = with(pay(id, "1.00"), &json!({ "payment_instrument": "tok" }));
    let answer = reserve(daemon, merchant, &body);
    assert_eq!(answer["decision"], "allow", "{answer}");
    answer["customer"]["customer_id"].as_str().expect("an id").to_owned()
}

#[test]
fn blocks_of_instruments_neither_reach_a_test_merchant_nor_leave_it() {
    const MERCHANTS: [&str; 4] = ["acme", "globex", "test", "test-2"];
    let mut daemon = daemon(&DISK);
    let ids: Vec<String> = MERCHANTS.iter().map(|merchant| holder(&daemon, merchant, "t1")).collect();
    let signal = |daemon: &Daemon, at: usize, word: &str| {
        let path = format!("/v1/merchants/{}/customers/{}/signals", MERCHANTS[at], ids[at]);
        daemon.post(&path, &json!({ "signal": word, "payment_instrument": "tok" })).ok();
    };
    let states = |daemon: &Daemon| -> Vec<String> {
        let state = |(merchant, id): (&&str, &String)| {
            let shown = daemon.get(&format!("/v1/merchants/{merchant}/customers/{id}")).ok();
            let body = with(pay("c", "1.00"), &json!({ "payment_instrument": "tok" }));
            let code = check(daemon, merchant, &body)["code"].clone();
            format!("{} {code}", shown["status"].as_str().expect("a status"))
        };
        MERCHANTS.iter().zip(&ids).map(state).collect()
    };
    const FREE: &str = "new null";
    const BLOCKED: &str = "fraud 19106";
    let cases: [(usize, &str, [&str; 4]); 5] = [
        (2, "card_stolen", [FREE, FREE, BLOCKED, FREE]),
        // Without tokens a block of a real merchant applies everywhere else.
        (0, "card_stolen", [BLOCKED, BLOCKED, BLOCKED, FREE]),
        (2, "cleared", [BLOCKED, BLOCKED, FREE, FREE]),
        (3, "fraud_confirmed", [BLOCKED, BLOCKED, FREE, BLOCKED]),
        // The block is lifted everywhere; other holders keep their status.
        (0, "cleared", [FREE, "fraud null", FREE, BLOCKED]),
    ];
    for (at, word, expected) in cases {
        signal(&daemon, at, word);
        for when in ["at once", "after a start", "after a start from a snapshot"] {
            assert_eq!(states(&daemon), expected, "{word} at {} {when}", MERCHANTS[at]);
            daemon.kill_and_start();
            daemon.post_nothing("/v1/snapshot").ok();
        }
    }
    // A customer who begins to hold the blocked instrument is denied at the merchants of the block alone.
    signal(&daemon, 0, "card_stolen");
    let code = |merchant: &str| {
        let body =
            with(pay("new", "1.00"), &json!({ "payment_instrument": "tok", "merchant_customer_identifier": "bob" }));
        reserve(&daemon, merchant, &body)["code"].clone()
    };
    let codes: Vec<Value> = MERCHANTS.iter().map(|merchant| code(merchant)).collect();
    assert_eq!(codes, [json!(19106), json!(19106), Value::Null, json!(19106)]);
}

#[test]
fn decisions_of_test_merchants_are_counted_apart() {
    let daemon = daemon(&Settings::SYSTEM);
    reserve(&daemon, "test", &pay("t1", "10.00"));
    reserve(&daemon, "test", &pay("t-19000", "10.00"));
    reserve(&daemon, "acme", &pay("t1", "10.00"));
    for (line, count) in [
        ("levelgate_decisions_total{decision=\"allow\"}", 1),
        ("levelgate_decisions_total{decision=\"deny\"}", 0),
        ("levelgate_sandbox_decisions_total{decision=\"allow\"}", 1),
        ("levelgate_sandbox_decisions_total{decision=\"deny\"}", 1),
        ("levelgate_denials_total{code=\"19000\",reason=\"daily_amount_limit_exceeded\"}", 0),
    ] {
        assert_eq!(metric(&daemon, line), count, "{line}");
    }
    assert!(!daemon.get("/metrics").body.contains("levelgate_filter_denials_total{"));
    let series = daemon.get("/v1/merchants/test/series").ok();
    assert_eq!(series["totals"], json!({ "allow": 1, "deny": 1 }));
    let listed = daemon.get("/v1/merchants").ok();
    let listed = listed["merchants"].as_array().expect("merchants").iter();
    let marked: BTreeSet<&str> =
        listed.filter(|merchant| merchant["sandbox"] == true).filter_map(|merchant| merchant["id"].as_str()).collect();
    assert_eq!(marked, ["gateway", "test", "test-2"].into());
    assert_eq!(daemon.get("/v1/merchants/test").ok()["sandbox"], true);
    assert_eq!(daemon.get("/v1/merchants/acme").ok()["sandbox"], false);
}

#[test]
fn a_merchant_with_payments_neither_becomes_a_test_merchant_nor_ceases_to_be_one() {
    let mut daemon = daemon(&DISK);
    reserve(&daemon, "acme", &pay("t1", "10.00"));
    reserve(&daemon, "test", &pay("t1", "10.00"));
    // A check without the state reads what the data folder remembers since the last snapshot.
    daemon.post_nothing("/v1/snapshot").ok();
    let sandbox = format!("{CRM}sandbox = true\n");
    for (id, keys, words) in [
        ("acme", sandbox.as_str(), "merchant `acme` has customers or transactions and cannot become a test merchant"),
        ("test", CRM, "merchant `test` is a test merchant with customers or transactions and cannot become a real one"),
    ] {
        let file = format!("merchants/{id}.toml");
        let before = std::fs::read_to_string(daemon.folder.path().join(&file)).expect("the file");
        let removed = format!("id = {id:?}\nremoved = true\n");
        // Directly, and by removing the merchant in between.
        for between in [None, Some(&removed)] {
            if let Some(removed) = between {
                daemon.folder.write(&file, removed);
                daemon.post_nothing("/v1/reload").ok();
                daemon.kill_and_start();
            }
            daemon.folder.write(&file, &merchant(id, keys).1);
            let refused = daemon.post_nothing("/v1/reload").problem(422);
            assert!(refused["problems"].to_string().contains(words), "{refused}");
            for arguments in [&["check", "."][..], &["check", ".", "--data", "data"]] {
                let ended = run(&daemon.folder, arguments);
                assert!(ended.code == Some(1) && ended.text.contains(words), "{arguments:?}: {}", ended.text);
            }
        }
        let ended = run(&daemon.folder, &["check", "."]);
        assert!(ended.text.contains(words), "{}", ended.text);
        daemon.folder.write(&file, &before);
        daemon.post_nothing("/v1/reload").ok();
    }
    // Without payments both ways are open.
    for keys in [sandbox.as_str(), CRM] {
        daemon.folder.write("merchants/globex.toml", &merchant("globex", keys).1);
        let report = daemon.post_nothing("/v1/reload").ok();
        assert!(report["changed"].to_string().contains("sandbox"), "{report}");
    }
    let ended = run(&daemon.folder, &["check", "."]);
    assert!(ended.text.contains("sandbox (gateway, test, test-2): test merchants"), "{}", ended.text);
    daemon.signal("TERM");
    assert_eq!(daemon.wait().code(), Some(0));
}
