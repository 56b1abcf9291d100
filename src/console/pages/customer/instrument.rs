//! One stored payment instrument of a customer: what is stored, its transactions, and its history.

use crate::{
    console::{
        document::{list, spaced, text, words_at},
        links::query_text,
        page_request::{PageRequest, Paged},
        pages::{
            customer::{customer_of, page, step_list},
            order_table::{order_link, order_of, order_table},
        },
        parts::{badge, facts, nothing, or_dash, pager, time},
    },
    domain::{customer::status::Signal, rules::merchant::Merchant},
    service::{
        customers::history::HistoryPage, documents::query::cursor, error::ServiceError,
        payments::transactions::transaction_filter,
    },
};
use maud::{Markup, html};
use serde_json::Value;
use std::borrow::Cow;

/// The transactions and the steps of a page.
const PAGE_LIMIT: usize = 50;

/// The stored instrument of the path.
///
/// # Errors
/// The customer has no such instrument.
pub(super) fn instrument_of(request: &PageRequest, merchant: &Merchant) -> Result<Value, ServiceError> {
    let customers = request.customers(merchant);
    request.read(customers.instrument(request.parameter("customer"), request.parameter("instrument")))
}

/// The address of the page of the instrument of the path.
pub(super) fn address(request: &PageRequest, merchant: &Merchant) -> String {
    let (number, token) = (request.parameter("customer"), request.parameter("instrument"));
    request.links.to(&["m", merchant.id.as_str(), "customers", number, "wallet", token])
}

/// What an operator can do with the instrument.
fn actions(request: &PageRequest, merchant: &Merchant, instrument: &Value) -> Markup {
    let (number, token) = (request.parameter("customer"), request.parameter("instrument"));
    let base = ["m", merchant.id.as_str(), "customers", number];
    let to = |word| request.links.to(&[&base[..], &["wallet", token, word]].concat());
    let is_blocked = text(instrument, "/state") == "blocked";
    let signal = if is_blocked { Signal::Cleared } else { Signal::FraudConfirmed };
    let signal = query_text([("signal", signal.word()), ("payment_instrument", token)]);
    let signals = format!("{}{signal}", request.links.to(&[&base[..], &["signals"]].concat()));
    html! {
        p class="actions" {
            a class="button" href=(to("change")) { "Change the instrument" } " "
            a class="button plain" href=(signals) { @if is_blocked { "Lift the block" } @else { "Block the instrument" } } " "
            a class="button plain" href=(to("remove")) { "Remove the instrument" }
        }
    }
}

/// What is stored.
fn stored_facts(merchant: &Merchant, instrument: &Value) -> Markup {
    facts(&[
        ("State", badge(text(instrument, "/state"))),
        ("Type", or_dash(&spaced(text(instrument, "/type")))),
        ("Brand", or_dash(text(instrument, "/brand"))),
        ("Number", or_dash(text(instrument, "/masked_number"))),
        ("Expires", or_dash(text(instrument, "/expires"))),
        ("Default", or_dash(&words_at(instrument, "/default"))),
        ("Order of use", or_dash(&words_at(instrument, "/order"))),
        ("Agreed to store it", or_dash(&words_at(instrument, "/card_on_file"))),
        ("For payments", or_dash(text(instrument, "/card_on_file_type"))),
        ("Saved", time(&merchant.calendar, text(instrument, "/saved_at"))),
        ("Last success", time(&merchant.calendar, text(instrument, "/last_success_at"))),
        ("Successful payments", or_dash(&words_at(instrument, "/successful_payments"))),
    ])
}

/// `GET .../customers/{customer}/wallet/{instrument}`: also of an instrument that was removed, if something is known of it.
pub(in crate::console) fn show(request: &PageRequest) -> Paged {
    let merchant = request.merchant()?;
    let (number, token) = (request.parameter("customer"), request.parameter("instrument"));
    let customer = customer_of(request, merchant)?;
    let customers = request.customers(merchant);
    let instrument = instrument_of(request, merchant);
    let order = order_of(request);
    let pairs = [
        ("limit", PAGE_LIMIT.to_string()),
        ("cursor", request.query("cursor").to_owned()),
        ("order", order.to_owned()),
    ];
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
    let instrument = match instrument {
        Ok(instrument) => Some(instrument),
        Err(error) if error.code == "instrument_not_found" && !steps.is_empty() => None,
        Err(error) => return Err(error),
    };
    let address = address(request, merchant);
    let older = text(&history, "/next_cursor");
    let kept = [("order", request.query("order"))];
    let words = if order == "oldest" { "The oldest come first." } else { "The newest come first." };
    let body = html! {
        @if let Some(instrument) = &instrument {
            @if request.may_write() { (actions(request, merchant, instrument)) }
            section class="card" { h2 { "Instrument " (token) } (stored_facts(merchant, instrument)) }
        } @else {
            p class="notice" { "The instrument " code { (token) } " is not stored for this customer." }
        }
        section {
            h2 { "Transactions" }
            @if transactions.is_empty() { (nothing("The customer has no transactions with this instrument.")) } @else {
                (order_table(transactions, merchant.id.as_str(), &request.links, &merchant.calendar, false))
                (order_link(&address, &kept, order, words))
            }
            (pager(&address, &kept, &orders, !request.query("cursor").is_empty()))
        }
        section {
            h2 { "History" }
            @if steps.is_empty() { (nothing("Nothing has changed.")) } @else { (step_list(steps, request, merchant)) }
            @if !older.is_empty() { p { a href={ (address) "?steps=" (older) } { "Older steps" } } }
        }
    };
    Ok(page(request, merchant, &customer, ("wallet", body)))
}
