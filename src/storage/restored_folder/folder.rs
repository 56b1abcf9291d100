//! A data folder that is being restored.

use crate::{
    domain::transaction::log_offset::LogOffset,
    storage::{
        fs::store::{File, Store},
        journal::{
            format::{
                segment_head::{RECORDS_FROM, SegmentHead},
                synced_file::SyncedFile,
            },
            model::{ids::Lsn, instance::Instance, paths::path_of},
            raw::{
                ingestion::{Whole, frames_of},
                raw_reader::RawReader,
                raw_records::RawRecords,
            },
        },
        keys::{self, KeyCounts, KeyEntry, Keys},
        restored_folder::{
            archived::ArchiveEnd,
            error::{RestoreError, failed},
            mark::{FOLDERS, MARK, check_empty, has_mark, remove_parts, set_mark},
            snapshot,
        },
    },
};
use std::sync::Arc;

/// The treatment of a group that has begun and not ended in the last range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IncompleteGroup {
    /// Its records are written and never count: no daemon continues the group.
    Write,
    /// Its records are left out: the folder continues to follow the daemon that writes them.
    LeaveOut,
}

/// A folder that is restored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Restored {
    /// The last record.
    pub last: Lsn,
    /// The epoch of the last record; 0 without records.
    pub epoch: u32,
    /// The number of segments.
    pub segments: u64,
}

/// The segment that is written to.
struct Segment {
    file: Arc<dyn File>,
    path: String,
    epoch: u32,
    len: u64,
}

/// A data folder that is being restored.
pub struct RestoredFolder {
    store: Arc<dyn Store>,
    instance: Instance,
    segment_bytes: u64,
    keys: Keys,
    /// The snapshot's last record.
    snapshot: Option<Lsn>,
    reader: Option<RawReader>,
    /// The end of the archive that was put in place.
    archive: Option<ArchiveEnd>,
    /// The first record of the copy.
    copied_from: Lsn,
    /// The first record that is written.
    first: Lsn,
    segment: Option<Segment>,
    segments: u64,
    /// The next record and its offset that are not written yet.
    next: Lsn,
    next_place: u64,
    /// The frames of a group that has not ended.
    unfinished: Vec<u8>,
}

impl RestoredFolder {
    /// Begins to restore into an empty folder, or into one in which a restore was not finished. `segment_bytes` is the length
    /// from which on a segment is full.
    ///
    /// # Errors
    /// The folder has data, or cannot be written.
    pub fn begin(store: Arc<dyn Store>, instance: Instance, segment_bytes: u64) -> Result<Self, RestoreError> {
        if has_mark(&*store)? {
            remove_parts(&*store)?;
        } else {
            check_empty(&*store)?;
            set_mark(&*store).map_err(failed(format!("making {MARK}")))?;
        }
        let archive = ArchiveEnd::find(&*store, instance.id)?;
        let keys = Keys::open(&*store, instance.id.0)?;
        Ok(Self {
            store,
            instance,
            segment_bytes,
            keys,
            snapshot: None,
            reader: None,
            archive,
            copied_from: Lsn::NONE,
            first: Lsn::NONE,
            segment: None,
            segments: 0,
            next: Lsn::NONE,
            next_place: 0,
            unfinished: Vec::new(),
        })
    }

    /// Adds keys, live or erased. The same key may be added again.
    ///
    /// # Errors
    /// They cannot be written.
    pub fn put_keys(&mut self, entries: &[KeyEntry]) -> Result<(), RestoreError> {
        self.keys.insert(entries)?;
        self.keys.write().map_err(failed(format!("writing {}", keys::PATH)))
    }

    /// How many keys were added.
    #[must_use]
    pub fn key_counts(&self) -> KeyCounts {
        self.keys.counts()
    }

    /// Writes the snapshot that contains the records up to `begin`, from the chunks of its bytes.
    ///
    /// # Errors
    /// A chunk cannot be read, it is another snapshot, or it cannot be written.
    pub fn put_snapshot(
        &mut self,
        begin: Lsn,
        chunks: &mut dyn Iterator<Item = Result<Vec<u8>, RestoreError>>,
    ) -> Result<(), RestoreError> {
        snapshot::put(&*self.store, &self.instance, begin, chunks)?;
        self.snapshot = Some(begin);
        Ok(())
    }

    /// Writes the next records. Records that were written before, or that the archive has, are skipped. `crc_before` is the
    /// checksum of the record before them, 0 before record 1.
    ///
    /// # Errors
    /// They are damaged, do not follow, or cannot be written.
    pub fn put_records(&mut self, records: &RawRecords, crc_before: u32) -> Result<(), RestoreError> {
        // The part that the archive has: the records up to this one.
        let archived = self.archive.filter(|archive| archive.last.0.saturating_add(1) >= records.first.0);
        let reader = match &mut self.reader {
            Some(reader) => reader,
            none => {
                self.copied_from = records.first;
                (self.first, self.next_place) = match archived {
                    Some(archive) => (Lsn(archive.last.0.saturating_add(1)), archive.end.0),
                    None => (records.first, records.begin.0),
                };
                self.next = self.first;
                none.insert(RawReader::new(self.instance.id, Lsn(records.first.0.saturating_sub(1))))
            }
        };
        if records.last <= reader.last() {
            return Ok(records.verify(self.instance.id)?);
        }
        let (prior_epoch, known) = (reader.epoch(), reader.last().max(Lsn(self.first.0.saturating_sub(1))));
        reader.read(records, &mut |_| {})?;
        if let Some(archive) = self.archive.filter(|archive| !archive.agrees_with(records, crc_before)) {
            let what =
                format!("record {} is another one than in the copy: they are of different lineages", archive.last);
            return Err(RestoreError::Archive { path: "archive".to_owned(), what });
        }
        if records.last <= known {
            return Ok(());
        }
        let is_open = reader.has_open_group();
        let rest = if records.first <= known { records.after(known) } else { None };
        let records = rest.as_ref().unwrap_or(records);
        let group = std::mem::take(&mut self.unfinished);
        if records.epoch != prior_epoch && !group.is_empty() {
            // The group before the epoch never ends.
            self.write(&group, prior_epoch, Lsn(records.first.0.saturating_sub(1)))?;
            return self.write_whole(records, &[], is_open);
        }
        self.write_whole(records, &group, is_open)
    }

    fn write_whole(&mut self, records: &RawRecords, group: &[u8], is_open: bool) -> Result<(), RestoreError> {
        let whole = Whole::of(records, is_open);
        let (now, later) = records.bytes.split_at_checked(whole.bytes).unwrap_or_default();
        match whole.last {
            Some(last) => {
                self.write(&[group, now].concat(), records.epoch, last)?;
                self.unfinished = later.to_vec();
            }
            None => self.unfinished = [group, later].concat(),
        }
        Ok(())
    }

    /// Writes frames that end with a record and with no group open.
    fn write(&mut self, frames: &[u8], epoch: u32, last: Lsn) -> Result<(), RestoreError> {
        let is_full = |segment: &Segment| segment.epoch != epoch || segment.len > self.segment_bytes;
        if self.segment.as_ref().is_none_or(is_full) {
            self.seal()?;
            let (id, first_lsn) = (self.instance.id, self.next);
            let first_offset = LogOffset(self.next_place);
            let head = SegmentHead { epoch, id, first_lsn, first_offset, synced: Lsn::NONE };
            let path = path_of(first_lsn);
            let making = || failed(format!("making {path}"));
            let file = self.store.create(&path).map_err(making())?;
            file.write_at(&head.encode(), 0).map_err(making())?;
            self.segment = Some(Segment { file, path: path.clone(), epoch, len: RECORDS_FROM });
            self.segments += 1;
        }
        let bytes = u64::try_from(frames.len()).unwrap_or(u64::MAX);
        if let Some(segment) = &mut self.segment {
            let written = segment.file.write_at(frames, segment.len);
            written.map_err(failed(format!("writing {}", segment.path)))?;
            segment.len = segment.len.saturating_add(bytes);
        }
        (self.next, self.next_place) = (Lsn(last.0.saturating_add(1)), self.next_place.saturating_add(bytes));
        Ok(())
    }

    fn seal(&mut self) -> Result<(), RestoreError> {
        let Some(segment) = self.segment.take() else { return Ok(()) };
        segment.file.sync().map_err(failed(format!("syncing {}", segment.path)))
    }

    /// Checks that the parts belong together, makes everything durable, and lets daemons start on the folder.
    ///
    /// # Errors
    /// Records are missing, the snapshot is damaged, or a file cannot be written. The restore can be repeated.
    pub fn finish(mut self, group: IncompleteGroup) -> Result<Restored, RestoreError> {
        let epoch = self.reader.as_ref().map_or(0, RawReader::epoch);
        let frames = std::mem::take(&mut self.unfinished);
        if group == IncompleteGroup::Write && frames_of(&frames).next().is_some() {
            let last = self.reader.as_ref().map_or(Lsn::NONE, RawReader::last);
            self.write(&frames, epoch, last)?;
        }
        self.seal()?;
        let copied = self.reader.as_ref().map_or(Lsn::NONE, RawReader::last);
        if let Some(archive) = self.archive.filter(|archive| archive.last >= copied) {
            return Err(RestoreError::ArchiveAhead { archive: archive.last, last: copied });
        }
        let has_records = self.segments > 0;
        let last = if has_records { Lsn(self.next.0.saturating_sub(1)) } else { self.snapshot.unwrap_or(Lsn::NONE) };
        self.finish_snapshot(has_records, last)?;
        for folder in FOLDERS {
            self.store.sync_folder(folder).map_err(failed(format!("syncing {folder}")))?;
        }
        self.keys.sync().map_err(failed(format!("syncing {}", keys::PATH)))?;
        self.instance.write(&*self.store)?;
        SyncedFile::begin(&*self.store, self.instance.id, last)?;
        let removed = self.store.remove(MARK).and_then(|()| self.store.sync_folder(""));
        removed.map_err(failed(format!("removing {MARK}")))?;
        Ok(Restored { last, epoch, segments: self.segments })
    }

    /// Finishes the snapshot. Checks that no record is missing between it and the last record.
    fn finish_snapshot(&self, has_records: bool, last: Lsn) -> Result<(), RestoreError> {
        let from = Lsn(self.snapshot.unwrap_or(Lsn::NONE).0.saturating_add(1));
        if has_records && self.copied_from > from {
            return Err(RestoreError::BeginningMissing { from, first: self.copied_from });
        }
        let Some(begin) = self.snapshot else { return Ok(()) };
        let records_from = if has_records { self.first } else { Lsn(u64::MAX) };
        let needed = snapshot::finish(&*self.store, &self.instance, begin, records_from)?.max(begin);
        if needed <= last { Ok(()) } else { Err(RestoreError::EndMissing { needed, last }) }
    }
}
