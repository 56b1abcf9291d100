//! A refused field is answered with the right one: misspelt, in the wrong place, or not taken by the operation.

use serde_json::{Value, json};

use crate::staff_calls::{CUSTOMERS, of, register};
use support::daemon::Daemon;
use support::fixtures::{CRM, acme, level, pay, with, without};

const LEVELS: &str = "/v1/merchants/acme/levels/deposit/EUR/gold";

#[track_caller]
fn assert_help(problem: &Value, code: &str, field: &str, help: &str) {
    assert_eq!((&problem["code"], &problem["field"]), (&json!(code), &json!(field)), "{problem}");
    let detail = problem["detail"].as_str().expect("a detail");
    assert!(detail.contains(help), "{help:?} was expected in {detail:?}");
}

#[test]
fn a_field_of_a_payment_is_sent_to_its_place() {
    let daemon = Daemon::live(acme(CRM, &[]));
    daemon.reserve(&pay("known", "1.00")).ok();
    let attribute = |name: &str| format!("`{name}` is an attribute of the customer: put it in `customer`");
    let next_to_customer = "is a field of the payment: put it next to `customer`, not into it";
    for (members, field, help) in [
        (json!({ "email": "a@example.com" }), "email", attribute("email").as_str()),
        (json!({ "country": 5 }), "country", attribute("country").as_str()),
        (json!({ "first_name": "Ann" }), "first_name", attribute("first_name").as_str()),
        (json!({ "custmer_level": "gold" }), "custmer_level", "did you mean `customer_level`?"),
        (json!({ "cuntry": "CY" }), "cuntry", "did you mean `country`? It goes into `customer`"),
        (json!({ "wallet": "w" }), "wallet", "taken are "),
        (json!({ "customer": { "customer_level": "gold" } }), "customer_level", next_to_customer),
        (
            json!({ "customer": { "merchant_customer_identifier": "a" } }),
            "merchant_customer_identifier",
            next_to_customer,
        ),
        (json!({ "customer": { "emial": "a@example.com" } }), "emial", "did you mean `email`?"),
        (json!({ "customer": { "amout": "1" } }), "amout", "did you mean `amount`? It goes next to `customer`"),
        (json!({ "customer": { "wallet": "w" } }), "wallet", "allowed are email, phone, "),
    ] {
        let body = with(pay("t1", "1.00"), &members);
        let form = without(body.clone(), &["amount"]);
        let approval = without(body.clone(), &["transaction_id"]);
        for problem in [
            daemon.reserve(&body).problem(400),
            daemon.check(&body).problem(400),
            daemon.post("/v1/merchants/acme/payment-form", &form).problem(400),
            daemon.step("new", "approve", &approval).problem(400),
        ] {
            assert_help(&problem, "unknown_field", field, help);
        }
        for op in ["reserve", "payment", "check", "approve"] {
            let line = with(body.clone(), &json!({ "op": op, "merchant": "acme" })).to_string();
            let answer = daemon.post_text("/v1/batch", &(line + "\n")).body;
            assert_help(&serde_json::from_str(&answer).expect("JSON"), "unknown_field", field, help);
        }
    }
    // An unknown attribute comes before any other malformed value.
    let both = json!({ "customer": { "emial": "x" }, "direction": "sideways" });
    assert_help(&daemon.reserve(&with(pay("t1", "1.00"), &both)).problem(400), "unknown_field", "emial", "`email`");
    // A transition takes no customer.
    let refused = daemon.step("known", "decline", &json!({ "email": "a@example.com" })).problem(400);
    assert_help(&refused, "unknown_field", "email", "taken are occurred_at");
    let refused = daemon.step("known", "cancel", &json!({ "cancelid": "c" })).problem(400);
    assert_help(&refused, "unknown_field", "cancelid", "did you mean `cancel_id`?");
    // A fact about a known transaction is not refused for an attribute that would not be read.
    let fact = json!({ "direction": "deposit", "currency": "EUR", "amount": "1.00", "customer": { "emial": "x" } });
    daemon.step("known", "approve", &fact).ok();
}

#[test]
fn a_field_of_a_staff_call_names_the_nearest_right_one() {
    let daemon = Daemon::live(acme(CRM, &[level("gold", "")]));
    let id = register(&daemon, &json!({ "merchant_customer_identifier": "alice" }));
    let bulk = format!("{CUSTOMERS}/bulk");
    let (limits, settings) = (of(&id, "/limits/deposit/EUR"), of(&id, "/settings/deposit/EUR/gold"));
    let filters = |filter: Value| json!({ "filters": [filter] });
    for (method, path, body, code, field, help) in [
        ("POST", CUSTOMERS.to_owned(), json!({ "emial": "x" }), "unknown_field", "emial", "did you mean `email`?"),
        (
            "POST",
            CUSTOMERS.to_owned(),
            json!({ "customer": { "email": "a@example.com" } }),
            "unknown_field",
            "customer",
            "send `email` and the other attributes as fields of the body, without `customer`",
        ),
        ("PATCH", of(&id, ""), json!({ "depositlevel": "x" }), "unknown_field", "depositlevel", "`deposit_level`?"),
        (
            "PATCH",
            of(&id, ""),
            json!({ "customer_level": "x" }),
            "unknown_field",
            "customer_level",
            "`deposit_level` or",
        ),
        ("PATCH", of(&id, ""), json!({ "created": "x" }), "unknown_field", "created", "taken are deposit_level"),
        ("POST", of(&id, "/signals"), json!({ "singal": "x" }), "unknown_field", "singal", "did you mean `signal`?"),
        ("POST", of(&id, "/merge"), json!({ "customer_id": "x" }), "unknown_field", "customer_id", "taken are into"),
        ("PUT", of(&id, "/instruments/t"), json!({ "colour": "x" }), "unknown_field", "colour", "taken are type"),
        ("PUT", of(&id, "/instruments/t"), json!({ "expire": "x" }), "unknown_field", "expire", "`expires`?"),
        (
            "PATCH",
            of(&id, ""),
            json!({ "rates": [{ "form": "EUR" }] }),
            "unknown_field",
            "form",
            "did you mean `from`?",
        ),
        ("POST", bulk.clone(), json!({ "selct": {} }), "unknown_field", "selct", "did you mean `select`?"),
        ("POST", bulk.clone(), json!({ "select": { "emial": "x" }, "set": {} }), "unknown_field", "emial", "`email`?"),
        (
            "POST",
            bulk,
            json!({ "select": { "email": "a@example.com" }, "set": { "label": [] } }),
            "unknown_field",
            "label",
            "did you mean `labels`?",
        ),
        ("POST", format!("{CUSTOMERS}/mock"), json!({ "cuont": 1 }), "unknown_field", "cuont", "did you mean `count`?"),
        (
            "PUT",
            limits.clone(),
            filters(json!({ "windw": "daily" })),
            "body_invalid",
            "windw",
            "did you mean `window`?",
        ),
        ("PUT", limits, filters(json!({ "window": "daily" })), "body_invalid", "filters", "has no limit"),
        ("PUT", settings.clone(), json!({ "methods": [{ "methd": "card" }] }), "body_invalid", "methd", "`method`?"),
        ("PUT", settings, json!({ "methods": ["card"] }), "body_invalid", "methods", "a list of objects"),
        ("PUT", LEVELS.to_owned(), json!({ "gates": ["nope"] }), "body_invalid", "gates", "`nope`"),
        ("PUT", LEVELS.to_owned(), json!({ "projects": ["shop", "web"] }), "body_invalid", "projects", "`shop`"),
        (
            "PUT",
            LEVELS.to_owned(),
            json!({ "methods": [{ "method": "card", "gates": ["gate-a", "gate-z"] }] }),
            "body_invalid",
            "gates",
            "`gate-z`",
        ),
        ("PUT", "/v1/rates".to_owned(), json!({ "base": "euro" }), "body_invalid", "base", "`euro`"),
        (
            "PUT",
            "/v1/rates".to_owned(),
            json!({ "base": "EUR", "rates": { "USD": "x" } }),
            "body_invalid",
            "USD",
            "plain decimal number",
        ),
        (
            "POST",
            "/v1/clock/accept".to_owned(),
            json!({ "move": true }),
            "unknown_field",
            "move",
            "move_future_entries",
        ),
    ] {
        assert_help(&daemon.send(method, &path, &body).problem(400), code, field, help);
    }
    let query = daemon.get(&format!("{CUSTOMERS}?emial=x")).problem(400);
    assert_help(&query, "unknown_field", "emial", "did you mean `email`?");
}

#[test]
fn a_name_or_a_word_that_is_not_known_gets_the_nearest_right_one() {
    let daemon = Daemon::live(acme(CRM, &[level("gold", "")]));
    let id = register(&daemon, &json!({ "merchant_customer_identifier": "alice" }));
    let detail = |answer: &support::answer::Answer| {
        assert!((400..500).contains(&answer.status), "{answer:?}");
        answer.json()["detail"].as_str().expect("a detail").to_owned()
    };
    let pay_with = |member: Value| daemon.check(&with(pay("t1", "1.00"), &member));
    let set = |member: Value| daemon.send("PATCH", &of(&id, ""), &member);
    let filter = json!({ "window": "daily", "amount_limit": "5.00" });
    let get = |path: &str| daemon.get(path);
    let mut missing = Vec::new();
    for (answer, near) in [
        // Merchants, projects, endpoints, gates, levels.
        (get("/v1/merchants/acmee"), "acme"),
        (get("/v1/merchants/acmee/transactions"), "acme"),
        (get("/v1/merchants/acmee/customers"), "acme"),
        (get("/v1/events?merchant=acmee"), "acme"),
        (get("/v1/events/latest?merchant=acmee"), "acme"),
        (daemon.post("/v1/merchants/amce/transactions", &pay("t1", "1.00")), "acme"),
        (daemon.post("/v1/merchants/amce/payment-form", &without(pay("t1", "1.00"), &["amount"])), "acme"),
        (daemon.post_text("/v1/merchants/amce/customers.csv", "email\n"), "acme"),
        (pay_with(json!({ "project": "wbe" })), "web"),
        (pay_with(json!({ "endpoint": "web-erp" })), "web-eur"),
        (set(json!({ "disabled_projects": ["wep"] })), "web"),
        (set(json!({ "deposit_level": "glod" })), "gold"),
        (get("/v1/merchants/acme/levels/deposit/EUR/golt"), "gold"),
        (get(&format!("{LEVELS}t/status")), "gold"),
        (daemon.post("/v1/merchants/acme/levels/deposit/golt/rename", &json!({ "to": "x" })), "gold"),
        (daemon.send("PUT", &of(&id, "/settings/deposit/EUR/goldd"), &json!({})), "gold"),
        (daemon.send("PUT", LEVELS, &json!({ "gates": ["gate-c"] })), "gate-a"),
        // Words of a body, a path and a query.
        (pay_with(json!({ "direction": "depositt" })), "deposit"),
        (set(json!({ "status": "membr" })), "member"),
        (daemon.post(&of(&id, "/signals"), &json!({ "signal": "fraud_suspect" })), "fraud_suspected"),
        (get("/v1/merchants/acme/levels/deposti/EUR/gold"), "deposit"),
        (get(&format!("{CUSTOMERS}?sort=-created_a")), "created_at"),
        (get(&format!("{CUSTOMERS}?status=membe")), "member"),
        (get(&format!("{CUSTOMERS}.csv?columns=emial")), "email"),
        (get("/v1/events?flag=lat"), "late"),
        (daemon.post_text(&format!("{CUSTOMERS}.csv?mode=partail"), "email\n"), "partial"),
        // Keys of a query, fields, and paths.
        (get(&format!("{CUSTOMERS}?emial=x")), "email"),
        (get("/v1/merchants/acme/series?resolutoin=minute"), "resolution"),
        (daemon.send("PUT", &of(&id, "/limits/deposit/EUR"), &json!({ "filter": [filter] })), "filters"),
        (get("/v1/merchants/acme/customer"), "/v1/merchants/{merchant}/customers"),
        (get("/v1/statsu"), "/v1/status"),
    ] {
        let detail = detail(&answer);
        if !detail.contains(&format!("did you mean `{near}`?")) {
            missing.push(format!("{near}: {detail}"));
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
    // A line of a batch says the same as a call.
    let line = with(pay("t1", "1.00"), &json!({ "op": "reserve", "merchant": "amce" })).to_string() + "\n";
    let of_line: Value = serde_json::from_str(&daemon.post_text("/v1/batch", &line).body).expect("JSON");
    let of_call = daemon.post("/v1/merchants/amce/transactions", &pay("t1", "1.00")).problem(404);
    assert_eq!(of_line["detail"], of_call["detail"]);
    // Ids of customers and transactions are never suggested, and another word has no near one.
    daemon.reserve(&pay("payment-1", "1.00")).ok();
    for path in [
        of("1000002", ""),
        format!("{CUSTOMERS}?merchant_customer_identifier=alicf"),
        "/v1/merchants/acme/transactions/payment-2".to_owned(),
        "/v1/merchants/somewhere-else".to_owned(),
        "/v1/merchants/acme/levels/deposit/EUR/platinum".to_owned(),
    ] {
        let body = get(&path).body;
        assert!(!body.contains("did you mean"), "{path}: {body}");
    }
}
