//! Batches of records.

use crate::{
    domain::transaction::log_offset::LogOffset,
    replication::format::frame::{CRC_BYTES, FormatError, FrameKind, PREFIX_BYTES, end, number_at},
    storage::journal::{JournalId, Lsn},
};

const KIND: FrameKind = FrameKind { magic: b"LGBATCH\0", name: "batch" };
/// The bytes of the fields after the prefix.
const FIELDS_BYTES: usize = 52;

/// A batch: consecutive records of one segment, byte for byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Batch<'a> {
    /// The epoch of its records.
    pub epoch: u32,
    /// The number of its first record.
    pub first: Lsn,
    /// The number of its last record.
    pub last: Lsn,
    /// The log offset of its first byte.
    pub begin: LogOffset,
    /// The checksum of the record before it; 0 before record 1.
    pub crc_before: u32,
    /// The records.
    pub bytes: &'a [u8],
}

impl Batch<'_> {
    /// The log offset after its last byte.
    #[must_use]
    pub fn end(&self) -> LogOffset {
        LogOffset(self.begin.0.saturating_add(u64::try_from(self.bytes.len()).unwrap_or(u64::MAX)))
    }
}

/// The bytes of a batch.
#[must_use]
pub fn encode_batch(instance: JournalId, batch: &Batch<'_>) -> Vec<u8> {
    let mut out = KIND.begin(PREFIX_BYTES + FIELDS_BYTES + batch.bytes.len() + CRC_BYTES);
    out.extend_from_slice(&instance.0);
    out.extend_from_slice(&batch.epoch.to_le_bytes());
    out.extend_from_slice(&batch.first.0.to_le_bytes());
    out.extend_from_slice(&batch.last.0.to_le_bytes());
    out.extend_from_slice(&batch.begin.0.to_le_bytes());
    out.extend_from_slice(&batch.crc_before.to_le_bytes());
    out.extend_from_slice(&u32::try_from(batch.bytes.len()).unwrap_or(u32::MAX).to_le_bytes());
    out.extend_from_slice(batch.bytes);
    end(out)
}

/// The batch in a frame.
///
/// # Errors
/// The frame is damaged, newer than this program, or of another instance.
pub fn decode_batch(instance: JournalId, frame: &[u8]) -> Result<Batch<'_>, FormatError> {
    let (fields, bytes) =
        KIND.open(frame)?.split_at_checked(FIELDS_BYTES).ok_or(KIND.invalid("it ends inside its fields"))?;
    let read = || {
        Some((
            JournalId(number_at(fields, 0)?),
            Batch {
                epoch: u32::from_le_bytes(number_at(fields, 16)?),
                first: Lsn(u64::from_le_bytes(number_at(fields, 20)?)),
                last: Lsn(u64::from_le_bytes(number_at(fields, 28)?)),
                begin: LogOffset(u64::from_le_bytes(number_at(fields, 36)?)),
                crc_before: u32::from_le_bytes(number_at(fields, 44)?),
                bytes,
            },
            u32::from_le_bytes(number_at(fields, 48)?),
        ))
    };
    let (found, batch, length) = read().ok_or(KIND.invalid("it ends inside its fields"))?;
    KIND.check_instance(found, instance)?;
    if u32::try_from(bytes.len()) != Ok(length) {
        return Err(KIND.invalid("its length is not that of its records"));
    }
    if batch.first > batch.last || batch.first == Lsn::NONE {
        return Err(KIND.invalid("its numbers are not in order"));
    }
    Ok(batch)
}
