//! The id of a request: that of its header `X-Request-Id`, or a new one where an answer without an id is an error.
//!
//! It is in the header of the answer, in the problem document of a caller who sent one, and in the log. An answered request
//! without the header has no id, so that it costs one look-up among its headers.

use axum::{
    body::{Body, to_bytes},
    extract::Request,
    http::{HeaderName, HeaderValue, header},
    response::Response,
};
use std::sync::{
    LazyLock,
    atomic::{AtomicU64, Ordering},
};

/// The header of the id.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The most bytes of an id; a longer one is ignored.
const ID_BYTES_MAX: usize = 128;
/// The most bytes of a problem document into which the id is written.
const PROBLEM_BYTES_MAX: usize = 1 << 20;

/// The id that a request was sent with.
#[derive(Debug)]
pub(crate) struct RequestId(Option<HeaderValue>);

impl RequestId {
    /// That of a request. An id that is empty, too long, or not of visible ASCII characters counts as none.
    #[inline]
    pub(crate) fn of(request: &Request) -> Self {
        Self::of_value(request.headers().get(&REQUEST_ID).map(HeaderValue::as_bytes))
    }

    /// That of a request whose header has this value.
    #[inline]
    pub(crate) fn of_value(sent: Option<&[u8]>) -> Self {
        let is_valid = |id: &&[u8]| (1..=ID_BYTES_MAX).contains(&id.len()) && id.iter().all(u8::is_ascii_graphic);
        Self(sent.filter(is_valid).and_then(|id| HeaderValue::from_bytes(id).ok()))
    }

    /// The id that was sent.
    pub(crate) fn sent(&self) -> Option<&HeaderValue> {
        self.0.as_ref()
    }

    /// The response to the request with its id. `operation` is for the log.
    #[inline]
    pub(crate) async fn put_into(self, mut response: Response, operation: &'static str) -> Response {
        let is_error = response.status().is_client_error() || response.status().is_server_error();
        match self.0 {
            None if !is_error => response,
            Some(id) if !is_error => {
                response.headers_mut().insert(REQUEST_ID, id);
                response
            }
            sent => put_into_error(sent, response, operation).await,
        }
    }
}

/// A number that differs from those of other requests and of other processes.
fn new_id() -> HeaderValue {
    static NEXT: LazyLock<AtomicU64> = LazyLock::new(|| AtomicU64::new(getrandom::u64().unwrap_or_default()));
    let text = format!("{:016x}", NEXT.fetch_add(1, Ordering::Relaxed));
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("none"))
}

async fn put_into_error(sent: Option<HeaderValue>, response: Response, operation: &'static str) -> Response {
    let status = response.status().as_u16();
    let (id, is_sent) = sent.map_or_else(|| (new_id(), false), |id| (id, true));
    let text = id.to_str().unwrap_or_default().to_owned();
    if status == 500 {
        tracing::error!("the request {text} to {operation} failed because of a defect of the daemon");
    } else {
        tracing::debug!("the request {text} to {operation} is answered with {status}");
    }
    let mut response = if is_sent { with_member(response, &text).await } else { response };
    response.headers_mut().insert(REQUEST_ID, id);
    response
}

/// A problem document with the id as its last member; another answer as it is.
async fn with_member(response: Response, id: &str) -> Response {
    let is_problem =
        response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind == "application/problem+json");
    if !is_problem {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    // The document is in memory as a whole.
    let mut document = to_bytes(body, PROBLEM_BYTES_MAX).await.unwrap_or_default().to_vec();
    if document.pop_if(|last| *last == b'}').is_some() {
        let id = serde_json::Value::from(id);
        document.extend_from_slice(format!(",\"request_id\":{id}}}").as_bytes());
    }
    parts.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(parts, Body::from(document))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::dto::problem::Problem;
    use axum::{http::StatusCode, response::IntoResponse};

    fn request(id: Option<&[u8]>) -> Request {
        let mut request = Request::new(Body::empty());
        if let Some(id) = id {
            request.headers_mut().insert(REQUEST_ID, HeaderValue::from_bytes(id).unwrap());
        }
        request
    }

    async fn answer(id: Option<&[u8]>, response: Response) -> (Option<String>, String) {
        let response = RequestId::of(&request(id)).put_into(response, "/test").await;
        let header = response.headers().get(REQUEST_ID).map(|id| id.to_str().unwrap().to_owned());
        let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        (header, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn an_id_that_was_sent_is_in_every_answer_and_in_problems() {
        let sent = b"a\"\\b-7".as_slice();
        let ok = "{}".into_response();
        assert_eq!(answer(Some(sent), ok).await, (Some("a\"\\b-7".to_owned()), "{}".to_owned()));
        let (header, body) = answer(Some(sent), Problem::no_such_path().into_response()).await;
        assert_eq!(header.as_deref(), Some("a\"\\b-7"));
        let document: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert_eq!(document["request_id"], "a\"\\b-7", "{body}");
        assert_eq!(document["code"], "path_not_found", "{body}");
    }

    #[tokio::test]
    async fn an_id_is_made_for_errors_alone() {
        assert_eq!(answer(None, "{}".into_response()).await, (None, "{}".to_owned()));
        let mut ids = std::collections::BTreeSet::new();
        for wrong in [None, Some(b"".as_slice()), Some(b"two words"), Some(&[b'x'; 129]), Some("\u{e9}".as_bytes())] {
            let (header, body) = answer(wrong, Problem::no_such_path().into_response()).await;
            assert!(!body.contains("request_id"), "{body}");
            let id = header.unwrap();
            assert!(id.len() == 16 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
            ids.insert(id);
        }
        assert_eq!(ids.len(), 5);
        let plain = (StatusCode::NOT_FOUND, "no document").into_response();
        assert_eq!(answer(Some(b"x"), plain).await, (Some("x".to_owned()), "no document".to_owned()));
    }
}
