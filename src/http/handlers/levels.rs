//! Questions about one level, and the file of a merchant. They read many customers or the configuration folder, so few
//! are answered at a time, and never on the threads that answer payments.

use crate::{
    domain::{request::refusal::Refusal, rules::level::LevelKey, vocabulary::names::Name},
    http::extract::{admin_request::AdminRequest, path::LevelPath},
    service::{
        configuration::{above_limit::AboveLimitRequest, level_gates::GateQuestion},
        error::ServiceError,
        event_feed::reader_turn,
        reply::Answered,
    },
};
use axum::response::Response;

/// The key of the level that a path names.
///
/// # Errors
/// No level ever had this name.
pub(super) fn level_key(request: &AdminRequest<LevelPath>) -> Result<LevelKey, ServiceError> {
    let LevelPath { direction, currency, ref level } = request.path;
    let merchant = request.merchant.id;
    if level.name == Name::unrecorded() {
        let level = &level.text;
        let known = request.state.payments.ledger.level_list(&request.merchant, (direction, Some(currency)), level);
        let direction = direction.word();
        let missing =
            format!("level `{level}` for {direction}s in {currency} of merchant `{merchant}`; it has {known}");
        return Err(Refusal::UnknownLevel(missing).into());
    }
    Ok(LevelKey { merchant, direction, currency, name: level.name })
}

/// `GET /v1/merchants/{merchant}/levels/{direction}/{currency}/{name}/status`
pub(crate) async fn level_status(request: AdminRequest<LevelPath>) -> Response {
    // It visits all customers: few are read at a time.
    let _turn = reader_turn().await;
    request.run_blocking(show_level_status).await
}

fn show_level_status(request: &AdminRequest<LevelPath>) -> Answered {
    let rules = (&*request.rules, &*request.merchant);
    request.state.payments.level_status(rules, level_key(request)?, &|name| request.shows_name(name))
}

/// `GET /v1/merchants/{merchant}/levels/{direction}/{currency}/{name}/gates`
pub(crate) async fn level_gates(request: AdminRequest<LevelPath>) -> Response {
    let answered = show_level_gates(&request);
    request.answer(answered).await
}

fn show_level_gates(request: &AdminRequest<LevelPath>) -> Answered {
    let question = GateQuestion::read(request.query.pairs())?;
    let rules = (&*request.rules, &*request.merchant);
    request.state.payments.level_gates(rules, level_key(request)?, &question)
}

/// `GET /v1/merchants/{merchant}/levels/{direction}/{currency}/{name}/above`
pub(crate) async fn above_limit(request: AdminRequest<LevelPath>) -> Response {
    let _turn = reader_turn().await;
    request.run_blocking(list_above_limit).await
}

fn list_above_limit(request: &AdminRequest<LevelPath>) -> Answered {
    let asked = AboveLimitRequest::read(request.query.pairs())?;
    let rules = (&*request.rules, &*request.merchant);
    request.state.payments.above_limit(rules, level_key(request)?, &asked)
}

/// `GET /v1/merchants/{merchant}/file`
pub(crate) async fn merchant_file(request: AdminRequest) -> Response {
    let _turn = reader_turn().await;
    request.run_blocking(|request| Ok(request.state.control.merchant_file(request.merchant.id)?.reply())).await
}
