//! The settings of the daemon itself: `levelgate.toml`, listeners, tokens.

pub(crate) mod credentials;
pub(crate) mod listeners;
pub(crate) mod read;
pub(crate) mod restart_settings;
pub(crate) mod settings;
