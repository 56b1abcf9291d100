//! Problem documents (RFC 9457), and the only place that names status codes.

use crate::service::import_export::{BadRow, Imported};
use crate::{
    clock::ClockError,
    domain::{
        decision::refusal::{Kind, Refusal},
        vocabulary::card_numbers::masked,
    },
    ledger::FeedError,
    storage::journal::{FollowError, Lsn},
};
use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::{Serialize, Serializer};
use std::fmt;

/// What a caller is told when a request is refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// A name for the kind, stable.
    #[serde(rename = "type")]
    pub kind: String,
    /// The kind in words.
    pub title: &'static str,
    /// The HTTP status.
    pub status: u16,
    /// This case in words.
    #[serde(serialize_with = "covered")]
    pub detail: String,
    /// Stable, for programs.
    pub code: String,
    /// Where, if a field is at fault.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "covered_if_any")]
    pub field: Option<String>,
    /// All of them, where several are.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<&'static str>,
    /// Rows of a table that are not taken.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub bad_rows: Vec<BadRow>,
    /// Several at once: the problems of a configuration.
    #[serde(skip_serializing_if = "Vec::is_empty", serialize_with = "all_covered")]
    pub problems: Vec<String>,
}

/// A problem may repeat a text that a caller sent, but no full card number.
fn covered<S: Serializer>(text: &str, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&masked(text))
}

#[expect(clippy::ref_option, reason = "serde hands over the field as it is")]
fn covered_if_any<S: Serializer>(text: &Option<String>, serializer: S) -> Result<S::Ok, S::Error> {
    text.as_deref().map(masked).serialize(serializer)
}

fn all_covered<S: Serializer>(texts: &[String], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(texts.iter().map(|text| masked(text)))
}

impl Problem {
    /// A problem of this status.
    #[must_use]
    pub fn new(status: StatusCode, code: &str, detail: impl Into<String>) -> Self {
        Self {
            kind: format!("urn:levelgate:{code}"),
            title: status.canonical_reason().unwrap_or("Error"),
            status: status.as_u16(),
            detail: detail.into(),
            code: code.to_owned(),
            field: None,
            fields: Vec::new(),
            bad_rows: Vec::new(),
            problems: Vec::new(),
        }
    }

    /// The same, with the field at fault.
    #[must_use]
    pub fn at(mut self, field: &str) -> Self {
        self.field = Some(field.to_owned());
        self
    }

    /// The request cannot be read.
    #[must_use]
    pub fn malformed(code: &str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, detail)
    }

    /// Nothing is at this address.
    #[must_use]
    pub fn no_such_path() -> Self {
        Self::new(StatusCode::NOT_FOUND, "path_not_found", "there is nothing at this path")
    }

    /// The address does not take this method.
    #[must_use]
    pub fn method_not_allowed() -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "this path takes another method")
    }

    /// The body or the line is longer than allowed.
    #[must_use]
    pub fn too_large(bytes_max: usize) -> Self {
        let detail = format!("more than {bytes_max} bytes; the limit is `max_body_bytes` in levelgate.toml");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", detail)
    }

    /// A table is longer than any may be.
    #[must_use]
    pub(crate) fn table_too_large(bytes_max: u64) -> Self {
        let detail = format!("more than {bytes_max} bytes; send the table in parts");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", detail)
    }

    /// A table with bad rows, of which nothing was taken.
    #[must_use]
    pub(crate) fn bad_table(imported: &Imported) -> Self {
        let (bad, rows) = (imported.bad, imported.rows);
        // Where the header is bad, no row was read.
        let detail = match rows < bad {
            true => "the table is bad and nothing was changed".to_owned(),
            false => format!("{bad} of {rows} rows are bad and nothing was changed; ?mode=partial takes the others"),
        };
        let mut problem = Self::new(StatusCode::UNPROCESSABLE_ENTITY, "rows_bad", detail);
        problem.bad_rows.clone_from(&imported.bad_rows);
        problem
    }

    /// Nothing is known of a job.
    #[must_use]
    pub(crate) fn unknown_job(id: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "job_not_found", format!("the merchant has no job {id:?}"))
    }

    /// Another job has this id.
    #[must_use]
    pub(crate) fn other_job(id: &str) -> Self {
        let detail = format!("job {id:?} was about something else; send the same again, or name another id");
        Self::new(StatusCode::CONFLICT, "job_differs", detail).at("job")
    }

    /// As many jobs are under way as there may be, by the limit that the words name.
    #[must_use]
    pub(crate) fn too_many_jobs(limit: impl fmt::Display) -> Self {
        let detail = format!("{limit}; send it again when one of them has ended");
        Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many_jobs", detail)
    }

    /// A job was begun and stopped in the middle.
    #[must_use]
    pub(crate) fn job_interrupted(id: &str) -> Self {
        let detail = format!(
            "the daemon stops, or a file of it failed: if job {id:?} has begun, the next start finishes it; send the \
             same again with `?job={id}` to hear what became of it"
        );
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "job_interrupted", detail)
    }

    /// The feed of facts cannot be told from where it was asked for.
    #[must_use]
    pub(crate) fn not_in_the_feed(error: &FeedError) -> Self {
        match error {
            FeedError::Journal(error @ FollowError::Gone { begins_at, .. }) => {
                let detail = format!(
                    "{error}; facts between the two are lost to whoever has not heard of them: go on with `after={}`, or                      with 0 from whatever is kept",
                    begins_at.0.saturating_sub(1)
                );
                Self::new(StatusCode::GONE, "events_gone", detail).at("after")
            }
            FeedError::Journal(error @ FollowError::Ahead { .. }) => {
                let detail = format!(
                    "{error}; the number is of another data folder, or this one was restored from an earlier copy or lost \
                     what was never synced"
                );
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "events_ahead", detail).at("after")
            }
            FeedError::Journal(FollowError::Read(error)) => Refusal::Unreadable(error.to_string()).into(),
            FeedError::Story(refusal) => refusal.clone().into(),
        }
    }

    /// The credentials are missing or wrong.
    #[must_use]
    pub fn unauthorized() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", "send a valid token: `Authorization: Bearer ...`")
    }

    /// The token was valid and is so no more.
    #[must_use]
    pub fn token_expired() -> Self {
        let detail = "the token has expired (`expires` of its entry under [auth]); send another one";
        Self::new(StatusCode::UNAUTHORIZED, "token_expired", detail)
    }

    /// The credentials do not reach so far.
    #[must_use]
    pub fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", detail)
    }

    /// A configuration that cannot be applied; nothing was changed.
    #[must_use]
    pub fn bad_configuration(problems: Vec<String>) -> Self {
        let plural = if problems.len() == 1 { "" } else { "s" };
        let detail = format!("{} problem{plural}; the configuration in force stays", problems.len());
        let mut problem = Self::new(StatusCode::UNPROCESSABLE_ENTITY, "configuration_invalid", detail);
        problem.problems = problems;
        problem
    }

    /// Something went wrong here; the log has more.
    #[must_use]
    pub fn internal() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "the daemon could not answer; its log says why")
    }

    /// There is no system clock to accept.
    #[must_use]
    pub(crate) fn clock_by_requests() -> Self {
        let detail = "[clock] source is \"request\": the times of requests count, and no system clock can be accepted";
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "clock_by_requests", detail)
    }

    /// There are as many connections as there may be.
    #[must_use]
    pub fn too_many_connections() -> Self {
        let detail = "as many connections are open as [http] max_connections allows; try again, or keep fewer open";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "too_many_connections", detail)
    }

    /// A limit that all callers share is reached: of what, and by which key of `[http]`. Counted.
    #[must_use]
    pub(crate) fn overloaded(what: &'static str, key: &str) -> Self {
        let detail = match what {
            "batches" => format!("as many batches run as [http] {key} allows; try again"),
            _ => format!("as many bytes of requests and answers are in memory as [http] {key} allows; try again"),
        };
        metrics::counter!("levelgate_overloaded_total", "limit" => what).increment(1);
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "overloaded", detail)
    }

    /// As many tables are downloaded as may be at a time. Counted.
    #[must_use]
    pub(crate) fn overloaded_by_downloads(most: usize) -> Self {
        metrics::counter!("levelgate_overloaded_total", "limit" => "downloads").increment(1);
        let detail = format!("{most} tables are being downloaded; try again when one of them has ended");
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "overloaded", detail)
    }

    /// A head or a body was not complete in time.
    #[must_use]
    pub(crate) fn too_slow(part: &str) -> Self {
        let detail = format!("the {part} of the request was not complete in time; the limits are in [http]");
        Self::new(StatusCode::REQUEST_TIMEOUT, "request_too_slow", detail)
    }

    /// A request line with its headers is longer than allowed.
    #[must_use]
    pub(crate) fn header_too_large(bytes_max: usize) -> Self {
        let detail = format!("the head of the request has more than {bytes_max} bytes ([http] max_header_bytes)");
        Self::new(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "header_too_large", detail)
    }

    /// A file could not be written or read; nothing that was acknowledged is lost.
    #[must_use]
    pub(crate) fn store_unavailable() -> Self {
        let detail = "a file of the data folder could not be written or read; the daemon's log says why; try again";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "store_unavailable", detail)
    }

    /// The daemon was told to stop.
    #[must_use]
    pub(crate) fn stopping() -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "stopping", "the daemon is being stopped; try again")
    }

    /// Work on another thread did not end: because the daemon stops, or because of a fault in it.
    #[must_use]
    pub(crate) fn unfinished(error: &tokio::task::JoinError) -> Self {
        if error.is_cancelled() { Self::stopping() } else { Self::internal() }
    }

    /// There is no folder to take a snapshot into.
    #[must_use]
    pub fn no_snapshots() -> Self {
        let detail = "the daemon keeps all state in memory ([store] kind = \"memory\"): there is nothing to take";
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "no_snapshots", detail)
    }

    /// A snapshot could not be written; what was there before stands.
    #[must_use]
    pub fn snapshot_failed(detail: String) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "snapshot_failed", detail)
    }

    /// The file system has no room for a secondary file: a snapshot, a table that is uploaded, a job.
    #[must_use]
    pub fn storage_full(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "storage_full", detail)
    }

    /// The journal failed while the request was under way.
    #[must_use]
    pub fn outcome_unknown() -> Self {
        let detail = "the journal could not be written; the outcome is unknown: retry with the same id";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "outcome_unknown", detail)
    }

    /// The whole response as bytes, for a connection that is closed after it.
    pub(crate) fn to_wire(&self) -> Vec<u8> {
        let body = serde_json::to_vec(self).unwrap_or_default();
        let retry = if self.is_unavailable() { "retry-after: 1\r\n" } else { "" };
        let mut bytes = format!(
            "HTTP/1.1 {}\r\nconnection: close\r\ncontent-type: application/problem+json\r\n{retry}content-length: {}\r\n\r\n",
            self.status(),
            body.len()
        )
        .into_bytes();
        bytes.extend_from_slice(&body);
        bytes
    }

    /// An answer as it is, but for a refusal by the framework itself, which comes as plain text.
    pub(crate) fn in_words(response: Response) -> Response {
        let is_plain =
            response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/"));
        if !response.status().is_client_error() || !is_plain {
            return response;
        }
        Self::new(response.status(), "path_malformed", "the path or the query cannot be read").into_response()
    }

    /// Whether it may be otherwise a moment later.
    #[must_use]
    pub fn is_unavailable(&self) -> bool {
        self.status() == StatusCode::SERVICE_UNAVAILABLE
    }

    /// The status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

/// What a call says when it went well, and whether it made something.
#[derive(Debug)]
pub(crate) struct Told {
    status: StatusCode,
    body: Vec<u8>,
    rests_on: Option<Lsn>,
}

impl Told {
    pub(crate) fn of(body: Vec<u8>) -> Self {
        Self { status: StatusCode::OK, body, rests_on: None }
    }

    pub(crate) fn created(body: Vec<u8>) -> Self {
        Self { status: StatusCode::CREATED, ..Self::of(body) }
    }

    /// Of what rests on this record, and not on all there are.
    pub(crate) fn resting_on(body: Vec<u8>, lsn: Lsn) -> Self {
        Self { rests_on: Some(lsn), ..Self::of(body) }
    }

    /// The record that it rests on; `None`: all there are.
    pub(crate) fn rests_on(&self) -> Option<Lsn> {
        self.rests_on
    }

    /// The response, its body as `wrap` sends it.
    pub(crate) fn over(self, wrap: impl FnOnce(Vec<u8>) -> Response) -> Response {
        let mut response = wrap(self.body);
        *response.status_mut() = self.status;
        response
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let status = match refusal.kind() {
            Kind::Malformed => StatusCode::BAD_REQUEST,
            Kind::NotFound => StatusCode::NOT_FOUND,
            Kind::Conflict => StatusCode::CONFLICT,
            Kind::Impossible => StatusCode::UNPROCESSABLE_ENTITY,
            Kind::Forbidden => StatusCode::FORBIDDEN,
            Kind::Gone => StatusCode::GONE,
            Kind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        };
        let mut problem = Self::new(status, refusal.code(), refusal.to_string());
        problem.field = refusal.field().map(str::to_owned);
        if let Refusal::Conflict(fields) = refusal {
            problem.fields = fields;
        }
        problem
    }
}

impl From<ClockError> for Problem {
    fn from(error: ClockError) -> Self {
        match error {
            ClockError::Jumped(_) => Self::new(StatusCode::SERVICE_UNAVAILABLE, "clock_jumped", error.to_string()),
            ClockError::NoTimeYet => Refusal::NoTimeYet.into(),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = self.status();
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let mut response = (status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if matches!(status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS) {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}
