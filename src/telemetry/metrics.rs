//! The metrics of payments. The handles are looked up once; counting is one atomic addition.

use crate::{
    domain::vocabulary::{
        denial_codes::{DENIAL_CODES, DenialCode},
        names::Name,
        time::Millis,
    },
    telemetry::{
        decision_series::DecisionSeries,
        gate_series::GateSeries,
        latency::{ANSWER, DECISION_ALLOWED, DECISION_DENIED, LatencyHistogram},
        rule_counts::RuleCounts,
    },
};
use metrics::{Counter, counter};
use std::time::Duration;

/// The metrics of payment operations.
pub struct Meters {
    allowed: Counter,
    denied: Counter,
    sandbox_allowed: Counter,
    sandbox_denied: Counter,
    replays: Counter,
    checks: Counter,
    transitions: Counter,
    codes: Vec<Counter>,
    /// The decisions of each merchant over time.
    pub series: DecisionSeries,
    /// Denials by filter and attempts by gate.
    pub rule_counts: RuleCounts,
    /// The attempts of each gate over time.
    pub gate_series: GateSeries,
    /// The time from a request's arrival at its handler to its answer.
    pub answer_seconds: &'static LatencyHistogram,
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
        let code = |(_, number, reason): (DenialCode, u16, &'static str)| counter!("levelgate_denials_total", "code" => number.to_string(), "reason" => reason);
        Self {
            allowed: counter!("levelgate_decisions_total", "decision" => "allow"),
            denied: counter!("levelgate_decisions_total", "decision" => "deny"),
            sandbox_allowed: counter!("levelgate_sandbox_decisions_total", "decision" => "allow"),
            sandbox_denied: counter!("levelgate_sandbox_decisions_total", "decision" => "deny"),
            replays: counter!("levelgate_replays_total"),
            checks: counter!("levelgate_checks_total"),
            transitions: counter!("levelgate_transitions_total"),
            codes: DENIAL_CODES.into_iter().map(code).collect(),
            series: DecisionSeries::default(),
            rule_counts: RuleCounts::default(),
            gate_series: GateSeries::default(),
            answer_seconds: &ANSWER,
        }
    }

    /// Counts a reserve or payment that was answered from the record.
    pub fn count_replay(&self) {
        self.replays.increment(1);
    }

    /// Counts a recorded decision of a merchant, which took this long. `denied`: its first code.
    pub fn count_decision(&self, merchant: Name, at: Millis, denied: Option<DenialCode>, took: Duration) {
        self.series.count(merchant, at, denied);
        if denied.is_none() { &DECISION_ALLOWED } else { &DECISION_DENIED }.record(took);
        match denied {
            None => self.allowed.increment(1),
            Some(code) => {
                self.denied.increment(1);
                if let Some(counter) = self.codes.get(code as usize) {
                    counter.increment(1);
                }
            }
        }
    }

    /// Counts a recorded decision of a test merchant. It is in no metric of real ones.
    pub fn count_sandbox_decision(&self, merchant: Name, at: Millis, denied: Option<DenialCode>) {
        self.series.count(merchant, at, denied);
        if denied.is_none() { &self.sandbox_allowed } else { &self.sandbox_denied }.increment(1);
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
