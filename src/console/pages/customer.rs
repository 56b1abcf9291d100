//! One customer: who it is, usage, limits, orders, wallet, history. Pages that change something are in the folder.

pub(in crate::console) mod change_instrument;
pub(in crate::console) mod edit;
pub(in crate::console) mod erase;
pub(in crate::console) mod instrument;
pub(in crate::console) mod merge;
pub(in crate::console) mod raise;
pub(in crate::console) mod rates;
pub(in crate::console) mod remove_instrument;
pub(in crate::console) mod settings;
pub(in crate::console) mod signals;

use crate::{
    console::{
        document::{differing, in_words, list, spaced, text, words_at},
        layout::Content,
        links::query_text,
        page_request::{Outcome, PageRequest, Paged},
        pages::{
            customers::full_name,
            decide::customer_key,
            limits_chooser::chooser,
            order_table::{order_link, order_of, order_table},
            recent_denials::recent_denials,
            usage_bars::limit_table,
        },
        parts::{badge, facts, nothing, or_dash, pager, time},
    },
    domain::{rules::merchant::Merchant, vocabulary::time::Millis},
    service::{
        customers::history::HistoryPage, documents::query::cursor, error::ServiceError,
        payments::transactions::transaction_filter,
    },
};
use maud::{Markup, html};
use serde_json::Value;
use std::borrow::Cow;

/// The pages of a customer: the last segment, and the name.
const TABS: [(&str, &str); 8] = [
    ("", "Profile"),
    ("usage", "Usage"),
    ("limits", "Limits"),
    ("settings", "Settings"),
    ("rates", "Rates"),
    ("orders", "Orders"),
    ("wallet", "Wallet"),
    ("history", "History"),
];
/// What an operator can do with a customer: the last segment, and the words.
const ACTIONS: [(&str, &str); 5] = [
    ("change", "Change level, status or labels"),
    ("edit", "Edit the profile"),
    ("signals", "Report a signal"),
    ("merge", "Merge"),
    ("erase", "Delete"),
];
/// The transactions or the changes of a page of a list.
const PAGE_LIMIT: usize = 50;

/// The customer that a path names.
pub(super) fn customer_of(request: &PageRequest, merchant: &Merchant) -> Result<Value, ServiceError> {
    request.read(request.customers(merchant).customer(request.parameter("customer")))
}

/// The title of a customer's pages.
pub(super) fn title_of(customer: &Value) -> String {
    let number = text(customer, "/customer_id");
    let name = full_name(customer);
    let name = if name.is_empty() { text(customer, "/merchant_customer_identifier") } else { &name };
    if name.is_empty() { format!("Customer {number}") } else { format!("{name} ({number})") }
}

/// A page of a customer, with the tabs and the status.
fn page(request: &PageRequest, merchant: &Merchant, customer: &Value, (tab, body): (&str, Markup)) -> Outcome {
    let (id, number) = (merchant.id.as_str(), request.parameter("customer"));
    let base = ["m", id, "customers", number];
    let body = html! {
        @if request.query("done") == "1" { p class="notice good" role="status" { "The change is recorded." } }
        p class="badges" {
            (badge(text(customer, "/status")))
            @for label in list(customer, "/labels") { " " span class="badge plain" { (label.as_str().unwrap_or_default()) } }
            @if !text(customer, "/merged_into").is_empty() {
                " merged into " a href=(request.links.to(&["m", id, "customers", text(customer, "/merged_into")])) {
                    (text(customer, "/merged_into"))
                }
            }
        }
        nav class="tabs" aria-label="Customer" {
            @for (word, name) in TABS {
                @let address = if word.is_empty() { request.links.to(&base) } else {
                    request.links.to(&[&base[..], &[word]].concat())
                };
                a href=(address) aria-current=[(word == tab).then_some("page")] { (name) }
            }
        }
        (body)
    };
    let above = request.links.to(&["m", id, "customers"]);
    Outcome::Page(Content::new(title_of(customer), body).below("Customers", above))
}

/// A page of a form about a customer.
fn form_page(request: &PageRequest, merchant: &Merchant, customer: &Value, (title, body): (&str, Markup)) -> Outcome {
    let base = ["m", merchant.id.as_str(), "customers"];
    let of_customer = request.links.to(&[&base[..], &[request.parameter("customer")]].concat());
    let content = Content::new(title, body);
    Outcome::Page(content.below("Customers", request.links.to(&base)).below(title_of(customer), of_customer))
}

/// The address of a customer's page after a change; `page`: its last segments, none for the profile.
fn after_change(request: &PageRequest, merchant: &Merchant, number: &str, page: &[&str]) -> Outcome {
    let address = request.links.to(&[&["m", merchant.id.as_str(), "customers", number], page].concat());
    Outcome::Redirect(format!("{address}?done=1"))
}

/// `GET .../customers/{customer}`
pub(in crate::console) fn overview(request: &PageRequest) -> Paged {
    let merchant = request.merchant()?;
    let customer = customer_of(request, merchant)?;
    let (id, number) = (merchant.id.as_str(), request.parameter("customer"));
    let row = |name: &'static str, path: &str| (name, or_dash(&words_at(&customer, path)));
    let who = [
        row("Customer id", "/customer_id"),
        row("Merchant's identifier", "/merchant_customer_identifier"),
        row("External id", "/external_id"),
        ("Name", or_dash(&full_name(&customer))),
        row("E-mail", "/email"),
        row("Phone", "/phone"),
        row("Country", "/country"),
        row("City", "/city"),
        row("Address", "/address"),
        row("Date of birth", "/date_of_birth"),
        row("Language", "/language"),
    ];
    let state = [
        ("Deposit level", badge(text(&customer, "/deposit_level"))),
        ("Withdrawal level", badge(text(&customer, "/withdrawal_level"))),
        ("Status", badge(text(&customer, "/status"))),
        row("Labels", "/labels"),
        row("Restrictions", "/restrictions"),
        row("Projects switched off", "/disabled_projects"),
        row("Comment", "/comment"),
        row("Rating", "/rating"),
        ("Created", time(&merchant.calendar, text(&customer, "/created_at"))),
        ("Changed", time(&merchant.calendar, text(&customer, "/modified_at"))),
        ("Deletion due", time(&merchant.calendar, text(&customer, "/deletion_due"))),
    ];
    let terminal = text(&customer, "/terminal_url");
    let is_web = terminal.starts_with("https://") || terminal.starts_with("http://");
    let key = customer_key(merchant.mode);
    let ask = query_text([(key, text(&customer, &format!("/{key}")))]);
    let ask = format!("{}{ask}", request.links.to(&["m", id, "decide"]));
    let body = html! {
        (recent_denials(request, merchant)?)
        p class="actions" {
            @if request.may_write() {
                @for (n, (word, name)) in ACTIONS.iter().enumerate() {
                    a class={ "button" @if n > 0 { " plain" } } href=(request.links.to(&["m", id, "customers", number, word])) {
                        (name)
                    } " "
                }
            }
            " " a class="button plain" href=(ask) { "Ask for a decision" }
            @if is_web { " " a class="button plain" href=(terminal) rel="noreferrer" { "Virtual terminal" } }
        }
        div class="columns" {
            section class="card" { h2 { "Who" } (facts(&who)) }
            section class="card" { h2 { "State" } (facts(&state)) }
        }
    };
    Ok(page(request, merchant, &customer, ("", body)))
}

/// `GET .../customers/{customer}/usage`
pub(in crate::console) fn usage(request: &PageRequest) -> Paged {
    let merchant = request.merchant()?;
    let customer = customer_of(request, merchant)?;
    let usage = request.read(request.customers(merchant).usage(request.parameter("customer")))?;
    let groups = list(&usage, "/usage");
    let body = html! {
        @if groups.is_empty() { (nothing("No limit applies to this customer, in any currency.")) }
        @for group in groups {
            section class="card" {
                h2 {
                    (text(group, "/direction")) "s in " (text(group, "/currency")) ", "
                    @if text(group, "/level").is_empty() { "no level" } @else { "level " (text(group, "/level")) }
                }
                (limit_table(list(group, "/limits"), &merchant.calendar))
            }
        }
    };
    Ok(page(request, merchant, &customer, ("usage", body)))
}

/// The filters of a limit, in words.
pub(super) fn filter_list(filters: &[Value], currency: &str) -> Markup {
    html! {
        ul {
            @for filter in filters {
                li {
                    strong { (text(filter, "/name")) } ", " (text(filter, "/window"))
                    @if !text(filter, "/amount_limit").is_empty() { ": " (text(filter, "/amount_limit")) " " (currency) }
                    @let quantity = words_at(filter, "/quantity_limit");
                    @if !quantity.is_empty() { ", " (quantity) " payments" }
                    @if !text(filter, "/kind").is_empty() { " " span class="quiet" { (spaced(text(filter, "/kind"))) } }
                }
            }
        }
    }
}

/// `GET .../customers/{customer}/limits`
pub(in crate::console) fn limits(request: &PageRequest) -> Paged {
    let merchant = request.merchant()?;
    let customer = customer_of(request, merchant)?;
    let all = list(&customer, "/limits");
    let body = html! {
        @if all.is_empty() { (nothing("The customer has no limits besides those of the level.")) }
        @if request.may_write() { (chooser(merchant)) }
        @for limits in all {
            @let currency = text(limits, "/currency");
            section class="card" {
                h2 { (text(limits, "/direction")) "s in " (currency) }
                @let own = list(limits, "/filters");
                @if own.is_empty() { p class="quiet" { "No limit of the customer is in force." } } @else {
                    h3 { "The customer's own, in force" }
                    (filter_list(own, currency))
                }
                @if limits["pending"].is_object() {
                    h3 { "A raise that waits " (badge(text(limits, "/pending/state"))) }
                    (filter_list(list(limits, "/pending/filters"), currency))
                    @if list(limits, "/pending/filters").is_empty() { p { "All limits of the customer are removed." } }
                    p { "From " (time(&merchant.calendar, text(limits, "/pending/from")))
                        @if !text(limits, "/pending/lapses_at").is_empty() {
                            ", void after " (time(&merchant.calendar, text(limits, "/pending/lapses_at")))
                        }
                    }
                    @if request.may_write() {
                        @let of = query_text([("direction", text(limits, "/direction")), ("currency", currency)]);
                        p { a class="button plain" href={ "limits/raise" (of) } { "Cancel or confirm the raise" } }
                    }
                }
                @if limits["operator"].is_object() {
                    h3 { "Set by an operator" }
                    (filter_list(list(limits, "/operator/filters"), currency))
                    p { "Until " (time(&merchant.calendar, text(limits, "/operator/until"))) }
                }
            }
        }
    };
    Ok(page(request, merchant, &customer, ("limits", body)))
}

/// `GET .../customers/{customer}/orders`
pub(in crate::console) fn orders(request: &PageRequest) -> Paged {
    let merchant = request.merchant()?;
    let customer = customer_of(request, merchant)?;
    let dates = ["from", "to"].map(|key| (key, request.query(key)));
    let order = order_of(request);
    let place = [("cursor", request.query("cursor")), ("order", order)];
    let sent = dates.iter().chain(&place).filter(|(_, value)| !value.is_empty());
    let limit = PAGE_LIMIT.to_string();
    let pairs = sent.copied().chain([("limit", limit.as_str())]);
    let pairs = pairs.map(|(key, value)| (Cow::Borrowed(key), Cow::Borrowed(value)));
    let filter = transaction_filter(pairs, Some(&merchant.calendar))?;
    let orders = request.read(request.customers(merchant).transactions(request.parameter("customer"), filter))?;
    let transactions = list(&orders, "/transactions");
    let kept: Vec<_> = dates.into_iter().chain([("order", request.query("order"))]).collect();
    let words = if order == "oldest" { "The oldest come first." } else { "The newest come first." };
    let body = html! {
        form method="get" class="filters" {
            @for ((key, value), label) in dates.iter().zip(["From", "To"]) {
                label class="field" { span { (label) } input type="date" name=(key) value=(value); }
            }
            @if order == "oldest" { input type="hidden" name="order" value=(order); }
            div class="actions" { button { "Show" } }
        }
        @if transactions.is_empty() { (nothing("The customer has no transactions in this time.")) } @else {
            (order_table(transactions, merchant.id.as_str(), &request.links, &merchant.calendar, false))
            (order_link("orders", &kept, order, words))
        }
        (pager("orders", &kept, &orders, !request.query("cursor").is_empty()))
    };
    Ok(page(request, merchant, &customer, ("orders", body)))
}

/// `GET .../customers/{customer}/wallet`
pub(in crate::console) fn wallet(request: &PageRequest) -> Paged {
    let merchant = request.merchant()?;
    let customer = customer_of(request, merchant)?;
    let stored = list(&customer, "/payment_instruments");
    let body = html! {
        @if stored.is_empty() { (nothing("The customer has no stored payment instruments.")) } @else {
            div class="scroll" { table {
                thead { tr {
                    th scope="col" { "Instrument" } th scope="col" { "Brand" } th scope="col" { "Number" }
                    th scope="col" { "State" } th scope="col" { "Expires" } th scope="col" class="number" { "Payments" }
                    th scope="col" { "Last success" } th scope="col" { "Saved" } th scope="col" { "Default" }
                } }
                tbody { @for instrument in stored { tr {
                    @let token = text(instrument, "/payment_instrument");
                    th scope="row" {
                        a href=(request.links.to(&["m", merchant.id.as_str(), "customers", request.parameter("customer"), "wallet", token])) {
                            (token)
                        }
                    }
                    td { (or_dash(&words_at(instrument, "/brand"))) }
                    td { (or_dash(text(instrument, "/masked_number"))) }
                    td { (badge(text(instrument, "/state"))) }
                    td { (or_dash(text(instrument, "/expires"))) }
                    td class="number" { (words_at(instrument, "/successful_payments")) }
                    td { (time(&merchant.calendar, text(instrument, "/last_success_at"))) }
                    td { (time(&merchant.calendar, text(instrument, "/saved_at"))) }
                    td { @if instrument["default"] == true { "\u{2665} default" } }
                } } }
            } }
        }
    };
    Ok(page(request, merchant, &customer, ("wallet", body)))
}

/// A value of a change; a time is that of the merchant's zone.
fn value_in_words(value: &Value, merchant: &Merchant) -> Markup {
    match value.as_str() {
        Some(at) if Millis::parse(at).is_some() => time(&merchant.calendar, at),
        _ => or_dash(&in_words(value)),
    }
}

/// The steps of a history, the newest first.
fn step_list(steps: &[Value], request: &PageRequest, merchant: &Merchant) -> Markup {
    html! {
        ol class="timeline" {
            @for step in steps {
                li {
                    p {
                        (time(&merchant.calendar, text(step, "/at"))) " by "
                        @let by = text(step, "/by");
                        @if by.is_empty() { (spaced(text(step, "/source"))) } @else { strong { (by) } }
                        @let transaction = text(step, "/transaction_id");
                        @if !transaction.is_empty() {
                            ", transaction " a href=(request.links.to(&["m", merchant.id.as_str(), "transactions", transaction])) {
                                (transaction)
                            }
                        }
                        @let job = text(step, "/job");
                        @if !job.is_empty() {
                            ", job " a href=(request.links.to(&["m", merchant.id.as_str(), "jobs", job])) { (job) }
                        }
                        @if step["signal"].is_object() {
                            ", signal " strong { (spaced(text(step, "/signal/signal"))) }
                        }
                    }
                    ul class="changes" {
                        @for change in list(step, "/changes") {
                            li {
                                strong { (spaced(text(change, "/field"))) } ": "
                                @let (old, new) = differing(&change["old"], &change["new"]);
                                span class="old" { (value_in_words(&old, merchant)) } " \u{2192} "
                                span class="new" { (value_in_words(&new, merchant)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// `GET .../customers/{customer}/history`
pub(in crate::console) fn history(request: &PageRequest) -> Paged {
    let merchant = request.merchant()?;
    let customer = customer_of(request, merchant)?;
    let end = match request.query("cursor") {
        "" => 0,
        sent => cursor(sent, |text| text.parse().ok())?,
    };
    let names_author = |name, is_signal| request.names_author(merchant.id, name, is_signal);
    let page_of = HistoryPage { limit: PAGE_LIMIT, end };
    let customers = request.customers(merchant);
    let history = request.read(customers.history(request.parameter("customer"), page_of, &names_author))?;
    let body = html! {
        (step_list(list(&history, "/history"), request, merchant))
        (pager("history", &[], &history, end > 0))
    };
    Ok(page(request, merchant, &customer, ("history", body)))
}
