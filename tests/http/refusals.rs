//! Every refusal of bad input: a problem document with the right status and the member at fault, never a failure of
//! the daemon, and nothing stored.

use serde_json::{Value, json};

use crate::decisions::assert_allowed;
use support::daemon::{ConfigFolder, Daemon, Settings};
use support::fixtures::{CRM, GATEWAY, MINUTE, acme, filter, gold, later, level, pay, with, without};

/// Where reserves go.
pub(crate) const TRANSACTIONS: &str = "/v1/merchants/acme/transactions";
/// Where questions go.
pub(crate) const DECISIONS: &str = "/v1/merchants/acme/decisions";

/// A level that tells by its remaining whether anything was stored.
pub(crate) fn shop() -> Daemon {
    let keys = "window = \"lifetime\"; amount_limit = \"200000000000000.00\"; quantity_limit = 1000";
    let settings = Settings { body_bytes_max: 4096, ..Settings::SYSTEM };
    Daemon::start(ConfigFolder::new(&settings, &[("acme", gold(keys))]))
}

/// Asserts that the daemon runs, knows no customer, and accepts a valid payment as its first.
#[track_caller]
pub(crate) fn assert_untouched(daemon: &Daemon) {
    assert_eq!(daemon.get("/healthz").status, 200);
    daemon.fetch("bad").problem(404);
    let answer = assert_allowed(daemon.reserve(&pay("good", "1.00")).ok());
    let whole = json!({"amount": "199999999999999.00", "quantity": 999, "currency": "EUR"});
    assert_eq!(answer["remaining"], whole, "nothing was counted: {answer}");
    assert_eq!(answer["customer"]["resolution"], "created", "no customer was created: {answer}");
}

/// Sends a body as it is to both doors of the hot path; both must refuse alike and, where told, name the member.
#[track_caller]
fn refused(daemon: &Daemon, what: &str, body: &str, statuses: &[u16], field: Option<&str>) {
    for path in [TRANSACTIONS, DECISIONS] {
        let answer = daemon.post_text(path, body);
        assert!(statuses.contains(&answer.status), "{what} at {path}: {} {}", answer.status, answer.body);
        let problem = answer.problem(answer.status);
        if let Some(field) = field {
            let named = problem["field"].as_str().unwrap_or_default();
            assert!(named.contains(field), "{what}: `{field}` is named: {problem}");
        }
    }
}

/// A good body with one member's text replaced or, where the text is empty, left out.
pub(crate) fn body(member: &str, text: &str) -> String {
    let mut parts = vec![
        ("transaction_id", "\"bad\""),
        ("direction", "\"deposit\""),
        ("currency", "\"EUR\""),
        ("amount", "\"1.00\""),
        ("merchant_customer_identifier", "\"alice\""),
        ("customer_level", "\"gold\""),
    ];
    parts.retain(|(name, _)| *name != member);
    if !text.is_empty() {
        parts.push((member, text));
    }
    let parts: Vec<String> = parts.iter().map(|(name, text)| format!("\"{name}\": {text}")).collect();
    format!("{{{}}}", parts.join(", "))
}

#[test]
fn bodies_that_are_no_json_object_are_refused() {
    let daemon = shop();
    let deep = format!("{}{}", "[".repeat(1500), "]".repeat(1500));
    let deep_inside = body("customer", &format!("{}1{}", "{\"a\":".repeat(500), "}".repeat(500)));
    let rows = [
        ("nothing", ""),
        ("white space", " \n\t "),
        ("half an object", "{\"transaction_id\": \"bad\""),
        ("a stray comma", "{\"transaction_id\": \"bad\",}"),
        ("single quotes", "{'transaction_id': 'bad'}"),
        ("a list", "[]"),
        ("a text", "\"bad\""),
        ("a number", "1"),
        ("null", "null"),
        ("two documents", "{} {}"),
        ("a lone surrogate", "{\"transaction_id\": \"\\ud800\"}"),
        ("a control character in a text", "{\"transaction_id\": \"a\u{1}b\"}"),
        ("a list too deep", &deep),
        ("an object too deep", &deep_inside),
    ];
    for (what, text) in rows {
        refused(&daemon, what, text, &[400], None);
    }
    let good = body("", "");
    refused(&daemon, "trailing garbage", &format!("{good}x"), &[400], None);
    refused(&daemon, "a second document", &format!("{good}{good}"), &[400], None);
    refused(&daemon, "NaN", &body("amount", "NaN"), &[400], None);
    refused(&daemon, "Infinity", &body("amount", "-Infinity"), &[400], None);
    assert_untouched(&daemon);
}

#[test]
fn members_of_a_wrong_type_or_name_are_refused_and_named() {
    let daemon = shop();
    let rows = [
        ("transaction_id", "7"),
        ("transaction_id", "null"),
        ("transaction_id", "\"\""),
        ("transaction_id", ""),
        ("direction", "\"sideways\""),
        ("direction", "\"Deposit\""),
        ("direction", "true"),
        ("direction", ""),
        ("currency", "978"),
        ("currency", "{}"),
        ("currency", ""),
        ("amount", ""),
        ("merchant_customer_identifier", "7"),
        ("merchant_customer_identifier", "[\"alice\"]"),
        ("customer_level", "1"),
        ("customer_level", "{}"),
        ("project", "[]"),
        ("endpoint", "{\"id\": \"web-eur\"}"),
        ("payment_method", "[\"card\"]"),
        ("payment_instrument", "81"),
        ("customer", "\"alice@example.com\""),
        ("customer", "[\"alice@example.com\"]"),
        ("customer", "[]"),
        ("explain", "\"yes\""),
        ("explain", "1"),
        ("occurred_at", "1700000000"),
        ("occurred_at", "\"yesterday\""),
        ("occurred_at", "\"2026-13-01T00:00:00Z\""),
        ("occurred_at", "\"2026-11-20T10:00:00\""),
        ("custmer_level", "\"gold\""),
        ("Amount", "\"1.00\""),
        ("capture_id", "\"c1\""),
    ];
    for (member, text) in rows {
        // A check needs no id, so that only the reserve refuses its absence, however absence is written.
        if member == "transaction_id" && matches!(text, "" | "null" | "\"\"") {
            assert_eq!(daemon.post_text(TRANSACTIONS, &body(member, text)).problem(400)["field"], member);
        } else {
            refused(&daemon, &format!("{member}: {text}"), &body(member, text), &[400], Some(member));
        }
    }
    refused(
        &daemon,
        "an unknown attribute",
        &body("customer", "{\"emial\": \"a@example.com\"}"),
        &[400],
        Some("emial"),
    );
    refused(&daemon, "an attribute's type", &body("customer", "{\"email\": 7}"), &[400], Some("email"));
    let twice = body("", "").replace("\"amount\"", "\"amount\": \"2.00\", \"amount\"");
    refused(&daemon, "a key twice", &twice, &[400], None);
    let twice = body("customer", "{\"email\": \"a@example.com\", \"email\": \"b@example.com\"}");
    refused(&daemon, "an attribute twice", &twice, &[400], None);
    let long = format!("\"{}\"", "x".repeat(3000));
    refused(&daemon, "an endless id", &body("transaction_id", &long), &[400, 422], Some("transaction_id"));
    assert_untouched(&daemon);
}

#[test]
fn amounts_that_are_not_plain_positive_decimals_of_their_currency_are_refused() {
    let daemon = shop();
    let forty = "1".repeat(40);
    // A number that is too large for money may be malformed or impossible.
    let statuses = |text: &str| -> &'static [u16] { if text.len() < 40 { &[400] } else { &[400, 422] } };
    let texts = [
        "0",
        "0.00",
        "-1",
        "-0.01",
        "+1",
        "1e3",
        "1E3",
        "1e-2",
        "1.001",
        "1.000",
        "1,00",
        ".5",
        "5.",
        "",
        " 1",
        "1 ",
        "1_000",
        "0x10",
        "NaN",
        "Infinity",
        "abc",
        "1.0.0",
        "\u{661}\u{662}",
        "1\\u0000",
        &forty,
    ];
    for text in texts {
        let quoted = format!("\"{text}\"");
        refused(&daemon, &format!("the text {text}"), &body("amount", &quoted), statuses(text), Some("amount"));
    }
    let huge = format!("{forty}.00");
    let numbers = [
        "0",
        "0.00",
        "-1",
        "-0.01",
        "1e3",
        "1E3",
        "1e-2",
        "1e400",
        "1.001",
        "1.000",
        "0.30000000000000004",
        "true",
        "false",
        "null",
        "[]",
        "{}",
        "[1]",
        &forty,
        &huge,
    ];
    for number in numbers {
        refused(&daemon, &format!("the number {number}"), &body("amount", number), statuses(number), Some("amount"));
    }
    for amount in ["\"816.0\"", "816.0", "\"816.00\""] {
        let yen = body("amount", amount).replace("EUR", "JPY");
        refused(&daemon, &format!("{amount} yen"), &yen, &[400], Some("amount"));
    }
    assert_untouched(&daemon);
}

#[test]
fn numbers_are_read_from_their_digits_and_never_through_a_float() {
    let keys = "window = \"lifetime\"; amount_limit = \"200000000000000.00\"";
    let cents = level("cents", &filter("window = \"daily\"; amount_limit = \"0.30\""));
    let daemon = Daemon::live(acme(CRM, &[level("gold", &filter(keys)), cents]));
    let reserve = |id: &str, member: &str, amount: &str| {
        let text = body("amount", amount).replace("bad", id).replace("gold", member);
        assert_allowed(daemon.post_text(TRANSACTIONS, &text).ok())["remaining"]["amount"].clone()
    };
    assert_eq!(reserve("big", "gold", "100000000000000.01"), "99999999999999.99");
    assert_eq!(reserve("text", "gold", "\"0.09\""), "99999999999999.90");
    for (id, left) in [("t1", "0.20"), ("t2", "0.10"), ("t3", "0.00")] {
        assert_eq!(reserve(id, "cents", "0.1"), left);
    }
    let same = daemon.post_text(TRANSACTIONS, &body("amount", "\"100000000000000.01\"").replace("bad", "big"));
    assert!(same.is_replay(), "the number and the text are the same money: {same:?}");
    let other = daemon.post_text(TRANSACTIONS, &body("amount", "100000000000000.02").replace("bad", "big"));
    other.problem(409);
}

#[test]
fn well_formed_but_impossible_requests_are_refused() {
    let daemon = shop();
    let rows: [(&str, Value, &[u16], Option<&str>); 8] = [
        ("an unknown currency", json!({ "currency": "ZZZ" }), &[400, 422], Some("currency")),
        ("no currency at all", json!({ "currency": "" }), &[400, 422], Some("currency")),
        ("a currency that no endpoint has", json!({ "currency": "SEK" }), &[422], None),
        ("an unknown project", json!({ "project": "nowhere" }), &[422], Some("project")),
        ("an unknown endpoint", json!({ "endpoint": "nowhere" }), &[422], Some("endpoint")),
        ("an endpoint of another currency", json!({ "endpoint": "web-usd" }), &[422], None),
        ("the other mode's identifier", json!({ "customer_id": "1000001" }), &[422], Some("customer_id")),
        ("nobody", json!({ "merchant_customer_identifier": "" }), &[422], None),
    ];
    for (what, members, statuses, field) in rows {
        refused(&daemon, what, &with(pay("bad", "1.00"), &members).to_string(), statuses, field);
    }
    for path in [TRANSACTIONS, DECISIONS] {
        daemon.post(&path.replace("acme", "nowhere"), &pay("bad", "1.00")).problem(404);
    }
    assert_untouched(&daemon);

    let daemon = Daemon::live(acme(GATEWAY, &[]));
    let problem = daemon.reserve(&without(pay("bad", "1.00"), &["customer_level"])).problem(422);
    assert_eq!(problem["field"], "merchant_customer_identifier", "{problem}");
}

#[test]
fn an_ambiguous_project_or_endpoint_is_refused_and_the_candidates_are_named() {
    let shops = "
[[projects]]
id = \"app\"
client_definition = [\"email\"]
  [[projects.endpoints]]
  id = \"app-eur-one\"
  currency = \"EUR\"
  gates = [\"gate-a\"]
  [[projects.endpoints]]
  id = \"app-eur-two\"
  currency = \"EUR\"
  gates = [\"gate-a\"]
";
    let daemon = Daemon::live(acme(CRM, &[]) + shops);
    let naming = |members: Value, candidates: &[&str]| {
        let problem = daemon.reserve(&with(pay("bad", "1.00"), &members)).problem(422).to_string();
        for candidate in candidates {
            assert!(problem.contains(candidate), "{candidate} is a candidate: {problem}");
        }
    };
    naming(json!({}), &["web", "app"]);
    naming(json!({ "project": "app" }), &["app-eur-one", "app-eur-two"]);
    daemon.fetch("bad").problem(404);
    assert_allowed(daemon.reserve(&with(pay("t1", "1.00"), &json!({ "project": "web" }))).ok());
    assert_allowed(daemon.reserve(&with(pay("t2", "1.00"), &json!({ "endpoint": "app-eur-two" }))).ok());
    let both = json!({ "project": "app", "endpoint": "web-eur" });
    daemon.reserve(&with(pay("bad", "1.00"), &both)).problem(422);
}

#[test]
fn a_time_out_of_the_stated_skew_is_refused_both_ways() {
    let daemon = shop();
    let now = daemon.check(&pay("now", "1.00")).ok()["server_time"].as_str().expect("a time").to_owned();
    // A minute from the bounds, because the clock goes on.
    for ms in [-6 * MINUTE, -24 * 60 * MINUTE, MINUTE, 24 * 60 * MINUTE] {
        let body = with(pay("bad", "1.00"), &json!({ "occurred_at": later(&now, ms) })).to_string();
        refused(&daemon, &format!("{ms} ms from now"), &body, &[422], Some("occurred_at"));
    }
    assert_untouched(&daemon);
    let past = with(pay("past", "1.00"), &json!({ "occurred_at": later(&now, -4 * MINUTE) }));
    assert_allowed(daemon.reserve(&past).ok());
    let zoned = now.replace('Z', "+00:00");
    assert_allowed(daemon.reserve(&with(pay("zoned", "1.00"), &json!({ "occurred_at": zoned }))).ok());
}

#[test]
fn full_card_number_is_refused_and_never_repeated() {
    let daemon = shop();
    let number = "4111111111111111";
    let quoted = format!("\"{number}\"");
    for member in ["payment_instrument", "merchant_customer_identifier", "transaction_id"] {
        refused(&daemon, member, &body(member, &quoted), &[400, 422], Some(member));
    }
    let attribute = body("customer", &format!("{{\"external_id\": {quoted}}}"));
    refused(&daemon, "an attribute", &attribute, &[400, 422], Some("external_id"));
    for path in [TRANSACTIONS, DECISIONS] {
        let answer = daemon.post_text(path, &body("payment_instrument", &quoted));
        assert!(!answer.body.contains(number), "the number is not told back: {}", answer.body);
    }
    assert!(!daemon.log().contains(number), "nor is it logged: {}", daemon.log());
    assert_untouched(&daemon);
}

#[test]
fn transitions_refuse_bad_bodies_and_leave_the_transaction_alone() {
    let daemon = Daemon::live(gold("window = \"lifetime\"; amount_limit = \"100.00\""));
    daemon.reserve(&pay("t1", "10.00")).ok();
    let rows = [
        ("approve", "{\"amount\": \"0\"}", "amount"),
        ("approve", "{\"amount\": \"1.001\"}", "amount"),
        ("approve", "{\"amount\": -1}", "amount"),
        ("approve", "{\"amount\": 1e3}", "amount"),
        ("approve", "{\"amount\": true}", "amount"),
        ("approve", "{\"amuont\": \"1.00\"}", "amuont"),
        ("approve", "{\"capture_id\": 7}", "capture_id"),
        ("approve", "{\"gate\": []}", "gate"),
        ("decline", "{\"reason\": \"none\"}", "reason"),
        ("cancel", "{\"amount\": \"1.00\"}", "cancel_id"),
        ("cancel", "{\"amount\": \"1,00\", \"cancel_id\": \"x\"}", "amount"),
        ("cancel", "{\"refund_id\": \"x\"}", "refund_id"),
        ("refund", "{\"cancel_id\": \"x\"}", "cancel_id"),
        ("chargeback", "{\"amount\": []}", "amount"),
        ("extend", "{}", "until"),
        ("extend", "{\"until\": \"soon\"}", "until"),
        ("attempts", "{\"attempt\": \"one\", \"gate\": \"gate-a\", \"outcome\": \"declined\"}", "attempt"),
        ("attempts", "{\"attempt\": -1, \"gate\": \"gate-a\", \"outcome\": \"declined\"}", "attempt"),
        ("attempts", "{\"attempt\": 1, \"gate\": \"gate-a\"}", "outcome"),
    ];
    for (operation, text, field) in rows {
        let answer = daemon.post_text(&format!("{TRANSACTIONS}/t1/{operation}"), text);
        assert_eq!(answer.status, 400, "{operation} {text}: {answer:?}");
        let problem = answer.problem(400);
        let named = problem["field"].as_str().unwrap_or_default();
        assert!(named.contains(field), "{operation} {text}: `{field}` is named: {problem}");
    }
    for operation in ["approve", "decline", "cancel", "refund", "chargeback", "extend", "attempts"] {
        for text in ["{", "[]", "null", "\"x\"", "{} {}"] {
            let answer = daemon.post_text(&format!("{TRANSACTIONS}/t1/{operation}"), text);
            assert_eq!(answer.status, 400, "{operation} {text}: {answer:?}");
            answer.problem(400);
        }
    }
    let answer = daemon.fetch("t1").ok();
    assert_eq!(answer["status"], "reserved", "{answer}");
    assert_eq!(answer["flags"], json!([]), "{answer}");
}
