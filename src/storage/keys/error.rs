//! Errors of the keys.

use crate::storage::keys::entry::FORMAT;
use std::io;

/// Why keys cannot be read, created or used.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// The file cannot be read, written or created.
    #[error("the file `keys` in the data folder cannot be read or written: {0}")]
    Io(#[from] io::Error),
    /// The system returns no random bytes.
    #[error("the system returns no random bytes for a key: {0}")]
    Random(getrandom::Error),
    /// Bytes that must be whole are damaged.
    #[error(
        "the file `keys` in the data folder is damaged at byte {offset}; restore `keys` from the backup that was made \
         with this journal"
    )]
    Damaged {
        /// The offset of the header or entry.
        offset: u64,
    },
    /// It belongs to another journal.
    #[error(
        "the file `keys` in the data folder belongs to another journal; restore the `keys` that belong to this journal"
    )]
    Foreign,
    /// It was written by a newer program.
    #[error(
        "the file `keys` in the data folder has format {0}, and this levelgate reads format {FORMAT}; start a newer levelgate"
    )]
    Newer(u32),
    /// All slots are used.
    #[error("the file `keys` in the data folder is full: it has no slot for another key")]
    Full,
    /// Sealed bytes name a key that is missing and was not erased.
    #[error(
        "customer {customer}: key {key:016x} of sealed attributes or identifiers is missing: the file `keys` is an older \
         copy or belongs to another folder; restore `keys` from the backup that was made with this journal"
    )]
    Missing {
        /// The customer.
        customer: u64,
        /// The number of the key.
        key: u64,
    },
    /// Sealed bytes were changed, or were sealed for another customer or journal.
    #[error(
        "customer {customer}: sealed attributes or identifiers do not open with key {key:016x}; they were changed or \
         belong to another customer; restore the journal from a backup"
    )]
    Tampered {
        /// The customer.
        customer: u64,
        /// The number of the key; 0 if it cannot be read.
        key: u64,
    },
}
