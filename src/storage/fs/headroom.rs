//! Free space that secondary files must leave for the journal on its file system: snapshots, uploads, jobs, the archive
//! index. Writes of the journal itself are never checked.

use crate::storage::fs::{
    disk,
    store::{Space, Store},
};
use std::{
    io,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

/// Bytes that must stay free by default, on a large file system.
pub const MIN_FREE_BYTES: u64 = 1 << 30;
/// The default is at most a tenth of the file system.
const MIN_FREE_DIVISOR: u64 = 10;
/// A growing file is checked again after this many bytes.
const CHECK_EVERY_BYTES: u64 = 4 << 20;
/// The value of [`Headroom::min_free`] for the default, which depends on the size of the file system.
const DEFAULT_MIN_FREE: u64 = u64::MAX;

/// Why a secondary file is not written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.at(location))]
pub struct NoRoom {
    /// The path whose file system is too full.
    pub location: String,
    /// The file that was to be written.
    pub what: &'static str,
    /// Free bytes.
    pub free: u64,
    /// Bytes that were to be written.
    pub needed: u64,
    /// Bytes that must stay free.
    pub min_free: u64,
}

impl NoRoom {
    /// Why, for a caller who is not shown the paths of the machine.
    #[must_use]
    pub fn without_path(&self) -> String {
        self.at("the disk")
    }

    fn at(&self, location: &str) -> String {
        let Self { what, free, needed, min_free, .. } = self;
        format!("{location} has {} free; {what} needs {}{}", size(*free), size(*needed), remedy(*min_free))
    }
}

/// The reserve and the remedy.
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

/// A number of bytes as text. It has few digits, so that it never looks like a card number.
fn size(bytes: u64) -> String {
    match bytes {
        0..=9_999 => format!("{bytes} bytes"),
        10_000..=9_999_999 => format!("{} KiB", bytes >> 10),
        _ => format!("{} MiB", bytes >> 20),
    }
}

/// Whether an error means that the disk, a quota or a file size limit is full. [`NoRoom`] is such an error.
#[must_use]
pub fn is_full(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge)
}

/// The bytes that must stay free on a file system of a size; `configured`: `min_free_bytes`, `None` its default.
#[must_use]
pub fn min_free_of(configured: Option<u64>, total: u64) -> u64 {
    configured.unwrap_or_else(|| MIN_FREE_BYTES.min(total / MIN_FREE_DIVISOR))
}

/// The file system of a [`Headroom`].
enum Location {
    /// That of a store.
    Store(Arc<dyn Store>),
    /// That of a path.
    Path(PathBuf),
}

/// Checks the free space that is reserved for the journal. It checks nothing until [`Headroom::keep_free`] is called.
pub struct Headroom {
    location: Location,
    min_free: AtomicU64,
}

impl Headroom {
    /// Checks the file system of a store.
    #[must_use]
    pub fn of(store: Arc<dyn Store>) -> Self {
        Self { location: Location::Store(store), min_free: AtomicU64::new(0) }
    }

    /// Checks the file system of a path.
    #[must_use]
    pub fn of_path(path: PathBuf) -> Self {
        Self { location: Location::Path(path), min_free: AtomicU64::new(0) }
    }

    /// Sets the bytes that must stay free. 0 switches the check off; `None` is the default: [`MIN_FREE_BYTES`], or a
    /// tenth of the file system if that is less.
    pub fn keep_free(&self, min_free_bytes: Option<u64>) {
        self.min_free.store(min_free_bytes.unwrap_or(DEFAULT_MIN_FREE), Ordering::Relaxed);
    }

    /// The space of the file system; `None` if it does not report it.
    ///
    /// # Errors
    /// The file system cannot be queried.
    pub fn space(&self) -> io::Result<Option<Space>> {
        match &self.location {
            Location::Store(store) => store.space(),
            Location::Path(path) => disk::space_of(path),
        }
    }

    /// Refuses `bytes` more if less than the minimum would stay free. A file system that does not report its
    /// space refuses nothing.
    ///
    /// # Errors
    /// [`NoRoom`] as an error of the kind `StorageFull`; or the file system cannot be queried.
    pub fn check(&self, what: &'static str, bytes: u64) -> io::Result<()> {
        let configured = self.min_free.load(Ordering::Relaxed);
        if configured == 0 {
            return Ok(());
        }
        let Some(space) = self.space()? else { return Ok(()) };
        let configured = Some(configured).filter(|configured| *configured != DEFAULT_MIN_FREE);
        self.check_reserve(what, bytes, space, min_free_of(configured, space.total))
    }

    /// Refuses `bytes` more if they do not fit at all.
    ///
    /// # Errors
    /// As [`Headroom::check`].
    pub fn check_fits(&self, what: &'static str, bytes: u64) -> io::Result<()> {
        let Some(space) = self.space()? else { return Ok(()) };
        self.check_reserve(what, bytes, space, 0)
    }

    fn check_reserve(
        &self,
        what: &'static str,
        bytes: u64,
        Space { free, .. }: Space,
        min_free: u64,
    ) -> io::Result<()> {
        if free.checked_sub(bytes).is_some_and(|left| left >= min_free) {
            return Ok(());
        }
        let location = match &self.location {
            Location::Store(store) => store.location(),
            Location::Path(path) => path.display().to_string(),
        };
        let no_room = NoRoom { location, what, free, needed: bytes, min_free };
        Err(io::Error::new(io::ErrorKind::StorageFull, no_room))
    }

    /// Returns the check of one growing file.
    #[must_use]
    pub fn watch(self: &Arc<Self>, what: &'static str) -> GrowthCheck {
        GrowthCheck { headroom: Arc::clone(self), what, unchecked_bytes: CHECK_EVERY_BYTES, is_checked: false }
    }
}

/// Checks the space for one file while it is written: at its first bytes and then every few MiB.
pub struct GrowthCheck {
    headroom: Arc<Headroom>,
    what: &'static str,
    unchecked_bytes: u64,
    is_checked: bool,
}

impl GrowthCheck {
    /// Must be called before `bytes` more are written.
    ///
    /// # Errors
    /// As [`Headroom::check`]; the caller must then remove the file.
    pub fn take(&mut self, bytes: u64) -> io::Result<()> {
        self.unchecked_bytes = self.unchecked_bytes.saturating_add(bytes);
        if self.unchecked_bytes >= CHECK_EVERY_BYTES {
            // The file may grow by this much until the next check.
            let ahead = if self.is_checked { CHECK_EVERY_BYTES } else { 0 };
            self.headroom.check(self.what, bytes.saturating_add(ahead))?;
            (self.unchecked_bytes, self.is_checked) = (0, true);
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
