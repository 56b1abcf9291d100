//! The past: an index over sealed segments, by transaction and by customer. It can be lost: it is built again from the
//! segments, which are the truth.
//!
//! Every record from [`Archive::begins_at`] to [`Archive::archived_before`] is known here, and nothing before or behind:
//! the index and these places change in one step. It knows places of records, not what they mean for a counter.
//!
//! Before it a `archive/filter.rs` in memory tells most ids that are not there. It is built from the index behind the start, part
//! by part, by whoever calls [`Archive::tend`]; what is not built yet is looked up.

mod filter;
#[cfg(test)]
mod tests;

use crate::{
    domain::{common::Common, customer::Event, time::Millis, transaction::Place},
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
/// Segments by the place where they end: the newest time in each, milliseconds since 1970.
const SEGMENTS: TableDefinition<'_, u64, i64> = TableDefinition::new("segments");
/// What the index is of, where it begins and how far it goes.
const ABOUT: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("about");
/// The version of the tables.
const FORMAT: &[u8] = b"2";

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
    from: AtomicU64,
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
        let (from, before) = prepare(&index, id).map_err(failed)?;
        let is_empty = ids_len(&index).map_err(failed)? == 0;
        let (from, before, filter) = (AtomicU64::new(from), AtomicU64::new(before), Filter::new(is_empty));
        Ok(Self { path: path.to_owned(), index, from, before, filter, changing: Mutex::default() })
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
        let failed = |error: redb::Error| self.failed(error);
        let _alone = self.changing.lock();
        let writing = self.index.begin_write().map_err(|error| failed(error.into()))?;
        let (opened, newest);
        {
            let mut taking = Taking {
                key,
                is_whole: self.begins_at() == Place(0),
                seats: writing.open_table(SEATS).map_err(|error| failed(error.into()))?,
                ids: writing.open_multimap_table(IDS).map_err(|error| failed(error.into()))?,
                opened: Vec::new(),
                newest: None,
            };
            records(&mut |record| taking.take(record))?;
            (opened, newest) = (taking.opened, taking.newest.map_or(i64::MIN, |newest| newest.0));
            let mut segments = writing.open_table(SEGMENTS).map_err(|error| failed(error.into()))?;
            segments.insert(end.0, newest).map_err(|error| failed(error.into()))?;
            let mut about = writing.open_table(ABOUT).map_err(|error| failed(error.into()))?;
            about.insert("before", end.0.to_le_bytes().as_slice()).map_err(|error| failed(error.into()))?;
        }
        writing.commit().map_err(|error| failed(error.into()))?;
        // Before anything may leave memory because it is known here.
        self.filter.add(opened);
        self.before.store(end.0, Ordering::Release);
        Ok(())
    }

    /// The place at which the index begins: every record before it was deleted, or is about to be.
    #[must_use]
    pub fn begins_at(&self) -> Place {
        Place(self.from.load(Ordering::Acquire))
    }

    /// The newest time in the segment that ends at a place; `None` where none is known.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn newest_in(&self, end: Place) -> Result<Option<Millis>, ArchiveError> {
        let read = || -> Result<Option<i64>, redb::Error> {
            let segments = self.index.begin_read()?.open_table(SEGMENTS)?;
            Ok(segments.get(end.0)?.map(|newest| newest.value()))
        };
        Ok(read().map_err(|error| self.failed(error))?.map(Millis))
    }

    /// Forgets transactions of which nothing is known any more, and the segment that ends at a place and is about to be
    /// deleted. Each transaction is its customer, its slot and the key of its id.
    ///
    /// # Errors
    /// Nothing is forgotten then.
    pub fn forget(&self, end: Place, gone: &[(u64, u32, u64)]) -> Result<(), ArchiveError> {
        let _alone = self.changing.lock();
        let write = || -> Result<(), redb::Error> {
            let writing = self.index.begin_write()?;
            {
                let (mut seats, mut ids) = (writing.open_table(SEATS)?, writing.open_multimap_table(IDS)?);
                for (customer, slot, key) in gone {
                    seats.remove((*customer, *slot))?;
                    ids.remove(key, (*customer, *slot))?;
                }
                writing.open_table(SEGMENTS)?.remove(end.0)?;
                writing.open_table(ABOUT)?.insert("from", end.0.to_le_bytes().as_slice())?;
            }
            Ok(writing.commit()?)
        };
        write().map_err(|error| self.failed(error))?;
        self.filter.forget(gone.iter().map(|(.., key)| *key));
        self.from.fetch_max(end.0, Ordering::AcqRel);
        Ok(())
    }

    /// Forgets everything, and begins at a place: that of the oldest segment there is.
    ///
    /// # Errors
    /// Nothing is forgotten then.
    pub fn begin_at(&self, place: Place) -> Result<(), ArchiveError> {
        let _alone = self.changing.lock();
        let write = || -> Result<(), redb::Error> {
            let writing = self.index.begin_write()?;
            writing.delete_table(SEATS)?;
            writing.delete_table(SEGMENTS)?;
            writing.delete_multimap_table(IDS)?;
            {
                let mut about = writing.open_table(ABOUT)?;
                ["from", "before"]
                    .iter()
                    .try_for_each(|name| about.insert(*name, place.0.to_le_bytes().as_slice()).map(drop))?;
                writing.open_table(SEATS)?;
                writing.open_table(SEGMENTS)?;
                writing.open_multimap_table(IDS)?;
            }
            Ok(writing.commit()?)
        };
        write().map_err(|error| self.failed(error))?;
        for reach in [&self.from, &self.before] {
            reach.store(place.0, Ordering::Release);
        }
        Ok(())
    }

    fn failed(&self, error: redb::Error) -> ArchiveError {
        ArchiveError::Index { path: self.path.clone(), error }
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

/// A segment on its way into the index.
struct Taking<'a, 't> {
    key: &'a dyn Fn(&str, &str) -> u64,
    /// Whether no record before those that are known was deleted.
    is_whole: bool,
    seats: Table<'t, (u64, u32), (u64, u64)>,
    ids: MultimapTable<'t, u64, (u64, u32)>,
    /// The keys of ids that were added.
    opened: Vec<u64>,
    newest: Option<Millis>,
}

impl Taking<'_, '_> {
    /// Takes what a record says of transactions.
    fn take(&mut self, record: &Record<'_>) -> Result<(), String> {
        let text = |error: redb::StorageError| error.to_string();
        for event in event::decode(record.events, &mut |_| Ok(None)).map_err(|error| error.to_string())? {
            self.newest = match event {
                // From here on the time is another; see `Ledger::accept_clock`.
                event::Recorded::Common(Common::ClockAccepted { step, .. }) => Some(step.after),
                _ => self.newest.max(event.at()),
            };
            match event {
                event::Recorded::Customer(
                    Event::Opened { slot, opening }
                    | Event::Carried { slot, opening, .. }
                    | Event::Linked { slot, opening, .. },
                ) => {
                    let (seat, key) = ((record.owner, slot), (self.key)(opening.merchant.as_str(), &opening.id));
                    self.seats.insert(seat, (record.place.0, key)).map_err(text)?;
                    self.ids.insert(key, seat).map_err(text)?;
                    self.opened.push(key);
                }
                event::Recorded::Customer(Event::Happened { slot, .. } | Event::Unlinked { slot, .. }) => {
                    let seat = (record.owner, slot);
                    let known = self.seats.get(seat).map_err(text)?.map(|known| known.value());
                    match known {
                        Some((_, key)) => {
                            self.seats.insert(seat, (record.place.0, key)).map_err(text)?;
                        }
                        None if self.is_whole => return Err(format!("nothing was opened in slot {slot}")),
                        // What opened it was deleted: it was carried, by a record that comes later.
                        None => {}
                    }
                }
                event::Recorded::Customer(_) | event::Recorded::Common(_) => {}
            }
        }
        Ok(())
    }
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

/// Writes what the index is of, where it is new; returns where it begins and how far it goes.
fn prepare(index: &Database, id: &JournalId) -> Result<(u64, u64), redb::Error> {
    let writing = index.begin_write()?;
    let reach = {
        writing.open_table(SEATS)?;
        writing.open_table(SEGMENTS)?;
        writing.open_multimap_table(IDS)?;
        let mut about = writing.open_table(ABOUT)?;
        about.insert("format", FORMAT)?;
        about.insert("journal", id.0.as_slice())?;
        let place = |name: &str| -> Result<u64, redb::Error> {
            let known = about.get(name)?.and_then(|value| value.value().try_into().ok());
            Ok(known.map_or(0, u64::from_le_bytes))
        };
        (place("from")?, place("before")?)
    };
    writing.commit()?;
    Ok(reach)
}
