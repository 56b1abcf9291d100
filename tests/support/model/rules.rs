//! The configuration as the naive model reads it: the same TOML files as the daemon's, taken field by field without
//! any checking. A file that the daemon would refuse is not the model's business.

use crate::model::calendar::{DAY, SECOND, Window, instant};
use crate::model::money::{Fraction, Rates, decimal, iso_digits, minor};
use jiff::tz::TimeZone;
use std::collections::BTreeMap;
use std::path::Path;
use toml::{Table, Value};

#[derive(Clone, Debug)]
pub struct Rules {
    pub merchants: BTreeMap<String, Merchant>,
    pub rates: Rates,
    pub digits: BTreeMap<String, u32>,
    pub max_past_ms: i64,
}

#[derive(Clone, Debug)]
pub struct Merchant {
    pub crm: bool,
    pub unknown_level: bool,
    pub zone: TimeZone,
    pub add_all_projects_to_unknown: bool,
    pub hide_only: bool,
    pub refunds_original: bool,
    pub hold_deposit_ms: Option<i64>,
    pub hold_withdrawal_ms: Option<i64>,
    pub gates: Vec<Gate>,
    pub routes: Vec<(String, Vec<String>)>,
    pub endpoints: Vec<Endpoint>,
    pub levels: Vec<Level>,
}

#[derive(Clone, Debug)]
pub struct Gate {
    pub id: String,
    pub enabled: bool,
    pub directions: Option<Vec<String>>,
    pub currencies: Option<Vec<String>>,
    pub methods: Option<Vec<String>>,
    /// Plain numbers in the currency of the payment.
    pub min: Option<(i128, u32)>,
    pub max: Option<(i128, u32)>,
}

/// An endpoint together with the project that it leads into.
#[derive(Clone, Debug)]
pub struct Endpoint {
    pub project: String,
    pub id: String,
    pub currency: String,
    pub gates: Vec<String>,
    pub methods: Vec<Method>,
    pub client_definition: Vec<String>,
}

#[derive(Clone, Debug)]
pub struct Method {
    pub name: String,
    pub show: Option<bool>,
    pub min: Option<i128>,
    pub max: Option<i128>,
    pub gates: Option<Vec<String>>,
}

#[derive(Clone, Debug)]
pub struct Level {
    pub name: String,
    pub direction: String,
    pub currency: String,
    pub active: bool,
    pub projects: Option<Vec<String>>,
    pub gates: Option<Vec<String>>,
    pub methods: Vec<Method>,
    pub filters: Vec<Filter>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Enforce,
    Shadow,
    Off,
}

#[derive(Clone, Debug)]
pub struct Filter {
    pub name: String,
    pub window: Window,
    /// The first of the two codes of this kind of window: the amount's; the quantity's is the next number.
    pub code: i64,
    pub amount_limit: Option<i128>,
    pub quantity_limit: Option<i64>,
    pub all_currencies: bool,
    pub subtract: bool,
    pub mode: Mode,
}

impl Rules {
    pub fn read(folder: &Path) -> Self {
        let daemon = table(&folder.join("levelgate.toml"));
        let mut digits = BTreeMap::new();
        for (currency, value) in daemon.get("currencies").and_then(Value::as_table).into_iter().flatten() {
            digits.insert(
                currency.clone(),
                u32::try_from(value.as_integer().expect("minor units")).expect("minor units"),
            );
        }
        let max_past = daemon.get("clock").and_then(|c| c.get("max_past_seconds")).and_then(Value::as_integer);
        let mut merchants = BTreeMap::new();
        for entry in std::fs::read_dir(folder.join("merchants")).expect("a folder of merchants") {
            let path = entry.expect("a readable folder").path();
            if path.extension().is_some_and(|e| e == "toml") {
                let file = table(&path);
                merchants.insert(text(&file, "id").expect("a merchant's id"), Merchant::read(&file, &digits));
            }
        }
        Self {
            merchants,
            rates: rates(&table(&folder.join("rates.toml"))),
            digits,
            max_past_ms: max_past.unwrap_or(300) * SECOND,
        }
    }

    pub fn digits(&self, currency: &str) -> u32 {
        digits_of(&self.digits, currency)
    }
}

impl Merchant {
    fn read(file: &Table, digits: &BTreeMap<String, u32>) -> Self {
        let hold = |key: &str, default: &str| {
            let written = file.get("hold").and_then(|h| h.get(key)).and_then(Value::as_str).unwrap_or(default);
            if written == "never" { None } else { Some(span(written)) }
        };
        let mut endpoints = Vec::new();
        for project in tables(file, "projects") {
            let id = text(project, "id").expect("a project's id");
            for endpoint in tables(project, "endpoints") {
                let currency = text(endpoint, "currency").expect("an endpoint's currency");
                endpoints.push(Endpoint {
                    project: id.clone(),
                    id: text(endpoint, "id").expect("an endpoint's id"),
                    gates: list(endpoint, "gates").unwrap_or_default(),
                    methods: methods(endpoint, digits_of(digits, &currency)),
                    client_definition: list(endpoint, "client_definition")
                        .or_else(|| list(project, "client_definition"))
                        .unwrap_or_default(),
                    currency,
                });
            }
        }
        Self {
            crm: text(file, "operation_mode").is_none_or(|m| m == "crm"),
            unknown_level: text(file, "default_behaviour").is_none_or(|b| b == "unknown_level"),
            zone: TimeZone::get(&text(file, "time_zone").unwrap_or("UTC".into())).expect("a known time zone"),
            add_all_projects_to_unknown: flag(file, "add_all_projects_to_unknown_level").unwrap_or(false),
            hide_only: text(file, "hidden_methods").is_some_and(|h| h == "hide_only"),
            refunds_original: text(file, "refunds").is_some_and(|r| r == "original"),
            hold_deposit_ms: hold("deposit", "1h"),
            hold_withdrawal_ms: hold("withdrawal", "7d"),
            gates: tables(file, "gates").map(gate).collect(),
            routes: tables(file, "routes")
                .map(|r| (text(r, "id").expect("a route's id"), list(r, "gates").unwrap_or_default()))
                .collect(),
            endpoints,
            levels: tables(file, "levels").map(|l| level(l, digits)).collect(),
        }
    }

    pub fn hold_ms(&self, direction: &str) -> Option<i64> {
        if direction == "deposit" { self.hold_deposit_ms } else { self.hold_withdrawal_ms }
    }

    /// The flag of a fact that names a gate.
    pub fn flag_of(&self, gate: Option<&str>) -> Option<&'static str> {
        let is_unknown = gate.is_some_and(|gate| self.gates.iter().all(|known| known.id != gate));
        is_unknown.then_some("unknown_gate")
    }

    pub fn level(&self, direction: &str, currency: &str, name: &str) -> Option<&Level> {
        self.levels.iter().find(|l| l.direction == direction && l.currency == currency && l.name == name)
    }
}

fn gate(gate: &Table) -> Gate {
    let bound = |key: &str| text(gate, key).map(|t| decimal(&t).expect("a plain number"));
    Gate {
        id: text(gate, "id").expect("a gate's id"),
        enabled: flag(gate, "enabled").unwrap_or(true),
        directions: list(gate, "directions"),
        currencies: list(gate, "currencies"),
        methods: list(gate, "methods"),
        min: bound("min_amount"),
        max: bound("max_amount"),
    }
}

fn level(level: &Table, digits: &BTreeMap<String, u32>) -> Level {
    let currency = text(level, "currency").expect("a level's currency");
    let places = digits_of(digits, &currency);
    Level {
        name: text(level, "name").expect("a level's name"),
        direction: text(level, "direction").expect("a level's direction"),
        active: text(level, "status").is_none_or(|s| s == "active"),
        projects: list(level, "projects"),
        gates: list(level, "gates"),
        methods: methods(level, places),
        filters: tables(level, "filters").map(|f| filter(f, places)).collect(),
        currency,
    }
}

fn filter(filter: &Table, places: u32) -> Filter {
    let written = text(filter, "window").expect("a window");
    let calendar = flag(filter, "calendar").unwrap_or(false);
    let same_day = text(filter, "month").is_some_and(|m| m == "same_day");
    let sunday = text(filter, "week_starts_on").is_some_and(|w| w == "sunday");
    let (window, code) = match (written.as_str(), calendar) {
        ("daily", true) => (Window::CalendarDay, 19000),
        ("daily", false) => (Window::Rolling(DAY), 19000),
        ("weekly", true) => (Window::CalendarWeek { sunday }, 19002),
        ("weekly", false) => (Window::Rolling(7 * DAY), 19002),
        ("monthly", true) => (Window::CalendarMonth, 19004),
        ("monthly", false) if same_day => (Window::SameDay, 19004),
        ("monthly", false) => (Window::Rolling(30 * DAY), 19004),
        ("lifetime", _) => (Window::Lifetime, 19006),
        (other, _) => (Window::Rolling(span(other)), 19006),
    };
    Filter {
        name: text(filter, "name").unwrap_or(written),
        window,
        code,
        amount_limit: text(filter, "amount_limit").map(|t| minor(&t, places).expect("an amount limit")),
        quantity_limit: filter.get("quantity_limit").map(|q| q.as_integer().expect("a quantity limit")),
        all_currencies: flag(filter, "for_all_merchant_currencies").unwrap_or(false),
        subtract: flag(filter, "subtract_cancel_transactions").unwrap_or(false),
        mode: match text(filter, "mode").as_deref() {
            None | Some("enforce") => Mode::Enforce,
            Some("shadow") => Mode::Shadow,
            Some(_) => Mode::Off,
        },
    }
}

fn methods(owner: &Table, places: u32) -> Vec<Method> {
    let bound = |m: &Table, key: &str| text(m, key).map(|t| minor(&t, places).expect("an amount"));
    tables(owner, "methods")
        .map(|m| Method {
            name: text(m, "method").expect("a method's name"),
            show: flag(m, "show_in_form"),
            min: bound(m, "min_amount"),
            max: bound(m, "max_amount"),
            gates: list(m, "gates"),
        })
        .collect()
}

fn rates(file: &Table) -> Rates {
    let units = file.get("rates").and_then(Value::as_table).into_iter().flatten().map(|(currency, rate)| {
        let (value, scale) = decimal(rate.as_str().expect("a rate in quotes")).expect("a rate");
        (currency.clone(), Fraction::of(value, 10_i128.pow(scale)))
    });
    let as_of = file.get("as_of").map(|t| instant(&t.to_string()).expect("an instant"));
    Rates {
        base: text(file, "base").unwrap_or_default(),
        as_of_ms: as_of.unwrap_or(0),
        max_age_ms: text(file, "max_age").map(|s| span(&s)),
        units: units.collect(),
    }
}

/// Reads a span such as `45m`, `6h` or `90d` into milliseconds.
fn span(written: &str) -> i64 {
    let (number, unit) = written.split_at(written.len() - 1);
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => panic!("no unit in the span {written}"),
    };
    number.parse::<i64>().expect("a span") * seconds * SECOND
}

fn digits_of(overrides: &BTreeMap<String, u32>, currency: &str) -> u32 {
    overrides.get(currency).copied().unwrap_or_else(|| iso_digits(currency))
}

fn table(path: &Path) -> Table {
    std::fs::read_to_string(path).unwrap_or_default().parse().expect("a file in TOML")
}

fn text(table: &Table, key: &str) -> Option<String> {
    table.get(key).map(|v| v.as_str().expect("a string").to_owned())
}

fn flag(table: &Table, key: &str) -> Option<bool> {
    table.get(key).map(|v| v.as_bool().expect("true or false"))
}

fn list(table: &Table, key: &str) -> Option<Vec<String>> {
    let items = table.get(key)?.as_array().expect("a list");
    Some(items.iter().map(|v| v.as_str().expect("a string").to_owned()).collect())
}

fn tables<'a>(table: &'a Table, key: &str) -> impl Iterator<Item = &'a Table> {
    table.get(key).and_then(Value::as_array).into_iter().flatten().map(|v| v.as_table().expect("a table"))
}
