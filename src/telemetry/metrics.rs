//! What is counted for operators. The handles are looked up once; a count is one atomic addition.

use crate::domain::decision::denial_codes::{CODES, Code};
use metrics::{Counter, Histogram, counter, histogram};

/// The counters of the hot path.
pub struct Meters {
    allowed: Counter,
    denied: Counter,
    replays: Counter,
    checks: Counter,
    transitions: Counter,
    codes: Vec<Counter>,
    /// Seconds from a request's arrival at its handler to its answer.
    pub answer_seconds: Histogram,
}

impl Default for Meters {
    fn default() -> Self {
        Self::new()
    }
}

impl Meters {
    /// Counters at the recorder that is installed, or at none.
    #[must_use]
    pub fn new() -> Self {
        metrics::describe_counter!("levelgate_decisions_total", "Decisions recorded, by what was decided");
        metrics::describe_counter!("levelgate_denials_total", "Denials, by their first code");
        metrics::describe_counter!("levelgate_replays_total", "Operations answered from the record");
        metrics::describe_counter!("levelgate_checks_total", "Decisions asked for without recording");
        metrics::describe_counter!("levelgate_transitions_total", "Facts recorded on transactions");
        metrics::describe_counter!(
            "levelgate_unavailable_total",
            "Calls refused at a limit, or without a clock or a journal"
        );
        metrics::describe_counter!(
            "levelgate_auth_failures_total",
            "Requests refused for their token, or for where a browser sent them from, by reason"
        );
        metrics::describe_counter!(
            "levelgate_auth_failures_not_delayed_total",
            "Answers to wrong tokens that did not wait, because as many waited as may"
        );
        metrics::describe_gauge!(
            "levelgate_names",
            "Distinct names of levels, methods, filters and the like that are held"
        );
        metrics::describe_counter!("levelgate_names_refused_total", "New names that found no room");
        for (name, words) in [
            ("levelgate_overloaded_total", "Requests refused at a limit that all callers share, by limit"),
            ("levelgate_requests_too_slow_total", "Requests cut off because they did not come in time, by part"),
            ("levelgate_headers_too_large_total", "Requests whose head is longer than max_header_bytes"),
            ("levelgate_connections_refused_total", "Connections that came when all places were taken"),
            ("levelgate_connections_dropped_total", "Those of them that were closed to make room for a newer one"),
            ("levelgate_accept_errors_total", "Connections that the system could not hand over"),
        ] {
            metrics::describe_counter!(name, words);
        }
        for (name, words) in [
            ("levelgate_connections", "Connections on the main listeners"),
            ("levelgate_connections_max", "The most of them: max_connections, or what the limit on open files leaves"),
            ("levelgate_batches", "Batches that run"),
            ("levelgate_batches_max", "The most of them"),
            ("levelgate_inflight_bytes", "Bytes of requests and answers in memory"),
            ("levelgate_inflight_bytes_max", "The most of them"),
            ("levelgate_open_files_limit", "The limit of the process on open files"),
            ("levelgate_open_files_reserved", "Open files that connections on the main listeners leave to others"),
            ("levelgate_config_failed", "1 while a newer configuration is refused"),
        ] {
            metrics::describe_gauge!(name, words);
        }
        metrics::describe_histogram!("levelgate_answer_seconds", "Time to answer one call of the hot path");
        let code = |(_, number, reason): (Code, u16, &'static str)| counter!("levelgate_denials_total", "code" => number.to_string(), "reason" => reason);
        Self {
            allowed: counter!("levelgate_decisions_total", "decision" => "allow"),
            denied: counter!("levelgate_decisions_total", "decision" => "deny"),
            replays: counter!("levelgate_replays_total"),
            checks: counter!("levelgate_checks_total"),
            transitions: counter!("levelgate_transitions_total"),
            codes: CODES.into_iter().map(code).collect(),
            answer_seconds: histogram!("levelgate_answer_seconds"),
        }
    }

    /// A reserve or a payment was answered.
    pub fn decided(&self, replay: bool, denied: Option<Code>) {
        match (replay, denied) {
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

    /// A check was answered.
    pub fn checked(&self) {
        self.checks.increment(1);
    }

    /// A call was refused because something is at its limit or not to be had.
    pub fn unavailable(&self, code: &str) {
        counter!("levelgate_unavailable_total", "code" => code.to_owned()).increment(1);
    }

    /// A transition was answered.
    pub fn moved(&self, replay: bool) {
        if replay { self.replays.increment(1) } else { self.transitions.increment(1) }
    }
}
