//! What a caller can ask for, once for HTTP, the command line, replay and the console. It knows no HTTP, except that
//! `access` reads the headers that name the origin of a request, and `download` and `sender_pace` stream bodies.

pub(crate) mod access;
pub mod backtest;
pub mod bulk_change;
pub(crate) mod clock;
pub mod commit;
pub mod configuration;
pub mod csv;
pub mod customers;
pub mod daemon_control;
pub mod daemon_status;
pub mod decision_series;
pub mod documents;
pub(crate) mod download;
pub mod error;
pub mod event_feed;
pub mod import_export;
pub mod jobs;
pub mod monitoring;
pub mod payments;
pub mod reply;
pub mod sender_pace;
pub(crate) mod streamed_answer;
pub mod transaction_history;
