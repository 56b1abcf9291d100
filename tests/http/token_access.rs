//! Roles and the merchants that a token reaches.

use std::io::{Read, Write};
use std::net::TcpStream;

use support::daemon::{ConfigFolder, Daemon, Settings};
use support::fixtures::{CRM, acme, pay};

const OPERATOR: &str = "operator-token-0123456789";
const GATEWAY: &str = "gateway-token-0123456789";
const VIEWER: &str = "viewer-token-0123456789";

/// Two merchants; the gateway's token is good for `acme` alone.
fn daemon() -> Daemon {
    let globex = acme(CRM, &[]).replacen("id = \"acme\"", "id = \"globex\"", 1);
    let folder = ConfigFolder::new(&Settings::SYSTEM, &[("acme", acme(CRM, &[])), ("globex", globex)]);
    let mut text = Settings::SYSTEM.text();
    text.push_str("\n[auth]\ntokens = [\n");
    for (role, token, more) in
        [("operator", OPERATOR, ""), ("gateway", GATEWAY, ", merchants = [\"acme\"]"), ("viewer", VIEWER, "")]
    {
        folder.write(&format!("{role}.token"), &format!("{token}\n"));
        let file = folder.path().join(format!("{role}.token"));
        text.push_str(&format!("  {{ role = \"{role}\", token_file = {:?}{more} }},\n", file.display().to_string()));
    }
    text.push_str("]\n");
    folder.write("levelgate.toml", &text);
    Daemon::start(folder)
}

/// The status and the body of a call with a token, or with none.
pub(crate) fn call(daemon: &Daemon, method: &str, path: &str, token: &str, body: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(("127.0.0.1", daemon.port())).expect("a connection");
    let authorization = if token.is_empty() { String::new() } else { format!("Authorization: Bearer {token}\r\n") };
    let length = body.len();
    write!(stream, "{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{authorization}Content-Length: {length}\r\n\r\n{body}")
        .expect("the request is sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    let status = answer.split(' ').nth(1).and_then(|text| text.parse().ok()).expect("a status");
    (status, answer)
}

#[test]
fn each_role_may_do_what_it_is_for() {
    let daemon = daemon();
    let reserve = pay("t1", "1.00").to_string();
    let (acme, globex) = ("/v1/merchants/acme/transactions", "/v1/merchants/globex/transactions");
    for (method, path, body, none, gateway, viewer, operator) in [
        ("GET", "/healthz", "", 200, 200, 200, 200),
        ("POST", acme, reserve.as_str(), 401, 200, 403, 200),
        ("POST", globex, reserve.as_str(), 401, 403, 403, 200),
        ("GET", "/v1/merchants/acme/transactions/t1", "", 401, 200, 200, 200),
        ("POST", "/v1/merchants/acme/transactions/t1/customer", "{}", 401, 403, 403, 409),
        ("GET", "/v1/merchants/globex", "", 401, 403, 200, 200),
        ("GET", "/v1/status", "", 401, 200, 200, 200),
        ("GET", "/v1/events", "", 401, 200, 200, 200),
        ("GET", "/v1/events?merchant=globex", "", 401, 403, 200, 200),
        ("POST", "/v1/events", "", 401, 405, 405, 405),
        ("POST", "/v1/reload", "", 401, 403, 403, 200),
        ("PUT", "/v1/merchants/acme/levels/deposit/EUR/gold", "{}", 401, 403, 403, 200),
        ("DELETE", "/v1/merchants/acme/levels/deposit/EUR/unknown", "", 401, 403, 403, 200),
        ("DELETE", "/v1/merchants/acme/levels/deposit/EUR", "", 401, 403, 403, 200),
        ("POST", "/v1/merchants/acme/levels/deposit/gold/rename", "{\"to\":\"best\"}", 401, 403, 403, 404),
        ("PUT", "/v1/rates", "{\"base\": \"EUR\", \"as_of\": \"2026-11-20T00:00:01Z\"}", 401, 403, 403, 200),
        ("POST", "/v1/merchants/acme/customers/1000001/signals", "{\"signal\":\"cleared\"}", 401, 200, 403, 200),
    ] {
        for (token, want) in [("", none), (GATEWAY, gateway), (VIEWER, viewer), (OPERATOR, operator)] {
            let (status, answer) = call(&daemon, method, path, token, body);
            assert_eq!(status, want, "{method} {path} with {token:?}: {answer}");
        }
    }
}

#[test]
fn a_gateway_sets_the_customer_s_limits_and_not_the_operator_s() {
    let daemon = daemon();
    let customers = "/v1/merchants/acme/customers";
    let body = "{\"merchant_customer_identifier\":\"ann\"}";
    assert_eq!(call(&daemon, "POST", customers, GATEWAY, body).0, 201);
    let of = |below: &str| format!("{customers}/1000001/limits/deposit/EUR{below}");
    let own = "{\"filters\":[{\"window\":\"daily\",\"amount_limit\":\"50.00\"}]}";
    let until = own.replacen('{', "{\"until\":\"2099-01-01T00:00:00Z\",", 1);
    for (method, below, body, want) in [
        ("PUT", "", own, 200),
        ("GET", "", "", 200),
        ("PUT", "", until.as_str(), 403),
        ("DELETE", "?operator=true", "", 403),
        ("DELETE", "?operator=false", "", 200),
        ("DELETE", "/pending", "", 200),
    ] {
        let (status, answer) = call(&daemon, method, &of(below), GATEWAY, body);
        assert_eq!(status, want, "{method} {below} {body}: {answer}");
    }
    let (_, shown) = call(&daemon, "GET", &of(""), GATEWAY, "");
    assert!(shown.contains("\"50.00\"") && shown.contains("\"operator\":null"), "{shown}");
    assert_eq!(call(&daemon, "PUT", &of(""), OPERATOR, &until).0, 200);
    let (_, shown) = call(&daemon, "GET", &of(""), GATEWAY, "");
    assert!(shown.contains("2099-01-01"), "{shown}");
    assert_eq!(call(&daemon, "DELETE", &of("?operator=true"), GATEWAY, "").0, 403);
    assert_eq!(call(&daemon, "DELETE", &of("?operator=true"), OPERATOR, "").0, 200);
    // Registering names the gateway, and a customer is found and shown.
    let (_, document) = call(&daemon, "GET", &format!("{customers}/1000001/history"), GATEWAY, "");
    assert!(document.contains("\"by\":\"gateway\""), "{document}");
    for query in [
        "customer_id=1000001",
        "merchant_customer_identifier=ann",
        "external_id=x1",
        "email=ann@example.com",
        "phone=%2B4915112345678",
    ] {
        assert_eq!(call(&daemon, "GET", &format!("{customers}?{query}"), GATEWAY, "").0, 200, "{query}");
    }
    for query in ["", "?status=new", "?limit=1"] {
        assert_eq!(call(&daemon, "GET", &format!("{customers}{query}"), GATEWAY, "").0, 403, "{query}");
    }
}

#[test]
fn a_token_for_some_merchants_sees_those_and_no_line_of_a_batch_reaches_further() {
    let daemon = daemon();
    let (_, listed) = call(&daemon, "GET", "/v1/merchants", GATEWAY, "");
    assert!(listed.contains("\"acme\"") && !listed.contains("globex"), "{listed}");
    let line = |merchant: &str| {
        let mut body = pay("b1", "1.00");
        body["op"] = "reserve".into();
        body["merchant"] = merchant.into();
        body.to_string()
    };
    let (status, answers) =
        call(&daemon, "POST", "/v1/batch", GATEWAY, &format!("{}\n{}\n", line("acme"), line("globex")));
    assert_eq!(status, 200);
    assert!(answers.contains("\"decision\":\"allow\"") && answers.contains("\"status\":403"), "{answers}");
    assert_eq!(call(&daemon, "GET", "/v1/merchants/globex/transactions/b1", OPERATOR, "").0, 404, "nothing was stored");
}

#[test]
fn feed_is_limited_to_the_merchants_of_a_token() {
    let daemon = daemon();
    let reserve = pay("t1", "1.00").to_string();
    for merchant in ["globex", "acme", "globex"] {
        let path = format!("/v1/merchants/{merchant}/transactions");
        assert_eq!(call(&daemon, "POST", &path, OPERATOR, &reserve).0, 200);
    }
    let heard = |query: &str, token| {
        let (status, answer) = call(&daemon, "GET", &format!("/v1/events{query}"), token, "");
        assert_eq!(status, 200, "{answer}");
        let records_of = |merchant: &str| answer.matches(&format!("\"merchant\":\"{merchant}\"")).count();
        (records_of("acme"), records_of("globex"))
    };
    assert_eq!(heard("", OPERATOR), (1, 1));
    assert_eq!(heard("", VIEWER), (1, 1));
    assert_eq!(heard("?merchant=globex", VIEWER), (0, 1));
    assert_eq!(heard("", GATEWAY), (1, 0));
    assert_eq!(heard("?merchant=acme", GATEWAY), (1, 0));
}

#[test]
fn rates_are_for_all_merchants_and_a_token_for_some_may_not_set_them() {
    let folder = ConfigFolder::new(&Settings::SYSTEM, &[("acme", acme(CRM, &[]))]);
    let file = folder.path().join("some.token");
    folder.write("some.token", OPERATOR);
    let token =
        format!("{{ role = \"operator\", token_file = {:?}, merchants = [\"acme\"] }}", file.display().to_string());
    folder.write("levelgate.toml", &format!("{}\n[auth]\ntokens = [{token}]\n", Settings::SYSTEM.text()));
    let daemon = Daemon::start(folder);
    let body = "{\"base\": \"EUR\", \"as_of\": \"2026-11-20T00:00:01Z\"}";
    assert_eq!(call(&daemon, "PUT", "/v1/rates", OPERATOR, body).0, 403);
    for of_all in ["/v1/reload", "/v1/snapshot", "/v1/clock/accept"] {
        assert_eq!(call(&daemon, "POST", of_all, OPERATOR, "").0, 403, "{of_all}");
    }
    assert_eq!(call(&daemon, "PUT", "/v1/merchants/acme/levels/deposit/EUR/gold", OPERATOR, "{}").0, 201);
    let (_, listed) = call(&daemon, "GET", "/v1/merchants/acme/levels", OPERATOR, "");
    assert!(listed.contains("\"by\":\"some\""), "who set it: {listed}");
}

/// A removed merchant is a merchant that a token may list and that is not there.
#[test]
fn a_suggestion_names_only_merchants_that_the_token_reaches() {
    let of = |id: &str| acme(CRM, &[]).replacen("id = \"acme\"", &format!("id = \"{id}\""), 1);
    let merchants = [("shop-a", of("shop-a")), ("shop-b", of("shop-b")), ("other", of("other"))];
    let folder = ConfigFolder::new(&Settings::SYSTEM, &merchants);
    folder.write("merchants/shop-c.toml", "id = \"shop-c\"\nremoved = true\n");
    let mut text = Settings::SYSTEM.text();
    text.push_str("\n[auth]\ntokens = [\n");
    let limited = ", merchants = [\"shop-a\", \"shop-c\"]";
    for (role, token, more) in [("gateway", GATEWAY, limited), ("operator", OPERATOR, "")] {
        folder.write(&format!("{role}.token"), &format!("{token}\n"));
        let file = folder.path().join(format!("{role}.token"));
        text.push_str(&format!("  {{ role = \"{role}\", token_file = {:?}{more} }},\n", file.display().to_string()));
    }
    folder.write("levelgate.toml", &(text + "]\n"));
    let daemon = Daemon::start(folder);
    let payment = pay("t1", "1.00").to_string();
    let line = |merchant: &str| {
        let opening = format!("{{\"op\":\"reserve\",\"merchant\":\"{merchant}\",");
        payment.replacen('{', &opening, 1) + "\n"
    };
    let transactions = |merchant: &str| format!("/v1/merchants/{merchant}/transactions");
    let calls = |merchant: &str| {
        [
            ("GET", transactions(merchant), String::new()),
            // The fast path answers it on a connection that stays open, and the routes on one that does not.
            ("POST", transactions(merchant), payment.clone()),
            ("POST", "/v1/batch".to_owned(), line(merchant)),
            ("GET", format!("/v1/events?merchant={merchant}"), String::new()),
        ]
    };
    for (token, merchant, near) in [
        // It is not reached, or is not there: only what the token lists is named.
        (GATEWAY, "shop-d", Some("shop-a")),
        (GATEWAY, "shop-c", Some("shop-a")),
        (GATEWAY, "othr", None),
        (OPERATOR, "shop-d", Some("shop-a")),
        (OPERATOR, "othr", Some("other")),
    ] {
        for (method, path, body) in calls(merchant) {
            let (_, answer) = call(&daemon, method, &path, token, &body);
            let named = answer.split("did you mean `").nth(1).and_then(|rest| rest.split('`').next());
            // A merchant that was once configured has an empty list.
            let has_list = merchant == "shop-c" && method == "GET";
            assert_eq!(named.or(near.filter(|_| has_list)), near, "{method} {path} {body}: {answer}");
            let hidden: &[&str] = if token == GATEWAY { &["shop-b", "\"other", "`other"] } else { &[] };
            assert!(hidden.iter().all(|id| !answer.contains(id)), "{method} {path}: {answer}");
        }
    }
}
