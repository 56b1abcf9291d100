//! Histograms of durations with fixed buckets from a microsecond to ten seconds.
//!
//! A histogram is a static or a field of its owner, so that recording looks nothing up: it is two relaxed additions to
//! cells that few other threads write to. It takes memory once it has a value, and never more after that.

use crate::telemetry::descriptions::meaning;
use std::{
    cell::Cell,
    fmt::Write as _,
    sync::{
        OnceLock,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

/// The upper bounds of the buckets: nanoseconds, and the same in seconds as the text of the label `le`.
const BOUNDS: [(u64, &str); 22] = [
    (1_000, "0.000001"),
    (2_000, "0.000002"),
    (5_000, "0.000005"),
    (10_000, "0.00001"),
    (20_000, "0.00002"),
    (50_000, "0.00005"),
    (100_000, "0.0001"),
    (200_000, "0.0002"),
    (500_000, "0.0005"),
    (1_000_000, "0.001"),
    (2_000_000, "0.002"),
    (5_000_000, "0.005"),
    (10_000_000, "0.01"),
    (20_000_000, "0.02"),
    (50_000_000, "0.05"),
    (100_000_000, "0.1"),
    (200_000_000, "0.2"),
    (500_000_000, "0.5"),
    (1_000_000_000, "1"),
    (2_000_000_000, "2"),
    (5_000_000_000, "5"),
    (10_000_000_000, "10"),
];

/// The buckets of the bounds, and the one of longer durations.
const BUCKETS: usize = BOUNDS.len() + 1;
/// The copies of the cells; a thread writes to one of them.
const COPIES: usize = 8;

/// The time to answer one call of the hot path.
pub static ANSWER: LatencyHistogram = LatencyHistogram::new();
/// The time of a recorded decision that allowed.
pub static DECISION_ALLOWED: LatencyHistogram = LatencyHistogram::new();
/// The time of a recorded decision that denied.
pub static DECISION_DENIED: LatencyHistogram = LatencyHistogram::new();
/// The time that an answer waited until it could leave.
pub static COMMIT_WAIT: LatencyHistogram = LatencyHistogram::new();
/// The time of a sync of the journal.
pub static JOURNAL_SYNC: LatencyHistogram = LatencyHistogram::new();
/// The time of a reload that took effect.
pub static RELOAD_APPLIED: LatencyHistogram = LatencyHistogram::new();
/// The time of a reload that was refused.
pub static RELOAD_REFUSED: LatencyHistogram = LatencyHistogram::new();

/// One copy of the cells. No other copy shares its cache lines.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Cells {
    buckets: [AtomicU64; BUCKETS],
    sum_ns: AtomicU64,
}

/// The distribution of a duration.
#[derive(Debug, Default)]
pub struct LatencyHistogram(OnceLock<Box<[Cells; COPIES]>>);

/// What a histogram contains.
#[derive(Debug, PartialEq, Eq)]
struct Totals {
    buckets: [u64; BUCKETS],
    sum: Duration,
}

/// The copy that this thread writes to.
fn copy_of_thread() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local!(static COPY: Cell<usize> = const { Cell::new(usize::MAX) });
    COPY.with(|copy| {
        if copy.get() == usize::MAX {
            copy.set(NEXT.fetch_add(1, Ordering::Relaxed) % COPIES);
        }
        copy.get()
    })
}

impl LatencyHistogram {
    /// An empty histogram.
    #[must_use]
    pub const fn new() -> Self {
        Self(OnceLock::new())
    }

    /// Adds a duration.
    #[inline]
    pub fn record(&self, duration: Duration) {
        let ns = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        let cells = &self.0.get_or_init(Box::default)[copy_of_thread()];
        let bucket = BOUNDS.partition_point(|(bound, _)| *bound < ns);
        if let Some(bucket) = cells.buckets.get(bucket) {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
        cells.sum_ns.fetch_add(ns, Ordering::Relaxed);
    }

    /// The sum of all copies; `None`: nothing was recorded.
    fn totals(&self) -> Option<Totals> {
        let copies = self.0.get()?;
        let mut totals = Totals { buckets: [0; BUCKETS], sum: Duration::ZERO };
        for cells in copies.iter() {
            for (total, bucket) in totals.buckets.iter_mut().zip(&cells.buckets) {
                *total += bucket.load(Ordering::Relaxed);
            }
            totals.sum += Duration::from_nanos(cells.sum_ns.load(Ordering::Relaxed));
        }
        Some(totals)
    }
}

/// Writes the histograms that this file names in the text format of Prometheus.
pub(crate) fn write_latencies(out: &mut String) {
    write_family(out, "levelgate_answer_seconds", [(String::new(), &ANSWER)]);
    let decisions = [("allow", &DECISION_ALLOWED), ("deny", &DECISION_DENIED)];
    write_family(out, "levelgate_decision_seconds", labelled("decision", decisions));
    write_family(out, "levelgate_commit_wait_seconds", [(String::new(), &COMMIT_WAIT)]);
    write_family(out, "levelgate_journal_sync_seconds", [(String::new(), &JOURNAL_SYNC)]);
    let reloads = [("applied", &RELOAD_APPLIED), ("refused", &RELOAD_REFUSED)];
    write_family(out, "levelgate_reload_seconds", labelled("outcome", reloads));
}

fn labelled<'h>(
    label: &str,
    series: [(&str, &'h LatencyHistogram); 2],
) -> impl IntoIterator<Item = (String, &'h LatencyHistogram)> {
    series.map(|(value, histogram)| (format!("{label}=\"{value}\""), histogram))
}

/// Writes the head of a metric: its meaning and its type.
pub(crate) fn write_head(out: &mut String, name: &str, metric_type: &str) {
    // A text in memory takes everything.
    let _ = writeln!(out, "# HELP {name} {}\n# TYPE {name} {metric_type}", meaning(name));
}

/// Writes the series of one histogram, each with its labels as they stand between the braces. A series without a value is
/// left out, and so is a histogram without a series.
pub(crate) fn write_family<'h>(
    out: &mut String,
    name: &str,
    series: impl IntoIterator<Item = (String, &'h LatencyHistogram)>,
) {
    let mut has_head = false;
    for (labels, histogram) in series {
        let Some(Totals { buckets, sum }) = histogram.totals() else { continue };
        if !has_head {
            write_head(out, name, "histogram");
            has_head = true;
        }
        let comma = if labels.is_empty() { "" } else { "," };
        let mut count = 0;
        for (bucket, bound) in buckets.iter().zip(BOUNDS.iter().map(|(_, text)| *text).chain(["+Inf"])) {
            count += bucket;
            let _ = writeln!(out, "{name}_bucket{{{labels}{comma}le=\"{bound}\"}} {count}");
        }
        let braced = if labels.is_empty() { String::new() } else { format!("{{{labels}}}") };
        let _ = writeln!(out, "{name}_sum{braced} {}\n{name}_count{braced} {count}", sum.as_secs_f64());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bounds_ascend_and_their_texts_are_the_same_in_seconds() {
        assert!(BOUNDS.is_sorted_by_key(|(ns, _)| *ns));
        for (ns, text) in BOUNDS {
            assert_eq!(Duration::from_secs_f64(text.parse().unwrap()), Duration::from_nanos(ns), "{text}");
        }
    }

    #[test]
    fn a_duration_counts_in_the_first_bucket_that_is_not_below_it() {
        for (place, (ns, _)) in BOUNDS.into_iter().enumerate() {
            for (ns, bucket) in [(ns - 1, place), (ns, place), (ns + 1, place + 1)] {
                let histogram = LatencyHistogram::new();
                histogram.record(Duration::from_nanos(ns));
                let totals = histogram.totals().unwrap();
                let filled: Vec<usize> = (0..BUCKETS).filter(|bucket| totals.buckets[*bucket] > 0).collect();
                assert_eq!((filled, totals.sum), (vec![bucket], Duration::from_nanos(ns)), "{ns} ns");
            }
        }
    }

    #[test]
    fn the_durations_of_many_threads_are_all_counted() {
        let histogram = LatencyHistogram::new();
        assert_eq!(histogram.totals(), None);
        std::thread::scope(|scope| {
            for _ in 0..2 * COPIES {
                scope.spawn(|| (0..1_000).for_each(|_| histogram.record(Duration::from_micros(3))));
            }
        });
        let count = 2 * u64::try_from(COPIES).unwrap() * 1_000;
        let totals = histogram.totals().unwrap();
        assert_eq!(totals.buckets.iter().sum::<u64>(), count);
        assert_eq!((totals.buckets[2], totals.sum), (count, Duration::from_micros(3 * count)));
    }

    #[test]
    fn the_buckets_of_the_text_are_cumulative() {
        let (histogram, empty) = (LatencyHistogram::new(), LatencyHistogram::new());
        for us in [1, 1, 3, 20_000_000] {
            histogram.record(Duration::from_micros(us));
        }
        let mut text = String::new();
        let series = [("x=\"a\"".to_owned(), &histogram), ("x=\"b\"".to_owned(), &empty)];
        write_family(&mut text, "levelgate_request_seconds", series);
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].starts_with("# HELP levelgate_request_seconds Time"), "{text}");
        assert_eq!(lines[1], "# TYPE levelgate_request_seconds histogram");
        assert_eq!(lines[2], "levelgate_request_seconds_bucket{x=\"a\",le=\"0.000001\"} 2");
        assert_eq!(lines[4], "levelgate_request_seconds_bucket{x=\"a\",le=\"0.000005\"} 3");
        assert_eq!(lines[23], "levelgate_request_seconds_bucket{x=\"a\",le=\"10\"} 3");
        assert_eq!(lines[24], "levelgate_request_seconds_bucket{x=\"a\",le=\"+Inf\"} 4");
        assert_eq!(lines[25], "levelgate_request_seconds_sum{x=\"a\"} 20.000005");
        assert_eq!(lines[26..], ["levelgate_request_seconds_count{x=\"a\"} 4"]);
    }
}
