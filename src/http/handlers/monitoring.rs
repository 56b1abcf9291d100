//! What operators watch of a merchant: the audit, and counts of decisions.

use crate::{
    http::extract::admin_request::AdminRequest,
    service::{customers::audit::AuditRequest, decision_series::SeriesQuery, event_feed::reader_turn},
};
use axum::response::Response;

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
