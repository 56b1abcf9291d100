//! Customers as a table: rows of CSV (RFC 4180) to plain cells and back, and rows that are made up.
//!
//! This room knows columns and what a spreadsheet does to cells; it knows neither a customer nor whether a row makes
//! sense, and opens no file. Rows go through one at a time: a table of any length needs the memory of one row, of at
//! most [`ROW_BYTES_MAX`].
//!
//! # The apostrophe
//!
//! A spreadsheet runs a cell that begins like a formula, and rewrites one that looks like a number or a date. An
//! apostrophe at the beginning of a cell says that what follows is meant as it stands. The [`Writer`] puts one before
//! each cell that the [`Reader`] would refuse or a spreadsheet would run; the [`Reader`] takes one away before anything
//! of that kind, and nowhere else (a name like `'t Hooft` stays as it is). So every text that is written is read back
//! the same.

pub(crate) mod cell;
pub(crate) mod guard;
pub(crate) mod mock;
pub(crate) mod read;
pub(crate) mod write;

#[cfg(test)]
mod tests;

pub use crate::service::csv::cell::{Expected, join_labels, split_labels};
pub use crate::service::csv::mock::{Levels, Mock};
pub use crate::service::csv::read::{Reader, Reason, RowError};
pub use crate::service::csv::write::{Writer, template};

use crate::domain::rules::configuration::{Word, words};

/// The most bytes of one row, quotes and delimiters included.
pub const ROW_BYTES_MAX: usize = 65_536;

words! {
    /// The columns of the table, in the order in which they are written.
    Column {
        /// The internal id.
        CustomerId = "customer_id",
        /// The merchant's own.
        MerchantCustomerIdentifier = "merchant_customer_identifier",
        /// The stored level name for deposits.
        DepositLevel = "deposit_level",
        /// The stored level name for withdrawals.
        WithdrawalLevel = "withdrawal_level",
        /// Where the customer stands.
        Status = "status",
        /// Names of labels, as [`join_labels`] writes them.
        Labels = "labels",
        /// E-mail address.
        Email = "email",
        /// Phone number.
        Phone = "phone",
        /// First name.
        FirstName = "first_name",
        /// Last name.
        LastName = "last_name",
        /// Full name.
        Name = "name",
        /// Country.
        Country = "country",
        /// City.
        City = "city",
        /// Street and number.
        Address = "address",
        /// Postal code.
        PostalCode = "postal_code",
        /// Date of birth.
        DateOfBirth = "date_of_birth",
        /// Language.
        Language = "language",
        /// The id in some other system.
        ExternalId = "external_id",
        /// When the customer was made, RFC 3339.
        CreatedAt = "created_at",
        /// When the customer last changed, RFC 3339.
        ModifiedAt = "modified_at",
    }
}

/// How many columns there are.
pub const COLUMNS: usize = Column::WORDS.len();

/// One row.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Row {
    /// The line of the file in which it begins, counted from 1; 0 where it comes from no file.
    pub line: u64,
    cells: [Option<Box<str>>; COLUMNS],
}

impl Row {
    /// What stands in a column: `None` where the table has no such column, an empty text where the cell is empty.
    #[must_use]
    pub fn cell(&self, column: Column) -> Option<&str> {
        self.cells[column as usize].as_deref()
    }

    /// Writes a cell.
    pub fn set(&mut self, column: Column, text: impl Into<Box<str>>) {
        self.cells[column as usize] = Some(text.into());
    }
}
