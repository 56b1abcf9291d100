//! Why a payment was denied, in sentences with the figures of the decision.

use crate::{
    console::{
        document::{list, spaced, text, words_at},
        pages::usage_bars::owner_in_words,
        parts::time,
    },
    domain::vocabulary::calendar::Calendar,
};
use maud::{Markup, html};
use serde_json::Value;

/// The figures of an amount or a quantity that was violated.
fn figures(code: &Value, part: &str, unit: &str) -> Markup {
    let of = |name: &str| words_at(code, &format!("/{part}/{name}"));
    let (limit, used, asked) = (of("limit"), of("used"), of("asked"));
    html! {
        @if !limit.is_empty() {
            dl class="figures" {
                div { dt { "Limit" } dd { (limit) " " (unit) } }
                @if !used.is_empty() {
                    div { dt { "Used before" } dd { (used) " " (unit) } }
                    @if let Some(left) = remaining(&limit, &used) { div { dt { "Was left" } dd { (left) " " (unit) } } }
                }
                @if !asked.is_empty() { div { dt { "Asked" } dd { (asked) " " (unit) } } }
            }
        }
    }
}

/// What was left of a limit: the difference of two decimal texts with the same number of digits after the point; 0 where
/// more was used than the limit allows now.
fn remaining(limit: &str, used: &str) -> Option<String> {
    let digits_after = |text: &str| text.split_once('.').map_or(0, |(_, after)| after.len());
    let scale = digits_after(limit).max(digits_after(used));
    let scaled = |text: &str| -> Option<i128> {
        let (whole, after) = text.split_once('.').unwrap_or((text, ""));
        format!("{whole}{after:0<scale$}").parse().ok()
    };
    let left = (scaled(limit)?.checked_sub(scaled(used)?)?).max(0);
    if scale == 0 {
        return Some(left.to_string());
    }
    let digits = format!("{left:0>width$}", width = scale + 1);
    let (whole, after) = digits.split_at_checked(digits.len() - scale)?;
    Some(format!("{whole}.{after}"))
}

/// The words before the name of a cause, the name, and the words after it.
fn cause_in_words(cause: &Value) -> (&'static str, &str, &'static str) {
    match text(cause, "/cause") {
        "status" => ("the status is ", "fraud", ""),
        "instrument" if text(cause, "/payment_instrument").is_empty() => {
            ("an instrument of the customer is blocked", "", "")
        }
        "instrument" => ("the instrument ", text(cause, "/payment_instrument"), " is blocked"),
        "label" => ("the label ", text(cause, "/label"), ""),
        "project" => ("the project ", text(cause, "/project"), " is switched off for the customer"),
        "erased" => ("the customer is erased", "", ""),
        other => ("", other, ""),
    }
}

/// A cause of a block: what, since when, and who set it.
fn cause(cause: &Value, calendar: &Calendar) -> Markup {
    let (before, named, after) = cause_in_words(cause);
    html! {
        li {
            (before) @if !named.is_empty() { strong { (named) } } (after)
            @if !text(cause, "/since").is_empty() { ", since " (time(calendar, text(cause, "/since"))) }
            @if !text(cause, "/by").is_empty() { ", set by " strong { (text(cause, "/by")) } }
        }
    }
}

/// The reasons of a denied payment; nothing for an allowed one.
pub(super) fn reasons(document: &Value, calendar: &Calendar) -> Markup {
    let codes = list(document, "/codes");
    html! {
        @for code in codes {
            section class="card reason" {
                h3 { (spaced(text(code, "/reason"))) " " span class="quiet" { "code " (words_at(code, "/code")) } }
                @if !text(code, "/filter").is_empty() {
                    p {
                        "The limit " strong { (text(code, "/filter")) } " (" (spaced(text(code, "/span"))) "), set by "
                        (owner_in_words(text(code, "/owner"))) ", from " (time(calendar, text(code, "/window/start")))
                        " to " (time(calendar, text(code, "/window/end"))) "."
                    }
                } @else if !text(code, "/owner").is_empty() {
                    p { "The bound is set by " (owner_in_words(text(code, "/owner"))) "." }
                }
                @let instrument = text(code, "/payment_instrument");
                @if !instrument.is_empty() { p { "Instrument: " code { (instrument) } } }
                (figures(code, "amount", text(code, "/currency")))
                (figures(code, "quantity", "payments"))
                @if !text(code, "/since").is_empty() {
                    p { "Blocked since " (time(calendar, text(code, "/since")))
                        @if !text(code, "/by").is_empty() { ", set by " strong { (text(code, "/by")) } } "." }
                }
                @let causes = list(code, "/blocked_by");
                @if !causes.is_empty() { ul { @for known in causes { (cause(known, calendar)) } } }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_left_is_exact() {
        for (limit, used, want) in [
            ("500.00", "125.50", Some("374.50")),
            ("0.05", "0.04", Some("0.01")),
            ("10", "3", Some("7")),
            ("100.00", "300.00", Some("0.00")),
            ("1.5", "0.25", Some("1.25")),
            ("", "3", None),
            ("x", "3", None),
        ] {
            assert_eq!(remaining(limit, used).as_deref(), want, "{limit} {used}");
        }
    }
}
