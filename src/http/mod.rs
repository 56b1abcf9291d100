//! The wire: routes, shapes, problem documents. Thin: what an operation means is known further in.

mod access;
mod archive_health;
mod batch;
mod bulk;
mod capacity;
mod clock;
mod connection;
mod customer;
mod customers;
pub mod desk;
pub mod events;
mod facts;
mod failures;
mod fields;
mod form;
mod gate;
mod grants;
mod handlers;
mod history;
mod instruments;
pub mod jobs;
pub mod levels;
mod limits;
mod link;
mod listen;
mod lists;
mod merge;
mod origin;
mod overview;
mod precedence;
pub mod problem;
pub mod pulse;
mod shapes;
mod silence;
mod staff;
pub mod table;
mod tables;
mod usage;

pub use archive_health::ArchiveHealth;
pub use batch::{Lines, answer_line};
pub use capacity::Capacity;
pub use connection::{RequestLimits, SILENCE_MAX};
pub use failures::Failures;
pub use grants::{Access, Grant, Role};
pub use handlers::{Daemon, Health, SnapshotState, Taken};
pub use jobs::Jobs;
pub use listen::{Caller, Server, Socket};
pub use tables::{MOCK_MAX, levels_of, take_table};

use axum::{
    Router,
    extract::Request,
    http::Uri,
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{delete, get, post, put},
};
use desk::Op;
use std::sync::Arc;

/// The most bytes of a body that are read though the request is refused.
const LEFT_BYTES_MAX: usize = 64 * 1024;

/// Every route of the daemon, on one screen.
pub fn routes(daemon: Arc<Daemon>) -> Router {
    let hot = |op: Op| post(move |call: handlers::Call| handlers::operate(op, call));
    let m = "/v1/merchants/{merchant}";
    let c = format!("{m}/customers/{{customer}}");
    let t = "/v1/merchants/{merchant}/transactions/{transaction}";
    // What reads what stands behind the `?`; whoever is asked if a daemon lives is not to die of a stray one.
    let asking = Router::new()
        .route(&format!("{m}/transactions"), get(lists::transactions))
        .route(&format!("{m}/customers"), get(customers::list))
        .route(&format!("{m}/customers.csv"), post(tables::upload))
        .route(&format!("{m}/customers/bulk"), post(bulk::bulk))
        .route(&format!("{m}/customers/jobs"), get(jobs::list))
        .route(&format!("{c}/transactions"), get(customers::transactions))
        .route(&format!("{c}/history"), get(customers::history))
        .route(&format!("{c}/instruments/{{instrument}}/history"), get(instruments::history))
        .route(&format!("{c}/limits/{{direction}}/{{currency}}"), delete(limits::drop_limits))
        .route("/v1/events", get(events::events))
        .merge(probes());
    // These look behind the `?` themselves, with no layer more on the hot path.
    let payments = Router::new()
        .route(&format!("{m}/transactions"), hot(Op::Reserve))
        .route(&format!("{m}/decisions"), hot(Op::Check))
        .route(&format!("{m}/payment-form"), post(handlers::payment_form))
        .route(&format!("{t}/approve"), hot(Op::Approve))
        .route(&format!("{t}/decline"), hot(Op::Decline))
        .route(&format!("{t}/cancel"), hot(Op::Cancel))
        .route(&format!("{t}/refund"), hot(Op::Refund))
        .route(&format!("{t}/chargeback"), hot(Op::Chargeback))
        .route(&format!("{t}/extend"), hot(Op::Extend))
        .route(&format!("{t}/attempts"), hot(Op::Attempt));
    let rest = Router::new()
        .route(t, get(handlers::transaction))
        .route(&format!("{t}/customer"), post(link::link))
        .route(&format!("{m}/customers"), post(customers::create))
        .route(&format!("{m}/customers.csv"), get(tables::download))
        .route(&format!("{m}/customers/template.csv"), get(tables::example))
        .route(&format!("{m}/customers/mock"), post(tables::mock))
        .route(&format!("{m}/customers/jobs/{{job}}"), get(jobs::show))
        .route(&c, get(customers::show).patch(customers::amend).delete(customers::delete))
        .route(&format!("{c}/merge"), post(merge::merge))
        .route(&format!("{c}/signals"), post(lists::signal))
        .route(&format!("{c}/usage"), get(customers::usage))
        .route(&format!("{c}/instruments/{{instrument}}"), put(instruments::put))
        .route(
            &format!("{c}/settings/{{direction}}/{{currency}}/{{level}}"),
            get(customers::settings).put(customers::set_settings).delete(customers::reset_settings),
        )
        .route(&format!("{c}/limits/{{direction}}/{{currency}}"), get(limits::limits).put(limits::set_limits))
        .route(&format!("{c}/limits/{{direction}}/{{currency}}/pending"), delete(limits::drop_pending))
        .route(&format!("{c}/limits/{{direction}}/{{currency}}/pending/confirm"), post(limits::confirm_pending))
        .route("/v1/batch", post(batch::batch))
        .route("/v1/merchants", get(overview::merchants))
        .route(m, get(overview::merchant))
        .route(&format!("{m}/levels"), get(overview::levels))
        .route(&format!("{m}/levels/{{direction}}/{{currency}}"), delete(levels::delete_currency))
        // And `levels/{direction}/{name}/rename`.
        .route(
            &format!("{m}/levels/{{direction}}/{{currency}}/{{name}}"),
            put(levels::put).delete(levels::delete).post(levels::rename),
        )
        .route("/v1/rates", get(overview::rates).put(levels::put_rates))
        .route("/v1/reload", post(handlers::reload))
        .route("/v1/snapshot", post(handlers::snapshot))
        .route("/v1/clock/accept", post(clock::accept))
        .merge(status())
        .route_layer(middleware::from_fn(refuse_query));
    Router::new()
        .merge(asking)
        .merge(payments)
        .merge(rest)
        .fallback(handlers::no_such_path)
        .method_not_allowed_fallback(handlers::method_not_allowed)
        .layer(middleware::from_fn_with_state(Arc::clone(&daemon), access::enter))
        .with_state(daemon)
}

/// What tells of the daemon's health, whatever stands behind the `?`.
fn probes() -> Router<Arc<Daemon>> {
    Router::new()
        .route("/healthz", get(handlers::healthz))
        .route("/readyz", get(handlers::readyz))
        .route("/metrics", get(handlers::metrics))
}

fn status() -> Router<Arc<Daemon>> {
    Router::new().route("/v1/status", get(handlers::status))
}

/// Whether a path is one of those that are answered also when all places are taken.
fn is_health(path: &str) -> bool {
    matches!(path, "/healthz" | "/readyz" | "/metrics" | "/v1/status")
}

fn health(daemon: &Arc<Daemon>) -> Router<Arc<Daemon>> {
    Router::new()
        .merge(probes())
        .merge(status().route_layer(middleware::from_fn(refuse_query)))
        .method_not_allowed_fallback(handlers::method_not_allowed)
        .route_layer(middleware::from_fn_with_state(Arc::clone(daemon), access::enter))
}

/// The routes of the admin listener: health, metrics and status, with the same tokens.
pub fn admin_routes(daemon: Arc<Daemon>) -> Router {
    health(&daemon).fallback(handlers::no_such_path).with_state(daemon)
}

/// The routes of connections that come when all places are taken: the same, and a refusal for everything else.
pub fn overflow_routes(daemon: Arc<Daemon>) -> Router {
    health(&daemon).fallback(too_many_connections).with_state(daemon)
}

async fn too_many_connections(request: Request) -> Response {
    read_rest(request).await;
    problem::Problem::too_many_connections().into_response()
}

async fn refuse_query(request: Request, next: Next) -> Response {
    match bare(request.uri()) {
        Ok(()) => next.run(request).await,
        Err(problem) => {
            read_rest(request).await;
            problem.into_response()
        }
    }
}

/// Reads the rest of a refused request. The server closes a connection with an unread rest, and the caller's next
/// request on it would fail.
async fn read_rest(request: Request) {
    let _read = axum::body::to_bytes(request.into_body(), LEFT_BYTES_MAX).await;
}

/// Refuses what stands behind the `?` where nothing is taken there: whoever writes `?dry_run=true` means it.
fn bare(uri: &Uri) -> Result<(), problem::Problem> {
    let Some((name, _)) = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()).next() else {
        return Ok(());
    };
    let detail = format!("`{name}` is not taken here, nor is anything else behind the `?`");
    Err(problem::Problem::malformed("unknown_field", detail).at(&name))
}
