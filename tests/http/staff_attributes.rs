//! Attributes of staff: comment, rating, address of registration, verified phone, referrer. Staff and tables set them, and
//! no payment does.

use serde_json::{Value, json};

use crate::customer_history::files;
use crate::staff_calls::{CUSTOMERS, of};
use support::daemon::{ConfigFolder, Daemon, Settings};
use support::fixtures::{CRM, acme, level, pay, with};
use support::process::eventually;
use support::raw_http;

const COMMENT: &str = "calls on mondays,\n\"prefers\" =email";

fn daemon() -> Daemon {
    let settings = Settings { store: "kind = \"disk\"\nsync = \"always\"", ..Settings::SYSTEM };
    let head = format!("{CRM}deletion_grace = \"1s\"\n");
    let labels = "[[labels]]\nname = \"plain\"\n[[labels]]\nname = \"leaving\"\nkind = \"pending_deletion\"\n";
    Daemon::start(ConfigFolder::new(&settings, &[("acme", acme(&format!("{head}{labels}"), &[level("gold", "")]))]))
}

fn all() -> Value {
    json!({
        "comment": COMMENT, "rating": 85, "registration_ip": "2001:DB8::7", "phone_verified": false,
        "referred_by": " partner-7 ",
    })
}

/// The members of `of` in a document.
fn part(document: &Value, of: &Value) -> Value {
    let names = of.as_object().expect("an object").keys();
    Value::Object(names.map(|name| (name.clone(), document[name].clone())).collect())
}

fn register(daemon: &Daemon, name: &str, more: &Value) -> String {
    let made = daemon.post(CUSTOMERS, &with(json!({ "merchant_customer_identifier": name }), more));
    assert_eq!(made.status, 201, "{}", made.body);
    made.json()["customer_id"].as_str().expect("an id").to_owned()
}

#[test]
fn staff_set_show_change_and_remove_them_and_the_history_has_old_and_new() {
    let mut daemon = daemon();
    let id = register(&daemon, "alice", &all());
    let path = of(&id, "");
    let stored = with(all(), &json!({ "registration_ip": "2001:db8::7", "referred_by": "partner-7" }));
    let shown = daemon.get(&path).ok();
    assert_eq!(part(&shown, &stored), stored);
    // What GET answers, PATCH takes.
    assert_eq!(daemon.send("PATCH", &path, &part(&shown, &stored)).ok()["modified_at"], shown["modified_at"]);
    let steps = [
        json!({ "comment": "x".repeat(1_000) }),
        json!({ "comment": "\u{1f600}".repeat(1_000), "rating": 0 }),
        json!({ "rating": 100, "registration_ip": "192.0.2.7", "phone_verified": true }),
        json!({ "comment": null, "rating": null, "registration_ip": "", "phone_verified": null, "referred_by": "" }),
        json!({ "phone_verified": false }),
    ];
    let mut documents = vec![shown];
    for step in &steps {
        documents.push(daemon.send("PATCH", &path, step).ok());
    }
    let removed = part(&documents[4], &stored);
    assert!(removed.as_object().expect("an object").values().all(Value::is_null), "{removed}");
    let history = |daemon: &Daemon| daemon.get(&format!("{path}/history")).ok()["history"].clone();
    let steps_shown = history(&daemon);
    for (n, step) in steps.iter().enumerate() {
        let changes = steps_shown[steps.len() - 1 - n]["changes"].as_array().expect("changes").clone();
        assert_eq!(changes.len(), step.as_object().expect("an object").len(), "{step}: {changes:?}");
        for change in changes {
            let field = change["field"].as_str().expect("a field");
            assert_eq!((&change["old"], &change["new"]), (&documents[n][field], &documents[n + 1][field]), "{field}");
        }
    }
    let first = steps_shown[steps.len()]["changes"].as_array().expect("changes");
    assert!(first.contains(&json!({ "field": "phone_verified", "old": null, "new": false })), "{first:?}");
    // From the journal, and from a snapshot.
    daemon.kill_and_start();
    assert_eq!(history(&daemon), steps_shown);
    daemon.send("PATCH", &path, &all()).ok();
    daemon.post_nothing("/v1/snapshot").ok();
    daemon.kill_and_start();
    assert_eq!(part(&daemon.get(&path).ok(), &stored), stored);
}

#[test]
fn they_are_sealed_on_the_disk_and_erased_with_the_others() {
    let daemon = daemon();
    let id = register(&daemon, "alice", &all());
    daemon.send("PATCH", &of(&id, ""), &json!({ "referred_by": "partner-8" })).ok();
    daemon.post_nothing("/v1/snapshot").ok();
    let mut found = Vec::new();
    files(&daemon.folder.path().join("data"), &mut found);
    assert!(found.len() > 3, "the data folder");
    for (name, bytes) in found {
        for text in ["calls on mondays", "2001:db8::7", "partner-7", "partner-8"] {
            let is_there = bytes.windows(text.len()).any(|window| window == text.as_bytes());
            assert!(!is_there, "{text} is readable in {name}");
        }
    }
    assert!(!daemon.log().contains("mondays") && !daemon.log().contains("partner"), "nothing personal is logged");
    daemon.delete(&of(&id, "")).ok();
    eventually("the attributes are erased", || daemon.get(&of(&id, "")).ok()["erased"] == true);
    let shown = part(&daemon.get(&of(&id, "")).ok(), &all());
    assert!(shown.as_object().expect("an object").values().all(Value::is_null), "{shown}");
    let document = daemon.get(&of(&id, "/history")).body;
    assert!(!document.contains("mondays") && !document.contains("partner"), "{document}");
}

#[test]
fn values_that_they_cannot_have_are_refused_with_what_is_expected() {
    let daemon = daemon();
    let id = register(&daemon, "alice", &json!({}));
    for (body, code, detail) in [
        (
            json!({ "comment": "x".repeat(1_001) }),
            "attribute_invalid",
            "`comment` must be a text of at most 1000 characters",
        ),
        (json!({ "rating": 101 }), "attribute_invalid", "`rating` must be a whole number from 0 to 100"),
        (json!({ "rating": -1 }), "attribute_invalid", "`rating` must be a whole number from 0 to 100"),
        (json!({ "rating": 8.5 }), "attribute_invalid", "`rating` must be a whole number from 0 to 100"),
        (json!({ "rating": "85" }), "wrong_type", "`rating` must be a whole number from 0 to 100"),
        (json!({ "rating": true }), "wrong_type", "`rating` must be a whole number from 0 to 100"),
        (json!({ "phone_verified": "true" }), "wrong_type", "`phone_verified` must be true or false"),
        (json!({ "phone_verified": 1 }), "wrong_type", "`phone_verified` must be true or false"),
        (
            json!({ "registration_ip": "300.1.1.1" }),
            "attribute_invalid",
            "`registration_ip` must be an IP address, such as 192.0.2.7 or 2001:db8::7",
        ),
        (json!({ "comment": 5 }), "wrong_type", "`comment` must be a string"),
        (json!({ "referred_by": "x".repeat(257) }), "text_too_long", "`referred_by` is longer than 256 bytes"),
    ] {
        let problem = daemon.send("PATCH", &of(&id, ""), &body).problem(400);
        let field = body.as_object().expect("an object").keys().next().expect("a member").clone();
        assert_eq!((&problem["code"], &problem["detail"]), (&json!(code), &json!(detail)), "{body}");
        assert_eq!(problem["field"], field, "{problem}");
    }
    for (field, text) in [
        ("comment", "card 4111 1111 1111 1111"),
        ("referred_by", "4111111111111111"),
        ("registration_ip", "4111:1111:1111:1111::"),
    ] {
        assert_eq!(daemon.send("PATCH", &of(&id, ""), &json!({ field: text })).problem(400)["code"], "card_number");
    }
    // An address of a provider, whose groups pass the check of card numbers.
    let address = json!({ "registration_ip": "2221:0000:0000:0009::1" });
    assert_eq!(daemon.send("PATCH", &of(&id, ""), &address).ok()["registration_ip"], "2221:0:0:9::1");
}

#[test]
fn a_payment_that_sends_them_is_refused_with_a_hint() {
    let daemon = daemon();
    for (member, value) in all().as_object().expect("an object") {
        let body = with(pay("t1", "1.00"), &json!({ "customer": { member.as_str(): value } }));
        let form = without_amount(body.clone());
        for answer in [
            daemon.reserve(&body),
            daemon.check(&body),
            daemon.post("/v1/merchants/acme/payment-form", &form),
            daemon.post("/v1/merchants/acme/transactions/t2/approve", &without_id(body.clone())),
        ] {
            let problem = answer.problem(400);
            let detail = problem["detail"].as_str().expect("a text");
            assert_eq!((&problem["code"], &problem["field"]), (&json!("unknown_field"), &json!(member)), "{problem}");
            assert!(detail.contains("staff set it") && detail.contains("PATCH"), "{problem}");
        }
        let line = with(body, &json!({ "op": "reserve", "merchant": "acme" })).to_string();
        let answer = daemon.post_text("/v1/batch", &format!("{line}\n"));
        assert!(answer.body.contains("unknown_field") && answer.body.contains("staff set it"), "{}", answer.body);
    }
    assert_eq!(daemon.get("/v1/status").ok()["customers"], 0);
    let unknown = with(pay("t1", "1.00"), &json!({ "customer": { "coment": "x" } }));
    let detail = daemon.reserve(&unknown).problem(400)["detail"].to_string();
    assert!(detail.contains("language") && !detail.contains("comment"), "only what a payment can have: {detail}");
}

/// A body without its amount.
fn without_amount(body: Value) -> Value {
    support::fixtures::without(body, &["amount", "transaction_id"])
}

/// A body without its transaction id.
fn without_id(body: Value) -> Value {
    support::fixtures::without(body, &["transaction_id"])
}

#[test]
fn a_table_has_them_and_an_unchanged_one_changes_nothing() {
    let daemon = daemon();
    let id = register(&daemon, "alice", &all());
    register(&daemon, "bob", &json!({ "comment": "'=1+1 \u{e9}\t" }));
    let table = daemon.get("/v1/merchants/acme/customers.csv").body;
    let head = table.lines().next().expect("a header");
    assert!(head.contains(",comment,rating,registration_ip,phone_verified,referred_by,"), "{head}");
    let upload =
        |table: &str| raw_http::send(daemon.port(), "POST", "/v1/merchants/acme/customers.csv", table.as_bytes());
    let counts = upload(&table).ok();
    assert_eq!(
        (&counts["unchanged"], &counts["changed"], &counts["bad"]),
        (&json!(2), &json!(0), &json!(0)),
        "{counts}"
    );
    // As a spreadsheet writes them.
    let counts =
        upload(&format!("customer_id;rating;phone_verified;registration_ip\r\n{id};07;TRUE; 192.0.2.1\r\n")).ok();
    assert_eq!(counts["changed"], 1, "{counts}");
    let shown = daemon.get(&of(&id, "")).ok();
    let want = json!({ "rating": 7, "phone_verified": true, "registration_ip": "192.0.2.1", "comment": COMMENT });
    assert_eq!(part(&shown, &want), want);
    let bad =
        format!("customer_id,rating,phone_verified,registration_ip\r\n{id},101,,\r\n{id},,ja,\r\n{id},,,1.2.3\r\n");
    let problem = upload(&bad).problem(422);
    let rows: Vec<(&Value, &Value)> =
        problem["bad_rows"].as_array().expect("rows").iter().map(|row| (&row["line"], &row["column"])).collect();
    assert_eq!(rows[0], (&json!(2), &json!("rating")), "{problem}");
    assert_eq!(rows.len(), 3, "{problem}");
    let comment = upload(&format!("customer_id,comment\r\n{id},{}\r\n", "\u{e9}".repeat(1_001))).problem(422);
    assert!(comment["bad_rows"][0]["reason"].as_str().expect("a text").contains("1000 characters"), "{comment}");
}
