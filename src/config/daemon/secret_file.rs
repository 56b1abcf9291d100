//! Files that contain secrets: tokens, passwords, keys.

use std::{
    fs::{self, File},
    io::{self, Read as _},
    os::unix::fs::MetadataExt,
    path::Path,
};

/// The most bytes of a file with one secret.
pub(in crate::config) const SECRET_BYTES_MAX: u64 = 4_096;

/// The bytes of a file, and its mode.
///
/// # Errors
/// The file cannot be read, is not a regular file, or is longer than `bytes_max`.
pub(in crate::config) fn read_file(path: &Path, bytes_max: u64) -> io::Result<(Vec<u8>, u32)> {
    // Opening a pipe would block until another process opens it for writing.
    let metadata = fs::metadata(path)?;
    if !metadata.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    let file = File::open(path)?;
    let mut bytes = Vec::new();
    file.take(bytes_max + 1).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > bytes_max {
        return Err(io::Error::other(match bytes_max {
            SECRET_BYTES_MAX => "it is longer than 4,096 bytes",
            _ => "it is too long",
        }));
    }
    Ok((bytes, metadata.mode()))
}

/// The warning about a file that group or others can read or write.
pub(in crate::config) fn open_to_others(what: &str, path: &Path, mode: u32) -> Option<String> {
    let is_open = mode & 0o066 != 0;
    is_open
        .then(|| format!("the {what} {} has mode {:04o}: group or others can read it", path.display(), mode & 0o7777))
}

/// Why a file cannot be read, for a message that names it.
pub(in crate::config) fn unreadable(path: &Path, error: &io::Error) -> String {
    let is_elsewhere = error.kind() == io::ErrorKind::NotFound && path.is_relative();
    let note = if is_elsewhere { "; a relative path begins in the working directory" } else { "" };
    format!("cannot be read: {error}{note}")
}
