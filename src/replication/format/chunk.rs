//! Chunks of a snapshot.

use crate::{
    replication::format::frame::{CRC_BYTES, FormatError, FrameKind, PREFIX_BYTES, end, number_at},
    storage::journal::{JournalId, Lsn},
};

const KIND: FrameKind = FrameKind { magic: b"LGCHUNK\0", name: "chunk of a snapshot" };
/// The bytes of the fields after the prefix.
const FIELDS_BYTES: usize = 32;

/// The most bytes of a snapshot in one chunk.
pub const CHUNK_BYTES_MAX: usize = 1024 * 1024;

/// A chunk of a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chunk<'a> {
    /// The last record before the snapshot began, which names the snapshot.
    pub begin: Lsn,
    /// The index of the chunk, from 0 on.
    pub index: u32,
    /// Its part of the snapshot.
    pub bytes: &'a [u8],
}

/// The bytes of a chunk.
#[must_use]
pub fn encode_chunk(instance: JournalId, chunk: &Chunk<'_>) -> Vec<u8> {
    let mut out = KIND.begin(PREFIX_BYTES + FIELDS_BYTES + chunk.bytes.len() + CRC_BYTES);
    out.extend_from_slice(&instance.0);
    out.extend_from_slice(&chunk.begin.0.to_le_bytes());
    out.extend_from_slice(&chunk.index.to_le_bytes());
    out.extend_from_slice(&u32::try_from(chunk.bytes.len()).unwrap_or(u32::MAX).to_le_bytes());
    out.extend_from_slice(chunk.bytes);
    end(out)
}

/// The chunk in a frame.
///
/// # Errors
/// The frame is damaged, newer than this program, or of another instance.
pub fn decode_chunk(instance: JournalId, frame: &[u8]) -> Result<Chunk<'_>, FormatError> {
    let (fields, bytes) =
        KIND.open(frame)?.split_at_checked(FIELDS_BYTES).ok_or(KIND.invalid("it ends inside its fields"))?;
    let read = || {
        Some((
            JournalId(number_at(fields, 0)?),
            Chunk {
                begin: Lsn(u64::from_le_bytes(number_at(fields, 16)?)),
                index: u32::from_le_bytes(number_at(fields, 24)?),
                bytes,
            },
            u32::from_le_bytes(number_at(fields, 28)?),
        ))
    };
    let (found, chunk, length) = read().ok_or(KIND.invalid("it ends inside its fields"))?;
    KIND.check_instance(found, instance)?;
    if u32::try_from(bytes.len()) != Ok(length) {
        return Err(KIND.invalid("its length is not that of its bytes"));
    }
    Ok(chunk)
}
