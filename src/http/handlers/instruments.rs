//! Stored payment instruments of a customer.

use crate::{
    http::{
        extract::{admin_request::AdminRequest, path::InstrumentPath},
        handlers::{customers::history_page, payments::page_with_block_origins},
    },
    service::payments::transactions::transaction_filter,
};
use axum::response::Response;

/// `GET /v1/merchants/{merchant}/customers/{customer}/instruments/{instrument}`
pub(crate) async fn show(request: AdminRequest<InstrumentPath>) -> Response {
    let InstrumentPath { customer_id, instrument } = &request.path;
    let answered = request.customers().instrument(customer_id, instrument);
    request.answer(answered).await
}

/// `PUT /v1/merchants/{merchant}/customers/{customer}/instruments/{instrument}`
pub(crate) async fn put(request: AdminRequest<InstrumentPath>) -> Response {
    let InstrumentPath { customer_id, instrument } = &request.path;
    let answered = request.customers().put_instrument(customer_id, instrument, &request.body);
    request.answer(answered).await
}

/// `DELETE /v1/merchants/{merchant}/customers/{customer}/instruments/{instrument}`
pub(crate) async fn delete(request: AdminRequest<InstrumentPath>) -> Response {
    let InstrumentPath { customer_id, instrument } = &request.path;
    let answered = request.customers().remove_instrument(customer_id, instrument);
    request.answer(answered).await
}

/// `GET /v1/merchants/{merchant}/customers/{customer}/instruments/{instrument}/transactions`
pub(crate) async fn transactions(request: AdminRequest<InstrumentPath>) -> Response {
    request
        .run_blocking(|request| {
            let InstrumentPath { customer_id, instrument } = &request.path;
            let filter = transaction_filter(request.query.pairs(), Some(&request.merchant.calendar))?;
            let page = request.customers().instrument_transactions(customer_id, instrument, filter);
            let token = request.admission.as_ref().map(|admission| &*admission.token);
            page_with_block_origins(&request.state, token, request.merchant.id.as_str(), page)
        })
        .await
}

/// `GET /v1/merchants/{merchant}/customers/{customer}/instruments/{instrument}/history`
pub(crate) async fn history(request: AdminRequest<InstrumentPath>) -> Response {
    request
        .run_blocking(|request| {
            let InstrumentPath { customer_id, instrument } = &request.path;
            let page = history_page(&request.query)?;
            let names_author = |name, is_signal| request.names_author(name, is_signal);
            request.customers().instrument_history(customer_id, instrument, page, &names_author)
        })
        .await
}
