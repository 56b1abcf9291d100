//! One transaction: its timeline, attempts and flags, and, where it was denied, the reasons.

use crate::{
    console::{
        document::{list, spaced, text, words_at},
        layout::Content,
        links::query_text,
        page_request::{Outcome, PageRequest, Paged},
        pages::{
            decide::customer_key,
            denial::reasons,
            transactions::timeline::{attempts, picture, table},
        },
        parts::{amount, badge, facts, or_dash, time},
    },
    domain::rules::merchant::Merchant,
    service::{error::ServiceError, payments::block_origins::PaymentDocument},
};
use maud::{Markup, html};
use serde_json::Value;

/// The document of a transaction, with since when and by whom a blocked customer is blocked.
fn read_transaction(request: &PageRequest, merchant: &Merchant) -> Result<Value, ServiceError> {
    let payments = &request.console.parts.payments;
    let (id, kind) = (merchant.id.as_str(), PaymentDocument::Transaction);
    let names_author = |merchant, author, is_signal| request.names_author(merchant, author, is_signal);
    let shown = payments.transaction(id, request.parameter("transaction"));
    request.read(payments.with_block_origins(id, kind, shown, &names_author))
}

/// What a flag means, in words; empty: the word says it.
fn meaning_of(flag: &str) -> &'static str {
    match flag {
        "over_limit" => "more was approved than was reserved",
        "late" => "a fact came after the end of the hold",
        "conflict" => "facts contradict each other",
        "unreserved" => "it was approved without a reservation",
        "unknown_gate" => "the merchant does not have the gate that was named",
        _ => "",
    }
}

fn flags(transaction: &Value) -> Markup {
    let flags = list(transaction, "/flags");
    html! {
        @if flags.is_empty() { (or_dash("")) } @else {
            ul class="plain" { @for flag in flags.iter().filter_map(Value::as_str) {
                li { (badge(flag)) " " span class="quiet" { (meaning_of(flag)) } }
            } }
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
    let to_link = request.links.to(&["m", id, "transactions", at("/transaction_id"), "link"]);
    let customer_link = html! {
        @if at("/customer/resolution") == "bypassed" {
            "none " @if !customer.is_empty() { span class="quiet" { "(sent as " (customer) ") " } }
            @if request.may_write() { a class="button" href=(to_link) { "Create or link a customer" } }
        } @else {
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
        ("Flags", flags(&transaction)),
        ("Hold ends", time(&merchant.calendar, at("/expires_at"))),
    ];
    let key = customer_key(merchant.mode);
    let ask = query_text([
        (key, text(&transaction, &format!("/customer/{key}"))),
        ("direction", at("/direction")),
        ("amount", at("/asked")),
        ("currency", currency),
        ("payment_method", at("/payment_method")),
        ("payment_instrument", at("/payment_instrument")),
        ("project", at("/project")),
        ("endpoint", at("/endpoint")),
    ]);
    let body = html! {
        @if request.query("done") == "1" { p class="notice good" role="status" { "The change is recorded." } }
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
        section {
            h2 { "Timeline" }
            (picture(&transaction))
            (table(&transaction, &merchant.calendar))
        }
        (attempts(&transaction))
    };
    let above = request.links.to(&["m", id, "transactions"]);
    Ok(Outcome::Page(Content::new(format!("Transaction {}", at("/transaction_id")), body).below("Transactions", above)))
}
