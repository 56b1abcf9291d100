//! The wait for a commit: no answer is sent before the journal holds every record that it depends on.

use crate::{
    service::{
        error::ServiceError,
        reply::{Answered, Reply},
    },
    storage::journal::{Journal, Lsn},
};

/// Waits until the journal holds the record `depends_on_lsn`; `None`: every record so far.
///
/// # Errors
/// The journal has failed, and the outcome of the request is unknown.
pub async fn wait_for_commit(journal: &Journal, depends_on_lsn: Option<Lsn>) -> Result<(), ServiceError> {
    let lsn = depends_on_lsn.unwrap_or_else(|| journal.last());
    journal.committed(lsn).await.map_err(|_| ServiceError::outcome_unknown())
}

/// The outcome of a request once it may be sent. An error depends on every record before it.
///
/// # Errors
/// That of the request, or the journal has failed.
pub async fn when_committed(journal: &Journal, answered: Answered) -> Answered {
    let depends_on_lsn = answered.as_ref().ok().and_then(|reply: &Reply| reply.depends_on_lsn);
    wait_for_commit(journal, depends_on_lsn).await?;
    answered
}
