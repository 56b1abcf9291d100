//! The gates and routes of a merchant: state, uses, attempts and outcomes over time.

use crate::console::{
    document::{list, spaced, text, words_at},
    layout::Content,
    links::query_text,
    page_request::{Outcome, PageRequest, Paged},
    pages::operator::{
        chart::{Chart, ChartSeries},
        gate_table::{Attempts, gate_name, gate_table, uses},
        merchant_choice::{chosen_or_first, merchant_field},
        span::{LivePart, Span},
    },
    parts::{nothing, time},
};
use maud::html;

/// `GET /console/gates`
pub(in crate::console) fn show(request: &PageRequest) -> Paged {
    let payments = &request.console.parts.payments;
    let span = Span::of(request);
    let Some(merchant) = chosen_or_first(request)? else {
        return Ok(Outcome::Page(Content::new("Gates", nothing("Your token is for no merchant that is configured."))));
    };
    let (id, calendar) = (merchant.id.as_str(), &merchant.calendar);
    let scale = span.bars(payments.time()?);
    let document = request.read(payments.gates(merchant, scale.query()))?;
    let tried: Vec<(String, [ChartSeries<'_>; 3])> = list(&document, "/gates")
        .iter()
        .map(|gate| (gate_name(gate).to_owned(), Attempts::of(&document, gate, scale)))
        .filter(|(_, attempts)| attempts.total() > 0)
        .map(|(name, attempts)| {
            let series = [
                ChartSeries { colour: "deny", name: "failed", sums: attempts.failed },
                ChartSeries { colour: "open", name: "open", sums: attempts.open },
                ChartSeries { colour: "allow", name: "approved", sums: attempts.approved },
            ];
            (name, series)
        })
        .collect();
    let routes = list(&document, "/routes");
    let body = html! {
        section { h2 { "Gates" } (gate_table(&document, scale, true)) }
        section { h2 { "Routes" }
            @if routes.is_empty() { (nothing("The merchant has no routes.")) } @else {
                div class="scroll" { table {
                    thead { tr { th scope="col" { "Route" } th scope="col" { "Order" } th scope="col" { "Gates" }
                        th scope="col" { "Used by" } } }
                    tbody { @for route in routes { tr {
                        th scope="row" { (text(route, "/route")) }
                        td { (spaced(text(route, "/routing"))) }
                        td { (words_at(route, "/gates")) }
                        td { (uses(route)) }
                    } } }
                } }
            }
        }
        section { h2 { "Attempts over time" }
            @if tried.is_empty() {
                p class="empty" {
                    "No attempt was reported in " (span.in_words()) ". Counted since " (time(calendar, text(&document, "/since")))
                    @if merchant.sandbox { "; attempts of test merchants are not counted" } "."
                }
            }
            div class="columns" { @for (name, series) in &tried {
                div class="card" {
                    h3 { (name) }
                    (Chart { title: &format!("Attempts at {name}"), series, scale, calendar }.render())
                }
            } }
        }
    };
    let address = format!("gates{}", query_text([("merchant", id), ("span", span.word())]));
    let body = html! {
        form method="get" class="filters" {
            (merchant_field(request, id, ""))
            input type="hidden" name="span" value=(span.word());
            div class="actions" { button { "Show" } }
        }
        (span.choice("gates", &[("merchant", id)]))
        (LivePart { page: &address, source: &address, calendar }.render(request, &body)?)
        p class="quiet" {
            "A gate is switched in the merchant's file: " code { "enabled = false" } ", then a reload. The API has no switch."
        }
    };
    Ok(Outcome::Page(Content::new("Gates", body).with_live_part()))
}
