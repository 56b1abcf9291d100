//! What can go wrong with keys, in words that name the thing and the remedy.

use crate::storage::keys::FORMAT;
use std::io;

/// Why keys cannot be had or used.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// The file cannot be read, written or made.
    #[error("the file `keys` in the data folder: {0}")]
    Io(#[from] io::Error),
    /// The system gives no random bytes.
    #[error("no random bytes for a key: {0}")]
    Random(getrandom::Error),
    /// Bytes that were whole once.
    #[error(
        "the file `keys` in the data folder is damaged at byte {offset}; restore it from the backup that was made with \
         this journal"
    )]
    Damaged {
        /// Of the header or entry.
        offset: u64,
    },
    /// It belongs to another journal.
    #[error(
        "the file `keys` in the data folder belongs to another journal; put back the one that was with this journal"
    )]
    Foreign,
    /// It was written by a newer program.
    #[error("the file `keys` in the data folder has format {0}, this levelgate knows {FORMAT}; run a newer one")]
    Newer(u32),
    /// There are more keys than can be numbered.
    #[error("the file `keys` in the data folder is full")]
    Full,
    /// What is sealed names a key that is not there, and was not erased.
    #[error(
        "customer {customer}: key {key:016x} of sealed attributes or identifiers is missing: `keys` is an older copy, or \
         another folder's; restore the file `keys` from the backup that was made with this journal"
    )]
    Missing {
        /// Whose.
        customer: u64,
        /// Its number.
        key: u64,
    },
    /// What is sealed is not what was sealed for this customer in this journal.
    #[error(
        "customer {customer}: sealed attributes or identifiers do not open with key {key:016x}; they were changed or \
         belong to another customer: restore the journal from a backup"
    )]
    Tampered {
        /// Whose.
        customer: u64,
        /// The number of the key; 0 where not even that can be read.
        key: u64,
    },
}
