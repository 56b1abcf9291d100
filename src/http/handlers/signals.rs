//! Signals about customers.

use crate::{
    domain::customer::instrument_blocks::MerchantScope,
    http::{
        extract::{gateway_request::GatewayRequest, path::SignalPath},
        response::respond,
    },
    service::customers::signals::SignalCaller,
};
use axum::response::Response;

/// `POST /v1/merchants/{merchant}/customers/{customer}/signals`
pub(crate) async fn signal(request: GatewayRequest<SignalPath>) -> Response {
    let SignalPath { merchant, customer } = &request.path;
    let reach = request.token.as_ref().map_or(MerchantScope::All, |token| token.reach());
    let caller = SignalCaller { by: request.token.as_ref().map(|token| token.name), reach };
    let payments = &request.state.payments;
    respond(payments, payments.signal(merchant, customer, &caller, &request.body)).await
}
