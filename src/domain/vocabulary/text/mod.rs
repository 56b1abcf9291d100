//! Texts that are compared: prefixes, and suggestions for words that are probably misspelt.

pub mod prefix;
pub(crate) mod suggest;
