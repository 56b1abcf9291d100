//! The levels of a merchant by direction and currency.

use crate::{
    console::{
        document::{list, text, words_at},
        layout::Content,
        links::query_text,
        page_request::{Outcome, PageRequest, Paged},
        parts::{badge, nothing, or_dash, time},
    },
    domain::{
        rules::merchant::Merchant,
        vocabulary::{direction::Direction, words::Word},
    },
};
use maud::{Markup, html};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// The name of a direction at the beginning of a sentence.
fn heading_of(direction: &str) -> &str {
    match direction {
        "deposit" => "Deposits",
        "withdrawal" => "Withdrawals",
        other => other,
    }
}

/// The limit of a filter, in words.
pub(super) fn limit_of(filter: &Value, currency: &str) -> String {
    let mut limits = Vec::new();
    if !text(filter, "/amount_limit").is_empty() {
        limits.push(format!("{} {currency}", text(filter, "/amount_limit")));
    }
    if !filter["quantity_limit"].is_null() {
        limits.push(format!("{} payments", words_at(filter, "/quantity_limit")));
    }
    limits.join(", ")
}

/// The currencies of the merchant's endpoints and levels.
pub(super) fn currencies(merchant: &Merchant) -> BTreeSet<String> {
    let of_endpoints = merchant.projects.iter().flat_map(|project| &project.endpoints);
    let of_endpoints = of_endpoints.map(|endpoint| endpoint.currency.to_string());
    of_endpoints.chain(merchant.levels.iter().map(|level| level.currency.to_string())).collect()
}

fn rows(levels: &[&Value], request: &PageRequest, merchant: &Merchant) -> Markup {
    let to = |level: &Value, page: &[&str]| {
        let (name, direction, currency) = (text(level, "/name"), text(level, "/direction"), text(level, "/currency"));
        let base = ["m", merchant.id.as_str(), "levels", direction, currency, name];
        request.links.to(&[&base[..], page].concat())
    };
    html! {
        div class="scroll" { table {
            thead { tr {
                th scope="col" { "Level" } th scope="col" { "Status" } th scope="col" { "Projects" }
                th scope="col" { "Limits" } th scope="col" { "Created" } th scope="col" { "Changed" }
                th scope="col" { "Origin" }
                @if request.may_write() { th scope="col" { "Change" } }
            } }
            tbody { @for level in levels {
                @let (name, currency) = (text(level, "/name"), text(level, "/currency"));
                tr {
                    th scope="row" { a href=(to(level, &[])) { (name) } }
                    td { (badge(text(level, "/status"))) }
                    td { (or_dash(&words_at(level, "/projects"))) }
                    td { ul class="plain" { @for filter in list(level, "/filters") {
                        li { (text(filter, "/name")) ": " (or_dash(&limit_of(filter, currency))) }
                    } } }
                    td { (time(&merchant.calendar, text(level, "/created"))) }
                    td {
                        (time(&merchant.calendar, text(level, "/modified")))
                        @if !text(level, "/by").is_empty() { " by " (text(level, "/by")) }
                    }
                    td { (or_dash(text(level, "/origin"))) }
                    @if request.may_write() { td {
                        a href=(to(level, &["rename"])) aria-label={ "Rename " (name) " in " (currency) } { "Rename" } " "
                        a href=(to(level, &["delete"])) aria-label={ "Delete " (name) " in " (currency) } { "Delete" }
                    } }
                }
            } }
        } }
    }
}

/// The levels of one currency.
fn group(levels: &[&Value], request: &PageRequest, merchant: &Merchant, (direction, currency): (&str, &str)) -> Markup {
    let base = ["m", merchant.id.as_str(), "levels"];
    html! {
        section {
            h2 { (heading_of(direction)) " in " (currency) }
            (rows(levels, request, merchant))
            @if request.may_write() {
                p class="actions" {
                    @let pairs = query_text([("direction", direction), ("currency", currency)]);
                    a class="button plain" href={ (request.links.to(&[&base[..], &["new"]].concat())) (pairs) } {
                        "Add a level in " (currency)
                    } " "
                    a href=(request.links.to(&[&base[..], &["delete", direction, currency]].concat())) {
                        "Delete all " (direction) " levels in " (currency)
                    }
                }
            }
        }
    }
}

/// `GET /console/m/{merchant}/levels`
pub(in crate::console) fn list_levels(request: &PageRequest) -> Paged {
    let merchant = request.merchant()?;
    let shows_name = |name| request.shows_name(name);
    let page = request.read(request.console.parts.payments.levels(merchant.id.as_str(), &shows_name))?;
    let wanted = request.query("direction");
    let mut groups: BTreeMap<(&str, &str), Vec<&Value>> = BTreeMap::new();
    for level in list(&page, "/levels") {
        let (direction, currency) = (text(level, "/direction"), text(level, "/currency"));
        if wanted.is_empty() || wanted == direction {
            groups.entry((direction, currency)).or_default().push(level);
        }
    }
    let base = ["m", merchant.id.as_str(), "levels"];
    let here = request.links.to(&base);
    let below = |name| request.links.to(&[&base[..], &[name]].concat());
    let tabs = [("", "All")].into_iter().chain(Direction::WORDS.iter().map(|(word, _)| (*word, heading_of(word))));
    let body = html! {
        @if request.query("done") == "1" { p class="notice good" role="status" { "The change is recorded." } }
        nav class="tabs" aria-label="Direction" {
            @for (word, name) in tabs {
                @let to = format!("{here}{}", query_text([("direction", word)]));
                a href=(to) aria-current=[(word == wanted).then_some("page")] {
                    (name)
                }
            }
        }
        p class="actions" {
            @if request.may_write() { a class="button" href=(below("new")) { "Add a level" } " " }
            a class="button plain" href=(below("file")) { "The merchant's file" }
        }
        @if groups.is_empty() { (nothing("There is no such level. The level unknown decides, without limits.")) }
        @for (of, levels) in &groups { (group(levels, request, merchant, *of)) }
    };
    Ok(Outcome::Page(Content::new("Levels", body)))
}
