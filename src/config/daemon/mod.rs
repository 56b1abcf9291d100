//! The settings of the daemon: `levelgate.toml`, its listeners, the files of its tokens and of TLS, Redis,
//! and traces.

pub(crate) mod console_section;
pub(crate) mod credentials;
pub(crate) mod levelgate_toml;
pub(crate) mod listeners;
pub(crate) mod redis_files;
pub(crate) mod redis_section;
pub(crate) mod redis_settings;
pub(crate) mod redis_url;
pub(crate) mod secret_file;
pub(crate) mod settings;
pub(crate) mod telemetry_section;
pub(crate) mod tls_files;
