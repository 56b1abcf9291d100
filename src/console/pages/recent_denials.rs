//! What a customer on the line asks: why was the last payment denied, and what would pass?

use crate::{
    console::{
        document::{list, text},
        links::query_text,
        page_request::PageRequest,
        pages::{decide::customer_key, denial::reasons},
        parts::{amount, time},
    },
    domain::{rules::merchant::Merchant, vocabulary::time::Millis},
    service::{
        error::ServiceError,
        payments::{PaymentOperation, block_origins::PaymentDocument, transactions::transaction_filter},
    },
};
use maud::{Markup, html};
use serde_json::{Value, json};
use std::borrow::Cow;

/// Denials that are longer ago are among the orders.
const SPAN_MS: i64 = 24 * 3_600_000;
/// The most denials that are looked at.
const LOOKED_AT_MAX: &str = "100";
/// The most denials that are linked, besides the last one.
const LINKED_MAX: usize = 3;

/// The denials of a customer in the last 24 hours: the last one with its reasons and what would pass now. Nothing where there
/// are none.
pub(super) fn recent_denials(request: &PageRequest, merchant: &Merchant) -> Result<Markup, ServiceError> {
    let (payments, id) = (&request.console.parts.payments, merchant.id.as_str());
    let from = Millis(payments.time()?.0.saturating_sub(SPAN_MS)).to_string();
    let pairs = [("status", "denied"), ("limit", LOOKED_AT_MAX), ("from", from.as_str())];
    let pairs = pairs.map(|(key, value)| (Cow::Borrowed(key), Cow::Borrowed(value)));
    let filter = transaction_filter(pairs, Some(&merchant.calendar))?;
    let page = request.read(request.customers(merchant).transactions(request.parameter("customer"), filter))?;
    let mut denied = list(&page, "/transactions").iter().rev();
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
    let answered = payments.call(PaymentOperation::Check, id, None, asked.to_string().as_bytes());
    let passes = request.read(answered).ok();
    Ok(html! {
        section class="notice bad" aria-labelledby="denied" {
            h2 id="denied" { "The last payment was denied" }
            p {
                (time(&merchant.calendar, at("/occurred_at"))) ": " strong { (amount(at("/asked"), at("/currency"))) } " "
                (at("/direction")) ", " a href=(link(number)) { (number) }
            }
            (reasons(&last, &merchant.calendar))
            @if let Some(answer) = &passes { (what_passes(answer)) }
            p class="actions" {
                a class="button plain" href={ (request.links.to(&["m", id, "decide"])) (query) } { "Every limit and gate" }
            }
            @let others: Vec<&str> = denied.take(LINKED_MAX).map(|other| text(other, "/transaction_id")).collect();
            @if !others.is_empty() {
                p { "Denied before it: " @for (n, other) in others.iter().enumerate() {
                    @if n > 0 { ", " } a href=(link(other)) { (other) }
                } }
            }
        }
    })
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
        ("project", at("/project")),
        ("endpoint", at("/endpoint")),
    ];
    let mut body = json!({ "explain": true });
    members.iter().filter(|(_, value)| !value.is_empty()).for_each(|(key, value)| body[*key] = json!(value));
    (body, query_text(members))
}

/// What passes now, in a sentence.
fn what_passes(answer: &Value) -> Markup {
    let at = |path: &'static str| text(answer, path);
    let currency = at("/remaining/currency");
    html! {
        p class="passes" {
            @if at("/decision") == "allow" { "The same payment would pass now." } @else {
                @match at("/amount_range/max") {
                    "" => "No amount would pass now.",
                    most => {
                        "Now would pass: " strong { (amount(at("/amount_range/min"), currency)) " to " (amount(most, currency)) }
                    },
                }
            }
        }
    }
}
