//! The payments of the past as a file, CSV or NDJSON: reading and checking it, and writing it.
//!
//! Reading a file of any length needs bounded memory, besides a few bytes for each customer that the file names by number:
//! rows are sorted by time, and ids compared, in temporary files.

pub mod bad_rows;
pub mod check;
pub mod column;
pub mod customer_numbers;
pub mod export;
pub mod files;
mod read_csv;
mod read_ndjson;
pub mod row;
pub mod stored_row;
pub mod sums;

#[cfg(test)]
mod tests;
