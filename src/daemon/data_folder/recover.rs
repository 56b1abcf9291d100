//! Recovers the state from the files of a data folder: the newest snapshot, then the journal.

use crate::{
    daemon::data_folder::{
        archive_check::ArchiveCheck,
        archive_index::align_index,
        configuration_file::ConfigurationFile,
        folder::DataFolder,
        parts::check_parts,
        snapshot_files::{load_newest, remove_unfinished},
    },
    ledger::{DefaultCountries, Ledger, LedgerLimits, LedgerStorage},
    storage::{
        archive::Archive,
        fs::Store,
        jobs::JobStore,
        journal::{ARCHIVE, FOLDER, Instance, Journal, Keys, Lsn, Options, Recovery},
        keys,
        restored_folder::refuse_unfinished_restore,
    },
};
use std::{path::Path, sync::Arc, time::Instant};

/// Whether a start goes on if the archive misses segments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArchiveLosses {
    /// The start is refused.
    Refuse,
    /// The losses are recorded as accepted.
    Accept,
}

/// How a data folder is recovered.
pub(super) struct RecoverOptions {
    pub(super) journal: Options,
    pub(super) bounds: LedgerLimits,
    /// The countries that phone numbers of stored customers are read with.
    pub(super) countries: DefaultCountries,
    pub(super) losses: ArchiveLosses,
}

/// Recovers the state from a store. `index` is the file of the archive's index, which can be rebuilt at any time. Phone
/// numbers are read without a country.
///
/// # Errors
/// The files are not in a state that a killed daemon leaves.
pub fn recover(
    store: Arc<dyn Store>,
    index: &Path,
    options: Options,
    bounds: LedgerLimits,
) -> anyhow::Result<(Ledger, DataFolder)> {
    let (journal, countries, losses) = (options, DefaultCountries::default(), ArchiveLosses::Refuse);
    recover_with(store, index, RecoverOptions { journal, bounds, countries, losses })
}

pub(super) fn recover_with(
    store: Arc<dyn Store>,
    index: &Path,
    options: RecoverOptions,
) -> anyhow::Result<(Ledger, DataFolder)> {
    let started = Instant::now();
    let accepts_losses = options.losses == ArchiveLosses::Accept;
    refuse_unfinished_restore(&*store)?;
    check_parts(&*store)?;
    let instance = Instance::open(&*store)?;
    let configuration_file = Arc::new(ConfigurationFile::open(Arc::clone(&store), instance.id)?);
    check_keys_exist(&*store)?;
    let keys = Arc::new(Keys::open(&*store, instance.id.0)?);
    let job_store = Arc::new(JobStore::new(Arc::clone(&store), Arc::clone(&keys), instance.id));
    if keys.dropped_entries() > 0 {
        tracing::warn!("a power cut left {} incomplete customer keys; they were removed", keys.dropped_entries());
    }
    remove_unfinished(&*store)?;
    let mut snapshot = load_newest(&*store, &instance, &keys)?;
    if accepts_losses {
        snapshot.state.accept_lost_archive();
    }
    let (journal, recovered) = Journal::open(
        Arc::clone(&store),
        instance.id,
        options.journal,
        Some(Arc::clone(&keys) as _),
        snapshot.begin,
        snapshot.synced,
        &mut snapshot.state,
    )?;
    if let Err(error) = store.note_files_are_whole() {
        tracing::warn!("the data folder cannot be marked as recovered: {error}");
    }
    let archive = Arc::new(Archive::open(index, &instance.id)?);
    log_replay(&recovered, snapshot.begin);
    // Before anything is recorded: the marks of jobs are compared with the records of the journal.
    let found_jobs = job_store.open(recovered.last)?;
    for number in &found_jobs.keyless {
        tracing::warn!(
            "job {number} has no key and was removed: it had not begun, or it ended while this folder was copied; send \
             the rows that are missing in the copy again"
        );
    }
    let ground = LedgerStorage {
        journal: Arc::clone(&journal),
        keys: Arc::clone(&keys),
        archive: Some(Arc::clone(&archive) as _),
        secret: instance.secret,
    };
    align_index(&archive, &journal)?;
    let (begin, mut state) = (snapshot.begin, snapshot.state);
    state.set_default_countries(options.countries);
    let (ledger, newest_time) = state.finish(options.bounds, ground);
    let folder = DataFolder {
        store,
        instance,
        journal,
        archive,
        keys,
        loaded_snapshot: begin,
        newest_time,
        job_store,
        found_jobs,
        archive_check: ArchiveCheck::default(),
        configuration_file,
        index_folder: None,
    };
    folder.record_accepted_losses()?;
    if ledger.has_evicted() {
        // Evicted transactions are found by the index only: no request can be answered until the index is complete.
        folder.archive_segments_at_start(&ledger, begin, accepts_losses)?;
    }
    log_recovered(&ledger, started);
    Ok((ledger, folder))
}

fn log_replay(recovered: &Recovery, begin: Lsn) {
    tracing::info!("journal: {} records replayed after record {begin}, epoch {}", recovered.records, recovered.epoch);
    if recovered.cut_bytes > 0 {
        tracing::warn!(
            "the journal ended in {} bytes that were never whole, or whose keys a power cut took; they were cut off and \
             are kept in {} files in the folder `cut`",
            recovered.cut_bytes,
            recovered.cut_files
        );
        metrics::counter!("levelgate_journal_cut_bytes_total").increment(recovered.cut_bytes);
    }
}

fn log_recovered(ledger: &Ledger, started: Instant) {
    tracing::info!(
        "recovered {} customers and {} transactions in {} ms",
        ledger.customers_len(),
        ledger.transactions_len(),
        started.elapsed().as_millis()
    );
    let newly_equal = ledger.newly_equal_customers();
    if newly_equal > 0 {
        tracing::warn!(
            "customers who share an e-mail address, a phone number or an identifier with an older customer, and whose values \
             were treated as different before (by an earlier version, or without a default_country): {newly_equal}; all \
             customers remain, and the older one is found: merge those that are the same person"
        );
    }
}

/// Refuses a folder that has records and no keys. `Keys::open` would create a missing file.
///
/// # Errors
/// The file is missing.
pub(super) fn check_keys_exist(store: &dyn Store) -> anyhow::Result<()> {
    let has_records = !store.list(FOLDER)?.is_empty() || !store.list(ARCHIVE)?.is_empty();
    anyhow::ensure!(
        !has_records || store.list("")?.iter().any(|name| name == keys::PATH),
        "the file `keys` is missing: without it the attributes of no customer can be opened; restore it from the copy \
         that `levelgate backup --keys` made"
    );
    Ok(())
}
