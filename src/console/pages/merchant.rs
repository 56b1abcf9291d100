//! The overview of a merchant: decisions over time, denials by code, recent denials, the configuration in force.

use crate::{
    console::{
        document::{in_words, list, spaced, text, words_at},
        layout::Content,
        links::query_text,
        page_request::{Outcome, PageRequest, Paged},
        pages::{
            merchants::today,
            operator::{
                events::event_table,
                live::{code_table, decision_figures},
                span::{LivePart, Span},
            },
        },
        parts::{facts, nothing, or_dash},
    },
    domain::{customer::instrument_blocks::MerchantScope, rules::merchant::Merchant},
    service::{error::ServiceError, monitoring::latest_events::LatestQuery},
};
use maud::{Markup, html};
use serde_json::Value;

/// The denials that the page shows.
const DENIALS: usize = 10;

fn projects(projects: &[Value]) -> Markup {
    html! {
        div class="scroll" { table {
            thead { tr {
                th scope="col" { "Project" } th scope="col" { "Endpoint" } th scope="col" { "Currency" }
                th scope="col" { "Methods" } th scope="col" { "Gates" } th scope="col" { "Client definition" }
            } }
            tbody { @for project in projects { @for endpoint in list(project, "/endpoints") { tr {
                th scope="row" { (text(project, "/id")) }
                td { (text(endpoint, "/id")) }
                td { (text(endpoint, "/currency")) }
                td { @for (n, method) in list(endpoint, "/methods").iter().enumerate() {
                    @if n > 0 { ", " } (text(method, "/method"))
                } }
                td { (or_dash(&words_at(endpoint, "/gates"))) }
                td { (or_dash(&spaced(&words_at(endpoint, "/client_definition")))) }
            } } } }
        } }
    }
}

/// The live part of the overview: decisions and denials by code.
fn live_figures(request: &PageRequest, merchant: &Merchant) -> Result<Markup, ServiceError> {
    let (id, payments) = (merchant.id.as_str(), &request.console.parts.payments);
    let today = today(request, id)?;
    let span = Span::of(request);
    let scale = span.bars(payments.time()?);
    let series = request.read(payments.decision_series(merchant, scale.query()))?;
    let body = html! {
        section class="card" {
            h2 { "Decisions" }
            p class="figures" {
                "Today " strong { (today.allowed.saturating_add(today.denied)) } " decisions, " strong { (today.denied) } " denied"
                @if today.is_partial { span class="quiet" { " since the daemon started" } }
            }
            (decision_figures(&series, scale, &merchant.calendar))
        }
        section { h2 { "Denials by code" } (code_table(&series, scale)) }
    };
    // Links are relative, so the script reads the same path.
    let address =
        |part| format!("{}{}", request.links.to(&["m", id]), query_text([("span", span.word()), ("part", part)]));
    let (page, source) = (address(""), address("figures"));
    LivePart { page: &page, source: &source, calendar: &merchant.calendar }.render(request, &body)
}

/// `GET /console/m/{merchant}`; with `part=figures` the live part alone, for a script.
pub(in crate::console) fn overview(request: &PageRequest) -> Paged {
    let merchant = request.merchant()?;
    if request.query("part") == "figures" {
        // The script takes over the title too.
        return Ok(Outcome::Page(Content::new(&*merchant.name, live_figures(request, merchant)?)));
    }
    let id = merchant.id.as_str();
    let payments = &request.console.parts.payments;
    let document = request.read(payments.merchant(id, &|name| request.shows_name(name)))?;
    let reach = MerchantScope::Some(vec![merchant.id]);
    let denials = request.read(payments.latest_events(&LatestQuery::denials_of(merchant.id, DENIALS), &reach))?;
    let at = |path: &'static str| or_dash(&spaced(&words_at(&document, path)));
    let about = [
        ("Id", or_dash(id)),
        ("Mode", at("/operation_mode")),
        ("Without a level", at("/default_behaviour")),
        ("Time zone", or_dash(text(&document, "/time_zone"))),
        ("Refunds", at("/refunds")),
        ("Hidden methods", at("/hidden_methods")),
        ("Hold of deposits", at("/hold/deposit")),
        ("Hold of withdrawals", at("/hold/withdrawal")),
        ("A raise waits", at("/raise_delay")),
        ("Customers", html! { (request.customers(merchant).count()) }),
    ];
    let policy = document["registration"].as_object().into_iter().flatten();
    let policy: Vec<(String, String)> = policy.map(|(key, value)| (spaced(key), spaced(&in_words(value)))).collect();
    let body = html! {
        (Span::of(request).choice(&request.links.to(&["m", id]), &[]))
        (live_figures(request, merchant)?)
        section {
            h2 { "Recent denials" }
            @let events = list(&denials, "/events");
            @if events.is_empty() { (nothing("No payment was denied recently.")) } @else {
                (event_table(request, events.get(..DENIALS).unwrap_or(events), false))
            }
            p { a href={ (request.links.to(&["m", id, "transactions"])) "?status=denied" } { "All denied payments" } }
        }
        div class="columns" {
            section class="card" { h2 { "Merchant" } (facts(&about)) }
            section class="card" {
                h2 { "Registration" }
                dl class="facts" { @for (name, value) in &policy { div { dt { (name) } dd { (or_dash(value)) } } } }
            }
        }
        section { h2 { "Projects and endpoints" } (projects(list(&document, "/projects"))) }
        section class="card" {
            h2 { "Labels" }
            @let labels = list(&document, "/labels");
            @if labels.is_empty() { (nothing("The merchant has no labels.")) }
            ul { @for label in labels {
                li { strong { (text(label, "/name")) } ", " (spaced(text(label, "/kind")))
                    @let restrictions = words_at(label, "/restrictions");
                    @if !restrictions.is_empty() { ": " (spaced(&restrictions)) } }
            } }
        }
    };
    Ok(Outcome::Page(Content::new(text(&document, "/name"), body).with_live_part()))
}
