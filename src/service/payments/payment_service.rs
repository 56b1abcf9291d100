//! The state that every answer depends on.

use crate::{
    clock::Clock,
    domain::{
        rules::configuration::Rules,
        vocabulary::{names::Name, time::Millis},
    },
    ledger::Ledger,
    service::{
        commit::when_committed,
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
}

impl PaymentService {
    /// The record that an answer depends on. An error depends on every record before it.
    #[must_use]
    pub fn depends_on_lsn(&self, answered: &Answered) -> Lsn {
        let lsn = answered.as_ref().ok().and_then(|reply: &Reply| reply.depends_on_lsn);
        lsn.unwrap_or_else(|| self.ledger.journal().last())
    }

    /// The outcome of a request once it may be sent.
    ///
    /// # Errors
    /// That of the request, or the journal has failed.
    pub async fn when_committed(&self, answered: Answered) -> Answered {
        when_committed(self.ledger.journal(), answered).await
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
