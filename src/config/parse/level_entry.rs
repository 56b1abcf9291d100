//! A level's entry in a merchant's file, as the JSON that the API takes for the level. The JSON does not depend on the order
//! of keys, comments and white space.

use crate::config::{
    parse::value::{Table, Value},
    version,
};
use crate::domain::rules::level::LevelKey;
use serde_json::Map;

/// A level's entry in a merchant's file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LevelEntry {
    /// The level.
    pub key: LevelKey,
    /// The other keys of the entry, as JSON.
    pub body: String,
}

impl LevelEntry {
    /// The digest of the body: two entries with the same meaning have the same digest.
    #[must_use]
    pub fn digest(&self) -> u128 {
        version::digest(&self.body)
    }
}

/// A table as JSON with sorted keys, without some of its keys.
pub(in crate::config) fn table_json(table: &Table, without: &[&str]) -> String {
    let mut object = object(table);
    without.iter().for_each(|key| _ = object.remove(*key));
    serde_json::Value::Object(object).to_string()
}

fn object(table: &Table) -> Map<String, serde_json::Value> {
    let mut fields: Vec<(String, serde_json::Value)> =
        table.entries().map(|(key, value)| (key.value.clone(), json(&value.value))).collect();
    // The order of serde_json's map depends on a feature that other crates may enable.
    fields.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
    fields.into_iter().collect()
}

fn json(value: &Value) -> serde_json::Value {
    use serde_json::Value as Json;
    match value {
        Value::Text(text) => Json::String(text.clone()),
        Value::Integer(number) => {
            let parsed = i64::from_str_radix(&number.digits, number.radix);
            parsed.map_or_else(|_| Json::String(number.text.clone()), Json::from)
        }
        Value::Boolean(flag) => Json::Bool(*flag),
        Value::List(items) => Json::Array(items.iter().map(|item| json(&item.value)).collect()),
        Value::Table(table) => Json::Object(object(table)),
        // No key of an entry has these types.
        Value::Float(text) | Value::DateTime(text) => Json::String(text.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use toml::de::DeTable;

    #[test]
    fn entries_with_the_same_meaning_have_the_same_json() {
        let json_of = |text: &str| table_json(&Table::from_toml(DeTable::parse(text).unwrap().get_ref()), &["name"]);
        let one = json_of(
            "name = \"gold\"\nstatus = \"active\" # why\n[[filters]]\nquantity_limit = 1_0\nwindow = 'daily'\n",
        );
        let other =
            json_of("filters = [{ window = \"daily\", quantity_limit = +10 }]\nstatus='active'\nname = 'silver'");
        assert_eq!(one, r#"{"filters":[{"quantity_limit":10,"window":"daily"}],"status":"active"}"#);
        assert_eq!(one, other);
        assert_ne!(json_of("gates = ['a', 'b']"), json_of("gates = ['b', 'a']"), "the order of a list has a meaning");
    }
}
