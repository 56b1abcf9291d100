//! The framing of what Redis contains: batches of the journal, chunks of snapshots, wrapped keys.
//!
//! Pure functions between bytes and their parts. They trust no length before its check, and allocate nothing but their
//! result. All numbers are little-endian.
//!
//! # Batches
//!
//! ```text
//!  0         8         12         28      32       40       48             56            60       64        n-4    n
//! +---------+---------+----------+-------+--------+--------+--------------+-------------+--------+-- - - --+------+
//! | LGBATCH | version | instance | epoch | first  | last   | first offset | CRC before  | length | records | CRC  |
//! +---------+---------+----------+-------+--------+--------+--------------+-------------+--------+-- - - --+------+
//! ```
//!
//! *Records* are bytes of the journal as its segment contains them, batch headers included, of *length* bytes. *First* and
//! *last* are the numbers of the first and the last record. *First offset* is the log offset of the first byte. *CRC before*
//! is the checksum of the record before the first one, 0 before record 1. The last four bytes are CRC-32C of all bytes before
//! them.
//!
//! # Chunks of a snapshot
//!
//! ```text
//!  0         8         12         28          36      40       44       n-4    n
//! +---------+---------+----------+-----------+-------+--------+-- - - -+------+
//! | LGCHUNK | version | instance | begin LSN | index | length | bytes  | CRC  |
//! +---------+---------+----------+-----------+-------+--------+-- - - -+------+
//! ```
//!
//! The bytes of all chunks, in the order of their index from 0 on, are the snapshot's file.
//!
//! # Wrapped values
//!
//! ```text
//!  0         1        25                    n
//! +---------+--------+-------- - - ---------+
//! | version | nonce  | ciphertext and tag   |
//! +---------+--------+-------- - - ---------+
//! ```
//!
//! XChaCha20-Poly1305 with the 32 bytes of `key_file`. The associated data are the version, the instance, and the name of
//! the value: `secret`, or the number of the key as 16 hexadecimal digits. So a value that was moved to another name or
//! another instance does not open. The plaintext of a key is its number (8 bytes), its customer (8) and the key (32). The
//! plaintext of the secret are its two halves (8 bytes each).
//!
//! # Versions
//!
//! All versions are 1. A newer version is refused in words. The magic, the place of the version and the checksum of
//! everything in the last four bytes stay in every version, so that readers distinguish a newer version from damage.

mod batch;
mod chunk;
mod frame;
mod wrapped;

#[cfg(test)]
mod tests;

pub use crate::replication::format::{
    batch::{Batch, decode_batch, encode_batch},
    chunk::{CHUNK_BYTES_MAX, Chunk, decode_chunk, encode_chunk},
    frame::FormatError,
    wrapped::{
        CustomerKey, KEY_BYTES, NONCE_BYTES, WrapError, WrappingKey, key_field, random_nonce, unwrap_key,
        unwrap_secret, wrap_key, wrap_secret,
    },
};
