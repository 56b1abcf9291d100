//! The export of one customer: everything that is kept about the customer, and nothing about others.

use serde_json::{Value, json};
use std::collections::BTreeSet;

use crate::archive::{a_month_later, transactions_in_memory};
use crate::staff_calls::{CUSTOMERS, kept, labels, look, of, register, steps};
use crate::token_access::call;
use support::daemon::{ConfigFolder, Daemon, Settings};
use support::fixtures::{CRM, acme, filter, level, pay, with};
use support::process::eventually;

fn shop() -> String {
    let head = labels(&[("plain", "active", &[]), ("vip", "internal", &[]), ("leaving", "pending_deletion", &[])]);
    let gold = level("gold", &filter("window = \"daily\"; amount_limit = \"100.00\""));
    acme(&format!("{CRM}deletion_grace = \"1s\"\n{head}"), &[gold])
}

fn export(daemon: &Daemon, id: &str) -> Value {
    daemon.get(&of(id, "/export")).ok()
}

fn transaction_ids(exported: &Value) -> Vec<String> {
    let transactions = exported["transactions"].as_array().expect("transactions").iter();
    transactions.map(|one| one["transaction_id"].as_str().expect("an id").to_owned()).collect()
}

/// A document without the time of the answer.
fn timeless(mut document: Value) -> Value {
    document.as_object_mut().expect("an object").remove("server_time");
    document
}

#[test]
fn an_export_contains_what_each_read_shows_and_nothing_of_others() {
    let globex = acme(CRM, &[]).replacen("id = \"acme\"", "id = \"globex\"", 1);
    let daemon = Daemon::start(ConfigFolder::new(&Settings::SYSTEM, &[("acme", shop()), ("globex", globex)]));
    let person = |who: &str, city: &str| {
        let body = json!({
            "merchant_customer_identifier": who, "email": format!("{who}@example.com"), "city": city, "labels": ["vip"],
        });
        register(&daemon, &body)
    };
    let (ann, bob, other) = (person("ann", "Rome"), person("bob", "Oslo"), person("secret-other", "Nowhere"));
    let by = |who: &str, id: &str| {
        with(pay(id, "1.00"), &json!({ "merchant_customer_identifier": who, "payment_instrument": "tok-shared" }))
    };
    for (who, id) in [("ann", "a1"), ("ann", "a2"), ("bob", "b1"), ("secret-other", "secret-o1")] {
        daemon.reserve(&by(who, id)).ok();
        daemon.step(id, "approve", &json!({ "capture_id": "c", "gate": "gate-a" })).ok();
    }
    daemon.step("a1", "refund", &json!({ "refund_id": "r", "amount": "0.40" })).ok();
    daemon.post("/v1/merchants/globex/transactions", &by("ann", "secret-g1")).ok();
    daemon.post(&of(&ann, "/signals"), &json!({ "signal": "consent_given" })).ok();
    daemon
        .post(&of(&other, "/signals"), &json!({ "signal": "fraud_suspected", "payment_instrument": "tok-shared" }))
        .ok();
    let limit = json!({ "filters": [{ "window": "daily", "amount_limit": "50.00" }] });
    daemon.send("PUT", &of(&ann, "/limits/deposit/EUR"), &limit).ok();
    let settings = json!({ "global_limit": { "max_amount": "20.00" } });
    daemon.send("PUT", &of(&ann, "/settings/deposit/EUR/gold"), &settings).ok();
    daemon.post(&of(&bob, "/merge"), &json!({ "into": ann })).ok();

    // The id of the merged customer leads to the same.
    let answer = daemon.get(&of(&bob, "/export"));
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert!(answer.header("content-disposition").is_some_and(|text| text.starts_with("attachment")), "{answer:?}");
    let exported = export(&daemon, &ann);
    assert_eq!(exported["merchant"], "acme");
    let mut customer = exported["customer"].clone();
    for instrument in customer["payment_instruments"].as_array_mut().expect("a list") {
        assert_eq!(instrument.as_object_mut().expect("an instrument").remove("stored"), Some(json!(true)));
    }
    assert_eq!(customer, look(&daemon, &ann));
    assert_eq!(exported["customer"]["limits"][0]["filters"][0]["amount_limit"], "50.00", "{exported}");
    assert_eq!(exported["customer"]["settings"][0]["global_limit"]["max_amount"], "20.00");
    assert_eq!(exported["customer"]["payment_instruments"][0]["payment_instrument"], "tok-shared");
    assert_eq!((&exported["consent"], &exported["customer"]["status"]), (&json!("member"), &json!("suspicious")));
    let merged = exported["merged_customers"].as_array().expect("a list");
    assert_eq!((merged.len(), &merged[0]["customer_id"], &merged[0]["city"]), (1, &json!(bob), &json!("Oslo")));
    let usage = daemon.get(&of(&ann, "/usage")).ok();
    assert_eq!(exported["totals"], usage["totals"]);
    assert_eq!(exported["totals"][0]["gross"], json!({ "amount": "3.00", "quantity": 3 }));
    assert_eq!(exported["usage"].as_array().map(Vec::len), usage["usage"].as_array().map(Vec::len));
    assert_eq!(transaction_ids(&exported), ["a1", "a2", "b1"]);
    assert_eq!(exported["unreadable_transactions"], json!([]));
    for shown in exported["transactions"].as_array().expect("transactions") {
        let mut read = timeless(daemon.fetch(shown["transaction_id"].as_str().expect("an id")).ok());
        read.as_object_mut().expect("an object").remove("remaining");
        assert_eq!(timeless(shown.clone()), read);
    }
    assert_eq!(exported["transactions"][0]["transitions"].as_array().map(Vec::len), Some(2));
    let mut history = exported["history"].as_array().expect("a history").clone();
    history.reverse();
    assert_eq!(history, steps(&daemon, &ann), "the oldest step first");
    for secret in ["secret", "globex", "Nowhere", &other] {
        assert!(!exported.to_string().contains(secret), "{secret} of another is in {exported}");
    }
    for (path, status) in [
        (of("1999999", "/export"), 404),
        (of(&other, "/export").replace("acme", "globex"), 404),
        (of(&ann, "/export").replace("acme", "nobody"), 404),
        (of(&ann, "/export?limit=5"), 400),
    ] {
        daemon.get(&path).problem(status);
    }
}

#[test]
fn an_erased_customer_exports_what_is_left() {
    let daemon = kept(&Settings::SYSTEM, shop());
    let id = register(
        &daemon,
        &json!({ "merchant_customer_identifier": "ann", "email": "ann@example.com", "city": "Rome" }),
    );
    daemon.reserve(&with(pay("t1", "5.00"), &json!({ "merchant_customer_identifier": "ann" }))).ok();
    assert!(export(&daemon, &id).to_string().contains("ann@example.com"));
    daemon.delete(&of(&id, "")).ok();
    eventually("the customer is erased", || look(&daemon, &id)["erased"] == true);
    let exported = export(&daemon, &id);
    assert_eq!((&exported["customer"]["email"], &exported["customer"]["erased"]), (&Value::Null, &json!(true)));
    assert_eq!(transaction_ids(&exported), ["t1"]);
    assert_eq!(exported["totals"][0]["gross"]["amount"], "5.00");
    for gone in ["ann@example.com", "Rome"] {
        assert!(!exported.to_string().contains(gone), "{gone} is erased: {exported}");
    }
}

#[test]
fn archived_transactions_are_exported_with_their_facts() {
    let daemon = a_month_later();
    assert!(transactions_in_memory(&daemon) < 40, "most have left memory");
    let exported = export(&daemon, "1000001");
    let ids = transaction_ids(&exported);
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), 80, "{ids:?}");
    let first = &exported["transactions"][0];
    assert_eq!((&first["transaction_id"], &first["cancelled"]), (&json!("t0"), &json!("3.00")));
    assert_eq!(first["transitions"].as_array().map(Vec::len), Some(2), "{first}");
}

#[test]
fn many_transactions_are_listed_and_exported_once_each() {
    // More than the daemon examines at once.
    const MANY: usize = 9_000;
    let daemon = Daemon::live(shop());
    let line = |n: usize| {
        let body = with(pay(&format!("t{n}"), "0.01"), &json!({ "op": "reserve", "merchant": "acme" }));
        without_level(body).to_string() + "\n"
    };
    let lines: String = (0..MANY).map(line).collect();
    let answer = daemon.post_text("/v1/batch", &lines);
    assert_eq!(answer.body.matches("\"allow\"").count(), MANY, "{}", &answer.body[..500]);
    let wanted: Vec<String> = (0..MANY).map(|n| format!("t{n}")).collect();
    assert_eq!(transaction_ids(&export(&daemon, "1000001")), wanted);
    let (mut listed, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = daemon.get(&of("1000001", &format!("/transactions?limit=1000{cursor}"))).ok();
        listed.extend(transaction_ids(&page));
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert!(listed == wanted, "{} are listed", listed.len());
}

/// A payment at no level, which has no limits.
/// More steps of the history than the daemon keeps in memory at a time.
#[test]
fn a_long_history_is_exported_with_each_step() {
    let daemon = kept(&Settings::SYSTEM, shop());
    let ann = register(&daemon, &json!({ "merchant_customer_identifier": "ann" }));
    let bob = register(&daemon, &json!({ "merchant_customer_identifier": "bob", "city": "Oslo" }));
    for n in 0..300 {
        daemon.send("PATCH", &of(&ann, ""), &json!({ "city": format!("city {n}") })).ok();
    }
    daemon.post(&of(&bob, "/merge"), &json!({ "into": ann })).ok();
    let history = export(&daemon, &ann)["history"].as_array().expect("steps").clone();
    let cities = history.iter().flat_map(|step| step["changes"].as_array().expect("changes").clone());
    let cities: Vec<Value> =
        cities.filter(|change| change["field"] == "city" && change["old"] != Value::Null).collect();
    let change = |n: u32| json!({ "field": "city", "old": format!("city {}", n - 1), "new": format!("city {n}") });
    assert_eq!(cities, (1..300).map(change).collect::<Vec<_>>());
    // Both registrations, the changes, and the merge for each of the two.
    assert_eq!(history.len(), 2 + 300 + 2, "{history:?}");
}

fn without_level(mut body: Value) -> Value {
    body.as_object_mut().expect("an object").remove("customer_level");
    body
}

#[test]
fn an_export_takes_the_role_viewer_or_operator() {
    let folder = ConfigFolder::new(&Settings::SYSTEM, &[("acme", shop())]);
    let mut text = Settings::SYSTEM.text();
    text.push_str("\n[auth]\ntokens = [\n");
    let token_of = |role: &str| format!("{role}-token-0123456789");
    for role in ["operator", "gateway", "viewer"] {
        folder.write(&format!("{role}.token"), &token_of(role));
        let file = folder.path().join(format!("{role}.token")).display().to_string();
        text.push_str(&format!("  {{ name = \"the {role}\", role = {role:?}, token_file = {file:?} }},\n"));
    }
    text.push_str("]\n");
    folder.write("levelgate.toml", &text);
    let daemon = Daemon::start(folder);
    let body = json!({ "merchant_customer_identifier": "ann" }).to_string();
    assert_eq!(call(&daemon, "POST", CUSTOMERS, &token_of("operator"), &body).0, 201);
    for (role, want) in [("operator", 200), ("viewer", 200), ("gateway", 403)] {
        let (status, answer) = call(&daemon, "GET", &of("1000001", "/export"), &token_of(role), "");
        assert_eq!(status, want, "{role}: {answer}");
        assert!(status != 200 || answer.contains("the operator"), "the history names who registered: {answer}");
    }
}
