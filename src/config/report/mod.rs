//! Problems of a configuration: sources with positions, collecting, and printing.

pub(crate) mod file_report;
pub(crate) mod folding;
pub(crate) mod problem;
pub(crate) mod source;
