//! A standby, for `/metrics`, `/v1/status` and the header of its answers.

use crate::{config::schema::texts::SentenceText, replication::StandbyState};
use axum::http::{HeaderName, HeaderValue};
use schemars::JsonSchema;
use serde::Serialize;
use std::time::Instant;

/// For how long a standby may have lacked records, in milliseconds. All its answers have it.
pub(crate) const LAG_HEADER: HeaderName = HeaderName::from_static("levelgate-lag-ms");

/// The standby, in `/v1/status`.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "StandbyState")]
pub(crate) struct StandbyDocument {
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
    pub(crate) fn new(state: &StandbyState) -> Self {
        Self {
            lag_ms: lag_ms(state),
            lag_records: state.lag_records(),
            tip_lsn: state.tip().0,
            reason: state.failure().map(|cause| cause.to_string()),
        }
    }
}

fn lag_ms(state: &StandbyState) -> u64 {
    u64::try_from(state.lag(Instant::now()).as_millis()).unwrap_or(u64::MAX)
}

/// The value of [`LAG_HEADER`].
pub(crate) fn lag_value(state: &StandbyState) -> HeaderValue {
    HeaderValue::from(lag_ms(state))
}

/// Sets the metrics of the role.
pub(crate) fn update_standby_metrics(state: Option<&StandbyState>) {
    metrics::gauge!("levelgate_standby").set(if state.is_some() { 1.0 } else { 0.0 });
    let lag = state.map_or(0.0, |state| state.lag(Instant::now()).as_secs_f64());
    let records = state.map_or(0, StandbyState::lag_records);
    metrics::gauge!("levelgate_standby_lag_seconds").set(lag);
    metrics::gauge!("levelgate_standby_lag_records").set(f64::from(u32::try_from(records).unwrap_or(u32::MAX)));
}
