//! A document is what a file or a body would say: read again, it has the meaning that it had.

use crate::config::{
    body::{self, InvalidBody},
    compile, document,
    parse::{raw, value::Table},
    report::{file_report::FileReport, source::Source},
};
use crate::domain::{
    rules::{
        level::{Level, LevelKey},
        merchant::Merchant,
    },
    vocabulary::{
        direction::Direction,
        money::{Currencies, Currency},
        names::Name,
    },
};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use toml::de::DeTable;

/// A merchant with every key, each with a value that is not its default where both are possible.
const WHOLE: &str = r#"
id = "m"
name = "M"
operation_mode = "payment_gateway"
default_behaviour = "project"
time_zone = "Europe/Nicosia"
reset_individual_settings_on_level_change = true
add_all_projects_to_unknown_level = true
refunds = "original"
hidden_methods = "hide_only"
trust_blocks = true
numeric_ids = true
sandbox = true
seal_identifiers = true
labels_max = 3
raise_delay = "72h"
raise_confirm = true
confirm_within = "3d"
raise_not_before = "period_end"
deletion_grace = "10d"
terminal_url = "https://terminal.example/{customer_id}"
[hold]
deposit = "never"
withdrawal = "90m"
[registration]
primary_identifier = "email"
allow_any_identifier = true
strict_primary_check = true
merge_on_duplicate = true
min_registration_date = 2020-01-01
default_country = "CY"
from_payments = "match"
[registration.email]
required = true
[registration.phone]
unique = true
[registration.external_id]
allow_update = false
length = 12
prefix = "1112"
suffix = "34"
offset = 3000
checksum = "auto_inc"
sources = ["api"]
replace = true
[[labels]]
name = "vip"
kind = "internal"
restrictions = ["block_merge", "manager"]
[[gates]]
id = "g"
enabled = false
directions = ["deposit"]
currencies = ["EUR"]
methods = ["card"]
min_amount = "1.5"
max_amount = "10"
weight = 70
[[gates]]
id = "h"
[[routes]]
id = "r"
gates = ["h", "g"]
routing = "weighted"
[[projects]]
id = "p"
client_definition = ["email", "phone"]
[[projects.endpoints]]
id = "e"
currency = "EUR"
gates = ["r", "g"]
client_definition = ["phone"]
[[projects.endpoints.methods]]
method = "card"
show_in_form = false
min_amount = "5"
max_amount = "100"
gates = ["h"]
[[levels]]
name = "gold"
direction = "deposit"
currency = "EUR"
status = "disabled"
projects = "all"
gates = ["g"]
routing = "weighted"
[[levels.methods]]
method = "card"
min_amount = "7.25"
[[levels.filters]]
window = "monthly"
month = "same_day"
amount_limit = "500.00"
quantity_limit = 4
for_all_merchant_currencies = true
subtract_cancel_transactions = true
mode = "shadow"
warn_at = "12.5%"
[[levels.filters]]
window = "weekly"
calendar = true
week_starts_on = "sunday"
amount_limit = "1"
"#;

/// The merchant of a table, if it has no errors, and the problems.
fn compiled(table: &Table, text: &str) -> Result<Merchant, Vec<(String, String)>> {
    let report = FileReport::new(Source { path: "m.toml".to_owned(), text: text.to_owned() });
    let section = crate::config::parse::section::Section::new(&report, table, "a merchant's file", 0..0);
    let raw = raw::merchant(&section);
    let merchant = compile::merchant::merchant(&raw, &report, &Currencies::default());
    let problems = || report.finish().into_iter().map(|problem| (problem.message, problem.help)).collect();
    merchant.ok_or_else(problems)
}

fn of_toml(text: &str) -> Result<Merchant, Vec<(String, String)>> {
    compiled(&Table::from_toml(DeTable::parse(text).unwrap().get_ref()), text)
}

fn of_json(text: &str) -> Result<Merchant, Vec<(String, String)>> {
    compiled(&Table::from_json(&body::object(text.as_bytes()).unwrap(), text).unwrap(), text)
}

fn shown(merchant: &Merchant) -> Value {
    let currencies = Currencies::default();
    json!(document::merchant(merchant, &currencies, document::levels(merchant, &currencies)))
}

#[test]
fn the_document_of_a_merchant_read_as_its_file_is_the_same_merchant() {
    let samples = [
        WHOLE,
        "id = \"bare\"",
        include_str!("../../../config/merchants/acme.toml"),
        include_str!("../../../config/merchants/globex.toml"),
    ];
    for text in samples {
        let document = shown(&of_toml(text).unwrap());
        let again = of_json(&document.to_string()).unwrap_or_else(|problems| panic!("{document}: {problems:?}"));
        assert_eq!(shown(&again), document);
    }
}

#[test]
fn the_document_of_a_merchant_has_every_key_that_a_file_may_have() {
    // An unknown key in each table: the parser answers with the keys that it knows there.
    const UNKNOWN: &str = "zzzzqqqq = 1\n";
    let mut text = UNKNOWN.to_owned();
    for line in WHOLE.lines() {
        text.push_str(line);
        text.push('\n');
        if line.starts_with('[') {
            text.push_str(UNKNOWN);
        }
    }
    let mut known: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (message, help) in of_toml(&text).unwrap_err() {
        if let (Some(table), Some(keys)) =
            (message.strip_prefix("unknown key `zzzzqqqq` in "), help.strip_prefix("known keys: "))
        {
            known.insert(table.to_owned(), keys.split(", ").map(str::to_owned).collect());
        }
    }
    let document = shown(&of_toml(WHOLE).unwrap());
    let places = [
        ("a merchant's file", ""),
        ("hold", "/hold"),
        ("[registration]", "/registration"),
        ("email", "/registration/email"),
        ("phone", "/registration/phone"),
        ("[registration.external_id]", "/registration/external_id"),
        ("a label", "/labels/0"),
        ("a gate", "/gates/0"),
        ("a route", "/routes/0"),
        ("a project", "/projects/0"),
        ("an endpoint", "/projects/0/endpoints/0"),
        ("a payment method", "/projects/0/endpoints/0/methods/0"),
        ("a level", "/levels/0"),
        ("a filter", "/levels/0/filters/0"),
    ];
    let tables: BTreeSet<&str> = places.iter().map(|(table, _)| *table).collect();
    assert_eq!(known.keys().map(String::as_str).collect::<BTreeSet<_>>(), tables, "every table has its place");
    for (table, place) in places {
        let keys = document.pointer(place).and_then(Value::as_object).unwrap();
        let keys: BTreeSet<String> = keys.keys().cloned().collect();
        assert_eq!(keys, known[table], "{table}");
    }
}

#[test]
fn defaults_are_filled_in() {
    let document = shown(&of_toml("id = \"bare\"\n[[gates]]\nid = \"g\"\n[[levels]]\nname = \"unknown\"\ndirection = \"deposit\"\ncurrency = \"EUR\"\n").unwrap());
    for (place, value) in [
        ("/name", json!("bare")),
        ("/operation_mode", json!("crm")),
        ("/time_zone", json!("UTC")),
        ("/hold/withdrawal", json!("7d")),
        ("/raise_delay", json!("1d")),
        ("/raise_confirm", json!(false)),
        ("/confirm_within", Value::Null),
        ("/deletion_grace", json!("30d")),
        ("/labels_max", json!(10)),
        ("/registration/primary_identifier", json!("merchant_customer_identifier")),
        ("/registration/email/allow_update", json!(true)),
        ("/registration/external_id/length", Value::Null),
        ("/gates/0/enabled", json!(true)),
        ("/gates/0/weight", json!(1)),
        ("/gates/0/currencies", Value::Null),
        ("/levels/0/status", json!("active")),
        ("/levels/0/projects", json!("all")),
        ("/levels/0/gates", Value::Null),
    ] {
        assert_eq!(document.pointer(place), Some(&value), "{place}");
    }
}

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

fn gold() -> LevelKey {
    let currency = Currency::parse("EUR").unwrap();
    LevelKey { merchant: name("m"), direction: Direction::Deposit, currency, name: name("gold") }
}

fn read_level(text: &str, merchant: &Merchant) -> Result<Level, InvalidBody> {
    body::level(text.as_bytes(), &gold(), merchant, &Currencies::default(), true).map(|body| body.level)
}

fn amount() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        (0_u32..9_999_999).prop_map(|minor| json!(format!("{}.{:02}", minor / 100, minor % 100)))
    ]
}

fn optional<T: Clone + std::fmt::Debug + 'static>(values: &'static [T]) -> impl Strategy<Value = Value>
where
    Value: From<T>,
{
    proptest::option::of(proptest::sample::select(values)).prop_map(|value| value.map_or(Value::Null, Value::from))
}

fn window() -> impl Strategy<Value = Value> {
    proptest::sample::select(vec![
        json!({ "window": "daily" }),
        json!({ "window": "daily", "calendar": true }),
        json!({ "window": "weekly" }),
        json!({ "window": "weekly", "calendar": true, "week_starts_on": "monday" }),
        json!({ "window": "weekly", "calendar": true, "week_starts_on": "sunday" }),
        json!({ "window": "monthly" }),
        json!({ "window": "monthly", "calendar": true }),
        json!({ "window": "monthly", "month": "30d" }),
        json!({ "window": "monthly", "month": "same_day" }),
        json!({ "window": "lifetime" }),
        json!({ "window": "24h" }),
        json!({ "window": "1d" }),
        json!({ "window": "7d" }),
        json!({ "window": "30d" }),
        json!({ "window": "36h" }),
        json!({ "window": "1500ms" }),
    ])
}

fn filter() -> impl Strategy<Value = Value> {
    let options = (
        optional(&[false, true]),
        optional(&[false, true]),
        optional(&["enforce", "shadow", "off"]),
        optional(&["80%", "0.01%", "12.50%", "100%"]),
        proptest::option::of(0_u64..1_000),
    );
    (window(), amount(), options).prop_map(|(mut filter, amount, (merchant, subtracts, mode, warn_at, quantity))| {
        filter["amount_limit"] = amount;
        filter["quantity_limit"] = json!(quantity);
        filter["for_all_merchant_currencies"] = merchant;
        filter["subtract_cancel_transactions"] = subtracts;
        filter["mode"] = mode;
        filter["warn_at"] = warn_at;
        filter
    })
}

fn gates() -> impl Strategy<Value = Value> {
    proptest::sample::select(vec![Value::Null, json!(["g"]), json!(["h", "g"]), json!(["r"]), json!(["r", "h"])])
}

fn level() -> impl Strategy<Value = Value> {
    let method = (amount(), amount(), optional(&[false, true]), gates());
    let methods = proptest::collection::vec(method, 0..3);
    let projects = proptest::sample::select(vec![Value::Null, json!("all"), json!([]), json!(["p"])]);
    let filters = proptest::collection::vec(filter(), 0..4);
    let rest = (projects, gates(), optional(&["priority", "weighted"]), optional(&["active", "disabled"]));
    (methods, filters, rest).prop_map(|(methods, mut filters, (projects, gates, routing, status))| {
        let method = |(number, (min, max, shown, gates)): (usize, (Value, Value, Value, Value))| {
            json!({
                "method": format!("method-{number}"), "min_amount": min, "max_amount": max, "show_in_form": shown,
                "gates": gates,
            })
        };
        let methods: Vec<Value> = methods.into_iter().enumerate().map(method).collect();
        for (number, filter) in filters.iter_mut().enumerate().skip(1) {
            filter["name"] = json!(format!("filter-{number}"));
        }
        json!({
            "projects": projects, "methods": methods, "gates": gates, "routing": routing, "status": status,
            "filters": filters,
        })
    })
}

proptest! {
    #[test]
    fn levels_that_are_sent_back_are_the_same(sent in level()) {
        let (merchant, currencies) = (of_toml(WHOLE).unwrap(), Currencies::default());
        // A minimum can be above its maximum.
        let Ok(read) = read_level(&sent.to_string(), &merchant) else { return Ok(()) };
        let shown = json!(document::level(&read, &merchant, &currencies));
        let again = read_level(&shown.to_string(), &merchant);
        prop_assert_eq!(again.as_ref(), Ok(&read), "{}", shown);
        // A record stores the text of the settings, and a start reads it.
        let body = body::level(shown.to_string().as_bytes(), &gold(), &merchant, &currencies, true).unwrap();
        prop_assert!(!body.text.contains("\"direction\""), "{}", body.text);
        prop_assert_eq!(read_level(&body.text, &merchant), Ok(read));
        prop_assert_eq!(json!(document::level(&again.unwrap(), &merchant, &currencies)), shown);
    }

    #[test]
    fn rates_that_are_sent_back_are_the_same(
        rates in proptest::collection::btree_map("USD|JPY|GBP|CHF", (1_u64..9_999_999, 0_usize..6), 0..4),
        as_of in proptest::option::of(0_i64..4_000_000),
        max_age in proptest::option::of("[1-9]h|[1-9][0-9]d|90m"),
    ) {
        let decimal = |(digits, scale): (u64, usize)| {
            let digits = format!("{digits:08}");
            format!("{}.{}", &digits[..8 - scale], &digits[8 - scale..]).trim_end_matches('.').to_owned()
        };
        let rates: BTreeMap<String, String> =
            rates.into_iter().map(|(currency, rate)| (currency, decimal(rate))).collect();
        let is_table = !rates.is_empty() || as_of.is_some() || max_age.is_some();
        let sent = json!({
            "base": is_table.then_some("EUR"),
            "as_of": as_of.map(|at| crate::domain::vocabulary::time::Millis(at * 1_000).to_string()),
            "max_age": max_age,
            "rates": rates,
        });
        let read = |sent: &Value| body::rates(sent.to_string().as_bytes(), &Currencies::default()).unwrap();
        let first = read(&sent);
        let shown = json!(document::rates(&first.rates));
        let again = read(&shown);
        prop_assert!(again.rates.is_table_of(&first.rates), "{shown}");
        prop_assert_eq!(json!(document::rates(&again.rates)), shown);
        let stored = body::rates(first.text.as_bytes(), &Currencies::default()).unwrap();
        prop_assert!(stored.rates.is_table_of(&first.rates) && stored.rates.version == first.rates.version);
    }
}
