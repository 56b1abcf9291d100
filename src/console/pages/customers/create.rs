//! Creates a customer: a form with the fields of the merchant, the registration tried by its policy, and the registration.

use crate::{
    console::{
        customer_write::{CustomerWrite, WriteOperation, commit},
        document::{in_words, spaced, text},
        forms::{buttons, hidden_fields, refusal_alert},
        layout::Content,
        page_request::{Outcome, PageRequest, Paged},
        pages::{
            customers::{
                filters::level_names,
                profile_fields::{
                    CONTACT_FIELDS, FURTHER_FIELDS, IDENTIFIER, ProfileField, all_fields, fault_of,
                    identification_in_words, is_required, members,
                },
            },
            label_boxes::label_boxes,
        },
        parts::{facts, or_dash},
    },
    domain::{
        customer::status::CustomerStatus,
        rules::merchant::Merchant,
        vocabulary::{direction::Direction, words::Word},
    },
    service::error::ServiceError,
};
use maud::{Markup, html};
use serde_json::{Map, Value, json};

const LEVELS: [(&str, &str, Direction); 2] = [
    ("deposit_level", "Deposit level", Direction::Deposit),
    ("withdrawal_level", "Withdrawal level", Direction::Withdrawal),
];

/// The customer that the form describes. Empty fields are left out.
fn wanted(request: &PageRequest) -> Map<String, Value> {
    let text_of = |name: &str| request.field(name).to_owned();
    let mut wanted = members([&IDENTIFIER].into_iter().chain(all_fields()), text_of);
    for key in ["deposit_level", "withdrawal_level", "status"] {
        wanted.insert(key.to_owned(), json!(request.field(key)));
    }
    wanted.retain(|_, value| !matches!(value, Value::Null) && *value != json!(""));
    let labels: Vec<&str> = request.fields("label").collect();
    if !labels.is_empty() {
        wanted.insert("labels".to_owned(), json!(labels));
    }
    wanted
}

fn form(request: &PageRequest, merchant: &Merchant, error: Option<&ServiceError>) -> Markup {
    let control = |field: &ProfileField| {
        field.control(request.field(field.name), is_required(merchant, field.name), fault_of(error, field.name))
    };
    let labels: Vec<&str> = request.fields("label").collect();
    let status = request.field("status");
    let is_shown = [&IDENTIFIER].into_iter().chain(all_fields()).any(|field| fault_of(error, field.name).is_some());
    html! {
        @if let Some(error) = error.filter(|_| !is_shown) { (refusal_alert(error)) }
        form method="post" action="new" class="card" {
            p class="quiet" { (identification_in_words(merchant)) }
            div class="filters" {
                (control(&IDENTIFIER))
                @for field in &CONTACT_FIELDS { (control(field)) }
            }
            div class="filters" {
                @for (key, label, direction) in LEVELS {
                    label class="field" { span { (label) } select name=(key) {
                        option value="" { "no level" }
                        @for name in level_names(merchant, direction) {
                            option value=(name) selected[name == request.field(key)] { (name) }
                        }
                    } }
                }
                label class="field" { span { "Status" } select name="status" {
                    option value="" { "as registered" }
                    @for (word, _) in CustomerStatus::WORDS {
                        option value=(word) selected[*word == status] { (spaced(word)) }
                    }
                } }
            }
            @if !merchant.labels.is_empty() {
                fieldset {
                    legend { "Labels; without a choice the customer gets the merchant's first one" }
                    (label_boxes(merchant, "label", &labels))
                }
            }
            div class="filters" { @for field in &FURTHER_FIELDS { (control(field)) } }
            (buttons("preview", "Show the new customer", "../customers"))
        }
    }
}

/// What would be created.
fn preview(request: &PageRequest, wanted: &Map<String, Value>, known: Option<u64>) -> Markup {
    let rows: Vec<(String, Markup)> =
        wanted.iter().map(|(key, value)| (spaced(key), or_dash(&spaced(&in_words(value))))).collect();
    let rows: Vec<(&str, Markup)> = rows.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
    let sent = request.form.iter().filter(|(key, value)| key != "step" && !value.is_empty());
    html! {
        section class="card narrow" {
            @match known {
                None => h2 { "This customer will be created" },
                Some(number) => {
                    h2 { "This changes a known customer" }
                    p { "An identifier belongs to customer "
                        a href={ "../customers/" (number) } { (number) }
                        ", and the merchant's policy merges the registration into that customer: it gets what it lacks." }
                }
            }
            (facts(&rows))
            form method="post" action="new" {
                (hidden_fields(sent.map(|(key, value)| (key.as_str(), value.as_str()))))
                (buttons("confirm", if known.is_none() { "Create the customer" } else { "Merge into this customer" }, "new"))
            }
        }
    }
}

fn page(request: &PageRequest, merchant: &Merchant, body: Markup) -> Outcome {
    let above = request.links.to(&["m", merchant.id.as_str(), "customers"]);
    Outcome::Page(Content::new("New customer", body).below("Customers", above))
}

/// `GET /console/m/{merchant}/customers/new`
pub(in crate::console) fn show(request: &PageRequest) -> Paged {
    let merchant = request.merchant()?;
    Ok(page(request, merchant, form(request, merchant, None)))
}

/// `POST /console/m/{merchant}/customers/new`: previews the customer, or creates it.
pub(in crate::console) fn create(request: &PageRequest) -> Paged {
    let merchant = request.merchant()?;
    let wanted = wanted(request);
    let body = Value::Object(wanted.clone()).to_string();
    let with_form = |error: &ServiceError| Ok(page(request, merchant, form(request, merchant, Some(error))));
    let known = match request.customers(merchant).try_register(body.as_bytes()) {
        Ok(known) => known,
        Err(error) if error.is_unavailable() => return Err(error),
        Err(error) => return with_form(&error),
    };
    if request.field("step") != "confirm" {
        return Ok(page(request, merchant, preview(request, &wanted, known)));
    }
    let write =
        CustomerWrite { merchant: merchant.id, customer: String::new(), operation: WriteOperation::Register { body } };
    match commit(request, &write) {
        Ok(customer) => {
            let number = text(&customer, "/customer_id");
            let address = request.links.to(&["m", merchant.id.as_str(), "customers", number]);
            Ok(Outcome::Redirect(format!("{address}?done=1")))
        }
        Err(error) if error.is_unavailable() => Err(error),
        Err(error) => with_form(&error),
    }
}
