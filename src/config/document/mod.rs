//! Rules as documents: the raw values of a file with every default filled in. It is the inverse of
//! [`compile`](crate::config::compile).
//!
//! A document has the types that files and bodies are read into, so its keys are those that a file or a body may have.
//! A value that is not set is `null`, which a body may repeat.

mod customers;
mod filter;
mod level;
mod merchant;
mod rates;
mod written;

#[cfg(test)]
mod tests;

pub(crate) use crate::config::document::filter::filter;
pub(crate) use crate::config::document::level::{individual_method, level};
pub(in crate::config) use crate::config::document::merchant::levels;
pub(crate) use crate::config::document::merchant::merchant;
pub(crate) use crate::config::document::rates::rates;
pub(crate) use crate::config::parse::{
    raw::RawMerchant,
    raw_level::{RawFilter, RawLevel, RawMethod},
    raw_rates::RawRates,
};
