//! A raw range, and its check.

use crate::{
    domain::transaction::log_offset::LogOffset,
    storage::journal::{
        format::frame::{self, Body, Flaw, Framed},
        model::ids::{JournalId, Lsn},
    },
};

/// Verbatim bytes of whole records of one segment, with the batch headers before them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawRecords {
    /// The number of the daemon's start that wrote them.
    pub epoch: u32,
    /// The first record.
    pub first: Lsn,
    /// The last record.
    pub last: Lsn,
    /// The offset of the first byte.
    pub begin: LogOffset,
    /// The bytes.
    pub bytes: Vec<u8>,
    /// The checksum of the last record.
    pub last_crc: u32,
}

/// Why a raw range is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RawFlaw {
    /// The bytes of a record are damaged.
    #[error("record {lsn} is damaged: {flaw}")]
    Bytes {
        /// The expected number.
        lsn: Lsn,
        /// The flaw.
        flaw: Flaw,
    },
    /// A record has another number than the next one.
    #[error("record {found} is where record {expected} is expected")]
    Number {
        /// The found number.
        found: Lsn,
        /// The expected number.
        expected: Lsn,
    },
    /// A record has another epoch than its range, or the range an earlier one than the range before it.
    #[error("record {lsn} is of start {found}, and start {expected} is expected")]
    Epoch {
        /// The record.
        lsn: Lsn,
        /// The found epoch.
        found: u32,
        /// The expected epoch, or the earliest one.
        expected: u32,
    },
    /// A batch header belongs to another journal.
    #[error("the records belong to journal {0}")]
    Foreign(JournalId),
    /// The range begins at another offset than the one before it ends.
    #[error("record {lsn} begins at offset {}, and offset {} is expected", .found.0, .expected.0)]
    Offset {
        /// The first record.
        lsn: Lsn,
        /// The found offset.
        found: LogOffset,
        /// The expected offset.
        expected: LogOffset,
    },
    /// The last record has another checksum than the range names.
    #[error("record {lsn} has another checksum than its range names")]
    LastCrc {
        /// The last record.
        lsn: Lsn,
    },
    /// A record does not belong to its group.
    #[error("record {lsn}: {what}")]
    Group {
        /// The record.
        lsn: Lsn,
        /// The flaw.
        what: &'static str,
    },
}

/// A record of a range, and its place in the bytes.
#[derive(Debug, Clone, Copy)]
pub(in crate::storage) struct RawRecord<'a> {
    /// The index of its first byte.
    pub(in crate::storage) at: usize,
    pub(in crate::storage) framed: Framed<'a>,
}

impl RawRecord<'_> {
    /// The index after its last byte.
    pub(in crate::storage) fn end(&self) -> usize {
        self.at.saturating_add(self.framed.bytes)
    }
}

impl RawRecords {
    /// The records of these bytes, whose last checksum the bytes tell. Nothing is verified: see [`RawRecords::verify`].
    #[must_use]
    pub fn of(epoch: u32, (first, last): (Lsn, Lsn), begin: LogOffset, bytes: Vec<u8>) -> Self {
        let mut records = Self { epoch, first, last, begin, bytes, last_crc: 0 };
        let last_crc = records.records().last().map(|record| record.framed.crc);
        records.last_crc = last_crc.unwrap_or(0);
        records
    }

    /// The frames without batch headers.
    fn records(&self) -> impl Iterator<Item = RawRecord<'_>> {
        self.frames().filter(|record| !matches!(record.framed.body, Body::Batch { .. }))
    }

    /// The checksum of a record, and the offset where the range or the record after it continues. `None`: the range does
    /// not contain it.
    pub(in crate::storage) fn crc_and_end_of(&self, lsn: Lsn) -> Option<(u32, LogOffset)> {
        let record = self.records().find(|record| record.framed.head.lsn == lsn)?;
        let end = if lsn == self.last { self.end() } else { self.offset(record.end()) };
        Some((record.framed.crc, end))
    }

    /// The offset after the last byte.
    #[must_use]
    pub fn end(&self) -> LogOffset {
        self.offset(self.bytes.len())
    }

    /// The offset in the journal of an index of the bytes.
    pub(in crate::storage) fn offset(&self, at: usize) -> LogOffset {
        LogOffset(self.begin.0.saturating_add(u64::try_from(at).unwrap_or(u64::MAX)))
    }

    /// The frames, batch headers included, up to the first bytes that are no frame.
    pub(in crate::storage) fn frames(&self) -> impl Iterator<Item = RawRecord<'_>> {
        let mut at = 0;
        std::iter::from_fn(move || {
            let framed = frame::parse_checked(self.bytes.get(at..).filter(|rest| !rest.is_empty())?).ok()?;
            let record = RawRecord { at, framed };
            at = record.end();
            Some(record)
        })
    }

    /// Checks every byte: checksums, consecutive numbers, one epoch, the journal's id in each batch header, and that the range
    /// names its first and last record and the checksum of the last one.
    ///
    /// # Errors
    /// The range was not read from this journal, or was changed.
    pub fn verify(&self, id: JournalId) -> Result<(), RawFlaw> {
        let (mut at, mut next, mut last_crc) = (0, self.first, None);
        while let Some(rest) = self.bytes.get(at..).filter(|rest| !rest.is_empty()) {
            let framed = frame::parse(rest).map_err(|flaw| RawFlaw::Bytes { lsn: next, flaw })?;
            let (found, epoch) = (framed.head.lsn, framed.head.epoch);
            if found != next {
                return Err(RawFlaw::Number { found, expected: next });
            }
            if epoch != self.epoch {
                return Err(RawFlaw::Epoch { lsn: next, found: epoch, expected: self.epoch });
            }
            match framed.body {
                Body::Batch { id: named, .. } if named != id => return Err(RawFlaw::Foreign(named)),
                Body::Batch { .. } => {}
                _ => (next, last_crc) = (Lsn(next.0.saturating_add(1)), Some(framed.crc)),
            }
            at = at.saturating_add(framed.bytes);
        }
        if next.0 != self.last.0.saturating_add(1) || last_crc.is_none() {
            return Err(RawFlaw::Number { found: Lsn(next.0.saturating_sub(1)), expected: self.last });
        }
        if last_crc == Some(self.last_crc) { Ok(()) } else { Err(RawFlaw::LastCrc { lsn: self.last }) }
    }

    /// The part of a verified range after a record of it; `None`: the range ends with or before the record.
    #[must_use]
    pub fn after(&self, lsn: Lsn) -> Option<Self> {
        if lsn < self.first {
            return Some(self.clone());
        }
        if lsn >= self.last {
            return None;
        }
        let is_it =
            |record: &RawRecord<'_>| record.framed.head.lsn == lsn && !matches!(record.framed.body, Body::Batch { .. });
        let at = self.frames().find(is_it)?.end();
        let (first, begin) = (Lsn(lsn.0.saturating_add(1)), self.offset(at));
        Some(Self { first, begin, bytes: self.bytes.get(at..)?.to_vec(), ..*self })
    }
}
