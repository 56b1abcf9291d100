//! The time that a chart shows, and the part of a page that is refreshed.

use crate::{
    console::{document::text, links::query_text, page_request::PageRequest, parts::time},
    domain::vocabulary::{calendar::Calendar, time::Millis},
    service::{decision_series::SeriesQuery, error::ServiceError},
    telemetry::decision_series::Resolution,
};
use maud::{Markup, html};
use serde_json::Value;

/// The bars of a chart.
pub(super) const BARS: usize = 60;
const BAR_COUNT: u32 = 60;

/// The time that a chart shows. It ends now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::console::pages) enum Span {
    /// The last five minutes.
    FiveMinutes,
    /// The last hour.
    Hour,
    /// The last day.
    Day,
}

impl Span {
    /// All spans with their names.
    const ALL: [(Self, &'static str); 3] =
        [(Self::FiveMinutes, "5 minutes"), (Self::Hour, "1 hour"), (Self::Day, "24 hours")];

    /// The span that the query of a page names; five minutes where it names none.
    pub(in crate::console::pages) fn of(request: &PageRequest) -> Self {
        let sent = request.query("span");
        Self::ALL.into_iter().map(|(span, _)| span).find(|span| span.word() == sent).unwrap_or(Self::FiveMinutes)
    }

    /// The word of the span in the query of a page.
    pub(in crate::console::pages) fn word(self) -> &'static str {
        match self {
            Self::FiveMinutes => "5m",
            Self::Hour => "1h",
            Self::Day => "24h",
        }
    }

    fn resolution(self) -> Resolution {
        match self {
            Self::FiveMinutes | Self::Hour => Resolution::Second,
            Self::Day => Resolution::Minute,
        }
    }

    /// The periods of one bar.
    fn periods_per_bar(self) -> u32 {
        match self {
            Self::FiveMinutes => 5,
            Self::Hour => 60,
            Self::Day => 24,
        }
    }

    /// The time of one bar, in words.
    pub(super) fn bar_in_words(self) -> &'static str {
        match self {
            Self::FiveMinutes => "5 seconds",
            Self::Hour => "minute",
            Self::Day => "24 minutes",
        }
    }

    /// The span in words.
    pub(super) fn in_words(self) -> &'static str {
        match self {
            Self::FiveMinutes => "the last 5 minutes",
            Self::Hour => "the last hour",
            Self::Day => "the last 24 hours",
        }
    }

    /// The bars that end with the present one. Their bounds are multiples of their length, so that a bar keeps its periods
    /// while it moves to the left.
    pub(in crate::console::pages) fn bars(self, now: Millis) -> BarScale {
        let (resolution, per_bar) = (self.resolution(), self.periods_per_bar());
        let first_bar = (resolution.period_of(now) / per_bar).saturating_sub(BAR_COUNT - 1);
        BarScale { span: self, resolution, per_bar, first_period: first_bar * per_bar }
    }

    /// The links of the spans; the shown one is marked.
    pub(in crate::console::pages) fn choice(self, address: &str, kept: &[(&str, &str)]) -> Markup {
        html! {
            nav class="tabs" aria-label="Time shown" {
                @for (span, name) in Self::ALL {
                    @let pairs = kept.iter().copied().chain([("span", span.word())]);
                    @let current = (span == self).then_some("page");
                    a href={ (address) (query_text(pairs)) } aria-current=[current] { (name) }
                }
            }
        }
    }
}

/// The bars of a chart on the scale of time.
#[derive(Debug, Clone, Copy)]
pub(in crate::console::pages) struct BarScale {
    pub(super) span: Span,
    resolution: Resolution,
    per_bar: u32,
    first_period: u32,
}

impl BarScale {
    /// The query for the periods of the bars.
    pub(in crate::console::pages) fn query(&self) -> SeriesQuery {
        let from = Some(self.resolution.begin_of(self.first_period));
        SeriesQuery { resolution: self.resolution, from, to: None }
    }

    /// The begin of a bar.
    pub(super) fn begin_of(&self, bar: usize) -> Millis {
        let bar = u32::try_from(bar).unwrap_or(BAR_COUNT);
        self.resolution.begin_of(self.first_period.saturating_add(bar.saturating_mul(self.per_bar)))
    }

    /// The sums of the bars of a list of counts. `document`: that of the counts, whose first period can be a later one.
    pub(super) fn sums(&self, document: &Value, counts: &[Value]) -> [u64; BARS] {
        let mut sums = [0_u64; BARS];
        let first =
            Millis::parse(text(document, "/from")).map_or(self.first_period, |from| self.resolution.period_of(from));
        for (period, count) in (first..).zip(counts) {
            let bar = period.checked_sub(self.first_period).map(|place| place / self.per_bar);
            let slot = bar.and_then(|bar| sums.get_mut(usize::try_from(bar).ok()?));
            if let Some(slot) = slot {
                *slot = slot.saturating_add(count.as_u64().unwrap_or_default());
            }
        }
        sums
    }
}

/// The addresses of a live part, relative to its page, and the zone of its time.
#[derive(Debug, Clone, Copy)]
pub(in crate::console::pages) struct LivePart<'a> {
    /// The page with its query.
    pub(in crate::console::pages) page: &'a str,
    /// A page that contains the part, for the script: the same one, or one with less around it.
    pub(in crate::console::pages) source: &'a str,
    pub(in crate::console::pages) calendar: &'a Calendar,
}

impl LivePart<'_> {
    /// The part of a page that a script reads again every 2 seconds, with a link for readers without scripts.
    ///
    /// # Errors
    /// The time is not known.
    pub(in crate::console::pages) fn render(
        self,
        request: &PageRequest,
        body: &Markup,
    ) -> Result<Markup, ServiceError> {
        let now = request.console.parts.payments.time()?.to_string();
        Ok(html! {
            div class="notice bad" role="alert" data-stale hidden {
                p { "The figures could not be read again. They are those of the time below." }
            }
            div id="live" hx-get=(self.source) hx-trigger="every 2s" hx-select="#live" hx-swap="outerMorph" {
                p class="quiet" { "As of " (time(self.calendar, &now)) ". " a href=(self.page) { "Refresh" } }
                (body)
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn bars_keep_their_periods_while_time_passes() {
        let at = |second: i64| Millis(second * 1_000);
        let scale = Span::FiveMinutes.bars(at(1_004));
        assert_eq!(scale.query().from, Some(at(705)));
        assert_eq!(Span::FiveMinutes.bars(at(1_000)).query().from, Some(at(705)), "the same bar");
        assert_eq!(Span::FiveMinutes.bars(at(1_005)).query().from, Some(at(710)));
        let document = json!({ "from": at(999).to_string() });
        let sums = scale.sums(&document, &[json!(1), json!(2), json!(3)]);
        assert_eq!((sums[58], sums[59], sums.iter().sum::<u64>()), (1, 5, 6));
        assert_eq!(scale.begin_of(59), at(1_000));
        assert_eq!(Span::Day.bars(Millis(1_440_000 * 60)).begin_of(59), Millis(1_440_000 * 60));
    }
}
