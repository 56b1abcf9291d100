//! The file that is written and synced before the journal.

use crate::storage::{
    encoding,
    fs::store::File,
    keys::{self, customer_keys::Keys, error::KeysError},
};
use std::{io, sync::Arc};

/// A file that must never be older than the journal: the keys that records are sealed with. It is written before each batch
/// and synced before each sync of the journal.
pub trait Companion: Send + Sync {
    /// Writes the new entries.
    ///
    /// # Errors
    /// The journal fails with it.
    fn write(&self) -> io::Result<()>;

    /// [`Companion::write`] without waiting for another thread. Returns whether the entries were written.
    ///
    /// # Errors
    /// The journal fails with it.
    fn try_write(&self) -> io::Result<bool> {
        self.write().map(|()| true)
    }

    /// Makes the written entries durable.
    ///
    /// # Errors
    /// The journal fails with it.
    fn sync(&self) -> io::Result<()>;

    /// The path and the open file, if there is one. The journal fails if another file has the path.
    fn file(&self) -> Option<(&'static str, Arc<dyn File>)> {
        None
    }

    /// Whether it has every key that these events of an owner need. After a power cut, unsynced writes may be lost in either
    /// file.
    fn has_keys_for(&self, _owner: u64, _events: &[u8]) -> bool {
        true
    }
}

impl Companion for Keys {
    fn write(&self) -> io::Result<()> {
        Self::write(self)
    }

    fn try_write(&self) -> io::Result<bool> {
        Self::try_write(self)
    }

    fn sync(&self) -> io::Result<()> {
        Self::sync(self)
    }

    fn file(&self) -> Option<(&'static str, Arc<dyn File>)> {
        Self::file(self).map(|file| (keys::PATH, file))
    }

    fn has_keys_for(&self, owner: u64, events: &[u8]) -> bool {
        let mut has_keys = true;
        // Events that cannot be decoded for another reason are refused by the replay.
        let _read = encoding::decode(events, &mut |sealed| {
            has_keys &= !matches!(self.unseal(owner, sealed), Err(KeysError::Missing { .. }));
            Ok(None)
        });
        has_keys
    }
}
