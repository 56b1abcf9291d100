//! `levelgate backtest`: what another configuration would have decided.

use crate::{
    cli::support::{
        configuration,
        output_file::{exit_code, write_file},
        progress,
    },
    daemon::data_folder::{ReadHistory, read_history},
    domain::vocabulary::{
        time::{DAY_MS, Millis},
        words::Word,
    },
    ledger::BYTES_PER_TRANSACTION,
    service::backtest::{
        change_list::ChangeList,
        render::{ReportFormat, write_report},
        replay::{RatesChoice, ReplayOptions, replay},
    },
};
use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

/// The arguments of `backtest`.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// The configuration folder that decides
    #[arg(long, value_name = "DIR", default_value_os_t = configuration::default_folder())]
    config: PathBuf,
    /// The data folder with the history; it is only read, and a daemon may be serving it
    #[arg(long, value_name = "FOLDER")]
    data: PathBuf,
    /// Count only decisions from this time on: RFC 3339, or a day in UTC
    #[arg(long, value_name = "TIME", value_parser = parse_from)]
    from: Option<Millis>,
    /// Count only decisions before this time; a day is included
    #[arg(long, value_name = "TIME", value_parser = parse_to)]
    to: Option<Millis>,
    /// The rates: those in force at the time, or those of the configuration throughout
    #[arg(long, value_name = "WHICH", default_value = "recorded", value_parser = ["recorded", "new"])]
    rates: String,
    /// The format of the report
    #[arg(long, value_name = "FORMAT", default_value = "table", value_parser = ["table", "json", "csv"])]
    format: String,
    /// Write each decision that differs to this file, as CSV
    #[arg(long, value_name = "FILE")]
    list: Option<PathBuf>,
}

/// The records between two updates of the words of the bar.
const MESSAGE_RECORDS: u64 = 256;

fn parse_day(text: &str) -> Option<Millis> {
    (text.len() == 10).then(|| Millis::parse(&format!("{text}T00:00:00Z")))?
}

fn parse_from(text: &str) -> Result<Millis, String> {
    parse_day(text).or_else(|| Millis::parse(text)).ok_or_else(|| wrong_time(text))
}

fn parse_to(text: &str) -> Result<Millis, String> {
    let end_of_day = parse_day(text).map(|day| day.plus(DAY_MS));
    end_of_day.or_else(|| Millis::parse(text)).ok_or_else(|| wrong_time(text))
}

fn wrong_time(text: &str) -> String {
    format!("`{text}` is no time: write 2026-11-20, or 2026-11-20T10:00:00Z")
}

/// Prints the report.
pub(super) fn run(options: &Options) -> anyhow::Result<ExitCode> {
    if let (Some(from), Some(to)) = (options.from, options.to) {
        anyhow::ensure!(from < to, "--from {from} is not before --to {to}: no decision is in between");
    }
    match &options.list {
        Some(path) => write_file(path, &mut |output| backtest(options, Some(output))),
        None => backtest(options, None).map(exit_code),
    }
}

fn backtest(options: &Options, list: Option<&mut dyn Write>) -> anyhow::Result<bool> {
    anyhow::ensure!(Path::new(&options.data).is_dir(), "there is no data folder {}", options.data.display());
    let files = configuration::load(&options.config)?;
    let ReadHistory { history, shadow } = read_history(&options.data, &files)?;
    let currencies = files.rules.currencies.clone();
    let mut list = list.map(ChangeList::new).transpose()?;
    let records = history.last().0.saturating_sub(history.first().0).saturating_add(1);
    let bar = progress::bar(records, "{bar:40} {pos}/{len} records replayed, {msg}, {eta} left")?;
    let replay_options = ReplayOptions {
        from: options.from,
        to: options.to,
        rates: RatesChoice::parse(&options.rates).unwrap_or(RatesChoice::Recorded),
    };
    let first = history.first().0;
    let report = replay(&history, shadow, files, &replay_options, list.as_mut(), &mut |progress| {
        let replayed = progress.record.saturating_sub(first).saturating_add(1);
        bar.set_position(replayed);
        if bar.is_hidden() || !replayed.is_multiple_of(MESSAGE_RECORDS) {
            return;
        }
        let bytes = progress.transactions.saturating_mul(BYTES_PER_TRANSACTION);
        bar.set_message(format!("{} transactions in {} MB", progress.transactions, bytes.div_ceil(1_000_000)));
    });
    bar.finish_and_clear();
    let report = report?;
    list.map(ChangeList::finish).transpose()?;
    let format = ReportFormat::parse(&options.format).unwrap_or(ReportFormat::Table);
    let mut output = io::BufWriter::new(io::stdout().lock());
    write_report(&report, format, &currencies, &mut output)?;
    output.flush()?;
    Ok(true)
}
