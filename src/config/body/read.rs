//! Reads a JSON body as a table.

use crate::config::{
    body::json_words::in_json,
    parse::{
        json_object::JsonObject,
        section::Section,
        value::{Table, Value},
    },
    report::{
        file_report::FileReport,
        problem::{Problem, Severity},
        source::Source,
    },
    schema::lists::LIST_ITEMS_MAX,
};
use crate::domain::{events::overrides::BODY_BYTES_MAX, vocabulary::names::Name};
use std::ops::Range;

/// Why a body is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidBody {
    /// All problems, each with its remedy.
    pub problems: Vec<String>,
    /// The field of the first problem, if it is known.
    pub field: Option<String>,
}

impl InvalidBody {
    /// A body with one problem.
    pub(super) fn new(problem: String) -> Self {
        let field =
            problem.strip_prefix("duplicate field `").and_then(|rest| rest.split('`').next().map(str::to_owned));
        Self { problems: vec![problem], field }
    }
}

/// Reads a body as one object.
///
/// # Errors
/// It is not a JSON object, or it has a key twice.
pub fn object(body: &[u8]) -> Result<JsonObject<'_>, InvalidBody> {
    if body.trim_ascii_start().first() != Some(&b'{') {
        return Err(InvalidBody::new("one JSON object is expected".to_owned()));
    }
    serde_json::from_slice(body).map_err(|error| InvalidBody::new(error.to_string()))
}

/// Refuses a body that is too long for a record.
pub(super) fn check_length(body: &[u8]) -> Result<(), InvalidBody> {
    if body.len() <= BODY_BYTES_MAX {
        return Ok(());
    }
    Err(InvalidBody::new(format!("it is longer than {BODY_BYTES_MAX} bytes")))
}

/// The kind of a body, for messages, and the merchant whose quota its new names count against.
#[derive(Clone, Copy)]
pub(super) struct BodyKind {
    pub(super) what: &'static str,
    /// `None`: the names are recorded or configured already.
    pub(super) names_of: Option<Name>,
}

/// A valid body.
pub(super) struct ReadBody<T> {
    pub(super) value: T,
    /// What is valid and probably a mistake.
    pub(super) warnings: Vec<String>,
}

/// Reads a body as the table of a file.
pub(super) fn read<T>(body: &[u8], kind: BodyKind, reader: impl FnOnce(&Section<'_>) -> T) -> Result<T, InvalidBody> {
    Ok(read_with_warnings(body, kind, reader)?.value)
}

/// Reads a body as the table of a file, with the warnings about it.
pub(super) fn read_with_warnings<T>(
    body: &[u8],
    kind: BodyKind,
    reader: impl FnOnce(&Section<'_>) -> T,
) -> Result<ReadBody<T>, InvalidBody> {
    let text = std::str::from_utf8(body).map_err(|error| InvalidBody::new(error.to_string()))?;
    read_object(&object(body)?, text, kind, reader)
}

/// Reads a parsed object as the table of a file. The values of the object are slices of `text`.
pub(super) fn read_object<T>(
    object: &JsonObject<'_>,
    text: &str,
    kind: BodyKind,
    reader: impl FnOnce(&Section<'_>) -> T,
) -> Result<ReadBody<T>, InvalidBody> {
    let table = Table::from_json(object, text).map_err(InvalidBody::new)?;
    if let Some(field) = long_list(&table) {
        let problem = format!("`{field}` has more than {LIST_ITEMS_MAX} items");
        return Err(InvalidBody { problems: vec![problem], field: Some(field) });
    }
    let source = Source { path: "body".to_owned(), text: text.to_owned() };
    let report = FileReport::new(source).sent_for(kind.names_of);
    let section = Section::new(&report, &table, kind.what, 0..0);
    let value = reader(&section);
    section.close();
    let (mut errors, warnings): (Vec<_>, Vec<_>) =
        report.finish().into_iter().partition(|problem| problem.severity == Severity::Error);
    if errors.is_empty() {
        return Ok(ReadBody { value, warnings: warnings.iter().map(Problem::sentence).collect() });
    }
    // An unknown key is the cause where another one is missing.
    errors.sort_by_key(|problem| !problem.message.starts_with("unknown key"));
    let field = errors.iter().find_map(|problem| field_of(problem, text));
    Err(InvalidBody { problems: errors.iter().map(|problem| in_json(&problem.sentence())).collect(), field })
}

/// The key of a list that has more items than a list may have, in the table or in a table below it.
fn long_list(table: &Table) -> Option<String> {
    fn in_value(value: &Value) -> Option<String> {
        match value {
            Value::List(items) => items.iter().find_map(|item| in_value(&item.value)),
            Value::Table(table) => long_list(table),
            Value::Text(_) | Value::Integer(_) | Value::Boolean(_) | Value::Float(_) | Value::DateTime(_) => None,
        }
    }
    table.entries().find_map(|(key, value)| match &value.value {
        Value::List(items) if items.len() > LIST_ITEMS_MAX => Some(key.value.clone()),
        other => in_value(other),
    })
}

/// The field of a problem: the one that its message calls missing, else the key at its place, else a key of the body that
/// its message names. It is never a value.
fn field_of(problem: &Problem, body: &str) -> Option<String> {
    let missing = problem.message.strip_prefix('`').and_then(|rest| rest.split_once("` is missing"));
    if let Some((key, _)) = missing {
        return Some(key.to_owned());
    }
    key_at(body, problem.span.start).or_else(|| {
        let named = problem.message.split('`').nth(1)?;
        let named = named.split(" = ").next().unwrap_or(named);
        let object: JsonObject<'_> = serde_json::from_str(body).ok()?;
        object.0.into_iter().map(|(key, _)| key).find(|key| key == named)
    })
}

/// One object or list of a JSON text, open at a place.
struct OpenContainer {
    is_object: bool,
    /// Whether the next text is a key.
    expects_key: bool,
    /// The key whose value is being read, with its quotes.
    key: Option<Range<usize>>,
}

/// The key at a place of a valid JSON text, else the key of the innermost object whose value contains the place. `None`: the
/// place is the whole text.
fn key_at(body: &str, place: usize) -> Option<String> {
    let bytes = body.as_bytes();
    let mut open: Vec<OpenContainer> = Vec::new();
    let mut at = 0;
    while at < place.min(bytes.len()) || bytes.get(at) == Some(&b'"') {
        let mut end = at + 1;
        match bytes[at] {
            byte @ (b'{' | b'[') => {
                let is_object = byte == b'{';
                open.push(OpenContainer { is_object, expects_key: is_object, key: None });
            }
            b'}' | b']' => drop(open.pop()),
            b',' => open.iter_mut().last().into_iter().for_each(|last| last.expects_key = last.is_object),
            b'"' => {
                end = text_end(bytes, at);
                if let Some(last) = open.last_mut().filter(|last| last.expects_key) {
                    (last.expects_key, last.key) = (false, Some(at..end));
                }
            }
            _ => {}
        }
        if end > place {
            break;
        }
        at = end;
    }
    let key = open.iter().rev().find_map(|container| container.key.clone())?;
    serde_json::from_str(body.get(key)?).ok()
}

/// The end of the text in quotes that begins here.
fn text_end(bytes: &[u8], start: usize) -> usize {
    let mut end = start + 1;
    while let Some(byte) = bytes.get(end) {
        match byte {
            b'"' => return end + 1,
            b'\\' => end += 2,
            _ => end += 1,
        }
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_of_a_place_is_found() {
        let body = r#" {"a": {"b\"c": [1, "x, y", {"d": null}], "e": ["}", "f"]}, "g" : "h", "i": 5}"#;
        for (at, want) in [
            ("{\"a\"", None),
            ("\"a\"", Some("a")),
            ("{\"b", Some("a")),
            ("\"b\\\"c\"", Some("b\"c")),
            ("[1", Some("b\"c")),
            ("1, ", Some("b\"c")),
            ("\"x, y\"", Some("b\"c")),
            ("{\"d\"", Some("b\"c")),
            ("null", Some("d")),
            ("\"f\"", Some("e")),
            ("\"g\"", Some("g")),
            ("\"h\"", Some("g")),
            ("5", Some("i")),
        ] {
            let place = body.find(at).unwrap();
            assert_eq!(key_at(body, place).as_deref(), want, "{at}");
        }
        assert_eq!(key_at("{}", 7), None);
    }
}
