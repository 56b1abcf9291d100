//! One stored payment instrument of a customer: what is stored, its transactions, and its history.

use crate::{
    console::{
        document::{list, text, words_at},
        page_request::{PageRequest, Paged},
        pages::{
            customer::{customer_of, page, step_list},
            order_table::order_table,
        },
        parts::{badge, facts, nothing, or_dash, pager, time},
    },
    service::{customers::history::HistoryPage, documents::query::cursor, payments::transactions::transaction_filter},
};
use maud::html;
use std::borrow::Cow;

/// The transactions and the steps of a page.
const PAGE_LIMIT: usize = 50;

/// `GET .../customers/{customer}/wallet/{instrument}`
pub(in crate::console) fn show(request: &PageRequest) -> Paged {
    let merchant = request.merchant()?;
    let (number, token) = (request.parameter("customer"), request.parameter("instrument"));
    let customer = customer_of(request, merchant)?;
    let customers = request.customers(merchant);
    let instrument = request.read(customers.instrument(number, token))?;
    let pairs = [("limit", PAGE_LIMIT.to_string()), ("cursor", request.query("cursor").to_owned())];
    let pairs = pairs.into_iter().filter(|(_, value)| !value.is_empty());
    let pairs = pairs.map(|(key, value)| (Cow::Borrowed(key), Cow::Owned(value)));
    let filter = transaction_filter(pairs, Some(&merchant.calendar))?;
    let orders = request.read(customers.instrument_transactions(number, token, filter))?;
    let end = match request.query("steps") {
        "" => 0,
        sent => cursor(sent, |text| text.parse().ok())?,
    };
    let names_author = |name, is_signal| request.names_author(merchant.id, name, is_signal);
    let history = HistoryPage { limit: PAGE_LIMIT, end };
    let history = request.read(customers.instrument_history(number, token, history, &names_author))?;
    let (transactions, steps) = (list(&orders, "/transactions"), list(&history, "/history"));
    let address = request.links.to(&["m", merchant.id.as_str(), "customers", number, "wallet", token]);
    let older = text(&history, "/next_cursor");
    let body = html! {
        section class="card" {
            h2 { "Instrument " (token) }
            (facts(&[
                ("State", badge(text(&instrument, "/state"))),
                ("Brand", or_dash(text(&instrument, "/brand"))),
                ("Number", or_dash(text(&instrument, "/masked_number"))),
                ("Expires", or_dash(text(&instrument, "/expires"))),
                ("Default", or_dash(&words_at(&instrument, "/default"))),
                ("Order of use", or_dash(&words_at(&instrument, "/order"))),
                ("Card on file", or_dash(&words_at(&instrument, "/card_on_file_type"))),
                ("Saved", time(&merchant.calendar, text(&instrument, "/saved_at"))),
                ("Last success", time(&merchant.calendar, text(&instrument, "/last_success_at"))),
                ("Successful payments", or_dash(&words_at(&instrument, "/successful_payments"))),
            ]))
        }
        section {
            h2 { "Transactions" }
            @if transactions.is_empty() { (nothing("The customer has no transactions with this instrument.")) } @else {
                (order_table(transactions, merchant.id.as_str(), &request.links, &merchant.calendar, false))
                (pager(&address, &[], &orders, !request.query("cursor").is_empty()))
            }
        }
        section {
            h2 { "History" }
            @if steps.is_empty() { (nothing("Nothing has changed.")) } @else { (step_list(steps, request, merchant)) }
            @if !older.is_empty() { p { a href={ (address) "?steps=" (older) } { "Older steps" } } }
        }
    };
    Ok(page(request, merchant, &customer, ("wallet", body)))
}
