//! The past: an index over sealed segments, by transaction and by customer. It can be lost: it is built again from the
//! segments, which are the truth.
//!
//! Every record before [`Archive::archived_before`] is known here, and nothing behind it: the index and that number
//! change in one step. It knows places of records, not what they mean for a counter.
//!
//! Before it a [`filter`] in memory tells most ids that are not there. It is built from the index behind the start, part
//! by part, by whoever calls [`Archive::tend`]; what is not built yet is looked up.

mod filter;
#[cfg(test)]
mod tests;

use crate::{
    domain::{customer::Event, transaction::Place},
    journal::{JournalId, Past, Record, ScanError, event},
};
use filter::Filter;
use parking_lot::Mutex;
use redb::{Database, MultimapTable, MultimapTableDefinition, ReadableDatabase, ReadableTable, Table, TableDefinition};
use std::{
    io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

/// A transaction by its seat, a customer and a slot: the place of its last record and the key of its id.
const SEATS: TableDefinition<'_, (u64, u32), (u64, u64)> = TableDefinition::new("seats");
/// Seats by the key of the transaction's id. Two ids may share a key; whoever finds several looks at each.
const IDS: MultimapTableDefinition<'_, u64, (u64, u32)> = MultimapTableDefinition::new("ids");
/// What the index is of and how far it goes.
const ABOUT: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("about");
/// The version of the tables.
const FORMAT: &[u8] = b"1";

/// What can go wrong with the index. It can always be removed: it is built again.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The file or the database in it.
    #[error("the archive's index {path}: {error}; it may be removed while no daemon runs, and is built again")]
    Index {
        /// Which file.
        path: PathBuf,
        /// Why.
        error: redb::Error,
    },
    /// A segment cannot be taken.
    #[error("the archive cannot take a segment: {0}")]
    Segment(#[from] ScanError),
}

/// The index of the archive.
pub struct Archive {
    path: PathBuf,
    index: Database,
    before: AtomicU64,
    filter: Filter,
    /// Held by whoever changes the index or the filter.
    changing: Mutex<()>,
}

impl Archive {
    /// Opens the index of a journal, or begins it anew where there is none or it is of another journal.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub fn open(path: &Path, id: &JournalId) -> Result<Self, ArchiveError> {
        let failed = |error: redb::Error| ArchiveError::Index { path: path.to_owned(), error };
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(|error| failed(redb::Error::Io(error)))?;
        }
        let mut index = match Database::create(path) {
            Ok(index) => index,
            Err(redb::DatabaseError::Storage(redb::StorageError::Corrupted(_))) => begin_anew(path).map_err(failed)?,
            Err(error) => return Err(failed(error.into())),
        };
        if !is_of(&index, id).map_err(failed)? {
            drop(index);
            index = begin_anew(path).map_err(failed)?;
        }
        let before = prepare(&index, id).map_err(failed)?;
        let is_empty = ids_len(&index).map_err(failed)? == 0;
        let (before, filter) = (AtomicU64::new(before), Filter::new(is_empty));
        Ok(Self { path: path.to_owned(), index, before, filter, changing: Mutex::default() })
    }

    /// Takes all records of a segment that begins where the index ends. `key` digests (merchant, transaction id).
    ///
    /// # Errors
    /// Nothing of the segment is taken then.
    pub fn add(
        &self,
        end: Place,
        key: &dyn Fn(&str, &str) -> u64,
        records: impl FnOnce(&mut dyn FnMut(&Record<'_>) -> Result<(), String>) -> Result<(), ScanError>,
    ) -> Result<(), ArchiveError> {
        let failed = |error: redb::Error| ArchiveError::Index { path: self.path.clone(), error };
        let _alone = self.changing.lock();
        let writing = self.index.begin_write().map_err(|error| failed(error.into()))?;
        let mut opened = Vec::new();
        {
            let mut seats = writing.open_table(SEATS).map_err(|error| failed(error.into()))?;
            let mut ids = writing.open_multimap_table(IDS).map_err(|error| failed(error.into()))?;
            records(&mut |record| take(record, key, &mut seats, &mut ids, &mut opened))?;
            let mut about = writing.open_table(ABOUT).map_err(|error| failed(error.into()))?;
            about.insert("before", end.0.to_le_bytes().as_slice()).map_err(|error| failed(error.into()))?;
        }
        writing.commit().map_err(|error| failed(error.into()))?;
        // Before anything may leave memory because it is known here.
        self.filter.add(opened);
        self.before.store(end.0, Ordering::Release);
        Ok(())
    }

    /// Builds a part of the filter that is due, if one is; says whether one was.
    ///
    /// # Errors
    /// The index cannot be read; whoever asks goes on looking there.
    pub fn tend(&self) -> io::Result<bool> {
        let _alone = self.changing.lock();
        let Some(part) = self.filter.first_due() else { return Ok(false) };
        let read = || -> Result<Vec<u64>, redb::Error> {
            let ids = self.index.begin_read()?.open_multimap_table(IDS)?;
            ids.range(Filter::keys_of(part))?.map(|entry| Ok(entry?.0.value())).collect()
        };
        self.filter.build(part, &read().map_err(io::Error::other)?);
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
        use redb::ReadableTableMetadata;
        let read = || -> Result<u64, redb::Error> { Ok(self.index.begin_read()?.open_table(SEATS)?.len()?) };
        read().map_err(io::Error::other)
    }
}

impl Past for Archive {
    fn transactions(&self, key: u64) -> io::Result<Vec<(u64, u32, Place)>> {
        if self.excludes(key) {
            return Ok(Vec::new());
        }
        let read = || -> Result<Vec<_>, redb::Error> {
            let reading = self.index.begin_read()?;
            let (ids, seats) = (reading.open_multimap_table(IDS)?, reading.open_table(SEATS)?);
            let mut found = Vec::new();
            for seat in ids.get(key)? {
                let seat = seat?.value();
                if let Some(known) = seats.get(seat)? {
                    found.push((seat.0, seat.1, Place(known.value().0)));
                }
            }
            Ok(found)
        };
        read().map_err(io::Error::other)
    }

    fn of_customer(&self, customer: u64, from: u32, to: u32) -> io::Result<Vec<(u32, Place)>> {
        let read = || -> Result<Vec<_>, redb::Error> {
            let seats = self.index.begin_read()?.open_table(SEATS)?;
            let mut found = Vec::new();
            for entry in seats.range((customer, from)..(customer, to))? {
                let (seat, known) = entry?;
                found.push((seat.value().1, Place(known.value().0)));
            }
            Ok(found)
        };
        read().map_err(io::Error::other)
    }

    fn archived_before(&self) -> Place {
        Place(self.before.load(Ordering::Acquire))
    }
}

/// Takes what a record says of transactions.
fn take(
    record: &Record<'_>,
    key: &dyn Fn(&str, &str) -> u64,
    seats: &mut Table<'_, (u64, u32), (u64, u64)>,
    ids: &mut MultimapTable<'_, u64, (u64, u32)>,
    opened: &mut Vec<u64>,
) -> Result<(), String> {
    let text = |error: redb::StorageError| error.to_string();
    for event in event::decode(record.events, &mut |_| Ok(None)).map_err(|error| error.to_string())? {
        match event {
            event::Recorded::Customer(Event::Opened { slot, opening }) => {
                let (seat, key) = ((record.owner, slot), key(opening.merchant.as_str(), &opening.id));
                seats.insert(seat, (record.place.0, key)).map_err(text)?;
                ids.insert(key, seat).map_err(text)?;
                opened.push(key);
            }
            event::Recorded::Customer(Event::Happened { slot, .. }) => {
                let seat = (record.owner, slot);
                let known = seats.get(seat).map_err(text)?.map(|known| known.value());
                let (_, key) = known.ok_or_else(|| format!("nothing was opened in slot {slot}"))?;
                seats.insert(seat, (record.place.0, key)).map_err(text)?;
            }
            _ => {}
        }
    }
    Ok(())
}

fn ids_len(index: &Database) -> Result<u64, redb::Error> {
    use redb::ReadableTableMetadata;
    Ok(index.begin_read()?.open_multimap_table(IDS)?.len()?)
}

fn begin_anew(path: &Path) -> Result<Database, redb::Error> {
    std::fs::remove_file(path).map_err(redb::Error::Io)?;
    Ok(Database::create(path)?)
}

/// Whether the index is new, or of this journal and in these tables.
fn is_of(index: &Database, id: &JournalId) -> Result<bool, redb::Error> {
    let about = match index.begin_read()?.open_table(ABOUT) {
        Ok(about) => about,
        Err(redb::TableError::TableDoesNotExist(_)) => return Ok(true),
        Err(error) => return Err(error.into()),
    };
    let is = |name: &str, want: &[u8]| -> Result<bool, redb::Error> {
        Ok(about.get(name)?.is_some_and(|value| value.value() == want))
    };
    Ok(is("format", FORMAT)? && is("journal", &id.0)?)
}

/// Writes what the index is of, where it is new; returns how far it goes.
fn prepare(index: &Database, id: &JournalId) -> Result<u64, redb::Error> {
    let writing = index.begin_write()?;
    let before = {
        writing.open_table(SEATS)?;
        writing.open_multimap_table(IDS)?;
        let mut about = writing.open_table(ABOUT)?;
        let known = about.get("before")?.map(|value| value.value().to_vec());
        about.insert("format", FORMAT)?;
        about.insert("journal", id.0.as_slice())?;
        known.and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_le_bytes)
    };
    writing.commit()?;
    Ok(before)
}
