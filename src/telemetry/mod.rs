//! Telemetry: the metrics of payments, and the log.

pub(crate) mod log;
pub mod metrics;
