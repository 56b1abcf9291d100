//! The rows of a table, read one at a time.

use crate::domain::vocabulary::{card_numbers::id_has_card_number, suggest::nearest, words::Word};
use crate::service::csv::{
    cell::{Expected, understood},
    error::{Reason, RowError},
    row::{COLUMNS, Column, ROW_BYTES_MAX, Row},
    scan::{BUFFER_BYTES, RowScanner},
};
use ::csv::ByteRecord;
use std::io::{self, Chain, Cursor, Read};

/// The rows of a table. It continues after a row with an error, except after [`Reason::TooLong`], [`Reason::Unclosed`] and
/// [`Reason::Io`], which end it.
pub struct Reader<R> {
    csv: ::csv::Reader<RowScanner<Chain<Cursor<Vec<u8>>, R>>>,
    columns: Vec<Column>,
    expected: Expected,
    record: ByteRecord,
    ended: bool,
}

impl<R: Read> Reader<R> {
    /// Reads the header.
    ///
    /// # Errors
    /// Everything that is wrong with the header.
    pub fn new(mut input: R, expected: Expected) -> Result<Self, Vec<RowError>> {
        let whole = |line, reason| vec![RowError { line, column: None, reason }];
        let mut head = first_line(&mut input).map_err(|error| whole(1, Reason::Io(error.kind())))?;
        if head.starts_with(&[0xff, 0xfe]) || head.starts_with(&[0xfe, 0xff]) {
            return Err(whole(1, Reason::Utf16));
        }
        if head.starts_with("\u{feff}".as_bytes()) {
            head.drain(..3);
        }
        let line = content_line(&head);
        let count = |byte: u8| line.iter().filter(|&&other| other == byte).count();
        let (commas, semicolons, tabs) = (count(b','), count(b';'), count(b'\t'));
        if tabs > commas.max(semicolons) {
            return Err(whole(1, Reason::Tabs));
        }
        let delimiter = if semicolons > commas { b';' } else { b',' };
        let scanner = RowScanner::new(Cursor::new(head).chain(input), delimiter);
        let csv = ::csv::ReaderBuilder::new()
            .delimiter(delimiter)
            .has_headers(false)
            .flexible(true)
            .buffer_capacity(BUFFER_BYTES)
            .from_reader(scanner);
        let mut reader = Self { csv, columns: Vec::new(), expected, record: ByteRecord::new(), ended: false };
        match reader.advance() {
            None => Err(whole(1, Reason::NoHeader)),
            Some(Err(error)) => Err(vec![error]),
            Some(Ok(line)) => {
                reader.columns = header(&reader.record, line)?;
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
        self.csv.position().byte()
    }

    /// Reads the next record and returns the line where it begins; `None` at the end.
    fn advance(&mut self) -> Option<Result<u64, RowError>> {
        if self.ended {
            return None;
        }
        self.csv.get_mut().allow_row();
        let read = self.csv.read_byte_record(&mut self.record);
        if matches!(read, Ok(false)) {
            self.ended = true;
            return None;
        }
        let scanned = self.csv.get_mut().take_row();
        let refused = |line, reason| Some(Err(RowError { line, column: None, reason }));
        if let Err(error) = read {
            self.ended = true;
            let reason = match error.into_kind() {
                _ if self.csv.get_ref().overrun => Reason::TooLong,
                ::csv::ErrorKind::Io(error) => Reason::Io(error.kind()),
                _ => Reason::Io(io::ErrorKind::InvalidData),
            };
            return refused(scanned.line, reason);
        }
        // The parser reads more only when its buffer is empty: at the end of the input this row is the last one.
        if let Some(opened) = self.csv.get_ref().unclosed() {
            self.ended = true;
            return refused(opened, Reason::Unclosed);
        }
        if let Some(stray) = scanned.stray {
            return refused(stray, Reason::StrayQuote);
        }
        if scanned.bytes > ROW_BYTES_MAX {
            return refused(scanned.line, Reason::TooLong);
        }
        Some(Ok(scanned.line))
    }

    fn row(&self, line: u64) -> Result<Row, RowError> {
        let (found, columns) = (self.record.len(), self.columns.len());
        if found != columns {
            return Err(RowError { line, column: None, reason: Reason::Cells { found, columns } });
        }
        let mut row = Row::at(line);
        for (&column, cell) in self.columns.iter().zip(&self.record) {
            let text = std::str::from_utf8(cell).map_err(|_| Reason::NotUtf8);
            let text = text.and_then(|text| understood(column, text, &self.expected));
            let text = text.map_err(|reason| RowError { line, column: Some(column.word().into()), reason })?;
            row.set(column, text);
        }
        Ok(row)
    }
}

impl<R: Read> Iterator for Reader<R> {
    type Item = Result<Row, RowError>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(self.advance()?.and_then(|line| self.row(line)))
    }
}

/// The beginning of the table: at least its first line with content, or as much as a row may have.
fn first_line(input: &mut impl Read) -> io::Result<Vec<u8>> {
    const CHUNK_BYTES: usize = 4_096;
    let mut head = Vec::new();
    while head.len() < ROW_BYTES_MAX {
        let read = input.by_ref().take(CHUNK_BYTES as u64).read_to_end(&mut head)?;
        if read == 0 || content_line(&head).len() < head.trim_ascii_start().len() {
            break;
        }
    }
    Ok(head)
}

/// The first line with content, as far as it is read.
fn content_line(head: &[u8]) -> &[u8] {
    head.trim_ascii_start().split(|byte| matches!(byte, b'\n' | b'\r')).next().unwrap_or_default()
}

fn header(record: &ByteRecord, line: u64) -> Result<Vec<Column>, Vec<RowError>> {
    let mut columns = Vec::with_capacity(COLUMNS);
    let mut wrong = Vec::new();
    for cell in record {
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
