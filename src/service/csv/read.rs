//! Rows of a table, one at a time, each taken whole or refused with its line and what to do.

use crate::domain::{
    rules::configuration::Word,
    vocabulary::{card_numbers::no_card_id, suggest::nearest},
};
use crate::service::csv::{
    COLUMNS, Column, ROW_BYTES_MAX, Row,
    cell::{Expected, understood},
    guard::{BUFFER_BYTES, Guard},
};
use ::csv::ByteRecord;
use std::{
    fmt,
    io::{self, Chain, Cursor, Read},
};

/// Why a row, or the whole table, cannot be taken; every one says what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// There is nothing.
    #[error("the table is empty; its first line must name the columns, as `customer_id,email`")]
    NoHeader,
    /// Not the encoding that is read.
    #[error("this is UTF-16; save the table as \"CSV UTF-8\"")]
    Utf16,
    /// Not the encoding that is read.
    #[error("the text is not UTF-8; save the table as \"CSV UTF-8\"")]
    NotUtf8,
    /// A table of another kind.
    #[error("the columns are separated by tabs; save the table with commas or semicolons between them")]
    Tabs,
    /// A column that nobody knows.
    #[error("unknown column {written:?}; {}", help(*.near))]
    UnknownColumn {
        /// As in the header.
        written: String,
        /// What may have been meant.
        near: Option<&'static str>,
    },
    /// A column twice.
    #[error("the column stands twice in the header; keep one of the two")]
    DuplicateColumn,
    /// Too many cells, or too few.
    #[error(
        "the row has {found} cells, and the header names {columns} columns; a cell that holds the delimiter stands in quotation marks"
    )]
    Cells {
        /// Of the row.
        found: usize,
        /// Of the header.
        columns: usize,
    },
    /// A row without an end.
    #[error(
        "the row is longer than {ROW_BYTES_MAX} bytes: perhaps a quotation mark is never closed; what follows was not read"
    )]
    TooLong,
    /// A quotation mark that opens or closes nothing.
    #[error(
        "a quotation mark does not pair; a cell that holds one stands in quotation marks, and within it the mark is doubled"
    )]
    StrayQuote,
    /// A quotation mark that opens and nothing closes.
    #[error("a quotation mark opens here and is never closed; what follows was not read")]
    Unclosed,
    /// A formula that failed, or a column that was too narrow.
    #[error("{0:?} is what a spreadsheet shows where it has no value; write the value{MEANT}")]
    SpreadsheetError(String),
    /// A long number that was rounded.
    #[error(
        "{0:?} is a number that a spreadsheet has shortened, and its digits are lost; format the column as text and write it again{MEANT}"
    )]
    Exponent(String),
    /// An id that was taken for a date.
    #[error(
        "{0:?} is a date that a spreadsheet has made of something else; format the column as text and write it again{MEANT}"
    )]
    Date(String),
    /// An id that was taken for a number.
    #[error(
        "{text:?} has fewer than {digits} digits: a spreadsheet has cut off its leading zeros; format the column as text and write it again{MEANT}"
    )]
    LostZeros {
        /// What is left.
        text: String,
        /// As many as it should have.
        digits: usize,
    },
    /// A phone number that was taken for a number.
    #[error(
        "{0:?} is an international phone number that has lost its plus; format the column as text and write +{0}{MEANT}"
    )]
    LostPlus(String),
    /// What may stand nowhere.
    #[error("this looks like a full card number; write a token or the masked number")]
    CardNumber,
    /// The bytes stopped coming.
    #[error("the table cannot be read on: {0}")]
    Io(io::ErrorKind),
}

const MEANT: &str = "; where it is meant as it stands, write an apostrophe before it";

fn help(near: Option<&'static str>) -> String {
    let known = || Column::WORDS.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(", ");
    near.map_or_else(|| format!("known are {}", known()), |near| format!("did you mean `{near}`?"))
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowError {
    /// Counted from 1.
    pub line: u64,
    /// As the header names it; `None`: the row as a whole.
    pub column: Option<Box<str>>,
    /// What is wrong, and what to do.
    pub reason: Reason,
}

impl fmt::Display for RowError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}", self.line)?;
        if let Some(column) = &self.column {
            write!(f, ", column {column}")?;
        }
        write!(f, ": {}", self.reason)
    }
}

impl std::error::Error for RowError {}

/// The rows of a table. Behind a row that is refused the next one is read, but for [`Reason::TooLong`],
/// [`Reason::Unclosed`] and [`Reason::Io`], with which it ends.
pub struct Reader<R> {
    csv: ::csv::Reader<Guard<Chain<Cursor<Vec<u8>>, R>>>,
    columns: Vec<Column>,
    expected: Expected,
    record: ByteRecord,
    ended: bool,
}

impl<R: Read> Reader<R> {
    /// Reads the header.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn new(mut input: R, expected: Expected) -> Result<Self, Vec<RowError>> {
        let whole = |line, reason| vec![RowError { line, column: None, reason }];
        let mut head = first_line(&mut input).map_err(|error| whole(1, Reason::Io(error.kind())))?;
        if head.starts_with(&[0xff, 0xfe]) || head.starts_with(&[0xfe, 0xff]) {
            return Err(whole(1, Reason::Utf16));
        }
        if head.starts_with("\u{feff}".as_bytes()) {
            head.drain(..3);
        }
        let line = said_line(&head);
        let count = |byte: u8| line.iter().filter(|&&other| other == byte).count();
        let (commas, semicolons, tabs) = (count(b','), count(b';'), count(b'\t'));
        if tabs > commas.max(semicolons) {
            return Err(whole(1, Reason::Tabs));
        }
        let delimiter = if semicolons > commas { b';' } else { b',' };
        let guard = Guard::new(Cursor::new(head).chain(input), delimiter);
        let csv = ::csv::ReaderBuilder::new()
            .delimiter(delimiter)
            .has_headers(false)
            .flexible(true)
            .buffer_capacity(BUFFER_BYTES)
            .from_reader(guard);
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

    /// How many bytes have been read and understood, without a byte order mark.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.csv.position().byte()
    }

    /// Reads the next record and says in which line it begins; `None` at the end.
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
        let begun = self.csv.get_mut().take_row();
        let refused = |line, reason| Some(Err(RowError { line, column: None, reason }));
        if let Err(error) = read {
            self.ended = true;
            let reason = match error.into_kind() {
                _ if self.csv.get_ref().overrun => Reason::TooLong,
                ::csv::ErrorKind::Io(error) => Reason::Io(error.kind()),
                _ => Reason::Io(io::ErrorKind::InvalidData),
            };
            return refused(begun.line, reason);
        }
        // The parser asks for more only when it has nothing left: at the end, this row is the last one.
        if let Some(opened) = self.csv.get_ref().unclosed() {
            self.ended = true;
            return refused(opened, Reason::Unclosed);
        }
        if let Some(stray) = begun.stray {
            return refused(stray, Reason::StrayQuote);
        }
        if begun.bytes > ROW_BYTES_MAX {
            return refused(begun.line, Reason::TooLong);
        }
        Some(Ok(begun.line))
    }

    fn row(&self, line: u64) -> Result<Row, RowError> {
        let (found, columns) = (self.record.len(), self.columns.len());
        if found != columns {
            return Err(RowError { line, column: None, reason: Reason::Cells { found, columns } });
        }
        let mut row = Row { line, ..Row::default() };
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

/// The beginning of the table: at least its first line that says something, or as much as a row may have.
fn first_line(input: &mut impl Read) -> io::Result<Vec<u8>> {
    const CHUNK_BYTES: usize = 4_096;
    let mut head = Vec::new();
    while head.len() < ROW_BYTES_MAX {
        let read = input.by_ref().take(CHUNK_BYTES as u64).read_to_end(&mut head)?;
        if read == 0 || said_line(&head).len() < head.trim_ascii_start().len() {
            break;
        }
    }
    Ok(head)
}

/// The first line that says something, as far as it is there.
fn said_line(head: &[u8]) -> &[u8] {
    head.trim_ascii_start().split(|byte| matches!(byte, b'\n' | b'\r')).next().unwrap_or_default()
}

fn header(record: &ByteRecord, line: u64) -> Result<Vec<Column>, Vec<RowError>> {
    let mut columns = Vec::with_capacity(COLUMNS);
    let mut wrong = Vec::new();
    for cell in record {
        let written: String = String::from_utf8_lossy(cell).trim().chars().take(80).collect();
        let mut refuse = |reason| wrong.push(RowError { line, column: Some(written.as_str().into()), reason });
        match Column::parse(&written) {
            None if no_card_id("column", &written).is_err() => refuse(Reason::CardNumber),
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
