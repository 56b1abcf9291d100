//! The operation table: each HTTP operation is one row.
//!
//! A new endpoint is a handler in `http/handlers` and a row in the file of its resource here; the golden listing
//! `golden.txt` shows it to a reviewer. A row without one of its fields does not compile, and the tests of this folder
//! send requests to every row.

mod configuration;
mod customer_tables;
mod customers;
mod daemon;
mod documentation;
mod monitoring;
pub(crate) mod nearest_path;
pub(crate) mod operation;
mod payments;
pub(crate) mod problem_codes;
pub(crate) mod table;
#[cfg(test)]
pub(in crate::http) mod tests;
