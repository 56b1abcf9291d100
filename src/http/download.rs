//! Downloads of the API.

use crate::{
    http::{dto::problem::Problem, server::admission::Admission, state::AppState},
    service,
};
use axum::body::Body;
use std::{
    io::{self, Write},
    sync::Arc,
};

/// The body of a download: the bytes that `write` writes on its own thread, for a token that is still valid.
///
/// # Errors
/// As many downloads run as may.
pub(crate) fn download(
    state: &Arc<AppState>,
    admission: Option<&Admission>,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()> + Send + 'static,
) -> Result<Body, Problem> {
    let permit = state.capacity.download()?;
    let (of_token, admission) = (Arc::clone(state), admission.cloned());
    let is_admitted = move || of_token.current_token(admission.as_ref()).map(drop);
    Ok(service::download::download(&state.payments, permit, is_admitted, write))
}
