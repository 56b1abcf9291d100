//! The mark of an import of past payments that is not finished. Its limits count only a part of the past, so a daemon does
//! not start on such a folder.

use crate::storage::fs::Store;
use std::io;

/// The file that marks an unfinished import.
const PATH: &str = "import";
const TEXT: &[u8] = b"an import of past payments is not finished\n";

/// Whether an import is not finished.
///
/// # Errors
/// The folder cannot be read.
pub(super) fn is_set(store: &dyn Store) -> io::Result<bool> {
    Ok(store.list("")?.iter().any(|name| name == PATH))
}

/// Refuses a folder in which an import is not finished.
///
/// # Errors
/// An import is not finished, or the folder cannot be read.
pub(crate) fn refuse_unfinished_import(store: &dyn Store) -> anyhow::Result<()> {
    anyhow::ensure!(
        !is_set(store)?,
        "an import of past payments into this folder is not finished, so limits would count only a part of them: run \
         `levelgate import --transactions FILE` again with the same file, which continues it, or remove the folder and \
         begin again"
    );
    Ok(())
}

/// Sets the mark. It is durable on return.
///
/// # Errors
/// The file cannot be written.
pub(super) fn set(store: &dyn Store) -> io::Result<()> {
    if is_set(store)? {
        return Ok(());
    }
    let file = store.create(PATH)?;
    file.write_at(TEXT, 0)?;
    file.sync()?;
    store.sync_folder("")
}

/// Removes the mark. It is gone durably on return.
///
/// # Errors
/// The file cannot be removed.
pub(super) fn clear(store: &dyn Store) -> io::Result<()> {
    if is_set(store)? {
        store.remove(PATH)?;
        store.sync_folder("")?;
    }
    Ok(())
}
