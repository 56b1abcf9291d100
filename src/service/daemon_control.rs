//! What a request can have the daemon do with its configuration and its data folder.

use crate::{
    domain::{customer::audit::Author, vocabulary::names::Name},
    service::{
        configuration::{
            change::{ConfigurationChange, ConfigurationOutcome},
            reload::{RefusedReload, ReloadReport},
            trial::{ConfigurationTrial, MerchantFile},
        },
        daemon_status::{ArchiveHealth, SnapshotReport, TakeOverReport},
        error::ServiceError,
        monitoring::{
            reload_preview::ReloadPreview,
            settings::{LimitUse, ProcessMemory, SettingInForce},
        },
    },
};

/// The daemon as requests see it. Reloads, changes and snapshots read and write files, so a caller must not be on a thread
/// that answers other requests.
pub trait DaemonControl: Send + Sync {
    /// Reads, checks and swaps the configuration, for an author.
    ///
    /// # Errors
    /// The files are invalid; nothing has changed.
    fn reload(&self, author: Author) -> Result<ReloadReport, RefusedReload>;

    /// Changes the rules in force, one change at a time.
    ///
    /// # Errors
    /// The change is refused; nothing has changed.
    fn configure(&self, change: &ConfigurationChange) -> Result<ConfigurationOutcome, ServiceError>;

    /// What a change of the rules would do. It can read many customers.
    ///
    /// # Errors
    /// The change would be refused.
    fn try_configure(&self, change: &ConfigurationChange) -> Result<ConfigurationTrial, ServiceError>;

    /// The file of a merchant, and what a reload would change there. It reads the configuration folder.
    ///
    /// # Errors
    /// No file defines the merchant.
    fn merchant_file(&self, merchant: Name) -> Result<MerchantFile, ServiceError>;

    /// What a reload would do now. `merchant`: the one whose file is shown too. Nothing changes.
    fn preview_reload(&self, _merchant: Option<Name>) -> ReloadPreview {
        ReloadPreview::unchanged()
    }

    /// The settings in force without secrets.
    fn settings(&self) -> Vec<SettingInForce> {
        Vec::new()
    }

    /// The limits of the process and their use.
    fn limits(&self) -> Vec<LimitUse> {
        Vec::new()
    }

    /// The memory of the process.
    fn memory(&self) -> ProcessMemory {
        ProcessMemory::default()
    }

    /// Takes a snapshot.
    ///
    /// # Errors
    /// The daemon has no data folder, or the snapshot cannot be written.
    fn snapshot(&self) -> Result<SnapshotReport, ServiceError>;

    /// Makes a standby the primary, on the order of a person. Blocks until it has taken over.
    ///
    /// # Errors
    /// The daemon is no standby, or could not take over.
    fn take_over(&self) -> Result<TakeOverReport, ServiceError> {
        Err(ServiceError::not_standby())
    }

    /// The state of the archive; `None`: the daemon has no data folder.
    fn archive(&self) -> Option<ArchiveHealth>;
}
