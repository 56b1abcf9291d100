//! Parts of forms that preview a change and make it.

use crate::{
    console::{
        document::{in_words, spaced},
        parts::or_dash,
    },
    service::error::ServiceError,
};
use maud::{Markup, html};
use serde_json::Value;

/// Why a second person cannot confirm a number that has changed.
pub(super) const CONFIRMED_NUMBER: &str = "The number that was typed for this change is not the number of now, so it cannot be \
                                           confirmed. Reject it; it can be asked for again.";

/// Why a second person cannot confirm a change of other customers than those whom the first one saw.
pub(super) const CONFIRMED_CUSTOMERS: &str = "Other customers would change now than those for whom this change was asked for, so \
                                              it cannot be confirmed. Reject it; it can be asked for again.";

/// What went wrong, above a form.
pub(super) fn alert(words: &str) -> Markup {
    html! { div class="notice bad" role="alert" { p { (words) } } }
}

/// The refusal of the service, above a form.
pub(super) fn refusal_alert(error: &ServiceError) -> Markup {
    html! {
        div class="notice bad" role="alert" {
            p { (error.detail) }
            @if !error.problems.is_empty() { ul { @for problem in &error.problems { li { (problem) } } } }
        }
    }
}

/// Fields that a person does not see.
pub(super) fn hidden_fields<'p>(pairs: impl IntoIterator<Item = (&'p str, &'p str)>) -> Markup {
    html! { @for (name, value) in pairs { input type="hidden" name=(name) value=(value); } }
}

/// What changes: a field, its present value and its next one. Values that are the same are left out.
pub(super) fn change_table(rows: &[(String, Value, Value)]) -> Markup {
    html! {
        div class="scroll" { table {
            thead { tr { th scope="col" { "Field" } th scope="col" { "Now" } th scope="col" { "Then" } } }
            tbody { @for (field, now, then) in rows.iter().filter(|(_, now, then)| now != then) { tr {
                th scope="row" { (spaced(field)) }
                td class="old" { (or_dash(&in_words(now))) }
                td class="new" { (or_dash(&in_words(then))) }
            } } }
        } }
    }
}

/// A field into which a person types something before a change that cannot be taken back happens.
pub(super) fn typed_confirmation(name: &str, label: &str, typed: &str) -> Markup {
    html! {
        label class="field narrow" {
            span { (label) }
            input type="text" name=(name) value=(typed) required autocomplete="off" inputmode="numeric";
        }
    }
}

/// The buttons below a form.
pub(super) fn buttons(step: &str, label: &str, back: &str) -> Markup {
    html! {
        p class="actions" {
            button name="step" value=(step) { (label) } " "
            a href=(back) { @if step == "confirm" { "Back" } @else { "Cancel" } }
        }
    }
}
