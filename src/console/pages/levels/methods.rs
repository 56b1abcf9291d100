//! The payment methods of a level: those that it edits, and those with the endpoint's settings.

use crate::{
    console::{
        document::{list, text, words_at},
        links::query_text,
        page_request::{PageRequest, Paged},
        pages::levels::{
            level_page::{LevelPage, entries, entry, names, optional},
            preview::LevelWrite,
        },
        parts::{choice, nothing, or_dash, text_field},
    },
    service::error::ServiceError,
};
use maud::{Markup, html};
use serde_json::{Value, json};

/// The tabs: the word of the query, and the name.
const LISTS: [(&str, &str); 2] = [("", "Edited"), ("default", "Default")];

/// A method of an endpoint in the currency of the level.
struct EndpointMethod<'v> {
    project: &'v str,
    endpoint: &'v str,
    settings: &'v Value,
}

/// The methods that the endpoints of the level's currency offer.
fn offered<'v>(merchant: &'v Value, currency: &str) -> Vec<EndpointMethod<'v>> {
    let projects = list(merchant, "/projects").iter();
    let endpoints = projects.flat_map(|project| list(project, "/endpoints").iter().map(move |one| (project, one)));
    let endpoints = endpoints.filter(|(_, endpoint)| text(endpoint, "/currency") == currency);
    let methods = endpoints.flat_map(|(project, endpoint)| {
        let (project, endpoint_id) = (text(project, "/id"), text(endpoint, "/id"));
        let methods = list(endpoint, "/methods").iter();
        methods.map(move |settings| EndpointMethod { project, endpoint: endpoint_id, settings })
    });
    methods.collect()
}

/// The merchant's document, which has the endpoints.
fn merchant_of(shown: &LevelPage<'_>) -> Result<Value, ServiceError> {
    let request = shown.request;
    let shows_name = |name| request.shows_name(name);
    request.read(request.console.parts.payments.merchant(shown.key.merchant.as_str(), &shows_name))
}

/// A value of a level, or the words for what applies below it.
fn value_or_default(method: &Value, key: &str) -> Markup {
    let words = words_at(method, &format!("/{key}"));
    if words.is_empty() {
        html! { span class="quiet" { "as the endpoint" } }
    } else {
        html! { (words) }
    }
}

fn edited(shown: &LevelPage<'_>, methods: &[Value]) -> Markup {
    let may_write = shown.request.may_write();
    html! {
        @if methods.is_empty() { (nothing("The level edits no method: those of the endpoints apply.")) } @else {
            div class="scroll" { table {
                thead { tr {
                    th scope="col" { "Method" } th scope="col" { "In the form" } th scope="col" class="number" { "Least" }
                    th scope="col" class="number" { "Most" } th scope="col" { "Gates" }
                } }
                tbody { @for method in methods {
                    @let name = text(method, "/method");
                    tr {
                        th scope="row" {
                            @if may_write {
                                a href={ (shown.to(&["methods", "change"])) (query_text([("method", name)])) } { (name) }
                            } @else { (name) }
                        }
                        td { (value_or_default(method, "show_in_form")) }
                        td class="number" { (value_or_default(method, "min_amount")) }
                        td class="number" { (value_or_default(method, "max_amount")) }
                        td { (value_or_default(method, "gates")) }
                    }
                } }
            } }
        }
    }
}

fn defaults(shown: &LevelPage<'_>, methods: &[EndpointMethod<'_>]) -> Markup {
    let may_write = shown.request.may_write();
    html! {
        @if methods.is_empty() { (nothing("Every method of the endpoints is edited by the level, or they offer none.")) } @else {
            div class="scroll" { table {
                thead { tr {
                    th scope="col" { "Method" } th scope="col" { "Project, endpoint" } th scope="col" { "In the form" }
                    th scope="col" class="number" { "Least" } th scope="col" class="number" { "Most" }
                    th scope="col" { "Gates" }
                } }
                tbody { @for EndpointMethod { project, endpoint, settings } in methods {
                    @let name = text(settings, "/method");
                    tr {
                        th scope="row" {
                            @if may_write {
                                a href={ (shown.to(&["methods", "change"])) (query_text([("method", name)])) } { (name) }
                            } @else { (name) }
                        }
                        td { (project) ", " (endpoint) }
                        td { (or_dash(&words_at(settings, "/show_in_form"))) }
                        td class="number" { (or_dash(text(settings, "/min_amount"))) }
                        td class="number" { (or_dash(text(settings, "/max_amount"))) }
                        td { (or_dash(&words_at(settings, "/gates"))) }
                    }
                } }
            } }
        }
    }
}

/// `GET .../levels/{direction}/{currency}/{level}/methods`
pub(in crate::console) fn methods(request: &PageRequest) -> Paged {
    let shown = LevelPage::of(request)?;
    let merchant = merchant_of(&shown)?;
    let methods = list(&shown.level, "/methods");
    let rest: Vec<EndpointMethod<'_>> = offered(&merchant, shown.currency())
        .into_iter()
        .filter(|one| entry(methods, "method", text(one.settings, "/method")).is_none())
        .collect();
    let wanted = if request.query("show") == "default" { "default" } else { "" };
    let counts = [methods.len(), rest.len()];
    let body = html! {
        nav class="tabs" aria-label="Methods" {
            @for ((word, name), count) in LISTS.into_iter().zip(counts) {
                @let to = format!("{}{}", shown.to(&["methods"]), query_text([("show", word)]));
                a href=(to) aria-current=[(word == wanted).then_some("page")] { (name) " (" (count) ")" }
            }
        }
        @if wanted.is_empty() { (edited(&shown, methods)) } @else { (defaults(&shown, &rest)) }
        p class="quiet" { "Amounts are in " (shown.currency()) ". A value that the level does not set is the endpoint's." }
    };
    Ok(shown.page("methods", &body))
}

/// The form with the settings of a method. `name`: the method; empty: it is typed.
fn form(shown: &LevelPage<'_>, name: &str, settings: &Value, is_edited: bool) -> Markup {
    let in_form = match settings["show_in_form"].as_bool() {
        Some(true) => "yes",
        Some(false) => "no",
        None => "",
    };
    html! {
        form method="post" class="card narrow" {
            (text_field("method", "Method", name, "card"))
            (choice("show_in_form", "Show in the payment form", in_form, "as the endpoint", ["yes", "no"]))
            (text_field("min_amount", "Least amount", text(settings, "/min_amount"), "as the endpoint"))
            (text_field("max_amount", "Most amount", text(settings, "/max_amount"), "as the endpoint"))
            (text_field("gates", "Gates and routes, in order, with commas", &words_at(settings, "/gates"), "as the level"))
            p class="actions" {
                button name="step" value="preview" { "Show what changes" } " "
                @if is_edited { button class="plain" name="reset" value="yes" { "Reset to default" } " " }
                a href=(shown.to(&["methods"])) { "Cancel" }
            }
        }
    }
}

fn write<'a>(shown: &LevelPage<'a>, name: &str) -> LevelWrite<'a> {
    let title = if name.is_empty() { "Add a method".to_owned() } else { format!("Method {name}") };
    shown.write(&title, "Change the level", "methods")
}

/// `GET .../levels/{direction}/{currency}/{level}/methods/change`: `?method=` names the method.
pub(in crate::console) fn show_method(request: &PageRequest) -> Paged {
    let shown = LevelPage::of(request)?;
    let name = request.query("method");
    let known = entry(list(&shown.level, "/methods"), "method", name);
    let form = form(&shown, name, known.unwrap_or(&Value::Null), known.is_some());
    Ok(write(&shown, name).page(form))
}

/// `POST .../levels/{direction}/{currency}/{level}/methods/change`: previews the settings, or sets or resets them.
pub(in crate::console) fn change_method(request: &PageRequest) -> Paged {
    let shown = LevelPage::of(request)?;
    let name = request.field("method");
    let show_in_form = match request.field("show_in_form") {
        "yes" => json!(true),
        "no" => json!(false),
        _ => Value::Null,
    };
    let method = json!({
        "method": optional(name),
        "show_in_form": show_in_form,
        "min_amount": optional(request.field("min_amount")),
        "max_amount": optional(request.field("max_amount")),
        "gates": names(request.field("gates")),
    });
    let mut settings = shown.settings();
    let mut methods = entries(&settings, "methods");
    let place = methods.iter().position(|known| known["method"] == json!(name));
    let is_default =
        method.as_object().is_some_and(|keys| keys.iter().all(|(key, value)| key == "method" || value.is_null()));
    match (place, is_default || request.field("reset") == "yes") {
        (Some(place), true) => _ = methods.remove(place),
        (Some(place), false) => methods[place] = method.clone(),
        // A method without settings stays as it is.
        (None, true) if !name.is_empty() => {}
        (None, _) => methods.push(method.clone()),
    }
    settings.insert("methods".to_owned(), Value::Array(methods));
    let form = form(&shown, name, &method, place.is_some());
    write(&shown, name).preview_or_commit(shown.put(settings), &form)
}
