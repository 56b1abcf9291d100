//! The records of a CSV file, read one at a time: delimiters, quotes, line ends. It knows no column.

use crate::service::csv::{
    error::{Reason, RowError},
    row::ROW_BYTES_MAX,
    scan::{BUFFER_BYTES, RowScanner},
};
use ::csv::ByteRecord;
use std::io::{self, Chain, Cursor, Read};

/// The records of a file. It continues after a record with an error, except after [`Reason::TooLong`],
/// [`Reason::Unclosed`] and [`Reason::Io`], which end it.
pub(in crate::service) struct RecordReader<R> {
    csv: ::csv::Reader<RowScanner<Chain<Cursor<Vec<u8>>, R>>>,
    record: ByteRecord,
    ended: bool,
}

impl<R: Read> RecordReader<R> {
    /// Finds the delimiter.
    ///
    /// # Errors
    /// The file is not readable as CSV in UTF-8.
    pub(in crate::service) fn new(mut input: R) -> Result<Self, RowError> {
        let whole = |line, reason| RowError { line, column: None, reason };
        let mut head = first_line(&mut input).map_err(|error| whole(1, Reason::Io(error.kind())))?;
        if head.starts_with(&[0xff, 0xfe]) || head.starts_with(&[0xfe, 0xff]) {
            return Err(whole(1, Reason::Utf16));
        }
        if head.starts_with("\u{feff}".as_bytes()) {
            head.drain(..3);
        }
        let line = content_line(&head);
        let stated = stated_delimiter(line).map_err(|reason| whole(1, reason))?;
        let count = |byte: u8| line.iter().filter(|&&other| other == byte).count();
        let (commas, semicolons, tabs) = (count(b','), count(b';'), count(b'\t'));
        if stated.is_none() && tabs > commas.max(semicolons) {
            return Err(whole(1, Reason::Tabs));
        }
        let delimiter = stated.unwrap_or(if semicolons > commas { b';' } else { b',' });
        let scanner = RowScanner::new(Cursor::new(head).chain(input), delimiter);
        let csv = ::csv::ReaderBuilder::new()
            .delimiter(delimiter)
            .has_headers(false)
            .flexible(true)
            .buffer_capacity(BUFFER_BYTES)
            .from_reader(scanner);
        let mut reader = Self { csv, record: ByteRecord::new(), ended: false };
        if stated.is_some() {
            reader.advance().transpose()?;
        }
        Ok(reader)
    }

    /// The record that [`RecordReader::advance`] has read.
    pub(in crate::service) fn record(&self) -> &ByteRecord {
        &self.record
    }

    /// The number of bytes that are parsed, without a byte order mark.
    pub(in crate::service) fn bytes(&self) -> u64 {
        self.csv.position().byte()
    }

    /// Reads the next record that has more than delimiters, which spreadsheets write above and below a table.
    pub(in crate::service) fn advance_to_content(&mut self) -> Option<Result<u64, RowError>> {
        loop {
            match self.advance()? {
                Ok(_) if used_cells(&self.record) == 0 => {}
                read => return Some(read),
            }
        }
    }

    /// Reads the next record and returns the line where it begins; `None` at the end.
    pub(in crate::service) fn advance(&mut self) -> Option<Result<u64, RowError>> {
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
}

/// The number of cells of a record up to the last one that is not blank. Spreadsheets write empty columns to the right of a
/// table.
pub(in crate::service) fn used_cells(record: &ByteRecord) -> usize {
    let is_blank = |cell: &[u8]| cell.is_empty() || std::str::from_utf8(cell).is_ok_and(|text| text.trim().is_empty());
    record.iter().rposition(|cell| !is_blank(cell)).map_or(0, |last| last + 1)
}

/// Checks that a record has a cell for each column of the header, and none with content beyond them.
///
/// # Errors
/// It has too few or too many.
pub(in crate::service) fn check_cells(record: &ByteRecord, columns: usize, line: u64) -> Result<(), RowError> {
    let found = record.len();
    let fits = found >= columns && used_cells(record) <= columns;
    if fits { Ok(()) } else { Err(RowError { line, column: None, reason: Reason::Cells { found, columns } }) }
}

/// The cell of a column: empty where the record ends before it, because spreadsheets leave out empty cells at its end.
pub(in crate::service) fn cell_or_empty(record: &ByteRecord, place: usize) -> &[u8] {
    record.get(place).unwrap_or_default()
}

/// Checks that a record has no cell with content beyond the columns of the header. It may have fewer cells, unless one cell
/// contains what another delimiter separates.
///
/// # Errors
/// It has too many cells, or another delimiter.
pub(in crate::service) fn check_cells_or_fewer(record: &ByteRecord, columns: usize, line: u64) -> Result<(), RowError> {
    let found = record.len();
    let has_other_delimiter =
        found == 1 && columns > 1 && record[0].iter().any(|byte| matches!(byte, b',' | b';' | b'\t'));
    let fits = used_cells(record) <= columns && !has_other_delimiter;
    if fits { Ok(()) } else { Err(RowError { line, column: None, reason: Reason::Cells { found, columns } }) }
}

/// The delimiter that a first line `sep=;` names; `None`: the line is no such line.
fn stated_delimiter(line: &[u8]) -> Result<Option<u8>, Reason> {
    const BEGIN: &[u8] = b"sep=";
    let line = line.strip_prefix(b"\"").unwrap_or(line);
    let Some((begin, rest)) = line.split_at_checked(BEGIN.len()) else { return Ok(None) };
    if !begin.eq_ignore_ascii_case(BEGIN) {
        return Ok(None);
    }
    match rest.trim_ascii_end().strip_suffix(b"\"").unwrap_or(rest) {
        [delimiter @ (b',' | b';'), ..] => Ok(Some(*delimiter)),
        [b'\t', ..] => Err(Reason::Tabs),
        other => Err(Reason::Delimiter(String::from_utf8_lossy(other).trim().chars().take(10).collect())),
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
