//! Counts over time as stacked bars, with the same numbers in a table, and as sparklines. Whole numbers only.

use crate::{
    console::{
        pages::operator::span::{BARS, BarScale},
        parts::time,
    },
    domain::vocabulary::calendar::Calendar,
};
use maud::{Markup, html};

const BAR_WIDTH: usize = 10;
const HEIGHT: u64 = 120;
const SPARK_BAR_WIDTH: usize = 2;
const SPARK_HEIGHT: u64 = 24;

/// Counts of one kind.
pub(super) struct ChartSeries<'a> {
    /// The class of its colour.
    pub(super) colour: &'static str,
    /// What is counted, in words.
    pub(super) name: &'a str,
    pub(super) sums: [u64; BARS],
}

impl ChartSeries<'_> {
    /// The sum of all bars.
    pub(super) fn total(&self) -> u64 {
        total(&self.sums)
    }
}

/// The sum of all bars.
pub(super) fn total(sums: &[u64; BARS]) -> u64 {
    sums.iter().fold(0, |sum, count| sum.saturating_add(*count))
}

/// A chart of some series.
pub(super) struct Chart<'a> {
    /// What the chart shows, in words.
    pub(super) title: &'a str,
    pub(super) series: &'a [ChartSeries<'a>],
    pub(super) scale: BarScale,
    pub(super) calendar: &'a Calendar,
}

fn of_bar(series: &[ChartSeries<'_>], bar: usize) -> u64 {
    let counts = series.iter().filter_map(|series| series.sums.get(bar));
    counts.fold(0, |sum, count| sum.saturating_add(*count))
}

/// The rectangles of one bar from below: the place and the height of each series.
fn stack(series: &[ChartSeries<'_>], bar: usize, most: u64) -> Vec<(&'static str, u64, u64)> {
    let mut top = HEIGHT;
    let mut rectangles = Vec::new();
    for series in series {
        let count = series.sums.get(bar).copied().unwrap_or_default();
        let scaled = count.saturating_mul(HEIGHT) / most.max(1);
        // A count stays visible next to a large one.
        let height = if count > 0 { scaled.max(1) } else { 0 }.min(top);
        top -= height;
        if height > 0 {
            rectangles.push((series.colour, top, height));
        }
    }
    rectangles
}

impl Chart<'_> {
    /// The picture, its legend and its table.
    pub(super) fn render(&self) -> Markup {
        let (series, scale) = (self.series, &self.scale);
        let most = (0..BARS).map(|bar| of_bar(series, bar)).max().unwrap_or_default();
        let view = format!("0 0 {} {HEIGHT}", BARS * BAR_WIDTH);
        let totals: Vec<String> = series.iter().map(|series| format!("{} {}", series.total(), series.name)).collect();
        let label =
            format!("{} in {}: {}. The table has the numbers", self.title, scale.span.in_words(), totals.join(", "));
        let bounds = [scale.begin_of(0), scale.begin_of(BARS)];
        let [begin, end] = bounds.map(|at| at.to_string());
        html! {
            figure class="counts" {
                svg class="chart" viewBox=(view) preserveAspectRatio="none" role="img" aria-label=(label) {
                    @for bar in 0..BARS { @for (colour, top, height) in stack(series, bar, most) {
                        rect class=(colour) x=(bar * BAR_WIDTH + 1) y=(top) width=(BAR_WIDTH - 2) height=(height) {}
                    } }
                }
                p class="axis quiet" {
                    span { (time(self.calendar, &begin)) } span { "at most " (most) " a bar of " (scale.span.bar_in_words()) }
                    span { (time(self.calendar, &end)) }
                }
                p class="legend" { @for series in series {
                    span class={ "key " (series.colour) } {} " " (series.name) " " strong { (series.total()) } " "
                } }
                (self.table())
            }
        }
    }

    fn table(&self) -> Markup {
        let (series, scale) = (self.series, &self.scale);
        let counted = (0..BARS).rev().filter(|bar| of_bar(series, *bar) > 0);
        html! {
            details {
                summary { "The numbers" }
                div class="scroll" { table {
                    thead { tr {
                        th scope="col" { "From" }
                        @for series in series { th scope="col" class="number" { (series.name) } }
                    } }
                    tbody { @for bar in counted { tr {
                        th scope="row" { (time(self.calendar, &scale.begin_of(bar).to_string())) }
                        @for series in series { td class="number" { (series.sums.get(bar).copied().unwrap_or_default()) } }
                    } } }
                } }
            }
        }
    }
}

/// A small picture of counts. Screen readers skip it and read the number next to it.
pub(super) fn sparkline(colour: &str, sums: &[u64; BARS]) -> Markup {
    let most = sums.iter().copied().max().unwrap_or_default().max(1);
    let view = format!("0 0 {} {SPARK_HEIGHT}", BARS * SPARK_BAR_WIDTH);
    let bars = sums.iter().enumerate().filter(|(_, count)| **count > 0);
    html! {
        svg class="spark" viewBox=(view) preserveAspectRatio="none" aria-hidden="true" {
            @for (bar, count) in bars {
                @let height = (count.saturating_mul(SPARK_HEIGHT) / most).max(1);
                rect class=(colour) x=(bar * SPARK_BAR_WIDTH) y=(SPARK_HEIGHT - height) width="1.5" height=(height) {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(colour: &'static str, first: u64) -> ChartSeries<'static> {
        let mut sums = [0; BARS];
        sums[0] = first;
        ChartSeries { colour, name: "x", sums }
    }

    #[test]
    fn bars_are_stacked_and_a_small_count_stays_visible() {
        let stacked = stack(&[series("a", 1_000), series("b", 1), series("c", 0)], 0, 1_001);
        assert_eq!(stacked, [("a", 1, 119), ("b", 0, 1)]);
        assert_eq!(stack(&[series("a", 1)], 1, 1), []);
        assert_eq!(series("a", 7).total(), 7);
    }
}
