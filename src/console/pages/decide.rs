//! Asks for a decision without recording it: what every limit and gate says.

use crate::{
    console::{
        document::{in_words, list, spaced, text, words_at},
        layout::Content,
        links::query_text,
        page_request::{Outcome, PageRequest, Paged},
        pages::{denial::reasons, form_preview::form_preview, usage_bars::limit_table},
        parts::{amount, badge, choice, facts, nothing, or_dash, text_field, time},
    },
    domain::{
        rules::merchant::{Merchant, OperationMode},
        vocabulary::{direction::Direction, words::Word},
    },
    service::{
        documents::{as_text::AsText, query::from_time},
        error::ServiceError,
        payments::{PaymentOperation, block_origins::PaymentDocument},
    },
};
use maud::{Markup, html};
use serde_json::{Value, json};

/// The fields of the form: the key of the service, the label, and a hint.
const FIELDS: [(&str, &str, &str); 9] = [
    ("amount", "Amount", "100.00"),
    ("currency", "Currency", "EUR"),
    ("customer_id", "Customer id", "1000001"),
    ("merchant_customer_identifier", "Merchant's identifier", ""),
    ("customer_level", "Level", "the customer's own"),
    ("payment_method", "Method", "any"),
    ("payment_instrument", "Instrument", ""),
    ("project", "Project", "the only one"),
    ("endpoint", "Endpoint", "the only one"),
];

/// The field that names a customer of a merchant in a payment.
pub(super) fn customer_key(mode: OperationMode) -> &'static str {
    match mode {
        OperationMode::Crm => "merchant_customer_identifier",
        OperationMode::PaymentGateway => "customer_id",
    }
}

/// Whether the form of a merchant has a field: a payment of a merchant in `crm` mode may not name the `customer_id`.
fn is_taken(key: &str, mode: OperationMode) -> bool {
    key != "customer_id" || customer_key(mode) == key
}

/// The payment of the query, without its amount.
fn payment(request: &PageRequest, merchant: &Merchant) -> Value {
    let mut body = json!({ "direction": request.query("direction") });
    for (key, _, _) in FIELDS.into_iter().filter(|(key, ..)| is_taken(key, merchant.mode) && *key != "amount") {
        let value = request.query(key);
        if !value.is_empty() {
            body[key] = json!(value);
        }
    }
    body
}

/// The decision on the payment of the query.
fn decision(request: &PageRequest, merchant: &Merchant) -> Result<Value, ServiceError> {
    let mut body = payment(request, merchant);
    body["amount"] = json!(request.query("amount"));
    body["explain"] = json!(true);
    let as_of = request.query("as_of");
    if !as_of.is_empty() {
        // A date is the first instant of the day in the merchant's time zone.
        body["as_of"] = json!(AsText(from_time("as_of", as_of, Some(&merchant.calendar))?));
    }
    let payments = &request.console.parts.payments;
    let (id, names_author) =
        (merchant.id.as_str(), |merchant, author, is_signal| request.names_author(merchant, author, is_signal));
    let answered = payments.call(PaymentOperation::Check, id, None, body.to_string().as_bytes());
    request.read(payments.with_block_origins(id, PaymentDocument::Check, answered, &names_author))
}

/// The payment form that the customer of the query would see now.
fn payment_form(request: &PageRequest, merchant: &Merchant) -> Markup {
    let body = payment(request, merchant).to_string();
    let payments = &request.console.parts.payments;
    let shown = request.read(payments.payment_form(merchant.id.as_str(), body.as_bytes()));
    html! {
        section class="card" {
            h3 { "The payment form now" }
            @match &shown {
                Ok(form) => (form_preview(form)),
                Err(error) => p class="quiet" { (error.detail) },
            }
        }
    }
}

fn form(request: &PageRequest, merchant: &Merchant) -> Markup {
    let direction = request.query("direction");
    html! {
        form method="get" class="filters" {
            (choice("direction", "Direction", direction, "", Direction::WORDS.iter().map(|(word, _)| *word)))
            @for (key, label, hint) in FIELDS.into_iter().filter(|(key, ..)| is_taken(key, merchant.mode)) { (text_field(key, label, request.query(key), hint)) }
            (text_field("as_of", "As of", request.query("as_of"), "now, a date, or 2026-11-20T10:00:00Z"))
            div class="actions" { button { "Ask" } " " a href="decide" { "Clear" } }
        }
    }
}

/// The answer: the outcome, what would pass, the reasons, all limits, all gates.
fn answer(request: &PageRequest, decision: &Value, merchant: &Merchant) -> Markup {
    let at = |path: &'static str| text(decision, path);
    let currency = at("/remaining/currency");
    let is_denied = at("/decision") == "deny";
    let range = [
        (
            "Level",
            html! { (level_link(request, merchant, decision)) " " span class="quiet" { (spaced(at("/level/source"))) } },
        ),
        (
            "Least amount",
            html! { (amount(at("/amount_range/min"), currency)) " " (source_in_words(at("/amount_range/min_source"))) },
        ),
        (
            "Most amount",
            html! { (amount(at("/amount_range/max"), currency)) " " (source_in_words(at("/amount_range/max_source"))) },
        ),
        ("Left in all limits", amount(at("/remaining/amount"), currency)),
        ("Payments left", or_dash(&words_at(decision, "/remaining/quantity"))),
        ("Customer", html! { (or_dash(at("/customer/customer_id"))) " " (badge(at("/customer/status"))) }),
    ];
    let (gates, skipped, limits) =
        (list(decision, "/gates"), list(decision, "/skipped_gates"), list(decision, "/limits"));
    html! {
        section aria-live="polite" {
            h2 { "The answer: " (badge(at("/decision"))) }
            @if is_denied { (reasons(decision, &merchant.calendar)) }
            div class="columns" {
                section class="card" { h3 { @if is_denied { "What would pass" } @else { "The bounds" } } (facts(&range)) }
                section class="card" {
                    h3 { "Gates, in order" }
                    @if gates.is_empty() { p class="quiet" { "A denied payment has no gates." } }
                    @if !at("/level/name").is_empty() { p { a href=(gates_address(request, merchant, decision)) { "All gates of the level" } } }
                    ol { @for gate in gates { li { (gate.as_str().unwrap_or_default()) } } }
                    @for gate in skipped {
                        p { (text(gate, "/gate")) " is left out: " (spaced(text(gate, "/reason"))) }
                    }
                }
            }
            h3 { "Every limit" }
            p class="quiet" { @if is_denied { "As it is, without this payment." } @else { "As it would be after this payment." } }
            @if limits.is_empty() { (nothing("No limit applies.")) } @else { (limit_table(limits, &merchant.calendar)) }
            @let rates = list(decision, "/rates/own");
            p class="quiet" {
                "Rates: version " (text(decision, "/rates/version"))
                @if !text(decision, "/rates/as_of").is_empty() { " of " (time(&merchant.calendar, text(decision, "/rates/as_of"))) }
                @for rate in rates { "; own rate " (in_words(rate)) }
                ". Rules: version " (at("/config_version")) ", at " (time(&merchant.calendar, at("/server_time"))) "."
            }
        }
    }
}

/// Where a value comes from, in words.
fn source_in_words(source: &str) -> Markup {
    html! { span class="quiet" { @match source {
        "" => "",
        "endpoint" => "set by the endpoint",
        "level" => "set by the level",
        "customer" => "set for the customer",
        other => (spaced(other)),
    } } }
}

/// The address of the gates of the level that decides, for this payment.
fn gates_address(request: &PageRequest, merchant: &Merchant, decision: &Value) -> String {
    let (name, currency) = (text(decision, "/level/name"), text(decision, "/remaining/currency"));
    let page = ["m", merchant.id.as_str(), "levels", request.query("direction"), currency, name, "gates"];
    let pairs = ["payment_method", "amount"].map(|key| (key, request.query(key)));
    format!("{}{}", request.links.to(&page), query_text(pairs))
}

/// A link to the level that decides.
fn level_link(request: &PageRequest, merchant: &Merchant, decision: &Value) -> Markup {
    let name = text(decision, "/level/name");
    let (direction, currency) = (request.query("direction"), text(decision, "/remaining/currency"));
    html! {
        @if name.is_empty() { (or_dash("")) } @else {
            a href=(request.links.to(&["m", merchant.id.as_str(), "levels", direction, currency, name])) { (name) }
        }
    }
}

/// `GET /console/m/{merchant}/decide`
pub(in crate::console) fn ask(request: &PageRequest) -> Paged {
    let merchant = request.merchant()?;
    let asked = !request.query("amount").is_empty();
    let body = html! {
        p { "Asks whether a payment would pass, and shows every limit and gate. Nothing is recorded." }
        @if asked {
            @match decision(request, merchant) {
                Ok(decision) => {
                    (answer(request, &decision, merchant))
                    (payment_form(request, merchant))
                },
                Err(error) => div class="notice bad" role="alert" {
                    p { (error.detail) }
                    @if let Some(field) = &error.field { p class="quiet" { "Field: " code { (field) } } }
                },
            }
        }
        @if asked { h2 { "Ask again" } }
        (form(request, merchant))
    };
    Ok(Outcome::Page(Content::new("Ask for a decision", body)))
}
