//! The feed of events.

use crate::{
    domain::customer::instrument_blocks::MerchantScope,
    http::{extract::query::QueryPairs, response::respond, server::admission::Admission, state::AppState},
    scheduling::background,
    service::{
        commit::AnswerKind,
        error::ServiceError,
        event_feed::{FeedQuery, reader_turn, wait_for_events},
        monitoring::latest_events::LatestQuery,
    },
};
use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use std::sync::Arc;

/// `GET /v1/events`
pub(crate) async fn events(
    State(state): State<Arc<AppState>>,
    admission: Option<Admission>,
    query: QueryPairs,
) -> Response {
    let query = match FeedQuery::read(query.pairs()) {
        Ok(query) => query,
        Err(error) => return error.into_response(),
    };
    let reach = || {
        let token = state.current_token(admission.as_ref())?;
        Ok(token.map_or(MerchantScope::All, |token| token.reach()))
    };
    let answered = wait_for_events(&state.payments, query, state.stopping.clone(), reach).await;
    respond(&state.payments, answered, AnswerKind::Read).await
}

/// `GET /v1/events/latest`
pub(crate) async fn latest(
    State(state): State<Arc<AppState>>,
    admission: Option<Admission>,
    query: QueryPairs,
) -> Response {
    let query = match LatestQuery::read(query.pairs()) {
        Ok(query) => query,
        Err(error) => return error.into_response(),
    };
    let reach = admission.map_or(MerchantScope::All, |admission| admission.token.reach());
    // Few pages are read at a time: each reads many records.
    let _turn = reader_turn().await;
    let payments = Arc::clone(&state.payments);
    match background::run(move || payments.latest_events(&query, &reach)).await {
        Ok(answered) => respond(&state.payments, answered, AnswerKind::Read).await,
        Err(error) => ServiceError::unfinished(&error).into_response(),
    }
}
