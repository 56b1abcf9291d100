//! Individual payment settings of a customer: the page, and a form that sets them for a direction, a currency and a level.

use crate::{
    config::FourEyesWrite,
    console::{
        customer_write::{CustomerWrite, SettingsPlace, WriteOperation, commit},
        document::{list, text, words_at},
        forms::{alert, buttons, hidden_fields, refusal_alert},
        links::query_text,
        page_request::{Outcome, PageRequest, Paged},
        pages::{
            customer::{after_change, customer_of, form_page, page},
            customers::level_names,
            limits_chooser::currencies,
        },
        parts::{amount, facts, nothing, or_dash},
    },
    domain::{
        request::fields::{look_up_name, parse_currency, parse_word},
        rules::merchant::Merchant,
        vocabulary::{direction::Direction, names::Name, words::Word},
    },
    service::error::ServiceError,
};
use maud::{Markup, html};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// The fields that name the settings.
const PLACE_FIELDS: [&str; 3] = ["direction", "currency", "level"];
const GLOBAL_FIELDS: [(&str, &str); 2] = [("min_amount", "Least amount"), ("max_amount", "Most amount")];

/// The settings in words: the global limit and the methods.
fn in_words(settings: &Value) -> Markup {
    let currency = text(settings, "/currency");
    let bound = |path: &str| amount(text(settings, path), currency);
    let methods = list(settings, "/methods");
    html! {
        (facts(&[
            ("Least amount of a payment", bound("/global_limit/min_amount")),
            ("Most amount of a payment", bound("/global_limit/max_amount")),
        ]))
        @if !methods.is_empty() {
            div class="scroll" { table {
                thead { tr {
                    th scope="col" { "Method" } th scope="col" { "In the form" } th scope="col" { "Least" }
                    th scope="col" { "Most" } th scope="col" { "Gates" }
                } }
                tbody { @for method in methods { tr {
                    th scope="row" { (text(method, "/method")) }
                    td { (or_dash(&words_at(method, "/show_in_form"))) }
                    td { (amount(text(method, "/min_amount"), currency)) }
                    td { (amount(text(method, "/max_amount"), currency)) }
                    td { (or_dash(&words_at(method, "/gates"))) }
                } } }
            } }
        }
    }
}

fn is_empty(settings: &Value) -> bool {
    list(settings, "/methods").is_empty()
        && GLOBAL_FIELDS.iter().all(|(key, _)| settings["global_limit"][key].is_null())
}

/// Chooses the settings to set.
fn chooser(merchant: &Merchant) -> Markup {
    let levels: BTreeSet<&str> =
        Direction::WORDS.iter().flat_map(|(_, direction)| level_names(merchant, *direction)).collect();
    html! {
        form method="get" action="settings/change" class="card filters" {
            label class="field" { span { "Direction" } select name="direction" {
                @for (word, _) in Direction::WORDS { option value=(word) { (word) } }
            } }
            label class="field" { span { "Currency" } select name="currency" {
                @for currency in currencies(merchant) { option value=(currency) { (currency) } }
            } }
            label class="field" { span { "Level" } select name="level" {
                @for level in levels { option value=(level) { (level) } }
            } }
            div class="actions" { button { "Set individual settings" } }
        }
    }
}

/// `GET .../customers/{customer}/settings`
pub(in crate::console) fn show(request: &PageRequest) -> Paged {
    let merchant = request.merchant()?;
    let customer = customer_of(request, merchant)?;
    let all = list(&customer, "/settings");
    let body = html! {
        @if all.is_empty() { (nothing("The customer has no individual payment settings: those of the level apply.")) }
        @if request.may_write() { (chooser(merchant)) }
        @for settings in all {
            section class="card" {
                h2 { (text(settings, "/direction")) "s in " (text(settings, "/currency")) ", level " (text(settings, "/level")) }
                (in_words(settings))
                @if request.may_write() {
                    @let of = query_text(PLACE_FIELDS.map(|key| (key, settings[key].as_str().unwrap_or_default())));
                    p { a class="button plain" href={ "settings/change" (of) } { "Change these settings" } }
                }
            }
        }
    };
    Ok(page(request, merchant, &customer, ("settings", body)))
}

/// The settings that fields name.
fn place_of(request: &PageRequest, value: impl Fn(&str) -> String) -> Result<SettingsPlace, ServiceError> {
    let level_text = value("level");
    Ok(SettingsPlace {
        direction: parse_word::<Direction>("direction", &value("direction"))?,
        currency: parse_currency(&request.rules, &value("currency"))?,
        level: look_up_name("level", &level_text)?,
        level_text,
    })
}

/// The methods that the form offers: those of the endpoints with the currency, and those that are set.
fn method_names(merchant: &Merchant, place: &SettingsPlace, settings: &Value) -> BTreeSet<String> {
    let endpoints = merchant.projects.iter().flat_map(|project| &project.endpoints);
    let of_currency = endpoints.filter(|endpoint| endpoint.currency == place.currency);
    let offered = of_currency.flat_map(|endpoint| &endpoint.methods).map(|method| method.method.to_string());
    offered.chain(list(settings, "/methods").iter().map(|method| text(method, "/method").to_owned())).collect()
}

/// The settings that the form describes, as the service takes them.
fn wanted(request: &PageRequest) -> Value {
    let column = |key: &'static str| request.fields(key).map(str::trim).collect::<Vec<_>>();
    let (names, shows) = (column("method"), column("show_in_form"));
    let (least, most, gates) = (column("method_min"), column("method_max"), column("gates"));
    let mut methods = Vec::new();
    for (n, name) in names.iter().enumerate() {
        let cell = |column: &[&str]| column.get(n).copied().unwrap_or_default().to_owned();
        let mut method = Map::from_iter([("method".to_owned(), json!(name))]);
        match cell(&shows).as_str() {
            "yes" => _ = method.insert("show_in_form".to_owned(), json!(true)),
            "no" => _ = method.insert("show_in_form".to_owned(), json!(false)),
            _ => {}
        }
        for (key, value) in [("min_amount", cell(&least)), ("max_amount", cell(&most))] {
            if !value.is_empty() {
                method.insert(key.to_owned(), json!(value));
            }
        }
        let gates = cell(&gates);
        let gates: Vec<&str> = gates.split(',').map(str::trim).filter(|gate| !gate.is_empty()).collect();
        if !gates.is_empty() {
            method.insert("gates".to_owned(), json!(gates));
        }
        if method.len() > 1 {
            methods.push(Value::Object(method));
        }
    }
    let bound = |key: &str| match request.field(key) {
        "" => Value::Null,
        value => json!(value),
    };
    let global = json!({ "min_amount": bound("min_amount"), "max_amount": bound("max_amount") });
    json!({ "methods": methods, "global_limit": global })
}

fn place_fields(place: &SettingsPlace) -> [(&'static str, String); 3] {
    let SettingsPlace { direction, currency, level_text, .. } = place;
    [("direction", direction.word().to_owned()), ("currency", currency.to_string()), ("level", level_text.clone())]
}

fn form(merchant: &Merchant, place: &SettingsPlace, settings: &Value) -> Markup {
    let fields = place_fields(place);
    let gates =
        merchant.gates.iter().map(|gate| gate.id.as_str()).chain(merchant.routes.iter().map(|route| route.id.as_str()));
    let gates: Vec<&str> = gates.collect();
    html! {
        form method="post" action="change" class="card" {
            (hidden_fields(fields.iter().map(|(key, value)| (*key, value.as_str()))))
            fieldset {
                legend { "Global limit: the bounds of the amount of one payment, in " (place.currency.to_string()) }
                div class="filters" {
                    @for (key, label) in GLOBAL_FIELDS {
                        label class="field" { span { (label) }
                            input type="text" name=(key) value=(text(settings, &format!("/global_limit/{key}")))
                                inputmode="decimal" autocomplete="off"; }
                    }
                }
            }
            div class="scroll" { table {
                thead { tr {
                    th scope="col" { "Method" } th scope="col" { "In the form" } th scope="col" { "Least" }
                    th scope="col" { "Most" } th scope="col" { "Gates, with commas" }
                } }
                tbody { @for name in method_names(merchant, place, settings) {
                    @let known = list(settings, "/methods").iter().find(|method| text(method, "/method") == name);
                    @let method = known.unwrap_or(&Value::Null);
                    @let shows = words_at(method, "/show_in_form");
                    tr {
                        th scope="row" { (name) input type="hidden" name="method" value=(name); }
                        td { select name="show_in_form" aria-label={ "In the form, " (name) } {
                            option value="" { "as the level" }
                            option value="yes" selected[shows == "yes"] { "yes" }
                            option value="no" selected[shows == "no"] { "no" }
                        } }
                        @for (key, field, label) in [("min_amount", "method_min", "Least"), ("max_amount", "method_max", "Most")] {
                            td { input type="text" name=(field) value=(text(method, &format!("/{key}")))
                                aria-label={ (label) ", " (name) } inputmode="decimal" autocomplete="off"; }
                        }
                        td { input type="text" name="gates" value=(words_at(method, "/gates")) aria-label={ "Gates, " (name) }
                            list="gates" autocomplete="off"; }
                    }
                } }
            } }
            datalist id="gates" { @for gate in &gates { option value=(gate) {} } }
            p class="quiet" { "An empty field is as the level has it. Without any value the customer has no individual settings, \
                               which is the default of the level. Gates and routes: " (gates.join(", ")) "." }
            (buttons("preview", "Show what changes", "../settings"))
        }
    }
}

fn preview(request: &PageRequest, place: &SettingsPlace, (now, then): (&Value, &Value)) -> Markup {
    let fields = place_fields(place);
    let removes = is_empty(then);
    let shown = |settings: &Value| {
        if is_empty(settings) { nothing("None: the level's apply.") } else { in_words(settings) }
    };
    let sent = request.form.iter().filter(|(key, _)| key != "step" && key != "seen");
    html! {
        section class="card" {
            h2 { "This will change" }
            div class="columns" {
                div { h3 { "Now" } (shown(now)) }
                div { h3 { "Then" } (shown(then)) }
            }
            @if removes { p { "The individual settings are reset: the level's apply from the next payment on." } }
            @let warnings = list(then, "/warnings");
            @if !warnings.is_empty() { ul { @for warning in warnings { li { (warning.as_str().unwrap_or_default()) } } } }
            form method="post" action="change" {
                (hidden_fields(sent.map(|(key, value)| (key.as_str(), value.as_str()))))
                input type="hidden" name="seen" value=(now.to_string());
                @let back = query_text(fields.iter().map(|(key, value)| (*key, value.as_str())));
                (buttons("confirm", if removes { "Reset to the level's" } else { "Set the settings" }, &format!("change{back}")))
            }
        }
    }
}

fn title(place: &SettingsPlace) -> String {
    let SettingsPlace { direction, currency, level_text, .. } = place;
    format!("Individual settings: {}s in {currency}, level {level_text}", direction.word())
}

/// `GET .../customers/{customer}/settings/change`
pub(in crate::console) fn form_page_of(request: &PageRequest) -> Paged {
    let merchant = request.merchant()?;
    let customer = customer_of(request, merchant)?;
    if request.query("direction").is_empty() {
        let address = ["m", merchant.id.as_str(), "customers", request.parameter("customer"), "settings"];
        return Ok(Outcome::Redirect(request.links.to(&address)));
    }
    let place = place_of(request, |key| request.query(key).to_owned())?;
    let settings = request.read(request.customers(merchant).settings(request.parameter("customer"), place.key()))?;
    let body = form(merchant, &place, &settings);
    Ok(form_page(request, merchant, &customer, (&title(&place), body)))
}

/// `POST .../customers/{customer}/settings/change`: previews the settings, or sets them.
pub(in crate::console) fn change(request: &PageRequest) -> Paged {
    let merchant = request.merchant()?;
    let number = request.parameter("customer");
    let customer = customer_of(request, merchant)?;
    let place = place_of(request, |key| request.field(key).to_owned())?;
    let customers = request.customers(merchant);
    let now = request.read(customers.settings(number, place.key()))?;
    let wanted = wanted(request);
    let with = |notice: Markup, body: Markup| {
        Ok(form_page(request, merchant, &customer, (&title(&place), html! { (notice) (body) })))
    };
    let body = wanted.to_string();
    let then = match customers.try_settings(number, place.key(), body.as_bytes()) {
        Ok(reply) => request.read(Ok(reply))?,
        Err(error) if error.is_unavailable() => return Err(error),
        Err(error) => return with(refusal_alert(&error), form(merchant, &place, &wanted)),
    };
    let preview = preview(request, &place, (&now, &then));
    if request.field("step") != "confirm" {
        return with(html! {}, preview);
    }
    let seen = now.to_string();
    if request.field("seen") != seen {
        return with(alert("The settings have changed since the preview. Look at the changes again."), preview);
    }
    // They may allow more than the level.
    if request.requires_second_person(FourEyesWrite::RaiseLimit) {
        return Ok(Outcome::NeedsSecondPerson(FourEyesWrite::RaiseLimit));
    }
    let operation = match is_empty(&then) {
        true => WriteOperation::DeleteSettings { place: place.clone() },
        false => WriteOperation::PutSettings { place: place.clone(), body },
    };
    let merchant_id: Name = merchant.id;
    match commit(request, &CustomerWrite { merchant: merchant_id, customer: number.to_owned(), operation }) {
        Ok(_) => Ok(after_change(request, merchant, number, &["settings"])),
        Err(error) if error.is_unavailable() => Err(error),
        Err(error) => with(refusal_alert(&error), form(merchant, &place, &wanted)),
    }
}
