//! What all handlers share.

use crate::{
    http::server::{capacity::Capacity, tls::TlsAcceptor},
    service::{
        access::{access_tokens::AccessTokens, failed_logins::FailedLogins},
        daemon_control::DaemonControl,
        daemon_status::ConfigurationHealth,
        jobs::Jobs,
        monitoring::status::StatusSource,
        payments::PaymentService,
    },
};
use metrics_exporter_prometheus::PrometheusHandle;
use parking_lot::Mutex;
use std::sync::Arc;
use tokio::sync::watch;

/// What all handlers share.
pub struct AppState {
    /// Decisions.
    pub payments: Arc<PaymentService>,
    /// The tokens in force.
    pub access: Arc<AccessTokens>,
    /// TLS of the TCP listener; `None`: it is plain.
    pub tls: Option<Arc<TlsAcceptor>>,
    /// Requests without a valid token.
    pub failed_logins: Arc<FailedLogins>,
    /// Reloads, changes of levels and rates, snapshots, and the state of the archive.
    pub control: Arc<dyn DaemonControl>,
    /// The state of the daemon.
    pub status: Arc<StatusSource>,
    /// Changes of many steps.
    pub jobs: Arc<Jobs>,
    /// The limits that all requests share.
    pub capacity: Arc<Capacity>,
    /// The state of the configuration.
    pub health: Arc<Mutex<ConfigurationHealth>>,
    /// The text of `/metrics`.
    pub prometheus: PrometheusHandle,
    /// Whether the daemon is stopping; calls that wait for news then end.
    pub stopping: watch::Receiver<bool>,
}
