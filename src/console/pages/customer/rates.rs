//! Personal exchange rates of a customer: the page, and the form that sets all of them.

use crate::{
    config::FourEyesWrite,
    console::{
        customer_write::{CustomerWrite, WriteOperation, commit},
        document::{list, text, words_at},
        forms::{alert, buttons, hidden_fields, refusal_alert},
        page_request::{Outcome, PageRequest, Paged},
        pages::customer::{after_change, customer_of, form_page, page},
        parts::{nothing, time},
    },
    domain::vocabulary::{calendar::Calendar, time::Millis},
};
use maud::{Markup, html};
use serde_json::{Value, json};

/// The columns of the form: the field of the service, the label, and a hint.
const COLUMNS: [(&str, &str, &str); 5] = [
    ("units", "Units", "1"),
    ("from", "From", "EUR"),
    ("rate", "Are worth", "1.0872"),
    ("to", "To", "USD"),
    ("valid_from", "Valid from", "2026-11-20, or a time; empty: always"),
];
const TITLE: &str = "Personal exchange rates";

fn rate_table(rates: &[Value], calendar: &Calendar) -> Markup {
    if rates.is_empty() {
        return nothing("The customer has no personal exchange rates: those of the merchant apply.");
    }
    html! {
        div class="scroll" { table {
            thead { tr { th scope="col" { "Amount" } th scope="col" { "Is worth" } th scope="col" { "Valid from" } } }
            tbody { @for rate in rates { tr {
                th scope="row" { (words_at(rate, "/units")) " " (text(rate, "/from")) }
                td class="amount" { (words_at(rate, "/rate")) " " (text(rate, "/to")) }
                td { @if is_always(rate) { "always" } @else { (time(calendar, text(rate, "/valid_from"))) } }
            } } }
        } }
    }
}

/// Whether a rate is valid from the beginning of time on.
fn is_always(rate: &Value) -> bool {
    Millis::parse(text(rate, "/valid_from")) == Some(Millis(0))
}

/// `GET .../customers/{customer}/rates`
pub(in crate::console) fn show(request: &PageRequest) -> Paged {
    let merchant = request.merchant()?;
    let customer = customer_of(request, merchant)?;
    let body = html! {
        (rate_table(list(&customer, "/rates"), &merchant.calendar))
        p class="quiet" { "A rate is read in both directions. A conversion for the customer uses the newest rate of the pair that is \
                           valid, before the common table." }
        @if request.may_write() { p { a class="button" href="rates/change" { "Change the rates" } } }
    };
    Ok(page(request, merchant, &customer, ("rates", body)))
}

/// The rates that the form describes. A row without a rate is removed. `calendar` reads a date as its first instant.
fn wanted(request: &PageRequest, calendar: &Calendar) -> Vec<Value> {
    let columns = COLUMNS.map(|(key, ..)| request.fields(key).map(str::trim).collect::<Vec<_>>());
    let rows = columns[2].len();
    let mut rates = Vec::new();
    for n in 0..rows {
        let [units, from, rate, to, valid_from] = [0, 1, 2, 3, 4]
            .map(|column: usize| columns.get(column).and_then(|c| c.get(n)).copied().unwrap_or_default());
        if rate.is_empty() {
            continue;
        }
        let mut document = json!({ "from": from, "to": to, "rate": rate });
        if !units.is_empty() {
            document["units"] = units.parse::<u32>().map_or_else(|_| json!(units), |units| json!(units));
        }
        if !valid_from.is_empty() {
            let day = calendar.day(valid_from).map(|day| Millis(day.from).to_string());
            document["valid_from"] = json!(day.unwrap_or_else(|| valid_from.to_owned()));
        }
        rates.push(document);
    }
    rates
}

fn form(rates: &[Value]) -> Markup {
    let empty = [json!({}), json!({})];
    let value = |rate: &Value, key: &str| match key {
        "valid_from" if is_always(rate) => String::new(),
        _ => words_at(rate, &format!("/{key}")),
    };
    html! {
        form method="post" action="change" class="card" {
            div class="scroll" { table {
                thead { tr { @for (_, label, _) in COLUMNS { th scope="col" { (label) } } } }
                tbody { @for rate in rates.iter().chain(&empty) { tr {
                    @for (key, label, hint) in COLUMNS { td {
                        input type="text" name=(key) value=(value(rate, key)) placeholder=(hint) aria-label=(label)
                            autocomplete="off";
                    } }
                } } }
            } }
            p class="quiet" { "A row without a rate is removed. Without any row the customer has no personal rates." }
            (buttons("preview", "Show what changes", "../rates"))
        }
    }
}

/// `GET .../customers/{customer}/rates/change`
pub(in crate::console) fn form_page_of(request: &PageRequest) -> Paged {
    let merchant = request.merchant()?;
    let customer = customer_of(request, merchant)?;
    Ok(form_page(request, merchant, &customer, (TITLE, form(list(&customer, "/rates")))))
}

/// `POST .../customers/{customer}/rates/change`: previews the rates, or sets them.
pub(in crate::console) fn change(request: &PageRequest) -> Paged {
    let merchant = request.merchant()?;
    let number = request.parameter("customer");
    let customer = customer_of(request, merchant)?;
    let rates = wanted(request, &merchant.calendar);
    let body = json!({ "rates": rates }).to_string();
    let with =
        |notice: Markup, body: Markup| Ok(form_page(request, merchant, &customer, (TITLE, html! { (notice) (body) })));
    match request.customers(merchant).try_update(number, body.as_bytes()) {
        Ok(true) => {}
        Ok(false) => return with(alert("Nothing changes: the customer has these rates already."), form(&rates)),
        Err(error) if error.is_unavailable() => return Err(error),
        Err(error) => return with(refusal_alert(&error), form(&rates)),
    }
    let (now, seen) = (list(&customer, "/rates"), customer["rates"].to_string());
    let sent = request.form.iter().filter(|(key, _)| key != "step" && key != "seen");
    let shown: Vec<Value> = rates
        .iter()
        .map(|rate| {
            let mut rate = rate.clone();
            if rate["units"].is_null() {
                rate["units"] = json!(1);
            }
            if rate["valid_from"].is_null() {
                rate["valid_from"] = json!(Millis(0).to_string());
            }
            rate
        })
        .collect();
    let preview = html! {
        section class="card" {
            h2 { "This will change" }
            div class="columns" {
                div { h3 { "Now" } (rate_table(now, &merchant.calendar)) }
                div { h3 { "Then" } (rate_table(&shown, &merchant.calendar)) }
            }
            form method="post" action="change" {
                (hidden_fields(sent.map(|(key, value)| (key.as_str(), value.as_str()))))
                input type="hidden" name="seen" value=(seen);
                (buttons("confirm", "Set the rates", "change"))
            }
        }
    };
    if request.field("step") != "confirm" {
        return with(html! {}, preview);
    }
    if request.field("seen") != seen {
        return with(alert("The rates have changed since the preview. Look at the changes again."), preview);
    }
    // They may make amounts count for less.
    if request.requires_second_person(FourEyesWrite::RaiseLimit) {
        return Ok(Outcome::NeedsSecondPerson(FourEyesWrite::RaiseLimit));
    }
    let operation = WriteOperation::Update { body };
    match commit(request, &CustomerWrite { merchant: merchant.id, customer: number.to_owned(), operation }) {
        Ok(_) => Ok(after_change(request, merchant, number, &["rates"])),
        Err(error) if error.is_unavailable() => Err(error),
        Err(error) => with(refusal_alert(&error), form(&rates)),
    }
}
