//! Sets the conversion rates: a form, a preview of old and new, and the change.

use crate::{
    console::{
        document::text,
        layout::Content,
        page_request::{Outcome, PageRequest, Paged},
        pages::operator::rates::{rates_of, table_of},
        parts::{or_dash, text_field},
    },
    service::{
        configuration::change::{ConfigurationAction, ConfigurationChange},
        error::ServiceError,
    },
};
use maud::{Markup, html};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// The empty rows of the form.
const EMPTY_ROWS: usize = 3;
/// The single values of the form, with their labels and hints.
const FIELDS: [(&str, &str, &str); 3] = [
    ("base", "Base currency", "EUR"),
    ("as_of", "Rates of (RFC 3339)", "2026-11-20T10:00:00Z"),
    ("max_age", "Too old after", "2d"),
];

/// The table that the form describes, as the service takes it. A row without a rate removes the currency.
fn wanted(request: &PageRequest) -> Value {
    let [currencies, rates] = ["currency", "rate"].map(|key| request.fields(key).map(str::trim).collect::<Vec<_>>());
    let rows = currencies.iter().zip(&rates).filter(|(currency, rate)| !currency.is_empty() && !rate.is_empty());
    let table: Map<String, Value> = rows.map(|(currency, rate)| (currency.to_uppercase(), json!(rate))).collect();
    let mut members = Map::new();
    for (key, ..) in FIELDS {
        let value = request.field(key);
        if !value.is_empty() {
            members.insert(key.to_owned(), json!(value));
        }
    }
    members.insert("rates".to_owned(), Value::Object(table));
    Value::Object(members)
}

fn form(rates: &Value, version: &str) -> Markup {
    let rows = table_of(rates).into_iter().chain(std::iter::repeat_n(("", ""), EMPTY_ROWS));
    html! {
        form method="post" action="change" class="card narrow" {
            input type="hidden" name="version" value=(version);
            @for (key, label, hint) in FIELDS { (text_field(key, label, text(rates, &format!("/{key}")), hint)) }
            div class="scroll" { table {
                thead { tr { th scope="col" { "Currency" } th scope="col" { "Units for one of the base" } } }
                tbody { @for (currency, rate) in rows { tr {
                    td { input type="text" name="currency" value=(currency) aria-label="Currency" autocomplete="off"; }
                    td { input type="text" name="rate" value=(rate) aria-label={ "Rate " (currency) } inputmode="decimal" autocomplete="off"; }
                } } }
            } }
            p class="quiet" { "A row without a rate removes the currency. The new time must not be before that in force." }
            p class="actions" { button name="step" value="preview" { "Show what changes" } " " a href="../rates" { "Cancel" } }
        }
    }
}

/// What differs between two tables: the name of the row, old and new.
fn differences<'v>(old: &'v Value, new: &'v Value) -> Vec<(String, &'v str, &'v str)> {
    let mut rows: Vec<(String, &str, &str)> = FIELDS
        .iter()
        .map(|(key, label, _)| ((*label).to_owned(), text(old, &format!("/{key}")), text(new, &format!("/{key}"))))
        .collect();
    let [before, after] = [old, new].map(table_of);
    let currencies: BTreeSet<&str> = before.iter().chain(&after).map(|(currency, _)| *currency).collect();
    let rate = |table: &[(&'v str, &'v str)], wanted: &str| {
        table.iter().find(|(currency, _)| *currency == wanted).map_or("", |(_, rate)| *rate)
    };
    rows.extend(currencies.into_iter().map(|one| (one.to_owned(), rate(&before, one), rate(&after, one))));
    rows.retain(|(_, old, new)| old != new);
    rows
}

fn preview(old: &Value, new: &Value, warnings: &[String]) -> Markup {
    html! {
        section class="card narrow" {
            h2 { "This will change" }
            table {
                thead { tr { th scope="col" { "Value" } th scope="col" { "Now" } th scope="col" { "Then" } } }
                tbody { @for (name, old, new) in differences(old, new) { tr {
                    th scope="row" { (name) } td class="old" { (or_dash(old)) } td class="new" { (or_dash(new)) }
                } } }
            }
            @if !warnings.is_empty() {
                div class="notice" { p { "Warnings" } ul { @for warning in warnings { li { (warning) } } } }
            }
            form method="post" action="change" {
                input type="hidden" name="version" value=(text(old, "/version"));
                @for (key, ..) in FIELDS { input type="hidden" name=(key) value=(text(new, &format!("/{key}"))); }
                @for (currency, rate) in table_of(new) {
                    input type="hidden" name="currency" value=(currency);
                    input type="hidden" name="rate" value=(rate);
                }
                p class="actions" { button name="step" value="confirm" { "Set the rates" } " " a href="change" { "Back" } }
            }
        }
    }
}

fn page(request: &PageRequest, body: Markup) -> Paged {
    let content = Content::new("Change the rates", body).below("Rates", request.links.to(&["rates"]));
    Ok(Outcome::Page(content))
}

fn alert(words: &str) -> Markup {
    html! { div class="notice bad" role="alert" { p { (words) } } }
}

/// `GET /console/rates/change`
pub(in crate::console) fn show(request: &PageRequest) -> Paged {
    let mut rates = rates_of(request)?;
    let version = text(&rates, "/version").to_owned();
    // The table in force has its own time; a new one is of now.
    rates["as_of"] = json!(request.console.parts.payments.time()?.to_string());
    page(request, form(&rates, &version))
}

/// `POST /console/rates/change`: previews the rates, or sets them.
pub(in crate::console) fn change(request: &PageRequest) -> Paged {
    let parts = &request.console.parts;
    let (old, new) = (rates_of(request)?, wanted(request));
    let action = ConfigurationAction::PutRates(new.to_string().into_bytes());
    let by = request.token.as_ref().map(|token| token.name);
    let change = ConfigurationChange { action, by, at: parts.payments.time()? };
    let refused = |error: ServiceError| {
        if error.is_unavailable() {
            return Err(error);
        }
        let problems = html! {
            div class="notice bad" role="alert" {
                p { (error.detail) }
                @if !error.problems.is_empty() { ul { @for problem in &error.problems { li { (problem) } } } }
            }
            (form(&new, text(&old, "/version")))
        };
        page(request, problems)
    };
    let outcome = match parts.status.control.try_configure(&change) {
        Ok(trial) => trial.outcome,
        Err(error) => return refused(error),
    };
    let is_confirmed = request.field("step") == "confirm";
    let has_changed = request.field("version") != text(&old, "/version");
    if !is_confirmed || has_changed {
        let body = html! {
            @if is_confirmed { (alert("The rates have changed since the preview. Look at the changes again.")) }
            @if differences(&old, &new).is_empty() {
                (alert("Nothing changes: these rates are in force already."))
                (form(&new, text(&old, "/version")))
            } @else { (preview(&old, &new, &outcome.warnings)) }
        };
        return page(request, body);
    }
    match parts.status.control.configure(&change) {
        Ok(outcome) => {
            request.read(Ok(parts.payments.rates_after_change(&outcome)))?;
            Ok(Outcome::Redirect(format!("{}?done=1", request.links.to(&["rates"]))))
        }
        Err(error) => refused(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_by_value() {
        let old = json!({ "base": "EUR", "as_of": "a", "rates": { "USD": "1.08", "GBP": "0.8" } });
        let new = json!({ "base": "EUR", "as_of": "b", "rates": { "USD": "1.09", "GBP": "0.8", "JPY": "160" } });
        let rows = differences(&old, &new);
        let names: Vec<&str> = rows.iter().map(|(name, ..)| name.as_str()).collect();
        assert_eq!(names, ["Rates of (RFC 3339)", "JPY", "USD"]);
        assert_eq!((rows[1].1, rows[1].2), ("", "160"));
    }
}
