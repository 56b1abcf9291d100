//! The feed of events, the newest first, with filters.

use crate::{
    console::{
        document::{list, spaced, text, words_at},
        layout::Content,
        links::query_text,
        page_request::{Outcome, PageRequest, Paged},
        pages::operator::merchant_choice::{chosen, merchant_field},
        parts::{amount, badge, choice, nothing, or_dash, time},
    },
    domain::{
        customer::instrument_blocks::MerchantScope,
        transaction::status::Flag,
        vocabulary::{calendar::Calendar, words::Word},
    },
    service::{
        error::{ErrorKind, ServiceError},
        monitoring::latest_events::{EventWord, LatestQuery},
    },
};
use maud::{Markup, html};
use serde_json::Value;

/// The filters of the page.
const KEYS: [&str; 3] = ["merchant", "event", "flag"];

fn found(request: &PageRequest) -> Result<Value, ServiceError> {
    chosen(request)?;
    let pairs = request.filters().filter(|(key, _)| KEYS.contains(&&**key) || key == "before");
    let query = LatestQuery::read(pairs)?;
    let reach = request.token.as_ref().map_or(MerchantScope::All, |token| token.reach());
    request.read(request.console.parts.payments.latest_events(&query, &reach))
}

fn row(request: &PageRequest, event: &Value, with_merchant: bool) -> Markup {
    let at = |path: &str| text(event, path);
    if at("/merchant").is_empty() {
        return html! { tr { td colspan="7" { "Records that cannot be read: " (at("/reason")) } } };
    }
    let (merchant, transaction, customer) = (at("/merchant"), at("/transaction_id"), words_at(event, "/customer_id"));
    let calendar = request.rules.merchant(merchant).map_or(Calendar::utc(), |merchant| &merchant.calendar);
    html! {
        tr {
            td { (time(calendar, at("/at"))) }
            td { (badge(at("/event"))) }
            @if with_merchant { td { a href=(request.links.to(&["m", merchant])) { (merchant) } } }
            th scope="row" { a href=(request.links.to(&["m", merchant, "transactions", transaction])) { (transaction) } }
            td class="number" { (amount(at("/amount"), at("/currency"))) }
            td { @if customer.is_empty() { (or_dash("")) } @else {
                a href=(request.links.to(&["m", merchant, "customers", &customer])) { (customer) }
            } }
            td {
                (or_dash(&spaced(at("/reason")))) " "
                @for flag in list(event, "/flags") { (badge(flag.as_str().unwrap_or_default())) " " }
            }
        }
    }
}

/// A table of events. `with_merchant`: it also names their merchants.
pub(in crate::console::pages) fn event_table(request: &PageRequest, events: &[Value], with_merchant: bool) -> Markup {
    html! {
        div class="scroll" { table {
            thead { tr {
                th scope="col" { "Time" } th scope="col" { "Event" }
                @if with_merchant { th scope="col" { "Merchant" } }
                th scope="col" { "Transaction" } th scope="col" class="number" { "Amount" }
                th scope="col" { "Customer" } th scope="col" { "Reason or flags" }
            } }
            tbody { @for event in events { (row(request, event, with_merchant)) } }
        } }
    }
}

/// `GET /console/events`
pub(in crate::console) fn show(request: &PageRequest) -> Paged {
    let page = found(request);
    let sent = |key: &'static str| request.query(key);
    let words = |words: &'static [(&'static str, EventWord)]| words.iter().map(|(word, _)| *word);
    let kept = KEYS.map(|key| (key, sent(key)));
    let body = html! {
        form method="get" class="filters" role="search" {
            (merchant_field(request, sent("merchant"), "all merchants"))
            (choice("event", "Event", sent("event"), "any", words(EventWord::WORDS)))
            (choice("flag", "Flag", sent("flag"), "any", Flag::WORDS.iter().map(|(word, _)| *word)))
            div class="actions" { button { "Show" } " " a href="events" { "Clear" } }
        }
        @match &page {
            Err(error) => div class="notice bad" role="alert" { p { (error.detail) } },
            Ok(page) => {
                @let events = list(page, "/events");
                @let before = words_at(page, "/next_before");
                @if events.is_empty() {
                    (nothing(if before.is_empty() { "There is no such event." } else { "No such event among the newest records; older ones may have some." }))
                } @else {
                    (event_table(request, events, true))
                }
                nav class="pager" aria-label="Pages of the list" {
                    a href={ "events" (query_text(kept)) } { @if sent("before").is_empty() { "Refresh" } @else { "Newest" } }
                    @if !before.is_empty() {
                        a rel="next" href={ "events" (query_text(kept.into_iter().chain([("before", &*before)]))) } { "Older" }
                    }
                }
            }
        }
    };
    match page {
        // A merchant that the person may not see is no filter of this page.
        Err(error) if matches!(error.kind, ErrorKind::Forbidden | ErrorKind::NotFound) => Err(error),
        _ => Ok(Outcome::Page(Content::new("Events", body))),
    }
}
