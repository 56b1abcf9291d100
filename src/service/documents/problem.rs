//! The problem document (RFC 9457): the body of a refused call, and the line of a batch or a replay that has no answer.

use crate::{
    config::schema::texts::{FieldText, SentenceText},
    domain::{
        rules::configuration::Rules,
        vocabulary::{card_numbers::masked, text::suggest::did_you_mean},
    },
    service::{
        error::{ErrorKind, ServiceError},
        import_export::outcome::BadRow,
    },
};
use schemars::JsonSchema;
use serde::{Serialize, Serializer};
use std::borrow::Cow;

/// A refused request as a document. No text in it shows a full card number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "Problem")]
pub struct ProblemDocument {
    /// `urn:levelgate:` and the code.
    #[serde(rename = "type")]
    #[schemars(length(max = 100), example = &"urn:levelgate:unknown_field")]
    pub kind: String,
    /// The HTTP status in words.
    #[schemars(length(max = 64), example = &"Bad Request")]
    pub title: &'static str,
    /// The HTTP status.
    #[schemars(range(min = 400, max = 599), example = 400)]
    pub status: u16,
    /// This case in words. It can change between versions.
    #[serde(serialize_with = "serialize_masked")]
    #[schemars(with = "SentenceText")]
    pub detail: String,
    /// The stable code. Programs read this.
    #[schemars(length(max = 64), regex(pattern = "^[a-z0-9_]+$"), example = &"unknown_field")]
    pub code: Cow<'static, str>,
    /// The field, query parameter or header at fault; absent if there is none.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "serialize_masked_option")]
    #[schemars(with = "Option<SentenceText>")]
    pub field: Option<String>,
    /// With `conflict`: all fields that differ.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<FieldText>")]
    pub fields: Vec<&'static str>,
    /// With `rows_bad`: the rows that cannot be imported, at most 1,000.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub bad_rows: Vec<BadRow>,
    /// With `configuration_invalid` and `body_invalid`: every problem.
    #[serde(skip_serializing_if = "Vec::is_empty", serialize_with = "serialize_masked_list")]
    #[schemars(with = "Vec<SentenceText>")]
    pub problems: Vec<String>,
    /// With `configuration_invalid` of a reload: the warnings about the same files.
    #[serde(skip_serializing_if = "Vec::is_empty", serialize_with = "serialize_masked_list")]
    #[schemars(with = "Vec<SentenceText>")]
    pub warnings: Vec<String>,
    /// The id of the request: that of its header `X-Request-Id`, or the one that the daemon made. A line of a batch has none:
    /// the header of the whole answer has it. It is written when the answer leaves.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128), example = &"c0ffee-7")]
    pub request_id: Option<String>,
    /// The id of an unknown merchant, until the nearest one is named.
    #[serde(skip)]
    pub(crate) unknown_merchant: Option<String>,
}

impl ProblemDocument {
    /// Names the nearest one of the merchants that the caller reaches, if the problem is an unknown merchant.
    pub(crate) fn name_nearest_merchant(&mut self, rules: &Rules, reaches: impl Fn(&str) -> bool) {
        if let Some(sent) = self.unknown_merchant.take() {
            let reached = rules.merchant_ids().into_iter().filter(|id| reaches(id));
            self.detail.push_str(&did_you_mean(&sent, reached));
        }
    }
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
        let ServiceError { kind: _, code, detail, field, fields, bad_rows, problems, warnings, unknown_merchant } =
            error;
        let kind = kind_of(&code);
        let request_id = None;
        Self {
            kind,
            title,
            status,
            detail,
            code,
            field,
            fields,
            bad_rows,
            problems,
            warnings,
            request_id,
            unknown_merchant,
        }
    }
}
