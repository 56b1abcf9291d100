//! The mark of an unfinished restore, and what such a restore leaves.

use crate::storage::{
    fs::store::Store,
    jobs,
    journal::{
        format::synced_file,
        model::{instance, paths::FOLDER},
    },
    keys,
    restored_folder::error::{RestoreError, failed},
};
use std::io;

/// The file that marks an unfinished restore.
pub(super) const MARK: &str = "restore";
const MARK_TEXT: &[u8] = b"a restore of this folder is not finished\n";
/// The folder of snapshots.
pub(super) const SNAPSHOTS: &str = "snapshots";
/// The folders and the files that a restore writes.
pub(super) const FOLDERS: [&str; 2] = [FOLDER, SNAPSHOTS];
const FILES: [&str; 6] = [keys::PATH, "keys.new", synced_file::PATH, "synced.new", instance::PATH, "instance.new"];
/// The lock file of the data folder. It is no data.
const LOCK: &str = "lock";

/// Whether a restore is not finished.
pub(super) fn has_mark(store: &dyn Store) -> Result<bool, RestoreError> {
    let names = store.list("").map_err(failed("listing the data folder"))?;
    Ok(names.iter().any(|name| name == MARK))
}

/// Refuses a folder in which a restore is not finished.
///
/// # Errors
/// A restore is not finished, or the folder cannot be read.
pub fn refuse_unfinished_restore(store: &dyn Store) -> Result<(), RestoreError> {
    if has_mark(store)? { Err(RestoreError::Unfinished) } else { Ok(()) }
}

/// The file or folder because of which nothing may be restored into a folder; `None`: the folder is empty, has nothing but an
/// archive, or a restore of it is not finished.
///
/// # Errors
/// The folder cannot be read.
pub fn occupied_by(store: &dyn Store) -> Result<Option<String>, RestoreError> {
    if has_mark(store)? {
        return Ok(None);
    }
    match check_empty(store) {
        Ok(()) => Ok(None),
        Err(RestoreError::NotEmpty(name)) => Ok(Some(name)),
        Err(error) => Err(error),
    }
}

/// Refuses a folder with data. An archive is none: it is put in place before a restore.
pub(super) fn check_empty(store: &dyn Store) -> Result<(), RestoreError> {
    let names = store.list("").map_err(failed("listing the data folder"))?;
    if let Some(name) = names.into_iter().find(|name| name != LOCK) {
        return Err(RestoreError::NotEmpty(name));
    }
    for folder in [FOLDER, SNAPSHOTS, jobs::FOLDER] {
        let names = store.list(folder).map_err(failed(format!("listing {folder}")))?;
        if let Some(name) = names.first() {
            return Err(RestoreError::NotEmpty(format!("{folder}/{name}")));
        }
    }
    Ok(())
}

/// Sets the mark. It is durable on return.
pub(super) fn set_mark(store: &dyn Store) -> io::Result<()> {
    let file = store.create(MARK)?;
    file.write_at(MARK_TEXT, 0)?;
    file.sync()?;
    store.sync_folder("")
}

/// Removes what an unfinished restore has written.
pub(super) fn remove_parts(store: &dyn Store) -> Result<(), RestoreError> {
    for folder in FOLDERS {
        for name in store.list(folder).map_err(failed(format!("listing {folder}")))? {
            let path = format!("{folder}/{name}");
            store.remove(&path).map_err(failed(format!("removing {path}")))?;
        }
        store.sync_folder(folder).map_err(failed(format!("syncing {folder}")))?;
    }
    for path in FILES {
        match store.remove(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(failed(format!("removing {path}"))(error));
            }
            _ => {}
        }
    }
    store.sync_folder("").map_err(failed("syncing the data folder"))
}
