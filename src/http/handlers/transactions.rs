//! Lists of transactions, and links to customers.

use crate::{
    http::{
        extract::{
            admin_request::AdminRequest,
            path::{LinkPath, MerchantPath},
            query::QueryPairs,
        },
        handlers::payments::page_with_block_origins,
        response::respond,
        server::admission::Admission,
        state::AppState,
    },
    scheduling::background,
    service::{commit::AnswerKind, error::ServiceError, payments::transactions::transaction_filter},
};
use axum::{
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use std::sync::Arc;

/// `GET /v1/merchants/{merchant}/transactions`
pub(crate) async fn list(
    State(state): State<Arc<AppState>>,
    Path(MerchantPath { merchant }): Path<MerchantPath>,
    query: QueryPairs,
    admission: Option<Admission>,
) -> Response {
    // It can read many, and from the disk: not on the threads that answer payments.
    let read = background::run(move || {
        let rules = state.payments.rules();
        let calendar = rules.merchant(&merchant).map(|merchant| &merchant.calendar);
        let filter = transaction_filter(query.pairs(), calendar);
        let page = filter.and_then(|filter| state.payments.transactions(&merchant, &filter));
        let token = admission.as_ref().map(|admission| &*admission.token);
        let page = page_with_block_origins(&state, token, &merchant, page);
        (state, page)
    });
    match read.await {
        Ok((state, page)) => respond(&state.payments, page, AnswerKind::Read).await,
        Err(error) => ServiceError::unfinished(&error).into_response(),
    }
}

/// `POST /v1/merchants/{merchant}/transactions/{transaction}/customer`
pub(crate) async fn link(request: AdminRequest<LinkPath>) -> Response {
    request.run_blocking(|request| request.customers().link(&request.path.transaction_id, &request.body)).await
}
