//! Opens the store that the settings name: a data folder, or memory.

use crate::{
    config::{Settings, StoreKind},
    daemon::{
        data_folder::{
            folder::DataFolder,
            import_mark::refuse_unfinished_import,
            recover::{ArchiveLosses, RecoverOptions, recover_with},
        },
        memory_ledger::{ledger_bounds, memory_ledger},
    },
    domain::{rules::configuration::Rules, vocabulary::time::Millis},
    ledger::{DefaultCountries, Ledger, SealedMerchants, TestMerchants},
    service::jobs::Jobs,
    storage::{
        fs::{Store, disk::Disk, ram::Ram},
        jobs::{JobStore, JobsOnDisk},
        journal::{ARCHIVE, Options, Sync},
    },
};
use anyhow::Context;
use std::{sync::Arc, time::Duration};

/// Bytes of written records that stay in memory: those of a few seconds, within which most facts follow their payment.
const TAIL_BYTES: usize = 64 * 1024 * 1024;

/// An open store with its state.
pub struct OpenedFolder {
    /// The state.
    pub ledger: Ledger,
    /// The newest recorded time; `None`: no time was recorded.
    pub newest_time: Option<Millis>,
    /// The data folder; `None`: all state is in memory.
    pub folder: Option<DataFolder>,
    /// What the daemon guarantees for an acknowledged request, in words.
    pub durability: &'static str,
    /// `[store] min_free_bytes`.
    min_free_bytes: Option<u64>,
}

const DURABILITY_MEMORY: &str = "nothing: all state is in memory and is lost when the daemon stops";
const DURABILITY_DISKLESS: &str =
    "what Redis has: all state of this machine is in memory and is lost when the daemon stops";
const DURABILITY_ALWAYS: &str =
    "everything acknowledged: its records are on the disk before the answer leaves (sync = \"always\")";
const DURABILITY_INTERVAL: &str = "everything acknowledged, if the daemon is killed; a power cut may take the last \
                                   sync_interval_ms (sync = \"interval\")";
const DURABILITY_NEVER: &str = "everything acknowledged, if the daemon is killed; a power cut may take what the system had \
                                not written (sync = \"never\")";

/// Opens the store and recovers the state. Of the rules it uses the countries that phone numbers of stored customers are
/// read with, and the merchants whose identifiers are sealed in new records; `None`: no country, no sealing.
///
/// # Errors
/// The folder cannot be opened, its files are not in a state that a killed daemon leaves, or an import of past payments is
/// not finished.
pub fn open(settings: &Settings, rules: Option<&Rules>, losses: ArchiveLosses) -> anyhow::Result<OpenedFolder> {
    open_with(settings, rules, losses, Ram::new())
}

/// As [`open`]. A daemon without a disk gets this store, which may have been restored.
///
/// # Errors
/// As [`open`].
pub(crate) fn open_with(
    settings: &Settings,
    rules: Option<&Rules>,
    losses: ArchiveLosses,
    ram: Ram,
) -> anyhow::Result<OpenedFolder> {
    if settings.store.kind == StoreKind::Memory && settings.redis.is_some() {
        return open_diskless(settings, rules, losses, ram);
    }
    if settings.store.kind == StoreKind::Memory {
        let min_free_bytes = settings.store.min_free_bytes;
        let ledger = memory_ledger(settings)?;
        return Ok(OpenedFolder {
            ledger,
            newest_time: None,
            folder: None,
            durability: DURABILITY_MEMORY,
            min_free_bytes,
        });
    }
    open_disk(settings, rules, losses, &|store| refuse_unfinished_import(store))
}

/// Opens a data folder in memory, whose copy is in Redis.
fn open_diskless(
    settings: &Settings,
    rules: Option<&Rules>,
    losses: ArchiveLosses,
    ram: Ram,
) -> anyhow::Result<OpenedFolder> {
    let min_free_bytes = settings.store.min_free_bytes;
    let index_folder = tempfile::tempdir().context("the index of the archive needs a temporary folder")?;
    let options = recover_options(settings, rules, (Sync::Never, losses));
    let (ledger, mut folder) = recover_with(Arc::new(ram), &index_folder.path().join("index.redb"), options)?;
    ledger.seal_identifiers(rules.map(SealedMerchants::of).unwrap_or_default());
    ledger.separate_test_merchants(rules.map(TestMerchants::of).unwrap_or_default());
    folder.index_folder = Some(index_folder);
    // Redis has the only other copy: what it does not have is bounded.
    ledger.journal().limit_unshipped();
    Ok(OpenedFolder {
        ledger,
        newest_time: folder.newest_time(),
        folder: Some(folder),
        durability: DURABILITY_DISKLESS,
        min_free_bytes,
    })
}

fn recover_options(
    settings: &Settings,
    rules: Option<&Rules>,
    (sync, losses): (Sync, ArchiveLosses),
) -> RecoverOptions {
    RecoverOptions {
        journal: Options {
            sync,
            sync_interval: Duration::from_millis(settings.store.sync_interval_ms),
            segment_bytes: settings.store.segment_bytes,
            tail_bytes: TAIL_BYTES,
        },
        bounds: ledger_bounds(settings),
        countries: rules.map(DefaultCountries::of).unwrap_or_default(),
        losses,
    }
}

/// Opens the data folder for an import of past payments, which may continue an unfinished one.
///
/// # Errors
/// As [`open`], and the settings name no folder.
pub(crate) fn open_for_import(settings: &Settings, rules: &Rules) -> anyhow::Result<OpenedFolder> {
    anyhow::ensure!(
        settings.store.kind == StoreKind::Disk,
        "[store] kind is \"memory\": past payments are imported into a data folder"
    );
    open_disk(settings, Some(rules), ArchiveLosses::Refuse, &|_| Ok(()))
}

fn open_disk(
    settings: &Settings,
    rules: Option<&Rules>,
    losses: ArchiveLosses,
    check: &dyn Fn(&dyn Store) -> anyhow::Result<()>,
) -> anyhow::Result<OpenedFolder> {
    let min_free_bytes = settings.store.min_free_bytes;
    let (sync, durability) = match settings.store.sync {
        crate::config::Sync::Always => (Sync::Always, DURABILITY_ALWAYS),
        crate::config::Sync::Interval => (Sync::Interval, DURABILITY_INTERVAL),
        crate::config::Sync::Never => (Sync::Never, DURABILITY_NEVER),
    };
    let path = &settings.store.path;
    let in_folder = || format!("the data folder {}", path.display());
    let store: Arc<dyn Store> = Arc::new(Disk::open(path).with_context(in_folder)?);
    check(&*store).with_context(in_folder)?;
    let options = recover_options(settings, rules, (sync, losses));
    let index = path.join(ARCHIVE).join("index.redb");
    let (ledger, folder) = recover_with(store, &index, options).with_context(in_folder)?;
    ledger.seal_identifiers(rules.map(SealedMerchants::of).unwrap_or_default());
    ledger.separate_test_merchants(rules.map(TestMerchants::of).unwrap_or_default());
    folder.keep_free(min_free_bytes);
    Ok(OpenedFolder { ledger, newest_time: folder.newest_time(), folder: Some(folder), durability, min_free_bytes })
}

impl OpenedFolder {
    /// The jobs of the folder, some of which may be unfinished. Call it once.
    ///
    /// # Errors
    /// A stored job was not written by this version.
    pub(crate) fn jobs(&mut self) -> anyhow::Result<Jobs> {
        let (job_store, found) = match &mut self.folder {
            Some(folder) => (Arc::clone(folder.job_store()), folder.take_jobs()),
            None => (Arc::new(JobStore::in_memory()), JobsOnDisk::default()),
        };
        job_store.headroom().keep_free(self.min_free_bytes);
        Jobs::new(job_store, found).map_err(|error| anyhow::anyhow!("{error}"))
    }
}
