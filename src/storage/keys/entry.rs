//! Header and entries of the file of keys as bytes; see [`super`] for what they mean.

use crate::storage::keys::ENTRY_BYTES;

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

    /// `None`: damaged, or no file of keys.
    pub(super) fn of(bytes: &[u8; ENTRY_BYTES]) -> Option<Self> {
        let header = Self { format: u32::from_le_bytes(part(bytes, 8)?), journal: part(bytes, 16)? };
        // A newer format may use what is zero here; that it is newer is still to be told.
        let whole = bytes.starts_with(&MAGIC) && *bytes == with_crc(*bytes);
        (whole && (header.format != super::FORMAT || *bytes == header.bytes())).then_some(header)
    }
}

/// A key of a customer; no key: erased.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) number: u64,
    pub(super) customer: u64,
    pub(super) key: Option<[u8; 32]>,
}

impl Entry {
    /// Of nobody.
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

/// What stands in the place of an entry.
pub(super) enum Found {
    /// An entry, and how many were known to be on the medium when it was written.
    Whole(Entry, u32),
    /// One that was being erased.
    Torn(Entry),
    /// Anything else.
    Damaged,
}

impl Found {
    pub(super) fn of(bytes: &[u8]) -> Self {
        Self::read(bytes).unwrap_or(Self::Damaged)
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let bytes: [u8; ENTRY_BYTES] = bytes.try_into().ok()?;
        let (number, customer) = (u64::from_le_bytes(part(&bytes, 0)?), u64::from_le_bytes(part(&bytes, 8)?));
        let (state, key) = (bytes[16], part(&bytes, 24)?);
        let entry = Entry { number, customer, key: (state == LIVE).then_some(key) };
        let synced = u32::from_le_bytes(part(&bytes, 56)?);
        if bytes == entry.bytes(synced) {
            // Only a hole has the number 0, and it is nobody's.
            return (number != 0 || entry == Entry::HOLE).then_some(Self::Whole(entry, synced));
        }
        let of_whom = bytes[20..24] == crc32c::crc32c(&bytes[..16]).to_le_bytes();
        (of_whom && state == ERASED).then_some(Self::Torn(entry))
    }
}

fn with_crc(mut bytes: [u8; ENTRY_BYTES]) -> [u8; ENTRY_BYTES] {
    let crc = crc32c::crc32c(&bytes[..CRC_AT]);
    bytes[CRC_AT..].copy_from_slice(&crc.to_le_bytes());
    bytes
}

fn part<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at.checked_add(N)?)?.try_into().ok()
}
