//! The past: an index over sealed segments, by transaction and by customer. It can be lost: it is built again from the
//! segments, which are the truth.
//!
//! Every record from [`Archive::begins_at`] to [`Archive::archived_before`] is known here, and nothing before or behind,
//! but for records that are lost: the index and these places change in one step. It knows places of records, not what
//! they mean for a counter.
//!
//! Before it a `archive/filter.rs` in memory tells most ids that are not there. It is built from the index behind the start, part
//! by part, by whoever calls [`Archive::tend`]; what is not built yet is looked up.
//!
//! # What it verifies
//!
//! An id that the index denies counts as new, so what it denies must be as certain as what it finds. The database under
//! it verifies checksums only when it opens after a crash. So `archive/tables.rs` keeps sums over the entries, and they
//! are compared at each look-up that reaches the index, and when a part of the filter is built. The places of the index
//! itself have a check too. What does not agree, every error of the database, and every panic of it over senseless bytes
//! makes the index damaged ([`Archive::damage`]): from then on it answers nothing but an error, until
//! [`Archive::begin_anew`] and [`Archive::add`] have built it again as far as it was. Ids that the filter excludes are
//! new all the while: it was built from verified entries and lies in memory.

mod filter;
mod tables;
#[cfg(test)]
mod tests;

use crate::storage::archive::filter::Filter;
use crate::storage::archive::tables::{Flaw, Writing};
use crate::{
    domain::{
        customer::aggregate::CustomerEvent, events::global_event::GlobalEvent, transaction::record::LogOffset,
        vocabulary::time::Millis,
    },
    storage::{
        encoding,
        journal::{JournalId, Past, Record, error::ScanError},
    },
};
use parking_lot::{Mutex, RwLock};
use redb::Database;
use std::{
    fs, io,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

/// What can go wrong with the index. It can always be removed: it is built again.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The file or the database in it.
    #[error("the archive's index {path}: {what}; the daemon builds it again by itself")]
    Index {
        /// Which file.
        path: PathBuf,
        /// Why.
        what: String,
    },
    /// A segment cannot be taken.
    #[error("the archive cannot take a segment: {0}")]
    Segment(#[from] ScanError),
}

/// The index of the archive.
pub struct Archive {
    path: PathBuf,
    id: JournalId,
    index: RwLock<Database>,
    from: AtomicU64,
    before: AtomicU64,
    /// How far the index went when it was damaged: until it goes so far again, it answers nothing.
    required: AtomicU64,
    damage: RwLock<Option<String>>,
    filter: Filter,
    /// What the opening changed: why the index is built again, and which modes were set.
    opening: Mutex<Vec<String>>,
    /// Held by whoever changes the index or the filter.
    changing: Mutex<()>,
}

/// Does something with the database, which may panic over bytes that it did not write.
fn guarded<T>(work: impl FnOnce() -> Result<T, Flaw>) -> Result<T, Flaw> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or(Err(Flaw::Senseless))
}

/// Makes the folder and the file for the daemon's user alone; says what was open to others before.
fn make_private(path: &Path) -> io::Result<Vec<String>> {
    let mut mended = Vec::new();
    let mut close = |path: &Path, mode: u32| -> io::Result<()> {
        let known = fs::metadata(path)?.permissions().mode() & 0o7777;
        if known & 0o077 != 0 {
            fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
            mended.push(format!("{} had mode {known:04o} and has {mode:04o} now", path.display()));
        }
        Ok(())
    };
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        if !folder.is_dir() {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        }
        if folder.file_name().is_some_and(|name| name == crate::storage::journal::ARCHIVE) {
            close(folder, 0o700)?;
        }
    }
    match fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(_made) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => close(path, 0o600)?,
        Err(error) => return Err(error),
    }
    Ok(mended)
}

/// A new database in the place of one that cannot be used.
fn replace(path: &Path) -> Result<Database, Flaw> {
    let io = |error| Flaw::Database(redb::Error::Io(error));
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(io(error)),
        _ => {}
    }
    make_private(path).map_err(io)?;
    guarded(|| Ok(Database::create(path)?))
}

impl Archive {
    /// Opens the index of a journal, or begins it anew where there is none, or one that cannot be used.
    ///
    /// # Errors
    /// The file cannot be made.
    pub fn open(path: &Path, id: &JournalId) -> Result<Self, ArchiveError> {
        let failed = |flaw: Flaw| ArchiveError::Index { path: path.to_owned(), what: flaw.to_string() };
        let mut opening = make_private(path).map_err(|error| failed(Flaw::Database(redb::Error::Io(error))))?;
        let opened = guarded(|| {
            let index = Database::create(path)?;
            let reach = tables::reach(&index, &id.0)?;
            Ok((index, reach))
        });
        let (index, reach) = match opened {
            Ok((index, Some(reach))) => (index, reach),
            // The file is new.
            Ok((index, None)) => {
                tables::begin_at(&index, &id.0, 0).map_err(failed)?;
                (index, (0, 0))
            }
            Err(flaw) => {
                opening
                    .push(format!("{} cannot be used ({flaw}) and is built again from the segments", path.display()));
                let index = replace(path).map_err(failed)?;
                tables::begin_at(&index, &id.0, 0).map_err(failed)?;
                (index, (0, 0))
            }
        };
        Ok(Self {
            path: path.to_owned(),
            id: *id,
            index: RwLock::new(index),
            from: AtomicU64::new(reach.0),
            before: AtomicU64::new(reach.1),
            required: AtomicU64::new(0),
            damage: RwLock::default(),
            filter: Filter::new(reach.0 == reach.1),
            opening: Mutex::new(opening),
            changing: Mutex::default(),
        })
    }

    /// What the opening had to change, for the log; once.
    #[must_use]
    pub fn opening(&self) -> Vec<String> {
        std::mem::take(&mut *self.opening.lock())
    }

    /// Why the index answers nothing any more; `None`: it answers.
    #[must_use]
    pub fn damage(&self) -> Option<String> {
        self.damage.read().clone()
    }

    /// Whether the index is damaged, or does not go yet as far as it went before it was.
    #[must_use]
    pub fn is_being_built(&self) -> bool {
        self.damage.read().is_some() || self.before.load(Ordering::Acquire) < self.required.load(Ordering::Acquire)
    }

    fn failed(&self, flaw: &Flaw) -> ArchiveError {
        ArchiveError::Index { path: self.path.clone(), what: flaw.to_string() }
    }

    fn break_by(&self, flaw: &Flaw) {
        self.required.fetch_max(self.before.load(Ordering::Acquire), Ordering::AcqRel);
        self.damage.write().get_or_insert_with(|| flaw.to_string());
    }

    fn read<T>(&self, work: impl FnOnce(&Database) -> Result<T, Flaw>) -> Result<T, ArchiveError> {
        if self.is_being_built() {
            let what = "it was damaged and is being built again".to_owned();
            return Err(ArchiveError::Index { path: self.path.clone(), what });
        }
        let index = self.index.read();
        guarded(|| work(&index)).map_err(|flaw| {
            self.break_by(&flaw);
            self.failed(&flaw)
        })
    }

    fn write<T>(&self, work: impl FnOnce(&Database) -> Result<T, Flaw>) -> Result<T, Flaw> {
        let index = self.index.read();
        guarded(|| work(&index)).inspect_err(|flaw| {
            // A disk that is full says nothing of what is there.
            if !matches!(flaw, Flaw::Database(redb::Error::Io(_) | redb::Error::PreviousIo)) {
                self.break_by(flaw);
            }
        })
    }

    /// Takes all records of a segment that begins where the index ends. `key` digests (merchant, transaction id);
    /// `is_whole`: nothing of the archive is lost.
    ///
    /// # Errors
    /// Nothing of the segment is taken then.
    pub fn add(
        &self,
        end: LogOffset,
        is_whole: bool,
        key: &dyn Fn(&str, &str) -> u64,
        records: impl FnOnce(&mut dyn FnMut(&Record<'_>) -> Result<(), String>) -> Result<(), ScanError>,
    ) -> Result<(), ArchiveError> {
        let _alone = self.changing.lock();
        if end.0 <= self.before.load(Ordering::Acquire) {
            return Ok(());
        }
        let from = self.begins_at();
        let is_whole = is_whole && from == LogOffset(0);
        let mut scanned = Ok(());
        let opened = self.write(|index| {
            tables::change(index, (from.0, end.0), (end.0, Some(i64::MIN)), |writing| {
                let mut taking = Taking { key, is_whole, writing, opened: Vec::new(), newest: None, flaw: None };
                scanned = records(&mut |record| taking.take(record));
                if let Some(flaw) = taking.flaw {
                    return Err(flaw);
                }
                if scanned.is_err() {
                    return Err(Flaw::Database(redb::Error::Io(io::Error::other("the segment cannot be read"))));
                }
                Ok((taking.opened, taking.newest.map_or(i64::MIN, |newest| newest.0)))
            })
        });
        let opened = match (opened, scanned) {
            (Ok(opened), _) => opened,
            (Err(_), Err(error)) if self.damage.read().is_none() => return Err(error.into()),
            (Err(flaw), _) => return Err(self.failed(&flaw)),
        };
        // Before anything may leave memory because it is known here.
        self.filter.add(opened);
        self.before.store(end.0, Ordering::Release);
        Ok(())
    }

    /// The place at which the index begins: every record before it was deleted, or is about to be.
    #[must_use]
    pub fn begins_at(&self) -> LogOffset {
        LogOffset(self.from.load(Ordering::Acquire))
    }

    /// The newest time in the segment that ends at a place; `None` where none is known.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn newest_in(&self, end: LogOffset) -> Result<Option<Millis>, ArchiveError> {
        Ok(self.read(|index| tables::newest_in(index, end))?.map(Millis))
    }

    /// Forgets transactions of which nothing is known any more, and the segment that ends at a place and is about to be
    /// deleted. Each transaction is its customer, its slot and the key of its id.
    ///
    /// # Errors
    /// Nothing is forgotten then.
    pub fn forget(&self, end: LogOffset, gone: &[(u64, u32, u64)]) -> Result<(), ArchiveError> {
        let _alone = self.changing.lock();
        let before = self.before.load(Ordering::Acquire);
        let written = self.write(|index| {
            tables::change(index, (end.0, before), (end.0, None), |writing| {
                gone.iter().try_for_each(|(customer, slot, _)| writing.remove((*customer, *slot)))?;
                Ok(((), 0))
            })
        });
        written.map_err(|flaw| self.failed(&flaw))?;
        self.filter.forget(gone.iter().map(|(.., key)| *key));
        self.from.fetch_max(end.0, Ordering::AcqRel);
        Ok(())
    }

    /// Forgets everything, and begins at a place: that of the oldest segment there is.
    ///
    /// # Errors
    /// Nothing is forgotten then.
    pub fn begin_at(&self, place: LogOffset) -> Result<(), ArchiveError> {
        let _alone = self.changing.lock();
        let written = self.write(|index| tables::begin_at(index, &self.id.0, place.0));
        written.map_err(|flaw| self.failed(&flaw))?;
        self.reaches(place);
        Ok(())
    }

    fn reaches(&self, place: LogOffset) {
        for reach in [&self.from, &self.before] {
            reach.store(place.0, Ordering::Release);
        }
    }

    /// Puts an empty index in the place of a damaged one. It answers again when [`Archive::add`] was called for every
    /// segment that the old one knew.
    ///
    /// # Errors
    /// The file cannot be made; the index stays damaged.
    pub fn begin_anew(&self, place: LogOffset) -> Result<(), ArchiveError> {
        let _alone = self.changing.lock();
        let mut index = self.index.write();
        let made = replace(&self.path).and_then(|made| {
            tables::begin_at(&made, &self.id.0, place.0)?;
            Ok(made)
        });
        let old = std::mem::replace(&mut *index, made.map_err(|flaw| self.failed(&flaw))?);
        drop(index);
        // It closes its file, which has no name any more, and may make no sense of it.
        let _closed = catch_unwind(AssertUnwindSafe(|| drop(old)));
        self.required.fetch_max(self.before.load(Ordering::Acquire), Ordering::AcqRel);
        self.reaches(place);
        *self.damage.write() = None;
        Ok(())
    }

    /// Builds a part of the filter that is due, if one is; says whether one was.
    ///
    /// # Errors
    /// The index cannot be read; whoever asks goes on looking there.
    pub fn tend(&self) -> io::Result<bool> {
        let _alone = self.changing.lock();
        let Some(part) = self.filter.first_due() else { return Ok(false) };
        let keys = self.read(|index| tables::keys_in(index, &Filter::keys_of(part)));
        self.filter.build(part, &keys.map_err(io::Error::other)?);
        Ok(true)
    }

    /// Bytes of memory that the filter takes.
    #[must_use]
    pub fn filter_bytes(&self) -> usize {
        self.filter.bytes()
    }

    /// Whether no transaction with a key of this digest is known for certain, told without a look into the index.
    #[must_use]
    pub fn excludes(&self, key: u64) -> bool {
        self.filter.excludes(key)
    }

    /// How many transactions are known.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn transactions_len(&self) -> io::Result<u64> {
        self.read(tables::transactions_len).map_err(io::Error::other)
    }
}

impl Past for Archive {
    fn transactions(&self, key: u64) -> io::Result<Vec<(u64, u32, LogOffset)>> {
        if self.excludes(key) {
            return Ok(Vec::new());
        }
        let found = self.read(|index| tables::look_up(index, key)).map_err(io::Error::other)?;
        Ok(found.into_iter().map(|((customer, slot), place)| (customer, slot, LogOffset(place))).collect())
    }

    fn of_customer(&self, customer: u64, from: u32, to: u32) -> io::Result<Vec<(u32, LogOffset)>> {
        let found = self.read(|index| tables::of_customer(index, customer, from, to)).map_err(io::Error::other)?;
        Ok(found.into_iter().map(|(slot, place)| (slot, LogOffset(place))).collect())
    }

    fn archived_before(&self) -> LogOffset {
        LogOffset(self.before.load(Ordering::Acquire))
    }
}

/// A segment on its way into the index.
struct Taking<'a, 'w, 't> {
    key: &'a dyn Fn(&str, &str) -> u64,
    /// Whether no record before those that are known was deleted or lost.
    is_whole: bool,
    writing: &'w mut Writing<'t>,
    /// The keys of ids that were added.
    opened: Vec<u64>,
    newest: Option<Millis>,
    /// Why the index cannot take it.
    flaw: Option<Flaw>,
}

impl Taking<'_, '_, '_> {
    fn indexed<T>(&mut self, done: Result<T, Flaw>) -> Result<T, String> {
        done.map_err(|flaw| {
            let what = flaw.to_string();
            self.flaw = Some(flaw);
            what
        })
    }

    /// Takes what a record says of transactions.
    fn take(&mut self, record: &Record<'_>) -> Result<(), String> {
        for event in encoding::decode(record.events, &mut |_| Ok(None)).map_err(|error| error.to_string())? {
            self.newest = match event {
                // From here on the time is another; see `Ledger::accept_clock`.
                encoding::Recorded::GlobalEvent(GlobalEvent::ClockAccepted { step, .. }) => Some(step.after),
                _ => self.newest.max(event.at()),
            };
            match event {
                encoding::Recorded::Customer(
                    CustomerEvent::Opened { slot, opening }
                    | CustomerEvent::Compacted { slot, opening, .. }
                    | CustomerEvent::Assigned { slot, opening, .. },
                ) => {
                    let (transaction_slot, key) =
                        ((record.owner, slot), (self.key)(opening.merchant.as_str(), &opening.id));
                    let set = self.writing.set(transaction_slot, record.place.0, key);
                    self.indexed(set)?;
                    self.opened.push(key);
                }
                encoding::Recorded::Customer(
                    CustomerEvent::FactRecorded { slot, .. } | CustomerEvent::Unlinked { slot, .. },
                ) => {
                    let transaction_slot = (record.owner, slot);
                    let known = self.writing.get(transaction_slot);
                    match self.indexed(known)? {
                        Some(known) => {
                            let moved = self.writing.move_to(transaction_slot, known, record.place.0);
                            self.indexed(moved)?;
                        }
                        None if self.is_whole => return Err(format!("nothing was opened in slot {slot}")),
                        // What opened it was deleted: it was carried, by a record that comes later. Or it is lost.
                        None => {}
                    }
                }
                encoding::Recorded::Customer(_) | encoding::Recorded::GlobalEvent(_) => {}
            }
        }
        Ok(())
    }
}
