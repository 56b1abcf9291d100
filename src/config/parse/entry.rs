//! An entry of a file as the JSON that the API takes for the same: what the entry says, whatever the order of its keys,
//! its comments and its spaces.

use crate::config::version;
use crate::domain::rules::overrides::LevelKey;
use serde_json::{Map, Value};
use toml::de::{DeTable, DeValue};

/// A level's entry in a merchant's file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Of which level.
    pub key: LevelKey,
    /// What it says besides.
    pub body: String,
}

impl Entry {
    /// Of what it says: another one says something else.
    #[must_use]
    pub fn digest(&self) -> u128 {
        version::digest(&self.body)
    }
}

/// A table as JSON, its keys sorted, without some of them.
pub(in crate::config) fn json(table: &DeTable<'_>, without: &[&str]) -> String {
    let mut object = object(table);
    without.iter().for_each(|key| _ = object.remove(*key));
    Value::Object(object).to_string()
}

fn object(table: &DeTable<'_>) -> Map<String, Value> {
    let mut pairs: Vec<(String, Value)> =
        table.iter().map(|(key, item)| (key.get_ref().clone().into_owned(), value(item.get_ref()))).collect();
    // Sorted here: whether a map of JSON keeps an order of its own depends on who else uses the library.
    pairs.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
    pairs.into_iter().collect()
}

fn value(item: &DeValue<'_>) -> Value {
    match item {
        DeValue::String(text) => Value::String(text.clone().into_owned()),
        DeValue::Integer(number) => {
            let written = i64::from_str_radix(number.as_str(), number.radix());
            written.map_or_else(|_| Value::String(number.to_string()), Value::from)
        }
        DeValue::Boolean(flag) => Value::Bool(*flag),
        DeValue::Array(items) => Value::Array(items.iter().map(|item| value(item.get_ref())).collect()),
        DeValue::Table(table) => Value::Object(object(table)),
        // No key of an entry takes these.
        DeValue::Float(number) => Value::String(number.to_string()),
        DeValue::Datetime(at) => Value::String(at.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_what_it_says_and_not_how() {
        let of = |text: &str| json(DeTable::parse(text).unwrap().get_ref(), &["name"]);
        let one =
            of("name = \"gold\"\nstatus = \"active\" # why\n[[filters]]\nquantity_limit = 1_0\nwindow = 'daily'\n");
        let other = of("filters = [{ window = \"daily\", quantity_limit = +10 }]\nstatus='active'\nname = 'silver'");
        assert_eq!(one, r#"{"filters":[{"quantity_limit":10,"window":"daily"}],"status":"active"}"#);
        assert_eq!(one, other);
        assert_ne!(of("gates = ['a', 'b']"), of("gates = ['b', 'a']"), "the order of a list means something");
    }
}
