//! Long numbers that are no card numbers: phone numbers, and ids where the merchant allows them.

use serde_json::json;

use crate::card_numbers::{MERCHANT, encoded};
use crate::staff_calls::{of, register};
use support::daemon::Daemon;
use support::fixtures::{CRM, acme, pay, with, without};
use support::raw_http;

#[test]
fn a_valid_phone_number_is_no_card_number() {
    // It passes Luhn's check and begins as a Visa number of 13 digits.
    const PHONE: &str = "+49 151 12345678";
    let daemon = Daemon::live(acme(&format!("{CRM}[registration]\ndefault_country = \"DE\"\n"), &[]));
    for (id, phone) in [("t1", PHONE), ("t2", "+4915112345678")] {
        let payment = without(pay(id, "1.00"), &["merchant_customer_identifier", "customer_level"]);
        daemon.reserve(&with(payment.clone(), &json!({ "customer": { "phone": phone } }))).ok();
        daemon.reserve(&with(payment, &json!({ "customer": { "name": phone } }))).problem(400);
    }
    let id = register(&daemon, &json!({ "merchant_customer_identifier": "bob", "phone": PHONE }));
    assert_eq!(daemon.send("PATCH", &of(&id, ""), &json!({ "phone": "+4915112345678" })).status, 200);
    daemon.get(&format!("{MERCHANT}/customers?phone={}", encoded(PHONE))).ok();
    daemon.get(&format!("{MERCHANT}/customers?name={}", encoded(PHONE))).problem(400);
    let table = format!("merchant_customer_identifier,phone\r\neve,{PHONE}\r\n");
    let counts = raw_http::send(daemon.port(), "POST", "/v1/merchants/acme/customers.csv", table.as_bytes()).ok();
    assert_eq!(counts["created"], 1, "{counts}");
}

#[test]
fn transaction_ids_may_be_long_numbers_where_the_merchant_says_so() {
    const ID: &str = "4111111111111111";
    let daemon = Daemon::live(acme(&format!("{CRM}numeric_ids = true\n"), &[]));
    assert_eq!(daemon.get(MERCHANT).ok()["numeric_ids"], true);
    daemon.reserve(&pay(ID, "5.00")).ok();
    daemon.check(&pay(ID, "5.00")).ok();
    daemon.step(ID, "approve", &json!({})).ok();
    assert_eq!(daemon.fetch(ID).ok()["transaction_id"], ID);
    let line = with(pay("5500000000000004", "1.00"), &json!({ "op": "reserve", "merchant": "acme" }));
    assert!(daemon.post("/v1/batch", &line).body.contains("\"allow\""));
    for (field, value) in [
        ("merchant_customer_identifier", json!(ID)),
        ("payment_instrument", json!(ID)),
        ("customer", json!({ "external_id": ID })),
    ] {
        daemon.reserve(&with(pay("t9", "1.00"), &json!({ field: value }))).problem(400);
    }
    daemon.step(ID, "refund", &json!({ "amount": "1.00", "refund_id": ID })).problem(400);
    daemon.get(&of(ID, "")).problem(400);
}

#[test]
fn long_ids_that_are_no_card_numbers_are_accepted() {
    let daemon = Daemon::live(acme(CRM, &[]));
    for id in [
        "20261120100000123",
        "1790000000000",
        "1790000000000000000",
        "550e8400-e29b-41d4-a716-446655440000",
        "41111111-1111-1111-8111-111111111111",
        "01J9ZK3NDEKTSV4RRFFQ69G5FAV",
        "d3b07384d4111111111111111c6235ab",
        "4111111111111112",
    ] {
        let body = with(pay(id, "1.00"), &json!({ "merchant_customer_identifier": id }));
        daemon.reserve(&body).ok();
        daemon.step(id, "approve", &json!({ "capture_id": id })).ok();
    }
    // A cursor that the daemon made passes, however many digits it has.
    let page = daemon.get(&format!("{MERCHANT}/transactions?limit=3")).ok();
    let next = page["next_cursor"].as_str().expect("a cursor");
    daemon.get(&format!("{MERCHANT}/transactions?limit=3&cursor={next}")).ok();
    daemon.get(&format!("{MERCHANT}/transactions?cursor=3000001-1234563")).ok();
}
