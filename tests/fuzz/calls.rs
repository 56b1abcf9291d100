//! Calls of a real daemon: bodies of every operation but those of payments, uploaded tables, and queries. Each answer is one
//! that the OpenAPI document describes, and never a fault of the daemon.

use crate::edits::{Edits, TIME_MS, edited, pick};
use std::{sync::LazyLock, time::Duration};
use support::{
    contract::faults_of_answer,
    daemon::{ConfigFolder, Daemon, Settings},
    fixtures::{CRM, acme, filter, level, pay},
    raw_http::send,
};

/// The customer with a history is the first one.
const BODIES: [(&str, &str, &str); 26] = [
    (
        "POST",
        "/customers",
        r#"{"merchant_customer_identifier":"carol","created_at":"2026-11-20T10:00:00Z","email":"carol@example.com","phone":"+4930123456","labels":["vip"],"deposit_level":"gold","rating":85,"phone_verified":true,"disabled_projects":["web"],"rates":[{"from":"USD","to":"EUR","rate":"0.9","units":1,"valid_from":"2026-11-20T10:00:00Z"}]}"#,
    ),
    (
        "PATCH",
        "/customers/1000001",
        r#"{"status":"member","email":null,"name":"Alice Adams","comment":"","withdrawal_level":"","deletion_due":null}"#,
    ),
    ("POST", "/customers/1000002/merge", r#"{"into":"1000001"}"#),
    ("POST", "/customers/1000001/signals", r#"{"signal":"card_stolen","payment_instrument":"tok_81"}"#),
    ("POST", "/customers/1000001/signals", r#"{"signal":"cleared"}"#),
    (
        "PUT",
        "/customers/1000001/instruments/tok_81",
        r#"{"type":"card","masked_number":"411111******1111","brand":"visa","expires":"2027-04","state":"active","default":true,"card_on_file":true,"card_on_file_type":"recurring"}"#,
    ),
    (
        "PUT",
        "/customers/1000001/limits/deposit/EUR",
        r#"{"filters":[{"window":"daily","amount_limit":"50.00","quantity_limit":3,"name":"own","calendar":true,"warn_at":"80%"},{"window":"90d","amount_limit":0}],"until":"2027-01-01T00:00:00Z"}"#,
    ),
    ("POST", "/customers/1000001/limits/deposit/EUR/pending/confirm", "{}"),
    (
        "PUT",
        "/customers/1000001/settings/deposit/EUR/gold",
        r#"{"methods":[{"method":"card","show_in_form":true,"min_amount":"1.00","max_amount":50,"gates":["gate-a"]}],"global_limit":{"min_amount":"1","max_amount":null}}"#,
    ),
    (
        "PUT",
        "/levels/deposit/EUR/gold",
        r#"{"status":"active","projects":["web"],"gates":["gate-a","gate-b"],"routing":"priority","methods":[{"method":"card","max_amount":"90.00"}],"filters":[{"window":"daily","amount_limit":"500.00","mode":"shadow","warn_at":"80%"},{"window":"monthly","month":"same_day","quantity_limit":3}]}"#,
    ),
    ("POST", "/levels/deposit/silver/rename", r#"{"to":"platinum"}"#),
    ("POST", "/customers/mock", r#"{"count":2,"seed":7}"#),
    (
        "POST",
        "/customers/bulk",
        r#"{"select":{"merchant_customer_identifier":["alice","bob"],"status":"new","created_from":"2026-11-20"},"set":{"deposit_level":"gold","labels":["vip"],"status":"member"},"dry_run":true}"#,
    ),
    (
        "POST",
        "/customers/bulk",
        r#"{"select":{"ids":["1000001"]},"set":{"global_limit":{"direction":"deposit","currency":"EUR","level":"gold","min_amount":"1.00","max_amount":"9"}}}"#,
    ),
    ("POST", "/transactions/t-1/customer", r#"{"customer_id":"1000001"}"#),
    (
        "POST",
        "/payment-form",
        r#"{"direction":"deposit","currency":"EUR","merchant_customer_identifier":"alice","customer_level":"gold","project":"web","endpoint":"web-eur","explain":true}"#,
    ),
    (
        "POST",
        "/decisions",
        r#"{"direction":"deposit","amount":"10.00","currency":"EUR","merchant_customer_identifier":"alice","as_of":"2026-11-20T10:00:00Z","explain":true,"customer":{"email":"alice@example.com"}}"#,
    ),
    (
        "POST",
        "/transactions/t-1/approve",
        r#"{"amount":"1.00","capture_id":"c-1","final":false,"gate":"gate-a","payment_instrument":"tok_81"}"#,
    ),
    ("POST", "/transactions/t-1/attempts", r#"{"attempt":1,"gate":"gate-a","outcome":"declined"}"#),
    ("POST", "/transactions/t-1/cancel", r#"{"amount":"1.00","cancel_id":"x","of":"reservation"}"#),
    (
        "PUT",
        "//v1/rates",
        r#"{"base":"EUR","as_of":"2026-11-20T00:00:00Z","max_age":"24h","rates":{"USD":"1.1","JPY":160}}"#,
    ),
    ("POST", "//v1/clock/accept", r#"{"move_future_entries":false}"#),
    (
        "POST",
        "/customers.csv",
        "merchant_customer_identifier,email,phone,deposit_level,labels,status\nalice,alice@example.com,+4930123456,gold,vip,member\nbob,,,,,\n",
    ),
    (
        "POST",
        "/customers.csv?mode=partial",
        "customer_id;rating;comment\r\n1000001;85;\"two\nlines\"\r\n1000002;x;\r\n",
    ),
    (
        "POST",
        "/customers.csv?mode=partial&job=j-1",
        "external_id,created_at,date_of_birth,phone_verified\n007,2026-11-20T10:00:00Z,1990-01-31,true\n",
    ),
    (
        "POST",
        "//v1/batch",
        "{\"op\":\"check\",\"merchant\":\"acme\",\"direction\":\"deposit\",\"amount\":\"1\",\"currency\":\"EUR\"}\n{\"op\":\"decline\",\"merchant\":\"acme\",\"transaction_id\":\"t-1\"}\n",
    ),
];

const QUERIES: [&str; 14] = [
    "/customers?email=alice%40example.com&status=new&label=vip&created_from=2026-11-20&created_to=2026-11-30T10:00:00Z&limit=10",
    "/customers?customer_id=1000001&customer_id=1000002&sort=created_at&cursor=1000001",
    "/customers?name=ali&phone=%2B4930123456&external_id=ext-7&payment_instrument=tok_81&sort=-last_payment_at",
    "/customers?deposit_level=&withdrawal_level=gold&merchant_customer_identifier=alice",
    "/customers.csv?columns=customer_id,email&status=new",
    "/customers/jobs?limit=5",
    "/customers/1000001/transactions?status=reserved&flag=late&from=2026-11-20&to=2026-12-20&limit=3&cursor=1000001-0",
    "/customers/1000001/history?limit=2&cursor=9",
    "/customers/1000001/instruments/tok_81/transactions?resolution=found",
    "/transactions?customer_id=1000001&resolution=created&status=denied",
    "/audit?from=2026-11-20&to=2026-12-01&by=alice&kind=level&customer_id=1000001&job=j-1&limit=5&cursor=3",
    "/series?resolution=minute&from=2026-11-20T10:00:00Z&to=2026-11-20T11:00:00Z",
    "//v1/events?after=1&limit=3&wait=0&merchant=acme&flag=late",
    "/customers/1000001/limits/deposit/EUR?operator=true",
];

/// The whole path; one that begins with two slashes is of no merchant.
fn path_of(path: &str) -> String {
    match path.strip_prefix('/').filter(|rest| rest.starts_with('/')) {
        Some(whole) => whole.to_owned(),
        None => format!("/v1/merchants/acme{path}"),
    }
}

fn daemon() -> Daemon {
    let labels = "[[labels]]\nname = \"regular\"\n[[labels]]\nname = \"vip\"\n";
    let gold = level("gold", &filter("window = \"daily\"; amount_limit = \"500.00\""));
    let merchant = acme(&format!("{CRM}{labels}"), &[gold, level("silver", "")]);
    let folder = ConfigFolder::new(&Settings::SYSTEM, &[("acme", merchant)]);
    let daemon = Daemon::start(folder);
    for (n, who) in ["alice", "bob"].into_iter().enumerate() {
        let mut body = pay(&format!("t-{n}"), "10.00");
        body["merchant_customer_identifier"] = who.into();
        body["payment_instrument"] = "tok_81".into();
        daemon.reserve(&body).ok();
    }
    daemon
}

static DAEMON: LazyLock<Daemon> = LazyLock::new(daemon);

/// Sends a call. Its answer is described, and no fault of the daemon.
fn call(method: &str, path: &str, body: &[u8]) {
    let answer = send(DAEMON.port(), method, path, body);
    let shown = || format!("{method} {path}\n{}\n{} {}", String::from_utf8_lossy(body), answer.status, answer.body);
    assert!(answer.status < 500, "{}", shown());
    let faults = faults_of_answer(method, path, &answer);
    assert!(faults.is_empty(), "{faults:?}\n{}", shown());
}

/// Whether a call would be long: many customers, or a long wait.
fn is_long(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let number_after = |key: &str| {
        let digits = text.split_once(key).map(|(_, rest)| rest.trim_start_matches([':', ' ', '=']));
        let digits: String = digits.unwrap_or_default().chars().take_while(char::is_ascii_digit).collect();
        digits.parse::<u64>().unwrap_or(0)
    };
    number_after("\"count\"") > 20 || number_after("wait") > 0
}

#[test]
fn bodies_of_calls_get_described_answers() {
    bolero::check!().with_test_time(Duration::from_millis(TIME_MS)).with_type::<(u8, Edits)>().for_each(
        |(number, edits)| {
            let (method, path, body) = pick(&BODIES, *number);
            let body = edited(body.as_bytes(), edits);
            if !is_long(&body) {
                call(method, &path_of(path), &body);
            }
        },
    );
}

#[test]
fn queries_get_described_answers() {
    bolero::check!().with_test_time(Duration::from_millis(TIME_MS)).with_type::<(u8, Edits)>().for_each(
        |(number, edits)| {
            let path = path_of(pick::<&str>(&QUERIES, *number));
            let (start, query) = path.split_once('?').unwrap();
            let query = edited(query.as_bytes(), edits);
            // A request line cannot contain the other bytes, so they are percent-encoded.
            let is_plain = |byte: u8| byte.is_ascii_graphic() && !b"\"<>\\^`{|}#".contains(&byte);
            let one = |byte: &u8| if is_plain(*byte) { char::from(*byte).to_string() } else { format!("%{byte:02x}") };
            let query: String = query.iter().map(one).collect();
            if !is_long(query.as_bytes()) {
                call("GET", &format!("{start}?{query}"), b"");
            }
        },
    );
}
