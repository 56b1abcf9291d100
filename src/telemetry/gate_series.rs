//! Counts of attempts over time, for each gate of a merchant and each outcome. They are in memory only, and begin empty at
//! each start.
//!
//! Nothing is counted here: once a second, and before each read, the totals of [`RuleCounts`] are read, and what was added
//! since the last time belongs to the present second. A payment pays nothing for it.
//!
//! Memory: a gate and an outcome take up to 40 KiB where every second has an attempt, and 8 bytes for each period with an
//! attempt otherwise. The first [`SERIES_MAX`] of them are kept.

use crate::{
    domain::vocabulary::{names::Name, time::Millis},
    telemetry::{
        decision_series::Resolution,
        rule_counts::{AttemptKey, RuleCounts},
    },
};
use parking_lot::Mutex;
use std::{
    collections::{HashMap, VecDeque},
    ops::Range,
};

/// The most gates and outcomes with counts over time. Of further ones there are the totals of the metrics only.
pub const SERIES_MAX: usize = 2_048;

/// The counts of the periods that have one, the oldest first.
#[derive(Default)]
struct Periods(VecDeque<(u32, u32)>);

impl Periods {
    /// Adds a count to a period and forgets those that are more than `periods_max` older.
    fn add(&mut self, period: u32, count: u32, periods_max: u32) {
        // Periods of the future are from before the clock was set back.
        while self.0.back().is_some_and(|(last, _)| *last > period) {
            self.0.pop_back();
        }
        match self.0.back_mut().filter(|(last, _)| *last == period) {
            Some((_, known)) => *known = known.saturating_add(count),
            None => self.0.push_back((period, count)),
        }
        while self.0.front().is_some_and(|(first, _)| first.saturating_add(periods_max) <= period) {
            self.0.pop_front();
        }
    }

    fn counts(&self, periods: Range<u32>) -> Vec<u32> {
        let mut counts = vec![0_u32; periods.len()];
        for (period, count) in &self.0 {
            let place = period.checked_sub(periods.start).and_then(|place| usize::try_from(place).ok());
            if let Some(slot) = place.and_then(|place| counts.get_mut(place)) {
                *slot = *count;
            }
        }
        counts
    }
}

/// The counts of one gate and outcome.
#[derive(Default)]
struct Series {
    /// The total when it was last read.
    total: u64,
    seconds: Periods,
    minutes: Periods,
}

/// The attempts of one gate with one outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GateCounts {
    /// `None`: no gate of the configuration.
    pub gate: Option<Name>,
    /// The outcome.
    pub outcome: &'static str,
    /// One for each period, in their order.
    pub counts: Vec<u32>,
}

/// The counts of all gates.
#[derive(Default)]
pub struct GateSeries(Mutex<HashMap<AttemptKey, Series>>);

impl GateSeries {
    /// Gives the attempts since the last call to the second of `now`.
    pub fn sample(&self, counts: &RuleCounts, now: Millis) {
        let (second, minute) = (Resolution::Second.period_of(now), Resolution::Minute.period_of(now));
        let mut all = self.0.lock();
        counts.visit_attempts(|key, total| {
            if !all.contains_key(key) && all.len() >= SERIES_MAX {
                return;
            }
            let series = all.entry(*key).or_default();
            let added = u32::try_from(total.saturating_sub(series.total)).unwrap_or(u32::MAX);
            if added > 0 {
                series.total = total;
                series.seconds.add(second, added, Resolution::Second.periods_max());
                series.minutes.add(minute, added, Resolution::Minute.periods_max());
            }
        });
    }

    /// The counts of a merchant's gates in some periods, by gate and outcome.
    #[must_use]
    pub fn read(&self, merchant: Name, resolution: Resolution, periods: &Range<u32>) -> Vec<GateCounts> {
        let all = self.0.lock();
        let of_merchant = all.iter().filter(|(key, _)| key.merchant == merchant);
        let mut counts: Vec<GateCounts> = of_merchant
            .map(|(key, series)| {
                let of = match resolution {
                    Resolution::Second => &series.seconds,
                    Resolution::Minute => &series.minutes,
                };
                GateCounts { gate: key.gate, outcome: key.outcome, counts: of.counts(periods.clone()) }
            })
            .collect();
        drop(all);
        counts.sort_by_key(|counts| (counts.gate.map(|gate| gate.as_str()), counts.outcome));
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        Name::parse(text).unwrap()
    }

    #[test]
    fn attempts_belong_to_the_second_in_which_they_are_sampled() {
        let (counts, series) = (RuleCounts::default(), GateSeries::default());
        let (acme, globex, gate) = (name("acme"), name("globex"), Some(name("gate-a")));
        let at = |second: i64| Millis(second * 1_000);
        counts.count_attempt(acme, gate, "approved");
        counts.count_attempt(acme, gate, "approved");
        counts.count_attempt(acme, gate, "declined");
        counts.count_attempt(globex, gate, "approved");
        series.sample(&counts, at(6_000));
        series.sample(&counts, at(6_001));
        counts.count_attempt(acme, gate, "approved");
        counts.count_attempt(acme, None, "timeout");
        series.sample(&counts, at(6_061));
        let of = |gate: Option<Name>, outcome, counts: &[u32]| GateCounts { gate, outcome, counts: counts.to_vec() };
        let minutes = series.read(acme, Resolution::Minute, &(100..102));
        let want = [of(None, "timeout", &[0, 1]), of(gate, "approved", &[2, 1]), of(gate, "declined", &[1, 0])];
        assert_eq!(minutes, want);
        let seconds = series.read(acme, Resolution::Second, &(6_000..6_002));
        assert_eq!(seconds[1], of(gate, "approved", &[2, 0]));
        assert_eq!(series.read(name("nobody"), Resolution::Minute, &(100..102)), []);
    }

    #[test]
    fn periods_are_bounded_and_those_of_the_future_leave_when_the_clock_is_set_back() {
        let mut periods = Periods::default();
        (0..10).for_each(|period| periods.add(period, 1, 4));
        assert_eq!(periods.0.iter().map(|(period, _)| *period).collect::<Vec<_>>(), [6, 7, 8, 9]);
        assert_eq!(periods.counts(5..11), [0, 1, 1, 1, 1, 0]);
        periods.add(7, 2, 4);
        assert_eq!(periods.counts(5..11), [0, 1, 3, 0, 0, 0]);
    }

    #[test]
    fn the_number_of_series_is_bounded() {
        let (counts, series) = (RuleCounts::default(), GateSeries::default());
        for number in 0..SERIES_MAX + 10 {
            counts.count_attempt(name("acme"), Some(name(&format!("g{number}"))), "approved");
        }
        series.sample(&counts, Millis(1_000));
        assert_eq!(series.0.lock().len(), SERIES_MAX);
    }
}
