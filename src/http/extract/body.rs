//! Bodies: read within the limit, counted among the bytes in memory, or dropped with a refused request.

use crate::http::{
    dto::problem::Problem,
    server::capacity::{UNCOUNTED_BYTES_MAX, guard_bytes},
    state::AppState,
};
use crate::service::error::ServiceError;
use axum::{
    body::{Body, Bytes, HttpBody},
    extract::Request,
};
use http_body_util::BodyExt;

/// The most bytes of a refused request's body that are read before its answer.
const DISCARDED_BYTES_MAX: usize = 64 * 1024;

/// Reads a body of at most `max_body_bytes`. A body of more than [`UNCOUNTED_BYTES_MAX`] is counted among the bytes in
/// memory until it is dropped.
///
/// # Errors
/// The body is too long, breaks off, or is not counted any more because too many bytes are in memory.
pub(crate) async fn read_body(state: &AppState, mut body: Body) -> Result<Bytes, Problem> {
    let bytes_max = state.payments.body_bytes_max;
    if usize::try_from(body.size_hint().lower()).is_ok_and(|least| least > bytes_max) {
        discard_body(body).await;
        return Err(ServiceError::too_large(bytes_max).into());
    }
    let (mut whole, mut reserved) = (Vec::new(), state.capacity.bytes().take(0));
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| broken_body(&error))?;
        let Ok(data) = frame.into_data() else { continue };
        if whole.len() + data.len() > bytes_max {
            return Err(ServiceError::too_large(bytes_max).into());
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
    Ok(guard_bytes(whole, reserved))
}

/// The problem of a body that breaks off.
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

/// Reads the rest of a refused request if it is short, so that the connection stays open for the client's next request. A
/// longer body, and one whose length is not known, is discarded by the connection after the answer, which closes it then.
pub(crate) async fn discard_rest(request: Request) {
    discard_body(request.into_body()).await;
}

async fn discard_body(body: Body) {
    let most = body.size_hint().upper().and_then(|most| usize::try_from(most).ok());
    if most.is_some_and(|most| most <= DISCARDED_BYTES_MAX) {
        let _read = axum::body::to_bytes(body, DISCARDED_BYTES_MAX).await;
    }
}
