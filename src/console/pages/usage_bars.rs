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

/// The bar of an amount or a quantity; nothing where there is no limit.
fn bar(limit: &Value, part: &str, unit: &str) -> Markup {
    let of = |name: &str| number(limit, &format!("/{part}/{name}"));
    let (most, used, remaining) = (of("limit"), of("used"), of("remaining"));
    html! {
        @if !most.is_empty() {
            div class="usage" {
                meter min="0" max=(most) value=(used) aria-label={ (used) " of " (most) " " (unit) " used" } {}
                span { (used) " of " (most) " " (unit) " used, " strong { (remaining) " left" } }
            }
        }
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
                            td {
                                (bar(limit, "amount", text(limit, "/currency")))
                                (bar(limit, "quantity", "payments"))
                            }
                            td { (time(calendar, text(limit, "/window/frees_at"))) }
                        }
                    }
                }
            }
        }
    }
}
