//! How batches get into files, and how the medium gets them.

use crate::storage::fs::folder_of;
use crate::{
    domain::transaction::record::LogOffset,
    storage::journal::{
        FOLDER, Lsn, SegmentInfo, Sync,
        error::Failed,
        lead::{Files, May, Newest, Unsynced, Writer},
        log::Journal,
    },
};
use std::{io, sync::atomic::Ordering, time::Instant};

/// What failed, for the journal's cause.
pub(in crate::storage) type Tried<T> = Result<T, String>;

pub(in crate::storage) fn tried<T>(what: &str, path: &str, result: io::Result<T>) -> Tried<T> {
    result.map_err(|error| format!("{what} {path}: {error}"))
}

/// Longer than this in units of a segment's bytes no task makes a segment.
const SEGMENTS_LONG: u64 = 2;

impl Journal {
    /// Writes what has gathered as one batch; says whether it did. It does not where it may only write, and would have to
    /// wait for a lock or to rotate.
    pub(in crate::storage) fn write_batch(&self, files: &Files, writer: &mut Writer, may: May) -> Result<bool, Failed> {
        self.check()?;
        let (to, last, since) = self.buffer.lock().end_batch();
        if to == writer.place {
            return Ok(true);
        }
        self.pace.begin_batch(since);
        let started = Instant::now();
        let wrote = self.write_to(files, writer, to, last, may).map_err(|cause| self.fail(&cause))?;
        if !wrote {
            return Ok(false);
        }
        self.pace.end_batch(started.elapsed());
        // A journal that has failed meanwhile confirms nothing more.
        self.check()?;
        {
            let mut newest = files.newest.lock();
            (newest.place, newest.last) = (to, last);
        }
        self.marks.written.store(to.0, Ordering::Release);
        if self.options.sync != Sync::Always {
            self.marks.committed.store(last.0, Ordering::Release);
        }
        if self.options.sync == Sync::Never {
            self.followers.wake_tasks();
        }
        Ok(true)
    }

    fn write_to(&self, files: &Files, writer: &mut Writer, to: LogOffset, last: Lsn, may: May) -> Tried<bool> {
        if self.is_full_segment(writer, to) {
            if may == May::Block {
                self.next_segment(files, writer)?;
            } else if !self.pace.rotation_is_due.swap(true, Ordering::AcqRel) {
                self.threads.write.ring();
            }
            let longest = self.options.segment_bytes.saturating_mul(SEGMENTS_LONG);
            if may == May::OnlyWrite && writer.offset(to) > longest {
                return Ok(false);
            }
        }
        if let Some(companion) = &files.companion {
            let written = match may {
                May::Block => companion.write().map(|()| true),
                May::OnlyWrite => companion.try_write(),
            };
            if !tried("writing", "the keys", written)? {
                return Ok(false);
            }
        }
        let mut scratch = std::mem::take(&mut writer.scratch);
        while writer.place < to {
            let bytes = self.buffer.lock().copy(writer.place, to, &mut scratch);
            if bytes == 0 {
                return Err(format!("the records from place {} on are not in memory", writer.place.0));
            }
            tried("writing", &writer.path, writer.file.write_at(&scratch, writer.offset(writer.place)))?;
            writer.place.0 += u64::try_from(bytes).unwrap_or(u64::MAX);
        }
        (writer.scratch, writer.last) = (scratch, last);
        Ok(true)
    }

    /// Syncs, in this order, the companion, the sealed segments, the folder, the file; publishes the number.
    fn sync_files(&self, files: &Files, unsynced: &Unsynced, newest: &Newest) -> Tried<()> {
        if let Some(companion) = &files.companion {
            tried("syncing", "the keys", companion.sync())?;
        }
        for (path, file) in &unsynced.segments {
            let synced = match file {
                Some(file) => file.sync(),
                None => files.store.open(path).and_then(|file| file.sync()),
            };
            tried("syncing", path, synced)?;
        }
        if unsynced.names {
            tried("syncing", FOLDER, files.store.sync_folder(FOLDER))?;
        }
        tried("syncing", &newest.path, newest.file.sync())?;
        // What went to a file that is gone is acknowledged to no one.
        files.missing().map_or(Ok(()), Err)?;
        self.marks.synced.fetch_max(newest.last.0, Ordering::AcqRel);
        if self.options.sync == Sync::Always {
            self.marks.committed.fetch_max(newest.last.0, Ordering::AcqRel);
            self.waiters.wake();
        }
        self.followers.wake_tasks();
        Ok(())
    }

    /// Writes what has gathered and syncs it, unless another has done both meanwhile. Syncs what was added to the
    /// companion with it: a snapshot makes keys that no record needs. Blocks.
    pub(in crate::storage) fn sync_all(&self) -> Result<Lsn, Failed> {
        let Some(files) = &self.files else { return self.check().map(|()| self.last()) };
        let companion = files.companion.as_ref();
        let written = companion.map_or(Ok(()), |companion| tried("writing", "the keys", companion.write()));
        written.map_err(|cause| self.fail(&cause))?;
        let (last, has_synced) = self.sync_behind(files, self.last())?;
        if let Some(companion) = companion.filter(|_| !has_synced) {
            tried("syncing", "the keys", companion.sync()).map_err(|cause| self.fail(&cause))?;
        }
        self.check().map(|()| last)
    }

    /// The same, as far as it is needed for a record and for the names of segments.
    pub(in crate::storage) fn sync_to(&self, lsn: Lsn) -> Result<Lsn, Failed> {
        match &self.files {
            Some(files) => self.sync_behind(files, lsn).map(|(last, _)| last),
            None => self.check().map(|()| self.last()),
        }
    }

    /// Syncs where a record or a name is not synced. Returns the last synced record, and whether it synced anything.
    fn sync_behind(&self, files: &Files, lsn: Lsn) -> Result<(Lsn, bool), Failed> {
        let _alone = files.syncing.lock();
        // Another sync may have failed while this one waited; then what this one would say is worth nothing.
        self.check()?;
        if self.synced() >= lsn && !files.unsynced.lock().names {
            return Ok((self.synced(), false));
        }
        let (newest, unsynced) = {
            let mut lead = self.wait_to_lead(files);
            self.write_batch(files, &mut lead, May::Block)?;
            (lead.newest(), std::mem::take(&mut *files.unsynced.lock()))
        };
        let synced = self.sync_files(files, &unsynced, &newest);
        synced.map_err(|cause| self.fail(&cause))?;
        self.prepare_next();
        self.check().map(|()| (newest.last, true))
    }

    /// The segments in order; the last one is written to. A journal in memory has none.
    #[must_use]
    pub fn segments(&self) -> Vec<SegmentInfo> {
        let Some(files) = &self.files else { return Vec::new() };
        // A rotation changes both under both locks, so what is written and which segment it is in agree.
        let newest = files.newest.lock();
        let mut segments = files.segments.read().clone();
        if let Some(last) = segments.last_mut() {
            (last.end_place, last.last) = (newest.place, newest.last);
        }
        segments
    }

    /// Deletes the file of the oldest segment, which must be sealed. Its places lead nowhere from then on.
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
        // Nobody who reads waits for this.
        let path = oldest.path.clone();
        if let Err(error) = files.store.remove(&path) {
            files.segments.write().insert(0, oldest);
            return Err(error);
        }
        files.store.sync_folder(folder_of(&path))
    }

    /// Moves a sealed segment's file to the archive's folder. Its records are read by their places as before, and the
    /// next start finds it there.
    ///
    /// # Errors
    /// No such segment is sealed, or the file cannot be moved; the journal goes on.
    pub fn archive(&self, first_lsn: Lsn) -> io::Result<()> {
        let unknown = || io::Error::new(io::ErrorKind::NotFound, format!("no sealed segment begins with {first_lsn}"));
        let files = self.files.as_ref().ok_or_else(unknown)?;
        let last = files.segments.read().iter().find(|s| s.first_lsn == first_lsn && s.sealed).map(|s| s.last);
        // What lies in the archive was synced, whatever the degree is.
        if self.synced() < last.ok_or_else(unknown)? {
            self.sync().map_err(io::Error::other)?;
        }
        let find = |segment: &&SegmentInfo| segment.first_lsn == first_lsn;
        let from = files.segments.read().iter().find(find).map(|segment| segment.path.clone()).ok_or_else(unknown)?;
        if folder_of(&from) == super::ARCHIVE {
            return Ok(());
        }
        let to = from.replacen(FOLDER, super::ARCHIVE, 1);
        // A reader that finds no file at the old path meanwhile looks at the new one.
        files.store.rename(&from, &to)?;
        if let Some(segment) = files.segments.write().iter_mut().find(|segment| segment.first_lsn == first_lsn) {
            segment.path.clone_from(&to);
        }
        files.store.sync_folder(folder_of(&to))?;
        files.store.sync_folder(folder_of(&from))
    }
}
