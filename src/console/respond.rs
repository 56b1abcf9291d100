//! Responses with the headers that every answer of the console has.

use crate::console::problem::{NO_CONTENT, SEE_OTHER};
use axum::{
    body::Body,
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::Response,
};

/// Only files of the daemon itself; no script and no style in a page; no frame around it.
pub(super) const CONTENT_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
                                         connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// The same for every answer. `same-origin` and not `no-referrer`: with the latter, browsers send forms with the origin `null`.
const HEADERS: [(HeaderName, &str); 5] = [
    (header::CONTENT_SECURITY_POLICY, CONTENT_POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
];

/// A response with these headers.
pub(super) fn secure(mut response: Response) -> Response {
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

/// A page. Browsers keep no copy of it.
pub(super) fn page_response(status: StatusCode, page: String) -> Response {
    let mut response = secure(Response::new(Body::from(page)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// An answer that names the page to load next.
pub(super) fn redirect(address: &str) -> Response {
    let mut response = secure(Response::new(Body::empty()));
    *response.status_mut() = SEE_OTHER;
    let headers = response.headers_mut();
    // Addresses are percent-encoded.
    if let Ok(address) = HeaderValue::from_str(address) {
        headers.insert(header::LOCATION, address);
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// A file that the browser stores.
pub(super) fn file_response((name, media_type): (&str, &'static str), body: Body) -> Response {
    let mut response = secure(Response::new(body));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    if let Ok(disposition) = HeaderValue::from_str(&format!("attachment; filename=\"{name}\"")) {
        headers.insert(header::CONTENT_DISPOSITION, disposition);
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// The header of requests that a script sends to refresh a part of a page.
pub(super) const PART_HEADER: HeaderName = HeaderName::from_static("hx-request");

/// The answer to a script whose page has to be loaded anew: the session has ended.
pub(super) fn load_page_anew() -> Response {
    let mut response = secure(Response::new(Body::empty()));
    *response.status_mut() = NO_CONTENT;
    let headers = response.headers_mut();
    headers.insert(HeaderName::from_static("hx-refresh"), HeaderValue::from_static("true"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
