//! The configuration in force: merchants, levels, rates. `daemon::reload` applies changes of levels and rates under its
//! lock.

use crate::{
    config::body,
    domain::{request::refusal::Refusal, rules::level::LevelKey, vocabulary::names::Name},
    http::{
        dto::problem::Problem,
        extract::{
            admin_request::AdminRequest,
            body::read_body,
            path::{LevelCurrencyPath, LevelPath, MerchantPath, NewLevelPath, PathParameters, RenamePath},
        },
        handlers::levels::level_key,
        response::{reply_response, respond},
        server::admission::Admission,
        state::AppState,
    },
    scheduling::background,
    service::{
        commit::AnswerKind,
        configuration::change::{ConfigurationAction, ConfigurationChange, ConfigurationOutcome},
        documents::card_guard::no_card_in_json,
        error::ServiceError,
        event_feed::reader_turn,
        payments::PaymentService,
        reply::{Answered, Reply},
    },
};
use axum::{
    body::Body,
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use std::sync::Arc;

/// `GET /v1/merchants`
pub(crate) async fn list_merchants(State(state): State<Arc<AppState>>, admission: Option<Admission>) -> Response {
    let token = admission.as_ref().map(|admission| &admission.token);
    reply_response(state.payments.merchants(|id| token.is_none_or(|token| token.reaches(id.as_str()).is_ok())))
}

/// `GET /v1/merchants/{merchant}`: the effective configuration.
pub(crate) async fn show_merchant(
    State(state): State<Arc<AppState>>,
    Path(MerchantPath { merchant }): Path<MerchantPath>,
    admission: Option<Admission>,
) -> Response {
    let shows_name = shows_name(&state, admission.as_ref());
    respond(&state.payments, state.payments.merchant(&merchant, &shows_name), AnswerKind::Read).await
}

/// `GET /v1/merchants/{merchant}/levels`
pub(crate) async fn list_levels(
    State(state): State<Arc<AppState>>,
    Path(MerchantPath { merchant }): Path<MerchantPath>,
    admission: Option<Admission>,
) -> Response {
    let shows_name = shows_name(&state, admission.as_ref());
    respond(&state.payments, state.payments.levels(&merchant, &shows_name), AnswerKind::Read).await
}

/// Whether the caller is shown the name of a token.
fn shows_name<'a>(state: &'a AppState, admission: Option<&'a Admission>) -> impl Fn(Name) -> bool + use<'a> {
    move |name| state.access.shows_name(admission.map(|admission| &*admission.token), name)
}

/// A change with its author and its time.
fn change_of(
    state: &AppState,
    action: ConfigurationAction,
    by: Option<Name>,
) -> Result<ConfigurationChange, ServiceError> {
    let at = match state.payments.time() {
        Err(error) if error.is_unavailable() => return Err(error),
        // No request has named a time yet.
        now => now.unwrap_or_else(|_| state.payments.clock.wall()),
    };
    Ok(ConfigurationChange { action, by, at })
}

async fn change(
    state: &Arc<AppState>,
    action: ConfigurationAction,
    by: Option<Name>,
) -> Result<ConfigurationOutcome, ServiceError> {
    let (change, state) = (change_of(state, action, by)?, Arc::clone(state));
    // A renamed level is a pass in which payments wait: at their priority.
    let done = tokio::task::spawn_blocking(move || state.control.configure(&change)).await;
    done.unwrap_or_else(|error| Err(ServiceError::unfinished(&error)))
}

/// Makes a change, or with `dry_run=true` tries it. `shown` is the answer to a change that was made.
async fn make_or_try<P>(
    request: &AdminRequest<P>,
    action: ConfigurationAction,
    shown: impl FnOnce(&PaymentService, &ConfigurationOutcome) -> Reply,
) -> Answered {
    const KEY: &str = "dry_run";
    let sent = request.query.pairs().find(|(key, _)| key == KEY).map(|(_, value)| value.parse::<bool>());
    let is_trial = sent.transpose().map_err(|_| ServiceError::unknown_value(KEY, "is true or false"))?;
    let (state, by) = (&request.state, request.author.by);
    if is_trial != Some(true) {
        let outcome = change(state, action, by).await?;
        return Ok(shown(&state.payments, &outcome));
    }
    let (change, state) = (change_of(state, action, by)?, Arc::clone(state));
    // It can read many customers: few are tried at a time.
    let _turn = reader_turn().await;
    let tried = background::run(move || state.control.try_configure(&change)).await;
    Ok(tried.unwrap_or_else(|error| Err(ServiceError::unfinished(&error)))?.reply())
}

/// `PUT /v1/merchants/{merchant}/levels/{direction}/{currency}/{name}`
pub(crate) async fn put_level(request: AdminRequest<NewLevelPath>) -> Response {
    let NewLevelPath { direction, currency, name } = request.path;
    let key = LevelKey { merchant: request.merchant.id, direction, currency, name };
    let action = ConfigurationAction::PutLevel(key, request.body.to_vec());
    let done = make_or_try(&request, action, |payments, outcome| payments.level_after_change(key, outcome)).await;
    request.answer(done).await
}

/// `GET /v1/merchants/{merchant}/levels/{direction}/{currency}/{name}`
pub(crate) async fn show_level(request: AdminRequest<LevelPath>) -> Response {
    let answered =
        level_key(&request).and_then(|key| request.state.payments.level(&key, &|name| request.shows_name(name)));
    request.answer(answered).await
}

async fn delete_levels<P: PathParameters>(request: &AdminRequest<P>, action: ConfigurationAction) -> Answered {
    make_or_try(request, action, PaymentService::deleted_levels).await
}

/// `DELETE /v1/merchants/{merchant}/levels/{direction}/{currency}/{name}`
pub(crate) async fn delete_level(request: AdminRequest<LevelPath>) -> Response {
    let answered = match level_key(&request) {
        Ok(key) => delete_levels(&request, ConfigurationAction::DeleteLevel(key)).await,
        Err(error) => Err(error),
    };
    request.answer(answered).await
}

/// `POST /v1/merchants/{merchant}/levels/{direction}/{currency}/{name}/reset`
pub(crate) async fn reset_level(request: AdminRequest<LevelPath>) -> Response {
    let answered = match level_key(&request) {
        Ok(key) => {
            let shown =
                |payments: &PaymentService, outcome: &ConfigurationOutcome| payments.level_after_change(key, outcome);
            make_or_try(&request, ConfigurationAction::ResetLevel(key), shown).await
        }
        Err(error) => Err(error),
    };
    request.answer(answered).await
}

/// `DELETE /v1/merchants/{merchant}/levels/{direction}/{currency}`
pub(crate) async fn delete_currency(request: AdminRequest<LevelCurrencyPath>) -> Response {
    let LevelCurrencyPath { direction, currency } = request.path;
    let merchant = request.merchant.id;
    let action = ConfigurationAction::DeleteCurrency { merchant, direction, currency };
    let answered = delete_levels(&request, action).await;
    request.answer(answered).await
}

/// `POST /v1/merchants/{merchant}/levels/{direction}/{name}/rename`
pub(crate) async fn rename(request: AdminRequest<RenamePath>) -> Response {
    let answered = rename_level(&request).await;
    request.answer(answered).await
}

async fn rename_level(request: &AdminRequest<RenamePath>) -> Answered {
    let RenamePath { direction, ref level } = request.path;
    let (merchant, from) = (request.merchant.id, level.name);
    if from == Name::unrecorded() {
        let level = &level.text;
        let known = request.state.payments.ledger.level_list(&request.merchant, (direction, None), level);
        let direction = direction.word();
        let missing = format!("level `{level}` for {direction}s of merchant `{merchant}`; it has {known}");
        return Err(Refusal::UnknownLevel(missing).into());
    }
    let to = body::new_name(&request.body, merchant)?;
    let action = ConfigurationAction::Rename { merchant, direction, from, to };
    make_or_try(request, action, |payments, outcome| payments.renamed_level(from, to, outcome)).await
}

/// `GET /v1/rates`
pub(crate) async fn show_rates(State(state): State<Arc<AppState>>, admission: Option<Admission>) -> Response {
    // Tokens for all merchants set the rates. A token for some merchants does not see their names.
    let names_author = admission.is_none_or(|admission| admission.token.merchants.is_none());
    respond(&state.payments, Ok(state.payments.rates(names_author)), AnswerKind::Read).await
}

/// `PUT /v1/rates`
pub(crate) async fn put_rates(
    State(state): State<Arc<AppState>>,
    admission: Option<Admission>,
    body: Body,
) -> Response {
    match set_rates(&state, admission, body).await {
        Err(problem) => problem.into_response(),
        Ok(outcome) => {
            respond(&state.payments, Ok(state.payments.rates_after_change(&outcome)), AnswerKind::Write).await
        }
    }
}

async fn set_rates(
    state: &Arc<AppState>,
    admission: Option<Admission>,
    body: Body,
) -> Result<ConfigurationOutcome, Problem> {
    let body = read_body(state, body).await?;
    state.readmit(admission.as_ref(), "/v1/rates")?;
    no_card_in_json(&body, None)?;
    let by = admission.map(|admission| admission.token.name);
    Ok(change(state, ConfigurationAction::PutRates(body.to_vec()), by).await?)
}
