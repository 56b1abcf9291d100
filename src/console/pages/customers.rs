//! The list of customers: filters, columns, and the selection for a change of many.

pub(in crate::console) mod bulk;
mod columns;
pub(in crate::console) mod create;
mod filters;
pub(in crate::console) mod mock;
pub(in crate::console::pages) mod profile_fields;
pub(in crate::console) mod tables;
pub(in crate::console) mod upload;

pub(super) use crate::console::pages::customers::{columns::full_name, filters::level_names};

use crate::{
    console::{
        document::{list, text},
        error_page::error_content,
        layout::Content,
        links::query_text,
        page_request::{Outcome, PageRequest, Paged},
        pages::customers::{
            columns::{cell, column_form, columns_of},
            filters::{chips, filter_form, filters},
        },
        parts::{nothing, pager},
    },
    domain::rules::merchant::Merchant,
    service::documents::customers::search::customer_search,
};
use maud::{Markup, html};
use serde_json::Value;
use std::borrow::Cow;

/// The customers of a page of the list.
const PAGE_LIMIT: &str = "50";

/// The table of a page of the list. For an operator each row can be selected.
fn rows(customers: &[Value], request: &PageRequest, merchant: &Merchant) -> Markup {
    let id = merchant.id.as_str();
    let (columns, selects) = (columns_of(&request.query), request.may_write());
    html! {
        div class="scroll" {
            table {
                thead { tr {
                    @if selects { th scope="col" { "Select" } }
                    th scope="col" { "Customer" }
                    @for (_, name) in &columns { th scope="col" { (name) } }
                } }
                tbody { @for customer in customers {
                    @let number = text(customer, "/customer_id");
                    tr {
                        @if selects {
                            td { input type="checkbox" name="id" value=(number) aria-label={ "Select " (number) }; }
                        }
                        th scope="row" { a href=(request.links.to(&["m", id, "customers", number])) { (number) } }
                        @for (word, _) in &columns { td { (cell(customer, word, merchant)) } }
                    }
                } }
            }
        }
    }
}

/// The table, with what can be done with a selection.
fn selectable(customers: &[Value], request: &PageRequest, merchant: &Merchant) -> Markup {
    if !request.may_write() {
        return rows(customers, request, merchant);
    }
    let numbers = customers.iter().map(|customer| ("id", text(customer, "/customer_id")));
    let of_page = query_text([("selected", "ids")].into_iter().chain(numbers));
    let of_all = query_text(filters::chosen(&request.query).chain([("selected", "all")]));
    html! {
        form method="get" action="customers/bulk" {
            input type="hidden" name="selected" value="ids";
            (rows(customers, request, merchant))
            p class="actions" {
                button class="plain" { "Change the selected" } " "
                a class="button plain" href={ "customers/bulk" (of_page) } { "Change all on this page" } " "
                a class="button plain" href={ "customers/bulk" (of_all) } { "Change all that match" }
            }
        }
    }
}

/// `GET /console/m/{merchant}/customers`
pub(in crate::console) fn search(request: &PageRequest) -> Paged {
    let merchant = request.merchant()?;
    let limit = [(Cow::Borrowed("limit"), Cow::Borrowed(PAGE_LIMIT))];
    let view = ["sort", "cursor"].map(|key| (Cow::Borrowed(key), Cow::Borrowed(request.query(key))));
    let view = view.into_iter().filter(|(_, value)| !value.is_empty());
    // A filter that cannot be read is shown above the form, with the fields as they were sent.
    let found = customer_search(filters(&request.query).chain(view).chain(limit), merchant)
        .and_then(|search| request.read(request.customers(merchant).find(search.as_ref())));
    let kept = request.query_of_next_page();
    let table = query_text(filters::chosen(&request.query));
    let body = html! {
        p class="actions" {
            @if request.may_write() {
                a class="button" href="customers/new" { "New customer" } " "
                a class="button plain" href="customers/upload" { "Upload a table" } " "
                a class="button plain" href="customers/mock" { "Made-up customers" } " "
            }
            a class="button plain" href={ "customers.csv" (table) } { "Download the table" } " "
            a class="button plain" href="jobs" { "Jobs" }
        }
        (filter_form(&request.query, merchant))
        (chips(&request.query))
        (column_form(&request.query))
        @match &found {
            Err(error) if error.is_unavailable() => (error_content(error).body),
            Err(error) => (crate::console::forms::refusal_alert(error)),
            Ok(page) => {
                @let customers = list(page, "/customers");
                @if customers.is_empty() {
                    (nothing("No customer matches. Remove a filter, or check the spelling."))
                } @else {
                    (selectable(customers, request, merchant))
                    (pager("customers", &kept, page, !request.query("cursor").is_empty()))
                }
            }
        }
    };
    Ok(Outcome::Page(Content::new("Customers", body)))
}
