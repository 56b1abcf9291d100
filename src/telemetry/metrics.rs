//! The metrics of payments. The handles are looked up once; counting is one atomic addition.

use crate::domain::vocabulary::denial_codes::{DENIAL_CODES, DenialCode};
use metrics::{Counter, Histogram, counter, histogram};

/// The metrics of payment operations.
pub struct Meters {
    allowed: Counter,
    denied: Counter,
    replays: Counter,
    checks: Counter,
    transitions: Counter,
    codes: Vec<Counter>,
    /// The time from a request's arrival at its handler to its answer, in seconds.
    pub answer_seconds: Histogram,
}

impl Default for Meters {
    fn default() -> Self {
        Self::new()
    }
}

impl Meters {
    /// Registers the metrics at the installed recorder; without a recorder they count nothing.
    #[must_use]
    pub fn new() -> Self {
        metrics::describe_counter!("levelgate_decisions_total", "Recorded decisions, by decision");
        metrics::describe_counter!("levelgate_denials_total", "Denials, by their first code");
        metrics::describe_counter!("levelgate_replays_total", "Operations answered from the record");
        metrics::describe_counter!("levelgate_checks_total", "Decisions that were requested without recording");
        metrics::describe_counter!("levelgate_transitions_total", "Facts recorded on transactions");
        metrics::describe_counter!(
            "levelgate_unavailable_total",
            "Calls refused at a limit, or because the clock or the journal is unavailable"
        );
        metrics::describe_counter!(
            "levelgate_auth_failures_total",
            "Requests refused because of their token or their origin, by reason"
        );
        metrics::describe_counter!(
            "levelgate_auth_failures_not_delayed_total",
            "Answers to wrong tokens that were not delayed, because the limit of delayed answers was reached"
        );
        metrics::describe_gauge!(
            "levelgate_names",
            "Distinct names of levels, methods, filters and similar things in memory"
        );
        metrics::describe_counter!("levelgate_names_refused_total", "New names refused because of a limit");
        for (name, words) in [
            ("levelgate_overloaded_total", "Requests refused at a limit of the whole daemon, by limit"),
            ("levelgate_requests_too_slow_total", "Requests that were not received in time, by part"),
            ("levelgate_headers_too_large_total", "Requests whose headers are longer than max_header_bytes"),
            ("levelgate_connections_refused_total", "Connections accepted beyond max_connections"),
            (
                "levelgate_connections_dropped_total",
                "Connections beyond max_connections that were closed for a newer one",
            ),
            ("levelgate_accept_errors_total", "Errors of the system when it accepted a connection"),
        ] {
            metrics::describe_counter!(name, words);
        }
        for (name, words) in [
            ("levelgate_connections", "Connections on the main listeners"),
            (
                "levelgate_connections_max",
                "The limit of connections: max_connections, or less because of the limit on open files",
            ),
            ("levelgate_batches", "Running batches"),
            ("levelgate_batches_max", "The limit of running batches"),
            ("levelgate_inflight_bytes", "Bytes of requests and answers in memory"),
            ("levelgate_inflight_bytes_max", "The limit of bytes of requests and answers in memory"),
            ("levelgate_open_files_limit", "The limit of the process on open files"),
            (
                "levelgate_open_files_reserved",
                "Open files that are not available for connections of the main listeners",
            ),
            ("levelgate_config_failed", "1 while a newer configuration is refused, else 0"),
        ] {
            metrics::describe_gauge!(name, words);
        }
        metrics::describe_histogram!("levelgate_answer_seconds", "Time to answer one call of the hot path");
        let code = |(_, number, reason): (DenialCode, u16, &'static str)| counter!("levelgate_denials_total", "code" => number.to_string(), "reason" => reason);
        Self {
            allowed: counter!("levelgate_decisions_total", "decision" => "allow"),
            denied: counter!("levelgate_decisions_total", "decision" => "deny"),
            replays: counter!("levelgate_replays_total"),
            checks: counter!("levelgate_checks_total"),
            transitions: counter!("levelgate_transitions_total"),
            codes: DENIAL_CODES.into_iter().map(code).collect(),
            answer_seconds: histogram!("levelgate_answer_seconds"),
        }
    }

    /// Counts an answered reserve or payment.
    pub fn count_decision(&self, is_replay: bool, denied: Option<DenialCode>) {
        match (is_replay, denied) {
            (true, _) => self.replays.increment(1),
            (false, None) => self.allowed.increment(1),
            (false, Some(code)) => {
                self.denied.increment(1);
                if let Some(counter) = self.codes.get(code as usize) {
                    counter.increment(1);
                }
            }
        }
    }

    /// Counts an answered check.
    pub fn count_check(&self) {
        self.checks.increment(1);
    }

    /// Counts a call that was refused because of a limit or an unavailable resource.
    pub fn count_unavailable(&self, code: &str) {
        counter!("levelgate_unavailable_total", "code" => code.to_owned()).increment(1);
    }

    /// Counts an answered transition.
    pub fn count_transition(&self, is_replay: bool) {
        if is_replay { self.replays.increment(1) } else { self.transitions.increment(1) }
    }
}
