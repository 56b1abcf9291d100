//! The wire: routes, shapes, problem documents. Thin: what an operation means is known further in.

mod docs;
pub mod dto;
pub mod handlers;
pub mod server;

pub use crate::http::handlers::archive_health::ArchiveHealth;
pub use crate::http::handlers::batch::{Lines, answer_line};
pub use crate::http::handlers::handlers::{Daemon, Health, SnapshotState, Taken};
pub use crate::http::handlers::import_export::{MOCK_MAX, levels_of, take_table};
pub use crate::http::server::capacity::Capacity;
pub use crate::http::server::connection::{RequestLimits, SILENCE_MAX};
pub use crate::http::server::failed_logins::Failures;
pub use crate::http::server::grants::{Access, Grant, Role};
pub use crate::http::server::listen::{Caller, Server, Socket};
pub use crate::service::jobs::Jobs;

use crate::service::payments::Op;
use axum::{
    Router,
    extract::Request,
    http::Uri,
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{delete, get, post, put},
};
use std::sync::Arc;

/// The most bytes of a body that are read though the request is refused.
const LEFT_BYTES_MAX: usize = 64 * 1024;

/// Every route of the daemon, on one screen.
pub fn routes(daemon: Arc<Daemon>) -> Router {
    let hot = |op: Op| {
        post(move |call: crate::http::handlers::handlers::Call| crate::http::handlers::handlers::operate(op, call))
    };
    let m = "/v1/merchants/{merchant}";
    let c = format!("{m}/customers/{{customer}}");
    let t = "/v1/merchants/{merchant}/transactions/{transaction}";
    // What reads what stands behind the `?`; whoever is asked if a daemon lives is not to die of a stray one.
    let asking = Router::new()
        .route(&format!("{m}/transactions"), get(crate::http::handlers::lists::transactions))
        .route(&format!("{m}/customers"), get(crate::http::handlers::customers::list))
        .route(&format!("{m}/customers.csv"), post(crate::http::handlers::import_export::upload))
        .route(&format!("{m}/customers/bulk"), post(crate::http::handlers::bulk::bulk))
        .route(&format!("{m}/customers/jobs"), get(crate::service::jobs::list))
        .route(&format!("{c}/transactions"), get(crate::http::handlers::customers::transactions))
        .route(&format!("{c}/history"), get(crate::http::handlers::customers::history))
        .route(&format!("{c}/instruments/{{instrument}}/history"), get(crate::http::handlers::instruments::history))
        .route(&format!("{c}/limits/{{direction}}/{{currency}}"), delete(crate::http::handlers::limits::drop_limits))
        .route("/v1/events", get(crate::http::handlers::events::events))
        .merge(probes());
    // These look behind the `?` themselves, with no layer more on the hot path.
    let payments = Router::new()
        .route(&format!("{m}/transactions"), hot(Op::Reserve))
        .route(&format!("{m}/decisions"), hot(Op::Check))
        .route(&format!("{m}/payment-form"), post(crate::http::handlers::handlers::payment_form))
        .route(&format!("{t}/approve"), hot(Op::Approve))
        .route(&format!("{t}/decline"), hot(Op::Decline))
        .route(&format!("{t}/cancel"), hot(Op::Cancel))
        .route(&format!("{t}/refund"), hot(Op::Refund))
        .route(&format!("{t}/chargeback"), hot(Op::Chargeback))
        .route(&format!("{t}/extend"), hot(Op::Extend))
        .route(&format!("{t}/attempts"), hot(Op::Attempt));
    let rest = Router::new()
        .route(t, get(crate::http::handlers::handlers::transaction))
        .route(&format!("{t}/customer"), post(crate::http::handlers::link::link))
        .route(&format!("{m}/customers"), post(crate::http::handlers::customers::create))
        .route(&format!("{m}/customers.csv"), get(crate::http::handlers::import_export::download))
        .route(&format!("{m}/customers/template.csv"), get(crate::http::handlers::import_export::example))
        .route(&format!("{m}/customers/mock"), post(crate::http::handlers::import_export::mock))
        .route(&format!("{m}/customers/jobs/{{job}}"), get(crate::service::jobs::show))
        .route(
            &c,
            get(crate::http::handlers::customers::show)
                .patch(crate::http::handlers::customers::amend)
                .delete(crate::http::handlers::customers::delete),
        )
        .route(&format!("{c}/merge"), post(crate::http::handlers::merge::merge))
        .route(&format!("{c}/signals"), post(crate::http::handlers::lists::signal))
        .route(&format!("{c}/usage"), get(crate::http::handlers::customers::usage))
        .route(&format!("{c}/instruments/{{instrument}}"), put(crate::http::handlers::instruments::put))
        .route(
            &format!("{c}/settings/{{direction}}/{{currency}}/{{level}}"),
            get(crate::http::handlers::customers::settings)
                .put(crate::http::handlers::customers::set_settings)
                .delete(crate::http::handlers::customers::reset_settings),
        )
        .route(
            &format!("{c}/limits/{{direction}}/{{currency}}"),
            get(crate::http::handlers::limits::limits).put(crate::http::handlers::limits::set_limits),
        )
        .route(
            &format!("{c}/limits/{{direction}}/{{currency}}/pending"),
            delete(crate::http::handlers::limits::drop_pending),
        )
        .route(
            &format!("{c}/limits/{{direction}}/{{currency}}/pending/confirm"),
            post(crate::http::handlers::limits::confirm_pending),
        )
        .route("/v1/batch", post(crate::http::handlers::batch::batch))
        .route("/v1/merchants", get(crate::http::handlers::overview::merchants))
        .route(m, get(crate::http::handlers::overview::merchant))
        .route(&format!("{m}/levels"), get(crate::http::handlers::overview::levels))
        .route(
            &format!("{m}/levels/{{direction}}/{{currency}}"),
            delete(crate::http::handlers::levels::delete_currency),
        )
        // And `levels/{direction}/{name}/rename`.
        .route(
            &format!("{m}/levels/{{direction}}/{{currency}}/{{name}}"),
            put(crate::http::handlers::levels::put)
                .delete(crate::http::handlers::levels::delete)
                .post(crate::http::handlers::levels::rename),
        )
        .route("/v1/rates", get(crate::http::handlers::overview::rates).put(crate::http::handlers::levels::put_rates))
        .route("/v1/reload", post(crate::http::handlers::handlers::reload))
        .route("/v1/snapshot", post(crate::http::handlers::handlers::snapshot))
        .route("/v1/clock/accept", post(crate::http::handlers::clock::accept))
        .merge(docs::routes())
        .merge(status())
        .route_layer(middleware::from_fn(refuse_query));
    Router::new()
        .merge(asking)
        .merge(payments)
        .merge(rest)
        .fallback(crate::http::handlers::handlers::no_such_path)
        .method_not_allowed_fallback(crate::http::handlers::handlers::method_not_allowed)
        .layer(middleware::from_fn_with_state(Arc::clone(&daemon), crate::http::server::access::enter))
        .with_state(daemon)
}

/// What tells of the daemon's health, whatever stands behind the `?`.
fn probes() -> Router<Arc<Daemon>> {
    Router::new()
        .route("/healthz", get(crate::http::handlers::handlers::healthz))
        .route("/readyz", get(crate::http::handlers::handlers::readyz))
        .route("/metrics", get(crate::http::handlers::handlers::metrics))
}

fn status() -> Router<Arc<Daemon>> {
    Router::new().route("/v1/status", get(crate::http::handlers::handlers::status))
}

/// Whether a path is one of those that are answered also when all places are taken.
fn is_health(path: &str) -> bool {
    matches!(path, "/healthz" | "/readyz" | "/metrics" | "/v1/status")
}

fn health(daemon: &Arc<Daemon>) -> Router<Arc<Daemon>> {
    Router::new()
        .merge(probes())
        .merge(status().route_layer(middleware::from_fn(refuse_query)))
        .method_not_allowed_fallback(crate::http::handlers::handlers::method_not_allowed)
        .route_layer(middleware::from_fn_with_state(Arc::clone(daemon), crate::http::server::access::enter))
}

/// The routes of the admin listener: health, metrics and status, with the same tokens.
pub fn admin_routes(daemon: Arc<Daemon>) -> Router {
    health(&daemon).fallback(crate::http::handlers::handlers::no_such_path).with_state(daemon)
}

/// The routes of connections that come when all places are taken: the same, and a refusal for everything else.
pub fn overflow_routes(daemon: Arc<Daemon>) -> Router {
    health(&daemon).fallback(too_many_connections).with_state(daemon)
}

async fn too_many_connections(request: Request) -> Response {
    read_rest(request).await;
    crate::http::dto::problem::Problem::too_many_connections().into_response()
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
fn bare(uri: &Uri) -> Result<(), crate::http::dto::problem::Problem> {
    let Some((name, _)) = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()).next() else {
        return Ok(());
    };
    let detail = format!("`{name}` is not taken here, nor is anything else behind the `?`");
    Err(crate::http::dto::problem::Problem::malformed("unknown_field", detail).at(&name))
}
