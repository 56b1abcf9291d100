//! The settings of the daemon: `levelgate.toml`, its listeners, and the files of its tokens.

pub(crate) mod credentials;
pub(crate) mod levelgate_toml;
pub(crate) mod listeners;
pub(crate) mod settings;
