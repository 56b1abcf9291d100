//! Handlers: from bytes to the desk and back, health, status, reload.

use crate::{
    clock::ClockError,
    config::Complaint,
    domain::vocabulary::{calendar::zone_data_version, time::Millis},
    storage::journal::Lsn,
};
use crate::{
    http::{
        dto::{answers::Shows, problem::Problem},
        handlers::{
            archive_health::ArchiveHealth,
            clock::{self, ClockOut},
            levels::Configure,
        },
        server::{
            capacity::{Capacity, UNCOUNTED_BYTES_MAX, hold_bytes},
            failed_logins::Failures,
            grants::{Access, Grant},
        },
    },
    service::{
        jobs::Jobs,
        payments::{Op, PaymentService, Reply},
    },
};
use axum::{
    Extension,
    body::{Body, Bytes, HttpBody},
    extract::{FromRequest, FromRequestParts, Path, Request, State},
    http::{HeaderName, HeaderValue, header},
    response::{IntoResponse, Response},
};
use http_body_util::BodyExt;
use metrics_exporter_prometheus::PrometheusHandle;
use parking_lot::Mutex;
use serde::Serialize;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::watch;

/// Says that an answer was given before.
pub(crate) const REPLAY: HeaderName = HeaderName::from_static("idempotent-replay");

/// What a reload does: reads, checks and swaps, or names every problem.
pub(crate) type Reload = Box<dyn Fn() -> Result<(), Vec<String>> + Send + Sync>;

/// What a snapshot does; `None`: there is nothing to take one of.
pub(crate) type TakeSnapshot = Option<Box<dyn Fn() -> Result<Taken, Problem> + Send + Sync>>;

/// What the archive says of itself; `None`: there is none.
pub(crate) type AskArchive = Option<Box<dyn Fn() -> ArchiveHealth + Send + Sync>>;

/// A snapshot that was taken.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Taken {
    /// The record up to which it is true; those behind are in the journal.
    #[serde(serialize_with = "plain")]
    pub true_up_to: Lsn,
    /// Of its file.
    pub bytes: u64,
    /// How long it took to write, in milliseconds.
    pub milliseconds: u64,
    /// How long the call took besides, in milliseconds: for another snapshot before, and for what follows one.
    pub waited_milliseconds: u64,
}

impl Taken {
    /// The same for a call that took so long in all.
    #[must_use]
    pub fn answering(self, took: Duration) -> Self {
        let took = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        Self { waited_milliseconds: took.saturating_sub(self.milliseconds), ..self }
    }
}

/// How snapshots fare.
#[derive(Debug, Clone, Default)]
pub struct SnapshotState {
    /// When the newest was taken.
    pub last_at: Option<Millis>,
    /// Since when none could be taken.
    pub failed_since: Option<Millis>,
    /// Why the last try failed or was skipped.
    pub reason: Option<String>,
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
    pub failed: Option<(Millis, Vec<Complaint>)>,
}

/// Everything that handlers share.
pub struct Daemon {
    /// Decisions.
    pub desk: Arc<PaymentService>,
    /// Tokens.
    pub access: Arc<Access>,
    /// Failed attempts to get in.
    pub failures: Failures,
    /// Reads the configuration anew.
    pub reload: Reload,
    /// Changes levels and rates.
    pub configure: Configure,
    /// Takes a snapshot.
    pub snapshot: TakeSnapshot,
    /// How snapshots fare; `None`: there is nothing to take one of.
    pub snapshots: Option<Arc<Mutex<SnapshotState>>>,
    /// Says how the archive is; `None`: there is none.
    pub archive: AskArchive,
    /// What takes many steps.
    pub jobs: Arc<Jobs>,
    /// What callers may use at a time.
    pub capacity: Arc<Capacity>,
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
    pub(crate) daemon: Arc<Daemon>,
    pub(crate) merchant: String,
    /// What else the path names: a transaction or a customer.
    pub(crate) named: Option<String>,
    pub(crate) body: Bytes,
    /// The caller's token; `None` without tokens.
    pub(crate) grant: Option<Grant>,
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
        let body = read_body(daemon, body).await.map_err(IntoResponse::into_response)?;
        let still = daemon.admits_still(grant.as_ref(), &parts.method, parts.uri.path());
        still.map_err(IntoResponse::into_response)?;
        crate::http::bare(&parts.uri).map_err(IntoResponse::into_response)?;
        Ok(Self { daemon: Arc::clone(daemon), merchant, named, body, grant })
    }
}

/// Reads a body of at most `max_body_bytes`. One of more than [`UNCOUNTED_BYTES_MAX`] is counted among the bytes in
/// memory for as long as it is held.
pub(crate) async fn read_body(daemon: &Daemon, mut body: Body) -> Result<Bytes, Problem> {
    let bytes_max = daemon.desk.body_bytes_max;
    if usize::try_from(body.size_hint().lower()).is_ok_and(|least| least > bytes_max) {
        // The server closes a connection with an unread rest, and the refusal could be lost with it.
        let _read = axum::body::to_bytes(body, crate::http::LEFT_BYTES_MAX).await;
        return Err(Problem::too_large(bytes_max));
    }
    let (mut whole, mut reserved) = (Vec::new(), daemon.capacity.bytes().take(0));
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| broken_body(&error))?;
        let Ok(data) = frame.into_data() else { continue };
        if whole.len() + data.len() > bytes_max {
            return Err(Problem::too_large(bytes_max));
        }
        // Most bodies come in one piece.
        if whole.is_empty() && body.is_end_stream() {
            return Ok(data);
        }
        if whole.len() + data.len() > UNCOUNTED_BYTES_MAX {
            reserved.grow(data.len())?;
        }
        whole.extend_from_slice(&data);
    }
    Ok(hold_bytes(whole, reserved))
}

/// What is said of a body that did not come whole.
pub(crate) fn broken_body(error: &axum::Error) -> Problem {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        let io = error.downcast_ref::<std::io::Error>();
        if io.is_some_and(|error| error.kind() == std::io::ErrorKind::TimedOut) {
            return Problem::too_slow("body");
        }
        cause = error.source();
    }
    Problem::malformed("body_broken", error.to_string())
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
pub(crate) async fn told(desk: &PaymentService, read: Result<Vec<u8>, Problem>) -> Response {
    let last = desk.ledger.journal().last();
    told_resting(desk, read.map(|body| (body, last))).await
}

/// The same of configuration, which rests on the records that all customers share.
pub(crate) async fn told_shared(desk: &PaymentService, body: Vec<u8>) -> Response {
    let last = desk.ledger.journal().last_shared();
    told_resting(desk, Ok((body, last))).await
}

/// The same of what rests on one record; a problem rests on all of them.
async fn told_resting(desk: &PaymentService, read: Result<(Vec<u8>, Lsn), Problem>) -> Response {
    let journal = desk.ledger.journal();
    let rests_on = read.as_ref().map_or_else(|_| journal.last(), |(_, lsn)| *lsn);
    match (journal.committed(rests_on).await, read) {
        (Err(_), _) => Problem::outcome_unknown().into_response(),
        (Ok(()), Ok((body, _))) => json(body),
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
    told_resting(&daemon.desk, daemon.desk.show_resting(&merchant, &id)).await
}

pub(crate) async fn healthz() -> &'static str {
    "ok\n"
}

pub(crate) async fn readyz(State(daemon): State<Arc<Daemon>>) -> Response {
    if daemon.desk.ledger.journal().failed() {
        return Problem::outcome_unknown().into_response();
    }
    if *daemon.stopping.borrow() {
        return Problem::stopping().into_response();
    }
    // Without the present time nothing is decided; a clock that waits for its first request is ready for it.
    if let Some(difference) = daemon.desk.clock.doubt() {
        return Problem::from(ClockError::Jumped(difference)).into_response();
    }
    // The rules of before are in force, so it is ready. What is wrong is for those who may read the status.
    match daemon.health.lock().failed.as_ref().map(|(since, _)| *since) {
        None => "ready\n".into_response(),
        Some(since) => format!(
            "ready\nconfiguration: reloads fail since {since}; the rules of before are in force, and /v1/status names the \
             problems\n"
        )
        .into_response(),
    }
}

pub(crate) async fn metrics(State(daemon): State<Arc<Daemon>>) -> Response {
    let (names, _) = crate::domain::vocabulary::names::figures();
    metrics::gauge!("levelgate_names").set(f64::from(u32::try_from(names).unwrap_or(u32::MAX)));
    daemon.prometheus.run_upkeep();
    clock::measure(&daemon.desk.clock);
    daemon.capacity.show();
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
struct SnapshotOut {
    last_at: Option<Shows<Millis>>,
    failed_since: Option<Shows<Millis>>,
    reason: Option<String>,
}

impl From<SnapshotState> for SnapshotOut {
    fn from(state: SnapshotState) -> Self {
        let SnapshotState { last_at, failed_since, reason } = state;
        Self { last_at: last_at.map(Shows), failed_since: failed_since.map(Shows), reason }
    }
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
    snapshot: Option<SnapshotOut>,
    /// What is of all merchants is `None` for a token for some.
    customers: Option<u64>,
    transactions: Option<u64>,
    levels_turned_away: Option<u64>,
    archive: Option<ArchiveHealth>,
    clock: String,
    clock_state: ClockOut,
    uptime_seconds: i64,
}

/// The problems that a token may see: those of files of its merchants. A file may say anything of anybody, its name too.
fn seen(complaints: Vec<Complaint>, grant: Option<&Grant>) -> Vec<String> {
    let reaches = |complaint: &Complaint| match grant.filter(|grant| grant.merchants.is_some()) {
        None => true,
        Some(grant) => complaint.merchant.is_some_and(|merchant| grant.reaches(merchant.as_str()).is_ok()),
    };
    complaints.into_iter().filter(reaches).map(|complaint| complaint.text).collect()
}

/// `GET /v1/status`.
pub(crate) async fn status(State(daemon): State<Arc<Daemon>>, grant: Option<Extension<Grant>>) -> Response {
    let (desk, rules) = (&daemon.desk, daemon.desk.rules());
    let health = daemon.health.lock().clone();
    let grant = grant.as_deref();
    let is_of_all = grant.is_none_or(|grant| grant.merchants.is_none());
    let lsn = |lsn: Lsn| (is_of_all && daemon.snapshot.is_some()).then_some(lsn.0);
    let out = StatusOut {
        version: env!("CARGO_PKG_VERSION"),
        zone_data_version: zone_data_version(),
        config: ConfigOut {
            version: rules.version.clone(),
            applied_at: Shows(health.applied_at),
            failed_since: health.failed.as_ref().map(|(since, _)| Shows(*since)),
            problems: health.failed.map(|(_, problems)| seen(problems, grant)).unwrap_or_default(),
        },
        rates_version: rules.rates.version.clone(),
        rates_as_of: rules.rates.as_of.map(Shows),
        store: daemon.store,
        keeps: daemon.keeps,
        lsn: lsn(desk.ledger.journal().last()),
        synced_lsn: lsn(desk.ledger.journal().synced()),
        store_lag: None,
        snapshot: daemon.snapshots.as_ref().filter(|_| is_of_all).map(|state| state.lock().clone().into()),
        customers: is_of_all.then(|| desk.ledger.customers_len()),
        transactions: is_of_all.then(|| desk.ledger.transactions_len()),
        levels_turned_away: is_of_all.then(|| desk.ledger.levels_turned_away()),
        archive: daemon.archive.as_ref().filter(|_| is_of_all).map(|archive| archive()),
        clock: match desk.time() {
            Ok(now) => now.to_string(),
            Err(problem) => problem.code,
        },
        clock_state: ClockOut::of(&desk.clock),
        uptime_seconds: desk.clock.running_ms() / 1000,
    };
    json(crate::service::payments::render(&out))
}

pub(crate) async fn reload(State(daemon): State<Arc<Daemon>>) -> Response {
    let done =
        tokio::task::spawn_blocking(move || (daemon.reload)().map(|()| daemon.desk.rules().version.clone())).await;
    match done {
        Ok(Ok(version)) => json(crate::service::payments::render(&serde_json::json!({ "config_version": version }))),
        Ok(Err(problems)) => Problem::bad_configuration(problems).into_response(),
        Err(error) => Problem::unfinished(&error).into_response(),
    }
}

pub(crate) async fn snapshot(State(daemon): State<Arc<Daemon>>) -> Response {
    let taken = tokio::task::spawn_blocking(move || daemon.snapshot.as_ref().map(|take| take())).await;
    match taken {
        Ok(Some(Ok(taken))) => json(crate::service::payments::render(&taken)),
        Ok(Some(Err(problem))) => problem.into_response(),
        Ok(None) => Problem::no_snapshots().into_response(),
        Err(error) => Problem::unfinished(&error).into_response(),
    }
}

pub(crate) async fn no_such_path() -> Problem {
    Problem::no_such_path()
}

pub(crate) async fn method_not_allowed() -> Problem {
    Problem::method_not_allowed()
}
