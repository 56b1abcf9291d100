//! A full card number in every place where a text comes in: it is refused as what it is, and neither an answer nor the
//! log repeats it.

use serde_json::{Value, json};

use crate::staff_calls::{kept, register};
use support::answer::Answer;
use support::daemon::{ConfigFolder, Daemon, Settings, run};
use support::fixtures::{CRM, CUSTOMER_ATTRIBUTES, acme, level, pay, with, without};
use support::raw_http;

pub(crate) const MERCHANT: &str = "/v1/merchants/acme";

/// Card numbers as they are sent, and what no answer and no log line may hold.
const CARDS: [(&str, &str); 7] = [
    ("4111111111111111", "4111111111111111"),
    ("4111 1111 1111 1111 12/29", "4111 1111 1111 1111"),
    ("tok 4111-1111-1111-1111 exp 0129", "4111-1111-1111-1111"),
    ("card9860000000000000", "9860000000000000"),
    ("2200 0000 0000 0004", "2200 0000 0000 0004"),
    ("\u{664}\u{661}\u{661}\u{661}111111111111", "111111111111"),
    ("\u{ff14}\u{ff11}11 1111 1111 1111", "11 1111 1111 1111"),
];

pub(crate) fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

#[track_caller]
fn assert_refused(answer: &Answer, covered: &str, what: &str) {
    assert_eq!(answer.status, 400, "{what}: {}", answer.body);
    assert_eq!(answer.problem(400)["code"], "card_number", "{what}: {}", answer.body);
    assert_not_repeated(answer, covered, what);
}

#[track_caller]
fn assert_not_repeated(answer: &Answer, covered: &str, what: &str) {
    assert!(matches!(answer.status, 400..=499), "{what}: {}", answer.body);
    assert!(!answer.body.contains(covered), "{what} repeats the number: {}", answer.body);
}

fn records(daemon: &Daemon) -> u64 {
    daemon.get("/v1/status").ok()["lsn"].as_u64().expect("a number")
}

/// A daemon with one customer and one transaction.
fn daemon() -> Daemon {
    let daemon = kept(&Settings::SYSTEM, acme(CRM, &[level("gold", "")]));
    register(&daemon, &json!({ "merchant_customer_identifier": "alice" }));
    daemon.reserve(&pay("t1", "10.00")).ok();
    daemon
}

/// Sends the number in every place that `send` makes of it, and holds the daemon to what it may answer and keep.
fn in_every_place(send: impl Fn(&Daemon, &str, &str)) {
    let daemon = daemon();
    let before = records(&daemon);
    for (card, covered) in CARDS {
        send(&daemon, card, covered);
    }
    assert_eq!(records(&daemon), before, "refusals leave no record");
    for (_, covered) in CARDS {
        assert!(!daemon.log().contains(covered), "the log repeats {covered}: {}", daemon.log());
    }
}

#[test]
fn card_number_in_a_path_is_refused() {
    const CALLS: [(&str, &str); 41] = [
        ("GET", "/v1/merchants/CARD"),
        ("POST", "/v1/merchants/CARD/transactions"),
        ("POST", "/v1/merchants/CARD/decisions"),
        ("POST", "/v1/merchants/CARD/payment-form"),
        ("GET", "/v1/merchants/CARD/customers"),
        ("GET", "/v1/merchants/CARD/levels"),
        ("GET", "/v1/merchants/CARD/customers.csv"),
        ("POST", "/v1/merchants/CARD/customers.csv"),
        ("GET", "/v1/merchants/acme/transactions/CARD"),
        ("POST", "/v1/merchants/acme/transactions/CARD/approve"),
        ("POST", "/v1/merchants/acme/transactions/CARD/decline"),
        ("POST", "/v1/merchants/acme/transactions/CARD/cancel"),
        ("POST", "/v1/merchants/acme/transactions/CARD/refund"),
        ("POST", "/v1/merchants/acme/transactions/CARD/chargeback"),
        ("POST", "/v1/merchants/acme/transactions/CARD/extend"),
        ("POST", "/v1/merchants/acme/transactions/CARD/attempts"),
        ("POST", "/v1/merchants/acme/transactions/CARD/customer"),
        ("GET", "/v1/merchants/acme/customers/CARD"),
        ("PATCH", "/v1/merchants/acme/customers/CARD"),
        ("DELETE", "/v1/merchants/acme/customers/CARD"),
        ("GET", "/v1/merchants/acme/customers/CARD/usage"),
        ("GET", "/v1/merchants/acme/customers/CARD/history"),
        ("GET", "/v1/merchants/acme/customers/CARD/transactions"),
        ("POST", "/v1/merchants/acme/customers/CARD/merge"),
        ("POST", "/v1/merchants/acme/customers/CARD/signals"),
        ("PUT", "/v1/merchants/acme/customers/1000001/instruments/CARD"),
        ("GET", "/v1/merchants/acme/customers/1000001/instruments/CARD"),
        ("DELETE", "/v1/merchants/acme/customers/1000001/instruments/CARD"),
        ("GET", "/v1/merchants/acme/customers/1000001/instruments/CARD/transactions"),
        ("GET", "/v1/merchants/acme/customers/1000001/instruments/CARD/history"),
        ("GET", "/v1/merchants/acme/customers/1000001/settings/CARD/EUR/gold"),
        ("GET", "/v1/merchants/acme/customers/1000001/settings/deposit/CARD/gold"),
        ("PUT", "/v1/merchants/acme/customers/1000001/settings/deposit/EUR/CARD"),
        ("GET", "/v1/merchants/acme/customers/1000001/limits/CARD/EUR"),
        ("DELETE", "/v1/merchants/acme/customers/1000001/limits/deposit/CARD"),
        ("GET", "/v1/merchants/acme/customers/jobs/CARD"),
        ("PUT", "/v1/merchants/acme/levels/deposit/EUR/CARD"),
        ("DELETE", "/v1/merchants/acme/levels/deposit/CARD"),
        ("POST", "/v1/merchants/acme/levels/deposit/CARD/rename"),
        ("GET", "/v1/CARD"),
        ("DELETE", "/CARD"),
    ];
    in_every_place(|daemon, card, covered| {
        for (method, path) in CALLS {
            let answer = daemon.send(method, &path.replace("CARD", &encoded(card)), &json!({}));
            assert_refused(&answer, covered, &format!("{method} {path} {card}"));
        }
    });
}

#[test]
fn card_number_in_a_query_is_refused() {
    const CALLS: [(&str, &str); 26] = [
        ("GET", "/v1/merchants/acme/transactions?status=CARD"),
        ("GET", "/v1/merchants/acme/transactions?flag=CARD"),
        ("GET", "/v1/merchants/acme/transactions?from=CARD"),
        ("GET", "/v1/merchants/acme/transactions?customer_id=CARD"),
        ("GET", "/v1/merchants/acme/transactions?CARD=1"),
        ("GET", "/v1/merchants/acme/customers?customer_id=CARD"),
        ("GET", "/v1/merchants/acme/customers?merchant_customer_identifier=CARD"),
        ("GET", "/v1/merchants/acme/customers?deposit_level=CARD"),
        ("GET", "/v1/merchants/acme/customers?withdrawal_level=CARD"),
        ("GET", "/v1/merchants/acme/customers?email=CARD"),
        ("GET", "/v1/merchants/acme/customers?phone=CARD"),
        ("GET", "/v1/merchants/acme/customers?external_id=CARD"),
        ("GET", "/v1/merchants/acme/customers?status=CARD"),
        ("GET", "/v1/merchants/acme/customers?label=CARD"),
        ("GET", "/v1/merchants/acme/customers?created_from=CARD"),
        ("GET", "/v1/merchants/acme/customers?sort=CARD"),
        ("GET", "/v1/merchants/acme/customers/jobs?job=CARD"),
        ("POST", "/v1/merchants/acme/customers/bulk?job=CARD"),
        ("POST", "/v1/merchants/acme/customers.csv?job=CARD"),
        ("POST", "/v1/merchants/acme/customers.csv?mode=CARD"),
        ("POST", "/v1/merchants/acme/transactions?dry_run=CARD"),
        ("POST", "/v1/merchants/acme/transactions?CARD"),
        ("DELETE", "/v1/merchants/acme/customers/1000001/limits/deposit/EUR?operator=CARD"),
        ("GET", "/v1/events?merchant=CARD"),
        ("GET", "/v1/events?flag=CARD"),
        ("GET", "/healthz?CARD"),
    ];
    in_every_place(|daemon, card, covered| {
        for (method, path) in CALLS {
            let answer = daemon.send(method, &path.replace("CARD", &encoded(card)), &json!({}));
            assert_refused(&answer, covered, &format!("{method} {path} {card}"));
        }
        // Positions are numbers: nothing else is taken, and nothing is repeated.
        for path in
            ["transactions?cursor=", "customers?cursor=", "customers?limit=", "customers/1000001/history?cursor="]
        {
            let answer = daemon.get(&format!("{MERCHANT}/{path}{}", encoded(card)));
            assert!(!answer.body.contains(covered), "{path}{card}: {}", answer.body);
        }
    });
}

/// The texts of a payment, each with the path of its operation.
const FIELDS: [(&str, &str); 24] = [
    ("transactions", "transaction_id"),
    ("transactions", "project"),
    ("transactions", "endpoint"),
    ("transactions", "direction"),
    ("transactions", "currency"),
    ("transactions", "payment_method"),
    ("transactions", "merchant_customer_identifier"),
    ("transactions", "customer_id"),
    ("transactions", "customer_level"),
    ("transactions", "payment_instrument"),
    ("transactions", "occurred_at"),
    ("decisions", "as_of"),
    ("decisions", "transaction_id"),
    ("payment-form", "customer_level"),
    ("transactions/t1/approve", "capture_id"),
    ("transactions/t1/approve", "gate"),
    ("transactions/t1/approve", "payment_instrument"),
    ("transactions/t1/cancel", "cancel_id"),
    ("transactions/t1/refund", "refund_id"),
    ("transactions/t1/chargeback", "chargeback_id"),
    ("transactions/t1/extend", "until"),
    ("transactions/t1/attempts", "gate"),
    ("transactions/t1/attempts", "outcome"),
    ("transactions/t1/decline", "occurred_at"),
];

#[test]
fn card_number_in_a_payment_or_a_transition_is_refused() {
    in_every_place(|daemon, card, covered| {
        let payment = pay("t2", "1.00");
        for (operation, field) in FIELDS {
            let body = if operation.starts_with("transactions/") { json!({}) } else { payment.clone() };
            let body = with(without(body, &["amount"]), &json!({ field: card }));
            let answer = daemon.post(&format!("{MERCHANT}/{operation}"), &body);
            assert_refused(&answer, covered, &format!("{operation} {field} {card}"));
            assert_eq!(answer.json()["field"], field);
        }
        for attribute in CUSTOMER_ATTRIBUTES {
            for operation in ["transactions", "decisions", "payment-form"] {
                let body = with(payment.clone(), &json!({ "customer": { attribute: card } }));
                let answer = daemon.post(&format!("{MERCHANT}/{operation}"), &body);
                assert_refused(&answer, covered, &format!("{operation} {attribute} {card}"));
                assert_eq!(answer.json()["field"], attribute);
            }
        }
        let body = with(payment.clone(), &json!({ "customer": { card: "x" } }));
        assert_refused(&daemon.reserve(&body), covered, &format!("the name of an attribute: {card}"));
        // What is no text, no JSON or no field of the call is refused as that.
        // Plain digits are an amount as good as any other.
        let amount = if card.parse::<u64>().is_ok() { "1.0000" } else { card };
        for body in [
            with(payment.clone(), &json!({ "amount": amount })),
            with(payment.clone(), &json!({ "explain": card })),
            with(payment.clone(), &json!({ "card_number": card })),
            with(payment.clone(), &json!({ card: 1 })),
            with(payment, &json!({ "project": [card] })),
            json!(card),
            json!([card]),
        ] {
            assert_not_repeated(&daemon.reserve(&body), covered, &body.to_string());
        }
        for text in [format!("{{\"project\": {card}}}"), format!("{{\"{card}\": 1, \"{card}\": 2}}"), card.to_owned()] {
            assert_not_repeated(&daemon.post_text(&format!("{MERCHANT}/transactions"), &text), covered, &text);
        }
    });
}

#[test]
fn card_number_in_a_batch_line_is_refused() {
    in_every_place(|daemon, card, covered| {
        let line = with(pay("t2", "1.00"), &json!({ "op": "reserve", "merchant": "acme" }));
        let step = json!({ "op": "approve", "merchant": "acme", "transaction_id": "t1" });
        let mut lines: Vec<Value> = Vec::new();
        for field in ["op", "merchant", "at"] {
            lines.push(with(line.clone(), &json!({ field: card })));
        }
        for (operation, field) in FIELDS {
            let of = if operation.starts_with("transactions/") { &step } else { &line };
            lines.push(with(of.clone(), &json!({ field: card })));
        }
        for attribute in CUSTOMER_ATTRIBUTES {
            lines.push(with(line.clone(), &json!({ "customer": { attribute: card } })));
        }
        lines.push(with(step, &json!({ "op": "attempt", "outcome": card })));
        lines.push(with(line, &json!({ "op": "payment", "outcome": card })));
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        let answer = daemon.post_text("/v1/batch", &text);
        let answers: Vec<Value> = answer.body.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(answers.len(), lines.len());
        for (line, answer) in lines.iter().zip(&answers) {
            assert_eq!((&answer["status"], &answer["code"]), (&json!(400), &json!("card_number")), "{line}: {answer}");
            assert!(!answer.to_string().contains(covered), "{line}: {answer}");
        }
    });
}

#[test]
fn card_number_in_a_staff_request_is_refused() {
    in_every_place(|daemon, card, covered| {
        let (customers, customer) = ("/customers", "/customers/1000001");
        let mut calls: Vec<(&str, String, Value)> = Vec::new();
        for attribute in CUSTOMER_ATTRIBUTES {
            calls.push(("POST", customers.into(), json!({ "merchant_customer_identifier": "x", attribute: card })));
            calls.push(("PATCH", customer.into(), json!({ attribute: card })));
        }
        for field in ["merchant_customer_identifier", "created_at"] {
            calls.push(("POST", customers.into(), json!({ field: card })));
        }
        for field in ["deposit_level", "withdrawal_level", "status", "comment", card] {
            calls.push(("PATCH", customer.into(), json!({ field: card })));
        }
        for field in ["labels", "disabled_projects"] {
            calls.push(("PATCH", customer.into(), json!({ field: ["vip", card] })));
        }
        let rate = json!({ "from": "EUR", "to": "USD", "rate": "1.1" });
        for field in ["from", "to", "valid_from"] {
            calls.push(("PATCH", customer.into(), json!({ "rates": [with(rate.clone(), &json!({ field: card }))] })));
        }
        for field in [
            "type",
            "masked_number",
            "brand",
            "expires",
            "state",
            "card_on_file_type",
            "payment_instrument",
            "saved_at",
            "last_success_at",
        ] {
            calls.push(("PUT", format!("{customer}/instruments/tok"), json!({ field: card })));
        }
        for body in [json!({ "signal": card }), json!({ "signal": "cleared", "payment_instrument": card })] {
            calls.push(("POST", format!("{customer}/signals"), body));
        }
        calls.push(("POST", format!("{customer}/merge"), json!({ "into": card })));
        calls.push(("POST", "/transactions/t1/customer".into(), json!({ "customer_id": card })));
        let filter = json!({ "window": "daily", "amount_limit": "1.00" });
        for field in ["name", "window", "mode", "warn_at"] {
            let filters = json!({ "filters": [with(filter.clone(), &json!({ field: card }))] });
            calls.push(("PUT", format!("{customer}/limits/deposit/EUR"), filters.clone()));
            calls.push(("PUT", "/levels/deposit/EUR/gold".into(), filters));
        }
        calls.push(("PUT", format!("{customer}/limits/deposit/EUR"), json!({ "filters": [], "until": card })));
        for methods in [json!([{ "method": card, "max_amount": "1" }]), json!([{ "method": "card", "gates": [card] }])]
        {
            let body = json!({ "methods": methods });
            calls.push(("PUT", format!("{customer}/settings/deposit/EUR/gold"), body.clone()));
            calls.push(("PUT", "/levels/deposit/EUR/gold".into(), body));
        }
        for body in [json!({ "projects": [card] }), json!({ "gates": [card] }), json!({ "status": card })] {
            calls.push(("PUT", "/levels/deposit/EUR/gold".into(), body));
        }
        calls.push(("POST", "/levels/deposit/gold/rename".into(), json!({ "to": card })));
        let all = json!({ "ids": ["1000001"] });
        for (select, set) in [
            (json!({ "ids": ["1000001", card] }), json!({ "status": "member" })),
            (json!({ "email": card }), json!({ "status": "member" })),
            (json!({ "deposit_level": card }), json!({ "status": "member" })),
            (all.clone(), json!({ "status": card })),
            (all.clone(), json!({ "labels": [card] })),
            (all.clone(), json!({ "deposit_level": card })),
            (all, json!({ "global_limit": { "direction": "deposit", "currency": "EUR", "level": card } })),
        ] {
            calls.push(("POST", format!("{customers}/bulk"), json!({ "select": select, "set": set })));
        }
        calls.push(("POST", format!("{customers}/mock"), json!({ "count": 1, "seed": card })));
        for (method, path, body) in calls {
            let answer = daemon.send(method, &format!("{MERCHANT}{path}"), &body);
            assert_refused(&answer, covered, &format!("{method} {path} {body}"));
        }
        for body in
            [json!({ "base": card }), json!({ "base": "EUR", "as_of": card }), json!({ "rates": { card: "1" } })]
        {
            assert_refused(&daemon.send("PUT", "/v1/rates", &body), covered, &body.to_string());
        }
    });
}

#[test]
fn card_number_in_a_table_is_refused() {
    const TABLE: &str = "/v1/merchants/acme/customers.csv";
    const COLUMNS: [&str; 8] = [
        "customer_id",
        "merchant_customer_identifier",
        "deposit_level",
        "withdrawal_level",
        "status",
        "labels",
        "created_at",
        "modified_at",
    ];
    in_every_place(|daemon, card, covered| {
        let upload = |query: &str, table: &str| {
            raw_http::send(daemon.port(), "POST", &format!("{TABLE}{query}"), table.as_bytes())
        };
        for column in COLUMNS.into_iter().chain(CUSTOMER_ATTRIBUTES).filter(|column| *column != "payment_instrument") {
            for query in ["", "?mode=partial", "?mode=trial"] {
                let answer = upload(query, &format!("{column}\r\n\"{card}\"\r\n"));
                let what = format!("{column} {query} {card}: {}", answer.body);
                assert!(answer.body.contains("looks like a full card number"), "{what}");
                assert!(!answer.body.contains(covered), "{what}");
            }
        }
        let answer = upload("", &format!("\"{card}\",email\r\nx,y\r\n"));
        assert_not_repeated(&answer, covered, "a header");
        assert!(answer.body.contains("looks like a full card number"), "{}", answer.body);
    });
}

#[test]
fn card_number_in_a_configuration_file_is_refused() {
    for (card, covered) in CARDS {
        let gate = format!("\n[[gates]]\nid = \"{card}\"\n");
        for text in [
            acme(CRM, &[gate]),
            acme(&format!("{CRM}{card:?} = 1\n"), &[]),
            acme(&format!("{CRM}time_zone = {card:?}\n"), &[]),
            acme(&format!("{CRM}refunds = {card:?}\n"), &[]),
            acme(CRM, &[level(card, "")]),
            acme(CRM, &[level("gold", &format!("gates = [{card:?}]\n"))]),
            acme(CRM, &[level("gold", "")]).replace("\"web-eur\"", &format!("{card:?}")),
        ] {
            let folder = ConfigFolder::new(&Settings::SYSTEM, &[("acme", text)]);
            let path = folder.path().to_str().expect("a path").to_owned();
            let ended = run(&folder, &["check", &path]);
            assert_eq!(ended.code, Some(1), "{}", ended.text);
            assert!(!ended.text.contains(covered), "{card} is printed: {}", ended.text);
        }
    }
    // A command repeats none either.
    let folder = ConfigFolder::new(&Settings::SYSTEM, &[("acme", acme(CRM, &[]))]);
    let (config, table) = (folder.path().to_str().expect("a path"), folder.scratch_path("table.csv"));
    std::fs::write(&table, "email\r\nx@example.com\r\n").expect("a table");
    let table = table.to_str().expect("a path");
    let ended = run(&folder, &["import", table, "--config", config, "--merchant", "acme", "--job", "4111111111111111"]);
    assert_eq!(ended.code, Some(1), "{}", ended.text);
    assert!(ended.text.contains("full card number") && !ended.text.contains("4111111111111111"), "{}", ended.text);
    // A reload says and logs what is wrong.
    let daemon = daemon();
    daemon.folder.write("merchants/acme.toml", &acme(CRM, &[level("4111111111111111", "")]));
    let answer = daemon.post_nothing("/v1/reload");
    assert!(answer.problem(422).to_string().contains("full card number"), "{}", answer.body);
    let status = daemon.get("/v1/status");
    assert!(status.body.contains("full card number"), "{}", status.body);
    for text in [answer.body, status.body, daemon.log()] {
        assert!(!text.contains("4111111111111111"), "{text}");
    }
}
