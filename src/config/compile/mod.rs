//! Raw values become rules: references are resolved, and amounts become minor units.

pub(crate) mod customers;
pub(crate) mod duplicates;
pub(crate) mod filter;
pub(crate) mod merchant;
pub(crate) mod rates;
