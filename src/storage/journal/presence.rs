//! Whether the files that are written to are still the ones at their paths, and whether another process has them.
//!
//! A file that was removed, or whose folder was moved or replaced, takes writes and syncs as before, and nothing of that
//! is found by the next start. So behind each sync and every second the data folder, the files `keys`, `instance` and
//! `synced`, and the newest segment are compared with what their paths lead to; with [`super::Sync::Always`] before the sync is acknowledged. The first
//! difference fails the journal.

use crate::storage::fs::{File, FileId, Store};
use crate::storage::{
    journal::{
        FOLDER,
        error::{Failed, OpenError},
        lead::{Files, Newest},
        log::Journal,
    },
    recovery::number_of,
};
use std::{io, sync::Arc};

/// Refuses to open a journal whose newest segment another process has locked.
pub(in crate::storage) fn lock_newest(store: &dyn Store) -> Result<(), OpenError> {
    let failed = |what: String| move |source| OpenError::Io { what, source };
    let names = store.list(FOLDER).map_err(failed(format!("listing {FOLDER}")))?;
    let Some(newest) = names.iter().rfind(|name| number_of(name).is_some()) else { return Ok(()) };
    let path = format!("{FOLDER}/{newest}");
    let file = store.open(&path).map_err(failed(format!("opening {path}")))?;
    // The lock goes with the handle: from here on the folder's own lock holds, and soon that of the next segment.
    lock(&*file, &path)
}

/// Locks a segment for this process.
pub(in crate::storage) fn lock(file: &dyn File, path: &str) -> Result<(), OpenError> {
    match file.try_lock() {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            Err(OpenError::Held { file: path.to_owned(), holder: error.to_string() })
        }
        Err(source) => Err(OpenError::Io { what: format!("locking {path}"), source }),
        Ok(()) => Ok(()),
    }
}

impl Files {
    /// Says what is no longer at its path, and what to do about it.
    pub(in crate::storage) fn missing(&self) -> Option<String> {
        if self.root.is_some_and(|root| !is_at(&*self.store, "", Some(root))) {
            return Some(format!(
                "the data folder {} was removed, moved, or replaced by another one, so nothing that is written now would \
                 be found again: put the folder back, or restore it from a copy, then start again",
                self.store.full_path("")
            ));
        }
        let gone = |path: &str| {
            format!(
                "the file {} was removed, moved, or replaced by another one, so nothing that is written now would be found \
                 again: put the file back, or restore the data folder from a copy, then start again",
                self.store.full_path(path)
            )
        };
        if let Some((path, file)) = self.companion.as_ref().and_then(|companion| companion.file())
            && !leads_to(&*self.store, path, &*file)
        {
            return Some(gone(path));
        }
        if let Some((path, _)) = self.needed.iter().find(|(path, id)| !is_at(&*self.store, path, Some(*id))) {
            return Some(gone(path));
        }
        loop {
            let Newest { file, path, .. } = self.newest.lock().clone();
            if leads_to(&*self.store, &path, &*file) {
                return None;
            }
            // A segment may be sealed and moved to the archive meanwhile.
            if Arc::ptr_eq(&file, &self.newest.lock().file) {
                return Some(gone(&path));
            }
        }
    }
}

/// Whether a path leads to a file. What cannot be asked is taken for there: a disk that fails is told by its writes.
fn leads_to(store: &dyn Store, path: &str, file: &dyn File) -> bool {
    match file.id() {
        Ok(Some(id)) if id.links == 0 => false,
        Ok(id) => is_at(store, path, id),
        Err(_) => true,
    }
}

fn is_at(store: &dyn Store, path: &str, known: Option<FileId>) -> bool {
    let Some(known) = known else { return true };
    match store.id(path) {
        Ok(Some(found)) => found.is_same(known),
        Ok(None) => true,
        Err(error) => !matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory),
    }
}

impl Journal {
    /// Fails the journal where a file that it writes to is no longer at its path.
    ///
    /// # Errors
    /// The journal has failed.
    pub(in crate::storage) fn check_presence(&self) -> Result<(), Failed> {
        self.check()?;
        match self.files.as_ref().and_then(Files::missing) {
            Some(cause) => Err(self.fail(&cause)),
            None => Ok(()),
        }
    }
}
