//! The import of past payments into a data folder that no daemon serves.
//!
//! The file is checked completely before the first payment is recorded. Then its rows are recorded in the order of their
//! times, each as one record. So a killed import leaves the first rows of that order in the folder, and the next one finds
//! them there: the folder alone states how far it came. Rows beyond the retention leave memory by the steps of a daemon's
//! maintenance.

use crate::{
    clock::{Clock, Source},
    config::Loaded,
    daemon::{
        data_folder::{self, DataFolder, OpenedFolder},
        history::read_back::ExpectedHistory,
    },
    domain::{
        customer::audit::ChangeSource,
        events::{
            audited_operation::{AuditedOperation, OperationKind},
            global_event::GlobalEvent,
        },
        request::refusal::Refusal,
        rules::configuration::Rules,
        vocabulary::time::Millis,
    },
    ledger::{Ledger, Retention},
    service::{
        jobs::resume::resume_unfinished,
        transaction_history::{
            check::{CheckOptions, CheckedHistory, check_history},
            column::TextRow,
            row::{HistoryRow, RowContext, read_row},
        },
    },
    storage::journal::Lsn,
};
use anyhow::Context;
use std::{io::Read, path::Path, time::Duration};

/// Memory of the sorting; what exceeds it goes to temporary files.
pub(crate) const SORT_BYTES: usize = 256 << 20;
/// Rows are committed in groups of this size, so that the write backlog stays small.
const ROWS_A_COMMIT: u64 = 256;
/// The fewest rows between two rounds of maintenance, unless `snapshot_records` is less. Rows beyond the retention stay in
/// memory until then.
const ROUND_ROWS: u64 = 1_000_000;
/// A round of maintenance of a full memory must free more than this part of it, in percent. Otherwise every few rows would
/// need another round.
const FREED_PERCENT: u64 = 1;
/// A part of the Bloom filter is built until all is; a round takes far less.
const FILTER_BUILD_MAX: Duration = Duration::from_secs(3_600);

/// What is imported.
pub(crate) struct ImportRequest<'a> {
    /// The configuration.
    pub(crate) loaded: Loaded,
    /// The merchant of rows that name none.
    pub(crate) merchant: Option<&'a str>,
    /// The project of rows that name none.
    pub(crate) project: Option<&'a str>,
    /// The folder of temporary files.
    pub(crate) temporary: &'a Path,
}

/// A step of the import, for a progress bar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ImportStep {
    /// The file is read and checked.
    Check,
    /// Rows are recorded; how many.
    Record(u64),
    /// The folder is read back; how many records.
    ReadBack(u64),
}

/// Follows an import.
pub(crate) trait ImportProgress {
    /// A step begins.
    fn begin(&mut self, step: ImportStep);
    /// One row or record of the step is done.
    fn advance(&mut self);
}

/// The result of an import.
pub(crate) struct ImportReport {
    /// The check of the file. The folder has changed only if no row is bad.
    pub(crate) checked: CheckedHistory,
    /// What the file contains.
    pub(crate) expected: ExpectedHistory,
    /// The rows that were recorded.
    pub(crate) recorded: u64,
    /// The rows that the folder had from an earlier import of the file.
    pub(crate) known: u64,
    /// The rules with which the rows were read.
    pub(crate) rules: Rules,
}

/// Checks a file and records nothing. It opens no data folder.
///
/// # Errors
/// The file or a temporary file cannot be read or written.
pub(crate) fn try_import(
    request: ImportRequest<'_>,
    input: impl Read,
    progress: &mut dyn ImportProgress,
) -> anyhow::Result<ImportReport> {
    let now = Clock::new(Source::System).wall();
    let ImportRequest { loaded, merchant, project, temporary } = request;
    let context = RowContext { rules: &loaded.rules, merchant, project, now };
    let options = CheckOptions { context, temporary, memory_bytes: SORT_BYTES, ledger: None };
    progress.begin(ImportStep::Check);
    let mut checked = check_history(input, &options, &mut || progress.advance())?;
    let mut expected = ExpectedHistory::default();
    while let Some(row) = checked.next_row()? {
        expected.add(&read(&row, &context)?, now);
    }
    Ok(ImportReport { checked, expected, recorded: 0, known: 0, rules: loaded.rules })
}

/// Imports a file: checks it, records its rows, and reads them back.
///
/// # Errors
/// The folder cannot be opened, or has transactions of other sources; the file cannot be read; the journal has failed; what
/// is read back differs.
pub(crate) fn import(
    request: ImportRequest<'_>,
    input: impl Read,
    progress: &mut dyn ImportProgress,
) -> anyhow::Result<ImportReport> {
    let ImportRequest { loaded, merchant, project, temporary } = request;
    let mut opened = data_folder::open_for_import(&loaded.settings, &loaded.rules)?;
    let jobs = opened.jobs()?;
    let OpenedFolder { ledger, newest_time, folder, .. } = opened;
    let folder = folder.context("past payments are imported into a data folder")?;
    let clock = Clock::new(Source::System);
    clock.resume(newest_time);
    let now = clock.now(None)?;
    let rules = loaded.effective_rules(&ledger.overrides()).map_err(|problems| {
        let texts: Vec<String> = problems.iter().map(ToString::to_string).collect();
        anyhow::anyhow!("{}", texts.join("; "))
    })?;
    resume_unfinished(&jobs, &ledger, &rules, now);
    let context = RowContext { rules: &rules, merchant, project, now };
    let options = CheckOptions { context, temporary, memory_bytes: SORT_BYTES, ledger: Some(&ledger) };
    progress.begin(ImportStep::Check);
    let checked = check_history(input, &options, &mut || progress.advance())?;
    if checked.bad.count > 0 {
        ledger.journal().mark_clean_stop()?;
        let expected = ExpectedHistory::default();
        return Ok(ImportReport { checked, expected, recorded: 0, known: 0, rules });
    }
    let rows_a_round = loaded.settings.store.snapshot_records.clamp(1, ROUND_ROWS);
    let retention = Retention::new(loaded.settings.memory.retention_days, &rules);
    let mut import = Import {
        ledger: &ledger,
        folder: &folder,
        context: &context,
        retention,
        rows_a_round,
        next_round: rows_a_round,
        transactions_max: loaded.settings.memory.max_transactions,
        existing: ledger.opened_transactions(),
        expected: ExpectedHistory::default(),
        recorded: 0,
        known: 0,
    };
    let checked = import.run(checked, progress)?;
    let Import { expected, recorded, known, .. } = import;
    ledger.journal().mark_clean_stop()?;
    Ok(ImportReport { checked, expected, recorded, known, rules })
}

/// The remedy for a folder that has other transactions than the file.
const REMEDY: &str = "past payments are imported into a folder without transactions, or into the folder of an unfinished \
                      import of the same file; to import a changed file, name a new folder with --data";

fn read<'a>(row: &'a TextRow, context: &RowContext<'a>) -> anyhow::Result<HistoryRow<'a>> {
    // The check has read it before.
    read_row(row, context).map_err(|bad| anyhow::anyhow!("line {}: {}", bad.line, bad.reason))
}

/// An import while its rows are recorded.
struct Import<'i, 'a> {
    ledger: &'i Ledger,
    folder: &'i DataFolder,
    context: &'i RowContext<'a>,
    retention: Retention,
    /// The fewest rows between two rounds of maintenance.
    rows_a_round: u64,
    /// The next round of maintenance follows when this many rows are recorded.
    next_round: u64,
    transactions_max: u64,
    /// The transactions that the folder had at the beginning.
    existing: u64,
    expected: ExpectedHistory,
    recorded: u64,
    known: u64,
}

impl Import<'_, '_> {
    fn run(
        &mut self,
        mut checked: CheckedHistory,
        progress: &mut dyn ImportProgress,
    ) -> anyhow::Result<CheckedHistory> {
        let rows = checked.rows - checked.repeated;
        anyhow::ensure!(
            self.existing <= rows,
            "the data folder has {} transactions and the file has {rows}: {REMEDY}",
            self.existing
        );
        progress.begin(ImportStep::Record(rows));
        self.ledger.reserve_customer_numbers(checked.numbers.next);
        if self.existing < rows {
            self.folder.begin_import()?;
            let file = self.folder.configuration_file();
            file.write_minor_units(&self.context.rules.currencies)
                .context("the file `configuration` cannot be written")?;
        }
        while let Some(text) = checked.next_row()? {
            let mut row = read(&text, self.context)?;
            row.customer = checked.numbers.customer_of(&row);
            self.expected.add(&row, self.context.now);
            self.import_row(&text, &row)?;
            progress.advance();
        }
        self.ledger.journal().sync()?;
        progress.begin(ImportStep::ReadBack(rows));
        self.expected.compare(self.ledger, self.context.rules, self.context.now, &mut || progress.advance())?;
        if self.recorded > 0 {
            self.maintain()?;
            // The next start loads this snapshot: without the transactions that have left memory.
            self.folder.snapshot(self.ledger, self.context.now.0)?;
        }
        self.folder.end_import()?;
        Ok(checked)
    }

    fn import_row(&mut self, text: &TextRow, row: &HistoryRow<'_>) -> anyhow::Result<()> {
        let transaction = row.transaction();
        let in_line = |refusal: Refusal| anyhow::anyhow!("line {}: {refusal}", text.line);
        let foreign = || {
            anyhow::anyhow!(
                "line {}: the data folder has transactions that no import of this file has written: the file has changed \
                 since, or the folder has other payments; {REMEDY}",
                text.line
            )
        };
        // The rows of an earlier import come first, because it recorded them in this order.
        let guard = self.ledger.block_renames();
        if self.known + self.recorded < self.existing {
            let is_known = self.ledger.has_past(&transaction).map_err(|refusal| in_line(refusal).context(foreign()))?;
            anyhow::ensure!(is_known, foreign());
            self.known += 1;
            return Ok(());
        }
        if self.recorded == 0 {
            // It tells a back-test that no rules decided what this start records.
            let (kind, source, at) = (OperationKind::Import, ChangeSource::System, self.context.now);
            let import = AuditedOperation { kind, source, at, by: None, version: None, details: Vec::new() };
            self.ledger.record_overrides(&[GlobalEvent::OperationAudited(import)]);
        }
        let mut recorded = self.ledger.record_past(&transaction, self.context.now);
        drop(guard);
        if matches!(recorded, Err(Refusal::MemoryFull(_))) {
            self.maintain()?;
            let kept = self.ledger.transactions_len();
            let is_freed = kept.saturating_mul(100) < self.transactions_max.saturating_mul(100 - FREED_PERCENT);
            anyhow::ensure!(
                is_freed,
                "line {}: memory is full: {kept} transactions are within the retention, and max_transactions is {}; raise \
                 it, and run the same import again, which continues",
                text.line,
                self.transactions_max
            );
            let _guard = self.ledger.block_renames();
            recorded = self.ledger.record_past(&transaction, self.context.now);
        }
        let lsn: Lsn = recorded.map_err(in_line)?.ok_or_else(foreign)?;
        self.recorded += 1;
        if self.recorded.is_multiple_of(ROWS_A_COMMIT) {
            self.ledger.journal().commit(lsn)?;
        }
        if self.recorded >= self.next_round {
            self.maintain()?;
        }
        Ok(())
    }

    /// Writes a snapshot, moves segments to the archive, and evicts what is past its retention.
    fn maintain(&mut self) -> anyhow::Result<()> {
        let (ledger, folder, now): (_, _, Millis) = (self.ledger, self.folder, self.context.now);
        // Only transactions of sealed segments may leave memory.
        ledger.journal().rotate()?;
        let snapshot = folder.snapshot(ledger, now.0)?;
        folder.archive_segments(ledger, snapshot.true_up_to)?;
        folder.build_filter(FILTER_BUILD_MAX)?;
        if ledger.may_evict(now) {
            (0..Ledger::shard_count()).for_each(|shard| _ = ledger.evict(shard, &self.retention, now));
        }
        // A snapshot costs as much as the state is large, so a large state waits for more rows.
        let state = ledger.customers_len().saturating_add(ledger.transactions_len());
        let rows = if self.rows_a_round < ROUND_ROWS { self.rows_a_round } else { state.max(ROUND_ROWS) };
        self.next_round = self.recorded.saturating_add(rows);
        Ok(())
    }
}
