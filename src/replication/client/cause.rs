//! The cause of a failed command.

use crate::replication::model::error::RedisError;
use redis::{ErrorKind, ServerErrorKind};

/// The cause that an error of the client names. `what` and `ms` say what was waited for, and how long.
pub(in crate::replication) fn cause_of(error: &redis::RedisError, what: &'static str, ms: u64) -> RedisError {
    if error.is_timeout() {
        return RedisError::TimedOut { what, ms };
    }
    let text = || match (error.code(), error.detail()) {
        (Some(code), Some(detail)) => format!("{code} {detail}"),
        _ => error.to_string(),
    };
    match error.kind() {
        ErrorKind::Server(kind) => server_cause(kind, text()),
        ErrorKind::Extension => extension_cause(error.code().unwrap_or_default(), text()),
        ErrorKind::AuthenticationFailed => RedisError::NotAuthenticated(text()),
        // The connection ended within an answer, or the server is not Redis.
        ErrorKind::Parse => RedisError::Unreachable(format!("an answer is not whole: {error}")),
        ErrorKind::UnexpectedReturnType => RedisError::Protocol(error.to_string()),
        ErrorKind::InvalidClientConfig | ErrorKind::Client => RedisError::Refused(error.to_string()),
        _ => RedisError::Unreachable(error.to_string()),
    }
}

fn server_cause(kind: ServerErrorKind, text: String) -> RedisError {
    match kind {
        ServerErrorKind::BusyLoading => RedisError::Loading,
        ServerErrorKind::ReadOnly => RedisError::ReadOnly,
        ServerErrorKind::NoPerm => RedisError::NotPermitted(text),
        ServerErrorKind::MasterDown
        | ServerErrorKind::ClusterDown
        | ServerErrorKind::Moved
        | ServerErrorKind::Ask
        | ServerErrorKind::TryAgain => RedisError::MasterDown(text),
        // Before version 7, the server put the cause into the text of a failed script.
        _ => named_cause(&text).unwrap_or(RedisError::Refused(text)),
    }
}

fn extension_cause(code: &str, text: String) -> RedisError {
    named_cause(code).unwrap_or(match code {
        "NOAUTH" | "WRONGPASS" => RedisError::NotAuthenticated(text),
        "MISCONF" | "NOREPLICAS" | "BUSY" => RedisError::WritesDisabled(text),
        _ => RedisError::Refused(text),
    })
}

fn named_cause(text: &str) -> Option<RedisError> {
    let names = |word: &str| text.split(|c: char| !c.is_ascii_uppercase()).any(|part| part == word);
    if names("OOM") {
        return Some(RedisError::OutOfMemory);
    }
    if text.contains("unauthenticated") {
        // The server refuses a long command before a login, and does not say NOAUTH.
        return Some(RedisError::NotAuthenticated(text.to_owned()));
    }
    if names("WRONGTYPE") {
        return Some(RedisError::WrongType);
    }
    names("READONLY").then_some(RedisError::ReadOnly)
}
