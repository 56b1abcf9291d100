//! What operators watch: the state of the daemon, decisions and attempts over time, the newest events, what a reload would
//! change.

pub(crate) mod gates;
pub mod latest_events;
pub(crate) mod merchant_series;
pub mod reload_preview;
mod replication_status;
pub mod settings;
pub(crate) mod settings_document;
pub mod status;

pub(crate) use crate::service::monitoring::replication_status::{lag_records, standby_lag_ms};
