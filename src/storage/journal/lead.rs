//! Who leads: the writer, who may hold it, and how slow the disk is.

use crate::storage::fs::{File, FileId, Store};
use crate::{
    domain::transaction::record::LogOffset,
    storage::{
        archive_list::ArchiveState,
        journal::{
            Companion, FOLDER, JournalId, Lsn, SegmentInfo, Sync,
            error::{Failed, OpenError},
            frame::SegmentHead,
            instance,
            log::Journal,
            presence,
            read::Handles,
            rotate::Next,
            segment_reader::RECORDS_FROM,
            synced_file,
            watermarks::Waiters,
        },
        recovery::{Recovered, path_of},
    },
};
use parking_lot::{Mutex, MutexGuard, RwLock};
use std::{
    io,
    ops::{Deref, DerefMut},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// A write of a batch that takes so long is slow. It is longer than a scheduler's time slice, so that a thread that was
/// merely preempted is not taken for a slow disk.
pub(in crate::storage) const SLOW_WRITE: Duration = Duration::from_millis(25);
/// How long after a slow write tasks leave the writing to a thread.
pub(in crate::storage) const SLOW_FOR: Duration = Duration::from_secs(10);

/// What a journal has on a disk. See [the table of locks](super::log) for who may take what.
pub(in crate::storage) struct Files {
    pub(in crate::storage) store: Arc<dyn Store>,
    pub(in crate::storage) id: JournalId,
    pub(in crate::storage) companion: Option<Arc<dyn Companion>>,
    /// What the data folder was when the journal was opened, where the store can tell.
    pub(in crate::storage) root: Option<FileId>,
    /// The files without which no start goes on from here, and which are not held open.
    pub(in crate::storage) needed: Vec<(&'static str, FileId)>,
    writer: Mutex<Writer>,
    /// Held while something is synced.
    pub(in crate::storage) syncing: Mutex<()>,
    pub(in crate::storage) unsynced: Mutex<Unsynced>,
    pub(in crate::storage) next: Next,
    /// In order; the last one is written to.
    pub(in crate::storage) segments: RwLock<Vec<SegmentInfo>>,
    /// The segment that is written to, and how far it is written.
    pub(in crate::storage) newest: Mutex<Newest>,
    pub(in crate::storage) handles: Mutex<Handles>,
    /// What the archive must have, and what of it is lost.
    pub(in crate::storage) archive: ArchiveState,
}

/// What rotations have left for the next sync.
#[derive(Default)]
pub(in crate::storage) struct Unsynced {
    /// Sealed segments with records behind the synced number. With [`Sync::Never`] without their files, since nothing
    /// says when they are synced.
    pub(in crate::storage) segments: Vec<(String, Option<Arc<dyn File>>)>,
    /// Whether a segment's name is not durable.
    pub(in crate::storage) names: bool,
}

/// The segment that is written to.
#[derive(Clone)]
pub(in crate::storage) struct Newest {
    pub(in crate::storage) file: Arc<dyn File>,
    pub(in crate::storage) path: String,
    /// How far it is written.
    pub(in crate::storage) place: LogOffset,
    pub(in crate::storage) last: Lsn,
}

/// The thread or task that holds it leads.
pub(in crate::storage) struct Writer {
    pub(in crate::storage) file: Arc<dyn File>,
    pub(in crate::storage) path: String,
    pub(in crate::storage) epoch: u32,
    pub(in crate::storage) first_lsn: Lsn,
    pub(in crate::storage) first_place: LogOffset,
    /// How far it has written.
    pub(in crate::storage) place: LogOffset,
    pub(in crate::storage) last: Lsn,
    pub(in crate::storage) scratch: Vec<u8>,
}

/// Makes a segment's file, locked; its head and its name are durable.
fn create(store: &dyn Store, head: &SegmentHead) -> io::Result<Arc<dyn File>> {
    let file = store.create(&path_of(head.first_lsn))?;
    file.write_at(&head.encode(), 0)?;
    file.sync()?;
    store.sync_folder(FOLDER)?;
    Ok(file)
}

impl Files {
    pub(in crate::storage) fn new(
        store: Arc<dyn Store>,
        id: JournalId,
        companion: Option<Arc<dyn Companion>>,
        (writer, mut segments): (Writer, Vec<SegmentInfo>),
        archive: ArchiveState,
    ) -> Self {
        let root = store.id("").ok().flatten();
        let needed = [instance::PATH, synced_file::PATH];
        let needed = needed.into_iter().filter_map(|path| Some((path, store.id(path).ok().flatten()?))).collect();
        segments.push(writer.info());
        let handles = Handles::new((writer.first_lsn, Arc::clone(&writer.file)));
        Self {
            store,
            id,
            companion,
            root,
            needed,
            newest: Mutex::new(writer.newest()),
            writer: Mutex::new(writer),
            syncing: Mutex::default(),
            unsynced: Mutex::default(),
            next: Next::default(),
            segments: RwLock::new(segments),
            handles: Mutex::new(handles),
            archive,
        }
    }
}

impl Writer {
    /// Begins the first segment of a start.
    pub(in crate::storage) fn begin(store: &dyn Store, id: JournalId, found: &Recovered) -> Result<Self, OpenError> {
        let (last, epoch, place) = (found.recovery.last, found.recovery.epoch, found.end);
        let first_lsn = Lsn(last.0.saturating_add(1));
        // All that was found is synced, whatever the number was that the files gave for it.
        let head = SegmentHead { epoch, id, first_lsn, first_place: place, synced: last };
        let path = path_of(first_lsn);
        let file = create(store, &head).map_err(|source| OpenError::Io { what: format!("making {path}"), source })?;
        presence::lock(&*file, &path)?;
        Ok(Self { file, path, epoch, first_lsn, first_place: place, place, last, scratch: Vec::new() })
    }

    pub(in crate::storage) fn info(&self) -> SegmentInfo {
        SegmentInfo {
            first_lsn: self.first_lsn,
            first_place: self.first_place,
            end_place: self.place,
            last: self.last,
            path: self.path.clone(),
            sealed: false,
        }
    }

    pub(in crate::storage) fn newest(&self) -> Newest {
        Newest { file: Arc::clone(&self.file), path: self.path.clone(), place: self.place, last: self.last }
    }

    pub(in crate::storage) fn has_records(&self) -> bool {
        self.last >= self.first_lsn
    }

    /// Where in the file a place lies.
    pub(in crate::storage) fn offset(&self, place: LogOffset) -> u64 {
        RECORDS_FROM.saturating_add(place.0.saturating_sub(self.first_place.0))
    }
}

/// The writer, held. Fields are dropped in their order: the writer is free when tasks that found it held look again.
pub(in crate::storage) struct Lead<'a> {
    writer: MutexGuard<'a, Writer>,
    wakes: Wakes<'a>,
}

/// Wakes tasks when it is dropped. With [`Sync::Always`] no task waits for the writer.
struct Wakes<'a>(Option<&'a Waiters>);

impl Drop for Wakes<'_> {
    fn drop(&mut self) {
        if let Some(waiters) = self.0 {
            waiters.wake_tasks();
        }
    }
}

impl Lead<'_> {
    /// Releases the writer and wakes no task: a thread was rung that takes it, and wakes them when it has written.
    fn leave_to_thread(mut self) {
        self.wakes.0 = None;
    }
}

impl Deref for Lead<'_> {
    type Target = Writer;

    fn deref(&self) -> &Writer {
        &self.writer
    }
}

impl DerefMut for Lead<'_> {
    fn deref_mut(&mut self) -> &mut Writer {
        &mut self.writer
    }
}

/// How fast the disk takes batches.
pub(in crate::storage) struct Pace {
    begun: Instant,
    /// Milliseconds since `begun` until which the disk counts as slow.
    slow_until_ms: AtomicU64,
    slow_writes: AtomicU64,
    /// Milliseconds since `begun` at which the oldest record of the batch came that is being written; 0: none is.
    unwritten_since_ms: AtomicU64,
    rotations: AtomicU64,
    /// Whether a task has found the segment full and rung for a rotation.
    pub(in crate::storage) rotation_is_due: AtomicBool,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            begun: Instant::now(),
            slow_until_ms: AtomicU64::new(0),
            slow_writes: AtomicU64::new(0),
            unwritten_since_ms: AtomicU64::new(0),
            rotations: AtomicU64::new(0),
            rotation_is_due: AtomicBool::new(false),
        }
    }
}

impl Pace {
    fn ms(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Notes since when the first record of a batch waits that is about to be written. A batch that was left to a thread
    /// is part of the next one, and older.
    pub(in crate::storage) fn begin_batch(&self, since: Option<Instant>) {
        if let Some(since) = since.filter(|_| self.unwritten_since_ms.load(Ordering::Relaxed) == 0) {
            let ms = since.saturating_duration_since(self.begun).as_millis();
            self.unwritten_since_ms.store(u64::try_from(ms).unwrap_or(u64::MAX).max(1), Ordering::Relaxed);
        }
    }

    /// Notes that it was written, and how long that took.
    pub(in crate::storage) fn end_batch(&self, took: Duration) {
        self.unwritten_since_ms.store(0, Ordering::Relaxed);
        if took >= SLOW_WRITE {
            self.slow_writes.fetch_add(1, Ordering::Relaxed);
            let until = self.ms().saturating_add(u64::try_from(SLOW_FOR.as_millis()).unwrap_or(u64::MAX));
            self.slow_until_ms.store(until, Ordering::Release);
        }
    }

    /// Whether a write was slow a short while ago.
    pub(in crate::storage) fn is_slow(&self) -> bool {
        let until = self.slow_until_ms.load(Ordering::Acquire);
        until > 0 && self.ms() < until
    }

    pub(in crate::storage) fn rotated(&self) {
        self.rotations.fetch_add(1, Ordering::Relaxed);
    }
}

impl Journal {
    fn leads<'a>(&'a self, writer: MutexGuard<'a, Writer>) -> Lead<'a> {
        let waiters = (self.options.sync != Sync::Always).then_some(&self.waiters);
        Lead { writer, wakes: Wakes(waiters) }
    }

    /// Takes the writer; a thread that waits so is blocked.
    pub(in crate::storage) fn wait_to_lead<'a>(&'a self, files: &'a Files) -> Lead<'a> {
        self.leads(files.writer.lock())
    }

    /// Writes until the record is written, or finds that another has written it; syncs behind a rotation. Blocks.
    pub(in crate::storage) fn lead(&self, lsn: Lsn) -> Result<(), Failed> {
        let Some(files) = &self.files else { return self.check() };
        let rotated = {
            let mut lead = self.wait_to_lead(files);
            if self.is_committed(lsn) {
                return Ok(());
            }
            let segment = lead.first_lsn;
            self.write_batch(files, &mut lead, May::Block)?;
            lead.first_lsn != segment
        };
        if rotated { self.behind_rotation() } else { Ok(()) }
    }

    /// Writes what has gathered, and begins another segment where that is due; says whether it did. Blocks.
    pub(in crate::storage) fn lead_and_rotate(&self) -> Result<bool, Failed> {
        let Some(files) = &self.files else { return self.check().map(|()| false) };
        let mut lead = self.wait_to_lead(files);
        let segment = lead.first_lsn;
        self.write_batch(files, &mut lead, May::Block)?;
        if self.pace.rotation_is_due.swap(false, Ordering::AcqRel) && self.is_full_segment(&lead, lead.place) {
            self.next_segment(files, &mut lead).map_err(|cause| self.fail(&cause))?;
        }
        Ok(lead.first_lsn != segment)
    }

    /// Whether a segment that goes up to a place is as long as it should become.
    pub(in crate::storage) fn is_full_segment(&self, writer: &Writer, to: LogOffset) -> bool {
        writer.has_records() && writer.offset(to) > self.options.segment_bytes
    }

    /// For tasks: what is known of a record; else writes it, where that waits for no other thread. `None`: another
    /// thread or task writes it, and wakes the waiters behind that.
    pub(in crate::storage) fn try_lead(&self, lsn: Lsn) -> Option<Result<(), Failed>> {
        if let Some(outcome) = self.outcome(lsn) {
            return Some(outcome);
        }
        let Some(files) = &self.files else { return Some(self.check()) };
        if self.pace.is_slow() && self.threads.write.ring() {
            return None;
        }
        let mut lead = self.leads(files.writer.try_lock()?);
        if let Some(outcome) = self.outcome(lsn) {
            return Some(outcome);
        }
        match self.write_batch(files, &mut lead, May::OnlyWrite) {
            Err(failed) => Some(Err(failed)),
            Ok(true) => {
                drop(lead);
                self.outcome(lsn)
            }
            Ok(false) => {
                if self.threads.write.ring() {
                    lead.leave_to_thread();
                    return None;
                }
                // Without the thread, as after a close, there is no other way.
                Some(self.write_batch(files, &mut lead, May::Block).map(|_| ()))
            }
        }
    }

    /// How many writes of batches were slow: took 25 ms or longer.
    #[must_use]
    pub fn slow_writes(&self) -> u64 {
        self.pace.slow_writes.load(Ordering::Relaxed)
    }

    /// How long the oldest record waits that is not written yet; zero where none waits.
    #[must_use]
    pub fn oldest_unwritten(&self) -> Duration {
        match self.pace.unwritten_since_ms.load(Ordering::Relaxed) {
            0 => self.buffer.lock().waits_since().map_or(Duration::ZERO, |since| since.elapsed()),
            since => Duration::from_millis(self.pace.ms().saturating_sub(since)),
        }
    }

    /// How many times another segment was begun since the start.
    #[must_use]
    pub fn rotations(&self) -> u64 {
        self.pace.rotations.load(Ordering::Relaxed)
    }
}

/// What a write of a batch may do besides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::storage) enum May {
    /// Wait for locks that are held across system calls, and rotate.
    Block,
    /// Only write.
    OnlyWrite,
}
