//! Reads a JSON body as a table.

use crate::config::{
    parse::{
        json_object::JsonObject,
        section::Section,
        value::{Table, key_before},
    },
    report::{
        file_report::FileReport,
        problem::{Problem, Severity},
        source::Source,
    },
};
use crate::domain::{events::overrides::BODY_BYTES_MAX, vocabulary::names::Name};

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

/// Reads a body as the table of a file.
pub(super) fn read<T>(body: &[u8], kind: BodyKind, reader: impl FnOnce(&Section<'_>) -> T) -> Result<T, InvalidBody> {
    let text = std::str::from_utf8(body).map_err(|error| InvalidBody::new(error.to_string()))?;
    read_object(&object(body)?, text, kind, reader)
}

/// Reads a parsed object as the table of a file. The values of the object are slices of `text`.
pub(super) fn read_object<T>(
    object: &JsonObject<'_>,
    text: &str,
    kind: BodyKind,
    reader: impl FnOnce(&Section<'_>) -> T,
) -> Result<T, InvalidBody> {
    let table = Table::from_json(object, text).map_err(InvalidBody::new)?;
    let source = Source { path: "body".to_owned(), text: text.to_owned() };
    let report = FileReport::new(source).sent_for(kind.names_of);
    let section = Section::new(&report, &table, kind.what, 0..0);
    let value = reader(&section);
    section.close();
    if !report.has_errors() {
        return Ok(value);
    }
    let problems: Vec<_> = report.finish().into_iter().filter(|p| p.severity == Severity::Error).collect();
    let field = problems.iter().find_map(|problem| field_of(problem, text));
    let problems = problems.into_iter().map(|problem| format!("{}: {}", problem.message, problem.help)).collect();
    Err(InvalidBody { problems, field })
}

/// The field of a problem: the key of the value at its place, else the key that its message names.
fn field_of(problem: &Problem, body: &str) -> Option<String> {
    let named = problem.message.split('`').nth(1)?;
    if let Some(key) = key_before(body, problem.span.start).and_then(|span| body.get(span)) {
        return Some(key.trim_matches('"').to_owned());
    }
    Some(named.split(" = ").next().unwrap_or(named).to_owned())
}
