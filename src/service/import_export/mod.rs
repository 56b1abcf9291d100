//! Customers as a table: export, import, and the job that imports an uploaded table.

pub(crate) mod arriving_table;
pub mod export;
pub mod generate;
pub mod import;
pub mod import_job;
pub mod outcome;
mod repeated_row;
pub mod row;
pub mod template;
pub(crate) mod undo_table;

#[cfg(test)]
mod tests;
