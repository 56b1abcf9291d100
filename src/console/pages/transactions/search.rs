//! The search for transactions by every filter of the service.

use crate::{
    console::{
        document::{list, text},
        layout::Content,
        page_request::{Outcome, PageRequest, Paged},
        pages::order_table::{order_link, order_of, order_table},
        parts::{choice, nothing, pager, text_field},
    },
    domain::{
        rules::merchant::Merchant,
        transaction::{
            opening::CustomerResolution,
            status::{Flag, Status},
        },
        vocabulary::words::Word,
    },
    service::{error::ServiceError, payments::transactions::transaction_filter},
};
use maud::html;
use serde_json::Value;
use std::borrow::Cow;

/// The transactions of a page of the list.
const PAGE_LIMIT: &str = "50";

/// A page of transactions by the query of the request.
fn found(request: &PageRequest, merchant: &Merchant) -> Result<Value, ServiceError> {
    let added = [("limit", PAGE_LIMIT), ("order", order_of(request))];
    let added = added.map(|(key, value)| (Cow::Borrowed(key), Cow::Borrowed(value)));
    let sent =
        request.filters().filter(|(key, _)| !matches!(&**key, "limit" | "order" | "transaction_id")).chain(added);
    let filter = transaction_filter(sent, Some(&merchant.calendar))?;
    request.read(request.console.parts.payments.transactions(merchant.id.as_str(), &filter))
}

/// `GET /console/m/{merchant}/transactions`
pub(in crate::console) fn search(request: &PageRequest) -> Paged {
    let merchant = request.merchant()?;
    let id = request.query("transaction_id");
    if !id.is_empty() {
        return Ok(Outcome::Redirect(request.links.to(&["m", merchant.id.as_str(), "transactions", id])));
    }
    let page = found(request, merchant);
    let kept = request.query_of_next_page();
    let chosen = |key: &str| request.query(key).to_owned();
    let order = order_of(request);
    let words = match (order, request.query("customer_id")) {
        ("oldest", _) => "By customer; the oldest of each customer come first.",
        (_, "") => "The newest come first, by the time at which they were recorded.",
        (_, _) => "The newest come first.",
    };
    let body = html! {
        form method="get" class="filters" role="search" {
            (text_field("transaction_id", "Transaction id", "", "goes to the transaction"))
            (text_field("customer_id", "Customer id", &chosen("customer_id"), "1000001"))
            (choice("status", "Status", &chosen("status"), "any", Status::WORDS.iter().map(|(word, _)| *word)))
            (choice("flag", "Flag", &chosen("flag"), "any", Flag::WORDS.iter().map(|(word, _)| *word)))
            (choice("resolution", "Customer was", &chosen("resolution"), "any", CustomerResolution::WORDS.iter().map(|(word, _)| *word)))
            @for (key, label) in [("from", "From"), ("to", "To")] {
                label class="field" { span { (label) } input type="date" name=(key) value=(chosen(key)); }
            }
            @if order == "oldest" { input type="hidden" name="order" value=(order); }
            div class="actions" { button { "Search" } " " a href="transactions" { "Clear" } }
        }
        @match &page {
            Err(error) => div class="notice bad" role="alert" { p { (error.detail) } },
            Ok(page) => {
                @let transactions = list(page, "/transactions");
                @if transactions.is_empty() {
                    @if text(page, "/next_cursor").is_empty() { (nothing("No transaction matches.")) }
                    @else { (nothing("No transaction matches on this page of the list. There are more.")) }
                } @else {
                    (order_table(transactions, merchant.id.as_str(), &request.links, &merchant.calendar, true))
                }
                (order_link("transactions", &kept, order, words))
                (pager("transactions", &kept, page, !request.query("cursor").is_empty()))
            }
        }
    };
    Ok(Outcome::Page(Content::new("Transactions", body)))
}
