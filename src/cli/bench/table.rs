//! Tables on standard output.

use crate::cli::{
    bench::{figures::show_ns, session::RunReport},
    support::print::print_line,
};

/// Prints a table. The first column is aligned to the left, all others to the right.
pub(super) fn print_table(head: &[&str], rows: &[Vec<String>]) {
    let head: Vec<String> = head.iter().map(|&word| word.to_owned()).collect();
    let all = || std::iter::once(&head).chain(rows);
    let width = |column: usize| all().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..head.len()).map(|column| width(column).unwrap_or_default()).collect();
    for row in all() {
        let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, &width))| match column {
            0 => format!("{cell:<width$}"),
            _ => format!("{cell:>width$}"),
        });
        print_line!("{}", cells.collect::<Vec<_>>().join("  ").trim_end());
    }
}

/// The columns of [`run_row`].
pub(super) const RUN_HEAD: [&str; 12] = [
    "run",
    "offered",
    "answered/s",
    "p50",
    "p90",
    "p99",
    "p99.9",
    "p99.99",
    "max",
    "service p50",
    "service p99",
    "CPU/request",
];

/// A run as a row.
pub(super) fn run_row(run: &RunReport) -> Vec<String> {
    let mut row = vec![run.label.clone(), run.offered_text(), run.throughput.to_string()];
    row.extend(run.latency.named().into_iter().map(|(_, ns)| show_ns(ns)));
    row.extend([show_ns(run.service.p50), show_ns(run.service.p99)]);
    row.push(run.server_cpu_ns.map_or_else(|| "-".to_owned(), show_ns));
    row
}

/// Prints what makes runs invalid, and the generator's own delay.
pub(super) fn print_generator(runs: &[&RunReport]) {
    print_line!("\nThe generator");
    let rows: Vec<Vec<String>> = runs
        .iter()
        .map(|run| {
            let mut row = vec![run.label.clone(), run.offered_text()];
            row.extend(run.lag.named().into_iter().map(|(_, ns)| show_ns(ns)));
            row.push(show_ns(run.generator_cpu_ns));
            row.push(if run.invalid.is_empty() { "valid" } else { "INVALID" }.to_owned());
            row
        })
        .collect();
    print_table(
        &["run", "offered", "delay p50", "p90", "p99", "p99.9", "p99.99", "max", "CPU/request", "run is"],
        &rows,
    );
    for run in runs {
        for why in &run.invalid {
            print_line!("INVALID {} {}: {why}", run.label, run.offered_text());
        }
    }
}

/// Prints the latency of each operation of a run.
pub(super) fn print_operations(run: &RunReport) {
    print_line!("\nOperations of {} {}", run.label, run.offered_text());
    let rows: Vec<Vec<String>> = run
        .operations
        .iter()
        .map(|(word, found)| {
            let mut row = vec![(*word).to_owned(), found.count.to_string()];
            row.extend(found.named().into_iter().map(|(_, ns)| show_ns(ns)));
            row
        })
        .collect();
    print_table(&["operation", "requests", "p50", "p90", "p99", "p99.9", "p99.99", "max"], &rows);
    if run.denied > 0 {
        print_line!("{} reserves were denied", run.denied);
    }
}
