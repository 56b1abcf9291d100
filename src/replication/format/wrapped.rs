//! Customers' keys and the digest secret, wrapped by the key of the operator.

use crate::storage::journal::JournalId;
use chacha20poly1305::{
    Key, KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};
use std::fmt;

const VERSION: u8 = 1;
/// The bytes of the wrapping key, and of a customer's key.
pub const KEY_BYTES: usize = 32;
/// The bytes of a nonce.
pub const NONCE_BYTES: usize = 24;
/// The name of the digest secret.
const SECRET_FIELD: &str = "secret";

/// The key in the file `key_file`. It is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct WrappingKey(pub [u8; KEY_BYTES]);

impl fmt::Debug for WrappingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WrappingKey")
    }
}

/// A customer's key as Redis keeps it, unwrapped.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct CustomerKey {
    /// The number of the key.
    pub number: u64,
    /// Its customer.
    pub customer: u64,
    /// The key.
    pub key: [u8; KEY_BYTES],
}

/// Why a wrapped value cannot be opened or made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WrapError {
    /// It does not open.
    #[error(
        "the value `{0}` does not open: it was changed or moved, or `key_file` is not the file with which it was written; \
         name that key_file"
    )]
    Closed(String),
    /// A newer program wrote it.
    #[error(
        "the value `{field}` has version {version}, which is newer than this program; start the version of levelgate that \
         wrote it, or a later one"
    )]
    Newer {
        /// The name of the value.
        field: String,
        /// Its version.
        version: u8,
    },
    /// It opens, and its contents are not a value of this name.
    #[error("the value `{0}` opens, but it is not the value of this name")]
    Invalid(String),
    /// The system returns no random bytes.
    #[error("the system returns no random bytes: {0}")]
    Random(String),
}

/// The field of a key in the hash of keys: its number as 16 hexadecimal digits.
#[must_use]
pub fn key_field(number: u64) -> String {
    format!("{number:016x}")
}

/// A nonce for one value.
///
/// # Errors
/// The system returns no random bytes.
pub fn random_nonce() -> Result<[u8; NONCE_BYTES], WrapError> {
    let mut nonce = [0; NONCE_BYTES];
    getrandom::fill(&mut nonce).map_err(|error| WrapError::Random(error.to_string()))?;
    Ok(nonce)
}

/// Wraps a customer's key. A nonce is used once.
#[must_use]
pub fn wrap_key(with: &WrappingKey, instance: JournalId, key: &CustomerKey, nonce: [u8; NONCE_BYTES]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(16 + KEY_BYTES);
    plain.extend_from_slice(&key.number.to_le_bytes());
    plain.extend_from_slice(&key.customer.to_le_bytes());
    plain.extend_from_slice(&key.key);
    wrap(with, instance, &key_field(key.number), &plain, nonce)
}

/// Opens the key of a field.
///
/// # Errors
/// It does not open, is newer than this program, or is the key of another number.
pub fn unwrap_key(
    with: &WrappingKey,
    instance: JournalId,
    field: &str,
    wrapped: &[u8],
) -> Result<CustomerKey, WrapError> {
    let plain = unwrap(with, instance, field, wrapped)?;
    let read = || {
        let (number, rest) = plain.split_first_chunk()?;
        let (customer, key) = rest.split_first_chunk()?;
        let (number, customer) = (u64::from_le_bytes(*number), u64::from_le_bytes(*customer));
        Some(CustomerKey { number, customer, key: key.try_into().ok()? })
    };
    read().filter(|key| key_field(key.number) == field).ok_or_else(|| WrapError::Invalid(field.to_owned()))
}

/// Wraps the digest secret. A nonce is used once.
#[must_use]
pub fn wrap_secret(
    with: &WrappingKey,
    instance: JournalId,
    (first, second): (u64, u64),
    nonce: [u8; NONCE_BYTES],
) -> Vec<u8> {
    let plain = [first.to_le_bytes(), second.to_le_bytes()].concat();
    wrap(with, instance, SECRET_FIELD, &plain, nonce)
}

/// Opens the digest secret.
///
/// # Errors
/// It does not open, or is newer than this program.
pub fn unwrap_secret(with: &WrappingKey, instance: JournalId, wrapped: &[u8]) -> Result<(u64, u64), WrapError> {
    let plain = unwrap(with, instance, SECRET_FIELD, wrapped)?;
    let read = || {
        let (first, second) = plain.split_first_chunk()?;
        Some((u64::from_le_bytes(*first), u64::from_le_bytes(second.try_into().ok()?)))
    };
    read().ok_or_else(|| WrapError::Invalid(SECRET_FIELD.to_owned()))
}

fn associated_data(instance: JournalId, field: &str) -> Vec<u8> {
    let mut bound = vec![VERSION];
    bound.extend_from_slice(&instance.0);
    bound.extend_from_slice(field.as_bytes());
    bound
}

fn wrap(with: &WrappingKey, instance: JournalId, field: &str, plain: &[u8], nonce: [u8; NONCE_BYTES]) -> Vec<u8> {
    let aad = associated_data(instance, field);
    let cipher = XChaCha20Poly1305::new(&Key::from(with.0));
    // Encryption fails only for a plaintext of more than 256 GiB; a value without ciphertext never opens.
    let sealed = cipher.encrypt(&XNonce::from(nonce), Payload { msg: plain, aad: &aad }).unwrap_or_default();
    let mut out = Vec::with_capacity(1 + NONCE_BYTES + sealed.len());
    out.push(VERSION);
    out.extend_from_slice(&nonce);
    out.extend_from_slice(&sealed);
    out
}

fn unwrap(with: &WrappingKey, instance: JournalId, field: &str, wrapped: &[u8]) -> Result<Vec<u8>, WrapError> {
    let closed = || WrapError::Closed(field.to_owned());
    let (version, rest) = wrapped.split_first().ok_or_else(closed)?;
    if *version > VERSION {
        return Err(WrapError::Newer { field: field.to_owned(), version: *version });
    }
    let (nonce, sealed) = rest.split_first_chunk::<NONCE_BYTES>().ok_or_else(closed)?;
    let aad = associated_data(instance, field);
    let cipher = XChaCha20Poly1305::new(&Key::from(with.0));
    let opened = cipher.decrypt(&XNonce::from(*nonce), Payload { msg: sealed, aad: &aad });
    opened.ok().filter(|_| *version == VERSION).ok_or_else(closed)
}
