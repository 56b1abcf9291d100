//! Decisions over time as a picture, with the same numbers in a table. Whole numbers only.

use crate::{
    console::{
        document::{list, spaced, text, words_at},
        parts::time,
    },
    domain::vocabulary::{calendar::Calendar, time::Millis},
};
use maud::{Markup, html};
use serde_json::Value;

/// The bars of a picture; each is the sum of several periods.
const BARS: usize = 48;
const BAR_WIDTH: u64 = 12;
/// All bars of a whole day; a shorter time fills a part of the picture.
const CHART_WIDTH: u64 = 576;
const HEIGHT: u64 = 96;
/// The period of a series of minutes.
const MINUTE_MS: i64 = 60_000;

/// The sums of one bar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Bar {
    /// The number of its first period.
    first: usize,
    allowed: u64,
    denied: u64,
}

fn bars(allow: &[Value], deny: &[Value]) -> Vec<Bar> {
    let sum = |counts: &[Value]| counts.iter().filter_map(Value::as_u64).fold(0, u64::saturating_add);
    let width = allow.len().div_ceil(BARS).max(1);
    let pairs = allow.chunks(width).zip(deny.chunks(width)).enumerate();
    pairs.map(|(n, (allow, deny))| Bar { first: n * width, allowed: sum(allow), denied: sum(deny) }).collect()
}

/// The picture and the table of a series of minutes.
pub(super) fn decision_chart(series: &Value, calendar: &Calendar) -> Markup {
    let bars = bars(list(series, "/allow"), list(series, "/deny"));
    let most = bars.iter().map(|bar| bar.allowed.saturating_add(bar.denied)).max().unwrap_or_default();
    let from = Millis::parse(text(series, "/from"));
    let begin = |bar: &Bar| {
        let minutes = i64::try_from(bar.first).unwrap_or_default();
        from.map(|from| Millis(from.0.saturating_add(minutes.saturating_mul(MINUTE_MS))).to_string())
            .unwrap_or_default()
    };
    let height = |count: u64| count.saturating_mul(HEIGHT) / most.max(1);
    let view = format!("0 0 {CHART_WIDTH} {HEIGHT}");
    html! {
        @if most > 0 {
            svg class="chart" viewBox=(view) preserveAspectRatio="none" role="img" aria-label="Allowed and denied payments over the day; the table has the numbers" {
                @for (n, bar) in bars.iter().enumerate() {
                    @let x = BAR_WIDTH.saturating_mul(u64::try_from(n).unwrap_or_default());
                    @let (denied, allowed) = (height(bar.denied), height(bar.allowed));
                    rect class="allow" x=(x + 1) y=(HEIGHT - denied - allowed) width=(BAR_WIDTH - 2) height=(allowed) {}
                    rect class="deny" x=(x + 1) y=(HEIGHT - denied) width=(BAR_WIDTH - 2) height=(denied) {}
                }
            }
            p class="legend" { span class="key allow" {} " allowed " span class="key deny" {} " denied" }
            details {
                summary { "The numbers" }
                div class="scroll" { table {
                    thead { tr { th scope="col" { "From" } th scope="col" class="number" { "Allowed" }
                        th scope="col" class="number" { "Denied" } } }
                    tbody { @for bar in bars.iter().filter(|bar| bar.allowed > 0 || bar.denied > 0) { tr {
                        th scope="row" { (time(calendar, &begin(bar))) }
                        td class="number" { (bar.allowed) } td class="number" { (bar.denied) }
                    } } }
                } }
            }
            @let codes = list(series, "/codes");
            @if !codes.is_empty() {
                p { "Denied for: "
                    @for (n, code) in codes.iter().enumerate() {
                        @let count = list(code, "/deny").iter().filter_map(Value::as_u64).fold(0, u64::saturating_add);
                        @if n > 0 { ", " } (spaced(text(code, "/reason"))) " (" (words_at(code, "/code")) ") " strong { (count) }
                    }
                }
            }
        } @else { p class="quiet" { "No decisions yet." } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn bars_are_sums_of_periods() {
        let counts: Vec<Value> = (0..100).map(|_| json!(1)).collect();
        let bars = bars(&counts, &counts);
        assert_eq!(bars.len(), 34);
        assert_eq!(bars[0], Bar { first: 0, allowed: 3, denied: 3 });
        assert_eq!(bars[33], Bar { first: 99, allowed: 1, denied: 1 });
        assert_eq!(bars.iter().map(|bar| bar.allowed).sum::<u64>(), 100);
    }
}
