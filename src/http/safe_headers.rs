//! The headers that make a document of the API harmless where a browser opens it: it is shown as what it is, loads nothing,
//! and is in no frame.
//!
//! Answers to payments have none of them, so that they are no longer than they must be: no browser opens the answer to such
//! a `POST`, and JSON is never read as a page. Pages have stricter headers of their own.

use axum::{
    http::{HeaderName, HeaderValue, header},
    response::Response,
};

/// The headers.
pub(crate) const SAFE_HEADERS: [(HeaderName, &str); 2] = [
    (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
];

/// A response with these headers, where it has none of the name.
pub(crate) fn with_safe_headers(mut response: Response) -> Response {
    for (name, value) in SAFE_HEADERS {
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}
