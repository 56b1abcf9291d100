//! What a caller can ask for, once for HTTP, the command line and replay.

pub mod csv;
pub mod import_export;
pub mod jobs;
pub mod payments;
