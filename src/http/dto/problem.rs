//! Refusals over HTTP: the problem document with its status. The only place that names status codes.

use crate::{
    config::body::InvalidBody,
    domain::{request::refusal::Refusal, rules::configuration::Rules},
    http::{
        safe_headers::SAFE_HEADERS,
        server::request_id::{REQUEST_ID, RequestId},
    },
    service::{
        access::access_tokens::AccessToken,
        documents::problem::{ProblemDocument, kind_of},
        error::ServiceError,
        sender_pace::TooSlow,
    },
};
use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use std::{borrow::Cow, sync::Arc};

/// A refusal over HTTP: of the service, or of the server itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Problem {
    document: ProblemDocument,
}

impl std::ops::Deref for Problem {
    type Target = ProblemDocument;

    fn deref(&self) -> &ProblemDocument {
        &self.document
    }
}

impl From<ServiceError> for Problem {
    fn from(error: ServiceError) -> Self {
        Self { document: error.into() }
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        ServiceError::from(refusal).into()
    }
}

impl From<InvalidBody> for Problem {
    fn from(refused: InvalidBody) -> Self {
        ServiceError::from(refused).into()
    }
}

impl From<TooSlow> for Problem {
    fn from(_: TooSlow) -> Self {
        Self::too_slow("body")
    }
}

impl Problem {
    /// A problem with this status.
    #[must_use]
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        let document = ProblemDocument {
            kind: kind_of(code),
            title: status.canonical_reason().unwrap_or("Error"),
            status: status.as_u16(),
            detail: detail.into(),
            code: Cow::Borrowed(code),
            field: None,
            fields: Vec::new(),
            bad_rows: Vec::new(),
            problems: Vec::new(),
            warnings: Vec::new(),
            request_id: None,
            unknown_merchant: None,
        };
        Self { document }
    }

    /// The same problem with the field at fault.
    #[must_use]
    pub fn at(mut self, field: &str) -> Self {
        self.document.field = Some(field.to_owned());
        self
    }

    /// The request cannot be read.
    #[must_use]
    pub fn malformed(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, detail)
    }

    /// The caller's rights do not reach this far.
    #[must_use]
    pub fn forbidden(detail: impl Into<String>) -> Self {
        ServiceError::forbidden(detail).into()
    }

    /// Nothing is at this address.
    #[must_use]
    pub fn no_such_path() -> Self {
        Self::no_such_path_but(None)
    }

    /// Nothing is at this address; the path of an operation is similar.
    pub(crate) fn no_such_path_but(near: Option<&'static str>) -> Self {
        let near = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
        let detail = format!("there is nothing at this path{near}; /docs/api lists every path");
        Self::new(StatusCode::NOT_FOUND, "path_not_found", detail)
    }

    /// The address does not take this method.
    #[must_use]
    pub fn method_not_allowed() -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "this path takes another method")
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
            "limited_batches" => format!(
                "as many batches of tokens with a rate run as may: one token has a quarter of [http] {key}, all together \
                 half of it; try again"
            ),
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

    /// The whole response as bytes, for a connection that is closed after it. Its request is not known, so its id is new.
    pub(crate) fn to_wire(&self) -> Vec<u8> {
        let id = RequestId::made();
        let mut body = serde_json::to_vec(self).unwrap_or_default();
        id.put_into_document(&mut body);
        let retry = if self.is_unavailable() { "retry-after: 1\r\n" } else { "" };
        let safe = SAFE_HEADERS.map(|(name, value)| format!("{name}: {value}\r\n")).concat();
        let mut bytes = format!(
            "HTTP/1.1 {}\r\nconnection: close\r\ncontent-type: application/problem+json\r\n{safe}{retry}{REQUEST_ID}: {}\r\n\
             content-length: {}\r\n\r\n",
            self.status(),
            id.text(),
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

    /// Whether the same request can succeed a moment later.
    #[must_use]
    pub fn is_unavailable(&self) -> bool {
        self.status() == StatusCode::SERVICE_UNAVAILABLE
    }

    /// The status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.document.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

/// The status of an answer: 201 where the request created what it shows.
pub(crate) fn status_of(is_created: bool) -> StatusCode {
    if is_created { StatusCode::CREATED } else { StatusCode::OK }
}

/// The code of a response's problem document, in the extensions of the response. Debug builds compare it with the codes
/// that the operation table lists.
#[derive(Debug, Clone)]
pub(crate) struct ProblemCode(pub(crate) Cow<'static, str>);

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
        if cfg!(debug_assertions) {
            response.extensions_mut().insert(ProblemCode(self.document.code.clone()));
        }
        if self.unknown_merchant.is_some() {
            response.extensions_mut().insert(UnknownMerchant(self));
        }
        response
    }
}

/// The problem of an unknown merchant, in the extensions of its response.
#[derive(Debug, Clone)]
struct UnknownMerchant(Problem);

/// The response. If its problem is an unknown merchant, it names the nearest one of those that the caller reaches.
pub(crate) fn with_nearest_merchant(
    mut response: Response,
    rules: impl FnOnce() -> Arc<Rules>,
    token: Option<&AccessToken>,
) -> Response {
    let Some(UnknownMerchant(mut problem)) = response.extensions_mut().remove() else { return response };
    problem.document.name_nearest_merchant(&rules(), |id| token.is_none_or(|token| token.is_for(id)));
    problem.into_response()
}

impl IntoResponse for ServiceError {
    fn into_response(self) -> Response {
        Problem::from(self).into_response()
    }
}
