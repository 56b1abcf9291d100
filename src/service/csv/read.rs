//! The rows of a table, read one at a time.

use crate::domain::vocabulary::{card_numbers::id_has_card_number, text::suggest::nearest, words::Word};
use crate::service::csv::{
    cell::{Expected, understood},
    error::{Reason, RowError},
    records::{RecordReader, check_cells, used_cells},
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
}

impl<R: Read> Reader<R> {
    /// Reads the header.
    ///
    /// # Errors
    /// Everything that is wrong with the header.
    pub fn new(input: R, expected: Expected) -> Result<Self, Vec<RowError>> {
        let records = RecordReader::new(input).map_err(|error| vec![error])?;
        let mut reader = Self { records, columns: Vec::new(), expected };
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

    fn row(&self, line: u64) -> Result<Row, RowError> {
        let (record, columns) = (self.records.record(), self.columns.len());
        let mut row = Row::at(line);
        // A row of nothing but delimiters is read as empty cells, however many it has.
        if used_cells(record) == 0 {
            self.columns.iter().for_each(|column| row.set(*column, ""));
            return Ok(row);
        }
        check_cells(record, columns, line)?;
        for (&column, cell) in self.columns.iter().zip(record) {
            let text = std::str::from_utf8(cell).map_err(|_| Reason::NotUtf8);
            let text = text.and_then(|text| understood(column, text, &self.expected));
            let meant = text.map_err(|reason| RowError { line, column: Some(column.word().into()), reason })?;
            row.set(column, meant.text);
            if meant.is_literal {
                row.mark_literal(column);
            }
        }
        Ok(row)
    }
}

impl<R: Read> Iterator for Reader<R> {
    type Item = Result<Row, RowError>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(self.records.advance()?.and_then(|line| self.row(line)))
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
