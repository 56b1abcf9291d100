//! Makes a page on a thread that may block.

use crate::{
    console::{page_request::PageRequest, state::Console},
    scheduling::background,
    service::{commit::AnswerKind, error::ServiceError},
    telemetry::traces::carry,
};

/// Makes a page on a thread that may block, and waits until it may leave.
///
/// # Errors
/// That of the page; the daemon stops; the records that the page shows cannot be committed.
pub(super) async fn make_page<T: Send + 'static>(
    console: &Console,
    kind: AnswerKind,
    handler: fn(&PageRequest) -> Result<T, ServiceError>,
    request: PageRequest,
) -> Result<T, ServiceError> {
    let Ok(_permit) = console.page_permits.acquire().await else { return Err(ServiceError::stopping()) };
    let work = background::run(carry(move || {
        let outcome = handler(&request);
        (outcome, request.depends_on.get())
    }));
    let (outcome, depends_on) = work.await.map_err(|error| ServiceError::unfinished(&error))?;
    console.parts.payments.leave(Some(depends_on), kind).await?;
    outcome
}
