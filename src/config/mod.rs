//! The configuration: files are parsed, compiled into [`Rules`](crate::domain::rules::configuration::Rules) and
//! [`Settings`], and combined with the levels and rates that were set through the API.
//!
//! [`load()`] reads the whole folder and reports every problem at once, each with its place and its remedy. After it, no
//! step can fail because of a file. This room uses no clock and no request.

pub mod body;
pub(crate) mod compile;
pub(crate) mod daemon;
mod daemon_file;
pub mod diff;
pub(crate) mod document;
pub(crate) mod effective;
pub(crate) mod lint;
mod load;
mod losses;
pub(crate) mod parse;
pub(crate) mod report;
pub(crate) mod schema;
#[cfg(test)]
mod tests;
mod version;

pub(crate) use crate::config::daemon::console_section::{USER_NAME_BYTES_MAX, is_user_name};
pub use crate::config::daemon::credentials::Credential;
pub use crate::config::daemon::redis_files::RedisFiles;
pub use crate::config::daemon::redis_settings::{Ack, OnOutage, Redis, RedisTimeouts};
pub use crate::config::daemon::redis_url::{HostPort, RedisServers, RedisUrl, RedisUrlError};
pub use crate::config::daemon::settings::{
    Admin, Auth, CertificateRole, Clock, ClockSource, Console, ConsolePeople, ConsoleUser, FourEyesWrite, Http, Log,
    LogFormat, LogLevel, Memory, RequestRate, Role, Settings, Store, StoreKind, Sync, Tls, Token, TrustedProxy,
};
pub use crate::config::daemon::tls_files::TlsFiles;
pub use crate::config::daemon_file::DaemonFile;
pub use crate::config::diff::{changed_restart_settings, start_settings};
pub use crate::config::effective::{recorded_rates_file, superseded_overrides};
pub use crate::config::load::{Loaded, load, load_with_tokens, statements::Statements};
pub use crate::config::losses::{
    Occasion, PriorConfiguration, PriorMerchant, RecordedState, configured_minor_units, loss_of_merchants, losses,
};
pub use crate::config::parse::level_entry::LevelEntry;
pub use crate::config::report::folding::render_folded;
pub use crate::config::report::problem::{
    Problem, ProblemText, Problems, RelatedPlace, Severity, Style, render, tally, tally_texts,
};
