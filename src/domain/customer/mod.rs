//! The customer: the aggregate, its profile, status, own limits, updates, merge and erasure.

pub mod aggregate;
pub mod audit;
pub mod change;
pub mod erasure;
pub mod individual_settings;
pub mod instrument_blocks;
pub mod instruments;
pub mod merge;
pub mod own_limits;
pub mod profile;
pub mod status;
pub mod stored_identifier;
pub mod update;
pub mod updated_fields;
