//! Writes the records of another daemon to this journal, byte for byte.
//!
//! A journal that ingests adds neither batch headers nor records. It divides the records into segments where it
//! likes, but never inside a group, and begins a segment with each epoch. [`Journal::begin_epoch`] makes it an ordinary
//! journal again.

use crate::storage::journal::{
    format::segment_head::SegmentHead,
    log::Journal,
    model::{
        error::{Failed, ReadError},
        ids::Lsn,
        options::Sync,
        paths::NEXT,
    },
    raw::{
        following_mark,
        ingestion::{Ingestion, Whole, frames_of, last_shared},
        raw_reader::RawReader,
        raw_records::{RawFlaw, RawRecord, RawRecords},
    },
    state::{files::Files, positions::RecordPosition, segment_writer::Writer},
    write::{BatchMode, StepResult, describe_error},
};
use std::sync::{Arc, atomic::Ordering};

/// Why records of another daemon were not ingested.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    /// The journal has appended records since the start, or it has no files.
    #[error("the journal has appended records since the start, so it cannot follow another daemon; restart the daemon")]
    Appends,
    /// They are damaged, or do not follow.
    #[error(transparent)]
    Flaw(#[from] RawFlaw),
    /// The other daemon has another record with the same number.
    #[error("record {lsn} differs from the record with this number in the journal: they are of different lineages")]
    Diverged {
        /// The record.
        lsn: Lsn,
    },
    /// The last record of the journal cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The journal has failed.
    #[error(transparent)]
    Failed(#[from] Failed),
}

impl Journal {
    /// Appends verbatim records that another daemon wrote, and syncs them with [`Sync::Always`]. Only a journal that appends
    /// nothing itself may ingest. Records that it has already are skipped. The records of a group are written with its end.
    /// Blocks.
    ///
    /// # Errors
    /// The records are damaged, do not follow the last one, or belong to another lineage: nothing was changed. Or the journal
    /// has failed.
    pub fn ingest(&self, records: &RawRecords) -> Result<(), IngestError> {
        let files = self.files.as_ref().ok_or(IngestError::Appends)?;
        self.check()?;
        let mut ingestion = self.ingestion.lock();
        let state = match &mut *ingestion {
            Some(state) => state,
            none => none.insert(self.begin_ingestion(files)?),
        };
        let Some(rest) = self.unknown_part(state, files, records)? else { return Ok(()) };
        let records = rest.as_ref().unwrap_or(records);
        let prior_epoch = state.reader.epoch();
        state.reader.read(records, &mut |_| {})?;
        state.last = Some((records.epoch, records.last_crc));
        let whole = Whole::of(records, state.reader.has_open_group());
        let begins_epoch = records.epoch != prior_epoch;
        let group = std::mem::take(&mut state.unfinished);
        let (now, later) = records.bytes.split_at_checked(whole.bytes).unwrap_or_default();
        // A range without a whole record continues the group.
        state.unfinished =
            if whole.last.is_none() && !begins_epoch { [&group, later].concat() } else { later.to_vec() };
        let mut rotated = false;
        if whole.last.is_some() || begins_epoch {
            let mut lead = self.lock_writer(files);
            let segment = lead.first_lsn;
            if begins_epoch {
                let before = Lsn(records.first.0.saturating_sub(1));
                self.write_incomplete(files, &mut lead, (&group, prior_epoch), before)?;
            }
            let begun = self.begin_segment(files, &mut lead, records.epoch);
            begun.map_err(|cause| self.fail(&cause))?;
            if let Some(last) = whole.last {
                let group: &[u8] = if begins_epoch { &[] } else { &group };
                self.write_raw(files, &mut lead, (group, now), last)?;
                if let Some(shared) = last_shared(records) {
                    self.marks.shared.store(shared.0.min(last.0), Ordering::Release);
                }
            }
            rotated = lead.first_lsn != segment;
        }
        if self.options.sync == Sync::Always {
            self.sync()?;
        } else if rotated {
            self.finish_rotation()?;
        }
        Ok(())
    }

    /// Begins ingesting before the first records are there: from now on an appended record fails the journal. Blocks.
    ///
    /// # Errors
    /// The journal has appended records since the start, or has failed.
    pub fn begin_following(&self) -> Result<(), IngestError> {
        let files = self.files.as_ref().ok_or(IngestError::Appends)?;
        self.check()?;
        let mut ingestion = self.ingestion.lock();
        if ingestion.is_none() {
            *ingestion = Some(self.begin_ingestion(files)?);
        }
        Ok(())
    }

    fn begin_ingestion(&self, files: &Files) -> Result<Ingestion, IngestError> {
        if !self.buffer.lock().begin_following() {
            return Err(IngestError::Appends);
        }
        let mark = self.record_mark(self.last())?;
        let epoch = mark.map_or(0, |mark| mark.epoch);
        let reader = RawReader::at(files.id, self.last(), self.end(), epoch);
        let made = describe_error("making", following_mark::PATH, following_mark::set(&*files.store));
        made.map_err(|cause| self.fail(&cause))?;
        Ok(Ingestion { reader, last: mark.map(|mark| (mark.epoch, mark.crc)), unfinished: Vec::new() })
    }

    /// The part of a range that was not ingested yet. `None`: nothing of it; `Some(None)`: all of it. The known part must be
    /// the same as in this journal.
    fn unknown_part(
        &self,
        state: &Ingestion,
        files: &Files,
        records: &RawRecords,
    ) -> Result<Option<Option<RawRecords>>, IngestError> {
        let known = state.reader.last();
        if records.first > known {
            return Ok(Some(None));
        }
        records.verify(files.id)?;
        let common = records.last.min(known);
        let is_it = |record: &RawRecord<'_>| record.framed.head.lsn == common;
        let found = records.frames().filter(is_it).last();
        let found = found.map(|record| (record.framed.head.epoch, record.framed.crc));
        let ours = match common == known {
            true => state.last,
            false => self.record_mark(common)?.map(|mark| (mark.epoch, mark.crc)),
        };
        if ours.is_some_and(|ours| found != Some(ours)) {
            return Err(IngestError::Diverged { lsn: common });
        }
        Ok(records.after(known).map(Some))
    }

    /// Adds frames up to a record to the tail and writes them.
    fn write_raw(
        &self,
        files: &Files,
        writer: &mut Writer,
        (group, frames): (&[u8], &[u8]),
        last: Lsn,
    ) -> Result<(), Failed> {
        if group.is_empty() && frames.is_empty() {
            return Ok(());
        }
        let mut buffer = self.buffer.lock();
        // Their events are not looked at: an audit reads all of them.
        let first = RecordPosition { lsn: Lsn(buffer.last().0.saturating_add(1)), offset: buffer.end() };
        buffer.put_raw(frames_of(group).chain(frames_of(frames)), last, &self.marks);
        self.audited.lock().mark(first, last);
        self.publish(buffer);
        self.write_batch(files, writer, BatchMode::Blocking).map(drop)
    }

    /// Writes a group that never ends, because another epoch begins after its last record.
    fn write_incomplete(
        &self,
        files: &Files,
        writer: &mut Writer,
        (group, epoch): (&[u8], u32),
        last: Lsn,
    ) -> Result<(), Failed> {
        if group.is_empty() {
            return Ok(());
        }
        self.begin_segment(files, writer, epoch).map_err(|cause| self.fail(&cause))?;
        self.write_raw(files, writer, (group, &[]), last)
    }

    /// Begins a segment with another epoch. A segment without records is replaced.
    fn begin_segment(&self, files: &Files, writer: &mut Writer, epoch: u32) -> StepResult<()> {
        if writer.epoch == epoch {
            return Ok(());
        }
        if writer.has_records() {
            writer.epoch = epoch;
            return match self.next_segment(files, writer)? {
                true => Ok(()),
                false => Err(format!("the file of the next segment, {NEXT}, cannot be created")),
            };
        }
        let mut preparing = files.next.preparing.lock();
        if !files.next.prepare(&mut preparing, &*files.store) {
            return Err(format!("the file of the next segment, {NEXT}, cannot be created"));
        }
        let file = files.next.ready.lock().take().ok_or_else(|| format!("{NEXT} is missing"))?;
        let (first_lsn, first_offset) = (writer.first_lsn, writer.first_offset);
        let head = SegmentHead { epoch, id: files.id, first_lsn, first_offset, synced: self.synced() };
        describe_error("writing", NEXT, file.write_at(&head.encode(), 0))?;
        // Another file already has the name, so a power cut must not leave it with a torn head.
        describe_error("syncing", NEXT, file.sync())?;
        // With this lock the check that files are at their paths sees both changes or none.
        let mut newest = files.newest.lock();
        let path = writer.path.clone();
        describe_error("renaming", &format!("{NEXT} to {path}"), files.store.rename(NEXT, &path))?;
        (writer.file, writer.epoch) = (file, epoch);
        *newest = writer.newest();
        drop(newest);
        files.handles.lock().put(first_lsn, Arc::clone(&writer.file));
        files.unsynced.lock().names = true;
        Ok(())
    }

    /// Ends ingesting: syncs everything, and begins a segment with the next epoch. A group that has not ended is written as
    /// it is, and never counts. A journal that ingested nothing is not changed. Blocks.
    ///
    /// # Errors
    /// The journal has failed.
    pub fn begin_epoch(&self) -> Result<(), Failed> {
        let Some(files) = &self.files else { return self.check() };
        self.check()?;
        let mut ingestion = self.ingestion.lock();
        let Some(state) = &*ingestion else { return Ok(()) };
        {
            let mut lead = self.lock_writer(files);
            let group = (state.unfinished.as_slice(), state.reader.epoch());
            self.write_incomplete(files, &mut lead, group, state.reader.last())?;
        }
        self.sync()?;
        {
            let mut lead = self.lock_writer(files);
            if lead.has_records() || lead.epoch <= state.reader.epoch() {
                let next = state.reader.epoch().checked_add(1).ok_or("the number of the start is too high".to_owned());
                let begun = next.and_then(|next| self.begin_segment(files, &mut lead, next));
                begun.map_err(|cause| self.fail(&cause))?;
            }
            self.buffer.lock().end_following(lead.epoch);
        }
        self.sync()?;
        following_mark::clear(&*files.store).map_err(|error| self.fail(&error.to_string()))?;
        self.prepare_next();
        *ingestion = None;
        Ok(())
    }
}
