//! The payment form as the customer would see it now: the methods with their bounds, and the stored instruments.

use crate::console::{
    document::{list, text, words_at},
    parts::{badge, nothing, or_dash},
};
use maud::{Markup, html};
use serde_json::Value;

/// The bounds of a method in words.
fn bounds(method: &Value, currency: &str) -> String {
    match (text(method, "/min"), text(method, "/max")) {
        ("", "") => "any amount".to_owned(),
        (min, "") => format!("from {min} {currency}"),
        ("", max) => format!("up to {max} {currency}"),
        (min, max) => format!("{min} to {max} {currency}"),
    }
}

/// The form of a document of the service.
pub(super) fn form_preview(form: &Value) -> Markup {
    let (methods, instruments) = (list(form, "/methods"), list(form, "/payment_instruments"));
    let currency = text(form, "/remaining/currency");
    html! {
        @if methods.is_empty() { (nothing("The form shows no method: no payment of this customer passes now.")) } @else {
            ul class="pay-form" aria-label="The methods of the payment form" { @for method in methods { li {
                strong { (text(method, "/method")) }
                span { (bounds(method, currency)) }
                span class="quiet" { "by " (words_at(method, "/gates")) }
                @if method["edited"] == true { span class="badge plain" { "edited" } }
            } } }
        }
        @if !instruments.is_empty() {
            h4 { "Stored instruments" }
            ul { @for instrument in instruments { li {
                (or_dash(&words_at(instrument, "/brand"))) " " (text(instrument, "/masked_number")) " "
                code { (text(instrument, "/payment_instrument")) }
                @if instrument["default"] == true { " " (badge("default")) }
            } } }
        }
    }
}
