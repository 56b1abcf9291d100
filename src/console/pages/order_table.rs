//! A table of transactions.

use crate::{
    console::{
        document::{spaced, text},
        links::{Links, query_text},
        page_request::PageRequest,
        parts::{amount, badge, or_dash, time},
    },
    domain::vocabulary::calendar::Calendar,
};
use maud::{Markup, html};
use serde_json::Value;

/// The order of a list of transactions: what came last is what people ask for, so the newest come first if the address
/// names no order.
pub(super) fn order_of(request: &PageRequest) -> &str {
    match request.query("order") {
        "" => "newest",
        sent => sent,
    }
}

/// The order of a list in words, with the link that turns it. `kept`: the query of the list.
pub(super) fn order_link(address: &str, kept: &[(&str, &str)], order: &str, words: &str) -> Markup {
    let other = if order == "oldest" { "newest" } else { "oldest" };
    let kept = kept.iter().copied().filter(|(key, _)| *key != "order" && *key != "cursor");
    html! {
        p class="quiet" {
            (words) " " a href={ (address) (query_text(kept.chain([("order", other)]))) } { "Show the " (other) " first" }
        }
    }
}

/// A table of transactions with a link to each. `with_customer`: it also names their customers.
pub(super) fn order_table(
    transactions: &[Value],
    merchant: &str,
    links: &Links,
    calendar: &Calendar,
    with_customer: bool,
) -> Markup {
    html! {
        div class="scroll" {
            table {
                thead { tr {
                    th scope="col" { "Transaction" } th scope="col" { "Time" } th scope="col" class="number" { "Amount" }
                    th scope="col" { "Status" } th scope="col" { "Kind" }
                    @if with_customer { th scope="col" { "Customer" } }
                    th scope="col" { "Reason or flags" }
                } }
                tbody { @for transaction in transactions {
                    @let id = text(transaction, "/transaction_id");
                    @let customer = text(transaction, "/customer/customer_id");
                    tr {
                        th scope="row" { a href=(links.to(&["m", merchant, "transactions", id])) { (id) } }
                        td { (time(calendar, text(transaction, "/occurred_at"))) }
                        td class="number" { (amount(text(transaction, "/amount"), text(transaction, "/currency"))) }
                        td { (badge(text(transaction, "/status"))) }
                        td { (text(transaction, "/direction")) " " span class="quiet" { (text(transaction, "/payment_method")) } }
                        @if with_customer {
                            td {
                                @if customer.is_empty() || text(transaction, "/customer/resolution") == "bypassed" {
                                    (or_dash(customer))
                                } @else {
                                    a href=(links.to(&["m", merchant, "customers", customer])) { (customer) }
                                }
                            }
                        }
                        td {
                            (or_dash(&spaced(text(transaction, "/reason")))) " "
                            @for flag in crate::console::document::list(transaction, "/flags") {
                                (badge(flag.as_str().unwrap_or_default())) " "
                            }
                        }
                    }
                } }
            }
        }
    }
}
