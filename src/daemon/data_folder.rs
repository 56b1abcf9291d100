//! The data folder, opened: what a daemon starts from, and what it keeps up while it runs.

mod room;
mod summary;

pub(crate) use crate::daemon::data_folder::room::is_no_space;
pub use crate::daemon::data_folder::summary::{Summary, verify_snapshot};

use crate::daemon::archive::Scrub;
use crate::{
    config::{Settings, StoreKind},
    domain::{rules::configuration::Rules, vocabulary::time::Millis},
    http::{Jobs, Taken},
    ledger::{Bounds, Countries, Ground, Ledger, Recovering, Sealing},
    storage::{
        archive::Archive,
        fs::{Store, Unfinished, disk::Disk},
        jobs::{Found, Shelf},
        journal::{ARCHIVE, FOLDER, Instance, Journal, Keys, Lsn, Options, Past, Recovery, Sync},
        keys, snapshot,
    },
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
pub(crate) const SNAPSHOTS_KEPT: usize = 2;
/// Bytes of written records that stay in memory: those of some seconds, which most outcomes follow.
const TAIL_BYTES: usize = 64 * 1024 * 1024;

/// What stands on a disk, while a daemon runs.
pub struct Folder {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) instance: Instance,
    pub(crate) journal: Arc<Journal>,
    pub(crate) archive: Arc<Archive>,
    /// The snapshot that the start went on from is true up to this record.
    begun_from: Lsn,
    newest: Option<Millis>,
    shelf: Arc<Shelf>,
    unfinished: Found,
    pub(crate) scrub: Scrub,
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
    /// `[store] min_free_bytes`.
    min_free_bytes: Option<u64>,
}

const KEEPS_NOTHING: &str = "nothing: all state is in memory and is lost when the daemon stops";
const KEEPS_ALWAYS: &str =
    "everything acknowledged: its records are on the disk before the answer leaves (sync = \"always\")";
const KEEPS_INTERVAL: &str = "everything acknowledged, if the daemon is killed; a power cut may take the last \
                              sync_interval_ms (sync = \"interval\")";
const KEEPS_NEVER: &str = "everything acknowledged, if the daemon is killed; a power cut may take what the system had not written \
     (sync = \"never\")";

/// Opens what the settings name and brings the state back. Of the rules it takes the countries with which phone numbers of
/// stored customers are read, and whose identifiers are sealed in what is recorded from now on; `None`: nobody's.
///
/// # Errors
/// The folder cannot be opened, or what was found is not what a daemon that died would leave.
pub fn open(settings: &Settings, bounds: Bounds, rules: Option<&Rules>) -> anyhow::Result<Opened> {
    open_accepting(settings, bounds, rules, false)
}

/// The same; with `lost_archive`, segments that the archive has lost are accepted as lost.
///
/// # Errors
/// As [`open`].
pub(crate) fn open_accepting(
    settings: &Settings,
    bounds: Bounds,
    rules: Option<&Rules>,
    lost_archive: bool,
) -> anyhow::Result<Opened> {
    let min_free_bytes = settings.store.min_free_bytes;
    if settings.store.kind == StoreKind::Memory {
        let ledger = Ledger::new(bounds, Ground::memory(crate::cli::random_key()?));
        return Ok(Opened { ledger, newest: None, folder: None, keeps: KEEPS_NOTHING, min_free_bytes });
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
    let countries = rules.map(Countries::of).unwrap_or_default();
    let index = path.join("archive").join("index.redb");
    let (ledger, folder) =
        recover_with(store, &index, options, bounds, (countries, lost_archive)).with_context(in_folder)?;
    ledger.seal_identifiers(rules.map(Sealing::of).unwrap_or_default());
    folder.keep_free(min_free_bytes);
    Ok(Opened { ledger, newest: folder.newest, folder: Some(folder), keeps, min_free_bytes })
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
pub(crate) fn keys_are_there(store: &dyn Store) -> anyhow::Result<()> {
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
pub(crate) fn newest_snapshot(
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

impl Opened {
    /// The jobs that lie there, of which some may be unfinished; once.
    ///
    /// # Errors
    /// What is kept of one is not what this version wrote.
    pub(crate) fn jobs(&mut self) -> anyhow::Result<Jobs> {
        let (shelf, found) = match &mut self.folder {
            Some(folder) => (Arc::clone(&folder.shelf), std::mem::take(&mut folder.unfinished)),
            None => (Arc::new(Shelf::in_memory()), Found::default()),
        };
        shelf.headroom().keep_free(self.min_free_bytes);
        Jobs::new(shelf, found).map_err(|error| anyhow::anyhow!("{error}"))
    }
}

impl Folder {
    /// Up to which record the snapshot was true that the start went on from.
    #[must_use]
    pub fn begun_from(&self) -> Lsn {
        self.begun_from
    }

    /// The newest time that was recorded at the start, if any was: what follows from the records in their order, because an
    /// accepted clock sets it back.
    #[must_use]
    pub fn newest(&self) -> Option<Millis> {
        self.newest
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
        self.snapshot_unless(ledger, now_ms, &|| false)
    }

    /// Writes a snapshot as [`Folder::snapshot`] does, and abandons it between two pieces once `is_cancelled` says so. A
    /// snapshot that is abandoned or fails leaves no partial file.
    ///
    /// # Errors
    /// There is no room for it, it could not be written, or it was abandoned.
    pub fn snapshot_unless(
        &self,
        ledger: &Ledger,
        now_ms: i64,
        is_cancelled: &dyn Fn() -> bool,
    ) -> anyhow::Result<Taken> {
        let started = Instant::now();
        let begin = self.journal.last();
        let (unfinished, name) = (format!("{SNAPSHOTS}/{:020}.new", begin.0), format!("{:020}.snap", begin.0));
        let mut room = self.room_for_a_snapshot()?;
        let file = Unfinished::create(&*self.store, &unfinished)?;
        let header = snapshot::Header { journal: self.instance.id.0, begin_lsn: begin.0, created_at: now_ms };
        let mut bytes = 0;
        let mut writer = snapshot::Writer::begin(&header, |piece: &[u8]| {
            room.take(piece.len() as u64)?;
            file.file().write_at(piece, bytes)?;
            bytes += piece.len() as u64;
            Ok(())
        });
        let end = ledger.keep(&mut |piece| {
            room::abandon_if(is_cancelled())?;
            writer.put(&piece)
        })?;
        for listed in self.journal.list_up_to(begin).pieces(begin) {
            writer.put(&snapshot::Piece::World(listed))?;
        }
        writer.end(end.0)?;
        // What a snapshot says rests on these records; one that outlived them would lead nowhere.
        self.journal.sync()?;
        room::abandon_if(is_cancelled())?;
        file.finish(&format!("{SNAPSHOTS}/{name}"))?;
        self.remove_old_snapshots();
        let milliseconds = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        Ok(Taken { true_up_to: begin, bytes, milliseconds, waited_milliseconds: 0 })
    }
}
