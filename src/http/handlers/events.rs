//! The feed of events.

use crate::{
    domain::customer::instrument_blocks::MerchantScope,
    http::{extract::query::QueryPairs, response::respond, server::admission::Admission, state::AppState},
    service::{
        commit::AnswerKind,
        event_feed::{FeedQuery, wait_for_events},
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
