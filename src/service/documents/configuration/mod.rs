//! Documents of the configuration: merchants, levels, rates.

pub(crate) mod differences;
pub(crate) mod level;
pub(crate) mod merchant;
pub(crate) mod provenance;
pub(crate) mod rates;
