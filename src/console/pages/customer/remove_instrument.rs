//! Removes a stored payment instrument: what follows, and the removal.

use crate::{
    console::{
        customer_write::{CustomerWrite, WriteOperation, commit},
        document::{text, words_at},
        forms::{alert, buttons, hidden_fields, refusal_alert},
        page_request::{PageRequest, Paged},
        pages::customer::{
            after_change,
            change_instrument::{seen, status_effect},
            customer_of, form_page,
            instrument::{address, instrument_of},
        },
        parts::{badge, facts, or_dash, time},
    },
    domain::rules::merchant::Merchant,
    service::error::ServiceError,
};
use maud::{Markup, html};
use serde_json::Value;

fn title(instrument: &str) -> String {
    format!("Remove the instrument {instrument}")
}

/// What is removed, what follows, and the button.
fn preview(
    request: &PageRequest,
    merchant: &Merchant,
    (customer, stored): (&Value, &Value),
) -> Result<Markup, ServiceError> {
    let (number, token) = (request.parameter("customer"), request.parameter("instrument"));
    let tried = request.read(request.customers(merchant).try_instrument_removal(number, token))?;
    Ok(html! {
        section class="card narrow" {
            h2 { "This will be removed" }
            (facts(&[
                ("Instrument", html! { code { (token) } }),
                ("Brand", or_dash(text(stored, "/brand"))),
                ("Number", or_dash(text(stored, "/masked_number"))),
                ("State", badge(text(stored, "/state"))),
                ("Default", or_dash(&words_at(stored, "/default"))),
                ("Last success", time(&merchant.calendar, text(stored, "/last_success_at"))),
            ]))
            ul {
                li { "The payment form does not offer it any more." }
                @if stored["default"] == true { li { "The customer has no default then." } }
                @if text(stored, "/state") == "blocked" { li { "Payments with it stay blocked, also those of other customers." } }
                @if let Some(effect) = status_effect(customer, &tried) { li { (effect) } }
                li { "Its transactions and the history remain. An approved payment that names it stores it again." }
            }
            form method="post" action="remove" {
                (hidden_fields([("seen", seen(customer, stored).as_str())]))
                (buttons("confirm", "Remove the instrument", &address(request, merchant)))
            }
        }
    })
}

/// `GET .../customers/{customer}/wallet/{instrument}/remove`
pub(in crate::console) fn show(request: &PageRequest) -> Paged {
    let merchant = request.merchant()?;
    let customer = customer_of(request, merchant)?;
    let stored = instrument_of(request, merchant)?;
    let body = preview(request, merchant, (&customer, &stored))?;
    Ok(form_page(request, merchant, &customer, (&title(request.parameter("instrument")), body)))
}

/// `POST .../customers/{customer}/wallet/{instrument}/remove`
pub(in crate::console) fn remove(request: &PageRequest) -> Paged {
    let merchant = request.merchant()?;
    let (number, token) = (request.parameter("customer"), request.parameter("instrument"));
    let customer = customer_of(request, merchant)?;
    let stored = instrument_of(request, merchant)?;
    let again = |notice: Markup| {
        let body = preview(request, merchant, (&customer, &stored))?;
        Ok(form_page(request, merchant, &customer, (&title(token), html! { (notice) (body) })))
    };
    if request.field("step") != "confirm" {
        return again(html! {});
    }
    if request.field("seen") != seen(&customer, &stored) {
        return again(alert("The instrument or its customer has changed in the meantime. Look at this page again."));
    }
    let operation = WriteOperation::RemoveInstrument { instrument: token.to_owned() };
    match commit(request, &CustomerWrite { merchant: merchant.id, customer: number.to_owned(), operation }) {
        Ok(_) => Ok(after_change(request, merchant, number, &["wallet"])),
        Err(error) if error.is_unavailable() => Err(error),
        Err(error) => again(refusal_alert(&error)),
    }
}
