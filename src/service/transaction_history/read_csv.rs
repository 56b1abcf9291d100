//! The rows of a CSV file.

use crate::{
    domain::vocabulary::{card_numbers::masked, text::suggest::nearest, words::Word},
    service::{
        csv::{
            cell::understood_text,
            error::{Reason, RowError},
            records::{RecordReader, check_cells, used_cells},
        },
        import_export::outcome::BadRow,
        transaction_history::{
            bad_rows::{RowError as FileRowError, RowResult},
            column::{HistoryColumn, REQUIRED, TextRow},
        },
    },
};
use std::io::{self, Read};

/// The rows of a CSV file.
pub(super) struct CsvRows<R> {
    records: RecordReader<R>,
    columns: Vec<HistoryColumn>,
}

fn of(error: RowError) -> FileRowError {
    match error.reason {
        Reason::Io(kind) => FileRowError::Io(io::Error::from(kind)),
        _ => FileRowError::Bad(error.into()),
    }
}

impl<R: Read> CsvRows<R> {
    /// Reads the header.
    pub(super) fn new(input: R) -> Result<Self, Vec<FileRowError>> {
        let mut records = RecordReader::new(input).map_err(|error| vec![of(error)])?;
        let line = match records.advance_to_content() {
            None => {
                let reason = "the file is empty; its first line must name the columns, as \
                              `id,customer,direction,currency,amount,level,time,outcome`";
                return Err(vec![FileRowError::Bad(BadRow { line: 1, column: None, reason: reason.to_owned() })]);
            }
            Some(Err(error)) => return Err(vec![of(error)]),
            Some(Ok(line)) => line,
        };
        let (mut columns, mut wrong) = (Vec::new(), Vec::new());
        for cell in records.record().iter().take(used_cells(records.record())) {
            let written: String = String::from_utf8_lossy(cell).trim().chars().take(80).collect();
            let reason = match HistoryColumn::parse(&written) {
                Some(column) if columns.contains(&column) => {
                    "the column is twice in the header; keep one of the two".to_owned()
                }
                Some(column) => {
                    columns.push(column);
                    continue;
                }
                None => unknown_column(&written),
            };
            let column = Some(masked(&written).into_owned());
            wrong.push(FileRowError::Bad(BadRow { line, column, reason: masked(&reason).into_owned() }));
        }
        let missing = REQUIRED.iter().filter(|column| !columns.contains(column));
        wrong.extend(
            missing
                .filter(|_| wrong.is_empty())
                .map(|column| {
                    let (column, reason) = (Some(column.word().to_owned()), "the header has no such column".to_owned());
                    FileRowError::Bad(BadRow { line, column, reason })
                })
                .collect::<Vec<_>>(),
        );
        if wrong.is_empty() { Ok(Self { records, columns }) } else { Err(wrong) }
    }

    fn row(&self, line: u64) -> Result<TextRow, RowError> {
        let record = self.records.record();
        check_cells(record, self.columns.len(), line)?;
        let mut row = TextRow::at(line);
        for (&column, cell) in self.columns.iter().zip(record) {
            let text = std::str::from_utf8(cell).map_err(|_| Reason::NotUtf8).and_then(understood_text);
            let text = text.map_err(|reason| RowError { line, column: Some(column.word().into()), reason })?;
            row.set(column, text);
        }
        Ok(row)
    }
}

/// What is wrong with a column that the file cannot have.
pub(super) fn unknown_column(written: &str) -> String {
    let known = || HistoryColumn::WORDS.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(", ");
    let help = match nearest(written, HistoryColumn::WORDS.iter().map(|(word, _)| *word)) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("known are {}", known()),
    };
    format!("unknown column {written:?}; {help}")
}

impl<R: Read> Iterator for CsvRows<R> {
    type Item = RowResult;

    fn next(&mut self) -> Option<RowResult> {
        let read = self.records.advance_to_content()?;
        Some(read.and_then(|line| self.row(line)).map_err(of))
    }
}
