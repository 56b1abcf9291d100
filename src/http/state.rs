//! What all handlers share.

use crate::{
    http::server::{access_tokens::AccessTokens, capacity::Capacity, failed_logins::FailedLogins},
    service::{
        configuration::{change::Configure, reload::Reload},
        daemon_status::{ArchiveHealth, ConfigurationHealth, SnapshotReport, SnapshotState},
        error::ServiceError,
        jobs::Jobs,
        payments::PaymentService,
    },
};
use metrics_exporter_prometheus::PrometheusHandle;
use parking_lot::Mutex;
use std::sync::Arc;
use tokio::sync::watch;

/// Takes a snapshot.
pub(crate) type TakeSnapshot = Box<dyn Fn() -> Result<SnapshotReport, ServiceError> + Send + Sync>;

/// Reports the state of the archive.
pub(crate) type ReportArchive = Box<dyn Fn() -> ArchiveHealth + Send + Sync>;

/// What all handlers share.
pub struct AppState {
    /// Decisions.
    pub payments: Arc<PaymentService>,
    /// The tokens in force.
    pub access: Arc<AccessTokens>,
    /// Requests without a valid token.
    pub failed_logins: FailedLogins,
    /// Reads the configuration anew.
    pub reload: Reload,
    /// Changes levels and rates.
    pub configure: Configure,
    /// Takes a snapshot; `None`: the daemon has no data folder.
    pub snapshot: Option<TakeSnapshot>,
    /// The state of snapshots; `None`: the daemon has no data folder.
    pub snapshots: Option<Arc<Mutex<SnapshotState>>>,
    /// Reports the state of the archive; `None`: the daemon has none.
    pub archive: Option<ReportArchive>,
    /// Changes of many steps.
    pub jobs: Arc<Jobs>,
    /// The limits that all requests share.
    pub capacity: Arc<Capacity>,
    /// The state of the configuration.
    pub health: Arc<Mutex<ConfigurationHealth>>,
    /// The text of `/metrics`.
    pub prometheus: PrometheusHandle,
    /// The durability that the daemon promises, in words.
    pub keeps: &'static str,
    /// The kind of the configured store.
    pub store: &'static str,
    /// Whether the daemon is stopping; calls that wait for news then end.
    pub stopping: watch::Receiver<bool>,
}
