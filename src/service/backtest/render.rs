//! The report as a table, as JSON, and as comma-separated values.

use crate::{
    domain::vocabulary::{
        money::{Currencies, Minor},
        time::Millis,
        words::words,
    },
    service::backtest::{
        report::BacktestReport,
        tally::{Group, Measure, Row, RowKey},
    },
};
use serde_json::{Map, Value, json};
use std::io::{self, Write};

words! {
    /// The format of a report.
    ReportFormat {
        /// For people.
        Table = "table",
        /// One JSON document.
        Json = "json",
        /// Comma-separated values with a header.
        Csv = "csv",
    }
}

/// Whether a table has a row.
type HasRow = fn(&RowKey) -> bool;

/// The tables of the report: the name, the title, and which rows it has.
const TABLES: [(&str, &str, HasRow); 5] = [
    ("totals", "Decisions", |key| key.group == Group::Total && !matches!(key.measure, Measure::NotJudged(_))),
    ("by_code", "Changes by code", |key| matches!(key.group, Group::Code { .. })),
    ("by_level", "Changes by level", |key| matches!(key.group, Group::Level { .. })),
    ("by_gate", "Changes of the first gate", |key| matches!(key.group, Group::Gate { .. })),
    ("not_judged", "Not judged", |key| matches!(key.measure, Measure::NotJudged(_))),
];

/// Columns of the comma-separated values.
const COLUMNS: [&str; 14] = [
    "table",
    "what",
    "merchant",
    "code",
    "reason",
    "direction",
    "level",
    "gate_before",
    "gate_after",
    "currency",
    "decisions",
    "customers",
    "amount",
    "minor_units",
];

/// Writes the report.
///
/// # Errors
/// The output cannot be written.
pub fn write_report(
    report: &BacktestReport,
    format: ReportFormat,
    currencies: &Currencies,
    output: &mut dyn Write,
) -> io::Result<()> {
    match format {
        ReportFormat::Table => write_table(report, currencies, output),
        ReportFormat::Json => {
            serde_json::to_writer_pretty(&mut *output, &document(report, currencies))?;
            output.write_all(b"\n")
        }
        ReportFormat::Csv => write_csv(report, currencies, output),
    }
}

fn amount(key: &RowKey, row: &Row, currencies: &Currencies) -> String {
    Minor { value: row.amount, units: currencies.units(key.currency) }.to_string()
}

fn document(report: &BacktestReport, currencies: &Currencies) -> Value {
    let time = |at: Option<Millis>| at.map(|at| at.to_string());
    let mut document = Map::new();
    let counts = [
        ("judged", report.judged),
        ("differences", report.differences),
        ("not_judged_decisions", report.not_judged),
        ("reloads", report.reloads),
        ("first_record", report.first_record),
        ("last_record", report.last_record),
    ];
    document.extend(counts.map(|(name, count)| (name.to_owned(), json!(count))));
    let times = [("first_at", report.first_at), ("last_at", report.last_at)];
    document.extend(times.map(|(name, at)| (name.to_owned(), json!(time(at)))));
    for (name, _, has) in TABLES {
        let rows = report.tally.rows().filter(|(key, _)| has(key)).map(|(key, row)| row_document(key, row, currencies));
        document.insert(name.to_owned(), rows.collect());
    }
    Value::Object(document)
}

fn row_document(key: &RowKey, row: &Row, currencies: &Currencies) -> Value {
    let mut fields = Map::new();
    fields.insert("what".to_owned(), json!(key.measure.word()));
    fields.insert("merchant".to_owned(), json!(key.merchant));
    let of_group: Vec<(&str, Value)> = match key.group {
        Group::Total => Vec::new(),
        Group::Code { number, reason } => vec![("code", json!(number)), ("reason", json!(reason))],
        Group::Level { direction, name } => vec![("direction", json!(direction.word())), ("level", json!(name))],
        Group::Gate { before, after } => vec![("gate_before", json!(before)), ("gate_after", json!(after))],
    };
    fields.extend(of_group.into_iter().map(|(name, value)| (name.to_owned(), value)));
    fields.insert("currency".to_owned(), json!(key.currency.to_string()));
    fields.insert("decisions".to_owned(), json!(row.decisions));
    fields.insert("customers".to_owned(), json!(row.customers.len()));
    fields.insert("amount".to_owned(), json!(amount(key, row, currencies)));
    Value::Object(fields)
}

fn write_csv(report: &BacktestReport, currencies: &Currencies, output: &mut dyn Write) -> io::Result<()> {
    let mut csv = ::csv::WriterBuilder::new().terminator(::csv::Terminator::CRLF).from_writer(output);
    csv.write_record(COLUMNS)?;
    for (name, _, has) in TABLES {
        for (key, row) in report.tally.rows().filter(|(key, _)| has(key)) {
            let document = row_document(key, row, currencies);
            for column in COLUMNS {
                let cell = match (column, document.get(column)) {
                    ("table", _) => name.to_owned(),
                    ("minor_units", _) => currencies.units(key.currency).to_string(),
                    (_, Some(Value::String(text))) => text.clone(),
                    (_, None | Some(Value::Null)) => String::new(),
                    (_, Some(value)) => value.to_string(),
                };
                csv.write_field(cell)?;
            }
            csv.write_record(None::<&[u8]>)?;
        }
    }
    csv.flush()
}

fn write_table(report: &BacktestReport, currencies: &Currencies, output: &mut dyn Write) -> io::Result<()> {
    let period = match (report.first_at, report.last_at) {
        (Some(first), Some(last)) => format!("from {first} to {last}"),
        _ => "none in the period".to_owned(),
    };
    writeln!(output, "{} decisions judged, {period}: {} differ", report.judged, report.differences)?;
    if report.not_judged > 0 {
        writeln!(output, "{} decisions cannot be judged", report.not_judged)?;
    }
    if report.reloads > 0 {
        writeln!(
            output,
            "{} reloads in the period: decisions in fact followed the rules of their day",
            report.reloads
        )?;
    }
    if report.first_record > 1 {
        writeln!(output, "the history begins with record {}: older records are deleted", report.first_record)?;
    }
    for (_, title, has) in TABLES {
        let mut lines: Vec<[String; 7]> = Vec::new();
        for (key, row) in report.tally.rows().filter(|(key, _)| has(key)) {
            lines.push([
                key.measure.word().replace('_', " "),
                group_text(&key.group),
                key.merchant.to_owned(),
                key.currency.to_string(),
                row.decisions.to_string(),
                row.customers.len().to_string(),
                amount(key, row, currencies),
            ]);
        }
        if lines.is_empty() {
            continue;
        }
        let header = [title, "", "merchant", "", "decisions", "customers", "amount"].map(str::to_owned);
        lines.insert(0, header);
        let widths: Vec<usize> = (0..7)
            .map(|column| lines.iter().filter_map(|line| line.get(column)).map(|cell| cell.chars().count()).max())
            .map(Option::unwrap_or_default)
            .collect();
        writeln!(output)?;
        for line in lines {
            let cells = line.iter().zip(&widths).enumerate().filter(|(_, (_, width))| **width > 0);
            let cells = cells.map(|(column, (cell, width))| match column {
                0..4 => format!("{cell:<width$}"),
                _ => format!("{cell:>width$}"),
            });
            writeln!(output, "{}", cells.collect::<Vec<_>>().join("  "))?;
        }
    }
    Ok(())
}

fn group_text(group: &Group) -> String {
    match *group {
        Group::Total => String::new(),
        Group::Code { number, reason } => format!("{number} {reason}"),
        Group::Level { direction, name } => format!("{} {}", direction.word(), name.unwrap_or("(no level)")),
        Group::Gate { before, after } => format!("{} -> {}", before.unwrap_or("(denied)"), after.unwrap_or("(denied)")),
    }
}
