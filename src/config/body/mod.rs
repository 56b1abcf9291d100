//! JSON bodies of requests. They have the keys of the files and are read by the same code, so that the API and the files
//! accept the same values and report the same problems.

mod json_words;
mod level;
mod limits;
mod read;
mod settings;

pub use crate::config::body::level::{
    LEVEL_DESCRIPTION, LevelBody, RATES_DESCRIPTION, RatesBody, level, new_name, rates, recorded_rates,
};
pub use crate::config::body::limits::{LIMITS_DESCRIPTION, LimitsBody, limits};
pub use crate::config::body::read::{InvalidBody, object};
pub use crate::config::body::settings::{SETTINGS_DESCRIPTION, SettingsBody, global_limit, settings};
pub use crate::config::parse::json_object::JsonObject;
