//! Links a transaction without a customer to one, or creates the customer for it.

use crate::{
    console::{
        document::{in_words, spaced, text},
        layout::Content,
        page_request::{Outcome, PageRequest, Paged},
        pages::customers::full_name,
        parts::{amount, badge, facts, or_dash, text_field},
        writes::ConfirmedWrite,
    },
    domain::rules::merchant::Merchant,
    service::error::ServiceError,
};
use maud::{Markup, html};
use serde_json::{Map, Value, json};

/// The fields of a new customer, as the service names them.
const FIELDS: [(&str, &str); 7] = [
    ("merchant_customer_identifier", "Merchant's identifier"),
    ("email", "E-mail"),
    ("phone", "Phone"),
    ("first_name", "First name"),
    ("last_name", "Last name"),
    ("country", "Country"),
    ("deposit_level", "Deposit level"),
];

/// The transaction of the path, with its merchant.
fn transaction_of(request: &PageRequest) -> Result<(&Merchant, Value), ServiceError> {
    let merchant = request.merchant()?;
    let payments = &request.console.parts.payments;
    let shown = payments.transaction(merchant.id.as_str(), request.parameter("transaction"));
    Ok((merchant, request.read(shown)?))
}

fn address(request: &PageRequest, merchant: &Merchant) -> String {
    request.links.to(&["m", merchant.id.as_str(), "transactions", request.parameter("transaction")])
}

fn page(request: &PageRequest, merchant: &Merchant, body: Markup) -> Outcome {
    let id = request.parameter("transaction");
    let above = request.links.to(&["m", merchant.id.as_str(), "transactions"]);
    let content = Content::new("Create or link a customer", body)
        .below("Transactions", above)
        .below(format!("Transaction {id}"), address(request, merchant));
    Outcome::Page(content)
}

/// The two forms: a known customer, and a new one.
fn forms(request: &PageRequest, merchant: &Merchant, transaction: &Value) -> Markup {
    if text(transaction, "/customer/resolution") != "bypassed" {
        return html! {
            div class="notice" { p { "The transaction has a customer already: " (text(transaction, "/customer/customer_id")) "." } }
        };
    }
    let back = address(request, merchant);
    html! {
        p { "The transaction " (text(transaction, "/transaction_id")) " of "
            (amount(text(transaction, "/asked"), text(transaction, "/currency")))
            " has no customer. After the link it counts in the limits of the customer, as if it had been one of them from the \
             beginning." }
        div class="columns" {
            form method="post" class="card narrow" {
                h2 { "A known customer" }
                input type="hidden" name="whose" value="known";
                (text_field("customer_id", "Customer id", request.field("customer_id"), "1000001"))
                p class="actions" { button name="step" value="preview" { "Show the customer" } " " a href=(back) { "Cancel" } }
            }
            form method="post" class="card narrow" {
                h2 { "A new customer" }
                input type="hidden" name="whose" value="new";
                @for (key, label) in FIELDS { (text_field(key, label, request.field(key), "")) }
                p class="actions" { button name="step" value="preview" { "Show the new customer" } " " a href=(back) { "Cancel" } }
            }
        }
    }
}

/// `GET .../transactions/{transaction}/link`
pub(in crate::console) fn show_link(request: &PageRequest) -> Paged {
    let (merchant, transaction) = transaction_of(request)?;
    Ok(page(request, merchant, forms(request, merchant, &transaction)))
}

/// The body of the link, as the API takes it.
fn body_of(request: &PageRequest) -> Value {
    if request.field("whose") == "known" {
        return json!({ "customer_id": request.field("customer_id") });
    }
    let filled = FIELDS.iter().map(|(key, _)| ((*key).to_owned(), request.field(key)));
    let filled = filled.filter(|(_, value)| !value.is_empty()).map(|(key, value)| (key, json!(value)));
    Value::Object(filled.collect::<Map<_, _>>())
}

/// The customer who would get the transaction.
fn customer_facts(request: &PageRequest, merchant: &Merchant, body: &Value) -> Result<Markup, ServiceError> {
    if request.field("whose") != "known" {
        let rows = FIELDS.iter().map(|(key, label)| (*label, or_dash(&in_words(&body[*key]))));
        return Ok(facts(&rows.collect::<Vec<_>>()));
    }
    let id = request.field("customer_id");
    let customer = request.read(request.customers(merchant).customer(id))?;
    let number = text(&customer, "/customer_id");
    let link = html! { a href=(request.links.to(&["m", merchant.id.as_str(), "customers", number])) { (number) } };
    Ok(facts(&[
        ("Customer", link),
        ("Name", or_dash(&full_name(&customer))),
        ("E-mail", or_dash(text(&customer, "/email"))),
        ("Status", badge(text(&customer, "/status"))),
        ("Deposit level", badge(text(&customer, "/deposit_level"))),
        ("Withdrawal level", badge(text(&customer, "/withdrawal_level"))),
    ]))
}

/// `POST .../transactions/{transaction}/link`: previews the link, or makes it.
pub(in crate::console) fn link(request: &PageRequest) -> Paged {
    let (merchant, transaction) = transaction_of(request)?;
    let refused = |error: &ServiceError| {
        page(
            request,
            merchant,
            html! {
                div class="notice bad" role="alert" {
                    p { (error.detail) }
                    @if !error.problems.is_empty() { ul { @for problem in &error.problems { li { (problem) } } } }
                }
                (forms(request, merchant, &transaction))
            },
        )
    };
    let body = body_of(request);
    let shown = match customer_facts(request, merchant, &body) {
        Ok(shown) => shown,
        Err(error) if error.is_unavailable() => return Err(error),
        Err(error) => return Ok(refused(&error)),
    };
    let is_new = request.field("whose") != "known";
    if request.field("step") == "confirm" {
        let transaction_id = request.parameter("transaction").to_owned();
        let write = ConfirmedWrite::Link { transaction_id, body: body.to_string().into_bytes() };
        return match request.commit(write) {
            Ok(()) => Ok(Outcome::Redirect(format!("{}?done=1", address(request, merchant)))),
            Err(error) if error.is_unavailable() => Err(error),
            Err(error) => Ok(refused(&error)),
        };
    }
    let money = amount(text(&transaction, "/amount"), text(&transaction, "/currency"));
    let direction = spaced(text(&transaction, "/direction"));
    Ok(page(
        request,
        merchant,
        html! {
            section class="card narrow" {
                h2 { "This will change" }
                p { "The " (direction) " of " (money) " becomes the payment of this customer, and counts in the limits." }
                @if is_new { p { strong { "A customer is created." } } }
                (shown)
                form method="post" {
                    @for (key, value) in request.form.iter().filter(|(key, _)| key != "step") {
                        input type="hidden" name=(key) value=(value);
                    }
                    p class="actions" {
                        button name="step" value="confirm" { @if is_new { "Create and link" } @else { "Link the customer" } } " "
                        a href="link" { "Back" }
                    }
                }
            }
        },
    ))
}
