//! What operators watch of a merchant: the audit, and counts of decisions.

use crate::{
    domain::customer::instrument_blocks::MerchantScope,
    http::{
        extract::{admin_request::AdminRequest, query::QueryPairs},
        response::respond,
        server::admission::Admission,
        state::AppState,
    },
    scheduling::background,
    service::{
        commit::AnswerKind, customers::audit::AuditRequest, decision_series::SeriesQuery, error::ServiceError,
        event_feed::reader_turn,
    },
};
use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use std::sync::Arc;

/// `GET /v1/merchants/{merchant}/audit`
pub(crate) async fn audit(request: AdminRequest) -> Response {
    // Few pages are read at a time: each reads many records.
    let _turn = reader_turn().await;
    request
        .run_blocking(|request| {
            let query = AuditRequest::read(request.query.pairs(), Some(&request.merchant.calendar))?;
            request.customers().audit(&query, &|name, is_signal| request.names_author(name, is_signal))
        })
        .await
}

/// `GET /v1/merchants/{merchant}/series`
pub(crate) async fn series(request: AdminRequest) -> Response {
    request
        .run_blocking(|request| {
            let query = SeriesQuery::read(request.query.pairs())?;
            request.state.payments.decision_series(&request.merchant, query)
        })
        .await
}

/// `GET /v1/merchants/{merchant}/gates`
pub(crate) async fn gates(request: AdminRequest) -> Response {
    request
        .run_blocking(|request| {
            let query = SeriesQuery::read(request.query.pairs())?;
            request.state.payments.gates(&request.merchant, query)
        })
        .await
}

/// `GET /v1/series`
pub(crate) async fn merchant_series(
    State(state): State<Arc<AppState>>,
    admission: Option<Admission>,
    query: QueryPairs,
) -> Response {
    let query = match SeriesQuery::read(query.pairs()) {
        Ok(query) => query,
        Err(error) => return error.into_response(),
    };
    let reach = admission.map_or(MerchantScope::All, |admission| admission.token.reach());
    let payments = Arc::clone(&state.payments);
    // It adds up the counts of all merchants: not on the threads that answer payments.
    let adding = move || payments.merchant_series(query, |merchant| reach.contains(merchant));
    match background::run(adding).await {
        Ok(answered) => respond(&state.payments, answered, AnswerKind::Read).await,
        Err(error) => ServiceError::unfinished(&error).into_response(),
    }
}
