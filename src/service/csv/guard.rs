//! Bytes on their way to the parser, watched for what it would pass over in silence: rows without an end, and quotation
//! marks that do not pair, behind which the rest of a file may vanish into one cell.

use crate::service::csv::ROW_BYTES_MAX;
use std::{
    collections::VecDeque,
    io::{self, Read},
};

/// The parser's buffer: it reads ahead by so much at most.
pub(super) const BUFFER_BYTES: usize = 16_384;

/// Where in a row the bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Within {
    /// Before a row; empty lines belong to none.
    Between,
    CellStart,
    Plain,
    Quoted,
    /// Behind a quotation mark that closes the cell, unless another follows.
    Closed,
}

/// A row that has begun.
#[derive(Debug, Clone, Copy)]
pub(super) struct Begun {
    /// Where, counted from 1.
    pub(super) line: u64,
    /// Where in it a mark opens or closes nothing.
    pub(super) stray: Option<u64>,
    /// How many it has, the end of its line apart.
    pub(super) bytes: usize,
}

/// A reader that lets bytes through.
pub(super) struct Guard<R> {
    inner: R,
    delimiter: u8,
    within: Within,
    /// Of the next byte, counted from 1.
    line: u64,
    last: u8,
    /// Where the quoted cell began.
    opened: u64,
    /// Rows that the parser has not given out yet; at most as many as its buffer holds.
    rows: VecDeque<Begun>,
    ended: bool,
    /// What the present row may still ask for.
    left: usize,
    /// Whether a row asked for more than it may.
    pub(super) overrun: bool,
}

impl<R: Read> Guard<R> {
    pub(super) fn new(inner: R, delimiter: u8) -> Self {
        Self {
            inner,
            delimiter,
            within: Within::Between,
            line: 1,
            last: 0,
            opened: 0,
            rows: VecDeque::new(),
            ended: false,
            left: 0,
            overrun: false,
        }
    }

    /// The parser is about to read a row: it may be so long, and the buffer behind it may be filled.
    pub(super) fn allow_row(&mut self) {
        self.left = ROW_BYTES_MAX + BUFFER_BYTES;
    }

    /// The row that the parser has read, or failed to read.
    pub(super) fn take_row(&mut self) -> Begun {
        self.rows.pop_front().unwrap_or(Begun { line: self.line, stray: None, bytes: 0 })
    }

    /// The line of a mark that nothing closes, once the end has come.
    pub(super) fn unclosed(&self) -> Option<u64> {
        (self.ended && self.within == Within::Quoted).then_some(self.opened)
    }

    fn watch(&mut self, byte: u8) {
        let is_end = matches!(byte, b'\n' | b'\r');
        if self.within == Within::Between && !is_end {
            self.rows.push_back(Begun { line: self.line, stray: None, bytes: 0 });
            self.within = Within::CellStart;
        }
        if let Some(row) = self.rows.back_mut().filter(|_| !is_end || self.within == Within::Quoted) {
            row.bytes += 1;
        }
        let is_stray = match self.within {
            Within::Plain => byte == b'"',
            Within::Closed => byte != b'"' && byte != self.delimiter && !is_end,
            Within::Between | Within::CellStart | Within::Quoted => false,
        };
        if is_stray && let Some(row) = self.rows.back_mut() {
            row.stray.get_or_insert(self.line);
        }
        self.within = match (self.within, byte) {
            (Within::CellStart, b'"') => {
                self.opened = self.line;
                Within::Quoted
            }
            (Within::Quoted, b'"') => Within::Closed,
            (Within::Closed, b'"') | (Within::Quoted, _) => Within::Quoted,
            (_, _) if is_end => Within::Between,
            (_, byte) if byte == self.delimiter => Within::CellStart,
            (_, _) => Within::Plain,
        };
        // CR LF is one end of a line, and so is either alone.
        if byte == b'\r' || (byte == b'\n' && self.last != b'\r') {
            self.line += 1;
        }
        self.last = byte;
    }
}

impl<R: Read> Read for Guard<R> {
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
