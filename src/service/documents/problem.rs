//! The problem document (RFC 9457): the body of a refused call, and the line of a batch or a replay that has no answer.

use crate::{
    domain::vocabulary::card_numbers::masked,
    service::{
        error::{ErrorKind, ServiceError},
        import_export::outcome::BadRow,
    },
};
use serde::{Serialize, Serializer};
use std::borrow::Cow;

/// A refused request as a document. No text in it shows a full card number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ProblemDocument {
    /// The kind as a stable URN.
    #[serde(rename = "type")]
    pub kind: String,
    /// The kind in words.
    pub title: &'static str,
    /// The member `status` of the document.
    pub status: u16,
    /// This case in words.
    #[serde(serialize_with = "serialize_masked")]
    pub detail: String,
    /// Stable, for programs.
    pub code: Cow<'static, str>,
    /// The field at fault, if there is one.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "serialize_masked_option")]
    pub field: Option<String>,
    /// All fields at fault, where several are.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<&'static str>,
    /// Rows of a table that cannot be imported.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub bad_rows: Vec<BadRow>,
    /// Several problems at once.
    #[serde(skip_serializing_if = "Vec::is_empty", serialize_with = "serialize_masked_list")]
    pub problems: Vec<String>,
    /// Warnings about the same configuration.
    #[serde(skip_serializing_if = "Vec::is_empty", serialize_with = "serialize_masked_list")]
    pub warnings: Vec<String>,
}

fn serialize_masked<S: Serializer>(text: &str, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&masked(text))
}

#[expect(clippy::ref_option, reason = "serde passes a reference to the field")]
fn serialize_masked_option<S: Serializer>(text: &Option<String>, serializer: S) -> Result<S::Ok, S::Error> {
    text.as_deref().map(masked).serialize(serializer)
}

fn serialize_masked_list<S: Serializer>(texts: &[String], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(texts.iter().map(|text| masked(text)))
}

/// The members `status` and `title` of a document. A stream has no status line, so its documents carry the number.
const fn status_and_title(kind: ErrorKind) -> (u16, &'static str) {
    match kind {
        ErrorKind::Malformed => (400, "Bad Request"),
        ErrorKind::Unauthenticated => (401, "Unauthorized"),
        ErrorKind::Forbidden => (403, "Forbidden"),
        ErrorKind::NotFound => (404, "Not Found"),
        ErrorKind::Conflict => (409, "Conflict"),
        ErrorKind::Gone => (410, "Gone"),
        ErrorKind::TooLarge => (413, "Payload Too Large"),
        ErrorKind::Impossible => (422, "Unprocessable Entity"),
        ErrorKind::TooMany => (429, "Too Many Requests"),
        ErrorKind::Internal => (500, "Internal Server Error"),
        ErrorKind::Unavailable => (503, "Service Unavailable"),
    }
}

/// The `type` of a document with this code.
#[must_use]
pub fn kind_of(code: &str) -> String {
    format!("urn:levelgate:{code}")
}

impl From<ServiceError> for ProblemDocument {
    fn from(error: ServiceError) -> Self {
        let (status, title) = status_and_title(error.kind);
        let ServiceError { kind: _, code, detail, field, fields, bad_rows, problems, warnings } = error;
        Self { kind: kind_of(&code), title, status, detail, code, field, fields, bad_rows, problems, warnings }
    }
}
