//! `levelgate import --transactions`: imports past payments into a data folder that no daemon serves.

use crate::{
    cli::support::{
        configuration,
        import_answer::print_bad_rows,
        print::print_line,
        progress::{self, ReadProgress},
    },
    daemon::history::import::{ImportProgress, ImportReport, ImportRequest, ImportStep, import, try_import},
};
use anyhow::Context;
use indicatif::ProgressBar;
use std::{
    fs::File,
    path::{Path, PathBuf},
    process::ExitCode,
    time::{Duration, Instant},
};

/// The arguments of `import --transactions`.
pub(super) struct Options<'a> {
    /// The configuration folder.
    pub(super) config: &'a Path,
    /// The data folder; `None`: that of the configuration.
    pub(super) data: Option<&'a Path>,
    /// The merchant of rows that name none.
    pub(super) merchant: Option<&'a str>,
    /// The project of rows that name none.
    pub(super) project: Option<&'a str>,
    /// The folder of temporary files.
    pub(super) temporary: PathBuf,
    /// Whether nothing is changed.
    pub(super) is_trial: bool,
}

/// Imports the file, or checks it, and prints what it contains.
pub(super) fn run(options: &Options<'_>, file: &Path) -> anyhow::Result<ExitCode> {
    let mut loaded = configuration::load(options.config)?;
    match options.data {
        Some(data) => data.clone_into(&mut loaded.settings.store.path),
        // A trial opens no data folder.
        None if options.is_trial => {}
        None => configuration::require_daemon_file(&loaded)?,
    }
    let cannot_read = || format!("cannot read {}", file.display());
    let input = File::open(file).with_context(cannot_read)?;
    let read = ReadProgress::new(input.metadata().with_context(cannot_read)?.len());
    let Options { merchant, project, is_trial, .. } = *options;
    let request = ImportRequest { loaded, merchant, project, temporary: &options.temporary };
    let mut bars = ProgressBars { read: &read, bar: ProgressBar::hidden(), step: ImportStep::Check, rows: 0 };
    let input = read.count(input);
    let started = Instant::now();
    let report = if is_trial { try_import(request, input, &mut bars) } else { import(request, input, &mut bars) };
    bars.bar.finish_and_clear();
    Ok(print(&report?, is_trial, started.elapsed()))
}

/// Rows of a file and the time that they took, in words: `3,000 rows in 1.2 s, 2,500 a second`.
fn rate(rows: u64, took: Duration) -> String {
    let ms = took.as_millis().max(1);
    let (seconds, tenths) = (ms / 1_000, ms % 1_000 / 100);
    let per_second = u128::from(rows) * 1_000 / ms;
    format!("{} rows in {}.{tenths} s, {} a second", grouped(rows.into()), grouped(seconds), grouped(per_second))
}

/// A number with a comma before every three digits.
fn grouped(number: u128) -> String {
    let digits = number.to_string();
    let groups = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy);
    groups.collect::<Vec<_>>().join(",")
}

fn print(report: &ImportReport, is_trial: bool, took: Duration) -> ExitCode {
    let ImportReport { checked, expected, recorded, known, rules } = report;
    print_bad_rows(&checked.bad.listed);
    let unlisted = checked.bad.count.saturating_sub(checked.bad.listed.len() as u64);
    if unlisted > 0 {
        eprintln!("and {unlisted} more bad rows");
    }
    for (level, rows) in &checked.unconfigured {
        eprintln!(
            "warning: level {} of merchant {} is not configured for {} in {}: the default behaviour decides under which \
             level the {rows} payments count that name it",
            level.name.as_str(),
            level.merchant.as_str(),
            level.direction.word(),
            level.currency
        );
    }
    if checked.bad.count > 0 {
        eprintln!("levelgate: {} of {} rows are bad; nothing was imported", checked.bad.count, checked.rows);
        return ExitCode::FAILURE;
    }
    print_line!("{}", expected.sums.to_text(rules).trim_end());
    if checked.repeated > 0 {
        print_line!("{} rows repeat another row and count once", checked.repeated);
    }
    if is_trial {
        print_line!("{} payments would be imported; nothing was changed", expected.sums.payments());
    } else {
        print_line!("{recorded} payments were imported, {known} were there already; the folder agrees with these sums");
    }
    print_line!("{}", rate(checked.rows, took));
    ExitCode::SUCCESS
}

/// One bar after another, one for each step.
struct ProgressBars<'r> {
    read: &'r ReadProgress,
    bar: ProgressBar,
    step: ImportStep,
    rows: u64,
}

/// The bar moves once in so many rows.
const ROWS_A_DRAWING: u64 = 1_024;

impl ImportProgress for ProgressBars<'_> {
    fn begin(&mut self, step: ImportStep) {
        self.bar.finish_and_clear();
        (self.step, self.rows) = (step, 0);
        let (length, what) = match step {
            ImportStep::Check => (self.read.bytes, "bytes checked"),
            ImportStep::Record(rows) => (rows, "payments recorded"),
            ImportStep::ReadBack(records) => (records, "records read back"),
        };
        self.bar =
            progress::bar(length, "{bar:40} {pos}/{len} {msg}, {eta} left").unwrap_or_else(|_| ProgressBar::hidden());
        self.bar.set_message(what);
    }

    fn advance(&mut self) {
        self.rows += 1;
        if self.rows.is_multiple_of(ROWS_A_DRAWING) {
            self.bar.set_position(if self.step == ImportStep::Check { self.read.done() } else { self.rows });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_in_words() {
        for (rows, ms, want) in [
            (3_000, 1_250, "3,000 rows in 1.2 s, 2,400 a second"),
            (1_234_567, 61_049, "1,234,567 rows in 61.0 s, 20,222 a second"),
            (2, 0, "2 rows in 0.0 s, 2,000 a second"),
            (0, 40, "0 rows in 0.0 s, 0 a second"),
        ] {
            assert_eq!(rate(rows, Duration::from_millis(ms)), want);
        }
    }
}
