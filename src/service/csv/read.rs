//! The rows of a table, read one at a time.

use crate::domain::vocabulary::{card_numbers::id_has_card_number, text::suggest::nearest, words::Word};
use crate::service::csv::{
    cell::{Expected, understood},
    error::{Reason, RowError},
    records::{RecordReader, cell_or_empty, check_cells_or_fewer, used_cells},
    row::{COLUMNS, Column, Row},
};
use ::csv::ByteRecord;
use std::io::Read;

/// The rows of a table. It continues after a row with an error, except after [`Reason::TooLong`], [`Reason::Unclosed`] and
/// [`Reason::Io`], which end it.
pub struct Reader<R> {
    records: RecordReader<R>,
    columns: Vec<Column>,
    expected: Expected,
    /// The faults of the last row after its first one.
    further_faults: Vec<RowError>,
}

/// The most faults of a row that are reported.
pub(crate) const FAULTS_A_ROW_MAX: usize = 10;

impl<R: Read> Reader<R> {
    /// Reads the header.
    ///
    /// # Errors
    /// Everything that is wrong with the header.
    pub fn new(input: R, expected: Expected) -> Result<Self, Vec<RowError>> {
        let records = RecordReader::new(input).map_err(|error| vec![error])?;
        let mut reader = Self { records, columns: Vec::new(), expected, further_faults: Vec::new() };
        match reader.records.advance_to_content() {
            None => Err(vec![RowError { line: 1, column: None, reason: Reason::NoHeader }]),
            Some(Err(error)) => Err(vec![error]),
            Some(Ok(line)) => {
                reader.columns = header(reader.records.record(), line)?;
                Ok(reader)
            }
        }
    }

    /// The columns, in the order of the header.
    #[must_use]
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The number of bytes that are parsed, without a byte order mark.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.records.bytes()
    }

    /// The faults of the row that was just refused, after the one that was returned. At most `FAULTS_A_ROW_MAX` of a row
    /// are reported.
    pub fn take_further_faults(&mut self) -> Vec<RowError> {
        std::mem::take(&mut self.further_faults)
    }

    /// The row that was read, or its faults, which are at least one.
    fn row(&self, line: u64) -> Result<Row, Vec<RowError>> {
        let (record, columns) = (self.records.record(), self.columns.len());
        let mut row = Row::at(line);
        // A row of nothing but delimiters is read as empty cells, however many it has.
        if used_cells(record) == 0 {
            self.columns.iter().for_each(|column| row.set(*column, ""));
            return Ok(row);
        }
        check_cells_or_fewer(record, columns, line).map_err(|error| vec![error])?;
        let mut faults = Vec::new();
        for (place, &column) in self.columns.iter().enumerate() {
            let text = std::str::from_utf8(cell_or_empty(record, place)).map_err(|_| Reason::NotUtf8);
            match text.and_then(|text| understood(column, text, &self.expected)) {
                Ok(meant) => {
                    row.set(column, meant.text);
                    if meant.is_literal {
                        row.mark_literal(column);
                    }
                }
                Err(reason) => faults.push(RowError { line, column: Some(column.word().into()), reason }),
            }
        }
        faults.truncate(FAULTS_A_ROW_MAX);
        if faults.is_empty() { Ok(row) } else { Err(faults) }
    }
}

impl<R: Read> Iterator for Reader<R> {
    type Item = Result<Row, RowError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.further_faults.clear();
        let line = match self.records.advance()? {
            Ok(line) => line,
            Err(error) => return Some(Err(error)),
        };
        Some(self.row(line).map_err(|mut faults| {
            let first = faults.remove(0);
            self.further_faults = faults;
            first
        }))
    }
}

fn header(record: &ByteRecord, line: u64) -> Result<Vec<Column>, Vec<RowError>> {
    let mut columns = Vec::with_capacity(COLUMNS);
    let mut wrong = Vec::new();
    for cell in record.iter().take(used_cells(record)) {
        let written: String = String::from_utf8_lossy(cell).trim().chars().take(80).collect();
        let mut refuse = |reason| wrong.push(RowError { line, column: Some(written.as_str().into()), reason });
        match Column::parse(&written) {
            None if id_has_card_number(&written) => refuse(Reason::CardNumber),
            Some(column) if columns.contains(&column) => refuse(Reason::DuplicateColumn),
            Some(column) => columns.push(column),
            None => {
                let near = nearest(&written, Column::WORDS.iter().map(|(word, _)| *word));
                refuse(Reason::UnknownColumn { written: written.clone(), near });
            }
        }
    }
    if wrong.is_empty() { Ok(columns) } else { Err(wrong) }
}
