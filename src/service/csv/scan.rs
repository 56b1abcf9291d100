//! A scan of the bytes before the parser reads them. It finds what the parser accepts silently: rows without an end, and
//! quotation marks that do not pair, after which the rest of a file can become one cell.

use crate::service::csv::row::ROW_BYTES_MAX;
use std::{
    collections::VecDeque,
    io::{self, Read},
};

/// The size of the parser's buffer, by which it reads ahead.
pub(super) const BUFFER_BYTES: usize = 16_384;

/// The part of a row where the scan is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ScanState {
    /// Before a row; empty lines belong to none.
    Between,
    CellStart,
    Plain,
    Quoted,
    /// After a quotation mark that closes the cell, unless another one follows.
    Closed,
    /// After an equals sign at the start of a cell.
    Formula,
    /// In the text of `="..."`.
    FormulaText,
    /// After the quotation mark that closes `="..."`, unless another one follows.
    FormulaClosed,
}

/// A row that was scanned, completely or in part.
#[derive(Debug, Clone, Copy)]
pub(super) struct ScannedRow {
    /// The line where it begins, counted from 1.
    pub(super) line: u64,
    /// The line of a quotation mark that does not pair.
    pub(super) stray: Option<u64>,
    /// Its length without the line end.
    pub(super) bytes: usize,
}

/// A reader that scans the bytes which it passes on.
pub(super) struct RowScanner<R> {
    inner: R,
    delimiter: u8,
    state: ScanState,
    /// The line of the next byte, counted from 1.
    line: u64,
    last: u8,
    /// The line where the quoted cell begins.
    opened: u64,
    /// Rows that the parser has not returned yet; at most as many as its buffer contains.
    rows: VecDeque<ScannedRow>,
    ended: bool,
    /// The number of bytes that the current row may still read.
    left: usize,
    /// Whether a row has read more than it may.
    pub(super) overrun: bool,
}

impl<R: Read> RowScanner<R> {
    pub(super) fn new(inner: R, delimiter: u8) -> Self {
        Self {
            inner,
            delimiter,
            state: ScanState::Between,
            line: 1,
            last: 0,
            opened: 0,
            rows: VecDeque::new(),
            ended: false,
            left: 0,
            overrun: false,
        }
    }

    /// Allows the parser to read one row of the longest length and to fill its buffer.
    pub(super) fn allow_row(&mut self) {
        self.left = ROW_BYTES_MAX + BUFFER_BYTES;
    }

    /// The row that the parser has read or failed to read.
    pub(super) fn take_row(&mut self) -> ScannedRow {
        self.rows.pop_front().unwrap_or(ScannedRow { line: self.line, stray: None, bytes: 0 })
    }

    /// The line of a mark that nothing closes, once the end has come.
    pub(super) fn unclosed(&self) -> Option<u64> {
        (self.ended && self.state == ScanState::Quoted).then_some(self.opened)
    }

    fn watch(&mut self, byte: u8) {
        let is_end = matches!(byte, b'\n' | b'\r');
        if self.state == ScanState::Between && !is_end {
            self.rows.push_back(ScannedRow { line: self.line, stray: None, bytes: 0 });
            self.state = ScanState::CellStart;
        }
        if let Some(row) = self.rows.back_mut().filter(|_| !is_end || self.state == ScanState::Quoted) {
            row.bytes += 1;
        }
        let is_stray = match self.state {
            ScanState::Plain => byte == b'"',
            ScanState::Closed | ScanState::FormulaClosed => byte != b'"' && byte != self.delimiter && !is_end,
            ScanState::FormulaText => byte == self.delimiter || is_end,
            ScanState::Between | ScanState::CellStart | ScanState::Quoted | ScanState::Formula => false,
        };
        if is_stray && let Some(row) = self.rows.back_mut() {
            row.stray.get_or_insert(self.line);
        }
        self.state = match (self.state, byte) {
            (ScanState::CellStart, b'"') => {
                self.opened = self.line;
                ScanState::Quoted
            }
            (ScanState::Quoted, b'"') => ScanState::Closed,
            (ScanState::Closed, b'"') | (ScanState::Quoted, _) => ScanState::Quoted,
            (_, _) if is_end => ScanState::Between,
            (_, byte) if byte == self.delimiter => ScanState::CellStart,
            (ScanState::CellStart, b'=') => ScanState::Formula,
            (ScanState::FormulaText, b'"') => ScanState::FormulaClosed,
            (ScanState::Formula | ScanState::FormulaClosed, b'"') | (ScanState::FormulaText, _) => {
                ScanState::FormulaText
            }
            (_, _) => ScanState::Plain,
        };
        // CR LF is one end of a line, and so is either alone.
        if byte == b'\r' || (byte == b'\n' && self.last != b'\r') {
            self.line += 1;
        }
        self.last = byte;
    }
}

impl<R: Read> Read for RowScanner<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 {
            self.overrun = true;
            return Err(io::Error::other("a row is too long"));
        }
        let wanted = buffer.len().min(self.left);
        let count = self.inner.read(&mut buffer[..wanted])?;
        self.left -= count;
        self.ended |= count == 0;
        for &byte in &buffer[..count] {
            self.watch(byte);
        }
        Ok(count)
    }
}
