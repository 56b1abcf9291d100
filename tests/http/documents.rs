//! What an answer shows can be sent back: levels, rates, settings and limits. A change is answered with the warnings that
//! `check` prints.

use serde_json::{Value, json};

use std::io::Write;

use crate::configuration_overrides::{DISK, GOLD, call, daily, put, reload, start};
use support::answer::Answer;
use support::daemon::{ConfigFolder, Daemon, run};
use support::fixtures::{CRM, acme, filter, level, pay};
use support::raw_http::{AnswerReader, connect, send};

/// A path of a customer who has paid.
fn of_customer(daemon: &Daemon, rest: &str) -> String {
    let paid = daemon.reserve(&pay("t1", "1.00")).ok();
    format!("/v1/merchants/acme/customers/{}{rest}", paid["customer"]["customer_id"].as_str().expect("an id"))
}

/// Filters with every option.
fn filters() -> String {
    [
        "window = \"daily\"; calendar = true; amount_limit = \"500.00\"; warn_at = \"80%\"",
        "window = \"weekly\"; calendar = true; week_starts_on = \"sunday\"; quantity_limit = 3; mode = \"shadow\"",
        "window = \"monthly\"; month = \"same_day\"; amount_limit = \"900.00\"; subtract_cancel_transactions = true",
        "name = \"one day\"; window = \"24h\"; amount_limit = \"1000.00\"; for_all_merchant_currencies = true",
        "window = \"lifetime\"; quantity_limit = 100; mode = \"off\"",
    ]
    .map(filter)
    .concat()
}

/// The events of the feed, as a count of the records so far.
fn records(daemon: &Daemon) -> Value {
    daemon.get("/v1/status").ok()["lsn"].clone()
}

/// Sends back what the path shows: the answer shows the same, and nothing is recorded.
#[track_caller]
fn send_back(daemon: &Daemon, path: &str) -> Value {
    let (shown, before) = (daemon.get(path).ok(), records(daemon));
    let answered = put(daemon, path, &shown);
    assert_eq!(answered.status, 200, "{path}: {shown}\n{answered:?}");
    assert_eq!((daemon.get(path).ok(), records(daemon)), (shown.clone(), before), "{path}");
    shown
}

#[track_caller]
fn refused(answer: &Answer, status: u16, field: &str) -> String {
    let problem = answer.problem(status);
    assert_eq!(problem["field"], field, "{problem}");
    problem["detail"].as_str().expect("a detail").to_owned()
}

#[test]
fn levels_are_shown_one_by_one_and_taken_as_they_are_shown() {
    let mut daemon =
        start(&[level("gold", &(filters() + "[[levels.methods]]\nmethod = \"card\"\nmax_amount = \"90\"\n"))]);
    let level_of = |name: &str| format!("/v1/merchants/acme/levels/deposit/EUR/{name}");
    let shown = send_back(&daemon, GOLD);
    assert_eq!(shown["origin"], "file", "{shown}");
    assert_eq!(shown["filters"][0]["warn_at"], "80%", "{shown}");
    assert_eq!((&shown["filters"][3]["window"], &shown["filters"][0]["window"]), (&json!("1d"), &json!("daily")));
    let listed = daemon.get("/v1/merchants/acme/levels").ok();
    assert_eq!(listed["levels"][0], shown, "the list shows the same");

    // The level `unknown` is there without being configured, and a request makes a level.
    let unknown = send_back(&daemon, &level_of("unknown"));
    assert_eq!((&unknown["projects"], &unknown["origin"]), (&json!("all"), &Value::Null), "{unknown}");
    let mut paid = pay("t1", "1.00");
    paid["customer_level"] = json!("vip");
    daemon.reserve(&paid).ok();
    assert_eq!(send_back(&daemon, &level_of("vip"))["origin"], "request");
    assert_eq!(daemon.get(&level_of("silver")).problem(404)["code"], "level_not_found");

    // A change of the document is a change of the level, and of nothing else.
    let mut changed = shown.clone();
    changed["filters"][0]["amount_limit"] = json!("400.00");
    let answered = put(&daemon, GOLD, &changed).ok();
    assert_eq!(answered["level"]["filters"], changed["filters"]);
    assert_eq!((&answered["level"]["origin"], &answered["level"]["created"]), (&json!("api"), &shown["created"]));
    let shown = send_back(&daemon, GOLD);
    daemon.kill_and_start();
    assert_eq!(send_back(&daemon, GOLD), shown);

    // A level for all projects, by word.
    assert_eq!(put(&daemon, &level_of("silver"), &json!({ "projects": "all" })).status, 201);
    assert_eq!(send_back(&daemon, &level_of("silver"))["projects"], "all");
    daemon.kill_and_start();
    assert_eq!(send_back(&daemon, &level_of("silver"))["projects"], "all");
}

#[test]
fn descriptions_that_are_wrong_are_refused() {
    let daemon = start(&[level("gold", &filters())]);
    let shown = daemon.get(GOLD).ok();
    for (member, value) in [
        ("name", json!("silver")),
        ("direction", json!("withdrawal")),
        ("currency", json!("USD")),
        ("created", json!("2020-01-01T00:00:00.000Z")),
        ("modified", json!(5)),
        ("origin", json!("api")),
        ("by", json!("alice")),
    ] {
        let mut sent = shown.clone();
        sent[member] = value;
        let detail = refused(&put(&daemon, GOLD, &sent), 422, member);
        assert!(detail.contains("describes the item of the path, which has "), "{detail}");
        sent[member] = Value::Null;
        put(&daemon, GOLD, &sent).ok();
    }
    // Someone else has changed the level since it was read.
    put(&daemon, GOLD, &daily("70.00")).ok();
    refused(&put(&daemon, GOLD, &shown), 422, "modified");
    let silver = "/v1/merchants/acme/levels/deposit/EUR/silver";
    refused(&put(&daemon, silver, &shown), 422, "name");
    let mut other = daily("1.00");
    other["created"] = shown["created"].clone();
    refused(&put(&daemon, silver, &other), 422, "created");
    other["scope"] = json!("level");
    refused(&put(&daemon, silver, &other), 400, "scope");
    assert_eq!(daemon.get(silver).problem(404)["code"], "level_not_found");
}

#[test]
fn rates_are_taken_as_they_are_shown_and_not_ahead_of_the_clock() {
    let mut daemon = start(&[]);
    send_back(&daemon, "/v1/rates");
    let mut rates = daemon.get("/v1/rates").ok();
    rates["rates"]["USD"] = json!("1.2500");
    let detail =
        refused(&put(&daemon, "/v1/rates", &json!({ "base": "EUR", "as_of": "2999-01-01T00:00:00Z" })), 422, "as_of");
    assert!(detail.contains("in the future") && detail.contains("5000 ms"), "{detail}");
    let answered = put(&daemon, "/v1/rates", &rates).ok();
    assert_eq!((&answered["rates"]["USD"], &answered["origin"]), (&json!("1.2500"), &json!("api")));
    assert_ne!(answered["version"], rates["version"]);
    let shown = send_back(&daemon, "/v1/rates");
    daemon.kill_and_start();
    assert_eq!(send_back(&daemon, "/v1/rates"), shown, "and the version stays");
    for (member, value) in
        [("version", json!("x")), ("origin", json!("file")), ("created", json!("2020-01-01T00:00:00Z"))]
    {
        let mut sent = shown.clone();
        sent[member] = value;
        refused(&put(&daemon, "/v1/rates", &sent), 422, member);
    }
    assert_eq!(daemon.get("/v1/rates").ok(), shown);
}

#[test]
fn settings_are_taken_as_they_are_shown() {
    let daemon = start(&[level("gold", "")]);
    let path = of_customer(&daemon, "/settings/deposit/EUR/gold");
    send_back(&daemon, &path);
    let sent = json!({
        "methods": [{ "method": "card", "max_amount": "50.00", "show_in_form": true }],
        "global_limit": { "min_amount": 2 },
    });
    put(&daemon, &path, &sent).ok();
    let shown = send_back(&daemon, &path);
    assert_eq!(shown["methods"][0]["max_amount"], "50.00", "{shown}");
    for (member, value) in [("level", "silver"), ("currency", "USD"), ("direction", "withdrawal")] {
        let mut sent = shown.clone();
        sent[member] = json!(value);
        refused(&put(&daemon, &path, &sent), 422, member);
    }
    // The answer to a change has warnings in addition, which a request does not take.
    let mut answered = put(&daemon, &path, &sent).ok();
    assert_eq!(answered.as_object_mut().and_then(|document| document.remove("warnings")), Some(json!([])));
    assert_eq!(answered, shown);
}

#[test]
fn settings_with_a_gate_that_is_gone_are_taken_as_they_are_shown() {
    let daemon = start(&[level("gold", "")]);
    let path = of_customer(&daemon, "/settings/deposit/EUR/gold");
    put(&daemon, &path, &json!({ "methods": [{ "method": "card", "gates": ["gate-cash", "gate-a"] }] })).ok();
    daemon.folder.write("merchants/acme.toml", &acme(CRM, &[level("gold", "")]).replace("gate-cash", "gate-till"));
    reload(&daemon);
    let mut shown = send_back(&daemon, &path);
    assert_eq!(shown["methods"][0]["gates"], json!(["gate-cash", "gate-a"]), "{shown}");
    shown["methods"][0]["max_amount"] = json!("5.00");
    refused(&put(&daemon, &path, &shown), 422, "gates");
}

#[test]
fn limits_are_taken_as_they_are_shown_with_a_pending_raise() {
    let daemon = start(&[level("gold", "")]);
    let path = of_customer(&daemon, "/limits/deposit/EUR");
    send_back(&daemon, &path);
    let daily = |limit: &str| json!({ "filters": [{ "window": "daily", "amount_limit": limit, "warn_at": "90%" }] });
    put(&daemon, &path, &daily("100.00")).ok();
    let mut of_operator = daily("70.00");
    of_operator["until"] = json!("2999-01-01T00:00:00Z");
    put(&daemon, &path, &of_operator).ok();
    let shown = send_back(&daemon, &path);
    assert_eq!(shown["filters"][0]["warn_at"], "90%");
    put(&daemon, &path, &daily("200.00")).ok();
    let shown = send_back(&daemon, &path);
    assert_eq!(shown["pending"]["filters"][0]["amount_limit"], "200.00", "the raise is still pending: {shown}");

    // A pending raise that is repeated stays, so the filters cannot be others.
    let mut sent = shown.clone();
    sent["filters"][0]["amount_limit"] = json!("90.00");
    let detail = refused(&put(&daemon, &path, &sent), 422, "pending");
    assert!(detail.contains("leave it out to replace it"), "{detail}");
    for (member, value) in [
        ("pending", json!({ "state": "waiting" })),
        ("operator", json!({ "filters": [] })),
        ("confirmed_at", json!("2020-01-01T00:00:00.000Z")),
        ("currency", json!("USD")),
    ] {
        let mut sent = shown.clone();
        sent[member] = value;
        refused(&put(&daemon, &path, &sent), 422, member);
    }
    assert_eq!(daemon.get(&path).ok(), shown);
    sent["pending"] = Value::Null;
    let answered = put(&daemon, &path, &sent).ok();
    assert_eq!((&answered["pending"], &answered["filters"][0]["amount_limit"]), (&Value::Null, &json!("90.00")));
}

/// The warnings of an answer.
fn warnings(answer: &Answer) -> Vec<String> {
    let document = answer.ok();
    let warnings = document["warnings"].as_array().unwrap_or_else(|| panic!("no warnings: {document}"));
    warnings.iter().map(|warning| warning.as_str().expect("a text").to_owned()).collect()
}

#[test]
fn changes_of_levels_and_rates_are_answered_with_the_warnings_of_check() {
    let daemon = start(&[level(
        "gold",
        &filter("window = \"daily\"; amount_limit = \"5\"; for_all_merchant_currencies = true"),
    )]);
    let checked = |level: &str| {
        let folder = ConfigFolder::new(&DISK, &[("acme", acme(CRM, &[level.to_owned()]))]);
        run(&folder, &["check", "."]).text
    };
    for (sent, written) in [
        (json!({ "status": "disabled", "projects": ["web"] }), level("silver", "status = \"disabled\"\n")),
        (json!({ "projects": [] }), level("silver", "").replace("projects = [\"web\"]\n", "projects = []\n")),
        (
            json!({ "projects": ["web"], "filters": [{ "window": "daily" }] }),
            level("silver", &filter("window = \"daily\"")),
        ),
        (
            json!({ "projects": ["web"], "methods": [{ "method": "cardd", "max_amount": "1" }] }),
            level("silver", "[[levels.methods]]\nmethod = \"cardd\"\nmax_amount = \"1\"\n"),
        ),
        (json!({ "projects": ["web", "web"] }), level("silver", "").replace("[\"web\"]", "[\"web\", \"web\"]")),
    ] {
        let path = "/v1/merchants/acme/levels/deposit/EUR/silver";
        let answer = put(&daemon, path, &sent);
        let answered = serde_json::from_str::<Value>(&answer.body).expect("JSON")["warnings"].clone();
        let [warning] = answered.as_array().expect("a list").as_slice() else { panic!("{sent}: {answered}") };
        let (message, help) = warning.as_str().expect("a text").rsplit_once(": ").expect("a remedy");
        let printed = checked(&written);
        let is_printed = |text: &str| text.split(": ").all(|part| printed.contains(part));
        assert!(is_printed(message) && printed.contains(help), "{warning} is not in\n{printed}");
        assert_eq!(put(&daemon, path, &sent).ok()["warnings"], answered, "also where nothing changes");
    }
    let silver = "/v1/merchants/acme/levels/deposit/EUR/silver";
    assert_eq!(put(&daemon, silver, &json!({ "projects": ["web"] })).ok()["warnings"], json!([]));
    // A level that restarts the limits of another.
    let first = json!({ "projects": ["web"], "filters": [{ "window": "weekly", "amount_limit": "50.00" }] });
    assert_eq!(put(&daemon, silver, &first).ok()["warnings"], json!([]));
    let second = put(&daemon, "/v1/merchants/acme/levels/deposit/EUR/bronze", &first);
    assert!(second.body.contains("each count separately"), "{second:?}");
    // A table without the rates that a filter needs.
    let as_of = daemon.get("/v1/rates").ok()["as_of"].clone();
    let mut rates = json!({ "base": "EUR", "as_of": as_of, "rates": { "USD": "1.1", "BHD": "0.4", "JPY": "160" } });
    for currency in ["GBP", "CAD", "CHF"] {
        rates["rates"][currency] = json!("1.5");
    }
    assert_eq!(warnings(&put(&daemon, "/v1/rates", &rates)), Vec::<String>::new());
    rates["rates"]["JPY"] = Value::Null;
    let texts = warnings(&put(&daemon, "/v1/rates", &rates));
    let [warning] = texts.as_slice() else { panic!("{texts:?}") };
    assert!(warning.contains("merchant `acme`: filter `daily` of level `") && warning.contains("JPY"), "{texts:?}");
    rates["rates"]["USD"] = json!("1.2");
    assert_eq!(warnings(&put(&daemon, "/v1/rates", &rates)), Vec::<String>::new(), "it was so before");
}

#[test]
fn changes_of_settings_and_limits_are_answered_with_warnings() {
    let daemon = start(&[level("gold", "")]);
    let path = of_customer(&daemon, "/settings/deposit/EUR/gold");
    let texts = warnings(&put(&daemon, &path, &json!({ "methods": [{ "method": "cardd", "max_amount": "5.00" }] })));
    assert!(texts.len() == 1 && texts[0].contains("offers `cardd`: did you mean `card`?"), "{texts:?}");
    let texts = warnings(&put(&daemon, &path, &json!({ "global_limit": { "min_amount": "99999999.00" } })));
    assert!(texts.iter().any(|warning| warning.contains("has its minimum above its maximum")), "{texts:?}");
    assert_eq!(warnings(&put(&daemon, &path, &json!({ "methods": [] }))), Vec::<String>::new());
    let path = of_customer(&daemon, "/limits/deposit/EUR");
    let sent = json!({ "filters": [{ "window": "daily", "amount_limit": "5", "for_all_merchant_currencies": true }] });
    let texts = warnings(&put(&daemon, &path, &sent));
    assert!(texts.len() == 1 && texts[0].contains("there is no rate from"), "{texts:?}");
}

#[test]
fn an_unknown_project_is_reported_with_its_field() {
    let daemon = start(&[]);
    for (body, field) in [
        (json!({ "projects": ["nope"] }), "projects"),
        (json!({ "projects": ["web", "nope"] }), "projects"),
        (json!({ "gates": ["nope"] }), "gates"),
        (json!({ "methods": [{ "method": "card", "gates": ["nope"] }] }), "gates"),
        (json!({ "projects": [7] }), "projects"),
        (json!({ "projects": "web" }), "projects"),
        (json!({ "status": "on" }), "status"),
        (json!({ "filters": [{ "window": "dayly" }] }), "window"),
        (json!({ "filters": [7] }), "filters"),
    ] {
        let answer = put(&daemon, GOLD, &body);
        assert_eq!(answer.problem(400)["code"], "body_invalid");
        refused(&answer, 400, field);
    }
}

#[test]
fn the_merchant_shows_its_whole_configuration() {
    let more = "labels_max = 2\nraise_delay = \"72h\"\nterminal_url = \"https://t.example/{customer_id}\"\n\
                [[labels]]\nname = \"vip\"\nrestrictions = [\"block_merge\"]\n[registration.email]\nrequired = true\n";
    let daemon = Daemon::start(ConfigFolder::new(
        &DISK,
        &[("acme", acme(&format!("{CRM}{more}"), &[level("gold", &filters())]))],
    ));
    let shown = daemon.get("/v1/merchants/acme").ok();
    for (place, value) in [
        ("/labels/0", json!({ "name": "vip", "kind": "active", "restrictions": ["block_merge"] })),
        ("/labels_max", json!(2)),
        ("/raise_delay", json!("3d")),
        ("/raise_confirm", json!(false)),
        ("/deletion_grace", json!("30d")),
        ("/terminal_url", json!("https://t.example/{customer_id}")),
        ("/registration/email/required", json!(true)),
        ("/registration/primary_identifier", json!("merchant_customer_identifier")),
        ("/registration/external_id/length", Value::Null),
        ("/seal_identifiers", json!(false)),
        ("/hold/deposit", json!("1h")),
        ("/gates/0/enabled", json!(true)),
        ("/gates/0/weight", json!(1)),
        ("/projects/0/id", json!("web")),
    ] {
        assert_eq!(shown.pointer(place), Some(&value), "{place}: {shown}");
    }
    assert_eq!(shown["levels"][0], daemon.get(GOLD).ok());
    assert_eq!(shown["config_version"], reload(&daemon)["config_version"]);
}

#[test]
fn the_start_page_has_links_and_is_public() {
    let daemon = start(&[]);
    let shown = call(&daemon, "GET", "/", &Value::Null).ok();
    let links: Vec<&str> =
        shown["links"].as_array().expect("links").iter().filter_map(|link| link["href"].as_str()).collect();
    let want = ["/docs", "/docs/api", "/openapi.json", "/healthz", "/readyz", "/metrics", "/v1/status"];
    assert_eq!(links, want);
    for guide in shown["guides"].as_array().expect("guides") {
        let page = send(daemon.port(), "GET", guide["href"].as_str().expect("a path"), b"");
        assert_eq!(page.status, 200, "{guide}");
    }
    assert!(!shown.to_string().contains("acme"), "{shown}");
    let mut stream = connect(daemon.port());
    let request = "GET / HTTP/1.1\r\nhost: localhost\r\naccept: text/html\r\nconnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).expect("the request is sent");
    let page = AnswerReader::new(stream).answer();
    assert!(page.status == 200 && page.body.contains("<a href=\"/docs/integration\">"), "{page:?}");
}
