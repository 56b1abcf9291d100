//! Usage: contributions, prefix-summed series, and currency conversion.

pub mod contribution;
pub mod conversion;
mod entries;
pub mod series;
pub mod series_set;
