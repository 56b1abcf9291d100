//! `levelgate export --transactions`: writes all transactions of a data folder that no daemon serves.

use crate::{
    cli::support::{
        configuration,
        output_file::{exit_code, write_file},
        progress,
    },
    clock::{Clock, Source},
    daemon::{
        data_folder::{self, ArchiveLosses},
        history::import::SORT_BYTES,
    },
    service::transaction_history::export::{ExportOptions, HistoryFormat, export_history},
};
use std::{
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

/// The arguments of `export --transactions`.
pub(super) struct Options<'a> {
    /// The configuration folder.
    pub(super) config: &'a Path,
    /// The data folder; `None`: that of the configuration.
    pub(super) data: Option<&'a Path>,
    /// Only the transactions of this merchant.
    pub(super) merchant: Option<&'a str>,
    /// The format.
    pub(super) format: HistoryFormat,
    /// The folder of temporary files.
    pub(super) temporary: PathBuf,
    /// The file; `None`: standard output.
    pub(super) out: Option<&'a Path>,
}

/// Writes the file.
pub(super) fn run(options: &Options<'_>) -> anyhow::Result<ExitCode> {
    match options.out {
        Some(path) => write_file(path, &mut |output| write(options, output)),
        None => Ok(exit_code(write(options, &mut BufWriter::new(io::stdout().lock()))?)),
    }
}

fn write(options: &Options<'_>, output: &mut dyn Write) -> anyhow::Result<bool> {
    let mut loaded = configuration::load(options.config)?;
    match options.data {
        Some(data) => data.clone_into(&mut loaded.settings.store.path),
        None => configuration::require_daemon_file(&loaded)?,
    }
    let opened = data_folder::open(&loaded.settings, Some(&loaded.rules), ArchiveLosses::Refuse)?;
    anyhow::ensure!(opened.folder.is_some(), "[store] kind is \"memory\": there is no data folder");
    let clock = Clock::new(Source::System);
    clock.resume(opened.newest_time);
    let now = clock.stamp(None)?.at;
    let bar = progress::bar(opened.ledger.opened_transactions(), "{bar:40} {pos}/{len} transactions read, {eta} left")?;
    let Options { merchant, format, .. } = *options;
    let (rules, temporary) = (&loaded.rules, &*options.temporary);
    let export = ExportOptions { rules, merchant, format, now, temporary, memory_bytes: SORT_BYTES };
    let rows = export_history(&opened.ledger, &export, output, &mut || bar.inc(1));
    bar.finish_and_clear();
    let rows = rows?;
    opened.ledger.journal().mark_clean_stop()?;
    eprintln!("{rows} transactions");
    Ok(true)
}
