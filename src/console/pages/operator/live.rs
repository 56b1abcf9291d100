//! What happens now: decisions, denials by code, merchants and gates over time.

use crate::{
    console::{
        document::{list, spaced, text, words_at},
        layout::Content,
        links::query_text,
        page_request::{Outcome, PageRequest, Paged},
        pages::operator::{
            chart::{Chart, ChartSeries, sparkline, total},
            gate_table::gate_table,
            merchant_choice::{chosen, is_reached, merchant_field, reached},
            span::{BARS, BarScale, LivePart, Span},
        },
        parts::{nothing, time},
    },
    domain::{rules::merchant::Merchant, vocabulary::calendar::Calendar},
    service::error::ServiceError,
};
use maud::{Markup, html};
use serde_json::Value;

/// Allowed and denied payments of a document, as a chart.
pub(in crate::console::pages) fn decision_figures(document: &Value, scale: BarScale, calendar: &Calendar) -> Markup {
    let sums = |path| scale.sums(document, list(document, path));
    let series = [
        ChartSeries { colour: "deny", name: "denied", sums: sums("/deny") },
        ChartSeries { colour: "allow", name: "allowed", sums: sums("/allow") },
    ];
    let [denied, allowed] = [series[0].total(), series[1].total()];
    let all = denied.saturating_add(allowed);
    if all == 0 {
        return html! {
            p class="empty" {
                "No decision in " (scale.span.in_words()) ". Counted since " (time(calendar, text(document, "/since"))) "."
            }
        };
    }
    let chart = Chart { title: "Decisions", series: &series, scale, calendar };
    html! {
        dl class="figures" {
            div { dt { "Decisions" } dd { (all) } }
            div { dt { "Denied" } dd { (denied) } }
            div { dt { "Share denied" } dd { (denied.saturating_mul(100) / all) " %" } }
            div { dt { "Counted since" } dd { (time(calendar, text(document, "/since"))) } }
        }
        (chart.render())
    }
}

/// Denials by code with sparklines. `denials`: the address of a list of denied payments; empty: there is none.
pub(in crate::console::pages) fn code_table(document: &Value, scale: BarScale) -> Markup {
    let mut codes: Vec<(&Value, [u64; BARS])> =
        list(document, "/codes").iter().map(|code| (code, scale.sums(document, list(code, "/deny")))).collect();
    codes.sort_by_key(|(_, sums)| std::cmp::Reverse(total(sums)));
    html! {
        @if codes.is_empty() { (nothing("No payment was denied in this time.")) } @else {
            div class="scroll" { table {
                thead { tr {
                    th scope="col" { "Reason" } th scope="col" { "Code" } th scope="col" { "Over time" }
                    th scope="col" class="number" { "Denied" }
                } }
                tbody { @for (code, sums) in &codes { tr {
                    th scope="row" { (spaced(text(code, "/reason"))) }
                    td { (words_at(code, "/code")) }
                    td { (sparkline("deny", sums)) }
                    td class="number" { (total(sums)) }
                } } }
            } }
        }
    }
}

fn merchant_rows(request: &PageRequest, document: &Value, scale: BarScale) -> Markup {
    let left_out = document["merchants_left_out"].as_u64().unwrap_or_default();
    html! {
        div class="scroll" { table {
            thead { tr {
                th scope="col" { "Merchant" } th scope="col" { "Allowed over time" }
                th scope="col" class="number" { "Allowed" } th scope="col" { "Denied over time" }
                th scope="col" class="number" { "Denied" }
            } }
            tbody { @for row in list(document, "/merchants") {
                @let id = text(row, "/merchant");
                @let [allow, deny] = ["/allow", "/deny"].map(|path| scale.sums(document, list(row, path)));
                tr {
                    th scope="row" { a href=(request.links.to(&["m", id])) {
                        (request.rules.merchant(id).map_or(id, |merchant| &merchant.name))
                    } }
                    td { (sparkline("allow", &allow)) } td class="number" { (total(&allow)) }
                    td { (sparkline("deny", &deny)) } td class="number" { (total(&deny)) }
                }
            } }
        } }
        @if left_out > 0 { p class="quiet" { (left_out) " merchants with fewer decisions are in the sums only." } }
    }
}

/// The gates of the merchants of a document, those with the most decisions first.
fn gate_parts(request: &PageRequest, merchants: &[&Merchant], scale: BarScale) -> Result<Markup, ServiceError> {
    let gates = |merchant: &&Merchant| {
        let document = request.read(request.console.parts.payments.gates(merchant, scale.query()))?;
        Ok((merchant.name.clone(), document))
    };
    let all = merchants.iter().map(gates).collect::<Result<Vec<_>, ServiceError>>()?;
    Ok(html! {
        @for (name, document) in &all {
            section { h2 { "Gates of " (name) } (gate_table(document, scale, false)) }
        }
    })
}

/// The most merchants whose gates the page shows.
const GATE_MERCHANTS_MAX: usize = 5;

/// `GET /console/live`
pub(in crate::console) fn show(request: &PageRequest) -> Paged {
    let payments = &request.console.parts.payments;
    let (span, merchant) = (Span::of(request), chosen(request)?);
    let scale = span.bars(payments.time()?);
    let document = request.read(match merchant {
        Some(merchant) => payments.decision_series(merchant, scale.query()),
        None => payments.merchant_series(scale.query(), |merchant| is_reached(request, merchant)),
    })?;
    let calendar = merchant.map_or(Calendar::utc(), |merchant| &merchant.calendar);
    let of_gates: Vec<&Merchant> = match merchant {
        Some(merchant) => vec![merchant],
        None => {
            let busiest =
                list(&document, "/merchants").iter().filter_map(|row| request.rules.merchant(text(row, "/merchant")));
            busiest.take(GATE_MERCHANTS_MAX).map(|merchant| &**merchant).collect()
        }
    };
    let gates = gate_parts(request, &of_gates, scale)?;
    let body = html! {
        section class="card" { h2 { "Decisions" } (decision_figures(&document, scale, calendar)) }
        section { h2 { "Denials by code" } (code_table(&document, scale)) }
        @if merchant.is_none() && !list(&document, "/merchants").is_empty() {
            section { h2 { "Merchants" } (merchant_rows(request, &document, scale)) }
        }
        (gates)
    };
    let id = request.query("merchant");
    let address = format!("live{}", query_text([("merchant", id), ("span", span.word())]));
    let body = html! {
        @if reached(request).is_empty() { (nothing("Your token is for no merchant that is configured.")) }
        form method="get" class="filters" {
            (merchant_field(request, id, "all merchants"))
            input type="hidden" name="span" value=(span.word());
            div class="actions" { button { "Show" } }
        }
        (span.choice("live", &[("merchant", id)]))
        (LivePart { page: &address, source: &address, calendar }.render(request, &body)?)
    };
    Ok(Outcome::Page(Content::new("Live", body).with_live_part()))
}
