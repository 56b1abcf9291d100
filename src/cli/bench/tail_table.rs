//! The table of runs during other work, or with hostile clients, next to quiet ones.

use crate::cli::{
    bench::{
        figures::{ratio_hundredths, show_hundredths, show_ns},
        report::BenchReport,
        session::RunReport,
        table::{print_generator, print_table},
    },
    support::print::print_line,
};

/// Prints each run of `--during` or `--hostile` next to the quiet one at the same rate.
pub(super) fn print_tail(report: &BenchReport) {
    print_line!("\nLatency from when a request was due to its answer, quiet and during other work");
    let mut ordered: Vec<&RunReport> = report.runs.iter().collect();
    // The quiet run is the first of each rate.
    ordered.sort_by_key(|run| run.offered);
    let quiet = |rate| report.runs.iter().find(|run| run.label == "quiet" && run.offered == rate);
    let rows: Vec<Vec<String>> = ordered
        .iter()
        .map(|run| {
            let mut row = vec![run.offered_text(), run.label.clone(), run.throughput.to_string()];
            row.extend(run.latency.named().into_iter().map(|(_, ns)| show_ns(ns)));
            let ratio = quiet(run.offered).map(|quiet| ratio_hundredths(run.latency.p99, quiet.latency.p99));
            row.push(ratio.map(show_hundredths).unwrap_or_default());
            row.push(run.server_cpu_ns.map(show_ns).unwrap_or_default());
            let work = report.disturbances.get(&format!("{} {}", run.label, run.offered_text()));
            row.push(work.map(|work| work.text()).unwrap_or_default());
            row
        })
        .collect();
    print_table(
        &[
            "offered",
            "during",
            "answered/s",
            "p50",
            "p90",
            "p99",
            "p99.9",
            "p99.99",
            "max",
            "p99 / quiet",
            "CPU/request",
            "work",
        ],
        &rows,
    );
    print_generator(&ordered);
}
