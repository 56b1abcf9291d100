//! A customer's history: who changed what, when, from what to what; the same after every restart, and no
//! personal data as plain text on the disk.

use serde_json::{Value, json};
use std::path::Path;

use crate::staff_calls::{CUSTOMERS, labels, of};
use crate::token_access::call;
use support::daemon::{ConfigFolder, Daemon, Settings};
use support::fixtures::{CRM, acme, level, pay, with};

const OLGA: &str = "olga-token-0123456789";
const OTTO: &str = "otto-token-0123456789";
const TILL: &str = "till-token-0123456789";

fn daemon() -> Daemon {
    let head = format!(
        "{CRM}reset_individual_settings_on_level_change = true\n{}",
        labels(&[("plain", "active", &[]), ("vip", "internal", &[])])
    );
    let settings = Settings { store: "kind = \"disk\"\nsync = \"always\"", ..Settings::SYSTEM };
    let folder = ConfigFolder::new(&settings, &[("acme", acme(&head, &[level("gold", ""), level("silver", "")]))]);
    let mut text = settings.text();
    text.push_str("\n[auth]\ntokens = [\n");
    for (name, role, token) in [("olga", "operator", OLGA), ("otto", "operator", OTTO), ("till", "gateway", TILL)] {
        folder.write(&format!("{name}.token"), token);
        let file = folder.path().join(format!("{name}.token"));
        text.push_str(&format!(
            "  {{ name = {name:?}, role = {role:?}, token_file = {:?} }},\n",
            file.display().to_string()
        ));
    }
    text.push_str("]\n");
    folder.write("levelgate.toml", &text);
    Daemon::start(folder)
}

/// The body of a call that must succeed.
#[track_caller]
fn ok(daemon: &Daemon, token: &str, method: &str, path: &str, body: &Value) -> String {
    let body = if method == "GET" { String::new() } else { body.to_string() };
    let (status, answer) = call(daemon, method, path, token, &body);
    assert!(status == 200 || status == 201, "{method} {path}: {answer}");
    answer.split_once("\r\n\r\n").expect("a body").1.to_owned()
}

fn history(daemon: &Daemon, id: &str, query: &str) -> String {
    ok(daemon, OLGA, "GET", &of(id, &format!("/history{query}")), &Value::Null)
}

/// Every file below a folder, whole.
pub(crate) fn files(folder: &Path, found: &mut Vec<(String, Vec<u8>)>) {
    for entry in std::fs::read_dir(folder).expect("a folder").map_while(Result::ok) {
        let path = entry.path();
        match path.is_dir() {
            true => files(&path, found),
            false => found.push((path.display().to_string(), std::fs::read(&path).expect("a file"))),
        }
    }
}

/// Everything that can be changed, in turn: who does it, how, and which fields of the document move.
#[test]
fn history_records_actor_time_old_and_new_value_across_restarts() {
    let mut daemon = daemon();
    let made = ok(
        &daemon,
        OLGA,
        "POST",
        CUSTOMERS,
        &json!({ "merchant_customer_identifier": "alice", "email": "alice.abel@example.com", "name": "Alice Abel", "created_at": "2024-01-01T00:00:00Z" }),
    );
    let made: Value = serde_json::from_str(&made).expect("JSON");
    let id = made["customer_id"].as_str().expect("an id").to_owned();
    let customer = of(&id, "");
    let paid =
        with(pay("t-1", "5.00"), &json!({ "customer": { "phone": "+49301234502" }, "payment_instrument": "tok_1" }));
    let settings = of(&id, "/settings/deposit/EUR/gold");
    let limits = of(&id, "/limits/deposit/EUR");
    let one = |amount: &str| json!({ "filters": [{ "window": "daily", "amount_limit": amount }] });
    let transactions = "/v1/merchants/acme/transactions".to_owned();
    let steps: Vec<(&str, &str, String, Value, &[&str])> = vec![
        (TILL, "POST", transactions.clone(), paid, &["deposit_level", "payment_instruments", "phone"]),
        (
            OTTO,
            "PATCH",
            customer.clone(),
            json!({ "email": "alice.adler@example.com", "city": "Wien" }),
            &["city", "email"],
        ),
        (OTTO, "PATCH", customer.clone(), json!({ "labels": ["vip"], "status": "member" }), &["labels", "status"]),
        (OLGA, "PUT", settings, json!({ "global_limit": { "max_amount": "9.00" } }), &["settings"]),
        (OLGA, "PUT", limits.clone(), one("50.00"), &["limits"]),
        (OLGA, "PUT", limits, one("80.00"), &["limits"]),
        (OTTO, "DELETE", of(&id, "/limits/deposit/EUR/pending"), Value::Null, &["limits"]),
        (
            OLGA,
            "PATCH",
            customer.clone(),
            json!({ "rates": [{ "from": "EUR", "to": "USD", "rate": "1.3" }] }),
            &["rates"],
        ),
        (
            OLGA,
            "PUT",
            of(&id, "/instruments/tok_2"),
            json!({ "type": "card", "masked_number": "411111******1111" }),
            &["payment_instruments"],
        ),
        (
            OTTO,
            "POST",
            of(&id, "/signals"),
            json!({ "signal": "fraud_suspected", "payment_instrument": "tok_2" }),
            &["status"],
        ),
        (
            TILL,
            "POST",
            transactions,
            with(pay("t-2", "5.00"), &json!({ "customer_level": "silver" })),
            &["deposit_level", "settings"],
        ),
        (OLGA, "PATCH", customer.clone(), json!({ "phone": null }), &["phone"]),
        (OTTO, "DELETE", customer.clone(), Value::Null, &["deletion_due"]),
    ];
    let before: Value = serde_json::from_str(&ok(&daemon, OLGA, "GET", &customer, &Value::Null)).expect("JSON");
    let mut documents = vec![before];
    for (token, method, path, body, fields) in &steps {
        ok(&daemon, token, method, path, body);
        let shown: Value = serde_json::from_str(&ok(&daemon, OLGA, "GET", &customer, &Value::Null)).expect("JSON");
        let answer_document: Value = serde_json::from_str(&history(&daemon, &id, "?limit=1")).expect("JSON");
        let step = &answer_document["history"][0];
        let old = documents.last().expect("the one before");
        let moved: Vec<&str> =
            step["changes"].as_array().expect("changes").iter().filter_map(|c| c["field"].as_str()).collect();
        assert_eq!(moved, *fields, "{method} {path}: {step}");
        for change in step["changes"].as_array().expect("changes") {
            let field = change["field"].as_str().expect("a field");
            assert_eq!(shown_of(&change["old"]), told_of(&old[field]), "{method} {path}: the old {field}");
            assert_eq!(shown_of(&change["new"]), told_of(&shown[field]), "{method} {path}: the new {field}");
        }
        let by = match *token {
            OLGA => json!("olga"),
            OTTO => json!("otto"),
            _ => Value::Null,
        };
        let (source, transaction) = match *token {
            TILL => ("payment", body["transaction_id"].clone()),
            _ => ("api", Value::Null),
        };
        assert_eq!((&step["by"], &step["transaction_id"]), (&by, &transaction), "{step}");
        assert_eq!(step["source"], source, "{step}");
        assert_eq!(step["at"], shown["modified_at"], "{step}");
        documents.push(shown);
    }
    let whole = history(&daemon, &id, "");
    let answer_document: Value = serde_json::from_str(&whole).expect("JSON");
    let answer_document = answer_document["history"].as_array().expect("steps");
    assert_eq!(answer_document.len(), steps.len() + 1);
    let first = answer_document.last().expect("the first");
    assert_eq!(first["by"], "olga");
    assert!(
        first["changes"]
            .as_array()
            .expect("changes")
            .iter()
            .any(|c| c["field"] == "email" && c["old"].is_null() && c["new"] == "alice.abel@example.com"),
        "{first}"
    );
    for private in ["alice.abel@example.com", "alice.adler@example.com", "+49301234502", "Alice Abel"] {
        assert!(whole.contains(private), "{private} is read there");
    }
    let document = ok(&daemon, OLGA, "GET", &customer, &Value::Null);
    let pages = pages(&daemon, &id);
    assert_eq!(json!(pages), json!(answer_document), "page by page");

    for keeps in [false, true, false] {
        if keeps {
            ok(&daemon, OLGA, "POST", "/v1/snapshot", &Value::Null);
        }
        daemon.kill_and_start();
        assert_eq!(history(&daemon, &id, ""), whole, "after a restart, snapshot: {keeps}");
        assert_eq!(ok(&daemon, OLGA, "GET", &customer, &Value::Null), document, "after a restart, snapshot: {keeps}");
    }
    let mut found = Vec::new();
    files(&daemon.folder.path().join("data"), &mut found);
    assert!(
        found.iter().any(|(_, bytes)| bytes.windows(5).any(|window| window == b"tok_1")),
        "the files were looked at"
    );
    for private in [
        "alice.abel",
        "alice.adler",
        "ALICE",
        "example.com",
        "+49301234502",
        "1234502",
        "Alice Abel",
        "Wien",
        OLGA,
        OTTO,
        TILL,
    ] {
        for (path, bytes) in &found {
            let is_there = bytes.windows(private.len()).any(|window| window == private.as_bytes());
            assert!(!is_there, "{private} is plain text in {path}");
        }
    }
}

/// A value of the history as the document of the customer shows it: the document leaves out instruments that are not stored.
fn shown_of(value: &Value) -> Value {
    let mut shown = value.clone();
    if let Some(list) = shown.as_array_mut() {
        list.retain(|item| item["stored"] != false);
        list.iter_mut().filter_map(Value::as_object_mut).for_each(|item| _ = item.remove("stored"));
    }
    shown
}

/// A value as histories show it: an instrument's payment counters are in the transactions.
fn told_of(value: &Value) -> Value {
    let mut value = value.clone();
    for instrument in value.as_array_mut().into_iter().flatten() {
        for counted in ["last_success_at", "successful_payments", "order"] {
            instrument.as_object_mut().and_then(|instrument| instrument.remove(counted));
        }
    }
    value
}

fn pages(daemon: &Daemon, id: &str) -> Vec<Value> {
    let (mut steps, mut query) = (Vec::new(), "?limit=2".to_owned());
    loop {
        let page: Value = serde_json::from_str(&history(daemon, id, &query)).expect("JSON");
        steps.extend(page["history"].as_array().expect("steps").iter().cloned());
        match page["next_cursor"].as_str() {
            Some(cursor) => query = format!("?limit=2&cursor={cursor}"),
            None => return steps,
        }
    }
}

#[test]
fn instrument_history_contains_the_customer_steps_about_it() {
    let daemon = daemon();
    let paid = with(pay("t-1", "5.00"), &json!({ "payment_instrument": "tok_1" }));
    let answer: Value =
        serde_json::from_str(&ok(&daemon, TILL, "POST", "/v1/merchants/acme/transactions", &paid)).expect("JSON");
    let id = answer["customer"]["customer_id"].as_str().expect("an id").to_owned();
    let steps = [
        (OLGA, "PUT", "/instruments/tok_2", json!({ "type": "card", "masked_number": "411111******1111" })),
        (OTTO, "PUT", "/instruments/tok_1", json!({ "default": true })),
        (OLGA, "PATCH", "", json!({ "first_name": "Ann" })),
        (OTTO, "POST", "/signals", json!({ "signal": "card_expired", "payment_instrument": "tok_1" })),
        (OLGA, "PUT", "/instruments/tok_2", json!({ "default": true })),
    ];
    for (token, method, path, body) in &steps {
        ok(&daemon, token, method, &of(&id, path), body);
    }
    let of_one = |token: &str, query: &str| {
        let path = of(&id, &format!("/instruments/{token}/history{query}"));
        let answer_document: Value =
            serde_json::from_str(&ok(&daemon, OLGA, "GET", &path, &Value::Null)).expect("JSON");
        answer_document
    };
    let shown = |answer_document: &Value| {
        let of_step = |step: &Value| {
            let fields: Vec<&str> =
                step["changes"].as_array().expect("changes").iter().filter_map(|c| c["field"].as_str()).collect();
            (step["by"].as_str().unwrap_or("-").to_owned(), step["transaction_id"].is_string(), fields.join(" "))
        };
        answer_document["history"].as_array().expect("steps").iter().map(of_step).collect::<Vec<_>>()
    };
    let first = shown(&of_one("tok_1", ""));
    let step = |by: &str, paid: bool, fields: &str| (by.to_owned(), paid, fields.to_owned());
    assert_eq!(first[..2], [step("olga", false, "default"), step("otto", false, "state")], "{first:?}");
    // The payment only named it; the first PUT stores it.
    assert!(first[2].0 == "otto" && first[2].2.contains("default") && first[2].2.contains("stored"), "{first:?}");
    assert!(first.len() == 4 && first[3].1 && first[3].2.contains("payment_instrument"), "{first:?}");
    let expired = &of_one("tok_1", "?limit=2")["history"][1]["changes"];
    assert_eq!(expired, &json!([{ "field": "state", "old": "active", "new": "expired" }]));
    let second = shown(&of_one("tok_2", ""));
    assert_eq!(second.iter().map(|(by, ..)| by.as_str()).collect::<Vec<_>>(), ["olga", "olga"], "{second:?}");
    let page = of_one("tok_1", "?limit=3");
    let next = page["next_cursor"].as_str().expect("a cursor");
    assert_eq!(shown(&of_one("tok_1", &format!("?cursor={next}"))), first[3..]);
    assert_eq!(of_one("tok_9", "")["history"], json!([]), "one that the customer never had");
}
