//! Prints the outcome of an import.

use crate::{
    cli::support::{daemon_client::Answer, print::print_line},
    service::import_export::outcome::{BadRow, ImportOutcome, RemovedValue},
};
use std::process::ExitCode;

/// The fields of a daemon's problem document that concern a table.
#[derive(serde::Deserialize)]
struct RefusedTable {
    detail: String,
    #[serde(default)]
    bad_rows: Vec<BadRow>,
}

/// Prints a daemon's answer to a table.
pub(in crate::cli) fn print_answer(answer: &Answer) -> ExitCode {
    match answer.read::<ImportOutcome, RefusedTable>() {
        Some(Ok(imported)) => print_imported(&imported),
        Some(Err(RefusedTable { detail, bad_rows })) => print_refused(&detail, &bad_rows),
        None => answer.print(),
    }
}

/// Prints the counts of a table that was imported.
pub(in crate::cli) fn print_imported(imported: &ImportOutcome) -> ExitCode {
    print_bad_rows(&imported.bad_rows);
    for RemovedValue { line, column, customer_id, value } in &imported.removed_values {
        eprintln!("line {line}, column {column}: the empty cell would remove {value:?} of customer {customer_id}");
    }
    let unlisted = imported.values_removed.saturating_sub(imported.removed_values.len() as u64);
    if unlisted > 0 {
        eprintln!("and {unlisted} more values would be removed");
    }
    let ImportOutcome { rows, created, changed, unchanged, bad, .. } = imported;
    let would = if imported.applied { "" } else { "would be " };
    print_line!("{rows} rows: {created} {would}created, {changed} {would}changed, {unchanged} unchanged, {bad} bad");
    if !imported.applied {
        let next = match (*bad > 0, created + changed > 0) {
            (true, _) => "correct the rows above before the import",
            (false, true) => "the same command without --dry-run imports them",
            (false, false) => "the table changes nothing",
        };
        print_line!("nothing was changed, because this is a trial; {next}");
        if imported.settings_changed > 0 {
            eprintln!(
                "customers who would lose individual payment settings with their level: {}; no table contains these settings",
                imported.settings_changed
            );
        }
        if let Some(columns) = imported.undo.as_deref().and_then(columns_of) {
            eprintln!(
                "an import of the present values undoes it; save them before: levelgate export --columns {columns} --out \
                 before.csv, with the --merchant, --config, --url and --token-file of this command"
            );
        }
    }
    if *bad > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// The columns in the path of a table.
fn columns_of(path: &str) -> Option<&str> {
    let (_, query) = path.split_once("?columns=")?;
    query.split('&').next()
}

/// Prints why a table was refused.
pub(in crate::cli) fn print_refused(detail: &str, bad_rows: &[BadRow]) -> ExitCode {
    print_bad_rows(bad_rows);
    eprintln!("levelgate: {detail}");
    if !bad_rows.is_empty() {
        eprintln!("levelgate: nothing was changed; correct the rows above, or import the valid ones with --partial");
    }
    ExitCode::FAILURE
}

/// Prints bad rows, one a line.
pub(in crate::cli) fn print_bad_rows(rows: &[BadRow]) {
    for bad in rows {
        let column = bad.column.as_ref().map(|column| format!(", column {column}")).unwrap_or_default();
        eprintln!("line {}{column}: {}", bad.line, bad.reason);
    }
}
