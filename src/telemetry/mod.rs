//! Telemetry: the metrics of payments, what each metric means, counts of decisions over time, and the log.

pub mod decision_series;
pub(crate) mod descriptions;
pub(crate) mod log;
pub mod metrics;
