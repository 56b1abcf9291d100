//! An answer to staff about a blocked customer says since when and by whom. A gateway and other merchants get no name.

use serde_json::{Value, json};

use crate::token_access::call;
use support::daemon::{ConfigFolder, Daemon, Settings};
use support::fixtures::{CRM, acme, pay, with};

const LABELS: &str = "\n[[labels]]\nname = \"regular\"\n\n[[labels]]\nname = \"stopped\"\nkind = \"suspended\"\n\
                      restrictions = [\"block_deposits\"]\n\n";
/// Name and role of each token, and the merchants that it is for; none: all.
const TOKENS: [(&str, &str, &[&str]); 6] = [
    ("olga", "operator", &["acme"]),
    ("vera", "viewer", &["acme"]),
    ("till", "gateway", &["acme"]),
    ("gina", "operator", &["globex"]),
    ("otto", "operator", &[]),
    ("thea", "gateway", &["trusted"]),
];

fn token_of(name: &str) -> String {
    format!("token-{name}-0123456789")
}

fn daemon() -> Daemon {
    let merchant = |id: &str| {
        let trusts = if id == "trusted" { "trust_blocks = true\n" } else { "" };
        let text = acme(&format!("{CRM}{trusts}"), &[]).replacen("id = \"acme\"", &format!("id = {id:?}"), 1);
        (id.to_owned(), text.replacen("[[gates]]", &format!("{LABELS}[[gates]]"), 1))
    };
    let merchants = ["acme", "globex", "trusted"].map(merchant);
    let merchants: Vec<(&str, String)> = merchants.iter().map(|(id, text)| (id.as_str(), text.clone())).collect();
    let settings = Settings { store: "kind = \"disk\"\nsync = \"always\"", ..Settings::SYSTEM };
    let folder = ConfigFolder::new(&settings, &merchants);
    let mut text = settings.text();
    text.push_str("\n[auth]\ntokens = [\n");
    for (name, role, merchants) in TOKENS {
        folder.write(&format!("{name}.token"), &token_of(name));
        let file = folder.path().join(format!("{name}.token")).display().to_string();
        let some = if merchants.is_empty() { String::new() } else { format!(", merchants = {merchants:?}") };
        text.push_str(&format!("  {{ name = {name:?}, role = {role:?}, token_file = {file:?}{some} }},\n"));
    }
    text.push_str("]\n");
    folder.write("levelgate.toml", &text);
    Daemon::start(folder)
}

fn ok(daemon: &Daemon, token: &str, method: &str, path: &str, body: &Value) -> Value {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let (status, answer) = call(daemon, method, path, &token_of(token), &body);
    assert!((200..300).contains(&status), "{method} {path} by {token}: {answer}");
    serde_json::from_str(answer.split_once("\r\n\r\n").expect("a body").1).expect("JSON")
}

/// A payment of a customer of a merchant, by an instrument or by none; `id` names it.
fn reserve(daemon: &Daemon, merchant: &str, who: &str, instrument: Option<&str>, id: &str) -> Value {
    let fields = json!({ "merchant_customer_identifier": who, "payment_instrument": instrument });
    let token = if merchant == "acme" { "till" } else { "otto" };
    ok(daemon, token, "POST", &format!("/v1/merchants/{merchant}/transactions"), &with(pay(id, "1.00"), &fields))
}

/// A customer who has paid by an instrument.
fn holder(daemon: &Daemon, merchant: &str, who: &str, instrument: &str) -> String {
    let first = format!("first-{who}");
    let answer = reserve(daemon, merchant, who, Some(instrument), &first);
    ok(daemon, "otto", "POST", &format!("/v1/merchants/{merchant}/transactions/{first}/approve"), &json!({}));
    format!("/v1/merchants/{merchant}/customers/{}", answer["customer"]["customer_id"].as_str().expect("an id"))
}

fn check(daemon: &Daemon, token: &str, who: &str, instrument: Option<&str>, explain: bool) -> Value {
    let fields = json!({ "merchant_customer_identifier": who, "payment_instrument": instrument, "explain": explain });
    ok(daemon, token, "POST", "/v1/merchants/acme/decisions", &with(pay("c", "1.00"), &fields))
}

fn shown(daemon: &Daemon, token: &str, id: &str) -> Value {
    ok(daemon, token, "GET", &format!("/v1/merchants/acme/transactions/{id}"), &Value::Null)
}

/// Each cause of the first code with its author; a cause without `since` ends with `?`.
fn origins(answer: &Value) -> Vec<String> {
    let of = |cause: &Value| {
        let by = cause["by"].as_str().unwrap_or("-");
        let unknown = if cause["since"].is_string() { "" } else { "?" };
        format!("{} {by}{unknown}", cause["cause"].as_str().unwrap_or("code"))
    };
    let code = &answer["codes"][0];
    code["blocked_by"].as_array().map_or_else(|| vec![of(code)], |causes| causes.iter().map(of).collect())
}

#[test]
fn staff_are_told_since_when_and_by_whom_a_customer_is_blocked() {
    let mut daemon = daemon();
    let ann = holder(&daemon, "acme", "ann", "tok-ann");
    ok(&daemon, "olga", "PATCH", &ann, &json!({ "labels": ["stopped"], "disabled_projects": ["web"] }));
    ok(&daemon, "otto", "PATCH", &ann, &json!({ "status": "fraud" }));
    ok(&daemon, "otto", "PATCH", &ann, &json!({ "first_name": "Ann" }));
    let denied = reserve(&daemon, "acme", "ann", None, "denied-ann");
    assert_eq!(origins(&denied), ["status -?", "label -?", "project -?"], "a payment waits for no history");
    let all = ["status -", "label olga", "project olga"];
    let by_all = ["status otto", "label olga", "project olga"];
    for round in ["at first", "after a kill"] {
        // A token for some merchants is not told the name of one for all.
        for token in ["olga", "vera"] {
            assert_eq!(origins(&check(&daemon, token, "ann", None, true)), all, "{token} {round}");
            assert_eq!(origins(&shown(&daemon, token, "denied-ann")), all, "{token} {round}");
        }
        assert_eq!(origins(&shown(&daemon, "otto", "denied-ann")), by_all, "{round}");
        // The role gateway, and a check that asks for no explanation.
        assert_eq!(origins(&check(&daemon, "till", "ann", None, true)), origins(&denied), "{round}");
        assert_eq!(origins(&shown(&daemon, "till", "denied-ann")), origins(&denied), "{round}");
        assert_eq!(origins(&check(&daemon, "olga", "ann", None, false)), origins(&denied), "{round}");
        daemon.kill_and_start();
    }
    // A list shows the same as each of its transactions, to staff alone; one of more than a hundred rows shows none.
    let listed = |token: &str, list: &str| {
        let page = ok(&daemon, token, "GET", list, &Value::Null);
        let rows = page["transactions"].as_array().expect("a list");
        origins(rows.iter().find(|row| row["transaction_id"] == "denied-ann").expect("the denial"))
    };
    let of_customer = format!("{ann}/transactions");
    for list in ["/v1/merchants/acme/transactions?status=denied", "/v1/merchants/acme/transactions", &of_customer] {
        assert_eq!(listed("olga", list), all, "{list}");
        assert_eq!(listed("otto", list), by_all, "{list}");
        assert_eq!(listed("till", list), origins(&denied), "{list}");
    }
    // The times are those of the history.
    let history = ok(&daemon, "otto", "GET", &format!("{ann}/history"), &Value::Null);
    let at_of = |field: &str| {
        let steps = history["history"].as_array().expect("steps").iter();
        let has = |step: &&Value| step["changes"].as_array().expect("changes").iter().any(|c| c["field"] == field);
        steps.clone().find(has).map(|step| step["at"].clone()).expect("a step")
    };
    let causes = shown(&daemon, "otto", "denied-ann")["codes"][0]["blocked_by"].clone();
    for (index, field) in ["status", "labels", "disabled_projects"].into_iter().enumerate() {
        assert_eq!(causes[index]["since"], at_of(field), "{field}: {causes}");
    }
    // A later block does not explain an earlier denial. A block that is lifted later still does.
    ok(&daemon, "otto", "PATCH", &ann, &json!({ "labels": [], "disabled_projects": [] }));
    ok(&daemon, "olga", "PATCH", &ann, &json!({ "labels": ["stopped"] }));
    ok(&daemon, "olga", "POST", &format!("{ann}/signals"), &json!({ "signal": "cleared" }));
    assert_eq!(origins(&shown(&daemon, "otto", "denied-ann")), by_all);
    assert_eq!(origins(&check(&daemon, "otto", "ann", None, true)), ["label olga"]);
}

#[test]
fn staff_are_told_since_when_and_by_whom_an_instrument_is_blocked() {
    let mut daemon = daemon();
    let ann = holder(&daemon, "acme", "ann", "tok-1");
    holder(&daemon, "globex", "gus", "tok-1");
    let signal = |daemon: &Daemon, token: &str, customer: &str, signal: &str, instrument: &str| {
        let body = json!({ "signal": signal, "payment_instrument": instrument });
        ok(daemon, token, "POST", &format!("{customer}/signals"), &body)
    };
    signal(&daemon, "till", &ann, "card_stolen", "tok-1");
    reserve(&daemon, "acme", "ann", None, "no-card");
    reserve(&daemon, "acme", "ann", Some("tok-1"), "by-card");
    for round in ["at first", "after a kill"] {
        for token in ["olga", "vera", "otto"] {
            for answer in [shown(&daemon, token, "no-card"), check(&daemon, token, "ann", None, true)] {
                assert_eq!(origins(&answer), ["instrument till"], "{token} {round}");
                let blocked = answer["codes"][0]["blocked_by"][0]["payment_instruments"].clone();
                assert_eq!((&blocked[0]["payment_instrument"], &blocked[0]["by"]), (&json!("tok-1"), &json!("till")));
                assert!(blocked[0]["since"].is_string() && blocked[1].is_null(), "{blocked}");
            }
            for answer in [shown(&daemon, token, "by-card"), check(&daemon, token, "ann", Some("tok-1"), true)] {
                assert_eq!(answer["codes"][0]["code"], 19106);
                assert_eq!(origins(&answer), ["code till"], "{token} {round}");
            }
        }
        assert_eq!(origins(&shown(&daemon, "till", "by-card")), ["code -?"], "{round}");
        daemon.kill_and_start();
    }
    for list in [format!("{ann}/transactions"), format!("{ann}/instruments/tok-1/transactions")] {
        let page = ok(&daemon, "olga", "GET", &list, &Value::Null);
        let rows = page["transactions"].as_array().expect("a list").iter();
        let denied: Vec<_> = rows.filter(|row| row["status"] == "denied").flat_map(origins).collect();
        let want: &[&str] =
            if list.contains("instruments") { &["code till"] } else { &["instrument till", "code till"] };
        assert_eq!(denied, want, "{list}");
    }
    // An instrument that is named only among the attributes: the attribute is named, and not its value.
    let attribute = |id: &str, named: Option<&str>| {
        let customer = json!({ "payment_instrument": "tok-1" });
        let fields =
            json!({ "merchant_customer_identifier": "dan", "customer": customer, "payment_instrument": named });
        ok(&daemon, "till", "POST", "/v1/merchants/acme/transactions", &with(pay(id, "1.00"), &fields))
    };
    let answered = attribute("by-attribute", None);
    for answer in [answered, shown(&daemon, "till", "by-attribute"), shown(&daemon, "otto", "by-attribute")] {
        let code = &answer["codes"][0];
        assert_eq!((&code["code"], &code["attribute"]), (&json!(19106), &json!("payment_instrument")), "{answer}");
        assert!(code["payment_instrument"].is_null() && !answer.to_string().contains("tok-1"), "{answer}");
    }
    let both = attribute("by-both", Some("tok-1"));
    let code = &both["codes"][0];
    assert_eq!((&code["payment_instrument"], &code["attribute"]), (&json!("tok-1"), &Value::Null), "{both}");
    // Lifted, and set again by another token: the first denials keep their origin.
    signal(&daemon, "olga", &ann, "cleared", "tok-1");
    signal(&daemon, "otto", &ann, "fraud_confirmed", "tok-1");
    assert_eq!(origins(&shown(&daemon, "otto", "by-card")), ["code till"]);
    assert_eq!(origins(&shown(&daemon, "otto", "no-card")), ["instrument till"]);
    assert_eq!(origins(&check(&daemon, "otto", "ann", Some("tok-1"), true)), ["code otto"]);
    assert_eq!(origins(&check(&daemon, "olga", "ann", Some("tok-1"), true)), ["code -"]);

    // A block of a trusted merchant acts here: the time is shown, and nothing of who set it.
    let tina = holder(&daemon, "trusted", "tina", "tok-2");
    let bob = holder(&daemon, "acme", "bob", "tok-2");
    signal(&daemon, "thea", &tina, "card_stolen", "tok-2");
    reserve(&daemon, "acme", "bob", Some("tok-2"), "bob-card");
    for answer in [shown(&daemon, "olga", "bob-card"), check(&daemon, "vera", "bob", None, true)] {
        assert_eq!(origins(&answer).len(), 1);
        assert!(origins(&answer)[0].ends_with(" -"), "{answer}");
        let text = answer.to_string();
        assert!(!text.contains("thea") && !text.contains("trusted") && !text.contains("tina"), "{text}");
    }
    // An instrument that was removed still blocks, and is named.
    ok(&daemon, "olga", "DELETE", &format!("{bob}/instruments/tok-2"), &Value::Null);
    let answer = check(&daemon, "olga", "bob", None, true);
    assert_eq!(
        answer["codes"][0]["blocked_by"][0]["payment_instruments"][0]["payment_instrument"], "tok-2",
        "{answer}"
    );
}
