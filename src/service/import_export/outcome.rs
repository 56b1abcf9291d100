//! The outcome of an import: counts, and the rows that cannot be imported.

use crate::{
    config::schema::texts::{AddressText, AttributeText, CustomerIdText, FieldText, SentenceText},
    domain::vocabulary::card_numbers::masked,
    service::csv::{Column, error::RowError},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The most faults of rows that an outcome lists.
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BadRow {
    /// The line where the row begins, counted from 1.
    pub line: u64,
    /// The column at fault, as the header names it; `None`: the whole row.
    #[schemars(with = "Option<FieldText>")]
    pub column: Option<String>,
    /// What is wrong, and what to do.
    #[schemars(with = "SentenceText")]
    pub reason: String,
}

impl From<RowError> for BadRow {
    fn from(error: RowError) -> Self {
        let reason = masked(&error.reason.to_string()).into_owned();
        Self { line: error.line, column: error.column.map(|column| masked(&column).into_owned()), reason }
    }
}

/// A stored value that an empty cell removes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RemovedValue {
    /// The line where the row begins, counted from 1.
    pub line: u64,
    /// The column of the empty cell.
    #[schemars(with = "FieldText")]
    pub column: String,
    /// The customer.
    #[schemars(with = "CustomerIdText")]
    pub customer_id: String,
    /// The stored value, at most 100 characters of it.
    #[schemars(with = "AttributeText")]
    pub value: String,
}

/// The most characters of a value that is shown.
const VALUE_CHARS_MAX: usize = 100;
/// The most removed values that an outcome lists.
const REMOVED_VALUES_MAX: usize = 1_000;

impl RemovedValue {
    pub(super) fn new((line, column): (u64, Column), customer: u64, value: &str) -> Self {
        let value = masked(value).chars().take(VALUE_CHARS_MAX).collect();
        Self { line, column: column.word().to_owned(), customer_id: customer.to_string(), value }
    }
}

/// The outcome of an import.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
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
    #[schemars(skip)]
    pub newest: u64,
    /// Their faults, of the first rows and at most 1,000. A row with several faults is listed once for each.
    pub bad_rows: Vec<BadRow>,
    /// In a trial: how many stored values empty cells would remove.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub values_removed: u64,
    /// The first 1,000 of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub removed_values: Vec<RemovedValue>,
    /// In a trial: customers whose individual payment settings would change, because the level does. No table
    /// contains them, so `undo` does not bring them back.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub settings_changed: u64,
    /// In a trial that would change customers: the path of the table that contains what it changes, as it is before. Its
    /// upload afterwards undoes the import.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<AddressText>")]
    pub undo: Option<String>,
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
        Self { applied, rows, created, changed, unchanged, bad, newest, ..Self::default() }
    }

    /// The outcome as an answer shows it.
    #[must_use]
    pub fn shown(&self) -> Self {
        Self { newest: 0, ..self.clone() }
    }

    /// Counts a row that cannot be imported, with its faults.
    pub(super) fn refuse(&mut self, faults: impl IntoIterator<Item = BadRow>) {
        self.bad += 1;
        let room = BAD_ROWS_MAX.saturating_sub(self.bad_rows.len());
        self.bad_rows.extend(faults.into_iter().take(room));
    }

    /// Counts the values that a row would remove.
    pub(super) fn note_removed(&mut self, removed: Vec<RemovedValue>) {
        self.values_removed += removed.len() as u64;
        let room = REMOVED_VALUES_MAX.saturating_sub(self.removed_values.len());
        self.removed_values.extend(removed.into_iter().take(room));
    }
}
