//! An open data folder.

use crate::{
    daemon::data_folder::{
        archive_check::ArchiveCheck, configuration_file::ConfigurationFile, import_mark, snapshot_files,
    },
    domain::vocabulary::time::Millis,
    service::daemon_status::ArchiveHealth,
    storage::{
        archive::Archive,
        fs::{Space, Store},
        jobs::{JobStore, JobsOnDisk},
        journal::{Instance, Journal, Keys, Lsn},
    },
};
use std::{io, sync::Arc};
use tempfile::TempDir;

/// The files of a running daemon. One process at a time has a data folder open: the store holds its lock.
pub struct DataFolder {
    pub(super) store: Arc<dyn Store>,
    pub(super) instance: Instance,
    pub(super) journal: Arc<Journal>,
    pub(super) archive: Arc<Archive>,
    pub(super) keys: Arc<Keys>,
    /// The start loaded a snapshot that contains all records up to this one.
    pub(super) loaded_snapshot: Lsn,
    /// The newest time recorded at the start.
    pub(super) newest_time: Option<Millis>,
    pub(super) job_store: Arc<JobStore>,
    /// The jobs found at the start, until [`DataFolder::take_jobs`] hands them out.
    pub(super) found_jobs: JobsOnDisk,
    pub(super) archive_check: ArchiveCheck,
    pub(super) configuration_file: Arc<ConfigurationFile>,
    /// The temporary folder of the archive's index, for a daemon without a disk.
    pub(super) index_folder: Option<TempDir>,
}

/// What the copy in Redis is made of.
#[derive(Clone)]
pub(crate) struct CopiedParts {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) instance: Instance,
    pub(crate) journal: Arc<Journal>,
    pub(crate) keys: Arc<Keys>,
    pub(crate) archive: Arc<Archive>,
}

impl DataFolder {
    /// The last record of the snapshot that the start loaded.
    #[must_use]
    pub fn loaded_snapshot(&self) -> Lsn {
        self.loaded_snapshot
    }

    /// The newest time recorded at the start; `None`: no time was recorded. It follows the records in their order,
    /// because an accepted clock may set the time back.
    #[must_use]
    pub fn newest_time(&self) -> Option<Millis> {
        self.newest_time
    }

    /// What the copy in Redis is made of.
    pub(crate) fn copied_parts(&self) -> CopiedParts {
        CopiedParts {
            store: Arc::clone(&self.store),
            instance: self.instance,
            journal: Arc::clone(&self.journal),
            keys: Arc::clone(&self.keys),
            archive: Arc::clone(&self.archive),
        }
    }

    /// The journal.
    #[must_use]
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// The file that remembers the configuration in force.
    pub(crate) fn configuration_file(&self) -> &Arc<ConfigurationFile> {
        &self.configuration_file
    }

    /// The store of jobs.
    #[must_use]
    pub fn job_store(&self) -> &Arc<JobStore> {
        &self.job_store
    }

    /// The jobs found at the start; empty at the second call.
    pub(super) fn take_jobs(&mut self) -> JobsOnDisk {
        std::mem::take(&mut self.found_jobs)
    }

    /// Sets `[store] min_free_bytes`: how many bytes snapshots, jobs and the archive's index leave free for the journal.
    /// `None` is the default, 0 disables the check.
    pub fn keep_free(&self, min_free_bytes: Option<u64>) {
        self.job_store.headroom().keep_free(min_free_bytes);
    }

    /// The space of the data folder's file system; `None`: the file system does not report it.
    ///
    /// # Errors
    /// The file system returns an error.
    pub fn space(&self) -> io::Result<Option<Space>> {
        self.store.space()
    }

    /// Marks that an import of past payments has begun. No daemon starts on the folder until it is finished.
    ///
    /// # Errors
    /// The mark cannot be written.
    pub(crate) fn begin_import(&self) -> io::Result<()> {
        import_mark::set(&*self.store)
    }

    /// Marks that the import of past payments is finished.
    ///
    /// # Errors
    /// The mark cannot be removed.
    pub(crate) fn end_import(&self) -> io::Result<()> {
        import_mark::clear(&*self.store)
    }

    /// When the newest snapshot was created; `None`: there is none, or it cannot be read.
    pub(crate) fn newest_snapshot_at(&self) -> Option<Millis> {
        snapshot_files::newest_created_at(&*self.store, &self.instance)
    }

    /// Reads and verifies the next part of the archive's files.
    pub(crate) fn check_archive(&self) {
        self.archive_check.run_step(&self.journal);
    }

    /// The state of the archive's files and its index. It waits for no file.
    pub(crate) fn archive_health(&self) -> ArchiveHealth {
        let list = self.journal.archive_list();
        ArchiveHealth {
            segments: list.segments().count(),
            index: if self.archive.is_being_built() { "rebuilding" } else { "ready" },
            damaged: self.archive_check.damaged_files(),
            accepted_losses: list.accepted().to_vec(),
        }
    }
}
