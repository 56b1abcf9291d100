//! Checks that the written files are still at their paths.
//!
//! A file that was removed, or whose folder was moved or replaced, still accepts writes and syncs, but the next start does not
//! find them. So after each sync and every second, the data folder, the files `keys`, `instance` and `synced`, and the newest
//! segment are compared with the files at their paths; with [`super::Sync::Always`] before the sync is acknowledged. The
//! first difference fails the journal.

use crate::storage::{
    fs::store::{File, FileId, Store},
    journal::{
        log::Journal,
        model::error::Failed,
        state::{files::Files, segment_writer::NewestSegment},
    },
};
use std::{io, sync::Arc};

impl Files {
    /// The first file that is no longer at its path, with the remedy.
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
            let NewestSegment { file, path, .. } = self.newest.lock().clone();
            if leads_to(&*self.store, &path, &*file) {
                return None;
            }
            // The segment may have been sealed and moved to the archive since.
            if Arc::ptr_eq(&file, &self.newest.lock().file) {
                return Some(gone(&path));
            }
        }
    }
}

/// Whether a file is at a path. An unknown answer counts as yes: a failing disk is detected by its writes.
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
    /// Fails the journal if a file that it writes is no longer at its path.
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
