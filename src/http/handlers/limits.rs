//! The customer's own limits: those in force, pending raises, and an operator's limits.

use crate::{
    http::extract::{admin_request::AdminRequest, path::LimitsPath, query::QueryPairs},
    service::{customers::limits::LimitsKey, error::ServiceError},
};
use axum::response::Response;

impl LimitsPath {
    fn key(&self) -> LimitsKey {
        LimitsKey { direction: self.direction, currency: self.currency }
    }
}

/// `GET .../customers/{customer}/limits/{direction}/{currency}`
pub(crate) async fn show_limits(request: AdminRequest<LimitsPath>) -> Response {
    let answered = request.customers().limits(&request.path.customer_id, request.path.key());
    request.answer(answered).await
}

/// `PUT .../customers/{customer}/limits/{direction}/{currency}`
pub(crate) async fn put_limits(request: AdminRequest<LimitsPath>) -> Response {
    let answered = request.customers().put_limits(&request.path.customer_id, request.path.key(), &request.body);
    request.answer(answered).await
}

/// `DELETE .../customers/{customer}/limits/{direction}/{currency}`: `?operator=true` removes the operator's limits.
pub(crate) async fn delete_limits(request: AdminRequest<LimitsPath>) -> Response {
    let answered = names_operator(&request.query).and_then(|of_operator| {
        request.customers().delete_limits(&request.path.customer_id, request.path.key(), of_operator)
    });
    request.answer(answered).await
}

fn names_operator(query: &QueryPairs) -> Result<bool, ServiceError> {
    const KEY: &str = "operator";
    let sent = query.pairs().find(|(key, _)| key == KEY);
    sent.map_or(Ok(false), |(_, value)| value.parse().map_err(|_| ServiceError::unknown_value(KEY, "is true or false")))
}

/// `DELETE .../customers/{customer}/limits/{direction}/{currency}/pending`
pub(crate) async fn cancel_raise(request: AdminRequest<LimitsPath>) -> Response {
    let answered = request.customers().cancel_raise(&request.path.customer_id, request.path.key());
    request.answer(answered).await
}

/// `POST .../customers/{customer}/limits/{direction}/{currency}/pending/confirm`
pub(crate) async fn confirm_raise(request: AdminRequest<LimitsPath>) -> Response {
    let answered = request.customers().confirm_raise(&request.path.customer_id, request.path.key(), &request.body);
    request.answer(answered).await
}
