//! The file `keys`: it is created, read, and written by slot. This file knows no customer.

use crate::storage::{
    fs::{
        store::{File, Store, read_full},
        unfinished::Unfinished,
    },
    keys::{
        entry::{ENTRY_BYTES, EntryState, FORMAT, Header, KeyEntry},
        error::KeysError,
    },
};
use std::{io, sync::Arc};

/// The path of the file, in the data folder.
pub const PATH: &str = "keys";
const NEW_PATH: &str = "keys.new";

/// The open file.
pub(super) struct KeyFile {
    pub(super) file: Arc<dyn File>,
    /// This many entries from the first on are known to be on the medium.
    pub(super) synced: u32,
    /// Whether bytes were written since the last sync.
    pub(super) is_dirty: bool,
    /// Whether a sync has failed. Its bytes may be lost, and a second sync would not find out.
    pub(super) sync_failed: bool,
    /// Entries that opening found torn or missing, and that must be written.
    pub(super) repairs: Vec<(u32, KeyEntry)>,
    /// The length to which the file must be cut, because bytes after its last entry are damaged.
    pub(super) truncate_to: Option<u64>,
}

impl KeyFile {
    /// Writes consecutive entries from a slot on.
    pub(super) fn write(&mut self, first: u32, bytes: &[u8]) -> io::Result<()> {
        self.check()?;
        self.is_dirty = true;
        self.file.write_at(bytes, offset_of(first))
    }

    /// Fails after a failed sync, so that the journal stops: a lost key would make its records unreadable.
    pub(super) fn check(&self) -> io::Result<()> {
        match self.sync_failed {
            true => Err(io::Error::other(
                "an earlier sync of the file `keys` failed, so keys may be lost; restart the daemon",
            )),
            false => Ok(()),
        }
    }

    /// Records the result of a sync.
    pub(super) fn note_sync(&mut self, synced: io::Result<()>) -> io::Result<()> {
        self.sync_failed |= synced.is_err();
        synced
    }

    /// Replaces an entry of the file.
    pub(super) fn overwrite(&mut self, slot: u32, entry: &KeyEntry) -> io::Result<()> {
        // The synced count of the new entry must not cover entries after it.
        let bytes = entry.bytes(self.synced.min(slot));
        self.write(slot, &bytes)
    }

    /// Repairs the damage that opening found.
    pub(super) fn repair(&mut self) -> io::Result<()> {
        if let Some(len) = self.truncate_to {
            self.is_dirty = true;
            self.file.truncate(len)?;
            self.truncate_to = None;
        }
        while let Some((slot, entry)) = self.repairs.last().copied() {
            self.overwrite(slot, &entry)?;
            self.repairs.pop();
        }
        Ok(())
    }
}

pub(super) fn offset_of(slot: u32) -> u64 {
    (u64::from(slot) + 1) * ENTRY_BYTES as u64
}

/// Creates an empty file. It gets its name when its header is durable.
pub(super) fn create(store: &dyn Store, journal: [u8; 16]) -> Result<Arc<dyn File>, KeysError> {
    let unfinished = Unfinished::create(store, NEW_PATH)?;
    unfinished.file().write_at(&Header { format: FORMAT, journal }.bytes(), 0)?;
    Ok(unfinished.finish(PATH)?)
}

/// Reads all entries, including damaged ones, of a file of this journal.
pub(super) fn read(file: &dyn File, journal: [u8; 16]) -> Result<Vec<EntryState>, KeysError> {
    let mut header = [0; ENTRY_BYTES];
    let is_complete = read_full(file, &mut header, 0)? == ENTRY_BYTES;
    let header = Header::of(&header).filter(|_| is_complete).ok_or(KeysError::Damaged { offset: 0 })?;
    if header.format != FORMAT {
        return Err(KeysError::Newer(header.format));
    }
    if header.journal != journal {
        return Err(KeysError::Foreign);
    }
    let (mut entries, mut at) = (Vec::new(), ENTRY_BYTES as u64);
    let mut buffer = vec![0; 1024 * ENTRY_BYTES];
    loop {
        let read = read_full(file, &mut buffer, at)?;
        entries.extend(buffer[..read].chunks(ENTRY_BYTES).map(EntryState::of));
        at += read as u64;
        if read < buffer.len() {
            return Ok(entries);
        }
    }
}
