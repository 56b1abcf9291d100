//! Responses: JSON documents, sent once every record that they depend on is committed.

use crate::{
    http::dto::problem::status_of,
    service::{
        commit::AnswerKind,
        payments::PaymentService,
        reply::{Answered, Reply},
    },
};
use axum::{
    body::Body,
    http::{HeaderName, HeaderValue, header},
    response::{IntoResponse, Response},
};

/// The header of an answer that was given before.
const IDEMPOTENT_REPLAY: HeaderName = HeaderName::from_static("idempotent-replay");

/// Answers once every record that the answer depends on is committed.
pub(crate) async fn respond(payments: &PaymentService, answered: Answered, kind: AnswerKind) -> Response {
    match payments.when_committed(answered, kind).await {
        Ok(reply) => reply_response(reply),
        Err(error) => error.into_response(),
    }
}

/// The response of an answer that may be sent.
pub(crate) fn reply_response(reply: Reply) -> Response {
    let mut response = json(reply.body);
    *response.status_mut() = status_of(reply.is_created);
    if reply.is_replay {
        response.headers_mut().insert(IDEMPOTENT_REPLAY, HeaderValue::from_static("true"));
    }
    response
}

/// A response with a JSON document.
pub(crate) fn json(body: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(body));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
