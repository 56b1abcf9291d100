//! Blocks of instruments by tokens for all merchants and for some: where they act, and who may lift them.

use serde_json::{Value, json};

use crate::token_access::call;
use support::daemon::{ConfigFolder, Daemon, Settings};
use support::fixtures::{CRM, GATEWAY, acme, pay, with};

const MERCHANTS: [&str; 4] = ["acme", "globex", "trusted", "gateway"];
/// Name and role of each token, and the merchants that it is for; none: all.
const TOKENS: [(&str, &str, &[&str]); 6] = [
    ("everywhere", "operator", &[]),
    ("of-acme", "gateway", &["acme"]),
    ("of-globex", "gateway", &["globex"]),
    ("of-trusted", "gateway", &["trusted"]),
    ("of-both", "operator", &["acme", "globex"]),
    ("of-gateway", "gateway", &["gateway"]),
];

fn token_of(name: &str) -> String {
    format!("token-{name}-0123456789")
}

/// Four merchants, of whom one is trusted with blocks and one names customers by our number.
fn daemon() -> Daemon {
    let merchant = |id: &str| {
        let keys = match id {
            "trusted" => format!("{CRM}trust_blocks = true\n"),
            "gateway" => GATEWAY.to_owned(),
            _ => CRM.to_owned(),
        };
        acme(&keys, &[]).replacen("id = \"acme\"", &format!("id = {id:?}"), 1)
    };
    let merchants: Vec<(&str, String)> = MERCHANTS.iter().map(|id| (*id, merchant(id))).collect();
    let store = "kind = \"disk\"\npath = \"data\"\nsync = \"interval\"";
    let settings = Settings { store, ..Settings::SYSTEM };
    let folder = ConfigFolder::new(&settings, &merchants);
    write_tokens(&folder, &TOKENS);
    Daemon::start(folder)
}

fn write_tokens(folder: &ConfigFolder, tokens: &[(&str, &str, &[&str])]) {
    let store = "kind = \"disk\"\npath = \"data\"\nsync = \"interval\"";
    let mut text = Settings { store, ..Settings::SYSTEM }.text();
    text.push_str("\n[auth]\ntokens = [\n");
    for (name, role, merchants) in tokens {
        folder.write(&format!("{name}.token"), &token_of(name));
        let file = folder.path().join(format!("{name}.token")).display().to_string();
        let some = if merchants.is_empty() { String::new() } else { format!(", merchants = {merchants:?}") };
        text.push_str(&format!("  {{ role = {role:?}, token_file = {file:?}{some} }},\n"));
    }
    text.push_str("]\n");
    folder.write("levelgate.toml", &text);
}

fn json_of(daemon: &Daemon, method: &str, path: &str, token: &str, body: &Value) -> (u16, Value) {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let (status, answer) = call(daemon, method, path, &token_of(token), &body);
    let (_, document) = answer.split_once("\r\n\r\n").expect("a body");
    (status, serde_json::from_str(document).unwrap_or_else(|_| panic!("{method} {path}: {answer}")))
}

/// A customer at a merchant who has paid by an instrument.
fn holder(daemon: &Daemon, merchant: &str, who: &str, instrument: &str) -> String {
    let mut body = with(pay(&format!("first-{who}"), "1.00"), &json!({ "payment_instrument": instrument }));
    if merchant == "gateway" {
        body.as_object_mut().expect("fields").remove("merchant_customer_identifier");
    } else {
        body["merchant_customer_identifier"] = json!(who);
    }
    let path = format!("/v1/merchants/{merchant}/transactions");
    let (status, answer) = json_of(daemon, "POST", &path, "everywhere", &body);
    assert_eq!((status, &answer["decision"]), (200, &json!("allow")), "{answer}");
    let approved = json_of(daemon, "POST", &format!("{path}/first-{who}/approve"), "everywhere", &json!({}));
    assert_eq!(approved.0, 200, "{approved:?}");
    answer["customer"]["customer_id"].as_str().expect("an id").to_owned()
}

fn signal(daemon: &Daemon, (merchant, id): (&str, &str), token: &str, signal: &str, instrument: &str) -> (u16, Value) {
    let body = json!({ "signal": signal, "payment_instrument": instrument });
    json_of(daemon, "POST", &format!("/v1/merchants/{merchant}/customers/{id}/signals"), token, &body)
}

/// The customer's status, whether the instrument is shown as blocked, and the codes of a payment with it and without.
fn stands(daemon: &Daemon, (merchant, id): (&str, &str), who: &str, instrument: &str) -> String {
    let (_, shown) =
        json_of(daemon, "GET", &format!("/v1/merchants/{merchant}/customers/{id}"), "everywhere", &Value::Null);
    let code = |instrument: Option<&str>| {
        let mut body = with(pay("c", "1.00"), &json!({ "payment_instrument": instrument }));
        let named = if merchant == "gateway" { ("customer_id", id) } else { ("merchant_customer_identifier", who) };
        body.as_object_mut().expect("fields").remove("merchant_customer_identifier");
        body[named.0] = json!(named.1);
        let (_, answer) = json_of(daemon, "POST", &format!("/v1/merchants/{merchant}/decisions"), "everywhere", &body);
        if answer["decision"] == "allow" { "ok".to_owned() } else { answer["code"].to_string() }
    };
    let state = shown["payment_instruments"].as_array().into_iter().flatten();
    let state = state.into_iter().find(|stored| stored["payment_instrument"] == instrument).map(|i| &i["state"]);
    let state = state.and_then(Value::as_str).unwrap_or("none");
    format!("{} {state} {} {}", shown["status"].as_str().expect("a status"), code(Some(instrument)), code(None))
}

#[test]
fn a_block_by_a_token_for_some_acts_there_and_marks_holders_elsewhere() {
    let mut daemon = daemon();
    let alice = holder(&daemon, "acme", "alice", "tok");
    let carol = holder(&daemon, "globex", "carol", "tok");
    let gus = holder(&daemon, "gateway", "gus", "tok");
    let (status, reply) = signal(&daemon, ("acme", &alice), "of-acme", "card_stolen", "tok");
    assert_eq!((status, &reply["status"]), (200, &json!("fraud")), "a gateway is the first to hear of it");
    for about in ["at first", "after a kill", "after a snapshot"] {
        assert_eq!(stands(&daemon, ("acme", &alice), "alice", "tok"), "fraud blocked 19106 19100", "{about}");
        assert_eq!(stands(&daemon, ("globex", &carol), "carol", "tok"), "suspicious active ok ok", "{about}");
        assert_eq!(stands(&daemon, ("gateway", &gus), "gus", "tok"), "suspicious active ok ok", "{about}");
        if about == "after a kill" {
            json_of(&daemon, "POST", "/v1/snapshot", "everywhere", &Value::Null);
        }
        daemon.kill_and_start();
    }
    // A later holder is fraud where the block acts, and unchanged elsewhere.
    let stored = |merchant: &str, id: &str| {
        let path = format!("/v1/merchants/{merchant}/customers/{id}/instruments/tok");
        json_of(&daemon, "PUT", &path, "everywhere", &json!({})).1["state"].clone()
    };
    let bob = holder(&daemon, "acme", "bob", "other");
    let dora = holder(&daemon, "globex", "dora", "other");
    assert_eq!((stored("acme", &bob), stored("globex", &dora)), (json!("blocked"), json!("active")));
    assert_eq!(stands(&daemon, ("acme", &bob), "bob", "tok"), "fraud blocked 19106 19100");
    assert_eq!(stands(&daemon, ("globex", &dora), "dora", "tok"), "new active ok ok");
    // What is cleared elsewhere leaves the block alone, and clears the one who is named.
    let (status, reply) = signal(&daemon, ("globex", &carol), "of-globex", "cleared", "tok");
    assert_eq!((status, &reply["status"]), (200, &json!("new")));
    assert_eq!(stands(&daemon, ("acme", &alice), "alice", "tok"), "fraud blocked 19106 19100");
    // The token that set it lifts it; other holders stay under what is known of them.
    let (status, reply) = signal(&daemon, ("acme", &alice), "of-acme", "cleared", "tok");
    assert_eq!((status, &reply["status"]), (200, &json!("new")));
    assert_eq!(stands(&daemon, ("acme", &bob), "bob", "tok"), "fraud active ok 19100");
}

#[test]
fn shared_block_is_lifted_by_a_token_for_all_its_merchants() {
    let daemon = daemon();
    let alice = holder(&daemon, "acme", "alice", "tok");
    // Set by a token for all; held at one merchant alone.
    signal(&daemon, ("acme", &alice), "everywhere", "fraud_confirmed", "tok");
    assert_eq!(stands(&daemon, ("acme", &alice), "alice", "tok"), "fraud blocked 19106 19100");
    let carol = holder(&daemon, "globex", "carol", "clean");
    assert_eq!(stands(&daemon, ("globex", &carol), "carol", "tok"), "new none 19106 ok", "it acts everywhere");
    assert_eq!(signal(&daemon, ("acme", &alice), "of-acme", "cleared", "tok").0, 200, "set and held there alone");
    assert_eq!(stands(&daemon, ("acme", &alice), "alice", "tok"), "new active ok ok");

    // Held at a second one.
    let carol = holder(&daemon, "globex", "carl", "tok");
    signal(&daemon, ("acme", &alice), "everywhere", "fraud_confirmed", "tok");
    assert_eq!(stands(&daemon, ("globex", &carol), "carl", "tok"), "fraud blocked 19106 19100");
    for (merchant, id, token, other) in [("acme", &alice, "of-acme", "globex"), ("globex", &carol, "of-globex", "acme")]
    {
        let before = json_of(&daemon, "GET", "/v1/status", "everywhere", &Value::Null).1["lsn"].clone();
        let (status, problem) = signal(&daemon, (merchant, id), token, "cleared", "tok");
        assert_eq!((status, &problem["code"]), (403, &json!("forbidden")), "{problem}");
        let sentence = problem["detail"].as_str().expect("a sentence");
        assert!(sentence.contains("token") && sentence.contains("block"), "{sentence}");
        assert!(
            !problem.to_string().contains(other) && !sentence.contains("everywhere"),
            "it names no other merchant and no token: {problem}"
        );
        let after = json_of(&daemon, "GET", "/v1/status", "everywhere", &Value::Null).1["lsn"].clone();
        assert_eq!(before, after, "nothing was recorded");
        assert_eq!(
            stands(&daemon, (merchant, id), if merchant == "acme" { "alice" } else { "carl" }, "tok"),
            "fraud blocked 19106 19100",
            "nothing changes"
        );
    }
    assert_eq!(signal(&daemon, ("globex", &carol), "of-both", "cleared", "tok").0, 200);
    assert_eq!(stands(&daemon, ("globex", &carol), "carl", "tok"), "new active ok ok");
    assert_eq!(stands(&daemon, ("acme", &alice), "alice", "tok"), "fraud active ok 19100", "as it was known");

    // Set at two merchants by one token: neither alone lifts it.
    signal(&daemon, ("acme", &alice), "of-both", "card_stolen", "tok2");
    for (merchant, id, token) in [("acme", &alice, "of-acme"), ("globex", &carol, "of-globex")] {
        assert_eq!(signal(&daemon, (merchant, id), token, "cleared", "tok2").0, 403, "{token}");
    }
    assert_eq!(signal(&daemon, ("acme", &alice), "of-acme", "cleared", "").0, 200, "the customer alone");
    assert_eq!(stands(&daemon, ("acme", &alice), "alice", "tok2"), "new none 19106 ok");
    assert_eq!(signal(&daemon, ("acme", &alice), "everywhere", "cleared", "tok2").0, 200);
    assert_eq!(stands(&daemon, ("globex", &carol), "carl", "tok2"), "new none ok ok");
}

#[test]
fn blocks_of_a_trusted_merchant_act_everywhere() {
    let daemon = daemon();
    let tina = holder(&daemon, "trusted", "tina", "tok");
    let alice = holder(&daemon, "acme", "alice", "tok");
    assert_eq!(signal(&daemon, ("trusted", &tina), "of-trusted", "card_stolen", "tok").0, 200);
    assert_eq!(stands(&daemon, ("trusted", &tina), "tina", "tok"), "fraud blocked 19106 19100");
    assert_eq!(stands(&daemon, ("acme", &alice), "alice", "tok"), "fraud blocked 19106 19100");
    assert_eq!(signal(&daemon, ("acme", &alice), "of-acme", "cleared", "tok").0, 403, "set at another merchant");
    assert_eq!(signal(&daemon, ("trusted", &tina), "of-trusted", "cleared", "tok").0, 200, "it is its own");
    assert_eq!(stands(&daemon, ("acme", &alice), "alice", "tok"), "fraud active ok 19100");
    let (_, shown) = json_of(&daemon, "GET", "/v1/merchants/trusted", "everywhere", &Value::Null);
    assert_eq!(shown["trust_blocks"], true);
}

#[test]
fn unknown_customer_with_a_blocked_instrument_is_denied() {
    let daemon = daemon();
    let gus = holder(&daemon, "gateway", "gus", "tok");
    let alice = holder(&daemon, "acme", "alice", "tok");
    let deny_code = || {
        let mut body = with(pay("s", "1.00"), &json!({ "payment_instrument": "tok", "customer_id": "777" }));
        body.as_object_mut().expect("fields").remove("merchant_customer_identifier");
        let path = "/v1/merchants/gateway/decisions";
        let (_, answer) = json_of(&daemon, "POST", path, "of-gateway", &body);
        assert_eq!(answer["customer"]["resolution"], "bypassed", "{answer}");
        answer["code"].clone()
    };
    signal(&daemon, ("acme", &alice), "of-acme", "card_stolen", "tok");
    assert_eq!(deny_code(), Value::Null, "blocked elsewhere");
    signal(&daemon, ("gateway", &gus), "of-gateway", "card_stolen", "tok");
    assert_eq!(deny_code(), 19_106);
    signal(&daemon, ("gateway", &gus), "of-gateway", "cleared", "tok");
    assert_eq!(deny_code(), Value::Null);
    signal(&daemon, ("acme", &alice), "everywhere", "card_stolen", "tok");
    assert_eq!(deny_code(), 19_106);
}

#[test]
fn the_history_of_an_instrument_shows_its_blocks_at_the_merchant() {
    let mut daemon = daemon();
    let alice = holder(&daemon, "acme", "alice", "tok");
    let carol = holder(&daemon, "globex", "carol", "tok");
    let dora = holder(&daemon, "globex", "dora", "other");
    let blocks = |daemon: &Daemon, merchant: &str, id: &str| {
        let path = format!("/v1/merchants/{merchant}/customers/{id}/instruments/tok/history");
        let (_, told) = json_of(daemon, "GET", &path, "everywhere", &Value::Null);
        let steps = told["history"].as_array().unwrap_or_else(|| panic!("{told}")).clone();
        let change = |step: &Value| {
            let changes = step["changes"].as_array().expect("changes").iter();
            let blocked = changes.clone().find(|change| change["field"] == "blocked").cloned()?;
            assert_eq!(
                (changes.len(), &step["source"], &blocked["old"]),
                (1, &json!("api"), &json!(blocked["new"] == false))
            );
            Some(format!("{} by {}", blocked["new"], step["by"]))
        };
        steps.iter().filter_map(change).collect::<Vec<String>>()
    };
    for (token, said) in [
        ("of-acme", "card_stolen"),
        // It is blocked there already.
        ("of-both", "fraud_confirmed"),
        ("of-both", "cleared"),
        ("everywhere", "card_stolen"),
        ("everywhere", "cleared"),
        ("of-acme", "card_stolen"),
    ] {
        assert_eq!(signal(&daemon, ("acme", &alice), token, said, "tok").0, 200, "{token} {said}");
    }
    for round in ["at once", "after kill -9", "after a snapshot"] {
        assert_eq!(
            blocks(&daemon, "acme", &alice),
            [
                r#"true by "of-acme""#,
                r#"false by "everywhere""#,
                r#"true by "everywhere""#,
                r#"false by "of-both""#,
                r#"true by "of-acme""#,
            ],
            "{round}"
        );
        // The blocks of the token for acme alone do not act at globex. No signal named the customer of globex.
        assert_eq!(
            blocks(&daemon, "globex", &carol),
            [r#"false by "everywhere""#, r#"true by "everywhere""#, r#"false by "of-both""#, r#"true by "of-both""#,],
            "{round}"
        );
        assert!(blocks(&daemon, "globex", &dora).is_empty(), "{round}: she never had it");
        if round == "after kill -9" {
            json_of(&daemon, "POST", "/v1/snapshot", "everywhere", &Value::Null);
        }
        daemon.kill_and_start();
    }
    // A step of a token that is not for the merchant does not name it.
    let tina = holder(&daemon, "trusted", "tina", "tok2");
    let (_, made) = json_of(
        &daemon,
        "PUT",
        &format!("/v1/merchants/globex/customers/{carol}/instruments/tok2"),
        "everywhere",
        &json!({}),
    );
    assert_eq!(made["state"], "active");
    assert_eq!(signal(&daemon, ("trusted", &tina), "of-trusted", "card_stolen", "tok2").0, 200);
    let path = format!("/v1/merchants/globex/customers/{carol}/instruments/tok2/history");
    let (_, told) = json_of(&daemon, "GET", &path, "everywhere", &Value::Null);
    let step = &told["history"][0];
    assert_eq!((&step["changes"][0]["field"], &step["by"]), (&json!("blocked"), &Value::Null), "{told}");
    assert!(!told.to_string().contains("trusted"), "{told}");
}

#[test]
fn history_hides_tokens_of_other_merchants() {
    let daemon = daemon();
    let alice = holder(&daemon, "acme", "alice", "tok");
    let carol = holder(&daemon, "globex", "carol", "tok");
    let bys = |merchant: &str, id: &str| {
        let path = format!("/v1/merchants/{merchant}/customers/{id}/history");
        let (_, history_page) = json_of(&daemon, "GET", &path, "everywhere", &Value::Null);
        let steps = history_page["history"].as_array().expect("steps").clone();
        steps.iter().take(4).map(|step| step["by"].clone()).collect::<Vec<_>>()
    };
    for (token, sent_signal) in [
        ("of-acme", "fraud_suspected"),
        ("of-acme", "card_stolen"),
        ("of-both", "card_stolen"),
        ("everywhere", "card_stolen"),
    ] {
        assert_eq!(signal(&daemon, ("acme", &alice), token, sent_signal, "tok").0, 200);
    }
    assert_eq!(bys("acme", &alice), ["everywhere", "of-both", "of-acme", "of-acme"]);
    assert_eq!(bys("globex", &carol), [json!("everywhere"), json!("of-both"), Value::Null, Value::Null]);

    // What is recorded with a name, as earlier versions recorded every name, is not told where its token does not reach.
    let reload = |tokens: &[(&str, &str, &[&str])]| {
        write_tokens(&daemon.folder, tokens);
        assert_eq!(json_of(&daemon, "POST", "/v1/reload", "everywhere", &Value::Null).0, 200);
    };
    let mut moved = TOKENS;
    moved[4].2 = &["acme"];
    reload(&moved);
    assert_eq!(bys("acme", &alice), ["everywhere", "of-both", "of-acme", "of-acme"]);
    assert_eq!(bys("globex", &carol), [json!("everywhere"), Value::Null, Value::Null, Value::Null]);
    // Nor where the merchants of the token are no longer known.
    reload(&[TOKENS[0], TOKENS[2]]);
    assert_eq!(bys("acme", &alice), [json!("everywhere"), Value::Null, Value::Null, Value::Null]);
}
