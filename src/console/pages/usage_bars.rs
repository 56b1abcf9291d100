//! Limits as bars: used and remaining.

use crate::{
    console::{
        document::{spaced, text},
        parts::{badge, time},
    },
    domain::vocabulary::calendar::Calendar,
};
use maud::{Markup, html};
use serde_json::Value;

/// A number or a decimal text of a document.
fn number(document: &Value, path: &str) -> String {
    document.pointer(path).map(crate::console::document::in_words).unwrap_or_default()
}

/// The width of a bar in units of its picture.
const WIDTH: u128 = 1_000;

/// A decimal text without its point. Texts of one currency have the same number of digits after it.
fn whole(decimal: &str) -> u128 {
    decimal.chars().filter(char::is_ascii_digit).fold(0, |sum: u128, digit| {
        sum.saturating_mul(10).saturating_add(u128::from(digit.to_digit(10).unwrap_or_default()))
    })
}

/// The parts of a bar: what is used without what is held, and what is held. Usage above the limit fills the bar.
fn widths(most: &str, used: &str, held: &str) -> (u128, u128) {
    let (most, used, held) = (whole(most), whole(used), whole(held));
    let scale = most.max(used).max(1);
    let width = |part: u128| part.saturating_mul(WIDTH) / scale;
    let all = width(used);
    let paid = width(used.saturating_sub(held));
    (paid, all.saturating_sub(paid))
}

/// The bar of an amount or a quantity; nothing where there is no limit.
fn bar(limit: &Value, part: &str, unit: &str) -> Markup {
    let of = |name: &str| number(limit, &format!("/{part}/{name}"));
    let (most, used, remaining, held) = (of("limit"), of("used"), of("remaining"), of("held"));
    let has_held = whole(&held) > 0;
    let (paid_width, held_width) = widths(&most, &used, &held);
    let tone = if whole(&used) > whole(&most) { "bar-picture over" } else { "bar-picture" };
    let said = match has_held {
        true => format!("{used} of {most} {unit} used, {held} of it held"),
        false => format!("{used} of {most} {unit} used"),
    };
    html! {
        @if !most.is_empty() {
            div class="usage" {
                svg class=(tone) viewBox={ "0 0 " (WIDTH) " 12" } preserveAspectRatio="none" role="img" aria-label=(said) {
                    rect class="used" x="0" y="0" width=(paid_width) height="12" {}
                    rect class="held" x=(paid_width) y="0" width=(held_width) height="12" {}
                }
                span {
                    (used) " of " (most) " " (unit) " used, "
                    @if has_held { (held) " of it held, " }
                    strong { (remaining) " left" }
                }
            }
        }
    }
}

/// The bars of the amount and the quantity of a limit.
pub(super) fn usage_cell(limit: &Value) -> Markup {
    html! {
        (bar(limit, "amount", text(limit, "/currency")))
        (bar(limit, "quantity", "payments"))
    }
}

/// Who or what sets a limit, in words.
pub(super) fn owner_in_words(owner: &str) -> &str {
    match owner {
        "level" => "the level",
        "customer" => "the customer",
        "operator" => "an operator",
        "endpoint" => "the endpoint",
        other => other,
    }
}

/// A table of limits, as a check and the usage of a customer show them.
pub(super) fn limit_table(limits: &[Value], calendar: &Calendar) -> Markup {
    html! {
        div class="scroll" {
            table {
                thead { tr {
                    th scope="col" { "Limit" } th scope="col" { "Set by" } th scope="col" { "Used" }
                    th scope="col" { "Falls next" }
                } }
                tbody {
                    @for limit in limits {
                        tr {
                            th scope="row" {
                                (text(limit, "/filter")) " "
                                @if text(limit, "/mode") != "enforce" { (badge(text(limit, "/mode"))) }
                                br;
                                span class="quiet" { (spaced(text(limit, "/span"))) }
                            }
                            td { (owner_in_words(text(limit, "/owner"))) }
                            td { (usage_cell(limit)) }
                            td { (time(calendar, text(limit, "/window/frees_at"))) }
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_has_a_part_for_what_is_held() {
        for (most, used, held, want) in [
            ("500.00", "125.50", "", (251, 0)),
            ("500.00", "125.50", "25.50", (200, 51)),
            ("10", "4", "4", (0, 400)),
            ("100.00", "200.00", "50.00", (750, 250)),
            ("0.00", "0.00", "0.00", (0, 0)),
        ] {
            assert_eq!(widths(most, used, held), want, "{most} {used} {held}");
        }
    }
}
