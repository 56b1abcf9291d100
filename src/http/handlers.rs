//! Handlers: from bytes to the desk and back, health, status, reload.

use super::{
    access::{Access, Grant},
    archive_health::ArchiveHealth,
    desk::{Desk, Op, Reply},
    jobs::Jobs,
    levels::Configure,
    problem::Problem,
    shapes::Shows,
};
use crate::{
    domain::{calendar::zone_data_version, time::Millis},
    journal::Lsn,
};
use axum::{
    body::{Body, Bytes},
    extract::{FromRequest, FromRequestParts, Path, Request, State},
    http::{HeaderName, HeaderValue, header},
    response::{IntoResponse, Response},
};
use metrics_exporter_prometheus::PrometheusHandle;
use parking_lot::Mutex;
use serde::Serialize;
use std::{sync::Arc, time::Instant};
use tokio::sync::watch;

/// Says that an answer was given before.
pub(super) const REPLAY: HeaderName = HeaderName::from_static("idempotent-replay");

/// What a reload does: reads, checks and swaps, or names every problem.
pub(super) type Reload = Box<dyn Fn() -> Result<(), Vec<String>> + Send + Sync>;

/// What a snapshot does; `None`: there is nothing to take one of.
pub(super) type TakeSnapshot = Option<Box<dyn Fn() -> Result<Taken, String> + Send + Sync>>;

/// What the archive says of itself; `None`: there is none.
pub(super) type AskArchive = Option<Box<dyn Fn() -> ArchiveHealth + Send + Sync>>;

/// A snapshot that was taken.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Taken {
    /// The record up to which it is true; those behind are in the journal.
    #[serde(serialize_with = "plain")]
    pub true_up_to: Lsn,
    /// Of its file.
    pub bytes: u64,
    /// How long it took.
    pub milliseconds: u64,
}

fn plain<S: serde::Serializer>(lsn: &Lsn, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(lsn.0)
}

/// How the configuration in force came to be, and what was wrong with a newer one.
#[derive(Debug, Clone, Default)]
pub struct Health {
    /// When the configuration in force was applied.
    pub applied_at: Millis,
    /// Since when a newer one is refused, and why.
    pub failed: Option<(Millis, Vec<String>)>,
}

/// Everything that handlers share.
pub struct Daemon {
    /// Decisions.
    pub desk: Arc<Desk>,
    /// Tokens.
    pub access: Access,
    /// Reads the configuration anew.
    pub reload: Reload,
    /// Changes levels and rates.
    pub configure: Configure,
    /// Takes a snapshot.
    pub snapshot: TakeSnapshot,
    /// Says how the archive is; `None`: there is none.
    pub archive: AskArchive,
    /// What takes many steps.
    pub jobs: Arc<Jobs>,
    /// The state of the configuration.
    pub health: Arc<Mutex<Health>>,
    /// The text of `/metrics`.
    pub prometheus: PrometheusHandle,
    /// What is kept, in words: the durability that the daemon promises.
    pub keeps: &'static str,
    /// The kind of the configured store.
    pub store: &'static str,
    /// Whether the daemon is told to stop, so that nobody waits any longer for what may come.
    pub stopping: watch::Receiver<bool>,
}

/// A call of the hot path: its path, its body within the limit.
pub(crate) struct Call {
    pub(super) daemon: Arc<Daemon>,
    pub(super) merchant: String,
    /// What else the path names: a transaction or a customer.
    pub(super) named: Option<String>,
    pub(super) body: Bytes,
    /// The caller's token; `None` without tokens.
    pub(super) grant: Option<Grant>,
}

impl FromRequest<Arc<Daemon>> for Call {
    type Rejection = Response;

    async fn from_request(request: Request, daemon: &Arc<Daemon>) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let path = Path::<Vec<(String, String)>>::from_request_parts(&mut parts, daemon).await;
        let Ok(Path(mut segments)) = path else { return Err(Problem::no_such_path().into_response()) };
        let named = if segments.len() > 1 { segments.pop().map(|(_, id)| id) } else { None };
        let grant = parts.extensions.remove::<Grant>();
        let merchant = segments.pop().map(|(_, id)| id).unwrap_or_default();
        let body = read_body(body, daemon.desk.body_bytes_max).await.map_err(IntoResponse::into_response)?;
        super::bare(&parts.uri).map_err(IntoResponse::into_response)?;
        Ok(Self { daemon: Arc::clone(daemon), merchant, named, body, grant })
    }
}

pub(super) async fn read_body(body: Body, bytes_max: usize) -> Result<Bytes, Problem> {
    match axum::body::to_bytes(body, bytes_max).await {
        Ok(body) => Ok(body),
        Err(error) => {
            let limited = std::error::Error::source(&error).is_some_and(|e| e.is::<http_body_util::LengthLimitError>());
            Err(if limited {
                Problem::too_large(bytes_max)
            } else {
                Problem::malformed("body_broken", error.to_string())
            })
        }
    }
}

/// Any operation of the hot path.
pub(crate) async fn operate(op: Op, call: Call) -> Response {
    let started = Instant::now();
    let desk = &call.daemon.desk;
    let answered = desk.call(op, &call.merchant, call.named.as_deref(), &call.body);
    let kept = desk.ledger.journal().committed(desk.rests_on(&answered)).await;
    desk.meters.answer_seconds.record(started.elapsed());
    match (kept, answered) {
        (Err(_), _) => {
            desk.meters.unavailable("outcome_unknown");
            Problem::outcome_unknown().into_response()
        }
        (Ok(()), Ok(reply)) => answer(reply),
        (Ok(()), Err(problem)) => problem.into_response(),
    }
}

/// Says what was read, once all that it may rest on is committed.
pub(super) async fn told(desk: &Desk, read: Result<Vec<u8>, Problem>) -> Response {
    match (desk.ledger.journal().committed(desk.ledger.journal().last()).await, read) {
        (Err(_), _) => Problem::outcome_unknown().into_response(),
        (Ok(()), Ok(body)) => json(body),
        (Ok(()), Err(problem)) => problem.into_response(),
    }
}

fn answer(reply: Reply) -> Response {
    let mut response = json(reply.body);
    if reply.replay {
        response.headers_mut().insert(REPLAY, HeaderValue::from_static("true"));
    }
    response
}

pub(crate) fn json(body: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(body));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

pub(crate) async fn payment_form(call: Call) -> Response {
    let desk = &call.daemon.desk;
    told(desk, desk.payment_form(&call.merchant, &call.body)).await
}

pub(crate) async fn transaction(
    State(daemon): State<Arc<Daemon>>,
    Path((merchant, id)): Path<(String, String)>,
) -> Response {
    told(&daemon.desk, daemon.desk.show(&merchant, &id)).await
}

pub(crate) async fn healthz() -> &'static str {
    "ok\n"
}

pub(crate) async fn readyz(State(daemon): State<Arc<Daemon>>) -> Response {
    if daemon.desk.ledger.journal().failed() {
        return Problem::outcome_unknown().into_response();
    }
    // Without a time no write is taken; a clock that waits for its first request is ready for it.
    match daemon.desk.time() {
        Err(problem) if problem.is_unavailable() => problem.into_response(),
        _ => "ready\n".into_response(),
    }
}

pub(crate) async fn metrics(State(daemon): State<Arc<Daemon>>) -> Response {
    daemon.prometheus.run_upkeep();
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], daemon.prometheus.render()).into_response()
}

#[derive(Serialize)]
struct ConfigOut {
    version: String,
    applied_at: Shows<Millis>,
    failed_since: Option<Shows<Millis>>,
    problems: Vec<String>,
}

#[derive(Serialize)]
struct StatusOut {
    version: &'static str,
    zone_data_version: &'static str,
    config: ConfigOut,
    rates_version: String,
    rates_as_of: Option<Shows<Millis>>,
    store: &'static str,
    keeps: &'static str,
    lsn: Option<u64>,
    synced_lsn: Option<u64>,
    store_lag: Option<u64>,
    customers: u64,
    transactions: u64,
    levels_turned_away: u64,
    archive: Option<ArchiveHealth>,
    clock: String,
    uptime_seconds: i64,
}

pub(crate) async fn status(State(daemon): State<Arc<Daemon>>) -> Response {
    let (desk, rules) = (&daemon.desk, daemon.desk.rules());
    let health = daemon.health.lock().clone();
    let out = StatusOut {
        version: env!("CARGO_PKG_VERSION"),
        zone_data_version: zone_data_version(),
        config: ConfigOut {
            version: rules.version.clone(),
            applied_at: Shows(health.applied_at),
            failed_since: health.failed.as_ref().map(|(since, _)| Shows(*since)),
            problems: health.failed.map(|(_, problems)| problems).unwrap_or_default(),
        },
        rates_version: rules.rates.version.clone(),
        rates_as_of: rules.rates.as_of.map(Shows),
        store: daemon.store,
        keeps: daemon.keeps,
        lsn: (daemon.snapshot.is_some()).then(|| desk.ledger.journal().last().0),
        synced_lsn: (daemon.snapshot.is_some()).then(|| desk.ledger.journal().synced().0),
        store_lag: None,
        customers: desk.ledger.customers_len(),
        transactions: desk.ledger.transactions_len(),
        levels_turned_away: desk.ledger.levels_turned_away(),
        archive: daemon.archive.as_ref().map(|archive| archive()),
        clock: match desk.time() {
            Ok(now) => now.to_string(),
            Err(problem) => problem.code,
        },
        uptime_seconds: desk.clock.running_ms() / 1000,
    };
    json(super::desk::render(&out))
}

pub(crate) async fn reload(State(daemon): State<Arc<Daemon>>) -> Response {
    let done =
        tokio::task::spawn_blocking(move || (daemon.reload)().map(|()| daemon.desk.rules().version.clone())).await;
    match done {
        Ok(Ok(version)) => json(super::desk::render(&serde_json::json!({ "config_version": version }))),
        Ok(Err(problems)) => Problem::bad_configuration(problems).into_response(),
        Err(_) => Problem::internal().into_response(),
    }
}

pub(crate) async fn snapshot(State(daemon): State<Arc<Daemon>>) -> Response {
    if daemon.snapshot.is_none() {
        return Problem::no_snapshots().into_response();
    }
    let taken = tokio::task::spawn_blocking(move || daemon.snapshot.as_ref().map(|take| take())).await;
    match taken {
        Ok(Some(Ok(taken))) => json(super::desk::render(&taken)),
        Ok(Some(Err(error))) => Problem::snapshot_failed(error).into_response(),
        Ok(None) | Err(_) => Problem::internal().into_response(),
    }
}

pub(crate) async fn accept_clock(State(daemon): State<Arc<Daemon>>) -> Response {
    daemon.desk.clock.accept();
    tracing::warn!("the clock was accepted as it stands");
    readyz(State(daemon)).await
}

pub(crate) async fn no_such_path() -> Problem {
    Problem::no_such_path()
}

pub(crate) async fn method_not_allowed() -> Problem {
    Problem::method_not_allowed()
}
