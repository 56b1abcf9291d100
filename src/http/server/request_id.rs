//! The id of a request: that of its header `X-Request-Id`, or a new one.
//!
//! It is in the header of the answer, in the problem document, and in the log.

use axum::{
    body::{Body, to_bytes},
    extract::Request,
    http::{HeaderName, HeaderValue, header},
    middleware::Next,
    response::Response,
};
use std::{
    cell::Cell,
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering},
    },
};

/// The header of the id.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The most bytes of an id that is sent; a longer one is ignored.
const ID_BYTES_MAX: usize = 128;
/// The bytes of an id that is made.
const MADE_BYTES: usize = 16;
/// The ids that a thread takes at a time, so that threads seldom write to the same number.
const IDS_OF_THREAD: u64 = 1_024;

/// The id of a request.
#[derive(Debug)]
pub(crate) enum RequestId {
    /// The caller's.
    Sent(HeaderValue),
    /// That of a request without a valid one: 16 hexadecimal digits.
    Made([u8; MADE_BYTES]),
}

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
        let sent = sent.filter(is_valid).and_then(|id| HeaderValue::from_bytes(id).ok());
        sent.map_or_else(Self::made, Self::Sent)
    }

    /// A new one. It differs from those of other requests and of other processes.
    #[inline]
    pub(crate) fn made() -> Self {
        Self::Made(hexadecimal(next_number()))
    }

    /// Its characters, which are visible ASCII.
    #[inline]
    pub(crate) fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Sent(id) => id.as_bytes(),
            Self::Made(id) => id,
        }
    }

    /// Its text.
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }

    /// Its value in a header.
    fn into_value(self) -> HeaderValue {
        match self {
            Self::Sent(id) => id,
            Self::Made(id) => HeaderValue::from_bytes(&id).unwrap_or(HeaderValue::from_static("none")),
        }
    }

    /// The response to the request with its id. `operation` is for the log.
    #[inline]
    pub(crate) async fn put_into(self, mut response: Response, operation: &'static str) -> Response {
        if response.status().is_client_error() || response.status().is_server_error() {
            response = self.put_into_problem(response, operation).await;
        }
        response.headers_mut().insert(REQUEST_ID, self.into_value());
        response
    }

    /// Logs an error, and writes the id into its problem document.
    async fn put_into_problem(&self, response: Response, operation: &'static str) -> Response {
        let (status, id) = (response.status().as_u16(), self.text());
        if status == 500 {
            tracing::error!("the request {id} to {operation} failed because of a defect of the daemon");
        } else {
            tracing::debug!("the request {id} to {operation} is answered with {status}");
        }
        let is_problem =
            response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind == "application/problem+json");
        if !is_problem {
            return response;
        }
        let (mut parts, body) = response.into_parts();
        // The document is in memory as a whole.
        let mut document = Vec::from(to_bytes(body, usize::MAX).await.unwrap_or_default());
        self.put_into_document(&mut document);
        parts.headers.remove(header::CONTENT_LENGTH);
        Response::from_parts(parts, Body::from(document))
    }

    /// Writes the id into a problem document, as its last member.
    pub(crate) fn put_into_document(&self, document: &mut Vec<u8>) {
        if document.pop_if(|last| *last == b'}').is_some() {
            let id = serde_json::Value::from(self.text());
            document.extend_from_slice(format!(",\"request_id\":{id}}}").as_bytes());
        }
    }
}

/// Answers with the id of the request, where no row of the operation table does it: the pages of the console.
pub async fn with_request_id(request: Request, next: Next) -> Response {
    let id = RequestId::of(&request);
    id.put_into(next.run(request).await, "the console").await
}

/// Counts from a random start.
fn next_number() -> u64 {
    static NEXT: LazyLock<AtomicU64> = LazyLock::new(|| AtomicU64::new(getrandom::u64().unwrap_or_default()));
    /// The next number of the thread, and how many it has from there on.
    type Numbers = Cell<(u64, u64)>;
    thread_local!(static NUMBERS: Numbers = const { Cell::new((0, 0)) });
    NUMBERS.with(|numbers| {
        let (next, left) = match numbers.get() {
            (_, 0) => (NEXT.fetch_add(IDS_OF_THREAD, Ordering::Relaxed), IDS_OF_THREAD),
            known => known,
        };
        numbers.set((next.wrapping_add(1), left - 1));
        next
    })
}

fn hexadecimal(number: u64) -> [u8; MADE_BYTES] {
    let mut digits = [0; MADE_BYTES];
    for (pair, byte) in digits.chunks_exact_mut(2).zip(number.to_be_bytes()) {
        for (digit, value) in pair.iter_mut().zip([byte >> 4, byte & 15]) {
            *digit = value + if value < 10 { b'0' } else { b'a' - 10 };
        }
    }
    digits
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
    async fn an_id_is_made_where_none_or_a_wrong_one_was_sent() {
        let mut ids = std::collections::BTreeSet::new();
        for wrong in [None, Some(b"".as_slice()), Some(b"two words"), Some(&[b'x'; 129]), Some("\u{e9}".as_bytes())] {
            let (of_answer, body) = answer(wrong, "{}".into_response()).await;
            assert_eq!(body, "{}");
            let (of_problem, body) = answer(wrong, Problem::no_such_path().into_response()).await;
            let document: serde_json::Value = serde_json::from_str(&body).unwrap();
            assert_eq!(document["request_id"].as_str(), of_problem.as_deref(), "{body}");
            for id in [of_answer.unwrap(), of_problem.unwrap()] {
                assert!(id.len() == 16 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
                ids.insert(id);
            }
        }
        assert_eq!(ids.len(), 10);
        let plain = (StatusCode::NOT_FOUND, "no document").into_response();
        assert_eq!(answer(Some(b"x"), plain).await, (Some("x".to_owned()), "no document".to_owned()));
    }

    #[test]
    fn ids_of_all_threads_differ() {
        let make = || (0..3 * IDS_OF_THREAD).map(|_| next_number()).collect::<Vec<_>>();
        let threads = [(), (), ()].map(|()| std::thread::spawn(make));
        let mut numbers: Vec<u64> = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
        let count = numbers.len();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), count);
        assert_eq!(&hexadecimal(0x0123_4567_89ab_cdef), b"0123456789abcdef");
        assert_eq!(&hexadecimal(u64::MAX), b"ffffffffffffffff");
    }
}
