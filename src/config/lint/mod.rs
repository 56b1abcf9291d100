//! Warnings about a configuration that is valid but cannot work as written.

pub(crate) mod warn;
#[cfg(test)]
mod warn_tests;
