//! Levels: the list of a merchant, and one.

use crate::{
    console::{
        document::{in_words, list, spaced, text, words_at},
        layout::Content,
        page_request::{Outcome, PageRequest, Paged},
        parts::{badge, choice, facts, nothing, or_dash, time},
    },
    domain::{
        rules::{level::LevelKey, merchant::Merchant},
        vocabulary::{direction::Direction, words::Word},
    },
};
use maud::{Markup, html};
use serde_json::Value;

/// The limit of a filter, in words.
fn limit_of(filter: &Value, currency: &str) -> String {
    let mut limits = Vec::new();
    if !text(filter, "/amount_limit").is_empty() {
        limits.push(format!("{} {currency}", text(filter, "/amount_limit")));
    }
    if !filter["quantity_limit"].is_null() {
        limits.push(format!("{} payments", words_at(filter, "/quantity_limit")));
    }
    limits.join(", ")
}

fn rows(levels: &[&Value], request: &PageRequest, merchant: &Merchant) -> Markup {
    html! {
        div class="scroll" { table {
            thead { tr {
                th scope="col" { "Level" } th scope="col" { "Kind" } th scope="col" { "Status" }
                th scope="col" { "Projects" } th scope="col" { "Limits" } th scope="col" { "Changed" } th scope="col" { "Origin" }
            } }
            tbody { @for level in levels {
                @let (name, direction, currency) = (text(level, "/name"), text(level, "/direction"), text(level, "/currency"));
                tr {
                    th scope="row" {
                        a href=(request.links.to(&["m", merchant.id.as_str(), "levels", direction, currency, name])) { (name) }
                    }
                    td { (direction) "s, " (currency) }
                    td { (badge(text(level, "/status"))) }
                    td { (or_dash(&words_at(level, "/projects"))) }
                    td { ul class="plain" { @for filter in list(level, "/filters") {
                        li { (text(filter, "/name")) ": " (limit_of(filter, currency)) }
                    } } }
                    td { (time(&merchant.calendar, text(level, "/modified"))) }
                    td { (or_dash(text(level, "/origin"))) }
                }
            } }
        } }
    }
}

/// `GET /console/m/{merchant}/levels`
pub(in crate::console) fn list_levels(request: &PageRequest) -> Paged {
    let merchant = request.merchant()?;
    let shows_name = |name| request.shows_name(name);
    let page = request.read(request.console.parts.payments.levels(merchant.id.as_str(), &shows_name))?;
    let (direction, currency) = (request.query("direction"), request.query("currency").to_uppercase());
    let matches = |level: &&Value| {
        (direction.is_empty() || text(level, "/direction") == direction)
            && (currency.is_empty() || text(level, "/currency") == currency)
    };
    let levels: Vec<&Value> = list(&page, "/levels").iter().filter(matches).collect();
    let body = html! {
        form method="get" class="filters" {
            (choice("direction", "Direction", direction, "any", Direction::WORDS.iter().map(|(word, _)| *word)))
            label class="field" { span { "Currency" } input type="text" name="currency" value=(currency) size="4"; }
            div class="actions" { button { "Show" } }
        }
        @if levels.is_empty() { (nothing("There is no such level.")) } @else { (rows(&levels, request, merchant)) }
    };
    Ok(Outcome::Page(Content::new("Levels", body)))
}

/// Everything that a filter states besides its name and its limits.
fn options_of(filter: &Value) -> String {
    let shown = ["name", "window", "amount_limit", "quantity_limit", "mode"];
    let rest = filter.as_object().into_iter().flatten();
    let rest = rest
        .filter(|(name, value)| !shown.contains(&name.as_str()) && !value.is_null() && **value != Value::Bool(false));
    let words = rest.map(|(name, value)| match value {
        Value::Bool(_) => spaced(name),
        value => format!("{} {}", spaced(name), in_words(value)),
    });
    words.collect::<Vec<_>>().join("; ")
}

/// `GET /console/m/{merchant}/levels/{direction}/{currency}/{level}`
pub(in crate::console) fn show(request: &PageRequest) -> Paged {
    let merchant = request.merchant()?;
    let (direction, currency) = request.direction_and_currency()?;
    let key = LevelKey { merchant: merchant.id, direction, currency, name: request.level_name()? };
    let shows_name = |name| request.shows_name(name);
    let level = request.read(request.console.parts.payments.level(&key, &shows_name))?;
    let code = text(&level, "/currency");
    let about = [
        ("Status", badge(text(&level, "/status"))),
        ("Projects", or_dash(&words_at(&level, "/projects"))),
        ("Gates, in order", or_dash(&words_at(&level, "/gates"))),
        ("Routing", or_dash(text(&level, "/routing"))),
        ("Created", time(&merchant.calendar, text(&level, "/created"))),
        ("Changed", time(&merchant.calendar, text(&level, "/modified"))),
        ("Origin", or_dash(text(&level, "/origin"))),
        ("Changed by", or_dash(text(&level, "/by"))),
    ];
    let (filters, methods) = (list(&level, "/filters"), list(&level, "/methods"));
    let body = html! {
        section class="card" { h2 { "Level" } (facts(&about)) }
        section {
            h2 { "Limits" }
            @if filters.is_empty() { (nothing("The level limits nothing.")) } @else {
                div class="scroll" { table {
                    thead { tr {
                        th scope="col" { "Limit" } th scope="col" { "Window" } th scope="col" { "At most" }
                        th scope="col" { "Mode" } th scope="col" { "Options" }
                    } }
                    tbody { @for filter in filters { tr {
                        th scope="row" { (text(filter, "/name")) }
                        td { (text(filter, "/window")) }
                        td { (limit_of(filter, code)) }
                        td { (badge(text(filter, "/mode"))) }
                        td { (or_dash(&options_of(filter))) }
                    } } }
                } }
            }
        }
        section {
            h2 { "Payment methods" }
            @if methods.is_empty() { (nothing("The level has the methods of the endpoint.")) } @else {
                div class="scroll" { table {
                    thead { tr {
                        th scope="col" { "Method" } th scope="col" { "In the form" } th scope="col" class="number" { "Least" }
                        th scope="col" class="number" { "Most" } th scope="col" { "Gates" }
                    } }
                    tbody { @for method in methods { tr {
                        th scope="row" { (text(method, "/method")) }
                        td { (or_dash(&words_at(method, "/show_in_form"))) }
                        td class="number" { (or_dash(text(method, "/min_amount"))) }
                        td class="number" { (or_dash(text(method, "/max_amount"))) }
                        td { (or_dash(&words_at(method, "/gates"))) }
                    } } }
                } }
            }
        }
    };
    let title = format!("{}, {}s in {code}", text(&level, "/name"), text(&level, "/direction"));
    let above = request.links.to(&["m", merchant.id.as_str(), "levels"]);
    Ok(Outcome::Page(Content::new(title, body).below("Levels", above)))
}
