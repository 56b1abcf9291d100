//! A control that remembers the changes of levels instead of making them.

use crate::{
    config::diff::{Difference, DifferenceKind, DifferenceSubject},
    domain::{customer::audit::Author, vocabulary::names::Name},
    service::{
        configuration::{
            change::{ConfigurationChange, ConfigurationOutcome},
            reload::{RefusedReload, ReloadReport},
            trial::{ConfigurationTrial, MerchantFile},
        },
        daemon_control::DaemonControl,
        daemon_status::{ArchiveHealth, SnapshotReport},
        error::ServiceError,
    },
    storage::journal::Lsn,
};
use parking_lot::Mutex;

/// The number of customers whom every change affects.
pub(super) const AFFECTED: u64 = 41;

#[derive(Default)]
pub(super) struct RecordingControl {
    pub(super) tried: Mutex<Vec<ConfigurationChange>>,
    pub(super) made: Mutex<Vec<ConfigurationChange>>,
}

impl DaemonControl for RecordingControl {
    fn reload(&self, _: Author) -> Result<ReloadReport, RefusedReload> {
        Ok(ReloadReport::default())
    }

    fn configure(&self, change: &ConfigurationChange) -> Result<ConfigurationOutcome, ServiceError> {
        self.made.lock().push(change.clone());
        Ok(ConfigurationOutcome::default())
    }

    fn try_configure(&self, change: &ConfigurationChange) -> Result<ConfigurationTrial, ServiceError> {
        self.tried.lock().push(change.clone());
        let difference = Difference {
            kind: DifferenceKind::Changed,
            merchant: None,
            item: "gold deposits in EUR".to_owned(),
            part: "quarter amount".to_owned(),
            before: Some("1.00".to_owned()),
            after: Some("2.00".to_owned()),
            subject: DifferenceSubject::Other,
            note: String::new(),
        };
        let outcome =
            ConfigurationOutcome { warnings: vec!["a warning".to_owned()], ..ConfigurationOutcome::default() };
        let version = "version-1".to_owned();
        Ok(ConfigurationTrial { outcome, differences: vec![difference], customers: AFFECTED, version })
    }

    fn merchant_file(&self, _: Name) -> Result<MerchantFile, ServiceError> {
        let (path, text) = ("merchants/acme.toml".to_owned(), "id = \"acme\" # <script>".to_owned());
        Ok(MerchantFile { path, text, ..MerchantFile::default() })
    }

    fn snapshot(&self) -> Result<SnapshotReport, ServiceError> {
        Ok(SnapshotReport { true_up_to: Lsn(7), bytes: 1, milliseconds: 1, waited_milliseconds: 0 })
    }

    fn archive(&self) -> Option<ArchiveHealth> {
        None
    }
}
