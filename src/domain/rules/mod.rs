//! The rules: one immutable configuration of merchants, levels, filters, labels and policies.

pub mod configuration;
pub mod filter;
pub mod gates;
pub mod labels;
pub mod level;
pub mod merchant;
pub mod project;
pub mod provenance;
pub mod raise_policy;
pub mod rates;
pub mod registration;
pub mod terminal;
