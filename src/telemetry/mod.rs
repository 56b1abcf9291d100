//! Telemetry: the metrics of payments, what each metric means, and the log.

pub(crate) mod descriptions;
pub(crate) mod log;
pub mod metrics;
