//! A standby, for `/metrics` and the header of its answers.

use crate::{replication::StandbyState, service::monitoring::standby_lag_ms};
use axum::http::{HeaderName, HeaderValue};
use std::time::Instant;

/// For how long a standby may have lacked records, in milliseconds. All its answers have it.
pub(crate) const LAG_HEADER: HeaderName = HeaderName::from_static("levelgate-lag-ms");

/// The value of [`LAG_HEADER`].
pub(crate) fn lag_value(state: &StandbyState) -> HeaderValue {
    HeaderValue::from(standby_lag_ms(state))
}

/// Sets the metrics of the role.
pub(crate) fn update_standby_metrics(state: Option<&StandbyState>) {
    metrics::gauge!("levelgate_standby").set(if state.is_some() { 1.0 } else { 0.0 });
    let lag = state.map_or(0.0, |state| state.lag(Instant::now()).as_secs_f64());
    let records = state.map_or(0, StandbyState::lag_records);
    metrics::gauge!("levelgate_standby_lag_seconds").set(lag);
    metrics::gauge!("levelgate_standby_lag_records").set(f64::from(u32::try_from(records).unwrap_or(u32::MAX)));
}
