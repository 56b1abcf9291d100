//! Locks of segments against other processes.

use crate::storage::{
    fs::store::{File, Store},
    journal::model::{
        error::OpenError,
        paths::{FOLDER, number_of},
    },
};
use std::io;

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
            Err(OpenError::Locked { file: path.to_owned(), holder: error.to_string() })
        }
        Err(source) => Err(OpenError::Io { what: format!("locking {path}"), source }),
        Ok(()) => Ok(()),
    }
}
