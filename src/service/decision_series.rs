//! Counts of a merchant's decisions over time.

use crate::{
    config::schema::{
        texts::{NameText, ReasonText},
        words::WordOf,
    },
    domain::{
        request::fields::{parse_time, parse_word},
        rules::merchant::Merchant,
        vocabulary::{denial_codes::DenialCode, time::Millis},
    },
    service::{
        documents::{as_text::AsText, query::TakenKeys},
        error::ServiceError,
        payments::PaymentService,
        reply::{Answered, Reply},
    },
    telemetry::decision_series::{OutcomeCounts, Resolution},
};
use schemars::JsonSchema;
use serde::Serialize;
use std::{borrow::Cow, ops::Range};

/// The keys of a query for a series.
pub(crate) const SERIES_KEYS: TakenKeys = TakenKeys::once(&["resolution", "from", "to"]);

/// The periods of a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeriesQuery {
    /// The length of a period.
    pub resolution: Resolution,
    /// The first period contains this time; `None`: the earliest that is kept.
    pub from: Option<Millis>,
    /// The last period begins before this time; `None`: it contains the present.
    pub to: Option<Millis>,
}

impl SeriesQuery {
    /// The query that pairs of a key and a text describe.
    ///
    /// # Errors
    /// A key or a value is not taken.
    pub fn read<'p>(pairs: impl IntoIterator<Item = (Cow<'p, str>, Cow<'p, str>)>) -> Result<Self, ServiceError> {
        let mut query = Self { resolution: Resolution::Minute, from: None, to: None };
        for (key, value) in SERIES_KEYS.read(pairs)? {
            match key {
                "from" => query.from = parse_time("from", Some(&value))?,
                "to" => query.to = parse_time("to", Some(&value))?,
                _ => query.resolution = parse_word::<Resolution>("resolution", &value)?,
            }
        }
        match (query.from, query.to) {
            (Some(from), Some(to)) if from >= to => Err(ServiceError::unknown_value("from", "is a time before `to`")),
            _ => Ok(query),
        }
    }

    /// The periods that are kept, of those that are wanted. `since`: when counting began.
    pub(crate) fn periods(&self, since: Millis, now: Millis) -> Range<u32> {
        let period = |at| self.resolution.period_of(at);
        let end = period(now).saturating_add(1);
        // The last period contains the millisecond before `to`.
        let wanted_end = self.to.map_or(end, |to| period(Millis(to.0.saturating_sub(1))).saturating_add(1));
        let first = end.saturating_sub(self.resolution.periods_max()).max(period(since));
        let from = self.from.map_or(first, period).max(first);
        from..end.min(wanted_end).max(from)
    }
}

/// The denials with one code.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "CodeSeries")]
pub(crate) struct CodeDocument {
    /// The number of the code.
    pub(crate) code: u16,
    /// Its reason.
    #[schemars(with = "ReasonText")]
    pub(crate) reason: &'static str,
    /// Its denials in each period.
    pub(crate) deny: Vec<u32>,
}

/// Sums over all periods.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "SeriesTotals")]
pub(crate) struct TotalsDocument {
    /// The allowed payments.
    pub(crate) allow: u64,
    /// The denied payments.
    pub(crate) deny: u64,
}

/// The decisions of one or several merchants. One count for each period in each list.
#[derive(Serialize, JsonSchema)]
pub(crate) struct CountsDocument {
    /// The length of a period.
    #[schemars(with = "WordOf<Resolution>")]
    resolution: &'static str,
    /// When counting began.
    since: AsText<Millis>,
    /// The begin of the first period.
    from: AsText<Millis>,
    /// The end of the last period.
    to: AsText<Millis>,
    /// The sums.
    totals: TotalsDocument,
    /// The allowed payments of each period, the oldest first.
    allow: Vec<u32>,
    /// The denied payments of each period.
    deny: Vec<u32>,
    /// For each code that occurred: its denials.
    codes: Vec<CodeDocument>,
}

/// The counts of some periods.
pub(crate) struct CountedPeriods {
    pub(crate) resolution: Resolution,
    pub(crate) since: Millis,
    pub(crate) periods: Range<u32>,
    pub(crate) allow: Vec<u32>,
    pub(crate) deny: Vec<u32>,
    /// By code; a code without a denial is left out of the document.
    pub(crate) codes: Vec<(DenialCode, Vec<u32>)>,
}

impl TotalsDocument {
    /// The sums of the counts of some periods.
    pub(crate) fn of(allow: &[u32], deny: &[u32]) -> Self {
        let total = |counts: &[u32]| counts.iter().map(|count| u64::from(*count)).sum();
        Self { allow: total(allow), deny: total(deny) }
    }
}

impl CountsDocument {
    pub(crate) fn of(counted: CountedPeriods) -> Self {
        let CountedPeriods { resolution, since, periods, allow, deny, codes } = counted;
        let codes = codes.into_iter().filter(|(_, counts)| counts.iter().any(|count| *count > 0));
        Self {
            resolution: resolution.word(),
            since: AsText(since),
            from: AsText(resolution.begin_of(periods.start)),
            to: AsText(resolution.begin_of(periods.end)),
            totals: TotalsDocument::of(&allow, &deny),
            allow,
            deny,
            codes: codes
                .map(|(code, deny)| CodeDocument { code: code.number(), reason: code.reason(), deny })
                .collect(),
        }
    }
}

/// Adds the counts of each period.
pub(crate) fn add_counts(sums: &mut [u32], counts: &[u32]) {
    sums.iter_mut().zip(counts).for_each(|(sum, count)| *sum = sum.saturating_add(*count));
}

/// One count for each period in each list.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "DecisionSeries")]
pub(crate) struct SeriesDocument {
    /// The merchant.
    #[schemars(with = "NameText")]
    merchant: &'static str,
    #[serde(flatten)]
    counts: CountsDocument,
}

impl PaymentService {
    /// The counts of a merchant's decisions.
    ///
    /// # Errors
    /// The time is not known.
    pub(crate) fn decision_series(&self, merchant: &Merchant, query: SeriesQuery) -> Answered {
        let (now, series) = (self.time()?, &self.meters.series);
        let since = series.since().unwrap_or(now);
        let SeriesQuery { resolution, .. } = query;
        let periods = query.periods(since, now);
        let counted = series.read(merchant.id, resolution, periods.clone(), now);
        let mut deny = vec![0_u32; periods.len()];
        let (mut allow, mut codes) = (deny.clone(), Vec::new());
        for OutcomeCounts { denied, counts } in counted {
            match denied {
                None => allow = counts,
                Some(code) => {
                    add_counts(&mut deny, &counts);
                    codes.push((code, counts));
                }
            }
        }
        let counts = CountsDocument::of(CountedPeriods { resolution, since, periods, allow, deny, codes });
        let document = SeriesDocument { merchant: merchant.id.as_str(), counts };
        // It depends on no record: it counts what was decided.
        Ok(Reply::new(&document).depending_on(crate::storage::journal::Lsn::NONE))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_periods_are_those_that_are_kept_and_wanted() {
        let at = |second: i64| Millis(second * 1_000);
        for (from, to, since, now, want) in [
            (None, None, 0, 10_000, 6_401..10_001),
            (None, None, 9_990, 10_000, 9_990..10_001),
            (Some(9_995), None, 0, 10_000, 9_995..10_001),
            (Some(9_995), Some(9_998), 0, 10_000, 9_995..9_998),
            (Some(1), Some(9_998), 0, 10_000, 6_401..9_998),
            (Some(1), Some(2), 0, 10_000, 6_401..6_401),
            (Some(9_995), Some(20_000), 0, 10_000, 9_995..10_001),
            (Some(20_000), None, 0, 10_000, 20_000..20_000),
        ] {
            let query = SeriesQuery { resolution: Resolution::Second, from: from.map(at), to: to.map(at) };
            assert_eq!(query.periods(at(since), at(now)), want, "{from:?} to {to:?} since {since} at {now}");
        }
        let part = SeriesQuery { resolution: Resolution::Second, from: Some(Millis(5_500)), to: Some(Millis(7_001)) };
        assert_eq!(part.periods(at(0), at(9)), 5..8, "both ends are inside of their periods");
    }
}
