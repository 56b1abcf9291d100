//! Free space that secondary files must leave on the file system of the journal: snapshots, uploads, jobs, the archive's
//! index. The journal itself is never refused here.

use crate::storage::fs::{Space, Store, disk};
use std::{
    io,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

/// The most bytes that must stay free unless the configuration names another number.
pub const MIN_FREE_BYTES: u64 = 1 << 30;
/// The default is never more than this part of the file system.
const MIN_FREE_PART: u64 = 10;
/// A file that grows is checked again after this many bytes.
const CHECK_EVERY_BYTES: u64 = 4 << 20;
/// [`Headroom::min_free`] holds this for the default, which depends on the size of the file system.
const BY_SIZE: u64 = u64::MAX;

/// Why a secondary file is not written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place} has {} free; {what} needs {}{}", size(*free), size(*needed), remedy(*min_free))]
pub struct NoRoom {
    /// The path whose file system is too full.
    pub place: String,
    /// What was to be written.
    pub what: &'static str,
    /// Free bytes.
    pub free: u64,
    /// Bytes that were to be written.
    pub needed: u64,
    /// Bytes that must stay free.
    pub min_free: u64,
}

/// What stays free besides, and what can be done.
fn remedy(min_free: u64) -> String {
    match min_free {
        0 => ": free space on this file system".to_owned(),
        _ => format!(
            ", and {} must stay free for the journal ([store] min_free_bytes): free space on this file system, or lower \
             min_free_bytes",
            size(min_free)
        ),
    }
}

/// Bytes in words. Digits are few, so that no text looks like a card number.
fn size(bytes: u64) -> String {
    match bytes {
        0..=9_999 => format!("{bytes} bytes"),
        10_000..=9_999_999 => format!("{} KiB", bytes >> 10),
        _ => format!("{} MiB", bytes >> 20),
    }
}

/// Whether an error says that the disk, a quota or a limit takes no more bytes. [`NoRoom`] is such an error.
#[must_use]
pub fn is_full(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge)
}

/// Where files of a [`Headroom`] are written.
enum Place {
    /// To a store.
    Store(Arc<dyn Store>),
    /// To a path.
    Path(PathBuf),
}

/// Keeps free space for the journal. It is off until [`Headroom::keep_free`] is called.
pub struct Headroom {
    place: Place,
    min_free: AtomicU64,
}

impl Headroom {
    /// Watches the file system of a store.
    #[must_use]
    pub fn of(store: Arc<dyn Store>) -> Self {
        Self { place: Place::Store(store), min_free: AtomicU64::new(0) }
    }

    /// Watches the file system of a path.
    #[must_use]
    pub fn of_path(path: PathBuf) -> Self {
        Self { place: Place::Path(path), min_free: AtomicU64::new(0) }
    }

    /// Sets the bytes that must stay free. 0 switches the check off; `None` is the default: [`MIN_FREE_BYTES`], or a
    /// tenth of the file system if that is less.
    pub fn keep_free(&self, min_free_bytes: Option<u64>) {
        self.min_free.store(min_free_bytes.unwrap_or(BY_SIZE), Ordering::Relaxed);
    }

    /// The space of the file system; `None` if it does not tell.
    ///
    /// # Errors
    /// The file system cannot be asked.
    pub fn space(&self) -> io::Result<Option<Space>> {
        match &self.place {
            Place::Store(store) => store.space(),
            Place::Path(path) => disk::space_of(path),
        }
    }

    /// Refuses `bytes` more if less than the minimum would stay free. A file system that does not tell its space
    /// refuses nothing.
    ///
    /// # Errors
    /// [`NoRoom`] as an error of the kind `StorageFull`; or the file system cannot be asked.
    pub fn check(&self, what: &'static str, bytes: u64) -> io::Result<()> {
        let configured = self.min_free.load(Ordering::Relaxed);
        if configured == 0 {
            return Ok(());
        }
        let Some(space) = self.space()? else { return Ok(()) };
        let by_size = MIN_FREE_BYTES.min(space.total / MIN_FREE_PART);
        self.leaves(what, bytes, space, if configured == BY_SIZE { by_size } else { configured })
    }

    /// Refuses `bytes` more if they do not fit at all.
    ///
    /// # Errors
    /// As of [`Headroom::check`].
    pub fn check_fits(&self, what: &'static str, bytes: u64) -> io::Result<()> {
        let Some(space) = self.space()? else { return Ok(()) };
        self.leaves(what, bytes, space, 0)
    }

    fn leaves(&self, what: &'static str, bytes: u64, Space { free, .. }: Space, min_free: u64) -> io::Result<()> {
        if free.checked_sub(bytes).is_some_and(|left| left >= min_free) {
            return Ok(());
        }
        let place = match &self.place {
            Place::Store(store) => store.place(),
            Place::Path(path) => path.display().to_string(),
        };
        let no_room = NoRoom { place, what, free, needed: bytes, min_free };
        Err(io::Error::new(io::ErrorKind::StorageFull, no_room))
    }

    /// Checks a file while it grows.
    #[must_use]
    pub fn watch(self: &Arc<Self>, what: &'static str) -> Room {
        Room { headroom: Arc::clone(self), what, unchecked: CHECK_EVERY_BYTES, is_checked: false }
    }
}

/// Checks the space for one file while it is written: at its first bytes and after every few MiB.
pub struct Room {
    headroom: Arc<Headroom>,
    what: &'static str,
    unchecked: u64,
    is_checked: bool,
}

impl Room {
    /// To be called before `bytes` more are written.
    ///
    /// # Errors
    /// As of [`Headroom::check`]; the file is to be removed.
    pub fn take(&mut self, bytes: u64) -> io::Result<()> {
        self.unchecked = self.unchecked.saturating_add(bytes);
        if self.unchecked >= CHECK_EVERY_BYTES {
            // A file that has grown so far may grow on until the next check.
            let ahead = if self.is_checked { CHECK_EVERY_BYTES } else { 0 };
            self.headroom.check(self.what, bytes.saturating_add(ahead))?;
            (self.unchecked, self.is_checked) = (0, true);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::fs::memory::Memory;

    fn on(store: &Memory) -> Arc<Headroom> {
        Arc::new(Headroom::of(Arc::new(store.clone())))
    }

    #[test]
    fn a_file_is_refused_before_less_than_the_minimum_stays_free() {
        let store = Memory::new();
        let headroom = on(&store);
        store.set_capacity(Some(100));
        headroom.check("a snapshot", 1_000).unwrap();
        headroom.keep_free(Some(40));
        headroom.check("a snapshot", 60).unwrap();
        let refused = headroom.check("a snapshot", 61).unwrap_err();
        assert!(is_full(&refused));
        assert_eq!(
            refused.to_string(),
            "the data folder has 100 bytes free; a snapshot needs 61 bytes, and 40 bytes must stay free for the journal \
             ([store] min_free_bytes): free space on this file system, or lower min_free_bytes"
        );
        // By default a tenth of a small file system stays free.
        headroom.keep_free(None);
        headroom.check("a snapshot", 90).unwrap();
        assert!(headroom.check("a snapshot", 91).is_err());
        store.set_capacity(Some(1 << 40));
        headroom.check("a snapshot", (1 << 40) - MIN_FREE_BYTES).unwrap();
        assert!(headroom.check("a snapshot", (1 << 40) - MIN_FREE_BYTES + 1).is_err());
        store.set_capacity(None);
        headroom.check("a snapshot", u64::MAX).unwrap();
    }

    #[test]
    fn a_file_that_grows_is_checked_at_its_first_bytes_and_every_few_mebibytes() {
        let store = Memory::new();
        let headroom = on(&store);
        headroom.keep_free(Some(10));
        store.set_capacity(Some(9));
        assert!(headroom.watch("a table").take(1).is_err());
        store.set_capacity(Some(100 << 20));
        let mut room = headroom.watch("a table");
        room.take(1 << 20).unwrap();
        store.set_capacity(Some(9));
        let taken = (0..8).take_while(|_| room.take(1 << 20).is_ok()).count();
        assert_eq!(taken, 3);
    }
}
