//! Parts of pages that several pages use.

use crate::{
    console::document::{spaced, text},
    domain::vocabulary::{calendar::Calendar, time::Millis},
};
use maud::{Markup, html};
use serde_json::Value;

/// A time of a document in a merchant's time zone, with its offset; a dash where there is none.
pub(super) fn time(calendar: &Calendar, at: &str) -> Markup {
    match Millis::parse(at) {
        Some(millis) => html! { time datetime=(at) { (calendar.local_text(millis)) } },
        None => html! { span class="quiet" { "\u{2013}" } },
    }
}

/// A text, or a dash where it is empty.
pub(super) fn or_dash(shown: &str) -> Markup {
    if shown.is_empty() {
        html! { span class="quiet" { "\u{2013}" } }
    } else {
        html! { (shown) }
    }
}

/// How a status is coloured. The words say the same.
fn tone_of(word: &str) -> &'static str {
    match word {
        "allow" | "approved" | "active" | "member" | "enforce" | "done" | "enabled" | "in_date" | "primary" => "good",
        "deny" | "denied" | "declined" | "fraud" | "blocked" | "charged_back" | "deleted" | "refused"
        | "interrupted" | "too_old" => "bad",
        "suspicious" | "reserved" | "partially_approved" | "not_active" | "shadow" | "expired" | "invalid"
        | "disabled" | "trying" | "applying" | "not_configured" | "standby" => "warn",
        _ => "plain",
    }
}

/// A status of the wire as a badge; a dash where there is none.
pub(super) fn badge(word: &str) -> Markup {
    if word.is_empty() {
        return or_dash("");
    }
    html! { span class={ "badge " (tone_of(word)) } { (spaced(word)) } }
}

/// An amount with its currency; a dash where there is none.
pub(super) fn amount(value: &str, currency: &str) -> Markup {
    if value.is_empty() {
        or_dash("")
    } else {
        html! { span class="amount" { (value) " " (currency) } }
    }
}

/// Names and values.
pub(super) fn facts(rows: &[(&str, Markup)]) -> Markup {
    html! {
        dl class="facts" { @for (name, value) in rows { div { dt { (name) } dd { (value) } } } }
    }
}

/// The words where a list is empty.
pub(super) fn nothing(words: &str) -> Markup {
    html! { p class="empty" { (words) } }
}

/// A link to the next page of a list, where there is one, and back to its begin.
pub(super) fn pager(address: &str, kept: &[(&str, &str)], page: &Value, has_begun: bool) -> Markup {
    let next = text(page, "/next_cursor");
    let with = |cursor| {
        let pairs = kept.iter().copied().chain([("cursor", cursor)]);
        format!("{address}{}", crate::console::links::query_text(pairs))
    };
    html! {
        @if has_begun || !next.is_empty() {
            nav class="pager" aria-label="Pages of the list" {
                @if has_begun { a href=(with("")) { "First page" } }
                @if !next.is_empty() { a href=(with(next)) rel="next" { "Next page" } }
            }
        }
    }
}

/// A labelled text field.
pub(super) fn text_field(name: &str, label: &str, value: &str, hint: &str) -> Markup {
    html! {
        label class="field" {
            span { (label) }
            input type="text" name=(name) value=(value) placeholder=[(!hint.is_empty()).then_some(hint)] autocomplete="off";
        }
    }
}

/// A labelled choice of words; the empty one comes first and has the label `any`.
pub(super) fn choice<'o>(
    name: &str,
    label: &str,
    chosen: &str,
    any: &str,
    options: impl IntoIterator<Item = &'o str>,
) -> Markup {
    html! {
        label class="field" {
            span { (label) }
            select name=(name) {
                @if !any.is_empty() { option value="" { (any) } }
                @for option in options { option value=(option) selected[option == chosen] { (spaced(option)) } }
            }
        }
    }
}
