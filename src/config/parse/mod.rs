//! Files as values with their places: TOML is parsed, and every key is read into a raw value.

pub(crate) mod amount;
pub(crate) mod config_file;
pub(crate) mod json_object;
pub(crate) mod level_entry;
pub(crate) mod located;
pub(crate) mod raise_not_before;
pub(crate) mod raw;
pub(crate) mod raw_level;
pub(crate) mod raw_rates;
pub(crate) mod section;
pub(crate) mod value;
