//! The one error of the service: what HTTP, replay and the commands need to show a refusal, without status codes.

use crate::{
    clock::ClockError,
    config::{self, Severity, body::InvalidBody},
    domain::{
        request::refusal::{Refusal, RefusalKind},
        vocabulary::text::suggest::nearest,
    },
    service::{
        configuration::reload::RefusedReload,
        import_export::outcome::{BadRow, ImportOutcome},
    },
    storage::journal::FollowError,
};
use std::{borrow::Cow, fmt};

/// What an error means to the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The request cannot be read.
    Malformed,
    /// The caller's credentials are missing, wrong or expired.
    Unauthenticated,
    /// The caller may not do this.
    Forbidden,
    /// The object that the request names does not exist.
    NotFound,
    /// The same id was sent with other content.
    Conflict,
    /// The object that the request names existed and is gone.
    Gone,
    /// The request is longer than allowed.
    TooLarge,
    /// The request is well-formed and cannot be done.
    Impossible,
    /// A limit on the number of requests is reached.
    TooMany,
    /// A fault of the daemon.
    Internal,
    /// The request can succeed a moment later.
    Unavailable,
}

/// Why a request has no answer. Every field that it names may repeat what the caller sent; the problem document masks
/// card numbers in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceError {
    /// What it means to the caller.
    pub kind: ErrorKind,
    /// Stable, for programs.
    pub code: Cow<'static, str>,
    /// This case in words.
    pub detail: String,
    /// The field at fault, if there is one.
    pub field: Option<String>,
    /// All fields at fault, where several are.
    pub fields: Vec<&'static str>,
    /// Rows of a table that cannot be imported.
    pub bad_rows: Vec<BadRow>,
    /// Several problems at once: those of a configuration or of a body.
    pub problems: Vec<String>,
    /// Warnings about the same configuration.
    pub warnings: Vec<String>,
    /// The id of an unknown merchant. The answer names the nearest merchant that the caller reaches.
    pub(crate) unknown_merchant: Option<String>,
}

impl fmt::Display for ServiceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

impl std::error::Error for ServiceError {}

impl ServiceError {
    /// An error of this kind.
    #[must_use]
    pub fn new(kind: ErrorKind, code: &'static str, detail: impl Into<String>) -> Self {
        Self {
            kind,
            code: Cow::Borrowed(code),
            detail: detail.into(),
            field: None,
            fields: Vec::new(),
            bad_rows: Vec::new(),
            problems: Vec::new(),
            warnings: Vec::new(),
            unknown_merchant: None,
        }
    }

    /// The same error with the field at fault.
    #[must_use]
    pub fn at(mut self, field: &str) -> Self {
        self.field = Some(field.to_owned());
        self
    }

    /// Whether the same request can succeed a moment later.
    #[must_use]
    pub fn is_unavailable(&self) -> bool {
        self.kind == ErrorKind::Unavailable
    }

    /// The request cannot be read.
    #[must_use]
    pub fn malformed(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(ErrorKind::Malformed, code, detail)
    }

    /// A field that the request does not take; `taken` are those it takes, separated by commas.
    #[must_use]
    pub fn unknown_field(field: &str, taken: &str) -> Self {
        let help = match nearest(field, taken.split(", ")) {
            Some(near) => format!("did you mean `{near}`? Taken are {taken}"),
            None if taken.is_empty() => "no field is taken".to_owned(),
            None => format!("taken are {taken}"),
        };
        Self::malformed("unknown_field", format!("`{field}` is not taken here; {help}")).at(field)
    }

    /// A field has another JSON type than `expected` says.
    #[must_use]
    pub fn wrong_type(field: &str, expected: &str) -> Self {
        Self::malformed("wrong_type", format!("`{field}` must be {expected}")).at(field)
    }

    /// A field has a value that is not among those that `expected` describes.
    #[must_use]
    pub fn unknown_value(field: &str, expected: &str) -> Self {
        Self::malformed("value_unknown", format!("`{field}` {expected}")).at(field)
    }

    /// The caller's rights do not reach this far.
    #[must_use]
    pub fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(ErrorKind::Forbidden, "forbidden", detail)
    }

    /// The credentials are missing or wrong.
    #[must_use]
    pub fn unauthorized() -> Self {
        let detail = "send a valid token: `Authorization: Bearer ...`";
        Self::new(ErrorKind::Unauthenticated, "unauthorized", detail)
    }

    /// No token was sent, and the client's certificate has no entry.
    #[must_use]
    pub fn unknown_certificate() -> Self {
        let detail = "the common name of your certificate has no entry in [auth] certificates; send a token, or show another \
                      certificate";
        Self::new(ErrorKind::Unauthenticated, "unauthorized", detail)
    }

    /// The client's certificate has expired since its connection began.
    #[must_use]
    pub fn certificate_expired() -> Self {
        let detail = "your certificate has expired since this connection began; connect with a new one";
        Self::new(ErrorKind::Unauthenticated, "unauthorized", detail)
    }

    /// The token was valid and has expired.
    #[must_use]
    pub fn token_expired() -> Self {
        let detail = "the token has expired (`expires` of its entry under [auth]); send another one";
        Self::new(ErrorKind::Unauthenticated, "token_expired", detail)
    }

    /// The body or the line is longer than allowed.
    #[must_use]
    pub fn too_large(bytes_max: usize) -> Self {
        let detail = format!("more than {bytes_max} bytes; the limit is `max_body_bytes` in levelgate.toml");
        Self::new(ErrorKind::TooLarge, "body_too_large", detail)
    }

    /// A table is longer than any table may be.
    #[must_use]
    pub fn table_too_large(bytes_max: u64) -> Self {
        let detail = format!("more than {bytes_max} bytes; send the table in parts");
        Self::new(ErrorKind::TooLarge, "body_too_large", detail)
    }

    /// A table has bad rows, and none of its rows was imported.
    #[must_use]
    pub fn bad_table(outcome: &ImportOutcome) -> Self {
        let (bad, rows) = (outcome.bad, outcome.rows);
        // No row was read where the header is bad.
        let detail = match rows < bad {
            true => "the table is bad and nothing was changed".to_owned(),
            false => format!("{bad} of {rows} rows are bad and nothing was changed; ?mode=partial takes the others"),
        };
        let mut error = Self::new(ErrorKind::Impossible, "rows_bad", detail);
        error.bad_rows.clone_from(&outcome.bad_rows);
        error
    }

    /// The merchant has no job of this id.
    #[must_use]
    pub fn unknown_job(id: &str) -> Self {
        Self::new(ErrorKind::NotFound, "job_not_found", format!("the merchant has no job {id:?}"))
    }

    /// Another job has this id.
    #[must_use]
    pub fn other_job(id: &str) -> Self {
        let detail = format!("job {id:?} was sent with other content; send the same content again, or name another id");
        Self::new(ErrorKind::Conflict, "job_differs", detail).at("job")
    }

    /// A limit on jobs is reached; `limit` describes it.
    #[must_use]
    pub fn too_many_jobs(limit: impl fmt::Display) -> Self {
        let detail = format!("{limit}; send it again when one of them has ended");
        Self::new(ErrorKind::TooMany, "too_many_jobs", detail)
    }

    /// A token has sent as many requests as it may.
    #[must_use]
    pub fn rate_limited() -> Self {
        let detail = "this token has sent as many requests as its `requests_per_second` and `burst` allow; send this one \
                      again later";
        Self::new(ErrorKind::TooMany, "rate_limited", detail)
    }

    /// A job stopped between two steps.
    #[must_use]
    pub fn job_interrupted(id: &str) -> Self {
        let detail = format!(
            "the daemon stops, or a file of job {id:?} failed: the next start finishes the job if it has begun; send the \
             same again with `?job={id}` to get its answer"
        );
        Self::new(ErrorKind::Unavailable, "job_interrupted", detail)
    }

    /// The event feed cannot be read from the requested position.
    #[must_use]
    pub fn not_in_the_feed(error: &FollowError) -> Self {
        match error {
            FollowError::Gone { begins_at, .. } => {
                let detail = format!(
                    "{error}; a reader that has not read the events between the two has lost them: continue with \
                     `after={}`, or with 0 from the oldest event that is kept",
                    begins_at.0.saturating_sub(1)
                );
                Self::new(ErrorKind::Gone, "events_gone", detail).at("after")
            }
            FollowError::Ahead { .. } => {
                let detail = format!(
                    "{error}; the number is of another data folder, or this folder was restored from an earlier copy or \
                     lost what was never synced"
                );
                Self::new(ErrorKind::Impossible, "events_ahead", detail).at("after")
            }
            FollowError::Read(error) => Refusal::Unreadable(error.to_string()).into(),
        }
    }

    /// A configuration that cannot be applied; nothing was changed.
    #[must_use]
    pub fn bad_configuration(problems: Vec<String>) -> Self {
        let plural = if problems.len() == 1 { "" } else { "s" };
        let detail = format!("{} problem{plural}; the configuration in force stays", problems.len());
        Self { problems, ..Self::new(ErrorKind::Impossible, "configuration_invalid", detail) }
    }

    /// A reload that was refused; nothing was changed.
    #[must_use]
    pub fn refused_reload(refused: &RefusedReload) -> Self {
        let detail = format!("{}; the configuration in force stays", config::tally_texts(&refused.problems));
        let of = |severity| refused.of(severity).map(|problem| problem.text.clone()).collect();
        let (problems, warnings) = (of(Severity::Error), of(Severity::Warning));
        Self { problems, warnings, ..Self::new(ErrorKind::Impossible, "configuration_invalid", detail) }
    }

    /// A fault of the daemon; its log has the cause.
    #[must_use]
    pub fn internal() -> Self {
        Self::new(ErrorKind::Internal, "internal", "the daemon could not answer; its log says why")
    }

    /// The clock takes its time from requests, so there is no system clock to accept.
    #[must_use]
    pub fn clock_by_requests() -> Self {
        let detail = "[clock] source is \"request\": the times of requests count, and no system clock can be accepted";
        Self::new(ErrorKind::Impossible, "clock_by_requests", detail)
    }

    /// A file could not be written or read; nothing that was acknowledged is lost.
    #[must_use]
    pub fn store_unavailable() -> Self {
        let detail = "a file of the data folder could not be written or read; the daemon's log says why; try again";
        Self::new(ErrorKind::Unavailable, "store_unavailable", detail)
    }

    /// The daemon is stopping.
    #[must_use]
    pub fn stopping() -> Self {
        Self::new(ErrorKind::Unavailable, "stopping", "the daemon is being stopped; try again")
    }

    /// Work on another thread did not end: the daemon stops, or the work has a fault.
    #[must_use]
    pub fn unfinished(error: &tokio::task::JoinError) -> Self {
        if error.is_cancelled() { Self::stopping() } else { Self::internal() }
    }

    /// There is no folder to write a snapshot into.
    #[must_use]
    pub fn no_snapshots() -> Self {
        let detail = "the daemon keeps all state in memory ([store] kind = \"memory\"): there is nothing to take";
        Self::new(ErrorKind::Impossible, "no_snapshots", detail)
    }

    /// A snapshot could not be written; the earlier ones stay.
    #[must_use]
    pub fn snapshot_failed(detail: String) -> Self {
        Self::new(ErrorKind::Unavailable, "snapshot_failed", detail)
    }

    /// The file system has no room for a secondary file: a snapshot, an uploaded table, a job.
    #[must_use]
    pub fn storage_full(detail: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unavailable, "storage_full", detail)
    }

    /// Redis is away, and this daemon records nothing without it. Nothing was recorded.
    #[must_use]
    pub fn redis_unavailable() -> Self {
        let detail =
            "Redis is unavailable, and this daemon answers no write without it; nothing was recorded: try again";
        Self::new(ErrorKind::Unavailable, "redis_unavailable", detail)
    }

    /// Another daemon has taken over. Nothing was recorded.
    #[must_use]
    pub fn fenced_out() -> Self {
        let detail =
            "another daemon has taken over, and this one stops; nothing was recorded: send it to the other one";
        Self::new(ErrorKind::Unavailable, "fenced_out", detail)
    }

    /// The daemon is a standby. Nothing was recorded.
    #[must_use]
    pub fn standby() -> Self {
        let detail =
            "this daemon is a standby and records nothing; send it to the primary, or try again after a take-over";
        Self::new(ErrorKind::Unavailable, "standby", detail)
    }

    /// The daemon is a standby, and so far behind the primary: not ready.
    #[must_use]
    pub fn standby_with_lag(lag: std::time::Duration) -> Self {
        let mut error = Self::standby();
        error.detail = format!("standby; lag of {} ms", lag.as_millis());
        error
    }

    /// Only a standby takes over.
    #[must_use]
    pub fn not_standby() -> Self {
        Self::new(ErrorKind::Conflict, "not_standby", "this daemon is no standby: it is the primary, or has no [redis]")
    }

    /// The standby has not taken over.
    #[must_use]
    pub fn take_over_failed(detail: String) -> Self {
        Self::new(ErrorKind::Unavailable, "take_over_failed", detail)
    }

    /// The journal has the record of the request, and Redis did not confirm it in time.
    #[must_use]
    pub fn not_confirmed() -> Self {
        let detail = "Redis did not confirm the record, or another daemon may have taken over; the outcome is unknown: \
                      retry with the same id";
        Self::new(ErrorKind::Unavailable, "outcome_unknown", detail)
    }

    /// The journal failed while the request was in progress.
    #[must_use]
    pub fn outcome_unknown() -> Self {
        let detail = "the journal could not be written; the outcome is unknown: retry with the same id";
        Self::new(ErrorKind::Unavailable, "outcome_unknown", detail)
    }
}

impl From<Refusal> for ServiceError {
    fn from(refusal: Refusal) -> Self {
        let kind = match refusal.kind() {
            RefusalKind::Malformed => ErrorKind::Malformed,
            RefusalKind::NotFound => ErrorKind::NotFound,
            RefusalKind::Conflict => ErrorKind::Conflict,
            RefusalKind::Impossible => ErrorKind::Impossible,
            RefusalKind::Forbidden => ErrorKind::Forbidden,
            RefusalKind::Gone => ErrorKind::Gone,
            RefusalKind::Unavailable => ErrorKind::Unavailable,
        };
        let mut error = Self::new(kind, refusal.code(), refusal.to_string());
        error.field = refusal.field().map(str::to_owned);
        match refusal {
            Refusal::Conflict(fields) => error.fields = fields,
            Refusal::UnknownMerchant(id) => error.unknown_merchant = Some(id),
            _ => {}
        }
        error
    }
}

impl From<ClockError> for ServiceError {
    fn from(error: ClockError) -> Self {
        match error {
            ClockError::Jumped(_) => Self::new(ErrorKind::Unavailable, "clock_jumped", error.to_string()),
            ClockError::NoTimeYet => Refusal::NoTimeYet.into(),
        }
    }
}

impl From<InvalidBody> for ServiceError {
    fn from(InvalidBody { problems, field }: InvalidBody) -> Self {
        let detail = problems.first().cloned().unwrap_or_default();
        Self { field, problems, ..Self::malformed("body_invalid", detail) }
    }
}
