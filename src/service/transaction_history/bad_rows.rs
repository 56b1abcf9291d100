//! Bad rows of a file: a bounded list of them, and their number.

use crate::service::{import_export::outcome::BadRow, transaction_history::column::TextRow};
use std::io;

/// The most bad rows that are listed.
const LISTED_MAX: usize = 1_000;

/// Why a row cannot be read.
#[derive(Debug)]
pub enum RowError {
    /// The row is bad.
    Bad(BadRow),
    /// The file cannot be read.
    Io(io::Error),
}

/// A row as text, or why it cannot be read.
pub type RowResult = Result<TextRow, RowError>;

/// The bad rows of a file.
#[derive(Debug, Clone, Default)]
pub struct BadRows {
    /// How many there are.
    pub count: u64,
    /// The first of them.
    pub listed: Vec<BadRow>,
}

impl BadRows {
    /// Adds a row.
    pub fn add(&mut self, row: BadRow) {
        self.count += 1;
        if self.listed.len() < LISTED_MAX {
            self.listed.push(row);
        }
    }
}
