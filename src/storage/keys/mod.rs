//! The customers' keys, and the data sealed with them. This module knows no event and no attribute: it seals bytes.
//!
//! Personal data in records and snapshots is sealed with a key of its customer. The keys are in one file of the data
//! folder, in the format that `entry.rs` describes. Erasing a customer overwrites the key in that file, which makes every sealed copy
//! unreadable. Backups contain the file only on request.
//!
//! **Sealed bytes** are the number of the key (8 bytes, little-endian), a random nonce (24), and the ciphertext of
//! XChaCha20-Poly1305, which is 16 bytes longer than the plaintext. The journal id, the customer number and the key number
//! are associated data: sealed bytes that were moved to another customer or journal do not open.

pub(in crate::storage) mod customer_keys;
pub(in crate::storage) mod entry;
pub(in crate::storage) mod error;
pub(in crate::storage) mod key_file;
pub(in crate::storage) mod key_table;
mod key_transfer;

pub use crate::storage::keys::{
    customer_keys::{KeyCounts, Keys, Unsealed},
    entry::{ENTRY_BYTES, FORMAT, KeyEntry},
    error::KeysError,
    key_file::PATH,
};
