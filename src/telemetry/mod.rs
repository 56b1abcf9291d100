//! Telemetry: the metrics of payments, what each metric means, histograms of durations, counts by filter and gate, counts of
//! decisions and attempts over time, the metrics of the process, traces, and the log.

pub mod decision_series;
pub(crate) mod descriptions;
pub mod gate_series;
pub mod latency;
pub(crate) mod log;
pub mod metrics;
pub(crate) mod process;
pub mod rule_counts;
pub(crate) mod traces;
