//! Rotation: the next segment's file is created ahead; the change to it writes a head, renames and swaps.

use crate::storage::journal::{
    format::segment_head::SegmentHead,
    log::Journal,
    model::{
        error::Failed,
        ids::Lsn,
        options::Sync,
        paths::{NEXT, path_of},
        segment_info::SegmentInfo,
    },
    state::{files::Files, segment_writer::Writer},
    write::{BatchMode, StepResult, describe_error},
};
use std::sync::{Arc, atomic::Ordering};

impl Journal {
    /// Creates the next segment's file where there is none. Blocks.
    pub(in crate::storage) fn prepare_next(&self) {
        if let Some(files) = self.files.as_ref().filter(|_| !self.failed()) {
            files.next.prepare(&mut files.next.preparing.lock(), &*files.store);
        }
    }

    /// Seals the segment and begins the next; says whether it could: without a next file the current one becomes longer.
    /// Nothing is synced here; what is to be is left for the next sync.
    pub(in crate::storage) fn next_segment(&self, files: &Files, writer: &mut Writer) -> StepResult<bool> {
        let mut preparing = files.next.preparing.lock();
        if !files.next.prepare(&mut preparing, &*files.store) {
            return Ok(false);
        }
        let Some(file) = files.next.ready.lock().take() else { return Ok(false) };
        let first_lsn = Lsn(writer.last.0.saturating_add(1));
        let (epoch, id, first_offset) = (writer.epoch, files.id, writer.offset);
        let head = SegmentHead { epoch, id, first_lsn, first_offset, synced: self.synced() };
        let path = path_of(first_lsn);
        describe_error("writing", NEXT, file.write_at(&head.encode(), 0))?;
        describe_error("renaming", &format!("{NEXT} to {path}"), files.store.rename(NEXT, &path))?;
        drop(preparing);
        let sealed = SegmentInfo { sealed: true, ..writer.info() };
        {
            let mut unsynced = files.unsynced.lock();
            unsynced.names = true;
            if self.synced() < writer.last {
                let kept = (self.options.sync != Sync::Never).then(|| Arc::clone(&writer.file));
                unsynced.segments.push((writer.path.clone(), kept));
            }
        }
        (writer.file, writer.path, writer.first_lsn, writer.first_offset) = (file, path, first_lsn, first_offset);
        files.handles.lock().put(first_lsn, Arc::clone(&writer.file));
        let mut newest = files.newest.lock();
        let mut segments = files.segments.write();
        if let Some(last) = segments.last_mut() {
            *last = sealed;
        }
        segments.push(writer.info());
        *newest = writer.newest();
        self.pace.count_rotation();
        Ok(true)
    }

    /// Begins another segment, unless the current one holds no record. What has gathered goes to the current one. Blocks.
    ///
    /// # Errors
    /// The journal has failed.
    pub fn rotate(&self) -> Result<(), Failed> {
        let Some(files) = &self.files else { return self.check() };
        {
            let mut lead = self.lock_writer(files);
            self.write_batch(files, &mut lead, BatchMode::Blocking)?;
            if !lead.has_records() {
                return Ok(());
            }
            self.next_segment(files, &mut lead).map_err(|cause| self.fail(&cause))?;
        }
        self.finish_rotation()
    }

    /// How many times the next segment's file could not be created.
    #[must_use]
    pub fn rotations_postponed(&self) -> u64 {
        self.files.as_ref().map_or(0, |files| files.next.postponed.load(Ordering::Relaxed))
    }

    /// Makes durable what a rotation has left, unless nothing is ever synced, and creates the next file ahead. Blocks.
    pub(in crate::storage) fn finish_rotation(&self) -> Result<(), Failed> {
        if self.options.sync != Sync::Never {
            self.sync_to(Lsn::NONE)?;
        }
        self.prepare_next();
        Ok(())
    }
}
