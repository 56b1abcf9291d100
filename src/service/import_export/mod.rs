//! Customers as a table: export, import, and the job that imports an uploaded table.

pub mod export;
pub mod generate;
pub mod import;
pub mod import_job;
pub mod outcome;
mod repeated_row;
pub mod row;
pub mod template;

#[cfg(test)]
mod tests;
