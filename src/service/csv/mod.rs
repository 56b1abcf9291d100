//! Customers as a table: rows of CSV (RFC 4180) to plain cells and back, and generated rows.
//!
//! This folder knows columns and what a spreadsheet does to cells. It knows no customer, does not judge a row and opens no
//! file. Rows are read one at a time, so a table of any length needs the memory of one row, at most [`ROW_BYTES_MAX`].
//!
//! # The apostrophe
//!
//! A spreadsheet evaluates a cell that begins like a formula, and rewrites a cell that looks like a number or a date. An
//! apostrophe at the beginning of a cell marks the rest as literal text. The [`Writer`] adds one to each cell that the
//! [`Reader`] would refuse or a spreadsheet would evaluate. The [`Reader`] removes one only from such a cell: a name like
//! `'t Hooft` stays as it is. So every text that is written is read back the same.
//!
//! Spaces around a cell do not count. The [`Writer`] marks a text that begins or ends with one. `="00123"` is read as its
//! text, which is literal too.

pub(crate) mod cell;
pub(crate) mod error;
pub(crate) mod mock;
pub(crate) mod read;
pub(in crate::service) mod records;
pub(crate) mod row;
pub(crate) mod scan;
pub(crate) mod write;

#[cfg(test)]
mod tests;

pub use crate::service::csv::cell::{Expected, join_labels, split_labels};
pub use crate::service::csv::error::{Reason, RowError};
pub use crate::service::csv::mock::{Levels, Mock};
pub use crate::service::csv::read::Reader;
pub use crate::service::csv::row::{COLUMNS, Column, ROW_BYTES_MAX, Row};
pub use crate::service::csv::write::Writer;
