//! Deletion of a customer: what follows, the request after the number was typed, and its withdrawal during the grace period.

use crate::{
    console::{
        customer_write::{CustomerWrite, WriteOperation, commit},
        document::{list, text},
        forms::{alert, buttons, hidden_fields, refusal_alert, typed_confirmation},
        page_request::{PageRequest, Paged},
        pages::customer::{after_change, customer_of, form_page, title_of},
        parts::time,
    },
    domain::{
        rules::{labels::LabelKind, merchant::Merchant},
        vocabulary::{names::Name, time::Millis},
    },
    service::error::ServiceError,
};
use maud::{Markup, html};
use serde_json::{Value, json};

const TITLE: &str = "Delete the customer";
const DAY_MS: i64 = 24 * 3_600_000;
const HOUR_MS: i64 = 3_600_000;

/// A time span in words.
fn span_in_words(span_ms: i64) -> String {
    let (days, hours) = (span_ms / DAY_MS, span_ms % DAY_MS / HOUR_MS);
    match (days, hours) {
        (0, 0) => format!("{} minutes", span_ms / 60_000),
        (0, hours) => format!("{hours} hours"),
        (days, 0) => format!("{days} days"),
        (days, hours) => format!("{days} days and {hours} hours"),
    }
}

/// What follows from a deletion.
fn consequences(merchant: &Merchant) -> Markup {
    let pending = merchant.labels.iter().find(|label| label.kind == LabelKind::PendingDeletion);
    html! {
        ul {
            @if let Some(label) = pending { li { "The customer gets the label " strong { (label.name.as_str()) } " now." } }
            li { "After the grace period of " (span_in_words(merchant.deletion_grace_ms)) " e-mail, phone, names and all other \
                  attributes are erased with their key. No backup of the journal yields them then." }
            li { "Payments of the erased customer are denied." }
            li { "Amounts, counters and masked numbers remain, and the history remains without the erased values." }
            li { "Until then the deletion can be cancelled on this page." }
        }
    }
}

/// The form that requests the deletion.
fn request_form(request: &PageRequest, merchant: &Merchant, customer: &Value) -> Result<Markup, ServiceError> {
    let number = text(customer, "/customer_id");
    let now = request.console.parts.payments.time()?;
    let due = Millis(now.0.saturating_add(merchant.deletion_grace_ms)).to_string();
    Ok(html! {
        section class="card narrow" {
            h2 { "Delete " (title_of(customer)) "?" }
            (consequences(merchant))
            p { "The erasure would be due at " (time(&merchant.calendar, &due)) "." }
            form method="post" action="erase" {
                (typed_confirmation("typed", &format!("Type {number}, the number of the customer"), ""))
                (buttons("confirm", "Delete the customer", number))
            }
        }
    })
}

/// The form that withdraws a request.
fn withdrawal_form(merchant: &Merchant, customer: &Value) -> Markup {
    html! {
        section class="card narrow" {
            h2 { "The deletion is requested" }
            p { "The attributes are erased at " (time(&merchant.calendar, text(customer, "/deletion_due"))) "." }
            p { "Cancelling it keeps the customer, and removes the label of the deletion." }
            form method="post" action="erase" {
                (hidden_fields([("due", text(customer, "/deletion_due"))]))
                (buttons("withdraw", "Cancel the deletion", text(customer, "/customer_id")))
            }
        }
    }
}

fn content(request: &PageRequest, merchant: &Merchant, customer: &Value) -> Result<Markup, ServiceError> {
    if customer["erased"] == true {
        return Ok(html! { p class="empty" { "The customer is erased. Nothing personal is left to delete." } });
    }
    if text(customer, "/deletion_due").is_empty() {
        return request_form(request, merchant, customer);
    }
    Ok(withdrawal_form(merchant, customer))
}

/// The update that withdraws a request: where a label requests the deletion, the labels without it.
fn withdrawal(merchant: &Merchant, customer: &Value) -> Value {
    let requests = |name: &&str| {
        let label = Name::existing(name).and_then(|name| merchant.label(name));
        label.is_some_and(|label| label.kind == LabelKind::PendingDeletion)
    };
    let labels: Vec<&str> = list(customer, "/labels").iter().filter_map(Value::as_str).collect();
    let kept: Vec<&str> = labels.iter().copied().filter(|name| !requests(name)).collect();
    if kept.len() < labels.len() { json!({ "labels": kept }) } else { json!({ "deletion_due": null }) }
}

/// `GET .../customers/{customer}/erase`
pub(in crate::console) fn show(request: &PageRequest) -> Paged {
    let merchant = request.merchant()?;
    let customer = customer_of(request, merchant)?;
    let body = content(request, merchant, &customer)?;
    Ok(form_page(request, merchant, &customer, (TITLE, body)))
}

/// `POST .../customers/{customer}/erase`: requests the deletion, or withdraws the request.
pub(in crate::console) fn change(request: &PageRequest) -> Paged {
    let merchant = request.merchant()?;
    let customer = customer_of(request, merchant)?;
    // The number of the page can be that of a merged customer.
    let number = text(&customer, "/customer_id");
    let again = |notice: Markup| {
        let body = content(request, merchant, &customer)?;
        Ok(form_page(request, merchant, &customer, (TITLE, html! { (notice) (body) })))
    };
    let due = text(&customer, "/deletion_due");
    let operation = match request.field("step") {
        "withdraw" if due.is_empty() || request.field("due") != due => {
            return again(alert("The customer has changed in the meantime. Look at this page again."));
        }
        "withdraw" => WriteOperation::Update { body: withdrawal(merchant, &customer).to_string() },
        "confirm" if !due.is_empty() || customer["erased"] == true => {
            return again(alert("The deletion is requested already."));
        }
        "confirm" if request.field("typed") == number => WriteOperation::Erase,
        "confirm" => return again(alert("The typed number is not that of the customer. Nothing was changed.")),
        _ => return again(html! {}),
    };
    match commit(request, &CustomerWrite { merchant: merchant.id, customer: number.to_owned(), operation }) {
        Ok(_) => Ok(after_change(request, merchant, number, "")),
        Err(error) if error.is_unavailable() => Err(error),
        Err(error) => again(refusal_alert(&error)),
    }
}
