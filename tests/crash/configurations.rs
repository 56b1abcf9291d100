//! Configurations that follow one another: what a reload puts in force, and what may differ between two of them.

use std::fmt;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use support::model::random_configuration::{CURRENCIES, LEVELS, filter, gate_list, level, steps};
use support::model::rules::Rules;
use support::random::Random;
use toml::{Table, Value};

/// A configuration as the daemon reads it, and as the model does.
#[derive(Clone)]
pub struct Configuration {
    pub rules: Arc<levelgate::domain::rules::configuration::Rules>,
    pub model: Rc<Rules>,
    /// How it differs from the one before.
    what: String,
}

impl fmt::Debug for Configuration {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}, version {}", self.what, self.rules.version)
    }
}

impl Configuration {
    /// Reads the configuration in a folder.
    pub fn read(folder: &Path, what: String, about: &str) -> Self {
        let loaded = levelgate::config::load(folder);
        let loaded = loaded.unwrap_or_else(|problems| panic!("{about}, {what}: {:?}", problems.list));
        Self { rules: Arc::new(loaded.rules), model: Rc::new(Rules::read(folder)), what }
    }

    /// Changes the file of a merchant, and reads the folder.
    pub fn changed(random: &mut Random, folder: &Path, merchant: &str, zones: &[&'static str], about: &str) -> Self {
        let path = folder.join("merchants").join(format!("{merchant}.toml"));
        let mut file: Table = std::fs::read_to_string(&path).expect("a file").parse().expect("a file in TOML");
        let mut changes: Vec<String> = (0..random.between(1, 4)).map(|_| change(random, &mut file, zones)).collect();
        if changes.len() == 2 {
            let seals = file.get("seal_identifiers").and_then(Value::as_bool).unwrap_or_default();
            file.insert("seal_identifiers".into(), (!seals).into());
            changes.push(format!("sealed identifiers {}", !seals));
        }
        std::fs::write(&path, toml::to_string(&file).expect("a file in TOML")).expect("a file");
        Self::read(folder, format!("{merchant}: {}", changes.join(", ")), about)
    }
}

fn list<'a>(table: &'a mut Table, key: &str) -> &'a mut Vec<Value> {
    let list = table.entry(key).or_insert_with(|| Value::Array(Vec::new()));
    list.as_array_mut().expect("a list")
}

fn text(table: &Table, key: &str) -> String {
    table[key].as_str().expect("a string").to_owned()
}

/// The table that some lines of a file make.
fn written(lines: &str) -> Table {
    lines.parse().expect("lines in TOML")
}

/// Changes one setting, and describes the change.
fn change(random: &mut Random, file: &mut Table, zones: &[&'static str]) -> String {
    let what = random.between(1, 100);
    match what {
        1..=8 => {
            let zone = *random.pick(zones);
            file.insert("time_zone".into(), zone.into());
            format!("time zone {zone}")
        }
        9..=18 => {
            let (key, spans) = *random
                .pick(&[("deposit", &["30m", "2h", "1d", "never"]), ("withdrawal", &["2d", "never", "6h", "1h"])]);
            let span = *random.pick(spans);
            file["hold"].as_table_mut().expect("a table").insert(key.into(), span.into());
            format!("hold of a {key} {span}")
        }
        19..=28 => {
            let projects = list(file, "projects");
            let place = random.place(projects.len());
            let definition = random.some(&["email", "phone", "external_id"]);
            projects[place]["client_definition"] = Value::from(definition.clone());
            format!("client definition {definition:?}")
        }
        29..=40 => {
            let projects = list(file, "projects");
            let place = random.place(projects.len());
            let endpoints = list(projects[place].as_table_mut().expect("a project"), "endpoints");
            let place = random.place(endpoints.len());
            let gates = gate_list(random);
            endpoints[place]["gates"] = written(&format!("gates = {gates}"))["gates"].clone();
            format!("gates of {} {gates}", endpoints[place]["id"])
        }
        _ => change_levels(random, list(file, "levels"), what),
    }
}

/// Changes one setting of the levels, and describes the change.
fn change_levels(random: &mut Random, levels: &mut Vec<Value>, what: i64) -> String {
    let place = random.place(levels.len());
    let found = levels[place].as_table_mut().expect("a level");
    let (name, direction, currency) = (text(found, "name"), text(found, "direction"), text(found, "currency"));
    let of = format!("{name} {direction} {currency}");
    let filters = list(found, "filters");
    match what {
        41..=65 if !filters.is_empty() => {
            let place = random.place(filters.len());
            let filter = filters[place].as_table_mut().expect("a filter");
            let amount = steps(&currency, random.between(0, 40));
            if filter.contains_key("amount_limit") {
                filter.insert("amount_limit".into(), amount.clone().into());
            }
            let quantity = random.between(0, 30);
            if filter.contains_key("quantity_limit") {
                filter.insert("quantity_limit".into(), quantity.into());
            }
            format!("{of}: {} with {amount} and {quantity}", filter["name"])
        }
        66..=80 => {
            let number = (0..).find(|n| filters.iter().all(|f| f["name"].as_str() != Some(&format!("f{n}"))));
            let added = filter(random, number.expect("a number"), &currency);
            filters.push(written(&added)["levels"]["filters"][0].clone());
            format!("{of}: {added:?} more")
        }
        81..=90 if filters.len() > 1 => {
            let gone = filters.remove(random.place(filters.len()));
            format!("{of}: no {}", gone["name"])
        }
        91..=95 if name != "unknown" => {
            levels.remove(place);
            format!("no {of}")
        }
        _ => {
            let all = ["deposit", "withdrawal"].into_iter().flat_map(|d| CURRENCIES.map(|c| LEVELS.map(|l| (d, c, l))));
            let is_there = |(d, c, l): &(&str, &str, &str)| {
                let same = |key: &str, value: &Value, with: &str| value[key].as_str() == Some(with);
                levels.iter().any(|v| same("direction", v, d) && same("currency", v, c) && same("name", v, l))
            };
            let missing: Vec<(&str, &str, &str)> = all.flatten().filter(|level| !is_there(level)).collect();
            if missing.is_empty() {
                return "nothing".to_owned();
            }
            let (direction, currency, name) = *random.pick(&missing);
            levels.push(written(&level(random, name, direction, currency))["levels"][0].clone());
            format!("{name} {direction} {currency} more")
        }
    }
}
