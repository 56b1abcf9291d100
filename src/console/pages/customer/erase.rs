//! Deletion of a customer: what follows, the request after the number was typed, and its withdrawal during the grace period.

use crate::{
    config::FourEyesWrite,
    console::{
        customer_write::{CustomerWrite, WriteOperation, commit},
        document::{list, text},
        forms::{CONFIRMED_NUMBER, alert, buttons, hidden_fields, refusal_alert, typed_confirmation},
        page_request::{Outcome, PageRequest, Paged},
        pages::{
            customer::{after_change, customer_of, form_page, title_of},
            four_eyes::writes_of_change,
        },
        parts::time,
    },
    domain::{
        rules::{labels::LabelKind, merchant::Merchant},
        vocabulary::{names::Name, time::Millis},
    },
    service::error::ServiceError,
};
use maud::{Markup, html};
use serde_json::{Map, Value, json};

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
            @if request.is_confirmed_value_outdated("typed", number) { (alert(CONFIRMED_NUMBER)) } @else {
                form method="post" action="erase" {
                    @if request.has_second_person {
                        (hidden_fields([("typed", number), ("seen", text(customer, "/modified_at"))]))
                    } @else {
                        (typed_confirmation("typed", &format!("Type {number}, the number of the customer"), ""))
                    }
                    (buttons("confirm", "Delete the customer", number))
                }
            }
        }
    })
}

/// The form that withdraws a request.
fn withdrawal_form(request: &PageRequest, merchant: &Merchant, customer: &Value) -> Markup {
    // The form of a second person always confirms. The page has two writes; only this one has the field `due`.
    let step = if request.has_second_person { "confirm" } else { "withdraw" };
    html! {
        section class="card narrow" {
            h2 { "The deletion is requested" }
            p { "The attributes are erased at " (time(&merchant.calendar, text(customer, "/deletion_due"))) "." }
            p { "Cancelling it keeps the customer, and removes the label of the deletion." }
            form method="post" action="erase" {
                (hidden_fields([("due", text(customer, "/deletion_due"))]))
                @if request.has_second_person { (hidden_fields([("seen", text(customer, "/modified_at"))])) }
                (buttons(step, "Cancel the deletion", text(customer, "/customer_id")))
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
    Ok(withdrawal_form(request, merchant, customer))
}

/// The update that withdraws a request: where a label requests the deletion, the labels without it.
fn withdrawal(merchant: &Merchant, customer: &Value) -> Map<String, Value> {
    let requests = |name: &&str| {
        let label = Name::existing(name).and_then(|name| merchant.label(name));
        label.is_some_and(|label| label.kind == LabelKind::PendingDeletion)
    };
    let labels: Vec<&str> = list(customer, "/labels").iter().filter_map(Value::as_str).collect();
    let kept: Vec<&str> = labels.iter().copied().filter(|name| !requests(name)).collect();
    let (key, value) = if kept.len() < labels.len() { ("labels", json!(kept)) } else { ("deletion_due", Value::Null) };
    Map::from_iter([(key.to_owned(), value)])
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
    let due = text(&customer, "/deletion_due");
    let is_withdrawal = request.field("step") == "withdraw" || !request.field("due").is_empty();
    let is_requested = !due.is_empty() || customer["erased"] == true;
    // The form below is that of the other write.
    if request.has_second_person && is_withdrawal != is_requested {
        let words = "The customer has changed in the meantime: the deletion is requested already, or it was cancelled.";
        return Ok(form_page(request, merchant, &customer, (TITLE, alert(words))));
    }
    let again = |notice: Markup| {
        let body = content(request, merchant, &customer)?;
        Ok(form_page(request, merchant, &customer, (TITLE, html! { (notice) (body) })))
    };
    let operation = match request.field("step") {
        "withdraw" | "confirm" if is_withdrawal && (due.is_empty() || request.field("due") != due) => {
            return again(alert("The customer has changed in the meantime. Look at this page again."));
        }
        "withdraw" | "confirm" if is_withdrawal => {
            WriteOperation::Update { body: Value::Object(withdrawal(merchant, &customer)).to_string() }
        }
        "confirm" if is_requested => {
            return again(alert("The deletion is requested already."));
        }
        "confirm" if request.field("typed") == number => WriteOperation::Erase,
        "confirm" => return again(alert("The typed number is not that of the customer. Nothing was changed.")),
        _ => return again(html! {}),
    };
    let writes = match is_withdrawal {
        // The label of a deletion can restrict the customer.
        true => writes_of_change(merchant, &customer, &withdrawal(merchant, &customer)),
        false => vec![FourEyesWrite::Erase],
    };
    if let Some(write) = request.second_person_for(writes) {
        return Ok(Outcome::NeedsSecondPerson(write));
    }
    match commit(request, &CustomerWrite { merchant: merchant.id, customer: number.to_owned(), operation }) {
        Ok(_) => Ok(after_change(request, merchant, number, &[])),
        Err(error) if error.is_unavailable() => Err(error),
        Err(error) => again(refusal_alert(&error)),
    }
}
