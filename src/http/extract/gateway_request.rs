//! Requests of the hot path: payments, transitions and signals.

use crate::http::{dto::problem::Problem, extract::body::read_body, server::admission::Admission, state::AppState};
use crate::service::access::access_tokens::AccessToken;
use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Path, Request},
    response::{IntoResponse, Response},
};
use serde::de::DeserializeOwned;
use std::sync::Arc;

/// A request of the hot path: its typed path, and its body within the limit.
pub(crate) struct GatewayRequest<P> {
    pub(crate) state: Arc<AppState>,
    pub(crate) path: P,
    pub(crate) body: Bytes,
    /// The caller's token; `None` without tokens.
    pub(crate) token: Option<Arc<AccessToken>>,
}

impl<P: DeserializeOwned + Send> FromRequest<Arc<AppState>> for GatewayRequest<P> {
    type Rejection = Response;

    async fn from_request(request: Request, state: &Arc<AppState>) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let path = Path::<P>::from_request_parts(&mut parts, state).await;
        let Ok(Path(path)) = path else { return Err(Problem::no_such_path().into_response()) };
        let admission = parts.extensions.remove::<Admission>();
        let body = read_body(state, body).await.map_err(IntoResponse::into_response)?;
        let still = state.readmit(admission.as_ref(), parts.uri.path());
        still.map_err(IntoResponse::into_response)?;
        Ok(Self { state: Arc::clone(state), path, body, token: admission.map(|admission| admission.token) })
    }
}
