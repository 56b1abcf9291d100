//! The segment that is written to.

use crate::{
    domain::transaction::log_offset::LogOffset,
    storage::{
        fs::store::{File, Store},
        journal::{
            format::segment_head::{RECORDS_FROM, SegmentHead},
            model::{
                error::OpenError,
                ids::{JournalId, Lsn},
                paths::{FOLDER, path_of},
                segment_info::SegmentInfo,
            },
            state::segment_lock,
        },
        recovery::scan::Recovered,
    },
};
use std::{io, sync::Arc};

/// The segment that is written to.
#[derive(Clone)]
pub(in crate::storage) struct NewestSegment {
    pub(in crate::storage) file: Arc<dyn File>,
    pub(in crate::storage) path: String,
    /// How far it is written.
    pub(in crate::storage) offset: LogOffset,
    pub(in crate::storage) last: Lsn,
}

/// The writer of the current segment. Its holder is the leader of the group commit.
pub(in crate::storage) struct Writer {
    pub(in crate::storage) file: Arc<dyn File>,
    pub(in crate::storage) path: String,
    pub(in crate::storage) epoch: u32,
    pub(in crate::storage) first_lsn: Lsn,
    pub(in crate::storage) first_offset: LogOffset,
    /// How far it has written.
    pub(in crate::storage) offset: LogOffset,
    pub(in crate::storage) last: Lsn,
    pub(in crate::storage) scratch: Vec<u8>,
}

/// Creates the file of a segment. Its head and its name are durable.
fn create(store: &dyn Store, head: &SegmentHead) -> io::Result<Arc<dyn File>> {
    let file = store.create(&path_of(head.first_lsn))?;
    file.write_at(&head.encode(), 0)?;
    file.sync()?;
    store.sync_folder(FOLDER)?;
    Ok(file)
}

impl Writer {
    /// Begins the first segment of a start.
    pub(in crate::storage) fn begin(store: &dyn Store, id: JournalId, found: &Recovered) -> Result<Self, OpenError> {
        let (last, epoch, offset) = (found.recovery.last, found.recovery.epoch, found.end);
        let first_lsn = Lsn(last.0.saturating_add(1));
        // Recovery has synced all records that it found.
        let head = SegmentHead { epoch, id, first_lsn, first_offset: offset, synced: last };
        let path = path_of(first_lsn);
        let file = create(store, &head).map_err(|source| OpenError::Io { what: format!("making {path}"), source })?;
        segment_lock::lock(&*file, &path)?;
        Ok(Self { file, path, epoch, first_lsn, first_offset: offset, offset, last, scratch: Vec::new() })
    }

    pub(in crate::storage) fn info(&self) -> SegmentInfo {
        SegmentInfo {
            first_lsn: self.first_lsn,
            first_offset: self.first_offset,
            end_offset: self.offset,
            last: self.last,
            path: self.path.clone(),
            sealed: false,
        }
    }

    pub(in crate::storage) fn newest(&self) -> NewestSegment {
        NewestSegment { file: Arc::clone(&self.file), path: self.path.clone(), offset: self.offset, last: self.last }
    }

    pub(in crate::storage) fn has_records(&self) -> bool {
        self.last >= self.first_lsn
    }

    /// The offset in the file of an offset in the journal.
    pub(in crate::storage) fn file_offset(&self, offset: LogOffset) -> u64 {
        RECORDS_FROM.saturating_add(offset.0.saturating_sub(self.first_offset.0))
    }
}
