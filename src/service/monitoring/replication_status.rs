//! The copy in Redis and the standby, in `/v1/status`.

use crate::{
    config::schema::texts::SentenceText,
    replication::{ShippingState, StandbyState},
    storage::journal::{Journal, Lsn},
};
use schemars::JsonSchema;
use serde::Serialize;
use std::time::Instant;

/// The copy in Redis, in `/v1/status`.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "RedisState")]
pub(super) struct RedisDocument {
    /// The state of the copy.
    #[schemars(extend("enum" = ["shipping", "outage", "no_lease", "fenced_out"]))]
    state: &'static str,
    /// The last record that Redis has confirmed.
    shipped_lsn: u64,
    /// How many records Redis lacks.
    lag_records: u64,
    /// For how many seconds it has lacked records.
    lag_seconds: u64,
    /// The last record before the newest complete snapshot in Redis; `None`: there is none of this process.
    snapshot_lsn: Option<u64>,
    /// Since how many seconds Redis has confirmed nothing; `None`: it confirms.
    failing_seconds: Option<u64>,
    /// Why the last command failed. `null`: it did not.
    #[schemars(with = "Option<SentenceText>")]
    reason: Option<String>,
}

impl RedisDocument {
    pub(super) fn new(shipping: &ShippingState, journal: &Journal) -> Self {
        let now = Instant::now();
        let outage = shipping.outage();
        Self {
            state: state_word(shipping, now),
            shipped_lsn: journal.shipped().0,
            lag_records: lag_records(journal),
            lag_seconds: shipping.lag(now).as_secs(),
            snapshot_lsn: Some(shipping.snapshot()).filter(|lsn| *lsn != Lsn::NONE).map(|lsn| lsn.0),
            failing_seconds: outage.as_ref().map(|outage| now.saturating_duration_since(outage.since).as_secs()),
            reason: outage.map(|outage| outage.cause),
        }
    }
}

/// The state of the copy in one word.
fn state_word(shipping: &ShippingState, now: Instant) -> &'static str {
    if shipping.is_fenced_out() {
        "fenced_out"
    } else if shipping.rules().needs_lease && !shipping.holds_lease(now) {
        "no_lease"
    } else if shipping.is_outage(now) {
        "outage"
    } else {
        "shipping"
    }
}

/// How many records Redis lacks.
pub(crate) fn lag_records(journal: &Journal) -> u64 {
    journal.last().0.saturating_sub(journal.shipped().0)
}

/// The standby, in `/v1/status`.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "StandbyState")]
pub(super) struct StandbyDocument {
    /// For how many milliseconds it has lacked records.
    lag_ms: u64,
    /// How many records it lacks.
    lag_records: u64,
    /// The last record of the stream.
    tip_lsn: u64,
    /// Why the last read of the stream failed; `None`: it succeeded.
    #[schemars(with = "Option<SentenceText>")]
    reason: Option<String>,
}

impl StandbyDocument {
    pub(super) fn new(state: &StandbyState) -> Self {
        Self {
            lag_ms: standby_lag_ms(state),
            lag_records: state.lag_records(),
            tip_lsn: state.tip().0,
            reason: state.failure().map(|cause| cause.to_string()),
        }
    }
}

/// For how many milliseconds a standby has lacked records.
pub(crate) fn standby_lag_ms(state: &StandbyState) -> u64 {
    u64::try_from(state.lag(Instant::now()).as_millis()).unwrap_or(u64::MAX)
}
