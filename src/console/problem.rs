//! The statuses of answers.

use crate::service::error::ErrorKind;
use axum::http::StatusCode;

/// The status of a kind of error, as the API answers it.
pub(super) fn status_of(kind: ErrorKind) -> StatusCode {
    match kind {
        ErrorKind::Malformed => StatusCode::BAD_REQUEST,
        ErrorKind::Unauthenticated => StatusCode::UNAUTHORIZED,
        ErrorKind::Forbidden => StatusCode::FORBIDDEN,
        ErrorKind::NotFound => StatusCode::NOT_FOUND,
        ErrorKind::Conflict => StatusCode::CONFLICT,
        ErrorKind::Gone => StatusCode::GONE,
        ErrorKind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        ErrorKind::Impossible => StatusCode::UNPROCESSABLE_ENTITY,
        ErrorKind::TooMany => StatusCode::TOO_MANY_REQUESTS,
        ErrorKind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        ErrorKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// The status of an answer that names the page to load next.
pub(super) const SEE_OTHER: StatusCode = StatusCode::SEE_OTHER;
/// The status of a wrong method.
pub(super) const METHOD_NOT_ALLOWED: StatusCode = StatusCode::METHOD_NOT_ALLOWED;
/// The status of an answer that has no content.
pub(super) const NO_CONTENT: StatusCode = StatusCode::NO_CONTENT;
/// The status of a page.
pub(super) const FOUND: StatusCode = StatusCode::OK;
