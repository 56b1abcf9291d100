//! Changes a customer's levels, status and labels: a form, a preview of what changes, and the change.

use crate::{
    console::{
        customer_write::{CustomerWrite, WriteOperation, commit},
        document::{in_words, list, spaced, text},
        layout::Content,
        page_request::{Outcome, PageRequest, Paged},
        pages::{
            customer::{customer_of, title_of},
            customers::level_names,
            four_eyes::writes_of_change,
            label_boxes::label_boxes,
        },
        parts::or_dash,
    },
    domain::{
        customer::status::CustomerStatus,
        rules::merchant::Merchant,
        vocabulary::{direction::Direction, words::Word},
    },
};
use maud::{Markup, html};
use serde_json::{Map, Value, json};

/// The fields that the form changes, as the service names them, with their labels.
const FIELDS: [(&str, &str); 4] = [
    ("deposit_level", "Deposit level"),
    ("withdrawal_level", "Withdrawal level"),
    ("status", "Status"),
    ("labels", "Labels"),
];

/// What the form wants, as members of the service's document.
fn wanted(request: &PageRequest) -> Map<String, Value> {
    let level = |key| match request.field(key) {
        "" => Value::Null,
        name => json!(name),
    };
    let labels: Vec<&str> = request.fields("label").collect();
    let members = [
        ("deposit_level", level("deposit_level")),
        ("withdrawal_level", level("withdrawal_level")),
        ("status", json!(request.field("status"))),
        ("labels", json!(labels)),
    ];
    members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

/// Whether two values of a field are the same. The order of labels has no meaning.
fn is_same(one: &Value, other: &Value) -> bool {
    let sorted = |value: &Value| {
        let mut words: Vec<String> = value.as_array().into_iter().flatten().map(in_words).collect();
        words.sort();
        words
    };
    one == other || (one.is_array() && other.is_array() && sorted(one) == sorted(other))
}

/// The members of `wanted` that differ from the customer.
fn differences(customer: &Value, wanted: Map<String, Value>) -> Map<String, Value> {
    wanted.into_iter().filter(|(key, value)| !is_same(&customer[key], value)).collect()
}

/// The choice of a level: the merchant's, the customer's present one, and none.
fn level_choice(merchant: &Merchant, direction: Direction, (key, label): (&str, &str), chosen: &str) -> Markup {
    let mut names = level_names(merchant, direction);
    let known = !chosen.is_empty() && !names.contains(chosen);
    html! {
        label class="field" {
            span { (label) }
            select name=(key) {
                option value="" selected[chosen.is_empty()] { "no level" }
                @if known { option value=(chosen) selected { (chosen) } }
                @for name in std::mem::take(&mut names) { option value=(name) selected[name == chosen] { (name) } }
            }
        }
    }
}

/// The form with the values of a document.
fn form(merchant: &Merchant, customer: &Value, shown: &Value) -> Markup {
    let labels: Vec<&str> = list(shown, "/labels").iter().filter_map(Value::as_str).collect();
    let status = text(shown, "/status");
    html! {
        form method="post" action="change" class="card narrow" {
            input type="hidden" name="modified_at" value=(text(customer, "/modified_at"));
            (level_choice(merchant, Direction::Deposit, FIELDS[0], text(shown, "/deposit_level")))
            (level_choice(merchant, Direction::Withdrawal, FIELDS[1], text(shown, "/withdrawal_level")))
            label class="field" {
                span { "Status" }
                select name="status" {
                    @for (word, _) in CustomerStatus::WORDS { option value=(word) selected[*word == status] { (spaced(word)) } }
                }
            }
            @if !merchant.labels.is_empty() {
                fieldset {
                    legend { "Labels" }
                    (label_boxes(merchant, "label", &labels))
                }
            }
            p class="actions" {
                button name="step" value="preview" { "Show what changes" } " "
                a href={ "../" (text(customer, "/customer_id")) } { "Cancel" }
            }
        }
    }
}

/// The consequences of a change.
fn effects(merchant: &Merchant, customer: &Value, changes: &Map<String, Value>) -> Vec<String> {
    let mut effects = Vec::new();
    for (key, direction) in [("deposit_level", "deposit"), ("withdrawal_level", "withdrawal")] {
        if !changes.contains_key(key) {
            continue;
        }
        effects.push(format!("The next {direction} is decided by the limits of the new level."));
        let settings =
            list(customer, "/settings").iter().filter(|settings| text(settings, "/direction") == direction).count();
        if merchant.reset_settings_on_level_change && settings > 0 {
            effects.push(format!("The individual payment settings for {direction}s are removed: {settings}."));
        }
    }
    match changes.get("status").and_then(Value::as_str) {
        Some("fraud") => effects.push("Every payment of the customer is denied from now on.".to_owned()),
        Some(_) if text(customer, "/status") == "fraud" => {
            effects.push("The customer is not blocked by the status any more.".to_owned());
        }
        _ => {}
    }
    effects
}

/// The changes, old and new, with a button that makes them.
fn preview(merchant: &Merchant, customer: &Value, changes: &Map<String, Value>, wanted: &Value) -> Markup {
    let effects = effects(merchant, customer, changes);
    html! {
        section class="card narrow" {
            h2 { "This will change" }
            table {
                thead { tr { th scope="col" { "Field" } th scope="col" { "Now" } th scope="col" { "Then" } } }
                tbody { @for (key, label) in FIELDS { @if let Some(value) = changes.get(key) { tr {
                    th scope="row" { (label) }
                    td class="old" { (or_dash(&spaced(&in_words(&customer[key])))) }
                    td class="new" { (or_dash(&spaced(&in_words(value)))) }
                } } } }
            }
            @if !effects.is_empty() { ul { @for effect in &effects { li { (effect) } } } }
            form method="post" action="change" {
                input type="hidden" name="modified_at" value=(text(customer, "/modified_at"));
                @for (key, _) in FIELDS {
                    @if key != "labels" { input type="hidden" name=(key) value=(text(wanted, &format!("/{key}"))); }
                }
                @for label in list(wanted, "/labels") {
                    input type="hidden" name="label" value=(label.as_str().unwrap_or_default());
                }
                p class="actions" {
                    button name="step" value="confirm" { "Change the customer" } " "
                    a href="change" { "Back" }
                }
            }
        }
    }
}

fn page(request: &PageRequest, merchant: &Merchant, customer: &Value, body: Markup) -> Outcome {
    let base = ["m", merchant.id.as_str(), "customers"];
    let content = Content::new("Change level, status or labels", body)
        .below("Customers", request.links.to(&base))
        .below(title_of(customer), request.links.to(&[&base[..], &[request.parameter("customer")]].concat()));
    Outcome::Page(content)
}

fn notice(words: &str) -> Markup {
    html! { div class="notice bad" role="alert" { p { (words) } } }
}

/// `GET .../customers/{customer}/change`
pub(in crate::console) fn show(request: &PageRequest) -> Paged {
    let merchant = request.merchant()?;
    let customer = customer_of(request, merchant)?;
    Ok(page(request, merchant, &customer, form(merchant, &customer, &customer)))
}

/// `POST .../customers/{customer}/change`: previews the change, or makes it.
pub(in crate::console) fn change(request: &PageRequest) -> Paged {
    let merchant = request.merchant()?;
    let (customers, number) = (request.customers(merchant), request.parameter("customer"));
    let customer = customer_of(request, merchant)?;
    let members = wanted(request);
    let shown = Value::Object(members.clone());
    let with_form = |words: &str| {
        let body = html! { (notice(words)) (form(merchant, &customer, &shown)) };
        Ok(page(request, merchant, &customer, body))
    };
    let changes = differences(&customer, members);
    if changes.is_empty() {
        return with_form("Nothing changes: the customer has these values already.");
    }
    let body = Value::Object(changes.clone()).to_string();
    if let Err(error) = customers.try_update(number, body.as_bytes()) {
        return if error.is_unavailable() { Err(error) } else { with_form(&error.detail) };
    }
    if request.field("step") != "confirm" {
        return Ok(page(request, merchant, &customer, preview(merchant, &customer, &changes, &shown)));
    }
    // The customer has changed since the preview, so the change would not be the confirmed one.
    if request.field("modified_at") != text(&customer, "/modified_at") {
        let body = html! {
            (notice("The customer has changed since the preview. Look at the changes again."))
            (preview(merchant, &customer, &changes, &shown))
        };
        return Ok(page(request, merchant, &customer, body));
    }
    let mut writes = writes_of_change(merchant, &customer, &changes).into_iter();
    if let Some(write) = writes.find(|write| request.requires_second_person(*write)) {
        return Ok(Outcome::NeedsSecondPerson(write));
    }
    let operation = WriteOperation::Update { body };
    match commit(request, &CustomerWrite { merchant: merchant.id, customer: number.to_owned(), operation }) {
        Ok(_) => {
            let address = request.links.to(&["m", merchant.id.as_str(), "customers", number]);
            Ok(Outcome::Redirect(format!("{address}?done=1")))
        }
        Err(error) if error.is_unavailable() => Err(error),
        Err(error) => with_form(&error.detail),
    }
}
