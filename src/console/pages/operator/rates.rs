//! The conversion rates: the table, its age, where it comes from.

use crate::{
    console::{
        document::{in_words, text},
        layout::Content,
        page_request::{Outcome, PageRequest, Paged},
        pages::operator::duration,
        parts::{badge, facts, nothing, or_dash, time},
    },
    domain::vocabulary::{calendar::Calendar, time::Millis},
    service::error::ServiceError,
};
use maud::{Markup, html};
use serde_json::Value;

/// The document of the rates, as far as the person may see it.
pub(super) fn rates_of(request: &PageRequest) -> Result<Value, ServiceError> {
    // Tokens for all merchants set the rates. A token for some merchants does not see their names.
    let names_author = request.token.as_ref().is_none_or(|token| token.merchants.is_none());
    request.read(Ok(request.console.parts.payments.rates(names_author)))
}

/// The currencies and rates of a document, in its order.
pub(super) fn table_of(rates: &Value) -> Vec<(&str, &str)> {
    let members = rates["rates"].as_object().into_iter().flatten();
    members.map(|(currency, rate)| (currency.as_str(), rate.as_str().unwrap_or_default())).collect()
}

/// The age of the table, and whether it is too old.
fn age(request: &PageRequest, rates: &Value) -> Markup {
    let now = request.console.parts.payments.time().ok();
    let as_of = Millis::parse(text(rates, "/as_of"));
    let Some((now, as_of)) = now.zip(as_of) else { return html! { (or_dash("")) " The table has no time." } };
    let age_ms = now.0.saturating_sub(as_of.0).max(0);
    let is_stale = request.rules.rates.max_age_ms.is_some_and(|max_age_ms| age_ms > max_age_ms);
    html! { (duration::in_words(age_ms)) " " (badge(if is_stale { "too_old" } else { "in_date" })) }
}

/// `GET /console/rates`
pub(in crate::console) fn show(request: &PageRequest) -> Paged {
    let rates = rates_of(request)?;
    let base = text(&rates, "/base");
    let table = table_of(&rates);
    let origin = match (text(&rates, "/origin"), text(&rates, "/by")) {
        ("api", "") => "the API".to_owned(),
        ("api", by) => format!("the API, by {by}"),
        ("file", _) => "rates.toml".to_owned(),
        (other, _) => other.to_owned(),
    };
    let utc = Calendar::utc();
    let about = [
        ("Base", or_dash(base)),
        ("Rates of", time(utc, text(&rates, "/as_of"))),
        ("Age", age(request, &rates)),
        ("Too old after", or_dash(text(&rates, "/max_age"))),
        ("Set by", or_dash(&origin)),
        ("Set at", time(utc, text(&rates, "/modified"))),
        ("Version", html! { code { (in_words(&rates["version"])) } }),
    ];
    let body = html! {
        @if request.query("done") == "1" { div class="notice good" role="status" { p { "The rates are set." } } }
        section class="card" { h2 { "Table" } (facts(&about)) }
        @if table.is_empty() {
            (nothing("There are no rates: a limit counts payments in its own currency only."))
        } @else {
            div class="scroll" { table {
                thead { tr { th scope="col" { "Currency" } th scope="col" class="number" { "Units for one " (base) } } }
                tbody { @for (currency, rate) in &table { tr {
                    th scope="row" { (currency) } td class="number" { (rate) }
                } } }
            } }
        }
        @if request.may_operate_daemon() { p { a class="button" href="rates/change" { "Change the rates" } } }
        p class="quiet" {
            "Of two tables the one with the later time is in force: that of " code { "rates.toml" } " or that of the API. With \
             rates that are too old, payments that need one are decided as the filter says."
        }
    };
    Ok(Outcome::Page(Content::new("Rates", body)))
}
