//! How batches get into files: the writer, the change from one segment to the next, and the sync.

use super::{
    Companion, FOLDER, Failed, Journal, JournalId, Lsn, OpenError, Place, SegmentInfo, Sync,
    archive_list::ArchiveState,
    frame::SegmentHead,
    read::Handles,
    recovery::{Recovered, path_of},
    walk::RECORDS_FROM,
};
use crate::store::{File, Store, folder_of};
use parking_lot::{Mutex, RwLock};
use std::{
    io,
    sync::{Arc, atomic::Ordering},
};

/// What a journal has on a disk.
pub(super) struct Files {
    pub(super) store: Arc<dyn Store>,
    pub(super) id: JournalId,
    pub(super) companion: Option<Arc<dyn Companion>>,
    pub(super) writer: Mutex<Writer>,
    /// Held while something is synced.
    pub(super) syncing: Mutex<Unsynced>,
    /// In order; the last one is written to.
    pub(super) segments: RwLock<Vec<SegmentInfo>>,
    pub(super) handles: Mutex<Handles>,
    /// What the archive must have, and what of it is lost.
    pub(super) archive: ArchiveState,
}

/// What a rotation has left unsynced, because nothing is ever synced unless asked for.
#[derive(Default)]
pub(super) struct Unsynced {
    /// Sealed segments with records behind the synced number.
    segments: Vec<String>,
    /// Whether a segment's name is not durable.
    names: bool,
}

/// Whoever holds it leads.
pub(super) struct Writer {
    file: Arc<dyn File>,
    path: String,
    epoch: u32,
    first_lsn: Lsn,
    first_place: Place,
    /// How far it has written.
    place: Place,
    last: Lsn,
    scratch: Vec<u8>,
}

/// What failed, for the journal's cause.
type Tried<T> = Result<T, String>;

fn tried<T>(what: &str, path: &str, result: io::Result<T>) -> Tried<T> {
    result.map_err(|error| format!("{what} {path}: {error}"))
}

/// Makes a segment's file; its head and its name are durable where that is asked for.
fn create(store: &dyn Store, head: &SegmentHead, sync: bool) -> io::Result<Arc<dyn File>> {
    let file = store.create(&path_of(head.first_lsn))?;
    file.write_at(&head.encode(), 0)?;
    if sync {
        file.sync()?;
        store.sync_folder(FOLDER)?;
    }
    Ok(file)
}

impl Writer {
    /// Begins the first segment of a start.
    pub(super) fn begin(store: &dyn Store, id: JournalId, found: &Recovered) -> Result<(Self, SegmentInfo), OpenError> {
        let (last, epoch, place) = (found.recovery.last, found.recovery.epoch, found.end);
        let first_lsn = Lsn(last.0.saturating_add(1));
        // All that was found is synced, whatever the number was that the files gave for it.
        let head = SegmentHead { epoch, id, first_lsn, first_place: place, synced: last };
        let path = path_of(first_lsn);
        let made = create(store, &head, true);
        let file = made.map_err(|source| OpenError::Io { what: format!("making {path}"), source })?;
        let writer = Self { file, path, epoch, first_lsn, first_place: place, place, last, scratch: Vec::new() };
        let info = writer.info();
        Ok((writer, info))
    }

    /// The open file of the segment, by the segment's first number.
    pub(super) fn segment_file(&self) -> (Lsn, Arc<dyn File>) {
        (self.first_lsn, Arc::clone(&self.file))
    }

    fn info(&self) -> SegmentInfo {
        SegmentInfo {
            first_lsn: self.first_lsn,
            first_place: self.first_place,
            end_place: self.place,
            last: self.last,
            path: self.path.clone(),
            sealed: false,
        }
    }

    fn has_records(&self) -> bool {
        self.last >= self.first_lsn
    }

    /// Where in the file a place lies.
    fn offset(&self, place: Place) -> u64 {
        RECORDS_FROM.saturating_add(place.0.saturating_sub(self.first_place.0))
    }
}

impl Journal {
    /// Writes until the record is written, or finds that another has written it.
    pub(super) fn lead(&self, lsn: Lsn) -> Result<(), Failed> {
        let Some(files) = &self.files else { return self.check() };
        let mut writer = files.writer.lock();
        if self.is_committed(lsn) { Ok(()) } else { self.write_batch(files, &mut writer) }
    }

    /// Writes what has gathered as one batch.
    fn write_batch(&self, files: &Files, writer: &mut Writer) -> Result<(), Failed> {
        self.check()?;
        let (to, last) = self.buffer.lock().end_batch();
        if to == writer.place {
            return Ok(());
        }
        self.write_to(files, writer, to, last).map_err(|cause| self.fail(&cause))?;
        // A journal that has failed meanwhile confirms nothing more.
        self.check()?;
        self.marks.written.store(to.0, Ordering::Release);
        if self.options.sync != Sync::Always {
            self.marks.committed.store(last.0, Ordering::Release);
        }
        if self.options.sync == Sync::Never {
            self.followers.wake_tasks();
        }
        Ok(())
    }

    fn write_to(&self, files: &Files, writer: &mut Writer, to: Place, last: Lsn) -> Tried<()> {
        let end = writer.offset(to);
        if writer.has_records() && end > self.options.segment_bytes {
            self.next_segment(files, writer)?;
        }
        if let Some(companion) = &files.companion {
            tried("writing", "the keys", companion.write())?;
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
        Ok(())
    }

    /// Seals the segment and begins the next. The old one is durable before the new one exists, unless nothing is ever
    /// synced.
    fn next_segment(&self, files: &Files, writer: &mut Writer) -> Tried<()> {
        let sync = self.options.sync != Sync::Never;
        if sync {
            let mut unsynced = files.syncing.lock();
            self.sync_files(files, &mut unsynced, &writer.file, &writer.path, writer.last)?;
            tried("syncing", FOLDER, files.store.sync_folder(FOLDER))?;
        }
        let first_lsn = Lsn(writer.last.0.saturating_add(1));
        let (epoch, id, first_place) = (writer.epoch, files.id, writer.place);
        let head = SegmentHead { epoch, id, first_lsn, first_place, synced: self.synced() };
        let path = path_of(first_lsn);
        let file = tried("making", &path, create(&*files.store, &head, sync))?;
        if !sync {
            let mut unsynced = files.syncing.lock();
            unsynced.names = true;
            if self.synced() < writer.last {
                unsynced.segments.push(writer.path.clone());
            }
        }
        let sealed = SegmentInfo { sealed: true, ..writer.info() };
        (writer.file, writer.path, writer.first_lsn, writer.first_place) = (file, path, first_lsn, first_place);
        files.handles.lock().put(first_lsn, Arc::clone(&writer.file));
        let mut segments = files.segments.write();
        if let Some(last) = segments.last_mut() {
            *last = sealed;
        }
        segments.push(writer.info());
        Ok(())
    }

    /// Syncs the companion, sealed segments that were not synced, and the file; publishes the number.
    fn sync_files(
        &self,
        files: &Files,
        unsynced: &mut Unsynced,
        file: &Arc<dyn File>,
        path: &str,
        last: Lsn,
    ) -> Tried<()> {
        // Another sync may have failed while this one waited; then what this one would say is worth nothing.
        self.check().map_err(|failed| failed.cause.to_string())?;
        if let Some(companion) = &files.companion {
            tried("syncing", "the keys", companion.sync())?;
        }
        for path in &unsynced.segments {
            tried("syncing", path, files.store.open(path).and_then(|file| file.sync()))?;
        }
        if unsynced.names {
            tried("syncing", FOLDER, files.store.sync_folder(FOLDER))?;
        }
        *unsynced = Unsynced::default();
        tried("syncing", path, file.sync())?;
        self.marks.synced.fetch_max(last.0, Ordering::AcqRel);
        if self.options.sync == Sync::Always {
            self.marks.committed.fetch_max(last.0, Ordering::AcqRel);
            self.waiters.wake();
        }
        self.followers.wake_tasks();
        Ok(())
    }

    /// Writes what has gathered and syncs it.
    pub(super) fn sync_all(&self) -> Result<Lsn, Failed> {
        let Some(files) = &self.files else { return self.check().map(|()| self.last()) };
        let (file, path, last) = {
            let mut writer = files.writer.lock();
            self.write_batch(files, &mut writer)?;
            (Arc::clone(&writer.file), writer.path.clone(), writer.last)
        };
        let mut unsynced = files.syncing.lock();
        if self.synced() < last {
            let synced = self.sync_files(files, &mut unsynced, &file, &path, last);
            synced.map_err(|cause| self.fail(&cause))?;
        }
        self.check().map(|()| last)
    }

    /// Begins another segment, unless the current one holds no record. What has gathered goes to the current one.
    ///
    /// # Errors
    /// The journal has failed.
    pub fn rotate(&self) -> Result<(), Failed> {
        let Some(files) = &self.files else { return self.check() };
        let mut writer = files.writer.lock();
        self.write_batch(files, &mut writer)?;
        if writer.has_records() {
            self.next_segment(files, &mut writer).map_err(|cause| self.fail(&cause))?;
        }
        Ok(())
    }

    /// The segments in order; the last one is written to. A journal in memory has none.
    #[must_use]
    pub fn segments(&self) -> Vec<SegmentInfo> {
        let Some(files) = &self.files else { return Vec::new() };
        // A rotation seals the last one under the writer's lock, so what is written and which segment it is in agree.
        let writer = files.writer.lock();
        let mut segments = files.segments.read().clone();
        if let Some(last) = segments.last_mut() {
            *last = writer.info();
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
        let (from, to) = {
            let mut segments = files.segments.write();
            let segment = segments.iter_mut().find(|segment| segment.first_lsn == first_lsn).ok_or_else(unknown)?;
            if folder_of(&segment.path) == super::ARCHIVE {
                return Ok(());
            }
            let to = segment.path.replacen(FOLDER, super::ARCHIVE, 1);
            files.store.rename(&segment.path, &to)?;
            (std::mem::replace(&mut segment.path, to.clone()), to)
        };
        files.store.sync_folder(folder_of(&to))?;
        files.store.sync_folder(folder_of(&from))
    }
}
