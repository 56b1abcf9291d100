//! The file `following`: the newest records of the journal are those of another daemon.
//!
//! A batch header names the number up to which the journal of the daemon that wrote it was synced. In a copy that says
//! nothing about this machine. So while the file is there, recovery trusts no batch header. It also cuts off a group that
//! the copy does not contain completely, since the rest of it follows.
//!
//! The file is made before the first record is copied. It is removed when all records are synced: at a start, and when the
//! journal ends following.

use crate::storage::{fs::store::Store, journal::model::error::OpenError};
use std::io;

/// The file, in the data folder.
pub const PATH: &str = "following";
const TEXT: &[u8] = b"the newest records are those of another daemon\n";

/// Whether the newest records are those of another daemon.
pub(in crate::storage) fn is_set(store: &dyn Store) -> Result<bool, OpenError> {
    let names =
        store.list("").map_err(|source| OpenError::Io { what: "listing the data folder".to_owned(), source })?;
    Ok(names.iter().any(|name| name == PATH))
}

/// Makes the file. It is durable on return.
pub(in crate::storage) fn set(store: &dyn Store) -> io::Result<()> {
    match store.create(PATH) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        created => {
            let file = created?;
            file.write_at(TEXT, 0)?;
            file.sync()?;
        }
    }
    store.sync_folder("")
}

/// Removes the file if it is there. It is gone durably on return.
pub(in crate::storage) fn clear(store: &dyn Store) -> Result<(), OpenError> {
    let cleared = match store.remove(PATH) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        removed => removed.and_then(|()| store.sync_folder("")),
    };
    cleared.map_err(|source| OpenError::Io { what: format!("removing {PATH}"), source })
}
