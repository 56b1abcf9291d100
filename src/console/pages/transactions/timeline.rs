//! What happened to a transaction, as a picture and as a table. Whole numbers only.

use crate::{
    console::{
        document::{in_words, list, spaced, text},
        parts::{amount, badge, or_dash, time},
    },
    domain::vocabulary::{calendar::Calendar, time::Millis},
};
use maud::{Markup, html};
use serde_json::Value;
use std::collections::BTreeMap;

/// The picture in its own units.
const WIDTH: i64 = 900;
const MARGIN: i64 = 60;
/// The least distance of two steps, so that steps of one moment stay apart.
const STEP_MIN: i64 = 90;
const LINE_Y: i64 = 44;
const HEIGHT: i64 = 92;

/// A step on the line.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Step {
    at: Millis,
    word: String,
    /// The amount of the step; empty: it has none.
    amount: String,
    /// How it is coloured.
    tone: &'static str,
}

fn tone_of(operation: &str) -> &'static str {
    match operation {
        "approve" | "reserved" => "good",
        "decline" | "denied" | "chargeback" => "bad",
        "cancel" | "refund" | "hold ends" => "warn",
        _ => "plain",
    }
}

/// The steps: the opening, the facts, and the end of an open hold.
fn steps(transaction: &Value) -> Vec<Step> {
    let step = |at: &str, word: &str, amount: &str| {
        Some(Step { at: Millis::parse(at)?, word: word.to_owned(), amount: amount.to_owned(), tone: tone_of(word) })
    };
    let opening = if text(transaction, "/decision") == "deny" { "denied" } else { "reserved" };
    let first = step(text(transaction, "/recorded_at"), opening, text(transaction, "/asked"));
    let facts = list(transaction, "/transitions").iter();
    let facts = facts.map(|fact| step(text(fact, "/at"), text(fact, "/operation"), text(fact, "/amount")));
    let end = step(text(transaction, "/expires_at"), "hold ends", "");
    [first].into_iter().chain(facts).chain([end]).flatten().collect()
}

/// The places of steps on the line: by time, and never closer than [`STEP_MIN`].
fn places(steps: &[Step]) -> (Vec<i64>, i64) {
    let (Some(first), Some(last)) = (steps.first(), steps.last()) else { return (Vec::new(), WIDTH) };
    let span = last.at.0.saturating_sub(first.at.0).max(1);
    let mut places = Vec::new();
    let mut least = MARGIN;
    for step in steps {
        let elapsed = i128::from(step.at.0.saturating_sub(first.at.0).max(0));
        let by_time = elapsed * i128::from(WIDTH - 2 * MARGIN) / i128::from(span);
        let place = MARGIN.saturating_add(i64::try_from(by_time).unwrap_or_default()).max(least);
        least = place.saturating_add(STEP_MIN);
        places.push(place);
    }
    let end = places.last().copied().unwrap_or_default().saturating_add(MARGIN);
    (places, end.max(WIDTH))
}

/// The picture of the steps.
pub(super) fn picture(transaction: &Value) -> Markup {
    let steps = steps(transaction);
    let (places, width) = places(&steps);
    let ends = (places.first().copied().unwrap_or(MARGIN), places.last().copied().unwrap_or(MARGIN));
    let said: Vec<String> = steps.iter().map(|step| format!("{} {}", spaced(&step.word), step.amount)).collect();
    html! {
        div class="scroll" tabindex="0" role="region" aria-label="The timeline as a picture" {
            svg class="steps" viewBox={ "0 0 " (width) " " (HEIGHT) } width=(width) height=(HEIGHT) role="img" aria-label=(said.join(", ")) {
                line x1=(ends.0) y1=(LINE_Y) x2=(ends.1) y2=(LINE_Y) {}
                @for (step, x) in steps.iter().zip(&places) {
                    circle class=(step.tone) cx=(x) cy=(LINE_Y) r="8" {}
                    text x=(x) y="22" text-anchor="middle" { (spaced(&step.word)) }
                    @if !step.amount.is_empty() { text class="under" x=(x) y="76" text-anchor="middle" { (step.amount) } }
                }
            }
        }
    }
}

/// Everything about a step besides its time, operation, amount and flags.
fn details(fact: &Value) -> String {
    let known = ["operation", "at", "amount", "flag", "flags"];
    let rest = fact.as_object().into_iter().flatten();
    let rest = rest.filter(|(name, value)| !known.contains(&name.as_str()) && !value.is_null());
    rest.map(|(name, value)| format!("{} {}", spaced(name), in_words(value))).collect::<Vec<_>>().join("; ")
}

/// The steps as a table.
pub(super) fn table(transaction: &Value, calendar: &Calendar) -> Markup {
    let currency = text(transaction, "/currency");
    let is_denied = text(transaction, "/decision") == "deny";
    html! {
        div class="scroll" { table {
            thead { tr {
                th scope="col" { "Time" } th scope="col" { "Step" } th scope="col" class="number" { "Amount" }
                th scope="col" { "Details" } th scope="col" { "Flags" }
            } }
            tbody {
                tr {
                    td { (time(calendar, text(transaction, "/recorded_at"))) }
                    th scope="row" { @if is_denied { "denied" } @else { "reserved" } }
                    td class="number" { (amount(text(transaction, "/asked"), currency)) }
                    td { "counts from " (time(calendar, text(transaction, "/occurred_at"))) }
                    td { (or_dash("")) }
                }
                @for fact in list(transaction, "/transitions") { tr {
                    td { (time(calendar, text(fact, "/at"))) }
                    th scope="row" { (spaced(text(fact, "/operation"))) }
                    td class="number" { (amount(text(fact, "/amount"), currency)) }
                    td { (or_dash(&details(fact))) }
                    td {
                        @let flags = list(fact, "/flags");
                        @if flags.is_empty() { (or_dash("")) }
                        @for flag in flags { (badge(flag.as_str().unwrap_or_default())) " " }
                    }
                } }
                @let end = text(transaction, "/expires_at");
                @if !end.is_empty() { tr {
                    td { (time(calendar, end)) } th scope="row" { "hold ends" }
                    td class="number" { (amount(text(transaction, "/held"), currency)) }
                    td { "what is held falls out of the limits then" } td { (or_dash("")) }
                } }
            }
        } }
    }
}

/// The attempts by gate: how many, and how they ended.
pub(super) fn attempts(transaction: &Value) -> Markup {
    let mut gates: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
    for fact in list(transaction, "/transitions").iter().filter(|fact| text(fact, "/operation") == "attempt") {
        gates.entry(text(fact, "/gate")).or_default().push(fact);
    }
    html! {
        @if !gates.is_empty() {
            section class="card" {
                h2 { "Attempts by gate" }
                div class="scroll" { table {
                    thead { tr {
                        th scope="col" { "Gate" } th scope="col" class="number" { "Attempts" } th scope="col" { "Outcomes, in order" }
                    } }
                    tbody { @for (gate, attempts) in &gates { tr {
                        th scope="row" { (gate) }
                        td class="number" { (attempts.len()) }
                        td { @for fact in attempts { (badge(text(fact, "/outcome"))) " " } }
                    } } }
                } }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn steps_are_placed_by_time_and_stay_apart() {
        let transaction = json!({
            "decision": "allow", "asked": "10.00", "recorded_at": "2026-11-20T10:00:00.000Z",
            "expires_at": "2026-11-20T11:00:00.000Z",
            "transitions": [
                { "operation": "attempt", "at": "2026-11-20T10:00:00.000Z" },
                { "operation": "approve", "at": "2026-11-20T10:30:00.000Z", "amount": "10.00" },
            ],
        });
        let steps = steps(&transaction);
        let words: Vec<&str> = steps.iter().map(|step| step.word.as_str()).collect();
        assert_eq!(words, ["reserved", "attempt", "approve", "hold ends"]);
        assert_eq!(places(&steps), (vec![60, 150, 450, 840], 900));
        let many: Vec<Step> = steps.iter().cycle().take(20).cloned().collect();
        let (places, width) = places(&many);
        assert!(places.windows(2).all(|pair| pair[1] - pair[0] >= STEP_MIN) && width >= places[19] + MARGIN);
    }
}
