//! A file of past payments, CSV or NDJSON: its format is recognised by its first character.

use crate::service::transaction_history::{
    bad_rows::{RowError, RowResult},
    read_csv::CsvRows,
    read_ndjson::NdjsonRows,
};
use std::io::{BufRead, BufReader, Read};

/// The rows of a file.
pub struct HistoryRows<R: Read>(Rows<R>);

enum Rows<R: Read> {
    Csv(Box<CsvRows<BufReader<R>>>),
    Ndjson(NdjsonRows<BufReader<R>>),
}

impl<R: Read> HistoryRows<R> {
    /// Recognises the format, and reads the header of a CSV file.
    ///
    /// # Errors
    /// Everything that is wrong with the header; the file cannot be read.
    pub fn new(input: R) -> Result<Self, Vec<RowError>> {
        let mut input = BufReader::new(input);
        let head = input.fill_buf().map_err(|error| vec![RowError::Io(error)])?;
        let text = head.strip_prefix("\u{feff}".as_bytes()).unwrap_or(head).trim_ascii_start();
        if text.first() != Some(&b'{') {
            return CsvRows::new(input).map(|rows| Self(Rows::Csv(Box::new(rows))));
        }
        let mark = if head.starts_with("\u{feff}".as_bytes()) { "\u{feff}".len() } else { 0 };
        input.consume(mark);
        Ok(Self(Rows::Ndjson(NdjsonRows::new(input))))
    }
}

impl<R: Read> Iterator for HistoryRows<R> {
    type Item = RowResult;

    fn next(&mut self) -> Option<RowResult> {
        match &mut self.0 {
            Rows::Csv(rows) => rows.next(),
            Rows::Ndjson(rows) => rows.next(),
        }
    }
}
