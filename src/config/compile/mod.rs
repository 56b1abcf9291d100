//! From raw values to rules.

pub(crate) mod customers;
pub(crate) mod filter;
pub(crate) mod merchant;
pub(crate) mod rates;
