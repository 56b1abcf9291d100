//! Jobs that a page starts. They run on their own thread. The page waits a moment for the end, so that the outcome of a short
//! job is the next page; the page of the job shows the progress of a long one.

use crate::{
    console::page_request::PageRequest,
    domain::rules::merchant::Merchant,
    scheduling::background,
    service::{error::ServiceError, reply::Reply},
};
use serde_json::Value;
use std::{
    sync::mpsc::{RecvTimeoutError, sync_channel},
    time::Duration,
};

/// How long a page waits for the end of a job.
pub(super) const END_WAIT_MAX: Duration = Duration::from_millis(1_500);
/// The bytes of a random id.
const ID_BYTES: usize = 8;

/// A new id for a job that the console begins.
///
/// # Errors
/// The operating system has no random numbers.
pub(super) fn new_job_id() -> Result<String, ServiceError> {
    let mut random = [0; ID_BYTES];
    getrandom::fill(&mut random).map_err(|_| ServiceError::internal())?;
    let digits: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(format!("console-{digits}"))
}

/// Starts a job and waits a moment for its end; returns its document, or `null` where it goes on.
///
/// # Errors
/// Those of the job, if it ends in the meantime.
pub(super) fn run_job(
    request: &PageRequest,
    job: impl FnOnce(&PageRequest, &Merchant) -> Result<Value, ServiceError> + Send + 'static,
) -> Result<Value, ServiceError> {
    let (end, ended) = sync_channel(1);
    let of_job = request.clone();
    background::run(move || {
        let outcome = of_job.merchant().and_then(|merchant| job(&of_job, merchant));
        // The page may wait no more.
        let _ = end.send(outcome);
    });
    match ended.recv_timeout(END_WAIT_MAX) {
        // The page leaves after every record of the job.
        Ok(outcome) => request.read(outcome.map(|answer| Reply::new(&answer))),
        Err(RecvTimeoutError::Timeout) => Ok(Value::Null),
        Err(RecvTimeoutError::Disconnected) => Err(ServiceError::internal()),
    }
}
