//! Transactions: the search, and one with its timeline and, where it was denied, the reasons.

use crate::{
    console::{
        document::{in_words, list, spaced, text, words_at},
        layout::Content,
        links::query_text,
        page_request::{Outcome, PageRequest, Paged},
        pages::{decide::customer_key, denial::reasons, order_table::order_table},
        parts::{amount, badge, choice, facts, nothing, or_dash, pager, text_field, time},
    },
    domain::{
        rules::merchant::Merchant,
        transaction::status::{Flag, Status},
        vocabulary::words::Word,
    },
    service::{
        error::ServiceError,
        payments::{block_origins::PaymentDocument, transactions::transaction_filter},
    },
};
use maud::{Markup, html};
use serde_json::Value;
use std::borrow::Cow;

/// The transactions of a page of the list.
const PAGE_LIMIT: &str = "50";

/// A page of transactions by the query of the request.
fn found(request: &PageRequest, merchant: &Merchant) -> Result<Value, ServiceError> {
    let limit = [(Cow::Borrowed("limit"), Cow::Borrowed(PAGE_LIMIT))];
    let sent = request.filters().filter(|(key, _)| !matches!(&**key, "limit" | "transaction_id")).chain(limit);
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
    let body = html! {
        form method="get" class="filters" role="search" {
            (text_field("transaction_id", "Transaction id", "", "goes to the transaction"))
            (text_field("customer_id", "Customer id", &chosen("customer_id"), "1000001"))
            (choice("status", "Status", &chosen("status"), "any", Status::WORDS.iter().map(|(word, _)| *word)))
            (choice("flag", "Flag", &chosen("flag"), "any", Flag::WORDS.iter().map(|(word, _)| *word)))
            @for (key, label) in [("from", "From"), ("to", "To")] {
                label class="field" { span { (label) } input type="date" name=(key) value=(chosen(key)); }
            }
            div class="actions" { button { "Search" } " " a href="transactions" { "Clear" } }
        }
        @match &page {
            Err(error) => div class="notice bad" role="alert" { p { (error.detail) } },
            Ok(page) => {
                @let transactions = list(page, "/transactions");
                @if transactions.is_empty() {
                    (nothing("No transaction matches on this page of the list."))
                } @else {
                    (order_table(transactions, merchant.id.as_str(), &request.links, &merchant.calendar, true))
                }
                (pager("transactions", &kept, page, !request.query("cursor").is_empty()))
            }
        }
    };
    Ok(Outcome::Page(Content::new("Transactions", body)))
}

/// The document of a transaction, with since when and by whom a blocked customer is blocked.
fn read_transaction(request: &PageRequest, merchant: &Merchant) -> Result<Value, ServiceError> {
    let payments = &request.console.parts.payments;
    let (id, kind) = (merchant.id.as_str(), PaymentDocument::Transaction);
    let names_author = |merchant, author, is_signal| request.names_author(merchant, author, is_signal);
    let shown = payments.transaction(id, request.parameter("transaction"));
    request.read(payments.with_block_origins(id, kind, shown, &names_author))
}

/// A step of the timeline.
fn step(transition: &Value, merchant: &Merchant, currency: &str) -> Markup {
    let known = ["operation", "at", "amount"];
    let rest = transition.as_object().into_iter().flatten();
    let rest = rest.filter(|(name, value)| !known.contains(&name.as_str()) && !value.is_null());
    let rest: Vec<String> = rest.map(|(name, value)| format!("{} {}", spaced(name), in_words(value))).collect();
    html! {
        li {
            p {
                (time(&merchant.calendar, text(transition, "/at"))) " "
                strong { (spaced(text(transition, "/operation"))) } " "
                @if !text(transition, "/amount").is_empty() { (amount(text(transition, "/amount"), currency)) }
            }
            p class="quiet" { (rest.join("; ")) }
        }
    }
}

/// `GET /console/m/{merchant}/transactions/{transaction}`
pub(in crate::console) fn show(request: &PageRequest) -> Paged {
    let merchant = request.merchant()?;
    let transaction = read_transaction(request, merchant)?;
    let at = |path: &'static str| text(&transaction, path);
    let (id, currency, customer) = (merchant.id.as_str(), at("/currency"), at("/customer/customer_id"));
    let is_denied = at("/decision") == "deny";
    let money = |name: &'static str, path: &'static str| (name, amount(at(path), currency));
    let sums = [
        money("Asked", "/asked"),
        money("Approved", "/approved"),
        money("Held", "/held"),
        money("Cancelled", "/cancelled"),
        money("Released", "/released"),
        money("Refunded", "/refunded"),
        money("Charged back", "/charged_back"),
    ];
    let customer_link = html! {
        @if customer.is_empty() { (or_dash("")) } @else {
            a href=(request.links.to(&["m", id, "customers", customer])) { (customer) } " "
            (at("/customer/merchant_customer_identifier")) " " (badge(at("/customer/status")))
        }
    };
    let about = [
        ("Customer", customer_link),
        ("Level", html! { (or_dash(at("/level/name"))) " " span class="quiet" { (spaced(at("/level/source"))) } }),
        ("Direction", or_dash(at("/direction"))),
        ("Method", or_dash(at("/payment_method"))),
        ("Instrument", or_dash(at("/payment_instrument"))),
        ("Project, endpoint", html! { (at("/project")) ", " (at("/endpoint")) }),
        ("Gates", or_dash(&words_at(&transaction, "/gates"))),
        ("Flags", or_dash(&spaced(&words_at(&transaction, "/flags")))),
        ("Hold ends", time(&merchant.calendar, at("/expires_at"))),
    ];
    let key = customer_key(merchant.mode);
    let ask = query_text([
        (key, text(&transaction, &format!("/customer/{key}"))),
        ("direction", at("/direction")),
        ("amount", at("/asked")),
        ("currency", currency),
        ("payment_method", at("/payment_method")),
        ("project", at("/project")),
        ("endpoint", at("/endpoint")),
    ]);
    let body = html! {
        p class="badges" { (badge(at("/status"))) " " (amount(at("/asked"), currency)) }
        @if is_denied {
            section aria-labelledby="why" {
                h2 id="why" { "Why it was denied" }
                (reasons(&transaction, &merchant.calendar))
                p { a class="button" href={ (request.links.to(&["m", id, "decide"])) (ask) } { "What would pass now?" } }
            }
        }
        div class="columns" {
            section class="card" { h2 { "Payment" } (facts(&about)) }
            section class="card" { h2 { "Amounts" } (facts(&sums)) }
        }
        section class="card" {
            h2 { "Timeline" }
            ol class="timeline" {
                li { p { (time(&merchant.calendar, at("/occurred_at"))) " "
                    strong { @if is_denied { "denied" } @else { "reserved" } } " " (amount(at("/asked"), currency)) } }
                @for transition in list(&transaction, "/transitions") { (step(transition, merchant, currency)) }
            }
        }
    };
    let above = request.links.to(&["m", id, "transactions"]);
    Ok(Outcome::Page(Content::new(format!("Transaction {}", at("/transaction_id")), body).below("Transactions", above)))
}
