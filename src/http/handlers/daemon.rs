//! The daemon itself: health, metrics, status, reload, snapshots, clock.

use crate::{
    clock::{Clock, ClockError},
    domain::{
        customer::audit::{Author, ChangeSource},
        request::refusal::Refusal,
        vocabulary::names::Name,
    },
    http::{
        extract::{body::read_body, query::QueryPairs},
        handlers::{
            redis_status::{readiness_line, update_redis_metrics},
            standby_status::update_standby_metrics,
        },
        response::{json, respond},
        server::{admission::Admission, request_latency::write_request_latencies},
        state::AppState,
    },
    scheduling::background,
    service::{
        commit::AnswerKind,
        error::ServiceError,
        event_feed::reader_turn,
        monitoring::{reload_preview::PreviewDocument, settings_document::SettingsDocument, status::ReloadDocument},
        reply::{Reply, render},
    },
    storage::journal::{BACKLOG_BYTES_MAX, Journal},
    telemetry::{latency::write_latencies, process::write_process_metrics, traces::carry},
};
use axum::{
    body::Body,
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use std::{sync::Arc, time::Instant};

/// `GET /healthz`
pub(crate) async fn healthz() -> &'static str {
    "ok\n"
}

/// `GET /readyz`
pub(crate) async fn readyz(State(state): State<Arc<AppState>>) -> Response {
    if state.payments.ledger.journal().failed() {
        return ServiceError::outcome_unknown().into_response();
    }
    if *state.stopping.borrow() {
        return ServiceError::stopping().into_response();
    }
    // A load balancer must not send payments to a standby.
    if let Some(standby) = state.payments.gate.standby() {
        return ServiceError::standby_with_lag(standby.lag(Instant::now())).into_response();
    }
    if let Err(error) = state.payments.gate.may_decide(AnswerKind::Write) {
        return error.into_response();
    }
    // Without the present time no payment is decided. A clock that waits for the time of a first request is ready.
    if let Some(difference) = state.payments.clock.unaccepted_difference() {
        return ServiceError::from(ClockError::Jumped(difference)).into_response();
    }
    // After a failed reload the earlier rules are in force, so the daemon is ready. The status has the problems, for tokens
    // that may read it.
    let failed_since = state.health.lock().failed.as_ref().map(|(since, _)| *since);
    let configuration = failed_since.map_or_else(String::new, |since| {
        format!(
            "configuration: reloads fail since {since}; the earlier rules are in force, and /v1/status names the problems\n"
        )
    });
    let shipping = state.payments.gate.shipping().map(AsRef::as_ref);
    let redis = readiness_line(shipping, state.payments.ledger.journal());
    format!("ready\n{configuration}{redis}").into_response()
}

/// `GET /metrics`
pub(crate) async fn metrics(State(state): State<Arc<AppState>>) -> Response {
    let (names, _) = crate::domain::vocabulary::names::statistics();
    metrics::gauge!("levelgate_names").set(f64::from(u32::try_from(names).unwrap_or(u32::MAX)));
    state.prometheus.run_upkeep();
    update_clock_gauges(&state.payments.clock);
    if let Some(shipping) = state.payments.gate.shipping().filter(|_| state.payments.gate.standby().is_none()) {
        update_redis_metrics(shipping, state.payments.ledger.journal());
    }
    update_standby_metrics(state.payments.gate.standby().map(AsRef::as_ref));
    state.capacity.update_gauges();
    update_backlog_gauges(state.payments.ledger.journal());
    let mut text = state.prometheus.render();
    write_process_metrics(&mut text);
    write_latencies(&mut text);
    write_request_latencies(&mut text);
    state.payments.meters.rule_counts.write(&mut text);
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response()
}

/// `GET /v1/status`
pub(crate) async fn status(State(state): State<Arc<AppState>>, admission: Option<Admission>) -> Response {
    json(render(&state.status.document(admission.as_ref().map(|admission| &*admission.token))))
}

/// `GET /v1/settings`
pub(crate) async fn settings(State(state): State<Arc<AppState>>) -> Response {
    // A reload holds a lock that is needed here.
    match background::run(move || render(&SettingsDocument::of(&*state.control, &state.payments))).await {
        Ok(document) => json(document),
        Err(error) => ServiceError::unfinished(&error).into_response(),
    }
}

/// `GET /v1/reload`
pub(crate) async fn preview_reload(State(state): State<Arc<AppState>>, query: QueryPairs) -> Response {
    let merchant = match query.pairs().find(|(key, _)| key == "merchant") {
        None => None,
        Some((_, sent)) => match Name::existing(&sent) {
            Some(known) => Some(known),
            None => return ServiceError::from(Refusal::UnknownMerchant(sent.into_owned())).into_response(),
        },
    };
    // It reads all files, and customers one at a time: few are made at a time.
    let _turn = reader_turn().await;
    let control = Arc::clone(&state.control);
    match background::run(move || control.preview_reload(merchant)).await {
        Ok(preview) => json(render(&PreviewDocument::of(preview))),
        Err(error) => ServiceError::unfinished(&error).into_response(),
    }
}

/// `POST /v1/reload`
pub(crate) async fn reload(State(state): State<Arc<AppState>>, admission: Option<Admission>) -> Response {
    let author = Author { source: ChangeSource::Api, by: admission.map(|admission| admission.token.name), job: None };
    let control = Arc::clone(&state.control);
    match background::run(carry(move || control.reload(author))).await {
        Ok(Ok(report)) => {
            let document = render(&ReloadDocument::new(&report, None));
            respond(&state.payments, Ok(Reply::from_body(document)), AnswerKind::Write).await
        }
        Ok(Err(refused)) => ServiceError::refused_reload(&refused).into_response(),
        Err(error) => ServiceError::unfinished(&error).into_response(),
    }
}

/// `POST /v1/snapshot`
pub(crate) async fn snapshot(State(state): State<Arc<AppState>>) -> Response {
    let taken = background::run(carry(move || state.control.snapshot())).await;
    match taken {
        Ok(Ok(taken)) => json(render(&taken)),
        Ok(Err(problem)) => problem.into_response(),
        Err(error) => ServiceError::unfinished(&error).into_response(),
    }
}

/// `POST /v1/take-over`
pub(crate) async fn take_over(State(state): State<Arc<AppState>>) -> Response {
    match background::run(carry(move || state.control.take_over())).await {
        Ok(Ok(report)) => json(render(&report)),
        Ok(Err(problem)) => problem.into_response(),
        Err(error) => ServiceError::unfinished(&error).into_response(),
    }
}

/// Sets the gauges of the records that wait to be written.
fn update_backlog_gauges(journal: &Journal) {
    let set = |name: &'static str, bytes: u64| {
        metrics::gauge!(name).set(f64::from(u32::try_from(bytes).unwrap_or(u32::MAX)));
    };
    set("levelgate_journal_backlog_bytes", journal.backlog_bytes());
    set("levelgate_journal_backlog_bytes_max", BACKLOG_BYTES_MAX);
}

/// Sets the gauges of the clock.
fn update_clock_gauges(clock: &Clock) {
    let doubt = clock.unaccepted_difference();
    metrics::gauge!("levelgate_clock_accepted").set(if doubt.is_none() { 1.0 } else { 0.0 });
    // The seconds of every step fit 32 bits.
    let seconds = doubt.map_or(0, |difference| difference.step_ms / 1_000);
    let seconds = i32::try_from(seconds).unwrap_or(if seconds < 0 { i32::MIN } else { i32::MAX });
    metrics::gauge!("levelgate_clock_step_seconds").set(f64::from(seconds));
}

/// `POST /v1/clock/accept`
pub(crate) async fn accept_clock(
    State(state): State<Arc<AppState>>,
    admission: Option<Admission>,
    body: Body,
) -> Response {
    let body = match read_body(&state, body).await {
        Ok(body) => body,
        Err(problem) => return problem.into_response(),
    };
    let (by, payments) = (admission.map(|admission| admission.token.name), Arc::clone(&state.payments));
    // It visits all customers, after a snapshot in progress: not on the threads that answer payments.
    // Payments wait for this pass over all customers: at their priority.
    match tokio::task::spawn_blocking(move || payments.accept_clock(&body, by)).await {
        Ok(answered) => respond(&state.payments, answered, AnswerKind::Write).await,
        Err(_) => ServiceError::internal().into_response(),
    }
}
