//! What requests can have this daemon do.

use crate::{
    daemon::{
        maintenance::MaintenanceThread, process_memory, reload::reloader::Reloader, snapshot_status::snapshot_problem,
        take_over_calls::TakeOverCalls,
    },
    domain::{customer::audit::Author, vocabulary::names::Name},
    http::Capacity,
    service::{
        configuration::{
            change::{ConfigurationChange, ConfigurationOutcome},
            reload::{RefusedReload, ReloadReport},
            trial::{ConfigurationTrial, MerchantFile},
        },
        daemon_control::DaemonControl,
        daemon_status::{ArchiveHealth, SnapshotReport, TakeOverReport},
        error::ServiceError,
        monitoring::{
            reload_preview::ReloadPreview,
            settings::{LimitUse, ProcessMemory, SettingInForce},
        },
    },
};
use std::sync::Arc;

/// The parts of the daemon that requests control.
pub(crate) struct ControlledParts {
    /// Changes the configuration in force.
    pub(crate) reloader: Reloader,
    /// The limits that all requests share.
    pub(crate) capacity: Arc<Capacity>,
    /// Writes snapshots; `None`: the daemon has no data folder.
    pub(crate) maintenance: Option<Arc<MaintenanceThread>>,
    /// Makes a standby take over; `None`: the daemon started as a primary.
    pub(crate) take_over: Option<TakeOverCalls>,
}

impl DaemonControl for ControlledParts {
    fn reload(&self, author: Author) -> Result<ReloadReport, RefusedReload> {
        self.reloader.reload(author)
    }

    fn configure(&self, change: &ConfigurationChange) -> Result<ConfigurationOutcome, ServiceError> {
        self.reloader.change(change)
    }

    fn try_configure(&self, change: &ConfigurationChange) -> Result<ConfigurationTrial, ServiceError> {
        self.reloader.try_change(change)
    }

    fn merchant_file(&self, merchant: Name) -> Result<MerchantFile, ServiceError> {
        self.reloader.merchant_file(merchant)
    }

    fn preview_reload(&self, merchant: Option<Name>) -> ReloadPreview {
        self.reloader.preview(merchant)
    }

    fn settings(&self) -> Vec<SettingInForce> {
        self.reloader.settings_in_force()
    }

    fn limits(&self) -> Vec<LimitUse> {
        self.reloader.limits().into_iter().chain(self.capacity.limits()).collect()
    }

    fn memory(&self) -> ProcessMemory {
        process_memory::read()
    }

    fn snapshot(&self) -> Result<SnapshotReport, ServiceError> {
        let maintenance = self.maintenance.as_ref().ok_or_else(ServiceError::no_snapshots)?;
        maintenance.snapshot().map_err(|error| snapshot_problem(&error))
    }

    fn take_over(&self) -> Result<TakeOverReport, ServiceError> {
        self.take_over.as_ref().ok_or_else(ServiceError::not_standby)?.take_over()
    }

    fn archive(&self) -> Option<ArchiveHealth> {
        self.maintenance.as_ref().map(|maintenance| maintenance.archive_health())
    }
}
