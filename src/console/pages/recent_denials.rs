//! What a customer on the line asks: why was the last payment denied, and what would pass?

use crate::{
    console::{
        document::{list, text},
        links::query_text,
        page_request::PageRequest,
        pages::{decide::customer_key, denial::reasons, four_eyes::is_at_most},
        parts::{amount, time},
    },
    domain::{
        customer::status::Signal,
        rules::merchant::Merchant,
        vocabulary::{money::Decimal, time::Millis},
    },
    service::{
        error::ServiceError,
        payments::{PaymentOperation, block_origins::PaymentDocument, transactions::transaction_filter},
    },
};
use maud::{Markup, html};
use serde_json::{Value, json};
use std::{borrow::Cow, collections::BTreeSet};

/// Denials that are longer ago are among the orders.
const SPAN_MS: i64 = 24 * 3_600_000;
/// The denials that are looked at: the last one is shown, and those before it are linked.
const LOOKED_AT: &str = "4";

/// The denials of a customer in the last 24 hours: the last one with its reasons and what would pass now. Nothing where there
/// are none.
pub(super) fn recent_denials(request: &PageRequest, merchant: &Merchant) -> Result<Markup, ServiceError> {
    let (payments, id) = (&request.console.parts.payments, merchant.id.as_str());
    let from = Millis(payments.time()?.0.saturating_sub(SPAN_MS)).to_string();
    let pairs = [("status", "denied"), ("limit", LOOKED_AT), ("from", from.as_str()), ("order", "newest")];
    let pairs = pairs.map(|(key, value)| (Cow::Borrowed(key), Cow::Borrowed(value)));
    let filter = transaction_filter(pairs, Some(&merchant.calendar))?;
    let page = request.read(request.customers(merchant).transactions(request.parameter("customer"), filter))?;
    let mut denied = list(&page, "/transactions").iter();
    let Some(last) = denied.next() else { return Ok(html! {}) };
    let (names_author, number) = (
        |merchant, author, is_signal| request.names_author(merchant, author, is_signal),
        text(last, "/transaction_id"),
    );
    let shown = payments.transaction(id, number);
    let last = request.read(payments.with_block_origins(id, PaymentDocument::Transaction, shown, &names_author))?;
    let at = |path: &'static str| text(&last, path);
    let link = |number: &str| request.links.to(&["m", id, "transactions", number]);
    let (asked, query) = question(&last, merchant);
    // A payment that cannot be asked again, such as one of a project that is gone, has no second answer.
    let ask =
        |body: &Value| request.read(payments.call(PaymentOperation::Check, id, None, body.to_string().as_bytes()));
    let answer = ask(&asked).ok();
    let passes = answer.as_ref().map(|answer| what_passes(answer, &asked, &ask));
    Ok(html! {
        section class="notice bad" aria-labelledby="denied" {
            h2 id="denied" { "The last payment was denied" }
            p {
                (time(&merchant.calendar, at("/occurred_at"))) ": " strong { (amount(at("/asked"), at("/currency"))) } " "
                (at("/direction")) ", " a href=(link(number)) { (number) }
            }
            (reasons(&last, &merchant.calendar))
            @if let Some(passes) = &passes { p class="passes" { (passes) } }
            @if let Some(answer) = answer.as_ref().filter(|_| request.may_write()) { (remedies(request, merchant, answer)) }
            p class="actions" {
                a class="button plain" href={ (request.links.to(&["m", id, "decide"])) (query) } { "Every limit and gate" }
            }
            @let others: Vec<&str> = denied.map(|other| text(other, "/transaction_id")).collect();
            @if !others.is_empty() {
                p { "Denied before it: " @for (n, other) in others.iter().enumerate() {
                    @if n > 0 { ", " } a href=(link(other)) { (other) }
                } }
            }
        }
    })
}

/// Links to the pages where an operator ends what blocks the customer, by the answer of now.
fn remedies(request: &PageRequest, merchant: &Merchant, answer: &Value) -> Markup {
    let base = ["m", merchant.id.as_str(), "customers", request.parameter("customer")];
    let to = |page: &[&str]| request.links.to(&[&base[..], page].concat());
    let cleared = format!("{}{}", to(&["signals"]), query_text([("signal", Signal::Cleared.word())]));
    let of_instrument = |token: &str| (format!("Look at the instrument {token}"), to(&["wallet", token]));
    let remedy = |cause: &Value| {
        let at = |path: &str| text(cause, path);
        Some(match at("/cause") {
            "status" => ("Clear the fraud".to_owned(), cleared.clone()),
            "instrument" => match at("/payment_instrument") {
                "" => ("Clear the fraud".to_owned(), cleared.clone()),
                token => of_instrument(token),
            },
            "label" => (format!("Change the label {}", at("/label")), to(&["change"])),
            "project" => (format!("Open the project {}", at("/project")), to(&["edit"])),
            _ => return None,
        })
    };
    let causes = list(answer, "/codes").iter().flat_map(|code| list(code, "/blocked_by"));
    let instruments = list(answer, "/codes").iter().map(|code| text(code, "/payment_instrument"));
    let instruments = instruments.filter(|token| !token.is_empty()).map(of_instrument);
    let remedies: BTreeSet<(String, String)> = causes.filter_map(remedy).chain(instruments).collect();
    html! {
        @if !remedies.is_empty() {
            p class="actions" { @for (words, address) in &remedies { a class="button plain" href=(address) { (words) } " " } }
        }
    }
}

/// The same payment as a question: for the service, and for the page that asks.
fn question(transaction: &Value, merchant: &Merchant) -> (Value, String) {
    let at = |path: &str| text(transaction, path);
    let key = customer_key(merchant.mode);
    let members = [
        (key, text(transaction, &format!("/customer/{key}"))),
        ("direction", at("/direction")),
        ("amount", at("/asked")),
        ("currency", at("/currency")),
        ("payment_method", at("/payment_method")),
        ("payment_instrument", at("/payment_instrument")),
        ("project", at("/project")),
        ("endpoint", at("/endpoint")),
    ];
    let mut body = json!({ "explain": true });
    members.iter().filter(|(_, value)| !value.is_empty()).for_each(|(key, value)| body[*key] = json!(value));
    (body, query_text(members))
}

/// What passes now, in a sentence. The service decides on the most that the limits leave too: it may deny that for another
/// reason.
fn what_passes(answer: &Value, asked: &Value, ask: &dyn Fn(&Value) -> Result<Value, ServiceError>) -> Markup {
    let at = |path: &'static str| text(answer, path);
    if at("/decision") == "allow" {
        return html! { "The same payment would pass now." };
    }
    let most = lesser(at("/remaining/amount"), at("/amount_range/max"));
    let mut again = asked.clone();
    again["amount"] = json!(most);
    let passes = !most.is_empty() && ask(&again).is_ok_and(|answer| text(&answer, "/decision") == "allow");
    html! {
        @if passes { "Now would pass: up to " strong { (amount(most, at("/remaining/currency"))) } "." } @else {
            "No amount would pass now."
        }
    }
}

/// The lesser of two amounts of one currency. An empty text is no bound.
fn lesser<'t>(one: &'t str, other: &'t str) -> &'t str {
    match (Decimal::parse(one), Decimal::parse(other)) {
        (Ok(first), Ok(second)) if is_at_most(first, second) => one,
        (Ok(_), Err(_)) => one,
        (_, Ok(_)) => other,
        (Err(_), Err(_)) => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lesser_amount_is_the_bound() {
        for (one, other, want) in [
            ("374.50", "1000.00", "374.50"),
            ("1000.00", "374.50", "374.50"),
            ("10", "9.99", "9.99"),
            ("5.00", "", "5.00"),
            ("", "5.00", "5.00"),
            ("", "", ""),
        ] {
            assert_eq!(lesser(one, other), want, "{one} {other}");
        }
    }
}
