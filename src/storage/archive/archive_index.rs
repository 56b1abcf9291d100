//! The index of the archive: look-ups, changes, damage and rebuilding.

use crate::{
    domain::{
        transaction::{log_offset::LogOffset, summaries::newest::TimedSlot},
        vocabulary::time::Millis,
    },
    storage::{
        archive::{
            archived_transactions::ArchivedTransactions,
            bloom_filter::BloomFilter,
            error::ArchiveError,
            guarded_database::GuardedDatabase,
            private_file::make_private,
            segment_indexer::SegmentIndexer,
            tables::{self, Flaw},
        },
        journal::model::{error::ScanError, ids::JournalId, record::Record},
    },
};
use parking_lot::{Mutex, RwLock};
use redb::Database;
use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

/// The index of the archive.
pub struct Archive {
    path: PathBuf,
    id: JournalId,
    index: RwLock<GuardedDatabase>,
    from: AtomicU64,
    before: AtomicU64,
    /// The end of the index when it was damaged. It returns errors until it reaches this place again.
    required: AtomicU64,
    damage: RwLock<Option<String>>,
    filter: BloomFilter,
    /// Messages about what opening changed: why the index is built again, and which modes were set.
    opening_messages: Mutex<Vec<String>>,
    /// Held while the index or the filter is changed.
    changing: Mutex<()>,
}

/// Replaces a database that cannot be used by an empty one of a journal, which begins at a place.
fn replace_database(path: &Path, id: &JournalId, offset: LogOffset) -> Result<GuardedDatabase, Flaw> {
    let io = |error| Flaw::Database(redb::Error::Io(error));
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(io(error)),
        _ => {}
    }
    make_private(path).map_err(io)?;
    let index = GuardedDatabase::open(path)?;
    index.call(|index| tables::begin_at(index, &id.0, offset.0))?;
    Ok(index)
}

impl Archive {
    /// Opens the index of a journal. Creates an empty one if there is none, or if it cannot be used.
    ///
    /// # Errors
    /// The file cannot be created.
    pub fn open(path: &Path, id: &JournalId) -> Result<Self, ArchiveError> {
        let failed = |flaw: Flaw| ArchiveError::Index { path: path.to_owned(), what: flaw.to_string() };
        let mut messages = make_private(path).map_err(|error| failed(Flaw::Database(redb::Error::Io(error))))?;
        let opened = GuardedDatabase::open(path).and_then(|index| {
            let reach = index.call(|index| match tables::reach(index, &id.0)? {
                Some(reach) => Ok(reach),
                // The file is new.
                None => tables::begin_at(index, &id.0, 0).map(|()| (0, 0)),
            })?;
            Ok((index, reach))
        });
        let (index, reach) = match opened {
            Ok(opened) => opened,
            Err(flaw) => {
                messages
                    .push(format!("{} cannot be used ({flaw}); it is built again from the segments", path.display()));
                (replace_database(path, id, LogOffset(0)).map_err(failed)?, (0, 0))
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
            filter: BloomFilter::new(reach.0 == reach.1),
            opening_messages: Mutex::new(messages),
            changing: Mutex::default(),
        })
    }

    /// Takes the messages about what opening changed, for the log.
    #[must_use]
    pub fn take_opening_messages(&self) -> Vec<String> {
        std::mem::take(&mut *self.opening_messages.lock())
    }

    /// Why the index is damaged; `None`: it is not.
    #[must_use]
    pub fn damage(&self) -> Option<String> {
        self.damage.read().clone()
    }

    /// Whether the index is damaged, or is not yet built again as far as it was.
    #[must_use]
    pub fn is_being_built(&self) -> bool {
        self.damage.read().is_some() || self.before.load(Ordering::Acquire) < self.required.load(Ordering::Acquire)
    }

    fn failed(&self, flaw: &Flaw) -> ArchiveError {
        ArchiveError::Index { path: self.path.clone(), what: flaw.to_string() }
    }

    fn mark_damaged(&self, flaw: &Flaw) {
        self.required.fetch_max(self.before.load(Ordering::Acquire), Ordering::AcqRel);
        self.damage.write().get_or_insert_with(|| flaw.to_string());
    }

    fn read<T>(&self, work: impl FnOnce(&Database) -> Result<T, Flaw>) -> Result<T, ArchiveError> {
        if self.is_being_built() {
            let what = "it was damaged and is being built again".to_owned();
            return Err(ArchiveError::Index { path: self.path.clone(), what });
        }
        self.index.read().call(work).map_err(|flaw| {
            self.mark_damaged(&flaw);
            self.failed(&flaw)
        })
    }

    fn write<T>(&self, work: impl FnOnce(&Database) -> Result<T, Flaw>) -> Result<T, Flaw> {
        self.index.read().call(work).inspect_err(|flaw| {
            // An IO error, such as a full disk, does not mean that the index is damaged.
            if !matches!(flaw, Flaw::Database(redb::Error::Io(_) | redb::Error::PreviousIo)) {
                self.mark_damaged(flaw);
            }
        })
    }

    /// Adds all records of a segment that begins where the index ends. `key` digests (merchant, transaction id);
    /// `is_complete`: the archive has lost nothing.
    ///
    /// # Errors
    /// Nothing of the segment is added.
    pub fn add(
        &self,
        end: LogOffset,
        is_complete: bool,
        key: &dyn Fn(&str, &str) -> u64,
        records: impl FnOnce(&mut dyn FnMut(&Record<'_>) -> Result<(), String>) -> Result<(), ScanError>,
    ) -> Result<(), ArchiveError> {
        let _alone = self.changing.lock();
        if end.0 <= self.before.load(Ordering::Acquire) {
            return Ok(());
        }
        let from = self.begins_at();
        let is_complete = is_complete && from == LogOffset(0);
        let mut scanned = Ok(());
        let added = self.write(|index| {
            tables::change(index, (from.0, end.0), (end.0, Some(i64::MIN)), |writer| {
                let mut indexer =
                    SegmentIndexer { key, is_complete, writer, added_keys: Vec::new(), newest: None, flaw: None };
                scanned = records(&mut |record| indexer.add(record));
                if let Some(flaw) = indexer.flaw {
                    return Err(flaw);
                }
                if scanned.is_err() {
                    return Err(Flaw::Database(redb::Error::Io(io::Error::other("the segment cannot be read"))));
                }
                Ok((indexer.added_keys, indexer.newest.map_or(i64::MIN, |newest| newest.0)))
            })
        });
        let added_keys = match (added, scanned) {
            (Ok(added_keys), _) => added_keys,
            (Err(_), Err(error)) if self.damage.read().is_none() => return Err(error.into()),
            (Err(flaw), _) => return Err(self.failed(&flaw)),
        };
        // The filter must have the keys before transactions may leave memory.
        self.filter.add(added_keys);
        self.before.store(end.0, Ordering::Release);
        Ok(())
    }

    /// The place at which the index begins. Every record before it was deleted or is about to be.
    #[must_use]
    pub fn begins_at(&self) -> LogOffset {
        LogOffset(self.from.load(Ordering::Acquire))
    }

    /// The newest time in the segment that ends at a place; `None` if it is unknown.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn newest_in(&self, end: LogOffset) -> Result<Option<Millis>, ArchiveError> {
        Ok(self.read(|index| tables::newest_in(index, end))?.map(Millis))
    }

    /// Removes transactions, and the segment that ends at a place and is about to be deleted. A transaction is given by
    /// customer, slot and the key of its id.
    ///
    /// # Errors
    /// Nothing is removed.
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
        self.filter.remove(gone.iter().map(|(.., key)| *key));
        self.from.fetch_max(end.0, Ordering::AcqRel);
        Ok(())
    }

    /// Removes everything, and begins at a place: that of the oldest segment.
    ///
    /// # Errors
    /// Nothing is removed.
    pub fn begin_at(&self, offset: LogOffset) -> Result<(), ArchiveError> {
        let _alone = self.changing.lock();
        let written = self.write(|index| tables::begin_at(index, &self.id.0, offset.0));
        written.map_err(|flaw| self.failed(&flaw))?;
        self.set_reach(offset);
        Ok(())
    }

    fn set_reach(&self, offset: LogOffset) {
        for reach in [&self.from, &self.before] {
            reach.store(offset.0, Ordering::Release);
        }
    }

    /// Replaces a damaged index by an empty one. It answers again after [`Archive::add`] was called for every segment of the
    /// old one.
    ///
    /// # Errors
    /// The file cannot be created; the index stays damaged.
    pub fn rebuild_from(&self, offset: LogOffset) -> Result<(), ArchiveError> {
        let _alone = self.changing.lock();
        let mut index = self.index.write();
        let made = replace_database(&self.path, &self.id, offset).map_err(|flaw| self.failed(&flaw))?;
        let old = std::mem::replace(&mut *index, made);
        drop(index);
        // The file of the damaged database has no name any more.
        drop(old);
        self.required.fetch_max(self.before.load(Ordering::Acquire), Ordering::AcqRel);
        self.set_reach(offset);
        *self.damage.write() = None;
        Ok(())
    }

    /// Builds one part of the filter that is due. Returns whether one was due.
    ///
    /// # Errors
    /// The index cannot be read; look-ups of this part continue to read the index.
    pub fn build_filter_part(&self) -> io::Result<bool> {
        let _alone = self.changing.lock();
        let Some(part) = self.filter.first_due() else { return Ok(false) };
        let keys = self.read(|index| tables::keys_in(index, &BloomFilter::keys_of(part)));
        self.filter.build(part, &keys.map_err(io::Error::other)?);
        Ok(true)
    }

    /// The memory of the filter in bytes.
    #[must_use]
    pub fn filter_bytes(&self) -> usize {
        self.filter.bytes()
    }

    /// Whether the filter proves, without reading the index, that no transaction has this key.
    #[must_use]
    pub fn excludes(&self, key: u64) -> bool {
        self.filter.excludes(key)
    }

    /// How many transactions are indexed.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn transactions_len(&self) -> io::Result<u64> {
        self.read(tables::transactions_len).map_err(io::Error::other)
    }
}

impl Drop for Archive {
    fn drop(&mut self) {
        let Err(flaw) = self.index.get_mut().close() else { return };
        let path = self.path.display();
        tracing::warn!("{path} cannot be closed ({flaw}); it is removed, and the next start builds it again");
        if let Err(error) = fs::remove_file(&self.path) {
            tracing::warn!("{path} cannot be removed: {error}; remove it while no daemon runs");
        }
    }
}

impl ArchivedTransactions for Archive {
    fn transactions(&self, key: u64) -> io::Result<Vec<(u64, u32, LogOffset)>> {
        if self.excludes(key) {
            return Ok(Vec::new());
        }
        let found = self.read(|index| tables::look_up(index, key)).map_err(io::Error::other)?;
        Ok(found.into_iter().map(|((customer, slot), offset)| (customer, slot, LogOffset(offset))).collect())
    }

    fn of_customer(&self, customer: u64, from: u32, to: u32) -> io::Result<Vec<(u32, LogOffset)>> {
        let found = self.read(|index| tables::of_customer(index, customer, from, to)).map_err(io::Error::other)?;
        Ok(found.into_iter().map(|(slot, offset)| (slot, LogOffset(offset))).collect())
    }

    fn newest_of_customer(
        &self,
        customer: u64,
        before: Option<TimedSlot>,
        limit: usize,
    ) -> io::Result<Vec<(TimedSlot, LogOffset)>> {
        let found = self.read(|index| tables::newest_of_customer(index, customer, before, limit));
        let found = found.map_err(io::Error::other)?;
        Ok(found.into_iter().map(|(place, offset)| (place, LogOffset(offset))).collect())
    }

    fn archived_before(&self) -> LogOffset {
        LogOffset(self.before.load(Ordering::Acquire))
    }
}

#[cfg(test)]
mod tests;
