//! Edits the profile of a customer: a form, a preview of what changes, and the change.

use crate::{
    config::FourEyesWrite,
    console::{
        customer_write::{CustomerWrite, WriteOperation, commit},
        document::{list, text},
        forms::{alert, buttons, change_table, hidden_fields, refusal_alert},
        page_request::{Outcome, PageRequest, Paged},
        pages::{
            customer::{after_change, customer_of, form_page},
            customers::profile_fields::{CONTACT_FIELDS, FURTHER_FIELDS, ProfileField, all_fields, fault_of, members},
        },
    },
    domain::rules::merchant::Merchant,
    service::error::ServiceError,
};
use maud::{Markup, html};
use serde_json::{Map, Value, json};

const TITLE: &str = "Edit the profile";

/// The members of the form that differ from the customer.
fn differences(request: &PageRequest, customer: &Value) -> Map<String, Value> {
    // A field that the form does not have stays as it is.
    let is_sent = |name: &str| request.form.iter().any(|(key, _)| key == name);
    let sent = all_fields().filter(|field| is_sent(field.name));
    let mut wanted = members(sent, |name| request.field(name).to_owned());
    // A form keeps the end of a line as two characters.
    if let Some(Value::String(comment)) = wanted.get_mut("comment") {
        *comment = comment.replace("\r\n", "\n");
    }
    if is_sent("modified_at") {
        let projects: Vec<&str> = request.fields("disabled_project").collect();
        wanted.insert("disabled_projects".to_owned(), json!(projects));
    }
    wanted.retain(|key, value| {
        let sorted = |value: &Value| {
            let mut words: Vec<String> = value.as_array().into_iter().flatten().map(Value::to_string).collect();
            words.sort();
            words
        };
        let known = &customer[key.as_str()];
        *known != *value && !(value.is_array() && sorted(known) == sorted(value))
    });
    wanted
}

/// Whether the customer could not pay in a project, and can now.
fn opens_project(customer: &Value, changes: &Map<String, Value>) -> bool {
    let Some(then) = changes.get("disabled_projects") else { return false };
    list(customer, "/disabled_projects").iter().any(|project| !list(then, "").contains(project))
}

/// The form with the values of the customer, or those that were sent.
fn form(
    merchant: &Merchant,
    customer: &Value,
    value: impl Fn(&ProfileField) -> String,
    (disabled, error): (&[String], Option<&ServiceError>),
) -> Markup {
    let control = |field: &ProfileField| field.control(&value(field), false, fault_of(error, field.name));
    let is_shown = all_fields().any(|field| fault_of(error, field.name).is_some());
    html! {
        @if let Some(error) = error.filter(|_| !is_shown) { (refusal_alert(error)) }
        form method="post" action="edit" class="card" {
            input type="hidden" name="modified_at" value=(text(customer, "/modified_at"));
            div class="filters" { @for field in &CONTACT_FIELDS { (control(field)) } }
            div class="filters" { @for field in &FURTHER_FIELDS { (control(field)) } }
            fieldset {
                legend { "Projects in which the customer cannot pay" }
                @for project in &merchant.projects {
                    @let id = project.id.as_str();
                    label class="check" {
                        input type="checkbox" name="disabled_project" value=(id) checked[disabled.iter().any(|known| known == id)];
                        " " (id)
                    }
                }
            }
            p class="quiet" { "An empty field removes the value. Levels, status and labels have a form of their own." }
            (buttons("preview", "Show what changes", text(customer, "/customer_id")))
        }
    }
}

fn preview(request: &PageRequest, customer: &Value, changes: &Map<String, Value>) -> Markup {
    let rows: Vec<(String, Value, Value)> =
        changes.iter().map(|(key, value)| (key.clone(), customer[key.as_str()].clone(), value.clone())).collect();
    let sent = request.form.iter().filter(|(key, _)| key != "step" && key != "modified_at");
    html! {
        section class="card" {
            h2 { "This will change" }
            (change_table(&rows))
            form method="post" action="edit" {
                (hidden_fields(sent.map(|(key, value)| (key.as_str(), value.as_str()))))
                input type="hidden" name="modified_at" value=(text(customer, "/modified_at"));
                (buttons("confirm", "Change the profile", "edit"))
            }
        }
    }
}

/// `GET .../customers/{customer}/edit`
pub(in crate::console) fn show(request: &PageRequest) -> Paged {
    let merchant = request.merchant()?;
    let customer = customer_of(request, merchant)?;
    let disabled: Vec<String> =
        list(&customer, "/disabled_projects").iter().filter_map(Value::as_str).map(str::to_owned).collect();
    let body = form(merchant, &customer, |field| field.text_of(&customer), (&disabled, None));
    Ok(form_page(request, merchant, &customer, (TITLE, body)))
}

/// `POST .../customers/{customer}/edit`: previews the change, or makes it.
pub(in crate::console) fn change(request: &PageRequest) -> Paged {
    let merchant = request.merchant()?;
    let number = request.parameter("customer");
    let customer = customer_of(request, merchant)?;
    let disabled: Vec<String> = request.fields("disabled_project").map(str::to_owned).collect();
    let page_with =
        |notice: Markup, body: Markup| Ok(form_page(request, merchant, &customer, (TITLE, html! { (notice) (body) })));
    let sent = |error| form(merchant, &customer, |field| request.field(field.name).to_owned(), (&disabled, error));
    let changes = differences(request, &customer);
    if changes.is_empty() {
        return page_with(alert("Nothing changes: the customer has these values already."), sent(None));
    }
    let body = Value::Object(changes.clone()).to_string();
    match request.customers(merchant).try_update(number, body.as_bytes()) {
        Ok(_) => {}
        Err(error) if error.is_unavailable() => return Err(error),
        Err(error) => return page_with(html! {}, sent(Some(&error))),
    }
    let preview = preview(request, &customer, &changes);
    if request.field("step") != "confirm" {
        return page_with(html! {}, preview);
    }
    if request.field("modified_at") != text(&customer, "/modified_at") {
        let words = "The customer has changed since the preview. Look at the changes again.";
        return page_with(alert(words), preview);
    }
    if opens_project(&customer, &changes) && request.requires_second_person(FourEyesWrite::Unblock) {
        return Ok(Outcome::NeedsSecondPerson(FourEyesWrite::Unblock));
    }
    let operation = WriteOperation::Update { body };
    match commit(request, &CustomerWrite { merchant: merchant.id, customer: number.to_owned(), operation }) {
        Ok(_) => Ok(after_change(request, merchant, number, &[])),
        Err(error) if error.is_unavailable() => Err(error),
        Err(error) => page_with(html! {}, sent(Some(&error))),
    }
}
