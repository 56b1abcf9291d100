//! Gates with their attempts over time.

use crate::console::{
    document::{in_words, list, text},
    pages::operator::{
        chart::{sparkline, total},
        span::{BARS, BarScale},
    },
    parts::{badge, nothing},
};
use maud::{Markup, html};
use serde_json::Value;

/// The attempts at a gate: approved, not approved and open.
pub(super) struct Attempts {
    pub(super) approved: [u64; BARS],
    /// Declined, cancelled, failed or timed out.
    pub(super) failed: [u64; BARS],
    /// Pending, or an outcome that no list names.
    pub(super) open: [u64; BARS],
}

fn add(sums: &mut [u64; BARS], counts: [u64; BARS]) {
    sums.iter_mut().zip(counts).for_each(|(sum, count)| *sum = sum.saturating_add(count));
}

impl Attempts {
    /// The attempts of a gate of a document.
    pub(super) fn of(document: &Value, gate: &Value, scale: BarScale) -> Self {
        let mut attempts = Self { approved: [0; BARS], failed: [0; BARS], open: [0; BARS] };
        for outcome in list(gate, "/outcomes") {
            let counts = scale.sums(document, list(outcome, "/attempts"));
            let sums = match text(outcome, "/outcome") {
                "approved" => &mut attempts.approved,
                "pending" | "other" => &mut attempts.open,
                _ => &mut attempts.failed,
            };
            add(sums, counts);
        }
        attempts
    }

    /// All attempts.
    pub(super) fn total(&self) -> u64 {
        [&self.approved, &self.failed, &self.open].into_iter().fold(0, |sum, part| sum.saturating_add(total(part)))
    }

    /// Of 100 attempts with an outcome, how many were approved; `None`: none has one.
    pub(super) fn success_percent(&self) -> Option<u64> {
        let decided = total(&self.approved).saturating_add(total(&self.failed));
        total(&self.approved).saturating_mul(100).checked_div(decided)
    }
}

/// The name of a gate.
pub(super) fn gate_name(gate: &Value) -> &str {
    let name = text(gate, "/gate");
    if name.is_empty() { "other gates" } else { name }
}

/// The state of a gate as a badge.
pub(super) fn gate_state(gate: &Value) -> Markup {
    match (gate["gate"].is_null(), gate["enabled"] == true) {
        (true, _) => badge("not_configured"),
        (false, true) => badge("enabled"),
        (false, false) => badge("disabled"),
    }
}

/// What a gate takes, in words.
fn takes(gate: &Value) -> String {
    let part = |name: &str, all: &str| match &gate[name] {
        Value::Null => all.to_owned(),
        listed => in_words(listed),
    };
    [part("directions", "both directions"), part("currencies", "all currencies"), part("methods", "all methods")]
        .join("; ")
}

/// A table of the gates of a document. `with_uses`: also what they take and what uses them.
pub(super) fn gate_table(document: &Value, scale: BarScale, with_uses: bool) -> Markup {
    let gates = list(document, "/gates");
    html! {
        @if gates.is_empty() { (nothing("The merchant has no gates.")) } @else {
            div class="scroll" { table {
                thead { tr {
                    th scope="col" { "Gate" } th scope="col" { "State" }
                    @if with_uses { th scope="col" { "Takes" } th scope="col" { "Used by" } }
                    th scope="col" { "Approved over time" } th scope="col" class="number" { "Approved" }
                    th scope="col" { "Failed over time" } th scope="col" class="number" { "Failed" }
                    th scope="col" class="number" { "Open" } th scope="col" class="number" { "Success" }
                } }
                tbody { @for gate in gates {
                    @let attempts = Attempts::of(document, gate, scale);
                    tr {
                        th scope="row" { span class="whole" { (gate_name(gate)) } }
                        td { (gate_state(gate)) }
                        @if with_uses { td { (takes(gate)) } td { (uses(gate)) } }
                        td { (sparkline("allow", &attempts.approved)) }
                        td class="number" { (total(&attempts.approved)) }
                        td { (sparkline("deny", &attempts.failed)) }
                        td class="number" { (total(&attempts.failed)) }
                        td class="number" { (total(&attempts.open)) }
                        td class="number" {
                            @match attempts.success_percent() { Some(percent) => { (percent) " %" }, None => { "\u{2013}" } }
                        }
                    }
                } }
            } }
        }
    }
}

/// What uses a gate or a route, as a list.
pub(super) fn uses(item: &Value) -> Markup {
    let used_by = list(item, "/used_by");
    html! {
        @if used_by.is_empty() { span class="quiet" { "nothing" } } @else if used_by.len() <= 3 {
            ul class="plain" { @for owner in used_by { li { (in_words(owner)) } } }
        } @else {
            details {
                summary { (used_by.len()) " uses" }
                ul class="plain" { @for owner in used_by { li { (in_words(owner)) } } }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{console::pages::operator::span::Span, domain::vocabulary::time::Millis};
    use serde_json::json;

    #[test]
    fn outcomes_are_approved_failed_or_open() {
        let scale = Span::FiveMinutes.bars(Millis(1_000_000));
        let outcome = |word: &str, count: u64| json!({ "outcome": word, "attempts": [count] });
        let gate = json!({ "outcomes": [
            outcome("approved", 3), outcome("declined", 1), outcome("timeout", 2), outcome("pending", 9),
        ] });
        let document = json!({ "from": Millis(1_000_000).to_string() });
        let attempts = Attempts::of(&document, &gate, scale);
        assert_eq!((attempts.total(), attempts.success_percent()), (15, Some(50)));
        assert_eq!(Attempts::of(&document, &json!({}), scale).success_percent(), None);
    }
}
