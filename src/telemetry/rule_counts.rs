//! Counts by the rules of merchants: denials by filter, denials that shadow filters would have made, attempts by gate.
//!
//! Every label comes from the configuration or from a fixed list, so that no request can make a new series without end.

use crate::{
    domain::vocabulary::{direction::Direction, money::Currency, names::Name},
    telemetry::latency::write_head,
};
use dashmap::DashMap;
use std::{fmt::Write as _, hash::Hash};

/// The outcomes of attempts that are counted under their own name; every other one is `other`.
const OUTCOMES: [&str; 6] = ["approved", "declined", "cancelled", "error", "timeout", "pending"];
/// The label of what no configuration or list names.
const OTHER: &str = "other";
/// The label `filter` of limits that customers or operators have set: one for all customers.
const OWN: &str = "(own)";

/// A filter of a level, or all limits of customers that decided under the level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FilterKey {
    /// The merchant.
    pub merchant: Name,
    /// The direction of the payment.
    pub direction: Direction,
    /// The currency of the payment.
    pub currency: Currency,
    /// The level; `None`: the endpoint's settings alone applied.
    pub level: Option<Name>,
    /// The filter of the level; `None`: a limit of the customer.
    pub filter: Option<Name>,
}

/// A gate of a merchant, and the outcome of attempts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct AttemptKey {
    pub(crate) merchant: Name,
    /// `None`: no gate of the configuration.
    pub(crate) gate: Option<Name>,
    pub(crate) outcome: &'static str,
}

type Counts<K> = DashMap<K, u64, foldhash::fast::RandomState>;

/// The counts since the start.
#[derive(Debug, Default)]
pub struct RuleCounts {
    denials: Counts<FilterKey>,
    shadow_denials: Counts<FilterKey>,
    attempts: Counts<AttemptKey>,
}

fn count<K: Eq + Hash>(counts: &Counts<K>, key: K) {
    *counts.entry(key).or_default() += 1;
}

impl RuleCounts {
    /// Counts a payment that a filter has denied.
    pub fn count_denial(&self, filter: FilterKey) {
        count(&self.denials, filter);
    }

    /// Counts a payment that a filter would have denied if it were not in shadow mode.
    pub fn count_shadow_denial(&self, filter: FilterKey) {
        count(&self.shadow_denials, filter);
    }

    /// Counts an attempt at a gate of the configuration; `None`: at another one.
    pub fn count_attempt(&self, merchant: Name, gate: Option<Name>, outcome: &str) {
        let outcome = OUTCOMES.into_iter().find(|known| known.eq_ignore_ascii_case(outcome)).unwrap_or(OTHER);
        count(&self.attempts, AttemptKey { merchant, gate, outcome });
    }

    /// Visits the attempts since the start.
    pub(crate) fn visit_attempts(&self, mut visit: impl FnMut(&AttemptKey, u64)) {
        self.attempts.iter().for_each(|entry| visit(entry.key(), *entry.value()));
    }

    /// Writes the counts in the text format of Prometheus.
    pub(crate) fn write(&self, out: &mut String) {
        write_counts(out, "levelgate_filter_denials_total", &self.denials, filter_labels);
        write_counts(out, "levelgate_filter_shadow_denials_total", &self.shadow_denials, filter_labels);
        write_counts(out, "levelgate_gate_attempts_total", &self.attempts, attempt_labels);
    }
}

fn filter_labels(key: &FilterKey) -> String {
    let FilterKey { merchant, direction, currency, level, filter } = key;
    format!(
        "merchant=\"{}\",direction=\"{}\",currency=\"{currency}\",level=\"{}\",filter=\"{}\"",
        escaped(merchant.as_str()),
        direction.word(),
        escaped(level.map_or("", |level| level.as_str())),
        escaped(filter.map_or(OWN, |filter| filter.as_str()))
    )
}

fn attempt_labels(key: &AttemptKey) -> String {
    let AttemptKey { merchant, gate, outcome } = key;
    let gate = gate.map_or(OTHER, |gate| gate.as_str());
    format!("merchant=\"{}\",gate=\"{}\",outcome=\"{outcome}\"", escaped(merchant.as_str()), escaped(gate))
}

/// The value of a label, as it stands between quotes.
pub(crate) fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

fn write_counts<K: Eq + Hash>(out: &mut String, name: &str, counts: &Counts<K>, labels: fn(&K) -> String) {
    let mut lines: Vec<String> =
        counts.iter().map(|entry| format!("{name}{{{}}} {}", labels(entry.key()), entry.value())).collect();
    if lines.is_empty() {
        return;
    }
    lines.sort();
    write_head(out, name, "counter");
    for line in lines {
        // A text in memory takes everything.
        let _ = writeln!(out, "{line}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        Name::parse(text).unwrap()
    }

    #[test]
    fn counts_have_bounded_labels_and_are_escaped() {
        let counts = RuleCounts::default();
        let mut text = String::new();
        counts.write(&mut text);
        assert_eq!(text, "", "a metric without an occurrence is absent");
        let (merchant, direction) = (name("acme"), Direction::Deposit);
        let currency = Currency::parse("EUR").unwrap();
        let level = FilterKey { merchant, direction, currency, level: Some(name("a\"b\\")), filter: Some(name("day")) };
        counts.count_denial(level);
        counts.count_denial(level);
        counts.count_denial(FilterKey { filter: None, level: None, ..level });
        counts.count_shadow_denial(level);
        for outcome in ["approved", "APPROVED", "no idea", "alice@example.com"] {
            counts.count_attempt(merchant, Some(name("gate-a")), outcome);
        }
        counts.count_attempt(merchant, None, "timeout");
        counts.write(&mut text);
        let of = |metric: &str| text.lines().filter(|line| line.starts_with(metric)).collect::<Vec<_>>();
        let labels = "merchant=\"acme\",direction=\"deposit\",currency=\"EUR\"";
        assert_eq!(
            of("levelgate_filter_denials_total"),
            [
                format!("levelgate_filter_denials_total{{{labels},level=\"\",filter=\"(own)\"}} 1"),
                format!("levelgate_filter_denials_total{{{labels},level=\"a\\\"b\\\\\",filter=\"day\"}} 2"),
            ]
        );
        assert_eq!(of("levelgate_filter_shadow_denials_total").len(), 1);
        assert_eq!(
            of("levelgate_gate_attempts_total"),
            [
                "levelgate_gate_attempts_total{merchant=\"acme\",gate=\"gate-a\",outcome=\"approved\"} 2",
                "levelgate_gate_attempts_total{merchant=\"acme\",gate=\"gate-a\",outcome=\"other\"} 2",
                "levelgate_gate_attempts_total{merchant=\"acme\",gate=\"other\",outcome=\"timeout\"} 1",
            ]
        );
    }
}
