//! Rotation: the next segment's file is created ahead; the change to it writes a head, renames and swaps.

use crate::storage::fs::{File, Store};
use crate::storage::{
    journal::{
        Lsn, SegmentInfo, Sync,
        error::Failed,
        frame::{SEGMENT_HEAD_BYTES, SegmentHead},
        lead::{Files, May, Writer},
        log::Journal,
        presence,
        write::{Tried, tried},
    },
    recovery::path_of,
};
use parking_lot::Mutex;
use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// The file of the segment that comes next, from the data folder on. A start removes it.
pub(in crate::storage) const NEXT: &str = "journal/next.new";
/// How long after the next file could not be created it is tried again.
pub(in crate::storage) const PREPARE_AGAIN: Duration = Duration::from_secs(5);

/// The next segment's file.
#[derive(Default)]
pub(in crate::storage) struct Next {
    ready: Mutex<Option<Arc<dyn File>>>,
    /// Held while the file is created, and while it gets its name: whoever holds it is alone with the path [`NEXT`].
    preparing: Mutex<Preparing>,
    postponed: AtomicU64,
}

/// Since when the file cannot be created, where that is so.
type Preparing = Option<Instant>;

impl Next {
    /// Creates the file where there is none; says whether there is one. Blocks.
    fn prepare(&self, failed_at: &mut Preparing, store: &dyn Store) -> bool {
        if self.ready.lock().is_some() {
            return true;
        }
        if failed_at.is_some_and(|at| at.elapsed() < PREPARE_AGAIN) {
            return false;
        }
        match create(store) {
            Ok(file) => {
                *failed_at = None;
                *self.ready.lock() = Some(file);
                true
            }
            Err(error) => {
                *failed_at = Some(Instant::now());
                self.postponed.fetch_add(1, Ordering::Relaxed);
                tracing::warn!(
                    "the file of the journal's next segment, {}, cannot be created: {error}; records go on in the current \
                     segment, and it is tried again in {} s: see that the disk has room and the process descriptors",
                    store.full_path(NEXT),
                    PREPARE_AGAIN.as_secs()
                );
                false
            }
        }
    }
}

/// Creates the file, with room for its head, so that a disk that is full later cannot refuse that.
fn create(store: &dyn Store) -> io::Result<Arc<dyn File>> {
    let file = match store.create(NEXT) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            // An earlier attempt has left it, or the start could not remove it.
            store.remove(NEXT)?;
            store.create(NEXT)?
        }
        created => created?,
    };
    let room = [0; SEGMENT_HEAD_BYTES];
    if let Err(error) = file.write_at(&room, 0) {
        // What cannot be removed either is removed by the next attempt.
        let _removed = store.remove(NEXT);
        return Err(error);
    }
    presence::lock(&*file, NEXT).map_err(io::Error::other)?;
    Ok(file)
}

impl Journal {
    /// Creates the next segment's file where there is none. Blocks.
    pub(in crate::storage) fn prepare_next(&self) {
        if let Some(files) = self.files.as_ref().filter(|_| !self.failed()) {
            files.next.prepare(&mut files.next.preparing.lock(), &*files.store);
        }
    }

    /// Seals the segment and begins the next; says whether it could: without a next file the current one becomes longer.
    /// Nothing is synced here; what is to be is left for the next sync.
    pub(in crate::storage) fn next_segment(&self, files: &Files, writer: &mut Writer) -> Tried<bool> {
        let mut preparing = files.next.preparing.lock();
        if !files.next.prepare(&mut preparing, &*files.store) {
            return Ok(false);
        }
        let Some(file) = files.next.ready.lock().take() else { return Ok(false) };
        let first_lsn = Lsn(writer.last.0.saturating_add(1));
        let (epoch, id, first_place) = (writer.epoch, files.id, writer.place);
        let head = SegmentHead { epoch, id, first_lsn, first_place, synced: self.synced() };
        let path = path_of(first_lsn);
        tried("writing", NEXT, file.write_at(&head.encode(), 0))?;
        tried("renaming", &format!("{NEXT} to {path}"), files.store.rename(NEXT, &path))?;
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
        (writer.file, writer.path, writer.first_lsn, writer.first_place) = (file, path, first_lsn, first_place);
        files.handles.lock().put(first_lsn, Arc::clone(&writer.file));
        let mut newest = files.newest.lock();
        let mut segments = files.segments.write();
        if let Some(last) = segments.last_mut() {
            *last = sealed;
        }
        segments.push(writer.info());
        *newest = writer.newest();
        self.pace.rotated();
        Ok(true)
    }

    /// Begins another segment, unless the current one holds no record. What has gathered goes to the current one. Blocks.
    ///
    /// # Errors
    /// The journal has failed.
    pub fn rotate(&self) -> Result<(), Failed> {
        let Some(files) = &self.files else { return self.check() };
        {
            let mut lead = self.wait_to_lead(files);
            self.write_batch(files, &mut lead, May::Block)?;
            if !lead.has_records() {
                return Ok(());
            }
            self.next_segment(files, &mut lead).map_err(|cause| self.fail(&cause))?;
        }
        self.behind_rotation()
    }

    /// How many times the next segment's file could not be created.
    #[must_use]
    pub fn rotations_postponed(&self) -> u64 {
        self.files.as_ref().map_or(0, |files| files.next.postponed.load(Ordering::Relaxed))
    }

    /// Makes durable what a rotation has left, unless nothing is ever synced, and creates the next file ahead. Blocks.
    pub(in crate::storage) fn behind_rotation(&self) -> Result<(), Failed> {
        if self.options.sync != Sync::Never {
            self.sync_to(Lsn::NONE)?;
        }
        self.prepare_next();
        Ok(())
    }
}
