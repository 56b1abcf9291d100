//! The file of keys: made, read, written in slots. It knows no customer.

use crate::storage::fs::{File, Store, read_full, unfinished::Unfinished};
use crate::storage::keys::{
    ENTRY_BYTES, FORMAT, KeysError, PATH,
    entry::{Entry, Found, Header},
};
use std::{io, sync::Arc};

const NEW_PATH: &str = "keys.new";

/// The file, open.
pub(super) struct Disk {
    pub(super) file: Arc<dyn File>,
    /// How many entries are known to be on the medium, with none missing before them.
    pub(super) synced: u32,
    /// Whether something was written since.
    pub(super) dirty: bool,
    /// Whether a sync has failed: what it was to keep may be lost, and a second one would not tell.
    pub(super) sync_failed: bool,
    /// What opening found torn or missing.
    pub(super) repairs: Vec<(u32, Entry)>,
    /// Where the file is to be cut, for what is damaged behind its last entry.
    pub(super) cut_at: Option<u64>,
}

impl Disk {
    /// Writes entries one after another from a slot on.
    pub(super) fn write(&mut self, first: u32, bytes: &[u8]) -> io::Result<()> {
        self.check()?;
        self.dirty = true;
        self.file.write_at(bytes, offset_of(first))
    }

    /// Fails once a sync has failed, so that the journal stops: a key that was lost would make its records unreadable.
    pub(super) fn check(&self) -> io::Result<()> {
        match self.sync_failed {
            true => Err(io::Error::other("an earlier sync of the file `keys` failed, and keys may be lost; restart")),
            false => Ok(()),
        }
    }

    /// Notes how a sync ended.
    pub(super) fn note_sync(&mut self, synced: io::Result<()>) -> io::Result<()> {
        self.sync_failed |= synced.is_err();
        synced
    }

    /// Writes an entry in the place of one that is there.
    pub(super) fn overwrite(&mut self, slot: u32, entry: &Entry) -> io::Result<()> {
        // It says of no entry behind it that it must be whole.
        let bytes = entry.bytes(self.synced.min(slot));
        self.write(slot, &bytes)
    }

    /// Puts in order what opening found.
    pub(super) fn repair(&mut self) -> io::Result<()> {
        if let Some(len) = self.cut_at {
            self.dirty = true;
            self.file.truncate(len)?;
            self.cut_at = None;
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

/// An empty file, whole from the first moment on at which it has its name.
pub(super) fn create(store: &dyn Store, journal: [u8; 16]) -> Result<Arc<dyn File>, KeysError> {
    let unfinished = Unfinished::create(store, NEW_PATH)?;
    unfinished.file().write_at(&Header { format: FORMAT, journal }.bytes(), 0)?;
    Ok(unfinished.finish(PATH)?)
}

/// All entries, damaged ones included, of a file that belongs to this journal.
pub(super) fn read(file: &dyn File, journal: [u8; 16]) -> Result<Vec<Found>, KeysError> {
    let mut header = [0; ENTRY_BYTES];
    let whole = read_full(file, &mut header, 0)? == ENTRY_BYTES;
    let header = Header::of(&header).filter(|_| whole).ok_or(KeysError::Damaged { offset: 0 })?;
    if header.format != FORMAT {
        return Err(KeysError::Newer(header.format));
    }
    if header.journal != journal {
        return Err(KeysError::Foreign);
    }
    let (mut found, mut at) = (Vec::new(), ENTRY_BYTES as u64);
    let mut buffer = vec![0; 1024 * ENTRY_BYTES];
    loop {
        let read = read_full(file, &mut buffer, at)?;
        found.extend(buffer[..read].chunks(ENTRY_BYTES).map(Found::of));
        at += read as u64;
        if read < buffer.len() {
            return Ok(found);
        }
    }
}
