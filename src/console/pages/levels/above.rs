//! The customers above a limit of a level now.

use crate::{
    console::{
        document::{list, text},
        page_request::{PageRequest, Paged},
        pages::{levels::level_page::LevelPage, usage_bars::usage_cell},
        parts::{nothing, pager, time},
    },
    service::configuration::above_limit::AboveLimitRequest,
};
use maud::html;
use std::borrow::Cow;

/// The customers of a page.
const PAGE_LIMIT: &str = "50";

/// `GET .../levels/{direction}/{currency}/{level}/above`
pub(in crate::console) fn above(request: &PageRequest) -> Paged {
    let shown = LevelPage::of(request)?;
    // Without a name the first limit is meant.
    let first = || list(&shown.level, "/filters").first().map_or("", |filter| text(filter, "/name"));
    let filter = Some(request.query("filter")).filter(|name| !name.is_empty()).unwrap_or_else(first);
    if filter.is_empty() {
        return Ok(shown.page("filters", &nothing("The level limits nothing.")));
    }
    let sent = [("filter", filter), ("limit", PAGE_LIMIT), ("cursor", request.query("cursor"))];
    let sent = sent.into_iter().filter(|(_, value)| !value.is_empty());
    let asked = AboveLimitRequest::read(sent.map(|(key, value)| (Cow::Borrowed(key), Cow::Borrowed(value))))?;
    let payments = &request.console.parts.payments;
    let page = request.read(payments.above_limit((&request.rules, shown.merchant), shown.key, &asked))?;
    let (customers, has_more) = (list(&page, "/customers"), !text(&page, "/next_cursor").is_empty());
    let body = html! {
        h2 { "Above " (filter) " now" }
        @if customers.is_empty() {
            @if has_more {
                (nothing("No customer on this page of the list is above it. There are more customers."))
            } @else { (nothing("No customer is above it.")) }
        } @else {
            div class="scroll" { table {
                thead { tr { th scope="col" { "Customer" } th scope="col" { "Used" } th scope="col" { "Falls next" } } }
                tbody { @for customer in customers {
                    @let id = text(customer, "/customer_id");
                    tr {
                        th scope="row" {
                            a href=(request.links.to(&["m", shown.key.merchant.as_str(), "customers", id])) { (id) }
                        }
                        td { (usage_cell(customer)) }
                        td { (time(&shown.merchant.calendar, text(customer, "/window/frees_at"))) }
                    }
                } }
            } }
        }
        (pager(&shown.to(&["above"]), &[("filter", filter)], &page, !request.query("cursor").is_empty()))
    };
    Ok(shown.page("filters", &body))
}
