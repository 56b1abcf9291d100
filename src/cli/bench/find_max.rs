//! The highest rate that meets a service-level objective.

use crate::{
    cli::bench::{
        figures::{read_time, show_ns},
        latency::Percentiles,
        session::{RunReport, Session},
    },
    domain::vocabulary::text::suggest::did_you_mean,
};
use std::{str::FromStr, time::Duration};

/// A bound on a percentile of the latency, such as `p99=5ms`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Objective {
    percentile: String,
    limit: Duration,
}

impl Objective {
    /// As in the argument, with the unit that suits the time.
    pub(super) fn text(&self) -> String {
        format!("{} <= {}", self.percentile, show_ns(u64::try_from(self.limit.as_nanos()).unwrap_or(u64::MAX)))
    }

    /// Whether a run meets it: valid, and within the bound.
    fn is_met(&self, run: &RunReport) -> bool {
        let named = run.latency.named();
        let found = named.iter().find(|(name, _)| *name == self.percentile);
        run.invalid.is_empty() && found.is_some_and(|(_, ns)| u128::from(*ns) <= self.limit.as_nanos())
    }
}

impl FromStr for Objective {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let names = Percentiles::default().named().map(|(name, _)| name);
        let (percentile, limit) =
            text.split_once('=').ok_or_else(|| format!("{text:?} is not PERCENTILE=TIME, such as p99=5ms"))?;
        if !names.contains(&percentile) {
            return Err(format!(
                "{percentile:?} is not one of {}{}",
                names.join(", "),
                did_you_mean(percentile, names)
            ));
        }
        Ok(Self { percentile: percentile.to_owned(), limit: read_time(limit)? })
    }
}

/// The first rate that is tried.
const FIRST_RATE: u64 = 1_000;
/// The highest rate that is tried.
const LAST_RATE: u64 = 10_000_000;

/// The rates to try: doubled until one fails, then halved intervals until the bounds are within a twentieth.
#[derive(Debug, Clone, Copy, Default)]
struct Search {
    met: u64,
    missed: Option<u64>,
}

impl Search {
    /// The next rate; `None`: the search is over.
    fn next(&self) -> Option<u64> {
        match self.missed {
            None if self.met == 0 => Some(FIRST_RATE),
            None => (self.met < LAST_RATE).then(|| self.met * 2),
            Some(missed) if missed - self.met <= missed / 20 || missed <= FIRST_RATE / 10 => None,
            Some(missed) => Some(self.met.midpoint(missed)),
        }
    }

    fn note(&mut self, rate: u64, is_met: bool) {
        if is_met {
            self.met = rate;
        } else {
            self.missed = Some(rate);
        }
    }
}

/// Runs the search. Returns the highest rate that met the objective, zero if none did, and all runs.
///
/// # Errors
/// The daemon does not answer.
pub(super) fn find_max(session: &mut Session, objective: &Objective) -> anyhow::Result<(u64, Vec<RunReport>)> {
    let (mut search, mut runs) = (Search::default(), Vec::new());
    while let Some(rate) = search.next() {
        let mut run = session.run("", Some(rate))?;
        let is_met = objective.is_met(&run);
        run.label = if is_met { "met" } else { "missed" }.to_owned();
        eprintln!("{rate}/s: {}", run.label);
        search.note(rate, is_met);
        runs.push(run);
    }
    Ok((search.met, runs))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_objective_is_read() {
        for text in ["p50=1ms", "p99=5ms", "p99.9=500us", "p99.99=1s", "max=2s"] {
            assert!(text.parse::<Objective>().is_ok(), "{text}");
        }
        assert_eq!("p99=5ms".parse::<Objective>().unwrap().text(), "p99 <= 5.00 ms");
        for wrong in ["", "p99", "p98=1ms", "p99=", "p99=5"] {
            assert!(wrong.parse::<Objective>().is_err(), "{wrong}");
        }
    }

    /// The search ends close below the true maximum.
    #[test]
    fn the_search_ends_close_below_the_maximum() {
        for maximum in [0, 900, 1_000, 1_001, 7_777, 30_000, 57_123, 1_000_000] {
            let (mut search, mut tried) = (Search::default(), 0);
            while let Some(rate) = search.next() {
                search.note(rate, rate <= maximum);
                tried += 1;
                assert!(tried < 40);
            }
            assert!(search.met <= maximum);
            assert!(maximum - search.met <= maximum / 10 + FIRST_RATE / 10, "{maximum}: {}", search.met);
        }
    }
}
