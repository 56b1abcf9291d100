//! Random configurations, written as the files that the daemon reads. Amounts lie on a coarse grid whose steps are worth
//! the same in every currency at the round rates, so that limits are met exactly and exceeded by one step.

use crate::model::calendar::{SECOND, instant, written};
use crate::model::money::{iso_digits, shown};
use crate::random::Random;
use std::fmt::Write as _;
use std::path::Path;

pub const CURRENCIES: [&str; 4] = ["EUR", "USD", "JPY", "BHD"];
pub const LEVELS: [&str; 3] = ["unknown", "bronze", "gold"];
const GATES: [&str; 5] = ["g0", "g1", "g2", "g3", "g4"];

/// Zones with days on which the clocks change: at midnight, by half an hour, by a whole lost day, or never.
pub const ZONES: [(&str, &[&str]); 7] = [
    ("Europe/Berlin", &["2015-10-23", "2016-03-25", "2016-10-28", "2017-03-24"]),
    ("America/Sao_Paulo", &["2015-02-20", "2015-10-16", "2016-02-19", "2017-10-13", "2018-02-16", "2018-11-02"]),
    ("America/Havana", &["2015-10-30", "2016-03-11", "2016-11-04", "2017-03-10"]),
    ("Australia/Lord_Howe", &["2015-10-02", "2016-04-01", "2016-09-30"]),
    ("Asia/Kathmandu", &["2016-02-27", "2016-12-30"]),
    ("Pacific/Apia", &["2011-12-28", "2016-04-01"]),
    ("UTC", &["2015-02-26", "2016-02-27"]),
];

/// Ends of months, long and short ones, for windows that look a month back.
const MONTH_ENDS: [&str; 6] = ["2016-01-29", "2016-02-27", "2016-03-29", "2016-04-29", "2017-01-29", "2017-02-26"];

pub struct Merchant {
    pub id: String,
    pub crm: bool,
}

/// What the generator of operations needs to know of the files.
pub struct Setup {
    pub merchants: Vec<Merchant>,
    pub zones: Vec<&'static str>,
    /// The instants around which the stream dwells, in order.
    pub epochs: Vec<i64>,
    /// The last instant at which the rates are fresh.
    pub fresh_until: Option<i64>,
}

/// One step of the grid in minor units.
pub fn step(currency: &str) -> i128 {
    match currency {
        "EUR" => 500,
        "USD" => 550,
        "JPY" => 800,
        _ => 2_000,
    }
}

pub fn steps(currency: &str, count: i64) -> String {
    shown(step(currency) * i128::from(count), iso_digits(currency))
}

/// Writes a whole configuration into a folder.
pub fn configure(random: &mut Random, folder: &Path) -> Setup {
    let (zone, days) = *random.pick(&ZONES);
    let mut epochs: Vec<&str> = vec![*random.pick(days), *random.pick(days)];
    for _ in 0..3 {
        epochs.push(*random.pick(&MONTH_ENDS));
        let (_, days) = chance_zone(random);
        epochs.push(*random.pick(days));
    }
    let mut epochs: Vec<i64> = epochs.iter().map(|d| instant(&format!("{d}T12:00:00Z")).expect("a day")).collect();
    epochs.sort_unstable();
    epochs.dedup();
    let other = chance_zone(random).0;
    let zones = vec![zone, other, zone, other];
    let merchants: Vec<Merchant> =
        (0..4).map(|n| Merchant { id: format!("m{n}"), crm: n < 2 || (n == 3 && random.percent(40)) }).collect();
    std::fs::create_dir_all(folder.join("merchants")).expect("a folder for merchants");
    std::fs::write(folder.join("levelgate.toml"), "[memory]\nretention_days = 4000\n").expect("a file");
    let (rates, fresh_until) = rates(random, &epochs);
    std::fs::write(folder.join("rates.toml"), rates).expect("a file");
    for (merchant, zone) in merchants.iter().zip(&zones) {
        let file = merchant_file(random, merchant, zone);
        std::fs::write(folder.join("merchants").join(format!("{}.toml", merchant.id)), file).expect("a file");
    }
    Setup { merchants, zones, epochs, fresh_until }
}

fn chance_zone(random: &mut Random) -> (&'static str, &'static [&'static str]) {
    *random.pick(&ZONES)
}

/// Round rates, awkward ones, one missing, or a table that grows too old on the way.
fn rates(random: &mut Random, epochs: &[i64]) -> (String, Option<i64>) {
    let mut file = String::from("base = \"EUR\"\n");
    let as_of = *random.pick(epochs) + random.between(0, 3_600) * SECOND;
    writeln!(file, "as_of = {}", written(as_of)).expect("a string");
    let hours = random.between(1, 4);
    let ages = random.percent(60);
    if ages {
        writeln!(file, "max_age = \"{hours}h\"").expect("a string");
    }
    let round = random.percent(60);
    let missing = if random.percent(30) { *random.pick(&["USD", "JPY", "BHD"]) } else { "" };
    file.push_str("[rates]\n");
    for (currency, even, odd) in [("USD", "1.1", "1.0872"), ("JPY", "160", "163.21"), ("BHD", "0.4", "0.4099")] {
        if currency != missing {
            writeln!(file, "{currency} = \"{}\"", if round { even } else { odd }).expect("a string");
        }
    }
    (file, ages.then_some(as_of + hours * 3_600 * SECOND))
}

fn quoted(list: &[&str]) -> String {
    let items: Vec<String> = list.iter().map(|i| format!("{i:?}")).collect();
    format!("[{}]", items.join(", "))
}

/// A gate list: single gates, and sometimes the route, whose own gates are then not listed.
pub fn gate_list(random: &mut Random) -> String {
    let names = if random.percent(30) { vec!["cards", "g0", "g1", "g2"] } else { GATES.to_vec() };
    quoted(&random.some(&names))
}

fn merchant_file(random: &mut Random, merchant: &Merchant, zone: &str) -> String {
    let mut file = format!("id = {:?}\nname = {:?}\ntime_zone = {zone:?}\n", merchant.id, merchant.id);
    let mut line = |text: String| {
        file.push_str(&text);
        file.push('\n');
    };
    line(format!("operation_mode = \"{}\"", if merchant.crm { "crm" } else { "payment_gateway" }));
    line(format!("seal_identifiers = {}", merchant.id == "m0"));
    line(format!("default_behaviour = \"{}\"", *random.pick(&["unknown_level", "project"])));
    line(format!("add_all_projects_to_unknown_level = {}", random.percent(50)));
    line(format!("refunds = \"{}\"", *random.pick(&["none", "original"])));
    line(format!("hidden_methods = \"{}\"", *random.pick(&["deny", "hide_only"])));
    line(format!(
        "hold = {{ deposit = \"{}\", withdrawal = \"{}\" }}",
        *random.pick(&["30m", "2h", "1d"]),
        *random.pick(&["2d", "never", "6h"])
    ));
    for gate in GATES {
        line(format!("\n[[gates]]\nid = {gate:?}"));
        if random.percent(10) {
            line("enabled = false".into());
        }
        if random.percent(12) {
            line(format!("currencies = {}", quoted(&random.some(&CURRENCIES))));
        }
        if random.percent(12) {
            line(format!("directions = {}", quoted(&[*random.pick(&["deposit", "withdrawal"])])));
        }
        if random.percent(20) {
            line(format!("methods = {}", quoted(&random.some(&["card", "wallet", "bank"]))));
        }
        if random.percent(12) {
            line(format!("min_amount = \"{}\"", *random.pick(&["4", "5", "5.50", "10"])));
        }
        if random.percent(12) {
            line(format!("max_amount = \"{}\"", *random.pick(&["15", "27.5", "3200"])));
        }
    }
    line("\n[[routes]]\nid = \"cards\"\ngates = [\"g4\", \"g3\"]\nrouting = \"priority\"".into());
    for (project, currencies) in [("web", &CURRENCIES[..]), ("app", &["EUR", "EUR", "USD"])] {
        let definition: &[&str] =
            if project == "web" { &["email", "phone"] } else { &["phone", "email", "external_id"] };
        line(format!("\n[[projects]]\nid = {project:?}\nclient_definition = {}", quoted(definition)));
        for (n, currency) in currencies.iter().enumerate() {
            line(format!("  [[projects.endpoints]]\n  id = \"{project}-{n}\"\n  currency = {currency:?}"));
            line(format!("  gates = {}", gate_list(random)));
            if random.percent(20) {
                line("  client_definition = [\"external_id\", \"phone\"]".into());
            }
            for method in ["card", "wallet"] {
                line(format!("    [[projects.endpoints.methods]]\n    method = {method:?}"));
                line(format!(
                    "    min_amount = \"{}\"\n    max_amount = \"{}\"",
                    steps(currency, 1),
                    steps(currency, random.between(4, 6))
                ));
                if random.percent(10) {
                    line("    show_in_form = false".into());
                }
            }
        }
    }
    for direction in ["deposit", "withdrawal"] {
        for currency in CURRENCIES {
            for name in LEVELS {
                if name == "unknown" || random.percent(90) {
                    line(level(random, name, direction, currency));
                }
            }
        }
    }
    file
}

pub fn level(random: &mut Random, name: &str, direction: &str, currency: &str) -> String {
    let mut file = format!("\n[[levels]]\nname = {name:?}\ndirection = {direction:?}\ncurrency = {currency:?}\n");
    let mut line = |text: String| {
        file.push_str(&text);
        file.push('\n');
    };
    if name != "unknown" || random.percent(50) {
        let projects: &[&str] = if random.percent(75) { &["web", "app"] } else { &["web"] };
        line(format!("projects = {}", quoted(projects)));
    }
    if random.percent(8) {
        line("status = \"disabled\"".into());
    }
    if random.percent(30) {
        line(format!("gates = {}", gate_list(random)));
    }
    for method in ["card", "bank"] {
        if random.percent(30) {
            line(format!("  [[levels.methods]]\n  method = {method:?}"));
            if random.percent(50) {
                line(format!("  max_amount = \"{}\"", steps(currency, random.between(3, 8))));
            }
            if random.percent(30) {
                line(format!("  min_amount = \"{}\"", steps(currency, random.between(1, 2))));
            }
            if random.percent(25) {
                line(format!("  show_in_form = {}", random.percent(70)));
            }
            if random.percent(25) {
                line(format!("  gates = {}", gate_list(random)));
            }
        }
    }
    for n in 0..random.between(1, 4) {
        line(filter(random, n, currency));
    }
    file
}

pub fn filter(random: &mut Random, n: i64, currency: &str) -> String {
    let (window, often, calendar) = *random.pick(&[
        ("daily", 3, true),
        ("daily", 3, true),
        ("weekly", 5, true),
        ("monthly", 8, true),
        ("monthly", 8, true),
        ("45m", 2, false),
        ("6h", 2, false),
        ("24h", 3, false),
        ("90d", 12, false),
        ("lifetime", 30, false),
    ]);
    let mut file = format!("  [[levels.filters]]\n  name = \"f{n}\"\n  window = {window:?}\n");
    let mut line = |text: String| {
        file.push_str("  ");
        file.push_str(&text);
        file.push('\n');
    };
    let (amount, quantity) = *random.pick(&[(true, true), (true, false), (false, true), (true, true)]);
    if amount {
        let limit = if random.percent(3) { 0 } else { random.between(often, often * 4) };
        line(format!("amount_limit = \"{}\"", steps(currency, limit)));
    }
    if quantity {
        line(format!(
            "quantity_limit = {}",
            if random.percent(2) { 0 } else { random.between(often / 2 + 1, often + 2) }
        ));
    }
    if calendar && random.percent(60) {
        line("calendar = true".into());
        if window == "weekly" && random.percent(50) {
            line("week_starts_on = \"sunday\"".into());
        }
    } else if window == "monthly" && random.percent(70) {
        line("month = \"same_day\"".into());
    }
    for (key, share) in [("for_all_merchant_currencies", 40), ("subtract_cancel_transactions", 50)] {
        if random.percent(share) {
            line(format!("{key} = true"));
        }
    }
    if random.percent(20) {
        line(format!("mode = \"{}\"", *random.pick(&["shadow", "off"])));
    }
    if random.percent(15) {
        line("warn_at = \"80%\"".into());
    }
    file
}
