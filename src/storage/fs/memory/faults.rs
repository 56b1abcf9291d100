//! What a test makes of calls and of unsynced changes: faults, and what a power cut keeps.

use std::io;

/// How one call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Fails with this error number of the system and changes nothing. A failed sync loses the unsynced changes, and the
    /// next sync succeeds without them.
    Error(i32),
    /// A write writes half of its bytes and then fails with this error number; any other call only fails.
    Short(i32),
}

/// The system's error number for a broken medium.
pub const EIO: i32 = 5;
/// The system's error number for a full disk.
pub const ENOSPC: i32 = 28;

/// The kind of an unsynced change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unsynced {
    /// Bytes written to a file.
    Write {
        /// The offset in the file.
        offset: u64,
        /// The number of bytes.
        bytes: usize,
    },
    /// The length of a file was set.
    Length,
    /// A file was created, renamed or removed.
    Name,
}

/// The part of an unsynced change that a power cut keeps. Every value but the first keeps a change of a name or of a
/// length completely.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// Nothing.
    Nothing,
    /// All.
    All,
    /// This many bytes from its start.
    Prefix(usize),
    /// Those sectors of 512 bytes whose bit is set in the mask, modulo 64.
    Sectors(u64),
    /// Only the new length of the file, with zeroes.
    Length,
}

/// The error of a fault.
pub(super) fn error_of(fault: Fault) -> io::Error {
    match fault {
        Fault::Short(0) => io::Error::other("the store is frozen"),
        Fault::Error(number) | Fault::Short(number) => io::Error::from_raw_os_error(number),
    }
}

/// A length or offset as `usize`.
///
/// # Errors
/// It does not fit.
pub(super) fn to_usize(number: u64) -> io::Result<usize> {
    usize::try_from(number).map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge))
}
