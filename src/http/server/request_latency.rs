//! The time of requests, by operation and outcome.

use crate::telemetry::latency::{LatencyHistogram, write_family};
use axum::http::StatusCode;
use parking_lot::Mutex;
use std::time::Duration;

/// The times of one operation's requests, from the end of the head to the beginning of the answer.
#[derive(Debug, Default)]
pub(crate) struct RequestLatency {
    /// A status below 400.
    answered: LatencyHistogram,
    /// A status from 400 to 499.
    refused: LatencyHistogram,
    /// A status from 500 on.
    failed: LatencyHistogram,
}

impl RequestLatency {
    /// Adds a request.
    #[inline]
    pub(crate) fn record(&self, status: StatusCode, took: Duration) {
        let histogram = match status.as_u16() {
            ..400 => &self.answered,
            400..500 => &self.refused,
            500.. => &self.failed,
        };
        histogram.record(took);
    }
}

/// The times of every operation for which a router has asked, by its name.
static LATENCIES: Mutex<Vec<(String, &'static RequestLatency)>> = Mutex::new(Vec::new());

/// The times of an operation of this name, which is that of a row of the operation table, so that there are few. A router
/// asks once and keeps the reference.
pub(crate) fn latency_of(operation: String) -> &'static RequestLatency {
    let mut latencies = LATENCIES.lock();
    if let Some((_, known)) = latencies.iter().find(|(name, _)| *name == operation) {
        return known;
    }
    let latency: &'static RequestLatency = Box::leak(Box::default());
    latencies.push((operation, latency));
    latency
}

/// Writes the times in the text format of Prometheus.
pub(crate) fn write_request_latencies(out: &mut String) {
    let latencies = LATENCIES.lock().clone();
    let series = latencies.iter().flat_map(|(operation, latency)| {
        let RequestLatency { answered, refused, failed } = latency;
        let outcomes = [("answered", answered), ("refused", refused), ("failed", failed)];
        outcomes.map(|(outcome, histogram)| (format!("operation=\"{operation}\",outcome=\"{outcome}\""), histogram))
    });
    write_family(out, "levelgate_request_seconds", series);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operation_has_one_latency_and_each_outcome_a_histogram() {
        let (first, other) = (latency_of("GET /first".to_owned()), latency_of("GET /other".to_owned()));
        assert!(std::ptr::eq(first, latency_of("GET /first".to_owned())) && !std::ptr::eq(first, other));
        for code in [200, 201, 404, 503] {
            first.record(StatusCode::from_u16(code).unwrap(), Duration::from_micros(7));
        }
        let mut text = String::new();
        write_request_latencies(&mut text);
        for (outcome, count) in [("answered", 2), ("refused", 1), ("failed", 1)] {
            let line =
                format!("levelgate_request_seconds_count{{operation=\"GET /first\",outcome=\"{outcome}\"}} {count}\n");
            assert!(text.contains(&line), "{line} in\n{text}");
        }
        assert!(!text.contains("GET /other"), "nothing was recorded: {text}");
    }
}
