//! Files that only the daemon's user can read.

use crate::storage::journal::model::paths::ARCHIVE;
use std::{
    fs, io,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::Path,
};

/// Creates the folder and the file with access only for the daemon's user. Returns the modes that it changed.
pub(super) fn make_private(path: &Path) -> io::Result<Vec<String>> {
    let mut changed = Vec::new();
    let mut restrict = |path: &Path, mode: u32| -> io::Result<()> {
        let current = fs::metadata(path)?.permissions().mode() & 0o7777;
        if current & 0o077 != 0 {
            fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
            changed.push(format!("{} had mode {current:04o} and now has mode {mode:04o}", path.display()));
        }
        Ok(())
    };
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        if !folder.is_dir() {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        }
        if folder.file_name().is_some_and(|name| name == ARCHIVE) {
            restrict(folder, 0o700)?;
        }
    }
    match fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(_made) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => restrict(path, 0o600)?,
        Err(error) => return Err(error),
    }
    Ok(changed)
}
