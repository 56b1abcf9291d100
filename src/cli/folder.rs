//! The data folder, opened: what a daemon starts from, and what it keeps up while it runs.

use super::archive::Scrub;
use crate::{
    archive::Archive,
    config::{Settings, StoreKind},
    domain::time::Millis,
    http::{Jobs, Taken},
    journal::{
        ARCHIVE, FOLDER, Instance, Journal, Keys, Lsn, Options, Past, Recovery, Sync,
        jobs::{Found, Shelf},
        keys, snapshot,
    },
    ledger::{Bounds, Countries, Ground, Ledger, Recovering},
    store::{Store, disk::Disk},
};
use anyhow::Context;
use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

/// The folder of snapshots.
pub const SNAPSHOTS: &str = "snapshots";
/// How many are kept: the newest, and one in case it cannot be read.
pub(super) const SNAPSHOTS_KEPT: usize = 2;
/// Bytes of written records that stay in memory: those of some seconds, which most outcomes follow.
const TAIL_BYTES: usize = 64 * 1024 * 1024;

/// What stands on a disk, while a daemon runs.
pub struct Folder {
    pub(super) store: Arc<dyn Store>,
    pub(super) instance: Instance,
    pub(super) journal: Arc<Journal>,
    pub(super) archive: Arc<Archive>,
    /// The snapshot that the start went on from is true up to this record.
    begun_from: Lsn,
    newest: Option<Millis>,
    shelf: Arc<Shelf>,
    unfinished: Found,
    pub(super) scrub: Scrub,
}

/// How a start went.
pub struct Opened {
    /// The state.
    pub ledger: Ledger,
    /// The newest time that is recorded, if any is.
    pub newest: Option<Millis>,
    /// What it stands on; `None`: memory alone.
    pub folder: Option<Folder>,
    /// What is promised of an acknowledged answer, in words.
    pub keeps: &'static str,
}

const KEEPS_NOTHING: &str = "nothing: all state is in memory and is lost when the daemon stops";
const KEEPS_ALWAYS: &str =
    "everything acknowledged: its records are on the disk before the answer leaves (sync = \"always\")";
const KEEPS_INTERVAL: &str = "everything acknowledged, if the daemon is killed; a power cut may take the last \
                              sync_interval_ms (sync = \"interval\")";
const KEEPS_NEVER: &str = "everything acknowledged, if the daemon is killed; a power cut may take what the system had not written \
     (sync = \"never\")";

/// Opens what the settings name and brings the state back. Phone numbers of stored customers are read with `countries`.
///
/// # Errors
/// The folder cannot be opened, or what was found is not what a daemon that died would leave.
pub fn open(settings: &Settings, bounds: Bounds, countries: Countries) -> anyhow::Result<Opened> {
    open_accepting(settings, bounds, countries, false)
}

/// The same; with `lost_archive`, segments that the archive has lost are accepted as lost.
///
/// # Errors
/// As [`open`].
pub(super) fn open_accepting(
    settings: &Settings,
    bounds: Bounds,
    countries: Countries,
    lost_archive: bool,
) -> anyhow::Result<Opened> {
    if settings.store.kind == StoreKind::Memory {
        let ground = Ground::memory(super::random_key()?);
        return Ok(Opened { ledger: Ledger::new(bounds, ground), newest: None, folder: None, keeps: KEEPS_NOTHING });
    }
    let (sync, keeps) = match settings.store.sync {
        crate::config::Sync::Always => (Sync::Always, KEEPS_ALWAYS),
        crate::config::Sync::Interval => (Sync::Interval, KEEPS_INTERVAL),
        crate::config::Sync::Never => (Sync::Never, KEEPS_NEVER),
    };
    let path = &settings.store.path;
    let in_folder = || format!("the data folder {}", path.display());
    let store: Arc<dyn Store> = Arc::new(Disk::open(path).with_context(in_folder)?);
    let options = Options {
        sync,
        sync_interval: Duration::from_millis(settings.store.sync_interval_ms),
        segment_bytes: settings.store.segment_bytes,
        tail_bytes: TAIL_BYTES,
    };
    let index = path.join("archive").join("index.redb");
    let (ledger, folder) =
        recover_with(store, &index, options, bounds, (countries, lost_archive)).with_context(in_folder)?;
    Ok(Opened { ledger, newest: folder.newest, folder: Some(folder), keeps })
}

/// Brings the state back from a store. `index` is the file of the archive's index, which can always be built again. No
/// merchant has a country to read phone numbers with.
///
/// # Errors
/// What was found is not what a daemon that died would leave.
pub fn recover(
    store: Arc<dyn Store>,
    index: &Path,
    options: Options,
    bounds: Bounds,
) -> anyhow::Result<(Ledger, Folder)> {
    recover_with(store, index, options, bounds, (Countries::default(), false))
}

fn recover_with(
    store: Arc<dyn Store>,
    index: &Path,
    options: Options,
    bounds: Bounds,
    (countries, accept_lost): (Countries, bool),
) -> anyhow::Result<(Ledger, Folder)> {
    let started = Instant::now();
    let instance = Instance::open(&*store)?;
    keys_are_there(&*store)?;
    let keys = Arc::new(Keys::open(&*store, instance.id.0)?);
    let shelf = Arc::new(Shelf::new(Arc::clone(&store), Arc::clone(&keys), instance.id));
    if keys.dropped() > 0 {
        tracing::warn!("{} customers' keys were never whole and were dropped: a power cut", keys.dropped());
    }
    remove_unfinished(&*store)?;
    let (mut recovering, begin, end) = newest_snapshot(&*store, &instance, &keys)?;
    if accept_lost {
        recovering.accept_lost_archive();
    }
    let (journal, found) = Journal::open(
        Arc::clone(&store),
        instance.id,
        options,
        Some(Arc::clone(&keys) as _),
        begin,
        end,
        &mut recovering,
    )?;
    if let Err(error) = store.is_whole() {
        tracing::warn!("it cannot be noted that the data folder is whole: {error}");
    }
    let archive = Arc::new(Archive::open(index, &instance.id)?);
    tell(&found, begin);
    // Before anything is recorded: marks are held against what the journal has kept.
    let unfinished = shelf.open(found.last)?;
    for number in &unfinished.keyless {
        tracing::warn!(
            "job {number} had no key any more and was removed: it had not begun, or ended while this folder was copied, \
             and what of it is missing in the copy can be sent again"
        );
    }
    let ground =
        Ground { journal: Arc::clone(&journal), keys, past: Some(Arc::clone(&archive) as _), secret: instance.secret };
    begin_index(&archive, &journal)?;
    recovering.reads_phones_with(countries);
    let (ledger, newest) = recovering.finish(bounds, ground);
    let folder = Folder {
        store,
        instance,
        journal,
        archive,
        begun_from: begin,
        newest,
        shelf,
        unfinished,
        scrub: Scrub::default(),
    };
    folder.accept_losses()?;
    if ledger.has_let_go() {
        // What has left memory is found by the index alone: until it knows everything, nothing can be answered.
        folder.archive_at_start(&ledger, begin, accept_lost)?;
    }
    tracing::info!(
        "recovered {} customers and {} transactions in {} ms",
        ledger.customers_len(),
        ledger.transactions_len(),
        started.elapsed().as_millis()
    );
    let newly_equal = ledger.newly_equal();
    if newly_equal > 0 {
        tracing::warn!(
            "customers who share an e-mail address, a phone number or an identifier with an older customer, and were told \
             apart before (by an earlier version, or without a default_country): {newly_equal}; all of them remain, and the \
             older one is found: merge those who are one"
        );
    }
    Ok((ledger, folder))
}

fn tell(found: &Recovery, begin: Lsn) {
    tracing::info!("journal: {} records replayed behind {begin}, epoch {}", found.records, found.epoch);
    if found.cut_bytes > 0 {
        tracing::warn!(
            "the journal ended in {} bytes that were never whole, or whose keys a power cut took; they were cut off and \
             lie in {} files in the folder `cut`",
            found.cut_bytes,
            found.cut_files
        );
        metrics::counter!("levelgate_journal_cut_bytes_total").increment(found.cut_bytes);
    }
}

/// Refuses a folder with records and without keys. Opening keys that are not there would make them.
///
/// # Errors
/// The file is missing.
pub(super) fn keys_are_there(store: &dyn Store) -> anyhow::Result<()> {
    let has_records = !store.list(FOLDER)?.is_empty() || !store.list(ARCHIVE)?.is_empty();
    anyhow::ensure!(
        !has_records || store.list("")?.iter().any(|name| name == keys::PATH),
        "the file `keys` is missing: without it no customer's attributes can be opened; bring it back from where it was \
         copied to with `levelgate backup --keys`"
    );
    Ok(())
}

/// Removes snapshots that were not finished.
fn remove_unfinished(store: &dyn Store) -> anyhow::Result<()> {
    for unfinished in store.list(SNAPSHOTS)?.iter().filter(|name| !name.ends_with(".snap")) {
        store.remove(&format!("{SNAPSHOTS}/{unfinished}"))?;
    }
    Ok(())
}

/// Says what the opening of the index changed, and lets it begin where the archive does.
fn begin_index(archive: &Archive, journal: &Journal) -> anyhow::Result<()> {
    for changed in archive.opening() {
        tracing::warn!("{changed}");
        metrics::counter!("levelgate_archive_index_rebuilds_total").increment(u64::from(changed.contains("again")));
    }
    let first_place = journal.first_place();
    if archive.begins_at() < first_place {
        if archive.archived_before() > archive.begins_at() {
            tracing::warn!("the archive's index knows segments that are not there any more; it is built again");
        }
        archive.begin_at(first_place)?;
    } else if archive.archived_before() > journal.end() {
        tracing::warn!("the archive's index knows more than the journal has; it is built again");
        archive.begin_at(first_place)?;
    }
    Ok(())
}

/// The state as of the newest snapshot that can be read, what to replay behind, and up to where the journal was synced
/// for certain.
pub(super) fn newest_snapshot(
    store: &dyn Store,
    instance: &Instance,
    keys: &Arc<Keys>,
) -> anyhow::Result<(Recovering, Lsn, Lsn)> {
    let mut names = store.list(SNAPSHOTS)?;
    names.retain(|name| name.ends_with(".snap"));
    for name in names.iter().rev() {
        let path = format!("{SNAPSHOTS}/{name}");
        let mut recovering = Recovering::new(instance.secret, keys)?;
        match read_snapshot(store, &path, instance, &mut recovering) {
            Ok((begin, end)) => {
                tracing::info!("snapshot {name}: true up to record {begin}");
                return Ok((recovering, begin, end));
            }
            Err(error) => tracing::error!("the snapshot {path} cannot be used, an older one is tried: {error:#}"),
        }
    }
    Ok((Recovering::new(instance.secret, keys)?, Lsn::NONE, Lsn::NONE))
}

/// Reads a snapshot into a state; says what is to be replayed behind it, and up to where the journal was synced.
fn read_snapshot(
    store: &dyn Store,
    path: &str,
    instance: &Instance,
    recovering: &mut Recovering,
) -> anyhow::Result<(Lsn, Lsn)> {
    let mut reader = snapshot::Reader::open(store.open(path)?, instance.id.0)?;
    let begin = Lsn(reader.header().begin_lsn);
    let mut end = None;
    while let Some(frame) = reader.next_frame()? {
        end = end.or(recovering.take(&frame)?);
    }
    Ok((begin, end.ok_or(snapshot::SnapshotError::Unfinished)?))
}

/// What a snapshot holds, without taking it.
#[derive(Debug, Clone, Copy)]
pub struct Summary {
    /// Records behind this one are to be applied to it.
    pub begin: Lsn,
    /// The journal was synced up to here when it was written.
    pub end: Lsn,
    /// How many.
    pub customers: u64,
    /// Transactions in memory.
    pub briefs: u64,
}

/// Reads a snapshot to its end.
///
/// # Errors
/// It is damaged, or no snapshot of this journal.
pub fn verify_snapshot(store: &dyn Store, path: &str, instance: &Instance) -> anyhow::Result<Summary> {
    let mut reader = snapshot::Reader::open(store.open(path)?, instance.id.0)?;
    let begin = Lsn(reader.header().begin_lsn);
    while let Some(piece) = reader.next_piece()? {
        if let snapshot::Piece::End { end_lsn, customers, briefs, .. } = piece {
            return Ok(Summary { begin, end: Lsn(end_lsn), customers, briefs });
        }
    }
    Err(snapshot::SnapshotError::Unfinished.into())
}

impl Opened {
    /// The jobs that lie there, of which some may be unfinished; once.
    ///
    /// # Errors
    /// What is kept of one is not what this version wrote.
    pub(super) fn jobs(&mut self) -> anyhow::Result<Jobs> {
        let (shelf, found) = match &mut self.folder {
            Some(folder) => (Arc::clone(&folder.shelf), std::mem::take(&mut folder.unfinished)),
            None => (Arc::new(Shelf::in_memory()), Found::default()),
        };
        Jobs::new(shelf, found).map_err(|error| anyhow::anyhow!("{error}"))
    }
}

impl Folder {
    /// Up to which record the snapshot was true that the start went on from.
    #[must_use]
    pub fn begun_from(&self) -> Lsn {
        self.begun_from
    }

    /// The journal.
    #[must_use]
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// Writes a snapshot while everything goes on. It has its name only when it and every record that it may rest on
    /// are on the medium.
    ///
    /// # Errors
    /// It could not be written; what was there before stands.
    pub fn snapshot(&self, ledger: &Ledger, now_ms: i64) -> anyhow::Result<Taken> {
        let started = Instant::now();
        let begin = self.journal.last();
        let (unfinished, name) = (format!("{SNAPSHOTS}/{:020}.new", begin.0), format!("{:020}.snap", begin.0));
        if self.store.list(SNAPSHOTS)?.iter().any(|known| unfinished.ends_with(known.as_str())) {
            self.store.remove(&unfinished)?;
        }
        let file = self.store.create(&unfinished)?;
        let header = snapshot::Header { journal: self.instance.id.0, begin_lsn: begin.0, created_at: now_ms };
        let mut bytes = 0;
        let mut writer = snapshot::Writer::begin(&header, |piece: &[u8]| {
            file.write_at(piece, bytes)?;
            bytes += piece.len() as u64;
            Ok(())
        });
        let end = ledger.keep(&mut |piece| writer.put(&piece))?;
        for listed in self.journal.list_up_to(begin).pieces(begin) {
            writer.put(&snapshot::Piece::World(listed))?;
        }
        writer.end(end.0)?;
        // What a snapshot says rests on these records; one that outlived them would lead nowhere.
        self.journal.sync()?;
        file.sync()?;
        self.store.rename(&unfinished, &format!("{SNAPSHOTS}/{name}"))?;
        self.store.sync_folder(SNAPSHOTS)?;
        let mut names = self.store.list(SNAPSHOTS)?;
        names.retain(|name| name.ends_with(".snap"));
        let old = names.len().saturating_sub(SNAPSHOTS_KEPT);
        for name in names.iter().take(old) {
            self.store.remove(&format!("{SNAPSHOTS}/{name}"))?;
        }
        let milliseconds = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        Ok(Taken { true_up_to: begin, bytes, milliseconds })
    }
}
