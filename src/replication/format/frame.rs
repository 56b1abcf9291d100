//! What batches and chunks have in common: magic, version and checksum.

use crate::storage::journal::JournalId;

/// The version that this program writes.
pub(super) const VERSION: u32 = 1;
/// The bytes before the fields of a frame: magic and version.
pub(super) const PREFIX_BYTES: usize = 12;
pub(super) const CRC_BYTES: usize = 4;

/// Why bytes of Redis cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// They are something else.
    #[error("it is no {0} of levelgate")]
    Magic(&'static str),
    /// The checksum does not match.
    #[error("the checksum of the {0} does not match")]
    Checksum(&'static str),
    /// A newer program wrote them.
    #[error(
        "the {what} has version {version}, which is newer than this program; start the version of levelgate that wrote \
         it, or a later one"
    )]
    Newer {
        /// The kind of frame.
        what: &'static str,
        /// The version of the frame.
        version: u32,
    },
    /// The checksum matches and a field is impossible. No program of this version writes such a frame.
    #[error("the {0} is whole but invalid: {1}")]
    Invalid(&'static str, &'static str),
    /// It belongs to another instance.
    #[error("the {what} belongs to instance {found}, not to {expected}")]
    Foreign {
        /// The kind of frame.
        what: &'static str,
        /// The instance of the frame.
        found: JournalId,
        /// The expected instance.
        expected: JournalId,
    },
}

/// The kind of a frame.
pub(super) struct FrameKind {
    pub(super) magic: &'static [u8; 8],
    pub(super) name: &'static str,
}

impl FrameKind {
    /// Begins a frame with room for so many bytes.
    pub(super) fn begin(&self, bytes: usize) -> Vec<u8> {
        let mut out = Vec::with_capacity(bytes);
        out.extend_from_slice(self.magic);
        out.extend_from_slice(&VERSION.to_le_bytes());
        out
    }

    /// The fields and the payload of a frame, after its checksum and its version were verified.
    pub(super) fn open<'a>(&self, frame: &'a [u8]) -> Result<&'a [u8], FormatError> {
        if !frame.starts_with(self.magic) {
            return Err(FormatError::Magic(self.name));
        }
        let checked = frame.split_last_chunk::<CRC_BYTES>();
        let Some((checked, crc)) = checked.filter(|(checked, _)| checked.len() >= PREFIX_BYTES) else {
            return Err(FormatError::Checksum(self.name));
        };
        if crc32c::crc32c(checked) != u32::from_le_bytes(*crc) {
            return Err(FormatError::Checksum(self.name));
        }
        let (prefix, fields) = checked.split_at(PREFIX_BYTES);
        let version = number_at::<4>(prefix, 8).map_or(0, u32::from_le_bytes);
        match version {
            VERSION => Ok(fields),
            0 => Err(FormatError::Invalid(self.name, "its version is 0")),
            version => Err(FormatError::Newer { what: self.name, version }),
        }
    }

    pub(super) fn invalid(&self, reason: &'static str) -> FormatError {
        FormatError::Invalid(self.name, reason)
    }

    pub(super) fn check_instance(&self, found: JournalId, expected: JournalId) -> Result<(), FormatError> {
        if found == expected { Ok(()) } else { Err(FormatError::Foreign { what: self.name, found, expected }) }
    }
}

/// Ends a frame with its checksum.
pub(super) fn end(mut frame: Vec<u8>) -> Vec<u8> {
    let crc = crc32c::crc32c(&frame);
    frame.extend_from_slice(&crc.to_le_bytes());
    frame
}

pub(super) fn number_at<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}
