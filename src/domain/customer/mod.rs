//! The customer: the aggregate, its profile, status, own limits, update commands and merge.

pub mod aggregate;
pub mod attributes;
pub mod instrument_blocks;
pub mod merge;
pub mod own_limits;
pub mod profile;
pub mod status;
pub mod stored_identifier;
pub mod update;
