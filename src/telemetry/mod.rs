//! Telemetry: metrics and the log.

pub(crate) mod log;
pub mod metrics;
