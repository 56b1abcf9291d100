//! Histograms of a run.

use hdrhistogram::Histogram;
use serde::Serialize;
use std::io::{self, Write};

/// The longest latency of a histogram, in nanoseconds: 100 seconds.
const LONGEST_NS: u64 = 100_000_000_000;
/// The significant digits of a recorded latency.
const DIGITS: u8 = 3;

/// Latencies in nanoseconds.
#[derive(Debug, Clone)]
pub(super) struct Latencies(Histogram<u64>);

/// Percentiles in nanoseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(super) struct Percentiles {
    pub(super) count: u64,
    pub(super) p50: u64,
    pub(super) p90: u64,
    pub(super) p99: u64,
    pub(super) p999: u64,
    pub(super) p9999: u64,
    pub(super) max: u64,
}

impl Percentiles {
    /// The name of a percentile and its value, in the order of tables.
    pub(super) const fn named(&self) -> [(&'static str, u64); 6] {
        [
            ("p50", self.p50),
            ("p90", self.p90),
            ("p99", self.p99),
            ("p99.9", self.p999),
            ("p99.99", self.p9999),
            ("max", self.max),
        ]
    }
}

impl Latencies {
    /// No latencies.
    ///
    /// # Errors
    /// Never: the bounds are valid.
    pub(super) fn new() -> anyhow::Result<Self> {
        Ok(Self(Histogram::new_with_bounds(1, LONGEST_NS, DIGITS)?))
    }

    /// Adds one latency. A longer one than the longest counts as the longest.
    pub(super) fn record(&mut self, ns: u64) {
        self.0.saturating_record(ns.max(1));
    }

    /// Adds those of another thread.
    ///
    /// # Errors
    /// Never: all have the same bounds.
    pub(super) fn add(&mut self, other: &Self) -> anyhow::Result<()> {
        Ok(self.0.add(&other.0)?)
    }

    /// The percentiles.
    pub(super) fn percentiles(&self) -> Percentiles {
        let at = |quantile| self.0.value_at_quantile(quantile);
        Percentiles {
            count: self.0.len(),
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p999: at(0.999),
            p9999: at(0.9999),
            max: self.0.max(),
        }
    }

    /// Writes the text form of HdrHistogram (`.hgrm`), in milliseconds, which its plotters read.
    ///
    /// # Errors
    /// The output cannot be written.
    pub(super) fn write_hgrm(&self, output: &mut dyn Write) -> io::Result<()> {
        writeln!(output, "{:>12} {:>14} {:>10} {:>14}\n", "Value", "Percentile", "TotalCount", "1/(1-Percentile)")?;
        let mut total = 0;
        for step in self.0.iter_quantiles(5) {
            total += step.count_since_last_iteration();
            let (value, quantile) = (milliseconds(step.value_iterated_to()), step.quantile_iterated_to());
            write!(output, "{value:>12} {quantile:>14.12} {total:>10}")?;
            if quantile < 1.0 {
                write!(output, " {:>14.2}", inverse(quantile))?;
            }
            writeln!(output)?;
        }
        writeln!(
            output,
            "#[Mean    = {:>12}, StdDeviation   = {:>12}]",
            milliseconds_of(self.0.mean()),
            milliseconds_of(self.0.stdev())
        )?;
        writeln!(output, "#[Max     = {:>12}, Total count    = {:>12}]", milliseconds(self.0.max()), self.0.len())?;
        writeln!(output, "#[Buckets = {:>12}, SubBuckets     = {:>12}]", self.0.buckets(), 1_u64 << 11)
    }
}

/// Nanoseconds as milliseconds with six decimals.
fn milliseconds(ns: u64) -> String {
    format!("{}.{:06}", ns / 1_000_000, ns % 1_000_000)
}

#[allow(clippy::float_arithmetic, reason = "a figure for people")]
fn milliseconds_of(ns: f64) -> String {
    format!("{:.6}", ns / 1e6)
}

#[allow(clippy::float_arithmetic, reason = "a figure for people")]
fn inverse(quantile: f64) -> f64 {
    1.0 / (1.0 - quantile)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn latencies(all: impl Iterator<Item = u64>) -> Latencies {
        let mut latencies = Latencies::new().unwrap();
        all.for_each(|ns| latencies.record(ns));
        latencies
    }

    /// Each percentile is that of the sorted latencies, to three digits.
    #[test]
    fn percentiles_are_those_of_the_sorted_latencies() {
        let found = latencies((1..=100_000).map(|n| n * 1_000)).percentiles();
        assert_eq!(found.count, 100_000);
        for ((name, value), expected) in
            found.named().into_iter().zip([50_000_000, 90_000_000, 99_000_000, 99_900_000, 99_990_000, 100_000_000_u64])
        {
            assert!(value.abs_diff(expected) <= expected / 1_000, "{name}: {value}, {expected} expected");
        }
    }

    #[test]
    fn a_latency_beyond_the_bounds_counts_as_the_bound() {
        let found = latencies([0, u64::MAX].into_iter()).percentiles();
        assert_eq!((found.count, found.p50), (2, 1));
        assert!(found.max >= LONGEST_NS);
    }

    #[test]
    fn a_histogram_is_written_for_plotters() {
        let mut text = Vec::new();
        latencies([1_000_000, 2_000_000, 4_000_000].into_iter()).write_hgrm(&mut text).unwrap();
        let text = String::from_utf8(text).unwrap();
        let rows: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(rows[0], ["Value", "Percentile", "TotalCount", "1/(1-Percentile)"]);
        assert!(rows[1].is_empty());
        let values = rows.iter().skip(2).filter(|row| !row[0].starts_with('#'));
        let counts: Vec<u64> = values.map(|row| row[2].parse().unwrap()).collect();
        assert!(counts.is_sorted() && counts.last() == Some(&3), "{counts:?}");
        assert!(text.contains("Total count    =            3]"), "{text}");
    }
}
