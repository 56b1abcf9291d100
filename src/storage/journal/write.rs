//! Writes batches to files, and syncs them.

use crate::{
    domain::transaction::log_offset::LogOffset,
    storage::{
        fs::store::folder_of,
        journal::{
            log::Journal,
            model::{
                error::Failed,
                ids::Lsn,
                options::Sync,
                paths::{ARCHIVE, FOLDER},
                segment_info::SegmentInfo,
            },
            state::{
                files::{Files, Unsynced},
                segment_writer::{NewestSegment, Writer},
            },
        },
    },
};
use std::{io, sync::atomic::Ordering, time::Instant};

/// The result of a step. The error becomes the cause of the journal's failure.
pub(in crate::storage) type StepResult<T> = Result<T, String>;

pub(in crate::storage) fn describe_error<T>(what: &str, path: &str, result: io::Result<T>) -> StepResult<T> {
    result.map_err(|error| format!("{what} {path}: {error}"))
}

/// The additional duties of a write of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::storage) enum BatchMode {
    /// Wait for locks that are held across system calls, and rotate.
    Blocking,
    /// Only write.
    WriteOnly,
}

/// Tasks write to a full segment up to this multiple of its configured length.
const SEGMENT_LENGTHS_MAX: u64 = 2;

impl Journal {
    /// Writes the buffered records as one batch and returns true. Returns false in [`BatchMode::WriteOnly`] if it would have
    /// to wait for a lock or to rotate.
    pub(in crate::storage) fn write_batch(
        &self,
        files: &Files,
        writer: &mut Writer,
        mode: BatchMode,
    ) -> Result<bool, Failed> {
        self.check()?;
        let (to, last, since) = self.buffer.lock().end_batch();
        if to == writer.offset {
            return Ok(true);
        }
        self.pace.begin_batch(since);
        let started = Instant::now();
        let wrote = self.write_to(files, writer, to, last, mode).map_err(|cause| self.fail(&cause))?;
        if !wrote {
            return Ok(false);
        }
        self.pace.end_batch(started.elapsed());
        // A journal that failed during the write confirms nothing.
        self.check()?;
        {
            let mut newest = files.newest.lock();
            (newest.offset, newest.last) = (to, last);
        }
        self.marks.written.store(to.0, Ordering::Release);
        if self.options.sync != Sync::Always {
            self.marks.committed.store(last.0, Ordering::Release);
        }
        if self.options.sync == Sync::Never {
            self.followers.wake();
        }
        Ok(true)
    }

    fn write_to(
        &self,
        files: &Files,
        writer: &mut Writer,
        to: LogOffset,
        last: Lsn,
        mode: BatchMode,
    ) -> StepResult<bool> {
        if self.is_full_segment(writer, to) {
            if mode == BatchMode::Blocking {
                self.next_segment(files, writer)?;
            } else if !self.pace.rotation_is_due.swap(true, Ordering::AcqRel) {
                self.threads.write.notify();
            }
            let longest = self.options.segment_bytes.saturating_mul(SEGMENT_LENGTHS_MAX);
            if mode == BatchMode::WriteOnly && writer.file_offset(to) > longest {
                return Ok(false);
            }
        }
        if let Some(companion) = &files.companion {
            let written = match mode {
                BatchMode::Blocking => companion.write().map(|()| true),
                BatchMode::WriteOnly => companion.try_write(),
            };
            if !describe_error("writing", "the keys", written)? {
                return Ok(false);
            }
        }
        let mut scratch = std::mem::take(&mut writer.scratch);
        while writer.offset < to {
            let bytes = self.buffer.lock().copy(writer.offset, to, &mut scratch);
            if bytes == 0 {
                return Err(format!("the records from offset {} on are not in memory", writer.offset.0));
            }
            describe_error("writing", &writer.path, writer.file.write_at(&scratch, writer.file_offset(writer.offset)))?;
            writer.offset.0 += u64::try_from(bytes).unwrap_or(u64::MAX);
        }
        (writer.scratch, writer.last) = (scratch, last);
        Ok(true)
    }

    /// Syncs, in this order, the companion, the sealed segments, the folder, the file; publishes the number.
    fn sync_files(&self, files: &Files, unsynced: &Unsynced, newest: &NewestSegment) -> StepResult<()> {
        if let Some(companion) = &files.companion {
            describe_error("syncing", "the keys", companion.sync())?;
        }
        for (path, file) in &unsynced.segments {
            let synced = match file {
                Some(file) => file.sync(),
                None => files.store.open(path).and_then(|file| file.sync()),
            };
            describe_error("syncing", path, synced)?;
        }
        if unsynced.names {
            describe_error("syncing", FOLDER, files.store.sync_folder(FOLDER))?;
        }
        describe_error("syncing", &newest.path, newest.file.sync())?;
        // Records in a file that is no longer at its path are not acknowledged.
        files.missing().map_or(Ok(()), Err)?;
        self.marks.synced.fetch_max(newest.last.0, Ordering::AcqRel);
        if self.options.sync == Sync::Always {
            self.marks.committed.fetch_max(newest.last.0, Ordering::AcqRel);
            self.waiters.wake();
        }
        self.followers.wake();
        Ok(())
    }

    /// Writes and syncs the records up to one, unless another thread did both. Also syncs new entries of the companion, since a
    /// snapshot creates keys that no record needs. Blocks.
    pub(in crate::storage) fn sync_all(&self, lsn: Lsn) -> Result<Lsn, Failed> {
        let Some(files) = &self.files else { return self.check().map(|()| self.last()) };
        let companion = files.companion.as_ref();
        let written = companion.map_or(Ok(()), |companion| describe_error("writing", "the keys", companion.write()));
        written.map_err(|cause| self.fail(&cause))?;
        let (last, has_synced) = self.sync_if_needed(files, lsn)?;
        if let Some(companion) = companion.filter(|_| !has_synced) {
            describe_error("syncing", "the keys", companion.sync()).map_err(|cause| self.fail(&cause))?;
        }
        self.check().map(|()| last)
    }

    /// [`Journal::sync_all`] only as far as a record and the names of segments need it.
    pub(in crate::storage) fn sync_to(&self, lsn: Lsn) -> Result<Lsn, Failed> {
        match &self.files {
            Some(files) => self.sync_if_needed(files, lsn).map(|(last, _)| last),
            None => self.check().map(|()| self.last()),
        }
    }

    /// Syncs if a record or a name is not synced. Returns the last synced record, and whether it synced anything.
    fn sync_if_needed(&self, files: &Files, lsn: Lsn) -> Result<(Lsn, bool), Failed> {
        let _syncing = files.syncing.lock();
        // Another sync may have failed while this one waited; this one must then not succeed.
        self.check()?;
        if self.synced() >= lsn && !files.unsynced.lock().names {
            return Ok((self.synced(), false));
        }
        let (newest, unsynced) = {
            let mut lead = self.lock_writer(files);
            self.write_batch(files, &mut lead, BatchMode::Blocking)?;
            (lead.newest(), std::mem::take(&mut *files.unsynced.lock()))
        };
        let started = Instant::now();
        let synced = self.sync_files(files, &unsynced, &newest);
        self.pace.note_sync(started.elapsed());
        synced.map_err(|cause| self.fail(&cause))?;
        self.prepare_next();
        self.check().map(|()| (newest.last, true))
    }

    /// The segments in order; the last one is written to. A journal in memory has none.
    #[must_use]
    pub fn segments(&self) -> Vec<SegmentInfo> {
        let Some(files) = &self.files else { return Vec::new() };
        // A rotation changes both under both locks, so that they agree.
        let newest = files.newest.lock();
        let mut segments = files.segments.read().clone();
        if let Some(last) = segments.last_mut() {
            (last.end_offset, last.last) = (newest.offset, newest.last);
        }
        segments
    }

    /// Deletes the file of the oldest segment, which must be sealed. Its offsets become invalid.
    ///
    /// # Errors
    /// Another one is the oldest, it is written to, or the file cannot be removed; the journal goes on.
    pub fn remove_oldest(&self, first_lsn: Lsn) -> io::Result<()> {
        let files = self.files.as_ref().ok_or(io::ErrorKind::Unsupported)?;
        let oldest = {
            let mut segments = files.segments.write();
            let is_it = segments.first().is_some_and(|segment| segment.sealed && segment.first_lsn == first_lsn);
            if is_it { segments.remove(0) } else { return Err(io::ErrorKind::NotFound.into()) }
        };
        files.handles.lock().forget(first_lsn);
        // No reader waits for the removal.
        let path = oldest.path.clone();
        if let Err(error) = files.store.remove(&path) {
            files.segments.write().insert(0, oldest);
            return Err(error);
        }
        files.store.sync_folder(folder_of(&path))
    }

    /// Moves the file of a sealed segment to the folder of the archive. Its records are still read by their offsets, and the
    /// next start finds it there.
    ///
    /// # Errors
    /// No such segment is sealed, or the file cannot be moved; the journal goes on.
    pub fn archive(&self, first_lsn: Lsn) -> io::Result<()> {
        let unknown = || io::Error::new(io::ErrorKind::NotFound, format!("no sealed segment begins with {first_lsn}"));
        let files = self.files.as_ref().ok_or_else(unknown)?;
        let last = files.segments.read().iter().find(|s| s.first_lsn == first_lsn && s.sealed).map(|s| s.last);
        // Archived segments are synced with every sync option.
        if self.synced() < last.ok_or_else(unknown)? {
            self.sync().map_err(io::Error::other)?;
        }
        let find = |segment: &&SegmentInfo| segment.first_lsn == first_lsn;
        let from = files.segments.read().iter().find(find).map(|segment| segment.path.clone()).ok_or_else(unknown)?;
        if folder_of(&from) == ARCHIVE {
            return Ok(());
        }
        let to = from.replacen(FOLDER, ARCHIVE, 1);
        // A reader that finds no file at the old path tries the new one.
        files.store.rename(&from, &to)?;
        if let Some(segment) = files.segments.write().iter_mut().find(|segment| segment.first_lsn == first_lsn) {
            segment.path.clone_from(&to);
        }
        files.store.sync_folder(folder_of(&to))?;
        files.store.sync_folder(folder_of(&from))
    }
}
