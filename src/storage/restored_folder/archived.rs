//! The archive that an operator has put in place before a restore. Its segments are byte for byte those of the journal, so
//! the restored records continue after them.

use crate::{
    domain::transaction::log_offset::LogOffset,
    storage::{
        fs::store::Store,
        journal::{
            format::{
                frame::Body,
                segment_reader::{SegmentReader, SegmentReaderError, Step},
            },
            model::{
                ids::{JournalId, Lsn},
                paths::{ARCHIVE, number_of},
            },
            raw::raw_records::RawRecords,
        },
        restored_folder::error::{RestoreError, failed},
    },
};

/// The last record of the archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ArchiveEnd {
    pub(super) last: Lsn,
    epoch: u32,
    crc: u32,
    pub(super) end: LogOffset,
}

impl ArchiveEnd {
    /// Reads the newest segment of the archive. `None`: the archive has none.
    pub(super) fn find(store: &dyn Store, id: JournalId) -> Result<Option<Self>, RestoreError> {
        let names = store.list(ARCHIVE).map_err(failed(format!("listing {ARCHIVE}")))?;
        let newest = names.iter().filter_map(|name| Some((number_of(name)?, name))).max();
        let Some((_, name)) = newest else { return Ok(None) };
        let path = format!("{ARCHIVE}/{name}");
        let unusable = |what: String| RestoreError::Archive { path: path.clone(), what };
        let mut reader = match SegmentReader::open(store, &path) {
            Ok(reader) => reader,
            Err(SegmentReaderError::Io(source)) => return Err(failed(format!("reading {path}"))(source)),
            Err(SegmentReaderError::Head(flaw)) => return Err(unusable(flaw.to_string())),
        };
        if reader.head().id != id {
            return Err(unusable(format!("it belongs to journal {}, and the copy to journal {id}", reader.head().id)));
        }
        let mut crc = None;
        loop {
            match reader.step().map_err(failed(format!("reading {path}")))? {
                Step::End => break,
                Step::Damage(damage) => return Err(unusable(damage.flaw.to_string())),
                Step::Record(record) => {
                    if !matches!(record.framed.body, Body::Batch { .. }) {
                        crc = Some(record.framed.crc);
                    }
                }
            }
        }
        let crc = crc.ok_or_else(|| unusable("it has no record".to_owned()))?;
        let last = Lsn(reader.next_lsn().0.saturating_sub(1));
        Ok(Some(Self { last, epoch: reader.epoch(), crc, end: reader.log_offset() }))
    }

    /// Whether verified records continue the archive, or contain its last record byte for byte.
    pub(super) fn agrees_with(&self, records: &RawRecords, crc_before: u32) -> bool {
        if records.first.0 == self.last.0.saturating_add(1) {
            return records.begin == self.end && records.epoch >= self.epoch && crc_before == self.crc;
        }
        match records.crc_and_end_of(self.last) {
            Some((crc, end)) => (crc, end) == (self.crc, self.end) && records.epoch == self.epoch,
            // The record is in other records.
            None => true,
        }
    }
}
