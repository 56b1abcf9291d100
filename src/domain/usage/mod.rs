//! Usage: prefix-summed series, limits over windows, and currency conversion.

pub mod conversion;
pub mod limits;
pub mod series;
