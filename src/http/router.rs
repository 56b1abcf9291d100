//! The routers of the listeners, built from the operation table.

use crate::http::{
    dto::problem::Problem,
    extract::body::discard_rest,
    openapi,
    operations::{
        nearest_path::nearest_path,
        operation::{Availability, Operation},
        table::operations,
    },
    server::{
        authorization::{RowState, authorize, authorize_unmatched},
        request_id::RequestId,
        request_latency::latency_of,
    },
    state::AppState,
};
use axum::{
    Router,
    extract::Request,
    handler::Handler,
    middleware,
    response::{IntoResponse, Response},
};
use std::sync::Arc;

/// The path of a rename and the path of a level. A level may be called `rename`, so the router knows the rename as another
/// method of the level's path; a route for the rename would hide that level.
const RENAME_PATH: &str = "/v1/merchants/{merchant}/levels/{direction}/{name}/rename";
const LEVEL_PATH: &str = "/v1/merchants/{merchant}/levels/{direction}/{currency}/{name}";

/// The path under which the router knows an operation.
fn route_path(operation: &Operation) -> &'static str {
    if operation.path == RENAME_PATH { LEVEL_PATH } else { operation.path }
}

/// A router of the operations that are chosen. Other methods of their paths are answered with 405.
fn router_of(state: &Arc<AppState>, is_chosen: impl Fn(&Operation) -> bool) -> Router<Arc<AppState>> {
    let mut router = Router::new();
    for operation in operations().filter(|operation| is_chosen(operation)) {
        let latency = latency_of(operation.name());
        let row: RowState = (Arc::clone(state), operation, latency);
        let admission = middleware::from_fn_with_state(row, authorize);
        let route = (operation.handler)(operation.method.filter()).route_layer(admission);
        router = router.route(route_path(operation), route);
    }
    let admission = middleware::from_fn_with_state(Arc::clone(state), authorize_unmatched);
    router.method_not_allowed_fallback(method_not_allowed.layer(admission))
}

/// All operations. It builds the description of the API that two of them serve.
pub fn routes(state: Arc<AppState>) -> Router {
    openapi::publish();
    let admission = middleware::from_fn_with_state(Arc::clone(&state), authorize_unmatched);
    router_of(&state, |_| true).fallback(no_such_path.layer(admission)).with_state(state)
}

/// The operations of the admin listener: health, metrics and status, with the same tokens.
pub fn admin_routes(state: Arc<AppState>) -> Router {
    let admission = middleware::from_fn_with_state(Arc::clone(&state), authorize_unmatched);
    always_available(&state).fallback(no_such_path.layer(admission)).with_state(state)
}

/// The operations of connections beyond `max_connections`: health, metrics and status. Every other request is refused.
pub fn overflow_routes(state: Arc<AppState>) -> Router {
    always_available(&state).fallback(too_many_connections).with_state(state)
}

fn always_available(state: &Arc<AppState>) -> Router<Arc<AppState>> {
    router_of(state, |operation| operation.availability == Availability::Always)
}

async fn no_such_path(request: Request) -> Problem {
    Problem::no_such_path_but(nearest_path(request.uri().path()))
}

async fn method_not_allowed() -> Problem {
    Problem::method_not_allowed()
}

async fn too_many_connections(request: Request) -> Response {
    let id = RequestId::of(&request);
    discard_rest(request).await;
    id.put_into(Problem::too_many_connections().into_response(), "no operation").await
}
