//! A file that is removed unless it is finished: a failed write leaves no partial file.

use crate::storage::fs::store::{File, Store, folder_of};
use std::{io, sync::Arc};

/// A new file under a temporary path. Dropping it removes the file; [`Unfinished::finish`] gives it its final path.
pub struct Unfinished<'a> {
    store: &'a dyn Store,
    path: String,
    file: Arc<dyn File>,
    is_finished: bool,
}

impl<'a> Unfinished<'a> {
    /// Creates the file at a temporary path. A file that a killed process left there is removed first.
    ///
    /// # Errors
    /// The old file cannot be removed, or the new one cannot be created.
    pub fn create(store: &'a dyn Store, path: &str) -> io::Result<Self> {
        match store.remove(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        Ok(Self { store, path: path.to_owned(), file: store.create(path)?, is_finished: false })
    }

    /// The open file.
    #[must_use]
    pub fn file(&self) -> &Arc<dyn File> {
        &self.file
    }

    /// Syncs the file, renames it to its final path and syncs the folder of that path. Returns the open file.
    ///
    /// # Errors
    /// The sync or the rename failed and the file is removed; or the folder could not be synced and the file has its
    /// final path, which a power cut may undo.
    pub fn finish(mut self, path: &str) -> io::Result<Arc<dyn File>> {
        self.file.sync()?;
        self.store.rename(&self.path, path)?;
        self.is_finished = true;
        self.store.sync_folder(folder_of(path))?;
        Ok(Arc::clone(&self.file))
    }

    /// Syncs the file and keeps it at the path at which it was created.
    ///
    /// # Errors
    /// The sync failed and the file is removed.
    pub fn keep(mut self) -> io::Result<()> {
        self.file.sync()?;
        self.is_finished = true;
        Ok(())
    }
}

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        if !self.is_finished {
            // If the removal fails too, the next `create` at this path and the next start remove the file.
            let _removed = self.store.remove(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::fs::memory::{ENOSPC, Fault, Memory};

    fn write(store: &Memory) -> io::Result<()> {
        let unfinished = Unfinished::create(store, "a/f.new")?;
        unfinished.file().write_at(b"whole", 0)?;
        unfinished.finish("a/f").map(drop)
    }

    #[test]
    fn a_write_that_fails_at_any_call_leaves_no_partial_file() {
        for call in 1.. {
            let store = Memory::new();
            store.put("a/f.new", b"left by a killed process");
            store.fail_at(call, Fault::Short(ENOSPC));
            let written = write(&store);
            if written.is_ok() {
                assert_eq!((store.paths(), store.bytes("a/f").unwrap()), (vec!["a/f".to_owned()], b"whole".to_vec()));
                assert!(call > 5, "every call was made to fail");
                return;
            }
            // The first call removes the old file; if that fails, the old file stays.
            let is_left = call == 1;
            assert_eq!(store.paths().contains(&"a/f.new".to_owned()), is_left, "call {call}: {:?}", store.paths());
        }
    }
}
