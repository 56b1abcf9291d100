//! Signals about customers.

use crate::{
    domain::customer::instrument_blocks::MerchantScope,
    http::{
        extract::{gateway_request::GatewayRequest, path::SignalPath},
        response::respond,
    },
    service::{commit::AnswerKind, customers::signals::SignalCaller, error::ServiceError},
};
use axum::response::{IntoResponse, Response};

/// `POST /v1/merchants/{merchant}/customers/{customer}/signals`
pub(crate) async fn signal(request: GatewayRequest<SignalPath>) -> Response {
    // It reaches all holders of an instrument: not on the threads that answer payments.
    let work = tokio::task::spawn_blocking(move || {
        let SignalPath { merchant, customer } = &request.path;
        let reach = request.token.as_ref().map_or(MerchantScope::All, |token| token.reach());
        let caller = SignalCaller { by: request.token.as_ref().map(|token| token.name), reach };
        let answered = request.state.payments.signal(merchant, customer, &caller, &request.body);
        (request, answered)
    });
    match work.await {
        Ok((request, answered)) => respond(&request.state.payments, answered, AnswerKind::Write).await,
        Err(error) => ServiceError::unfinished(&error).into_response(),
    }
}
