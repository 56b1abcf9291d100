//! The rules: one immutable configuration of merchants, levels, filters, settings, labels and registration policies.

pub mod configuration;
pub mod external_id;
pub mod labels;
pub mod overrides;
pub mod raise_policy;
pub mod registration;
pub mod settings;
pub mod terminal;
