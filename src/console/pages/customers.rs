//! The search for customers.

use crate::{
    console::{
        document::{list, text, words_at},
        layout::Content,
        page_request::{Outcome, PageRequest, Paged},
        parts::{badge, choice, nothing, or_dash, pager, text_field, time},
    },
    domain::{
        customer::status::CustomerStatus,
        rules::merchant::Merchant,
        vocabulary::{direction::Direction, words::Word},
    },
    service::documents::customers::search::customer_search,
};
use maud::{Markup, html};
use serde_json::Value;
use std::{borrow::Cow, collections::BTreeSet};

/// The filters of the form: the key of the service, the label, and a hint.
const TEXT_FILTERS: [(&str, &str, &str); 7] = [
    ("customer_id", "Customer id", "1000001"),
    ("merchant_customer_identifier", "Merchant's identifier", ""),
    ("email", "E-mail", "whole, or its beginning"),
    ("phone", "Phone", ""),
    ("name", "Name", "its beginning"),
    ("external_id", "External id", ""),
    ("payment_instrument", "Payment instrument", "the token"),
];
/// The customers of a page of the list.
const PAGE_LIMIT: &str = "50";

/// The names of the merchant's levels of a direction.
pub(super) fn level_names(merchant: &Merchant, direction: Direction) -> BTreeSet<&'static str> {
    let levels = merchant.levels.iter().filter(|level| level.direction == direction);
    levels.map(|level| level.name.as_str()).collect()
}

fn filter_form(request: &PageRequest, merchant: &Merchant) -> Markup {
    let chosen = |key: &str| request.query(key).to_owned();
    let level =
        |key: &str, label: &str, direction| choice(key, label, &chosen(key), "any", level_names(merchant, direction));
    let dates = [("created_from", "Created from"), ("created_to", "Created to")];
    html! {
        form method="get" class="filters" role="search" {
            @for (key, label, hint) in TEXT_FILTERS { (text_field(key, label, &chosen(key), hint)) }
            (level("deposit_level", "Deposit level", Direction::Deposit))
            (level("withdrawal_level", "Withdrawal level", Direction::Withdrawal))
            (choice("status", "Status", &chosen("status"), "any", CustomerStatus::WORDS.iter().map(|(word, _)| *word)))
            (choice("label", "Label", &chosen("label"), "any", merchant.labels.iter().map(|label| label.name.as_str())))
            @for (key, label) in dates {
                label class="field" { span { (label) } input type="date" name=(key) value=(chosen(key)); }
            }
            div class="actions" { button { "Search" } " " a href="customers" { "Clear" } }
        }
    }
}

fn rows(customers: &[Value], request: &PageRequest, merchant: &Merchant) -> Markup {
    let id = merchant.id.as_str();
    html! {
        div class="scroll" {
            table {
                thead { tr {
                    th scope="col" { "Customer" } th scope="col" { "Identifier" } th scope="col" { "Name" }
                    th scope="col" { "E-mail" } th scope="col" { "Status" } th scope="col" { "Levels" }
                    th scope="col" { "Labels" } th scope="col" { "Created" }
                } }
                tbody { @for customer in customers {
                    @let number = text(customer, "/customer_id");
                    tr {
                        th scope="row" { a href=(request.links.to(&["m", id, "customers", number])) { (number) } }
                        td { (or_dash(text(customer, "/merchant_customer_identifier"))) }
                        td { (or_dash(&full_name(customer))) }
                        td { (or_dash(text(customer, "/email"))) }
                        td { (badge(text(customer, "/status"))) }
                        td { (or_dash(&levels_of(customer))) }
                        td { (or_dash(&words_at(customer, "/labels"))) }
                        td { (time(&merchant.calendar, text(customer, "/created_at"))) }
                    }
                } }
            }
        }
    }
}

/// The name of a customer: the whole one, or first and last name.
pub(super) fn full_name(customer: &Value) -> String {
    let name = text(customer, "/name");
    if !name.is_empty() {
        return name.to_owned();
    }
    format!("{} {}", text(customer, "/first_name"), text(customer, "/last_name")).trim().to_owned()
}

/// The levels of a customer in words.
fn levels_of(customer: &Value) -> String {
    let [deposit, withdrawal] = ["/deposit_level", "/withdrawal_level"].map(|path| text(customer, path));
    match (deposit, withdrawal) {
        ("", "") => String::new(),
        (deposit, "") => format!("deposits {deposit}"),
        ("", withdrawal) => format!("withdrawals {withdrawal}"),
        (deposit, withdrawal) => format!("deposits {deposit}, withdrawals {withdrawal}"),
    }
}

/// `GET /console/m/{merchant}/customers`
pub(in crate::console) fn search(request: &PageRequest) -> Paged {
    let merchant = request.merchant()?;
    let limit = [(Cow::Borrowed("limit"), Cow::Borrowed(PAGE_LIMIT))];
    let sent = request.filters().filter(|(key, _)| key != "limit").chain(limit);
    // A filter that cannot be read is shown above the form, with the fields as they were sent.
    let found = customer_search(sent, merchant)
        .and_then(|search| request.read(request.customers(merchant).find(search.as_ref())));
    let kept = request.query_of_next_page();
    let body = html! {
        (filter_form(request, merchant))
        @match &found {
            Err(error) if error.is_unavailable() => (crate::console::error_page::error_content(error).body),
            Err(error) => div class="notice bad" role="alert" { p { (error.detail) } },
            Ok(page) => {
                @let customers = list(page, "/customers");
                @if customers.is_empty() {
                    (nothing("No customer matches. Remove a filter, or check the spelling."))
                } @else {
                    (rows(customers, request, merchant))
                    (pager("customers", &kept, page, !request.query("cursor").is_empty()))
                }
            }
        }
    };
    Ok(Outcome::Page(Content::new("Customers", body)))
}
