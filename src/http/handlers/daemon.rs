//! The daemon itself: health, metrics, status, reload, snapshots, clock.

use crate::{
    clock::{Clock, ClockError},
    config::{
        ProblemText, Severity,
        diff::Difference,
        schema::texts::{SentenceText, VersionText},
    },
    domain::{
        customer::audit::{Author, ChangeSource},
        vocabulary::{calendar::zone_data_version, names::Name, time::Millis},
    },
    storage::journal::{BACKLOG_BYTES_MAX, Journal, Lsn},
    telemetry::latency::write_latencies,
};
use crate::{
    http::{
        extract::body::read_body,
        handlers::{
            redis_status::{RedisDocument, readiness_line, update_redis_metrics},
            standby_status::{StandbyDocument, update_standby_metrics},
        },
        response::{json, respond},
        server::{admission::Admission, request_latency::write_request_latencies},
        state::AppState,
    },
    service::{
        access::access_tokens::AccessToken,
        clock::ClockDocument,
        commit::AnswerKind,
        configuration::reload::ReloadReport,
        daemon_status::{ArchiveHealth, SnapshotState},
        documents::{
            as_text::AsText,
            configuration::differences::{DifferenceLists, first_lines},
        },
        error::ServiceError,
        reply::{Reply, render},
    },
};
use axum::{
    body::Body,
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use schemars::JsonSchema;
use serde::Serialize;
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
    metrics_process::Collector::default().collect();
    update_backlog_gauges(state.payments.ledger.journal());
    let mut text = state.prometheus.render();
    write_latencies(&mut text);
    write_request_latencies(&mut text);
    state.payments.meters.rule_counts.write(&mut text);
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response()
}

/// The configuration in force, and what is wrong with a newer one.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ConfigurationState")]
struct ConfigurationDocument {
    /// The version of the rules in force.
    #[schemars(with = "VersionText")]
    version: String,
    /// When they took effect.
    applied_at: AsText<Millis>,
    /// Since when reloads fail. `null`: the newest one took effect.
    failed_since: Option<AsText<Millis>>,
    /// The errors of the newest reload if it was refused.
    #[schemars(with = "Vec<SentenceText>")]
    problems: Vec<String>,
    /// The warnings of that reload.
    #[schemars(with = "Vec<SentenceText>")]
    warnings: Vec<String>,
    /// The newest reload that took effect. `null`: there was none since the start.
    last_reload: Option<ReloadDocument>,
}

/// A reload that took effect.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ReloadOutcome")]
pub(crate) struct ReloadDocument {
    /// When it took effect.
    at: AsText<Millis>,
    /// The rules in force since then.
    #[schemars(with = "VersionText")]
    config_version: String,
    /// What it changed.
    #[serde(flatten)]
    differences: DifferenceLists,
    /// What is valid and probably a mistake.
    #[schemars(with = "Vec<SentenceText>")]
    warnings: Vec<String>,
    /// Settings whose new value takes effect at a restart. `null`: the token is for some merchants.
    #[schemars(with = "Option<Vec<SentenceText>>")]
    restart_needed: Option<Vec<String>>,
}

impl ReloadDocument {
    /// The part of a reload that a token may see.
    fn new(report: &ReloadReport, token: Option<&AccessToken>) -> Self {
        let is_of_all = token.is_none_or(|token| token.merchants.is_none());
        let differences = report.differences.iter();
        let visible: Vec<&Difference> =
            differences.filter(|difference| is_visible(difference.merchant, token)).collect();
        Self {
            at: AsText(report.at),
            config_version: report.version.clone(),
            differences: DifferenceLists::new(&visible),
            warnings: first_lines(visible_problems(report.warnings.iter(), token).into_iter()),
            restart_needed: is_of_all.then(|| report.restart_needed.clone()),
        }
    }
}

/// The snapshots.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "SnapshotState")]
struct SnapshotDocument {
    /// When the newest was taken. `null`: none was.
    last_at: Option<AsText<Millis>>,
    /// Since when none could be taken. `null`: the newest try succeeded.
    failed_since: Option<AsText<Millis>>,
    /// Why the newest try failed. `null`: it did not.
    #[schemars(with = "Option<SentenceText>")]
    reason: Option<String>,
}

impl From<SnapshotState> for SnapshotDocument {
    fn from(state: SnapshotState) -> Self {
        let SnapshotState { last_at, failed_since, reason } = state;
        Self { last_at: last_at.map(AsText), failed_since: failed_since.map(AsText), reason }
    }
}

/// The state of the daemon.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Status")]
pub(crate) struct StatusDocument {
    /// The version of levelgate.
    #[schemars(with = "VersionText")]
    version: &'static str,
    /// The version of the time zone data.
    #[schemars(with = "VersionText")]
    zone_data_version: &'static str,
    /// The configuration.
    config: ConfigurationDocument,
    /// The version of the rates.
    #[schemars(with = "VersionText")]
    rates_version: String,
    /// The time of the rates. `null`: none is known.
    rates_as_of: Option<AsText<Millis>>,
    /// The kind of the store.
    #[schemars(extend("enum" = ["disk", "memory"]))]
    store: &'static str,
    /// The durability in words.
    #[schemars(with = "SentenceText")]
    keeps: &'static str,
    /// The last record. `null`: there is no journal, or the token is for some merchants.
    lsn: Option<u64>,
    /// The last record that is synced.
    synced_lsn: Option<u64>,
    /// For how many seconds Redis has lacked records. `null`: there is no copy in Redis.
    store_lag: Option<u64>,
    /// The snapshots. `null`: the daemon has no data folder.
    snapshot: Option<SnapshotDocument>,
    /// Whether the daemon answers writes.
    #[schemars(extend("enum" = ["primary", "standby"]))]
    role: &'static str,
    /// The standby. `null`: the daemon is a primary.
    standby: Option<StandbyDocument>,
    /// The copy in Redis. `null`: there is none.
    redis: Option<RedisDocument>,
    /// The customers in memory. Like the other figures of all merchants, it is `null` for a token for some merchants.
    customers: Option<u64>,
    /// The transactions in memory.
    transactions: Option<u64>,
    /// Levels that requests could not create.
    levels_turned_away: Option<u64>,
    /// The archive. `null`: there is none.
    archive: Option<ArchiveHealth>,
    /// The time, or the code of a problem.
    #[schemars(with = "SentenceText")]
    clock: String,
    /// The clock.
    clock_state: ClockDocument,
    /// Since when the daemon runs.
    uptime_seconds: i64,
}

/// Whether a token may see what concerns a merchant, or the daemon.
fn is_visible(merchant: Option<Name>, token: Option<&AccessToken>) -> bool {
    match token.filter(|token| token.merchants.is_some()) {
        None => true,
        Some(token) => merchant.is_some_and(|merchant| token.reaches(merchant.as_str()).is_ok()),
    }
}

/// The problems that a token may see: those of the files of its merchants, without the paths of the machine. A file and its
/// name may contain anything.
fn visible_problems<'p>(problems: impl Iterator<Item = &'p ProblemText>, token: Option<&AccessToken>) -> Vec<String> {
    let is_of_all = token.is_none_or(|token| token.merchants.is_none());
    let text = |problem: &ProblemText| if is_of_all { problem.text.clone() } else { problem.without_folder().into() };
    problems.filter(|problem| is_visible(problem.merchant, token)).map(text).collect()
}

/// `GET /v1/status`
pub(crate) async fn status(State(state): State<Arc<AppState>>, admission: Option<Admission>) -> Response {
    let (payments, rules) = (&state.payments, state.payments.rules());
    let health = state.health.lock().clone();
    let token = admission.as_ref().map(|admission| &*admission.token);
    let is_of_all = token.is_none_or(|token| token.merchants.is_none());
    let problems = |severity| {
        let refused = health.failed.as_ref().map(|(_, refused)| visible_problems(refused.of(severity), token));
        refused.unwrap_or_default()
    };
    let lsn = |lsn: Lsn| (is_of_all && state.snapshots.is_some()).then_some(lsn.0);
    let is_primary = payments.gate.standby().is_none();
    let shipping = payments.gate.shipping().filter(|_| is_of_all && is_primary);
    let out = StatusDocument {
        version: env!("CARGO_PKG_VERSION"),
        zone_data_version: zone_data_version(),
        config: ConfigurationDocument {
            version: rules.version.clone(),
            applied_at: AsText(health.applied_at),
            failed_since: health.failed.as_ref().map(|(since, _)| AsText(*since)),
            problems: problems(Severity::Error),
            warnings: problems(Severity::Warning),
            last_reload: health.last_reload.as_ref().map(|report| ReloadDocument::new(report, token)),
        },
        rates_version: rules.rates.version.clone(),
        rates_as_of: rules.rates.as_of.map(AsText),
        store: state.store,
        keeps: state.keeps,
        lsn: lsn(payments.ledger.contained_lsn()),
        synced_lsn: lsn(payments.ledger.journal().synced()),
        store_lag: shipping.map(|shipping| shipping.lag(Instant::now()).as_secs()),
        snapshot: state.snapshots.as_ref().filter(|_| is_of_all).map(|state| state.lock().clone().into()),
        role: if payments.gate.standby().is_some() { "standby" } else { "primary" },
        standby: payments.gate.standby().filter(|_| is_of_all).map(|state| StandbyDocument::new(state)),
        redis: shipping.map(|shipping| RedisDocument::new(shipping, payments.ledger.journal())),
        customers: is_of_all.then(|| payments.ledger.customers_len()),
        transactions: is_of_all.then(|| payments.ledger.transactions_len()),
        levels_turned_away: is_of_all.then(|| payments.ledger.levels_rejected()),
        archive: if is_of_all { state.control.archive() } else { None },
        clock: match payments.time() {
            Ok(now) => now.to_string(),
            Err(error) => error.code.into_owned(),
        },
        clock_state: ClockDocument::of(&payments.clock),
        uptime_seconds: payments.clock.running_ms() / 1000,
    };
    json(render(&out))
}

/// `POST /v1/reload`
pub(crate) async fn reload(State(state): State<Arc<AppState>>, admission: Option<Admission>) -> Response {
    let author = Author { source: ChangeSource::Api, by: admission.map(|admission| admission.token.name), job: None };
    let control = Arc::clone(&state.control);
    match tokio::task::spawn_blocking(move || control.reload(author)).await {
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
    let taken = tokio::task::spawn_blocking(move || state.control.snapshot()).await;
    match taken {
        Ok(Ok(taken)) => json(render(&taken)),
        Ok(Err(problem)) => problem.into_response(),
        Err(error) => ServiceError::unfinished(&error).into_response(),
    }
}

/// `POST /v1/take-over`
pub(crate) async fn take_over(State(state): State<Arc<AppState>>) -> Response {
    match tokio::task::spawn_blocking(move || state.control.take_over()).await {
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
    match tokio::task::spawn_blocking(move || payments.accept_clock(&body, by)).await {
        Ok(answered) => respond(&state.payments, answered, AnswerKind::Write).await,
        Err(_) => ServiceError::internal().into_response(),
    }
}
