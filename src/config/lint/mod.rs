//! Warnings about a configuration that is valid but probably not what its author means: one function a warning.

mod blocks;
pub(crate) mod context;
mod customers;
mod filters;
mod gates;
mod levels;
pub(crate) mod merchant;
pub(crate) mod request;
#[cfg(test)]
mod tests;
