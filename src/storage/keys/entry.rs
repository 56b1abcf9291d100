//! The bytes of the file `keys`: a header and entries of [`ENTRY_BYTES`] each, little-endian.
//!
//! ```text
//!  0                8        12       16              32                                        60     64
//! +----------------+--------+--------+---------------+-----------------------------------------+------+
//! | "LGKEYS\0\0"   | format | 0      | journal's id  | 0                                       | CRC  |  header
//! +----------------+--------+--+--+--+-------+-------+------------------------------+----------+------+
//! | key's number   | customer  |s |0 | check | key                                  | synced   | CRC  |  entry
//! +----------------+-----------+--+--+-------+--------------------------------------+----------+------+
//!  0                8           16 17 20      24                                     56         60     64
//! ```
//!
//! The number of a key is a digest of the random key, and never 0. Readers take the stored number, so that it outlives the
//! key. The state `s` is 1 (live) or 2 (erased: the key is zeroes). The check is CRC-32C of the two numbers before it, the
//! CRC that of the 60 bytes before it. *Synced* is how many entries were known to be on the medium when this one was
//! written. An erased entry with number 0 of customer 0 fills a hole.
//!
//! # Damage that opening finds
//!
//! The highest *synced* of any whole entry is the number of entries that must be whole.
//!
//! | Found | Then |
//! |---|---|
//! | a damaged header, another journal's id, a newer format | refuse |
//! | an entry whose CRC fails, whose check holds, and whose state is 2 | a torn erasure: the key is erased |
//! | any other damage among the entries that must be whole | corruption: refuse, with the offset; nothing is changed |
//! | damage after them, with or without whole entries after it | a power cut during a write: the damaged entries are dropped |
//!
//! An entry is within one sector. It is assumed that a medium tears an overwritten entry at most between two bytes: the
//! bytes before are new and the bytes after are old. The first [`write`](crate::storage::keys::customer_keys::Keys::write) repairs dropped
//! and torn entries.
use std::fmt;

/// The version of the file's format.
pub const FORMAT: u32 = 1;
/// The bytes of the header and of each entry.
pub const ENTRY_BYTES: usize = 64;

const MAGIC: [u8; 8] = *b"LGKEYS\0\0";
const CRC_AT: usize = ENTRY_BYTES - 4;
const LIVE: u8 = 1;
const ERASED: u8 = 2;

pub(super) struct Header {
    pub(super) format: u32,
    pub(super) journal: [u8; 16],
}

impl Header {
    pub(super) fn bytes(&self) -> [u8; ENTRY_BYTES] {
        let mut bytes = [0; ENTRY_BYTES];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..12].copy_from_slice(&self.format.to_le_bytes());
        bytes[16..32].copy_from_slice(&self.journal);
        with_crc(bytes)
    }

    /// `None`: it is damaged, or the file is not a file of keys.
    pub(super) fn of(bytes: &[u8; ENTRY_BYTES]) -> Option<Self> {
        let header = Self { format: u32::from_le_bytes(array_at(bytes, 8)?), journal: array_at(bytes, 16)? };
        // A newer format may use bytes that are zero here. Its number must still be reported.
        let is_whole = bytes.starts_with(&MAGIC) && *bytes == with_crc(*bytes);
        (is_whole && (header.format != FORMAT || *bytes == header.bytes())).then_some(header)
    }
}

/// A key of a customer.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct KeyEntry {
    /// Its number in sealed bytes.
    pub number: u64,
    /// The customer.
    pub customer: u64,
    /// The key; `None`: it is erased.
    pub key: Option<[u8; 32]>,
}

/// A key appears in no log.
impl fmt::Debug for KeyEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = if self.key.is_some() { "live" } else { "erased" };
        write!(f, "key {:016x} of customer {}, {state}", self.number, self.customer)
    }
}

impl KeyEntry {
    /// Fills a slot whose entry was lost. It belongs to no customer.
    pub(super) const HOLE: Self = Self { number: 0, customer: 0, key: None };

    pub(super) fn bytes(&self, synced: u32) -> [u8; ENTRY_BYTES] {
        let mut bytes = [0; ENTRY_BYTES];
        bytes[..8].copy_from_slice(&self.number.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.customer.to_le_bytes());
        bytes[16] = if self.key.is_some() { LIVE } else { ERASED };
        let check = crc32c::crc32c(&bytes[..16]);
        bytes[20..24].copy_from_slice(&check.to_le_bytes());
        bytes[24..56].copy_from_slice(&self.key.unwrap_or_default());
        bytes[56..60].copy_from_slice(&synced.to_le_bytes());
        with_crc(bytes)
    }
}

/// An entry as it was read.
pub(super) enum EntryState {
    /// A whole entry, and how many entries were known to be on the medium when it was written.
    Whole(KeyEntry, u32),
    /// An entry whose erasure was torn.
    Torn(KeyEntry),
    /// Any other bytes.
    Damaged,
}

impl EntryState {
    pub(super) fn of(bytes: &[u8]) -> Self {
        Self::read(bytes).unwrap_or(Self::Damaged)
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let bytes: [u8; ENTRY_BYTES] = bytes.try_into().ok()?;
        let (number, customer) = (u64::from_le_bytes(array_at(&bytes, 0)?), u64::from_le_bytes(array_at(&bytes, 8)?));
        let (state, key) = (bytes[16], array_at(&bytes, 24)?);
        let entry = KeyEntry { number, customer, key: (state == LIVE).then_some(key) };
        let synced = u32::from_le_bytes(array_at(&bytes, 56)?);
        if bytes == entry.bytes(synced) {
            // Only a hole has the number 0.
            return (number != 0 || entry == KeyEntry::HOLE).then_some(Self::Whole(entry, synced));
        }
        let check_holds = bytes[20..24] == crc32c::crc32c(&bytes[..16]).to_le_bytes();
        (check_holds && state == ERASED).then_some(Self::Torn(entry))
    }
}

fn with_crc(mut bytes: [u8; ENTRY_BYTES]) -> [u8; ENTRY_BYTES] {
    let crc = crc32c::crc32c(&bytes[..CRC_AT]);
    bytes[CRC_AT..].copy_from_slice(&crc.to_le_bytes());
    bytes
}

fn array_at<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at.checked_add(N)?)?.try_into().ok()
}
