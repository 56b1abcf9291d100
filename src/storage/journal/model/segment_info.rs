//! A segment of a running journal.

use crate::{
    domain::transaction::log_offset::LogOffset,
    storage::{
        journal::{
            format::segment_head::RECORDS_FROM,
            model::{ids::Lsn, paths::ARCHIVE},
        },
        snapshot::SegmentDto,
    },
};

/// A segment of a running journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentInfo {
    /// The number of its first record, which is the name of its file.
    pub first_lsn: Lsn,
    /// The offset of its first record.
    pub first_offset: LogOffset,
    /// The offset after its last record.
    pub end_offset: LogOffset,
    /// The number of its last record; one less than the first if it is empty.
    pub last: Lsn,
    /// Its path, from the data folder on.
    pub path: String,
    /// Whether the next segment has begun, so that this one is never written again.
    pub sealed: bool,
}

impl SegmentInfo {
    /// The length of its file, if it is sealed.
    #[must_use]
    pub fn file_bytes(&self) -> u64 {
        RECORDS_FROM.saturating_add(self.end_offset.0.saturating_sub(self.first_offset.0))
    }

    /// Whether it was moved to the archive.
    #[must_use]
    pub fn is_archived(&self) -> bool {
        self.path.starts_with(ARCHIVE)
    }

    /// Its entry in the archive list.
    pub(in crate::storage) fn listed(&self, crc: u32) -> SegmentDto {
        SegmentDto { first_lsn: self.first_lsn.0, last_lsn: self.last.0, bytes: self.file_bytes(), crc }
    }
}
