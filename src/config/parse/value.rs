//! Values of a TOML file or of a JSON body, each with its place in the text. Both are read by the same code.

use crate::config::{
    parse::{json_object::JsonObject, located::Located},
    report::source::Span,
};
use serde_json::value::RawValue;
use toml::de::{DeTable, DeValue};

/// The deepest nesting of a JSON body.
const DEPTH_MAX: usize = 8;

/// A value.
#[derive(Debug)]
pub(in crate::config) enum Value {
    Text(String),
    Integer(Integer),
    /// The digits as written.
    Float(String),
    Boolean(bool),
    /// As written.
    DateTime(String),
    List(Vec<Located<Value>>),
    Table(Table),
}

/// A whole number of any size.
#[derive(Debug)]
pub(in crate::config) struct Integer {
    pub(in crate::config) digits: String,
    pub(in crate::config) radix: u32,
    /// As written.
    pub(in crate::config) text: String,
}

impl Value {
    /// The type, for messages.
    pub(in crate::config) fn type_text(&self) -> &'static str {
        match self {
            Self::Text(_) => "a text",
            Self::Integer(_) => "a whole number",
            Self::Float(_) => "a float",
            Self::Boolean(_) => "true or false",
            Self::DateTime(_) => "a date and time",
            Self::List(_) => "a list",
            Self::Table(_) => "a table",
        }
    }

    /// What is there instead of the expected type: a number with a fraction, or the type. A body has such numbers as texts,
    /// because amounts are read from their digits.
    pub(in crate::config) fn shown(&self) -> &str {
        let is_part = |byte: u8| byte.is_ascii_digit() || byte == b'.';
        match self {
            Self::Text(text) if text.contains('.') && text.bytes().all(is_part) => text,
            other => other.type_text(),
        }
    }

    fn from_toml(value: &DeValue<'_>) -> Self {
        match value {
            DeValue::String(text) => Self::Text(text.clone().into_owned()),
            DeValue::Integer(number) => Self::Integer(Integer {
                digits: number.as_str().to_owned(),
                radix: number.radix(),
                text: number.to_string(),
            }),
            DeValue::Float(number) => Self::Float(number.to_string()),
            DeValue::Boolean(flag) => Self::Boolean(*flag),
            DeValue::Datetime(at) => Self::DateTime(at.to_string()),
            DeValue::Array(items) => {
                let item = |item: &toml::Spanned<DeValue<'_>>| Located {
                    value: Self::from_toml(item.get_ref()),
                    span: item.span(),
                };
                Self::List(items.iter().map(item).collect())
            }
            DeValue::Table(table) => Self::Table(Table::from_toml(table)),
        }
    }

    /// The value of a part of a body; `None`: it is `null`.
    fn from_json(raw: &RawValue, body: &str, depth: usize) -> Result<Option<Self>, String> {
        let text = raw.get();
        if depth == 0 {
            return Err(format!("nested deeper than {DEPTH_MAX}"));
        }
        let message = |error: serde_json::Error| error.to_string();
        Ok(Some(match text.as_bytes().first() {
            Some(b'n') => return Ok(None),
            Some(b'{') => {
                let object: JsonObject<'_> = serde_json::from_str(text).map_err(message)?;
                Self::Table(Table::from_object(&object, body, depth - 1)?)
            }
            Some(b'[') => {
                let items: Vec<&RawValue> = serde_json::from_str(text).map_err(message)?;
                let mut list = Vec::with_capacity(items.len());
                for item in items {
                    if let Some(value) = Self::from_json(item, body, depth - 1)? {
                        list.push(Located { value, span: span_in(body, item.get()) });
                    }
                }
                Self::List(list)
            }
            Some(b'"') => Self::Text(serde_json::from_str(text).map_err(message)?),
            Some(b't') => Self::Boolean(true),
            Some(b'f') => Self::Boolean(false),
            _ if text.trim_start_matches('-').bytes().all(|byte| byte.is_ascii_digit()) => {
                Self::Integer(Integer { digits: text.to_owned(), radix: 10, text: text.to_owned() })
            }
            // A number with a fraction keeps its digits as a text, as a file writes it.
            _ => Self::Text(text.to_owned()),
        }))
    }
}

/// A table: keys and values with their places.
#[derive(Debug)]
pub(in crate::config) struct Table {
    entries: Vec<(Located<String>, Located<Value>)>,
}

impl Table {
    /// The table of a TOML file.
    pub(in crate::config) fn from_toml(table: &DeTable<'_>) -> Self {
        let entries = table.iter().map(|(key, value)| {
            let key = Located { value: key.get_ref().clone().into_owned(), span: key.span() };
            (key, Located { value: Value::from_toml(value.get_ref()), span: value.span() })
        });
        Self { entries: entries.collect() }
    }

    /// The table of a JSON object whose parts are slices of `body`. Fields that are `null` count as absent.
    ///
    /// # Errors
    /// The object is not valid JSON, has a key twice, or is nested too deeply.
    pub(in crate::config) fn from_json(object: &JsonObject<'_>, body: &str) -> Result<Self, String> {
        Self::from_object(object, body, DEPTH_MAX)
    }

    fn from_object(object: &JsonObject<'_>, body: &str, depth: usize) -> Result<Self, String> {
        let mut entries = Vec::with_capacity(object.0.len());
        for (key, raw) in &object.0 {
            if let Some(value) = Value::from_json(raw, body, depth)? {
                let span = span_in(body, raw.get());
                let key_span = key_before(body, span.start).unwrap_or_else(|| span.clone());
                entries.push((Located { value: key.clone(), span: key_span }, Located { value, span }));
            }
        }
        Ok(Self { entries })
    }

    /// All entries.
    pub(in crate::config) fn entries(&self) -> impl Iterator<Item = (&Located<String>, &Located<Value>)> {
        self.entries.iter().map(|(key, value)| (key, value))
    }

    /// The value of a key.
    pub(in crate::config) fn get(&self, key: &str) -> Option<&Located<Value>> {
        self.entries.iter().find(|(known, _)| known.value == key).map(|(_, value)| value)
    }

    /// The place of a key.
    pub(in crate::config) fn key_span(&self, key: &str) -> Option<Span> {
        self.entries.iter().find(|(known, _)| known.value == key).map(|(known, _)| known.span.clone())
    }

    /// Whether a key is written as a list without entries.
    pub(in crate::config) fn is_empty_list(&self, key: &str) -> bool {
        self.get(key).is_some_and(|value| matches!(&value.value, Value::List(items) if items.is_empty()))
    }

    /// Whether each table of a list has a key.
    pub(in crate::config) fn each_has(&self, list: &str, key: &str) -> bool {
        let has_key = |item: &Located<Value>| matches!(&item.value, Value::Table(table) if table.get(key).is_some());
        self.get(list).is_some_and(|value| matches!(&value.value, Value::List(items) if items.iter().all(has_key)))
    }

    /// The first key in the file that is not one of these, and its place.
    pub(in crate::config) fn other_key(&self, known: &[&str]) -> Option<&Located<String>> {
        let others = self.entries().map(|(key, _)| key).filter(|key| !known.contains(&key.value.as_str()));
        others.min_by_key(|key| key.span.start)
    }

    /// Whether the table has no keys.
    pub(in crate::config) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

/// The place of a slice of the body.
fn span_in(body: &str, slice: &str) -> Span {
    let start = slice.as_ptr().addr().saturating_sub(body.as_ptr().addr());
    start..start + slice.len()
}

/// The place of the JSON key, with its quotes, whose value starts here; `None`: the value is not a field of an object.
fn key_before(body: &str, value_start: usize) -> Option<Span> {
    let before = body.get(..value_start)?.trim_end().strip_suffix(':')?.trim_end();
    let key = before.strip_suffix('"')?;
    Some(key.rfind('"')?..before.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_a_body_have_their_places() {
        let body = "{ \"a\" : {\"b\":[1, null, \"x\"]},\n \"c\": 1.50, \"d\": null }";
        let object: JsonObject<'_> = serde_json::from_str(body).unwrap();
        let table = Table::from_json(&object, body).unwrap();
        let slice = |span: &Span| &body[span.clone()];
        assert_eq!(table.entries().map(|(key, _)| slice(&key.span)).collect::<Vec<_>>(), ["\"a\"", "\"c\""]);
        let c = table.get("c").unwrap();
        assert!(matches!(&c.value, Value::Text(text) if text == "1.50") && slice(&c.span) == "1.50");
        let Value::Table(a) = &table.get("a").unwrap().value else { panic!("{table:?}") };
        let Value::List(b) = &a.get("b").unwrap().value else { panic!("{table:?}") };
        assert_eq!(b.iter().map(|item| slice(&item.span)).collect::<Vec<_>>(), ["1", "\"x\""]);
        assert!(table.get("d").is_none() && a.key_span("b").is_some_and(|span| slice(&span) == "\"b\""));
    }

    #[test]
    fn deep_nesting_is_refused() {
        let body = format!("{{\"a\": {}1{}}}", "[".repeat(8), "]".repeat(8));
        let object: JsonObject<'_> = serde_json::from_str(&body).unwrap();
        assert_eq!(Table::from_json(&object, &body).unwrap_err(), "nested deeper than 8");
    }
}
