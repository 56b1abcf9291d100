//! Merges a customer into another one: the choice of the other, what happens, and the merge after the number was typed.

use crate::{
    config::FourEyesWrite,
    console::{
        customer_write::{CustomerWrite, WriteOperation, commit},
        document::{list, text},
        forms::{CONFIRMED_NUMBER, alert, buttons, change_table, hidden_fields, refusal_alert, typed_confirmation},
        links::query_text,
        page_request::{Outcome, PageRequest, Paged},
        pages::{
            customer::{after_change, customer_of, form_page, title_of},
            customers::full_name,
        },
        parts::{badge, facts, or_dash, time},
    },
    domain::{rules::merchant::Merchant, vocabulary::attributes::Attribute, vocabulary::words::Word},
    service::{documents::customers::search::customer_search, error::ServiceError},
};
use maud::{Markup, html};
use serde_json::{Value, json};
use std::borrow::Cow;

const TITLE: &str = "Merge into another customer";
/// The most customers with the same e-mail address, or the same phone number, that the form offers.
const LIKELY_MAX: &str = "10";
/// What a merge can change of the target, besides attributes.
const FIELDS: [&str; 6] =
    ["status", "labels", "other_identifiers", "merged_customers", "disabled_projects", "deletion_due"];

/// Other customers with the same e-mail address or phone number.
fn likely_targets(request: &PageRequest, merchant: &Merchant, customer: &Value) -> Result<Vec<Value>, ServiceError> {
    let mut found: Vec<Value> = Vec::new();
    for key in ["email", "phone"] {
        let value = text(customer, &format!("/{key}"));
        if value.is_empty() {
            continue;
        }
        let pairs =
            [(key, value), ("limit", LIKELY_MAX)].map(|(key, value)| (Cow::Borrowed(key), Cow::Borrowed(value)));
        let search = customer_search(pairs, merchant)?;
        let page = request.read(request.customers(merchant).find(search.as_ref()))?;
        let is_new = |other: &&Value| {
            let number = |customer: &Value| text(customer, "/customer_id").to_owned();
            number(other) != number(customer) && !found.iter().any(|known| number(known) == number(other))
        };
        let new: Vec<Value> = list(&page, "/customers").iter().filter(is_new).cloned().collect();
        found.extend(new);
    }
    Ok(found)
}

fn form(request: &PageRequest, merchant: &Merchant, customer: &Value) -> Result<Markup, ServiceError> {
    let likely = likely_targets(request, merchant, customer)?;
    let into = if request.field("into").is_empty() { request.query("into") } else { request.field("into") };
    Ok(html! {
        form method="post" action="merge" class="card narrow" {
            p { strong { (title_of(customer)) } " becomes a part of the other customer. Transactions, usage and instruments of both \
                 count as one from the next decision on, and all identifiers lead to the other customer. A merge cannot be taken back." }
            label class="field" { span { "The customer id of the other one, who stays" }
                input type="text" name="into" value=(into) inputmode="numeric" autocomplete="off" required; }
            p class="quiet" { "The list of customers finds the id: by e-mail, phone or name." }
            (buttons("preview", "Show what happens", text(customer, "/customer_id")))
        }
        @if !likely.is_empty() {
            section class="card narrow" {
                h2 { "The same e-mail or phone" }
                ul { @for other in &likely { li {
                    a href={ "merge" (query_text([("into", text(other, "/customer_id"))])) } { (title_of(other)) } " "
                    (badge(text(other, "/status")))
                } } }
            }
        }
    })
}

/// A customer in short.
fn summary(customer: &Value, merchant: &Merchant) -> Markup {
    facts(&[
        ("Customer id", or_dash(text(customer, "/customer_id"))),
        ("Identifier", or_dash(text(customer, "/merchant_customer_identifier"))),
        ("Name", or_dash(&full_name(customer))),
        ("E-mail", or_dash(text(customer, "/email"))),
        ("Status", badge(text(customer, "/status"))),
        ("Deposit level", or_dash(text(customer, "/deposit_level"))),
        ("Created", time(&merchant.calendar, text(customer, "/created_at"))),
    ])
}

/// The changes of the target: its present and its next values.
fn changes(now: &Value, then: &Value) -> Vec<(String, Value, Value)> {
    let attributes = Attribute::WORDS.iter().map(|(word, _)| *word);
    let row = |key: &str| (key.to_owned(), now[key].clone(), then[key].clone());
    let mut rows: Vec<(String, Value, Value)> = FIELDS.into_iter().chain(attributes).map(row).collect();
    // Lists of documents are shown by what names their members.
    for (key, path) in [("payment_instruments", "/payment_instrument"), ("limits", "/currency")] {
        let names = |customer: &Value| -> Value {
            list(customer, &format!("/{key}")).iter().map(|member| text(member, path)).collect()
        };
        if now[key] != then[key] {
            rows.push((key.to_owned(), names(now), names(then)));
        }
    }
    rows
}

fn preview(request: &PageRequest, merchant: &Merchant, source: &Value, (now, then): (&Value, &Value)) -> Markup {
    let number = text(source, "/customer_id");
    let rows = changes(now, then);
    let has_changes = rows.iter().any(|(_, now, then)| now != then);
    html! {
        section class="card" {
            div class="columns" {
                div { h2 { "Becomes a part" } (summary(source, merchant)) }
                div { h2 { "Stays" } (summary(now, merchant)) }
            }
        }
        section class="card" {
            h2 { "What changes of " (title_of(now)) }
            @if has_changes { (change_table(&rows)) }
            ul {
                li { "Usage and transactions of both count together: the limits of the next decision see the sum." }
                li { "Level, settings and rates of " (text(now, "/customer_id")) " remain. Of both customers' own limits the tighter apply." }
                li { "All identifiers of " (number) " lead to " (text(now, "/customer_id")) "." }
                li { "It cannot be taken back." }
            }
            @if request.is_confirmed_value_outdated("typed", number) { (alert(CONFIRMED_NUMBER)) } @else {
                form method="post" action="merge" {
                    (hidden_fields([("into", text(now, "/customer_id")), ("seen", &seen(source, now))]))
                    @if request.has_second_person { (hidden_fields([("typed", number)])) } @else {
                        (typed_confirmation("typed", &format!("Type {number}, the number of the customer who becomes a part"), ""))
                    }
                    (buttons("confirm", "Merge the customers", "merge"))
                }
            }
        }
    }
}

/// The state of both customers that a preview showed.
fn seen(source: &Value, target: &Value) -> String {
    format!("{} {}", text(source, "/modified_at"), text(target, "/modified_at"))
}

/// `GET .../customers/{customer}/merge`
pub(in crate::console) fn show(request: &PageRequest) -> Paged {
    let merchant = request.merchant()?;
    let customer = customer_of(request, merchant)?;
    Ok(form_page(request, merchant, &customer, (TITLE, form(request, merchant, &customer)?)))
}

/// `POST .../customers/{customer}/merge`: describes what happens, or merges.
pub(in crate::console) fn change(request: &PageRequest) -> Paged {
    let merchant = request.merchant()?;
    let (customers, source) = (request.customers(merchant), customer_of(request, merchant)?);
    // A merged customer is shown as the target, which is merged then.
    let number = text(&source, "/customer_id");
    let with =
        |notice: Markup, body: Markup| Ok(form_page(request, merchant, &source, (TITLE, html! { (notice) (body) })));
    let into = request.field("into");
    if into.is_empty() {
        return with(alert("Name the other customer."), form(request, merchant, &source)?);
    }
    let body = json!({ "into": into }).to_string();
    let tried = request.read(customers.customer(into)).and_then(|target| {
        let then = request.read(customers.try_merge(number, body.as_bytes()))?;
        Ok((target, then))
    });
    let (target, then) = match tried {
        Ok(tried) => tried,
        Err(error) if error.is_unavailable() => return Err(error),
        Err(error) => return with(refusal_alert(&error), form(request, merchant, &source)?),
    };
    let preview = preview(request, merchant, &source, (&target, &then));
    if request.field("step") != "confirm" {
        return with(html! {}, preview);
    }
    if request.field("seen") != seen(&source, &target) {
        return with(alert("A customer has changed since the preview. Look at what happens again."), preview);
    }
    if request.field("typed") != number {
        return with(alert("The typed number is not that of the customer. Nothing was changed."), preview);
    }
    // The customer ends, and the level, settings and rates of the other one decide for both.
    if let Some(write) = request.second_person_for([FourEyesWrite::Erase, FourEyesWrite::RaiseLimit]) {
        return Ok(Outcome::NeedsSecondPerson(write));
    }
    let operation = WriteOperation::Merge { body };
    match commit(request, &CustomerWrite { merchant: merchant.id, customer: number.to_owned(), operation }) {
        Ok(merged) => Ok(after_change(request, merchant, text(&merged, "/customer_id"), &[])),
        Err(error) if error.is_unavailable() => Err(error),
        Err(error) => with(refusal_alert(&error), form(request, merchant, &source)?),
    }
}
