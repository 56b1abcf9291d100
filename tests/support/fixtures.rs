//! The merchant that the tests pay, and the bodies that they send.
//!
//! `acme` has one project, `web`, with one endpoint a currency, so that requests may leave both out. BHD has no rate.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

/// One euro in other currencies; none for BHD, and no age at which they go stale.
pub const RATES: &str = r#"
base = "EUR"
as_of = 2026-11-20T00:00:00Z
[rates]
USD = "1.25"
JPY = "160"
GBP = "1.5"
CAD = "1.5"
CHF = "1.5"
"#;

/// Top-level keys of a merchant who names customers by the merchant's own identifier.
pub const CRM: &str = "operation_mode = \"crm\"\nadd_all_projects_to_unknown_level = true\n";

/// Top-level keys of a merchant who names customers by the internal identifier.
pub const GATEWAY: &str = "operation_mode = \"payment_gateway\"\nadd_all_projects_to_unknown_level = true\n";

const GATES_AND_PROJECTS: &str = r#"
[[gates]]
id = "gate-a"

[[gates]]
id = "gate-b"

[[gates]]
id = "gate-off"
enabled = false

[[gates]]
id = "gate-out"
directions = ["withdrawal"]

[[gates]]
id = "gate-usd"
currencies = ["USD"]

[[gates]]
id = "gate-cash"
methods = ["cash"]

[[gates]]
id = "gate-big"
min_amount = "500.00"

[[gates]]
id = "gate-small"
max_amount = "20.00"

[[projects]]
id = "web"
client_definition = ["email", "phone"]
  [[projects.endpoints]]
  id = "web-eur"
  currency = "EUR"
  gates = ["gate-a", "gate-b"]
    [[projects.endpoints.methods]]
    method = "card"
    min_amount = "1.00"
    max_amount = "1000.00"
    [[projects.endpoints.methods]]
    method = "cash"
    [[projects.endpoints.methods]]
    method = "voucher"
    show_in_form = false
    max_amount = "200.00"
  [[projects.endpoints]]
  id = "web-usd"
  currency = "USD"
  gates = ["gate-a"]
  [[projects.endpoints]]
  id = "web-jpy"
  currency = "JPY"
  gates = ["gate-a"]
  [[projects.endpoints]]
  id = "web-gbp"
  currency = "GBP"
  gates = ["gate-a"]
  [[projects.endpoints]]
  id = "web-cad"
  currency = "CAD"
  gates = ["gate-a"]
  [[projects.endpoints]]
  id = "web-chf"
  currency = "CHF"
  gates = ["gate-a"]
  [[projects.endpoints]]
  id = "web-bhd"
  currency = "BHD"
  gates = ["gate-a"]
"#;

/// The merchant's file: its top-level keys, and its levels.
pub fn acme(head: &str, levels: &[String]) -> String {
    format!("id = \"acme\"\nname = \"Acme Games\"\n{head}{GATES_AND_PROJECTS}{}", levels.concat())
}

/// The gate of an endpoint of [`one_level`].
pub const ONE_GATE: &str = "  gates = [\"gate-a\"]\n";

/// Both gates of an endpoint of [`one_level`], and its method.
pub const GATES_AND_CARD: &str = "  gates = [\"gate-a\", \"gate-b\"]\n    [[projects.endpoints.methods]]\n    method = \"card\"\n    \
                                  min_amount = \"1.00\"\n    max_amount = \"1000.00\"\n";

/// Filters of three windows that no measured payment reaches.
pub const UNREACHED: [&str; 3] = [
    "window = \"daily\"; amount_limit = \"100000000.00\"; quantity_limit = 100000000",
    "window = \"weekly\"; amount_limit = \"100000000.00\"; quantity_limit = 100000000; calendar = true",
    "window = \"monthly\"; amount_limit = \"100000000.00\"; quantity_limit = 100000000",
];

/// `acme` in `crm` mode as the measurements use it: further top-level keys, one endpoint with the given keys, and one
/// level, `gold`, with these filters.
pub fn one_level(head: &str, endpoint: &str, filters: &[&str]) -> String {
    let filters: String = filters.iter().map(|keys| filter(keys)).collect();
    format!(
        "id = \"acme\"\nname = \"Acme\"\noperation_mode = \"crm\"\n{head}[[gates]]\nid = \"gate-a\"\n[[gates]]\nid = \
         \"gate-b\"\n[[projects]]\nid = \"web\"\nclient_definition = [\"email\"]\n  [[projects.endpoints]]\n  id = \
         \"web-eur\"\n  currency = \"EUR\"\n{endpoint}{}",
        level("gold", &filters)
    )
}

/// A level for deposits in euro at `web`: further keys, methods and filters as TOML.
pub fn level(name: &str, rest: &str) -> String {
    level_in("deposit", "EUR", name, rest)
}

/// A level for any direction and currency at `web`.
pub fn level_in(direction: &str, currency: &str, name: &str, rest: &str) -> String {
    format!(
        "\n[[levels]]\nname = \"{name}\"\ndirection = \"{direction}\"\ncurrency = \"{currency}\"\nprojects = [\"web\"]\n{rest}\n"
    )
}

/// One filter of a level, its keys one a line or separated by semicolons.
pub fn filter(keys: &str) -> String {
    let mut text = "  [[levels.filters]]\n".to_owned();
    for key in keys.split(';') {
        text.push_str("  ");
        text.push_str(key.trim());
        text.push('\n');
    }
    text
}

/// `acme` in `crm` mode with one level, `gold`, whose only filter has these keys.
pub fn gold(keys: &str) -> String {
    acme(CRM, &[level("gold", &filter(keys))])
}

/// A deposit in euro by alice at the level `gold`.
pub fn pay(id: &str, amount: &str) -> Value {
    json!({
        "transaction_id": id, "direction": "deposit", "currency": "EUR", "amount": amount,
        "merchant_customer_identifier": "alice", "customer_level": "gold",
    })
}

/// The same body with members added or replaced.
pub fn with(mut body: Value, members: &Value) -> Value {
    let target = body.as_object_mut().expect("a body is an object");
    for (name, value) in members.as_object().expect("members are an object") {
        target.insert(name.clone(), value.clone());
    }
    body
}

/// The same body without some members.
pub fn without(mut body: Value, names: &[&str]) -> Value {
    let target = body.as_object_mut().expect("a body is an object");
    for name in names {
        target.remove(*name);
    }
    body
}

/// The attributes of a customer, as requests name them.
pub const CUSTOMER_ATTRIBUTES: [&str; 13] = [
    "email",
    "phone",
    "external_id",
    "payment_instrument",
    "name",
    "first_name",
    "last_name",
    "country",
    "city",
    "address",
    "postal_code",
    "date_of_birth",
    "language",
];

/// Milliseconds of a minute.
pub const MINUTE: i64 = 60_000;
/// Milliseconds of an hour.
pub const HOUR: i64 = 60 * MINUTE;
/// Milliseconds of a day of 24 hours.
pub const DAY: i64 = 24 * HOUR;

/// The instant some milliseconds after Friday, 20 November 2026, 10:00 UTC, as the wire writes it.
pub fn at(ms: i64) -> String {
    let start: Timestamp = "2026-11-20T10:00:00Z".parse().expect("a time");
    format!("{:.3}", start + SignedDuration::from_millis(ms))
}

/// The instant some milliseconds after another, both as the wire writes them.
pub fn later(time: &str, ms: i64) -> String {
    let start: Timestamp = time.parse().expect("a time");
    format!("{:.3}", start + SignedDuration::from_millis(ms))
}

/// `at`, as the member that places a request in time.
pub fn when(ms: i64) -> Value {
    json!({ "occurred_at": at(ms) })
}

/// A payment by another customer that only moves the clock of a daemon on `source = "request"`.
pub fn tick(ms: i64) -> Value {
    json!({
        "transaction_id": format!("tick-{ms}"), "direction": "deposit", "currency": "USD", "amount": "1.00",
        "merchant_customer_identifier": "clock", "occurred_at": at(ms),
    })
}
