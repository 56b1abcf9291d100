//! The state that every answer depends on.

use crate::{
    clock::Clock,
    domain::{
        rules::configuration::Rules,
        vocabulary::{names::Name, time::Millis},
    },
    ledger::Ledger,
    service::{
        commit::{AnswerGate, AnswerKind},
        error::ServiceError,
        reply::{Answered, Reply},
    },
    storage::journal::Lsn,
    telemetry::metrics::Meters,
};
use arc_swap::ArcSwap;
use std::sync::Arc;

/// The ledger with the configuration, the clock and the meters. Single calls, batch lines and replay use the same
/// methods of it, so that they give the same bytes.
pub struct PaymentService {
    /// The state of all customers and transactions.
    pub ledger: Ledger,
    /// The configuration in force.
    pub rules: ArcSwap<Rules>,
    /// The source of the time.
    pub clock: Clock,
    /// Metrics of decisions and transitions.
    pub meters: Meters,
    /// The most bytes of a body or a line.
    pub body_bytes_max: usize,
    /// Decides when an answer may leave.
    pub gate: AnswerGate,
}

impl PaymentService {
    /// The record that an answer depends on. An error depends on every record before it.
    #[must_use]
    pub fn depends_on_lsn(&self, answered: &Answered) -> Lsn {
        let lsn = answered.as_ref().ok().and_then(|reply: &Reply| reply.depends_on_lsn);
        lsn.unwrap_or_else(|| self.ledger.journal().last())
    }

    /// Waits until an answer that depends on this record may leave. `None`: it depends on every record so far.
    ///
    /// # Errors
    /// The outcome of the request is unknown; see [`AnswerGate::leave`].
    pub async fn leave(&self, depends_on_lsn: Option<Lsn>, kind: AnswerKind) -> Result<(), ServiceError> {
        self.gate.leave(self.ledger.journal(), depends_on_lsn, kind).await
    }

    /// The outcome of a request once it may be sent.
    ///
    /// # Errors
    /// That of the request, or its outcome is unknown.
    pub async fn when_committed(&self, answered: Answered, kind: AnswerKind) -> Answered {
        let depends_on_lsn = answered.as_ref().ok().and_then(|reply: &Reply| reply.depends_on_lsn);
        self.leave(depends_on_lsn, kind).await?;
        answered
    }

    /// The time for work that continues while the system clock is not accepted; see [`crate::clock`].
    ///
    /// # Errors
    /// The clock takes its time from requests, and no request has named one.
    pub fn time(&self) -> Result<Millis, ServiceError> {
        Ok(self.clock.stamp(None)?.at)
    }

    /// Whether a merchant is configured, or was at some time.
    pub(crate) fn is_or_was_configured(&self, merchant: &str) -> bool {
        self.rules.load().merchant(merchant).is_some()
            || Name::existing(merchant).is_some_and(|name| self.ledger.knows_merchant(name))
    }

    /// The rules in force.
    #[must_use]
    pub fn rules(&self) -> Arc<Rules> {
        self.rules.load_full()
    }
}
