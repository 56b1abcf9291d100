//! The problems of operations, by status. The guide on errors has the status and the remedy of each code; the document
//! takes them from there.

use crate::{
    docs,
    http::operations::operation::{Availability, Operation},
};
use serde_json::{Map, Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::LazyLock,
};

/// A row of the guide's table of codes.
#[derive(Debug, Clone, Copy)]
pub(super) struct ProblemCode {
    pub(super) code: &'static str,
    pub(super) status: u16,
    /// When it is answered.
    pub(super) when: &'static str,
}

/// The rows of the guide. A code with two statuses has two.
pub(super) static CODES: LazyLock<Vec<ProblemCode>> = LazyLock::new(|| {
    let text = docs::guide("errors").map_or("", |guide| guide.text);
    let table = text.split_once("### All codes").map_or("", |(_, table)| table);
    table.lines().filter_map(row).collect()
});

/// A row such as `` | `conflict` | 409 | When. | Remedy. | ``.
fn row(line: &'static str) -> Option<ProblemCode> {
    let mut cells = line.strip_prefix("| `")?.split('|').map(str::trim);
    let code = cells.next()?.strip_suffix('`')?;
    Some(ProblemCode { code, status: cells.next()?.parse().ok()?, when: cells.next()? })
}

/// The codes that every operation can answer with, because the connection answers them.
const OF_CONNECTIONS: [&str; 2] = ["header_too_large", "request_too_slow"];

/// The codes of an operation by status.
pub(super) fn codes_by_status(operation: &Operation) -> BTreeMap<u16, BTreeSet<&'static str>> {
    let beyond = (operation.availability == Availability::Main).then_some("too_many_connections");
    let mut by_status: BTreeMap<u16, BTreeSet<&'static str>> = BTreeMap::new();
    for code in operation.problem_codes().chain(OF_CONNECTIONS).chain(beyond) {
        for known in CODES.iter().filter(|known| known.code == code) {
            by_status.entry(known.status).or_default().insert(known.code);
        }
    }
    by_status
}

/// The name of the response of a status in `components/responses`.
fn component(status: u16) -> String {
    format!("Problem{status}")
}

/// The problem responses of an operation, and its codes by status.
pub(super) fn responses(operation: &Operation) -> (Map<String, Value>, Value) {
    let mut responses = Map::new();
    let mut codes = Map::new();
    for (status, of_status) in codes_by_status(operation) {
        responses
            .insert(status.to_string(), json!({ "$ref": format!("#/components/responses/{}", component(status)) }));
        codes.insert(status.to_string(), json!(of_status));
    }
    (responses, Value::Object(codes))
}

/// The titles of the statuses of problems.
const STATUSES: [(u16, &str); 14] = [
    (400, "The call cannot be read."),
    (401, "The token is missing, wrong or expired; without a token, the same of the certificate."),
    (403, "The token or certificate does not allow the call."),
    (404, "The object that the call names does not exist."),
    (408, "The request was not complete in time."),
    (409, "The id is known with other content, or the value belongs to another customer."),
    (410, "The record is lost, or the feed no longer has it."),
    (413, "The body is too large."),
    (422, "The call is well formed and cannot be carried out."),
    (429, "Too many requests of the token, or too many jobs: retry later."),
    (431, "The request line and the headers are too large."),
    (500, "A fault in levelgate: retry with the same id."),
    (503, "Not now: retry later with the same id."),
    (405, "The path takes another method."),
];

/// The header that every response has.
pub(super) fn request_id() -> Value {
    json!({ "$ref": "#/components/headers/RequestId" })
}

/// All headers that several responses have, by their names.
pub(super) fn headers() -> Value {
    json!({ "RequestId": {
        "description": "The id of the request: that of its header `X-Request-Id`, if it has 1 to 128 visible ASCII \
                        characters, else one that the daemon makes. The log names the request by it.",
        "required": true,
        "schema": {
            "type": "string", "minLength": 1, "maxLength": 128, "pattern": "^[!-~]+$", "examples": ["5be1c47e1a0d2f93"]
        }
    } })
}

/// All problem responses, by their names.
pub(super) fn components() -> Map<String, Value> {
    let response = |(status, description): (u16, &str)| {
        let mut response = json!({
            "description": description,
            "content": {
                "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } }
            }
        });
        let retry = json!({
            "description": "The seconds until the next try.",
            "schema": { "type": "integer", "minimum": 1, "maximum": 3_600, "examples": [1] }
        });
        let challenge = json!({
            "description": "The kind of credentials.",
            "schema": { "type": "string", "maxLength": 64, "examples": ["Bearer"] }
        });
        response["headers"]["X-Request-Id"] = request_id();
        match status {
            401 => response["headers"]["WWW-Authenticate"] = challenge,
            429 | 503 => response["headers"]["Retry-After"] = retry,
            _ => {}
        }
        (component(status), response)
    };
    STATUSES.into_iter().map(response).collect()
}

/// The codes of all operations with the time when each is answered, for the page.
pub(super) fn all_codes() -> Value {
    CODES.iter().map(|code| json!({ "code": code.code, "status": code.status, "when": code.when })).collect()
}
