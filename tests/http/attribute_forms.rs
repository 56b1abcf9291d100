//! E-mail addresses, countries and dates have a form: staff calls and tables are refused, payments are not.

use serde_json::{Value, json};

use crate::staff_calls::{CUSTOMERS, amend, look, of, register};
use support::daemon::Daemon;
use support::fixtures::{CRM, GATEWAY, acme, pay, with, without};
use support::raw_http;

const TABLE: &str = "/v1/merchants/acme/customers.csv";
/// An attribute, a valid value, the value as it is stored, an invalid one.
const FORMS: [(&str, &str, &str, &str); 6] = [
    ("email", "Alice@Example.com", "Alice@Example.com", "alice.example.com"),
    ("email", "user@bücher.example", "user@bücher.example", "Alice <a@example.com>"),
    ("country", "cy", "CY", "CYP"),
    ("country", " DE ", "DE", "Cyprus"),
    ("date_of_birth", "1990-01-31", "1990-01-31", "1990-02-30"),
    ("date_of_birth", " 2000-02-29", "2000-02-29", "31.01.1990"),
];

#[test]
fn staff_calls_are_refused_with_what_was_expected() {
    let daemon = Daemon::live(acme(&format!("{CRM}[registration]\nallow_any_identifier = true\n"), &[]));
    let tomorrow = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(48);
    let tomorrow = tomorrow.to_string()[..10].to_owned();
    let bob = register(&daemon, &json!({ "merchant_customer_identifier": "bob" }));
    let invalid = FORMS.iter().map(|(attribute, _, _, invalid)| (*attribute, *invalid));
    for (attribute, value) in invalid.chain([("date_of_birth", tomorrow.as_str()), ("email", "nobody@localhost")]) {
        let body = json!({ "merchant_customer_identifier": "alice", attribute: value });
        for refused in
            [daemon.post(CUSTOMERS, &body), daemon.send("PATCH", &of(&bob, ""), &json!({ attribute: value }))]
        {
            let problem = refused.problem(400);
            assert_eq!((&problem["code"], &problem["field"]), (&json!("attribute_invalid"), &json!(attribute)));
            let detail = problem["detail"].as_str().expect("a detail");
            assert!(detail.contains("must be") && detail.contains("such as"), "{detail}");
            assert!(!detail.contains(value), "the value is personal: {detail}");
        }
        let table = format!("merchant_customer_identifier,{attribute}\nalice,\"{value}\"\nbob,\"{value}\"\n");
        let bad = raw_http::send(daemon.port(), "POST", TABLE, table.as_bytes()).problem(422);
        for (row, line) in [(0, 2), (1, 3)] {
            let row = &bad["bad_rows"][row];
            assert_eq!((&row["line"], &row["column"]), (&json!(line), &json!(attribute)), "{bad}");
            assert!(row["reason"].as_str().expect("a reason").contains("such as"), "{bad}");
        }
    }
    for (attribute, value, stored, _) in FORMS {
        assert_eq!(amend(&daemon, &bob, &json!({ attribute: value }))[attribute], stored);
    }
    assert_eq!(amend(&daemon, &bob, &json!({ "country": " ", "email": "" }))["country"], Value::Null);
    assert_eq!(daemon.get(CUSTOMERS).ok()["customers"].as_array().map(Vec::len), Some(1));
}

#[test]
fn merged_and_linked_registrations_have_the_same_forms() {
    let head = format!("{GATEWAY}[registration]\nemail = {{ unique = true }}\nmerge_on_duplicate = true\n");
    let daemon = Daemon::live(acme(&head, &[]));
    let id = register(&daemon, &json!({ "email": "a@example.com" }));
    let body = json!({ "email": "a@example.com", "country": "Cyprus" });
    assert_eq!(daemon.post(CUSTOMERS, &body).problem(400)["field"], "country");
    let table = "email,country\na@example.com,Cyprus\n";
    let bad = raw_http::send(daemon.port(), "POST", TABLE, table.as_bytes()).problem(422);
    assert_eq!(bad["bad_rows"][0]["column"], "country", "{bad}");
    let unknown = json!({ "customer_id": "555" });
    daemon.reserve(&with(without(pay("t1", "1.00"), &["merchant_customer_identifier"]), &unknown)).ok();
    let link = "/v1/merchants/acme/transactions/t1/customer";
    assert_eq!(daemon.post(link, &json!({ "date_of_birth": "1990" })).problem(400)["field"], "date_of_birth");
    assert_eq!(look(&daemon, &id)["country"], Value::Null);
}

/// A payment of alice with attributes.
fn with_attributes(id: &str, attributes: &Value) -> Value {
    with(pay(id, "1.00"), &json!({ "customer": attributes }))
}

#[test]
fn invalid_attributes_of_a_payment_fill_nothing_and_are_named() {
    let daemon = Daemon::live(acme(CRM, &[]));
    let sent = json!({ "email": "x", "country": "Cyprus", "date_of_birth": "2999-01-01", "city": "Limassol" });
    let named = json!(["customer.email", "customer.country", "customer.date_of_birth"]);
    let checked = daemon.check(&with_attributes("t0", &sent)).ok();
    assert_eq!((&checked["decision"], &checked["warnings"]), (&json!("allow"), &named), "{checked}");
    let paid = daemon.reserve(&with_attributes("t1", &sent)).ok();
    assert_eq!((&paid["decision"], &paid["warnings"]), (&json!("allow"), &named), "{paid}");
    let id = paid["customer"]["customer_id"].as_str().expect("an id").to_owned();
    let shown = look(&daemon, &id);
    assert_eq!([&shown["email"], &shown["country"], &shown["date_of_birth"]], [&Value::Null; 3], "{shown}");
    assert_eq!(shown["city"], "Limassol");
    let again = daemon.reserve(&with_attributes("t1", &sent));
    assert!(again.is_replay() && again.ok()["warnings"].is_null());

    let valid = json!({ "email": "a@example.com", "country": "cy", "date_of_birth": "1990-01-31" });
    let paid = daemon.reserve(&with_attributes("t2", &valid)).ok();
    assert_eq!(paid["warnings"], Value::Null, "{paid}");
    let shown = look(&daemon, &id);
    assert_eq!([&shown["country"], &shown["date_of_birth"]], [&json!("CY"), &json!("1990-01-31")], "{shown}");

    // An approval that opens its transaction, and the lines of a batch.
    let late =
        with(with_attributes("x", &json!({ "country": "XX" })), &json!({ "merchant_customer_identifier": "bob" }));
    let approved = daemon.step("t3", "approve", &without(late, &["transaction_id"])).ok();
    assert_eq!(approved["warnings"], json!(["customer.country"]), "{approved}");
    let line = |op: &str, id: &str| {
        let line = with(with_attributes(id, &sent), &json!({ "op": op, "merchant": "acme" }));
        format!("{}\n", with(line, &json!({ "merchant_customer_identifier": op })))
    };
    let lines = line("reserve", "t4") + &line("payment", "t5") + &line("check", "t6") + &line("approve", "t7");
    let answers = daemon.post_text("/v1/batch", &lines);
    let answers: Vec<Value> = answers.body.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(answers.len(), 4);
    answers.iter().for_each(|answer| assert_eq!(answer["warnings"], named, "{answer}"));
}

#[test]
fn an_attribute_that_recognises_the_customer_is_kept_whatever_its_form() {
    let daemon = Daemon::live(acme(CRM, &[]));
    let anonymous = |id: &str, email: &str| {
        with(
            without(pay(id, "1.00"), &["merchant_customer_identifier"]),
            &json!({ "customer": { "email": email, "country": "Cyprus" } }),
        )
    };
    let first = daemon.reserve(&anonymous("t1", "not an address")).ok();
    assert_eq!(first["warnings"], json!(["customer.email", "customer.country"]), "{first}");
    let second = daemon.reserve(&anonymous("t2", "Not an address ")).ok();
    assert_eq!(first["customer"]["customer_id"], second["customer"]["customer_id"], "one customer, one limit");
    let id = first["customer"]["customer_id"].as_str().expect("an id");
    let shown = look(&daemon, id);
    assert_eq!((&shown["email"], &shown["country"]), (&json!("not an address"), &Value::Null), "{shown}");

    // What is stored stays: it is sent back by staff and by tables as it is shown.
    assert_eq!(amend(&daemon, id, &json!({ "email": "not an address", "city": "Wien" }))["city"], "Wien");
    let table = daemon.get(TABLE).body;
    let uploaded = raw_http::send(daemon.port(), "POST", TABLE, table.as_bytes()).ok();
    assert_eq!((&uploaded["unchanged"], &uploaded["bad"]), (&json!(1), &json!(0)), "{uploaded}");
    let other = daemon.send("PATCH", &of(id, ""), &json!({ "email": "another text" })).problem(400);
    assert_eq!(other["code"], "attribute_invalid", "{other}");
}

#[test]
fn generated_customers_have_the_forms() {
    let daemon = Daemon::live(acme(GATEWAY, &[]));
    let made = daemon.post(&format!("{CUSTOMERS}/mock"), &json!({ "count": 50, "seed": 3 })).ok();
    assert_eq!((&made["created"], &made["bad"]), (&json!(50), &json!(0)), "{made}");
}
