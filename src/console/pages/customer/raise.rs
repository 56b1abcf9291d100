//! A pending raise of a customer's own limits: cancelled, or confirmed for the customer.

use crate::{
    config::FourEyesWrite,
    console::{
        customer_write::{CustomerWrite, WriteOperation, commit},
        document::{list, text},
        forms::{alert, hidden_fields, refusal_alert},
        page_request::{Outcome, PageRequest, Paged},
        pages::customer::{after_change, customer_of, filter_list, form_page},
        parts::{badge, nothing, time},
    },
    domain::{
        request::fields::{parse_currency, parse_word},
        rules::merchant::Merchant,
        vocabulary::direction::Direction,
    },
    service::{customers::limits::LimitsKey, error::ServiceError},
};
use maud::{Markup, html};
use serde_json::Value;

fn key_of(request: &PageRequest, value: impl Fn(&str) -> String) -> Result<LimitsKey, ServiceError> {
    Ok(LimitsKey {
        direction: parse_word::<Direction>("direction", &value("direction"))?,
        currency: parse_currency(&request.rules, &value("currency"))?,
    })
}

fn content(merchant: &Merchant, key: LimitsKey, limits: &Value) -> Markup {
    let currency = key.currency.to_string();
    let list_of = |path: &str, none: &str| {
        let filters = list(limits, path);
        if filters.is_empty() { nothing(none) } else { filter_list(filters, &currency) }
    };
    let state = text(limits, "/pending/state");
    html! {
        @if !limits["pending"].is_object() { (nothing("No raise waits.")) } @else {
            section class="card" {
                div class="columns" {
                    div { h2 { "In force now" } (list_of("/filters", "No limit.")) }
                    div { h2 { "After the raise " (badge(state)) } (list_of("/pending/filters", "All limits of the customer are removed.")) }
                }
                p { "From " (time(&merchant.calendar, text(limits, "/pending/from"))) "." }
                form method="post" action="raise" {
                    (hidden_fields([
                        ("direction", key.direction.word()), ("currency", currency.as_str()), ("seen", &limits["pending"].to_string()),
                    ]))
                    p class="actions" {
                        button name="step" value="cancel" { "Cancel the raise" } " "
                        @if state == "awaiting_confirmation" {
                            button class="plain" name="step" value="confirm" { "Confirm it for the customer" } " "
                        }
                        a href="../limits" { "Back" }
                    }
                    @if state == "awaiting_confirmation" {
                        p class="quiet" { "Confirm only what the customer has asked for again after the waiting time." }
                    }
                }
            }
        }
    }
}

fn title(key: LimitsKey) -> String {
    format!("Raise that waits: {}s in {}", key.direction.word(), key.currency)
}

/// `GET .../customers/{customer}/limits/raise`
pub(in crate::console) fn show(request: &PageRequest) -> Paged {
    let merchant = request.merchant()?;
    let number = request.parameter("customer");
    let customer = customer_of(request, merchant)?;
    if request.query("direction").is_empty() {
        return Ok(Outcome::Redirect(request.links.to(&["m", merchant.id.as_str(), "customers", number, "limits"])));
    }
    let key = key_of(request, |name| request.query(name).to_owned())?;
    let limits = request.read(request.customers(merchant).limits(number, key))?;
    Ok(form_page(request, merchant, &customer, (&title(key), content(merchant, key, &limits))))
}

/// `POST .../customers/{customer}/limits/raise`: cancels the raise, or confirms it.
pub(in crate::console) fn change(request: &PageRequest) -> Paged {
    let merchant = request.merchant()?;
    let number = request.parameter("customer");
    let customer = customer_of(request, merchant)?;
    let key = key_of(request, |name| request.field(name).to_owned())?;
    let limits = request.read(request.customers(merchant).limits(number, key))?;
    let again = |notice: Markup| {
        let body = html! { (notice) (content(merchant, key, &limits)) };
        Ok(form_page(request, merchant, &customer, (&title(key), body)))
    };
    let pending = limits["pending"].to_string();
    if request.field("seen") != pending {
        return again(alert("The raise has changed since the page was shown. Look at it again."));
    }
    let operation = match request.field("step") {
        "cancel" => WriteOperation::CancelRaise { key },
        "confirm" if request.requires_second_person(FourEyesWrite::RaiseLimit) => {
            return Ok(Outcome::NeedsSecondPerson(FourEyesWrite::RaiseLimit));
        }
        "confirm" => WriteOperation::ConfirmRaise { key },
        _ => return again(html! {}),
    };
    match commit(request, &CustomerWrite { merchant: merchant.id, customer: number.to_owned(), operation }) {
        Ok(_) => Ok(after_change(request, merchant, number, &["limits"])),
        Err(error) if error.is_unavailable() => Err(error),
        Err(error) => again(refusal_alert(&error)),
    }
}
