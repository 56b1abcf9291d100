//! The file `synced`: the number of the last record that is known to be on the medium.
//!
//! A batch header has the synced number of the time at which it was written, so none confirms the last batch. This file
//! does. It is written at a start, once a second while the synced number grows (not with
//! `Sync::Never`), and at a clean stop. It is only ever a lower bound: a number is written after its sync returned.
//!
//! ```text
//!  0                8        12       16              32               40               48           60     64
//! +----------------+--------+--------+---------------+----------------+----------------+------------+------+
//! | "LGSYNCED"     | format | flags  | journal's id  | generation     | synced LSN     | 0          | CRC  |  slot
//! +----------------+--------+--------+---------------+----------------+----------------+------------+------+
//! ```
//!
//! All numbers are little-endian. Flag 1: the daemon stopped in order with this record. There are two slots, at byte 0
//! and at byte 4,096, so that no sector holds parts of both. Writes alternate between them, and each is synced before
//! the next begins: a power cut tears at most one. A clean stop writes both, so that one damaged bit does not take its
//! mark. The file is made under another name and renamed, so that it is never there without two whole slots.
//!
//! | Found at a start | Then |
//! |---|---|
//! | no file | a folder of an earlier version, or the file was removed: the other sources count; a warning; it is made |
//! | one slot is not whole | the other counts |
//! | no slot is whole | no power cut leaves that: refuse |
//! | a slot of another journal, or of a newer format | refuse |

use crate::storage::{
    fs::store::{File, Store, read_full},
    journal::{
        model::{
            error::OpenError,
            ids::{JournalId, Lsn},
        },
        state::notifier::Notifier,
    },
};
use parking_lot::Mutex;
use std::{io, sync::Arc, thread::JoinHandle, time::Duration};

/// The file, in the data folder.
pub const PATH: &str = "synced";
const UNFINISHED: &str = "synced.new";
const MAGIC: &[u8; 8] = b"LGSYNCED";
const FORMAT: u32 = 1;
const SLOT_BYTES: usize = 64;
/// Where the slots begin.
pub(in crate::storage) const SLOTS: [u64; 2] = [0, 4096];
const CLEAN_STOP: u32 = 1;
/// The least time between two writes while the journal runs.
pub(in crate::storage) const INTERVAL: Duration = Duration::from_secs(1);

/// The content of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SyncedMark {
    /// The journal is on the medium up to here.
    pub lsn: Lsn,
    /// Whether the daemon stopped in order with this record.
    pub is_clean_stop: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Slot {
    generation: u64,
    mark: SyncedMark,
}

enum SlotFlaw {
    Damaged,
    Newer(u32),
    Foreign(JournalId),
}

impl Slot {
    fn encode(self, id: JournalId) -> [u8; SLOT_BYTES] {
        let mut bytes = [0; SLOT_BYTES];
        let flags = if self.mark.is_clean_stop { CLEAN_STOP } else { 0 };
        bytes[..8].copy_from_slice(MAGIC);
        bytes[8..12].copy_from_slice(&FORMAT.to_le_bytes());
        bytes[12..16].copy_from_slice(&flags.to_le_bytes());
        bytes[16..32].copy_from_slice(&id.0);
        bytes[32..40].copy_from_slice(&self.generation.to_le_bytes());
        bytes[40..48].copy_from_slice(&self.mark.lsn.0.to_le_bytes());
        let check = crc32c::crc32c(&bytes[..60]);
        bytes[60..].copy_from_slice(&check.to_le_bytes());
        bytes
    }

    fn decode(bytes: &[u8; SLOT_BYTES], id: JournalId) -> Result<Self, SlotFlaw> {
        let word = |at: usize| bytes[at..at + 8].try_into().map(u64::from_le_bytes).unwrap_or_default();
        let half = |at: usize| bytes[at..at + 4].try_into().map(u32::from_le_bytes).unwrap_or_default();
        if &bytes[..8] != MAGIC || half(60) != crc32c::crc32c(&bytes[..60]) {
            return Err(SlotFlaw::Damaged);
        }
        if half(8) != FORMAT {
            return Err(SlotFlaw::Newer(half(8)));
        }
        let named = JournalId(bytes[16..32].try_into().unwrap_or_default());
        if named != id {
            return Err(SlotFlaw::Foreign(named));
        }
        let mark = SyncedMark { lsn: Lsn(word(40)), is_clean_stop: half(12) & CLEAN_STOP != 0 };
        Ok(Self { generation: word(32), mark })
    }
}

fn reading(source: io::Error) -> OpenError {
    OpenError::Io { what: format!("reading {PATH}"), source }
}

fn writing(source: io::Error) -> OpenError {
    OpenError::Io { what: format!("writing {PATH}"), source }
}

fn open(store: &dyn Store) -> Result<Option<Arc<dyn File>>, OpenError> {
    match store.open(PATH) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(reading(error)),
    }
}

/// The slots that are whole, the newest first.
fn slots(file: &dyn File, id: JournalId) -> Result<Vec<Slot>, OpenError> {
    let mut found = Vec::new();
    for at in SLOTS {
        let mut bytes = [0; SLOT_BYTES];
        let read = read_full(file, &mut bytes, at).map_err(reading)?;
        match Slot::decode(&bytes, id) {
            Ok(slot) if read == SLOT_BYTES => found.push(slot),
            Ok(_) | Err(SlotFlaw::Damaged) => {}
            Err(SlotFlaw::Newer(format)) => return Err(OpenError::Newer { file: PATH.to_owned(), format }),
            Err(SlotFlaw::Foreign(found)) => {
                return Err(OpenError::Foreign { file: PATH.to_owned(), found, expected: id });
            }
        }
    }
    found.sort_by_key(|slot| std::cmp::Reverse(slot.generation));
    if found.is_empty() { Err(OpenError::SyncedFile) } else { Ok(found) }
}

/// Reads the file; `None`: there is none.
///
/// # Errors
/// It cannot be read, neither slot is whole, or it belongs to another journal or a newer program.
pub fn read(store: &dyn Store, id: JournalId) -> Result<Option<SyncedMark>, OpenError> {
    let Some(file) = open(store)? else { return Ok(None) };
    let slots = slots(&*file, id)?;
    let newest = slots.first().map(|slot| slot.mark).unwrap_or_default();
    // Both were true when they were written, so the higher number counts.
    let highest = slots.iter().map(|slot| slot.mark.lsn).max().unwrap_or_default();
    Ok(Some(SyncedMark { lsn: highest, is_clean_stop: newest.is_clean_stop && newest.lsn == highest }))
}

struct State {
    generation: u64,
    written: SyncedMark,
    /// A write or a sync has failed. A later one would say nothing about it, so none is tried.
    has_failed: bool,
}

/// Writes the file while a journal runs.
pub(in crate::storage) struct SyncedFile {
    file: Arc<dyn File>,
    id: JournalId,
    state: Mutex<State>,
    pub(in crate::storage) notifier: Arc<Notifier>,
    pub(in crate::storage) thread: Mutex<Option<JoinHandle<()>>>,
}

impl SyncedFile {
    /// Opens or creates the file of a journal whose records up to `lsn` are on the medium, and writes that number.
    pub(in crate::storage) fn begin(store: &dyn Store, id: JournalId, lsn: Lsn) -> Result<Self, OpenError> {
        let mark = SyncedMark { lsn, is_clean_stop: false };
        let (file, generation) = match open(store)? {
            Some(file) => {
                let newest = slots(&*file, id)?.first().map_or(0, |slot| slot.generation);
                (file, newest)
            }
            None => (make(store, id, mark).map_err(writing)?, 2),
        };
        let state = State { generation, written: SyncedMark::default(), has_failed: false };
        let this = Self { file, id, state: Mutex::new(state), notifier: Arc::default(), thread: Mutex::default() };
        this.write(mark).map_err(writing)?;
        Ok(this)
    }

    /// Writes the slot whose turn it is, and syncs it.
    pub(in crate::storage) fn write(&self, mark: SyncedMark) -> io::Result<()> {
        let mut state = self.state.lock();
        if state.has_failed {
            return Err(io::Error::other("an earlier write or sync of it failed"));
        }
        state.generation = state.generation.saturating_add(1);
        let slot = Slot { generation: state.generation, mark };
        let at = if state.generation.is_multiple_of(2) { SLOTS[0] } else { SLOTS[1] };
        let written = self.file.write_at(&slot.encode(self.id), at).and_then(|()| self.file.sync());
        state.has_failed = written.is_err();
        if written.is_ok() {
            state.written = mark;
        }
        written
    }

    /// Writes the number where it has grown.
    pub(in crate::storage) fn advance(&self, lsn: Lsn) {
        let is_due = {
            let state = self.state.lock();
            !state.has_failed && state.written.lsn < lsn
        };
        if is_due && let Err(error) = self.write(SyncedMark { lsn, is_clean_stop: false }) {
            tracing::error!(
                "{PATH} cannot be written: {error}; the journal goes on, but damage to its newest records may be taken for \
                 a power cut at the next start; check the disk and restart the daemon"
            );
        }
    }

    pub(in crate::storage) fn stop(&self) {
        self.notifier.stop();
        let thread = self.thread.lock().take();
        // The thread itself may be the last that holds the journal; it does not wait for itself.
        if let Some(thread) = thread.filter(|thread| thread.thread().id() != std::thread::current().id()) {
            let _ended = thread.join();
        }
    }
}

/// A new file with two whole slots.
fn make(store: &dyn Store, id: JournalId, mark: SyncedMark) -> io::Result<Arc<dyn File>> {
    match store.remove(UNFINISHED) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let file = store.create(UNFINISHED)?;
    for (generation, at) in [(1, SLOTS[1]), (2, SLOTS[0])] {
        file.write_at(&Slot { generation, mark }.encode(id), at)?;
    }
    file.sync()?;
    store.rename(UNFINISHED, PATH)?;
    store.sync_folder("")?;
    Ok(file)
}
