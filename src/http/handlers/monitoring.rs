//! What operators watch of a merchant: the audit, counts of decisions, the status of a level.

use crate::{
    domain::{request::refusal::Refusal, rules::level::LevelKey, vocabulary::names::Name},
    http::extract::{admin_request::AdminRequest, path::LevelPath},
    service::{customers::audit::AuditRequest, decision_series::SeriesQuery, event_feed::reader_turn, reply::Answered},
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

/// `GET /v1/merchants/{merchant}/levels/{direction}/{currency}/{name}/status`
pub(crate) async fn level_status(request: AdminRequest<LevelPath>) -> Response {
    // It visits all customers: few are read at a time.
    let _turn = reader_turn().await;
    request.run_blocking(show_level_status).await
}

fn show_level_status(request: &AdminRequest<LevelPath>) -> Answered {
    let LevelPath { direction, currency, ref level } = request.path;
    let merchant = request.merchant.id;
    if level.name == Name::unrecorded() {
        let level = &level.text;
        let known = request.state.payments.ledger.level_list(&request.merchant, direction, Some(currency));
        let direction = direction.word();
        let missing =
            format!("level `{level}` for {direction}s in {currency} of merchant `{merchant}`; it has {known}");
        return Err(Refusal::UnknownLevel(missing).into());
    }
    let key = LevelKey { merchant, direction, currency, name: level.name };
    let rules = (&*request.rules, &*request.merchant);
    request.state.payments.level_status(rules, key, &|name| request.shows_name(name))
}
