//! The first page: the merchants that the person may see.

use crate::{
    console::{
        document::{list, spaced, text},
        layout::Content,
        page_request::{Outcome, PageRequest, Paged},
        parts::nothing,
    },
    domain::vocabulary::{calendar::Window, time::Millis},
    service::{decision_series::SeriesQuery, error::ServiceError},
    telemetry::decision_series::Resolution,
};
use maud::{Markup, html};
use serde_json::Value;

/// The decisions of a merchant's local day, as far as the daemon has counted them.
pub(super) struct Today {
    pub(super) allowed: u64,
    pub(super) denied: u64,
    /// Whether counting began after midnight: the daemon started today.
    pub(super) is_partial: bool,
}

/// Reads the decisions of today.
///
/// # Errors
/// The time is not known.
pub(super) fn today(request: &PageRequest, merchant: &str) -> Result<Today, ServiceError> {
    let payments = &request.console.parts.payments;
    let Some(merchant) = request.rules.merchant(merchant) else { return Err(ServiceError::internal()) };
    let begin = Millis(merchant.calendar.range(Window::Day, payments.time()?).from);
    let query = SeriesQuery { resolution: Resolution::Minute, from: Some(begin), to: None };
    let series = request.read(payments.decision_series(merchant, query))?;
    let total = |name: &str| series["totals"][name].as_u64().unwrap_or_default();
    let is_partial = Millis::parse(text(&series, "/since")).is_some_and(|since| since > begin);
    Ok(Today { allowed: total("allow"), denied: total("deny"), is_partial })
}

/// A row of the list.
fn row(request: &PageRequest, document: &Value) -> Result<Markup, ServiceError> {
    let id = text(document, "/id");
    let Some(merchant) = request.rules.merchant(id) else { return Ok(html! {}) };
    let customers = request.customers(merchant).count();
    let today = today(request, id)?;
    Ok(html! {
        tr {
            th scope="row" { a href=(request.links.to(&["m", id])) { (text(document, "/name")) } br; code { (id) } }
            td { (spaced(text(document, "/operation_mode"))) }
            td { (text(document, "/time_zone")) }
            td class="number" { (customers) }
            td class="number" { (today.allowed.saturating_add(today.denied)) @if today.is_partial { "*" } }
            td class="number" { (today.denied) @if today.is_partial { "*" } }
        }
    })
}

/// `GET /console`
pub(in crate::console) fn list_merchants(request: &PageRequest) -> Paged {
    let reaches = |id: crate::domain::vocabulary::names::Name| {
        request.token.as_ref().is_none_or(|token| token.reaches(id.as_str()).is_ok())
    };
    let page = request.read(Ok(request.console.parts.payments.merchants(reaches)))?;
    let sought = request.query("q").to_lowercase();
    let matches =
        |merchant: &&Value| ["/id", "/name"].iter().any(|path| text(merchant, path).to_lowercase().contains(&sought));
    let found: Vec<&Value> = list(&page, "/merchants").iter().filter(matches).collect();
    let rows = found.iter().map(|merchant| row(request, merchant)).collect::<Result<Vec<_>, _>>()?;
    let body = html! {
        form method="get" class="filters" role="search" {
            label class="field" { span { "Name or id" } input type="search" name="q" value=(request.query("q")); }
            div class="actions" { button { "Search" } }
        }
        @if rows.is_empty() {
            (nothing("No merchant has this name or id, or your token is for none."))
        } @else {
            div class="scroll" {
                table {
                    thead { tr {
                        th scope="col" { "Merchant" } th scope="col" { "Mode" } th scope="col" { "Time zone" }
                        th scope="col" class="number" { "Customers" }
                        th scope="col" class="number" { "Decisions today" }
                        th scope="col" class="number" { "Denied today" }
                    } }
                    tbody { @for row in &rows { (row) } }
                }
            }
            p class="quiet" { "Today begins at midnight in the time zone of the merchant. * counted since the daemon started." }
        }
    };
    Ok(Outcome::Page(Content::new("Merchants", body)))
}
