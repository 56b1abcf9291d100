//! The audit of a merchant: who changed what, over all customers, levels, rates and the configuration.

use crate::{
    console::{
        document::{differing, in_words, list, spaced, text, words_at},
        layout::Content,
        page_request::{Outcome, PageRequest, Paged},
        pages::operator::merchant_choice::{chosen_or_first, merchant_field},
        parts::{badge, choice, nothing, or_dash, pager, text_field, time},
    },
    domain::{
        rules::merchant::Merchant,
        vocabulary::{time::Millis, words::Word},
    },
    service::{
        customers::audit::{AuditKind, AuditRequest},
        error::ServiceError,
    },
};
use maud::{Markup, html};
use serde_json::Value;
use std::borrow::Cow;

/// The entries of a page.
const PAGE_LIMIT: &str = "50";
const MINUTE_MS: i64 = 60_000;
/// The filters of the page besides the merchant.
const KEYS: [&str; 6] = ["from", "to", "by", "kind", "customer_id", "job"];

/// The end of the minute of the form, of its last day or of today; `None`: the form names none.
fn last_minute(request: &PageRequest, merchant: &Merchant) -> Result<Option<Millis>, ServiceError> {
    let (day, minute) = (request.query("to"), request.query("to_time"));
    if minute.is_empty() {
        return Ok(None);
    }
    let today = merchant.calendar.local_text(request.console.parts.payments.time()?);
    let day = if day.is_empty() { today.split(' ').next().unwrap_or_default() } else { day };
    let at = merchant.calendar.instant(day, minute).ok_or_else(|| {
        let detail = "the time is hours and minutes, as 14:30, of the day in the field before it";
        ServiceError::malformed("time_malformed", detail).at("to_time")
    })?;
    Ok(Some(at.plus(MINUTE_MS)))
}

fn found(request: &PageRequest, merchant: &Merchant) -> Result<Value, ServiceError> {
    let limit = [(Cow::Borrowed("limit"), Cow::Borrowed(PAGE_LIMIT))];
    let to = last_minute(request, merchant)?;
    let is_sent = |key: &str| (KEYS.contains(&key) || key == "cursor") && !(to.is_some() && key == "to");
    let to = to.iter().map(|to| (Cow::Borrowed("to"), Cow::Owned(to.to_string())));
    let sent = request.filters().filter(|(key, _)| is_sent(key)).chain(to).chain(limit);
    let query = AuditRequest::read(sent, Some(&merchant.calendar))?;
    let names_author = |name, is_signal| request.names_author(merchant.id, name, is_signal);
    request.read(request.customers(merchant).audit(&query, &names_author))
}

/// A value of a change in words; a time is that of the merchant's zone.
fn value(value: &Value, merchant: &Merchant) -> Markup {
    match value.as_str() {
        Some(at) if Millis::parse(at).is_some() => time(&merchant.calendar, at),
        _ => or_dash(&in_words(value)),
    }
}

fn entry(request: &PageRequest, merchant: &Merchant, entry: &Value) -> Markup {
    let at = |path: &str| text(entry, path);
    let id = merchant.id.as_str();
    let (by, customer, transaction) = (at("/by"), words_at(entry, "/customer_id"), at("/transaction_id"));
    html! {
        li {
            p {
                (time(&merchant.calendar, at("/at"))) " " (badge(at("/kind"))) " by "
                @if by.is_empty() { (or_dash(&spaced(at("/source")))) } @else { strong { (by) } }
                @if !customer.is_empty() { ", customer " a href=(request.links.to(&["m", id, "customers", &customer])) { (customer) } }
                @if !transaction.is_empty() {
                    ", transaction " a href=(request.links.to(&["m", id, "transactions", transaction])) { (transaction) }
                }
                @if !at("/operation").is_empty() { ", " (spaced(at("/operation"))) }
                @if !at("/job").is_empty() { ", job " code { (at("/job")) } }
            }
            @if !at("/reason").is_empty() { p class="quiet" { (at("/reason")) } }
            ul class="changes" { @for change in list(entry, "/changes") { li {
                @let (old, new) = differing(&change["old"], &change["new"]);
                strong { (spaced(text(change, "/field"))) } ": "
                span class="old" { (value(&old, merchant)) } " \u{2192} "
                span class="new" { (value(&new, merchant)) }
            } } }
        }
    }
}

/// `GET /console/audit`
pub(in crate::console) fn show(request: &PageRequest) -> Paged {
    let Some(merchant) = chosen_or_first(request)? else {
        return Ok(Outcome::Page(Content::new("Audit", nothing("Your token is for no merchant that is configured."))));
    };
    let page = found(request, merchant);
    let sent = |key: &str| request.query(key).to_owned();
    let mut kept = request.query_of_next_page();
    if sent("merchant").is_empty() {
        kept.push(("merchant", merchant.id.as_str()));
    }
    let body = html! {
        form method="get" class="filters" role="search" {
            (merchant_field(request, merchant.id.as_str(), ""))
            (choice("kind", "Kind", &sent("kind"), "all but payments", AuditKind::WORDS.iter().map(|(word, _)| *word)))
            (text_field("by", "Who", &sent("by"), "name of a token"))
            (text_field("customer_id", "Customer id", &sent("customer_id"), "1000001"))
            (text_field("job", "Job", &sent("job"), "id of an upload"))
            @for (key, label) in [("from", "From"), ("to", "To")] {
                label class="field" { span { (label) } input type="date" name=(key) value=(sent(key)); }
            }
            label class="field" { span { "To this time; of today without a day" }
                input type="time" name="to_time" value=(sent("to_time")); }
            div class="actions" { button { "Show" } " " a href="audit" { "Clear" } }
        }
        @match &page {
            Err(error) => div class="notice bad" role="alert" { p { (error.detail) } },
            Ok(page) => {
                @let entries = list(page, "/audit");
                @if entries.is_empty() { (nothing("Nothing was changed that matches on this page of the audit.")) } @else {
                    ol class="timeline card" { @for step in entries { (entry(request, merchant, step)) } }
                }
                (pager("audit", &kept, page, !sent("cursor").is_empty()))
            }
        }
    };
    Ok(Outcome::Page(Content::new("Audit", body)))
}
