//! Filters of the customer list: several values, beginnings of names and addresses, dates, holders of an instrument; the
//! orders; and who may search by what.

use serde_json::{Value, json};

use crate::archive::a_month_later;
use crate::staff_calls::{CUSTOMERS, labels, look, of, register};
use crate::token_access::call;
use support::daemon::{ConfigFolder, Daemon, Settings};
use support::fixtures::{CRM, DAY, HOUR, acme, at, level, pay, when, with};

fn shop() -> String {
    let head = labels(&[("plain", "active", &[]), ("vip", "internal", &[])]);
    acme(&format!("{CRM}time_zone = \"America/New_York\"\n{head}"), &[level("gold", "")])
}

/// The `merchant_customer_identifier` of each customer of a page, in its order.
#[track_caller]
fn found(daemon: &Daemon, query: &str) -> Vec<String> {
    let page = daemon.get(&format!("{CUSTOMERS}?{query}")).ok();
    assert_eq!(page["next_cursor"], Value::Null, "{query}: one page");
    who(&page)
}

fn who(page: &Value) -> Vec<String> {
    let customers = page["customers"].as_array().expect("customers").iter();
    customers.map(|one| one["merchant_customer_identifier"].as_str().expect("an id").to_owned()).collect()
}

fn encoded(pairs: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

#[test]
fn customers_are_found_by_several_ids_and_by_beginnings() {
    let daemon = Daemon::live(shop());
    let person = |id: &str, rest: Value| register(&daemon, &with(json!({ "merchant_customer_identifier": id }), &rest));
    let zoe =
        person("zoe", json!({ "email": "Zoe.Zimmer@Example.com", "name": "ZO\u{cb} van Zimmer", "external_id": "x1" }));
    let ann = person("ann", json!({ "email": "ann@example.com.au", "first_name": "Ann", "last_name": "Zimmerman" }));
    person("bob", json!({ "email": "ann@example.com", "phone": "+49301234502", "external_id": "x2" }));
    let source =
        person("eve", json!({ "email": "eve@example.com", "name": "Eve Zimt", "payment_instrument": "tok-eve" }));
    daemon
        .reserve(&with(
            pay("t1", "1.00"),
            &json!({ "merchant_customer_identifier": "bob", "payment_instrument": "tok-bob" }),
        ))
        .ok();
    daemon.send("PUT", &of(&ann, "/instruments/tok-bob"), &json!({ "type": "card" })).ok();
    let ids = [("customer_id", zoe.as_str()), ("customer_id", ann.as_str()), ("customer_id", "1999999")];
    for (query, want) in [
        (encoded(&ids), &["zoe", "ann"][..]),
        (encoded(&[("merchant_customer_identifier", "bob"), ("merchant_customer_identifier", "zoe")]), &["zoe", "bob"]),
        (encoded(&[("external_id", "x2"), ("external_id", "x1"), ("external_id", "x1")]), &["zoe", "bob"]),
        (encoded(&[("external_id", "x2"), ("customer_id", &zoe)]), &[]),
        (encoded(&[("payment_instrument", "tok-bob")]), &["ann", "bob"]),
        (encoded(&[("payment_instrument", " tok-eve "), ("payment_instrument", "tok-bob")]), &["ann", "bob", "eve"]),
        (encoded(&[("payment_instrument", "tok-bob"), ("name", "ann")]), &["ann"]),
        (encoded(&[("payment_instrument", "unknown")]), &[]),
        (encoded(&[("name", "zim")]), &["zoe", "ann", "eve"]),
        (encoded(&[("name", "zimm*")]), &["zoe", "ann"]),
        (encoded(&[("name", "ANN ZIMM")]), &["ann"]),
        (encoded(&[("name", "zimmerman ann")]), &["ann"]),
        (encoded(&[("name", "zoe\u{308}")]), &["zoe"]),
        (encoded(&[("name", "immer")]), &[]),
        (encoded(&[("email", "zoe.z")]), &["zoe"]),
        (encoded(&[("email", "ANN@")]), &["ann", "bob"]),
        // A whole address is compared whole; a star makes it a beginning.
        (encoded(&[("email", "Ann@Example.com")]), &["bob"]),
        (encoded(&[("email", "ann@example.com*")]), &["ann", "bob"]),
        (encoded(&[("email", "example")]), &[]),
        (encoded(&[("email", "ann@"), ("name", "zimmer")]), &["ann"]),
    ] {
        assert_eq!(found(&daemon, &query), want, "{query}");
    }
    // What was merged into a customer finds the customer, once.
    daemon.post(&of(&source, "/merge"), &json!({ "into": zoe })).ok();
    for query in [
        encoded(&[("name", "eve")]),
        encoded(&[("email", "eve@")]),
        encoded(&[("email", "eve@example.com")]),
        encoded(&[("payment_instrument", "tok-eve")]),
        encoded(&[("customer_id", &source), ("customer_id", &zoe)]),
    ] {
        assert_eq!(found(&daemon, &query), ["zoe"], "{query} after the merge");
    }
    // A bulk change selects what the list shows.
    for (select, want) in [
        (json!({ "customer_id": [zoe, ann, "1999999"] }), 2),
        (json!({ "external_id": ["x1", "x2"], "payment_instrument": "tok-bob" }), 1),
        (json!({ "name": "zim" }), 2),
        (json!({ "merchant_customer_identifier": "bob" }), 1),
        (json!({ "payment_instrument": ["tok-bob"], "created_from": "2020-01-01" }), 2),
    ] {
        let body = json!({ "select": select, "set": { "status": "member" }, "dry_run": true });
        assert_eq!(daemon.post(&format!("{CUSTOMERS}/bulk"), &body).ok()["selected"], want, "{select}");
    }
    for (select, code) in [
        (json!({ "external_id": [] }), "field_missing"),
        (json!({ "external_id": [], "status": "new" }), "wrong_type"),
        (json!({ "external_id": [1] }), "wrong_type"),
        (json!({ "name": ["zim"] }), "wrong_type"),
    ] {
        let body = json!({ "select": select, "set": { "status": "member" }, "dry_run": true });
        assert_eq!(daemon.post(&format!("{CUSTOMERS}/bulk"), &body).problem(400)["code"], code, "{select}");
    }
}

#[test]
fn a_date_is_the_day_in_the_merchants_time_zone() {
    let daemon = Daemon::live(shop());
    // New York has UTC-5 in winter and UTC-4 in summer.
    for (id, created) in [
        ("before", "2025-01-10T04:59:59.999Z"),
        ("first", "2025-01-10T05:00:00Z"),
        ("last", "2025-01-11T04:59:59.999Z"),
        ("after", "2025-01-11T05:00:00Z"),
        ("summer", "2025-07-01T03:59:59.999Z"),
    ] {
        register(&daemon, &json!({ "merchant_customer_identifier": id, "created_at": created }));
    }
    for (query, want) in [
        ("created_from=2025-01-10&created_to=2025-01-10", &["first", "last"][..]),
        ("created_from=2025-01-11", &["after", "summer"]),
        ("created_to=2025-01-09", &["before"]),
        ("created_to=2025-01-10T05:00:00Z", &["before"]),
        ("created_from=2025-01-10&created_to=2025-01-11T04:59:59.999Z", &["first"]),
        ("created_from=2025-06-30&created_to=2025-06-30", &["summer"]),
        ("created_from=2025-01-11&created_to=2025-01-10", &[]),
    ] {
        assert_eq!(found(&daemon, query), want, "{query}");
    }
    let transactions = |query: &str| {
        let page = daemon.get(&format!("/v1/merchants/acme/transactions?{query}")).ok();
        page["transactions"].as_array().expect("transactions").len()
    };
    let time = daemon.reserve(&pay("t1", "1.00")).ok()["server_time"].as_str().expect("a time").to_owned();
    assert_eq!(transactions("from=2020-01-01&to=2999-01-01"), 1);
    assert_eq!((transactions("to=2020-01-01"), transactions("from=2999-01-01")), (0, 0));
    assert_eq!((transactions(&format!("from={time}")), transactions(&format!("to={time}"))), (1, 0));
    for query in ["from=yesterday", "to=2026-13-01"] {
        let problem = daemon.get(&format!("/v1/merchants/acme/transactions?{query}")).problem(400);
        assert_eq!(problem["code"], "time_malformed", "{problem}");
        assert!(problem["detail"].as_str().expect("a detail").contains("2026-11-20"), "{problem}");
    }
}

#[test]
fn customers_are_sorted_by_creation_and_by_their_last_payment() {
    let daemon = Daemon::timed(shop());
    daemon.reserve(&with(pay("t0", "1.00"), &with(when(0), &json!({ "merchant_customer_identifier": "clock" })))).ok();
    for (id, created) in [("ann", -2 * DAY), ("bob", -9 * DAY), ("cid", -2 * DAY), ("dan", -1)] {
        let body = json!({ "merchant_customer_identifier": id, "created_at": at(created), "labels": ["vip"] });
        register(&daemon, &body);
    }
    for (n, (id, time)) in
        [("dan", HOUR), ("bob", 2 * HOUR), ("dan", 3 * HOUR), ("ann", 3 * HOUR)].into_iter().enumerate()
    {
        let who = json!({ "merchant_customer_identifier": id, "occurred_at": at(time) });
        daemon.reserve(&with(pay(&format!("t{}", n + 1), "1.00"), &who)).ok();
    }
    for (sort, want) in [
        ("customer_id", ["ann", "bob", "cid", "dan"]),
        ("-customer_id", ["dan", "cid", "bob", "ann"]),
        ("created_at", ["bob", "ann", "cid", "dan"]),
        ("-created_at", ["dan", "cid", "ann", "bob"]),
        ("last_payment", ["bob", "ann", "dan", "cid"]),
        ("-last_payment", ["dan", "ann", "bob", "cid"]),
    ] {
        let query = format!("label=vip&sort={sort}");
        assert_eq!(found(&daemon, &query), want, "{sort}");
        let (mut paged, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = daemon.get(&format!("{CUSTOMERS}?{query}&limit=1{cursor}")).ok();
            paged.extend(who(&page));
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        assert_eq!(paged, want, "{sort}, page by page");
    }
    let page = daemon.get(&format!("{CUSTOMERS}?label=vip&sort=-last_payment")).ok();
    assert_eq!(page["customers"][0]["last_payment_at"], at(3 * HOUR));
    assert_eq!(page["customers"][3]["last_payment_at"], Value::Null);
    let page = daemon.get(&format!("{CUSTOMERS}?label=vip")).ok();
    assert!(page["customers"][0].get("last_payment_at").is_none(), "only where it is the order: {page}");
}

#[test]
fn the_last_payment_of_a_customer_is_found_in_the_archive() {
    let daemon = a_month_later();
    for rest in ["", "&limit=1"] {
        let page = daemon.get(&format!("{CUSTOMERS}?sort=last_payment{rest}")).ok();
        assert_eq!(page["customers"][0]["merchant_customer_identifier"], "alice", "{page}");
        assert_eq!(page["customers"][0]["last_payment_at"], at(79_000), "{page}");
    }
    assert_eq!(look(&daemon, "1000001")["merchant_customer_identifier"], "alice");
}

const OPERATOR: &str = "operator-token-0123456789";
const GATEWAY: &str = "gateway-token-0123456789";
const VIEWER: &str = "viewer-token-0123456789";

#[test]
fn a_gateway_finds_customers_by_whole_values_alone() {
    let folder = ConfigFolder::new(&Settings::SYSTEM, &[("acme", shop())]);
    let mut text = Settings::SYSTEM.text();
    text.push_str("\n[auth]\ntokens = [\n");
    for (role, token) in [("operator", OPERATOR), ("gateway", GATEWAY), ("viewer", VIEWER)] {
        folder.write(&format!("{role}.token"), token);
        let file = folder.path().join(format!("{role}.token")).display().to_string();
        text.push_str(&format!("  {{ role = {role:?}, token_file = {file:?} }},\n"));
    }
    text.push_str("]\n");
    folder.write("levelgate.toml", &text);
    let daemon = Daemon::start(folder);
    for (query, gateway, others) in [
        ("email=ann@example.com", 200, 200),
        ("phone=%2B49301234502", 200, 200),
        ("customer_id=1000001&customer_id=1000002", 403, 200),
        ("merchant_customer_identifier=ann", 200, 200),
        ("external_id=x1&name=ann", 200, 200),
        ("email=ann@", 403, 200),
        ("email=ann@example.com*", 403, 200),
        ("name=ann", 403, 200),
        ("payment_instrument=tok", 403, 200),
        ("status=new", 403, 200),
        ("sort=last_payment", 403, 200),
        ("", 403, 200),
        ("email=an", 400, 400),
    ] {
        for (token, want) in [(GATEWAY, gateway), (VIEWER, others), (OPERATOR, others)] {
            let (status, answer) = call(&daemon, "GET", &format!("{CUSTOMERS}?{query}"), token, "");
            assert_eq!(status, want, "{query} by {token}: {answer}");
        }
    }
}
