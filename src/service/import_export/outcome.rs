//! The outcome of an import: counts, and the rows that cannot be imported.

use crate::{domain::vocabulary::card_numbers::masked, service::csv::error::RowError};
use serde::{Deserialize, Serialize};

/// The most bad rows that an outcome lists.
const BAD_ROWS_MAX: usize = 1_000;

/// The treatment of a table that has bad rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ImportMode {
    /// It imports no row.
    #[serde(rename = "all")]
    AllOrNothing,
    /// It imports the good rows.
    Partial,
    /// It imports no row, also where none is bad.
    Trial,
}

impl ImportMode {
    /// The word on the wire.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::AllOrNothing => "all",
            Self::Partial => "partial",
            Self::Trial => "trial",
        }
    }
}

/// A row that cannot be imported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BadRow {
    /// The line where the row begins, counted from 1.
    pub line: u64,
    /// The column at fault, as the header names it; `None`: the whole row.
    pub column: Option<String>,
    /// What is wrong, and what to do.
    pub reason: String,
}

impl From<RowError> for BadRow {
    fn from(error: RowError) -> Self {
        let reason = masked(&error.reason.to_string()).into_owned();
        Self { line: error.line, column: error.column.map(|column| masked(&column).into_owned()), reason }
    }
}

/// The outcome of an import.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct ImportOutcome {
    /// Whether rows were imported, or only tried.
    pub applied: bool,
    /// The number of rows, without the header.
    pub rows: u64,
    /// Customers who were created.
    pub created: u64,
    /// Customers who were changed.
    pub changed: u64,
    /// Rows that change nothing.
    pub unchanged: u64,
    /// Rows that cannot be imported.
    pub bad: u64,
    /// The highest number of a created customer, for an import that continues; 0: none. No answer shows it.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub newest: u64,
    /// The first `BAD_ROWS_MAX` of them.
    pub bad_rows: Vec<BadRow>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference to the field")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl ImportOutcome {
    /// The counts alone: reasons can repeat the text of a cell.
    #[must_use]
    pub fn counts(&self) -> Self {
        let Self { applied, rows, created, changed, unchanged, bad, newest, .. } = *self;
        Self { applied, rows, created, changed, unchanged, bad, newest, bad_rows: Vec::new() }
    }

    /// The outcome as an answer shows it.
    #[must_use]
    pub fn shown(&self) -> Self {
        Self { newest: 0, ..self.clone() }
    }

    /// Counts a row that cannot be imported.
    pub(super) fn refuse(&mut self, row: BadRow) {
        self.bad += 1;
        if self.bad_rows.len() < BAD_ROWS_MAX {
            self.bad_rows.push(row);
        }
    }
}
