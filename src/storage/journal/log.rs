//! The running journal: appending records, and waiting until they are committed.
//!
//! # Who writes
//!
//! Appending encodes a record into the [`Buffer`] under one short lock and calls no file. The thread or task that holds the
//! writer is the *leader* of the group commit: it takes the buffered records, writes them in one piece and publishes the
//! watermark. There is no timer: a batch contains the records that were appended while the last one was written, so it grows
//! with the load. A task that leads lets the other ready tasks of its thread append first; see
//! [`Journal::lead_in_turn`].
//!
//! | Option | Leader |
//! |---|---|
//! | [`Sync::Always`] | the thread `journal-sync`, which syncs after each batch; tasks notify it and wait |
//! | [`Sync::Interval`], [`Sync::Never`] | the first task that finds the writer free; the others wait without blocking a thread. While writes are slow, the thread `journal-write` |
//! | any, [`Journal::commit`] | the calling thread with the last two, which may block, or the thread `journal-write` for a background thread; the thread `journal-sync` with the first |
//!
//! A write is *slow* from [`SLOW_WRITE`] on. For [`SLOW_FOR`] after a slow write no task leads: tasks notify
//! `journal-write` and wait. So a stalling disk blocks at most one worker of the runtime, the leader.
//!
//! # Blocking
//!
//! A *worker* is a thread that polls tasks. It never waits for a lock that another thread holds across a system call.
//!
//! | Lock | Held across system calls | Taken by workers |
//! |---|---|---|
//! | `ingestion` | all writes and syncs of records that another daemon wrote | never |
//! | `syncing` | syncs of the keys, of segments, of the folder | never |
//! | `writer` | writes of keys and segments; the head and the rename of a rotation | `try_lock` only |
//! | `preparing` | creating the next segment's file, and its rename | never |
//! | the keys' file, see [`crate::storage::keys`] | writes of keys | `try_lock` only, by a task that leads |
//! | `buffer`, `segments`, `handles`, `newest`, `unsynced`, `next`, the bells, the waiters | never | yes |
//!
//! A worker makes only these system calls: the write of a batch that it leads, and reads of facts that have left the tail
//! ([`Journal::read`]). While the disk is known to be slow, such a read first moves the worker's other tasks to another
//! thread. Only calls for the same record, transaction id or file wait for it. The pulse of the HTTP runtime keeps the other
//! workers polling.
//!
//! Calls that only read memory or watermarks ([`Journal::last`], [`Journal::synced`], [`Journal::is_full`], [`Journal::failed`],
//! [`Journal::segments`], [`Journal::begins_at`]) never wait.
//!
//! # Rotation
//!
//! The next segment's file is created ahead, as [`NEXT`], with room for its head. A rotation, under `writer`, writes the
//! head, renames the file and swaps; it syncs nothing. The next sync covers, in this order, the keys, each sealed segment
//! with records after the synced number, the folder, the current segment; only then the number increases. Tasks that lead do
//! not rotate: they notify `journal-write` and continue in the current segment, up to twice [`Options::segment_bytes`]; from
//! there on they leave the write to that thread. A next file that cannot be created (no descriptor, no room) postpones
//! the rotation: the current segment becomes longer, and the creation is tried again after [`PREPARE_AGAIN`].
//!
//! # Locks
//!
//! `ingestion`, then `syncing`, then `writer`, then `preparing`, then `buffer`; all others are leaves. Syncs are one at a time, because
//! after one has failed another on the same file may succeed and would say that all is well.
//!
//! # After a failure
//!
//! The first failed write, sync or rename fails the journal permanently: waiting and later calls return the failure, nothing
//! is tried again, and appended records are dropped. The journal also fails when its newest segment, the keys or the
//! data folder are no longer at their paths; see [`super::presence`].

#[cfg(doc)]
use crate::storage::journal::{
    model::paths::NEXT,
    state::{
        disk_pace::{SLOW_FOR, SLOW_WRITE},
        next_segment::PREPARE_AGAIN,
    },
};
use crate::{
    domain::transaction::log_offset::LogOffset,
    scheduling::is_background_thread,
    storage::{
        archive_list::ArchiveState,
        fs::store::Store,
        journal::{
            format::{
                frame::Kind,
                synced_file::{self, SyncedFile},
            },
            model::{
                companion::Companion,
                error::{Failed, OpenError},
                ids::{JournalId, Lsn},
                options::{BACKLOG_BYTES_MAX, Options, Sync},
                record::Appended,
                replay::Replay,
            },
            raw::{following_mark, ingestion::Ingestion},
            state::{
                audited_blocks::AuditedBlocks,
                buffer::Buffer,
                disk_pace::DiskPace,
                files::Files,
                positions::PositionCache,
                record_ends::RecordEnds,
                segment_lock,
                segment_writer::Writer,
                threads::Threads,
                waiters::Waiters,
                watermarks::{CachePadded, Watermarks},
            },
        },
        recovery::{
            recover::recover,
            scan::{Recovery, Wanted},
        },
    },
};
use parking_lot::{Mutex, MutexGuard, RwLock};
use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

/// A journal.
pub struct Journal {
    pub(in crate::storage) options: Options,
    pub(in crate::storage) buffer: CachePadded<Mutex<Buffer>>,
    pub(in crate::storage) marks: CachePadded<Watermarks>,
    /// The files; `None` for a journal in memory.
    pub(in crate::storage) files: Option<Files>,
    pub(in crate::storage) waiters: Waiters,
    /// Waits for the failure only; no batch wakes it.
    failures: Waiters,
    /// Waits for more durable records.
    pub(in crate::storage) followers: Waiters,
    pub(in crate::storage) spots: PositionCache,
    /// The blocks in which an audit has something to read.
    pub(in crate::storage) audited: Mutex<AuditedBlocks>,
    /// Where raw ranges ended.
    pub(in crate::storage) record_ends: RecordEnds,
    /// Waits for the copy elsewhere.
    pub(in crate::storage) shipped_waiters: Waiters,
    /// The copy of another journal that this one is; `None`: it is not.
    pub(in crate::storage) ingestion: Mutex<Option<Ingestion>>,
    pub(in crate::storage) pace: DiskPace,
    pub(in crate::storage) threads: Threads,
    /// The file `synced`; `None` for a journal in memory.
    pub(in crate::storage) synced_file: Option<SyncedFile>,
}

impl Journal {
    /// A journal without files: every record stays in memory, is committed at once, and is lost with the process.
    #[must_use]
    pub fn in_memory() -> Self {
        let options = Options {
            sync: Sync::Never,
            sync_interval: Duration::ZERO,
            segment_bytes: u64::MAX,
            tail_bytes: usize::MAX,
        };
        Self::new(
            JournalId::default(),
            options,
            &Recovery { epoch: 1, ..Recovery::default() },
            LogOffset(0),
            None,
            None,
        )
    }

    /// Opens the journal of a store, replays its records after `after`, and continues after the last one.
    ///
    /// `after` is the last record whose effect a snapshot contains, 0 without a snapshot; `known_synced` is the number up to which the
    /// journal was synced when that snapshot was written.
    ///
    /// # Errors
    /// The files are damaged or do not belong together, or the store fails. Every refusal precedes the first change.
    pub fn open(
        store: Arc<dyn Store>,
        id: JournalId,
        options: Options,
        companion: Option<Arc<dyn Companion>>,
        after: Lsn,
        known_synced: Lsn,
        replay: &mut dyn Replay,
    ) -> Result<(Arc<Self>, Recovery), OpenError> {
        segment_lock::lock_newest(&*store)?;
        let mark = synced_file::read(&*store, id)?;
        let may_have_lost_power = store.may_have_lost_power();
        let follows = following_mark::is_set(&*store)?;
        let wanted = Wanted { id, after, known_synced, mark, may_have_lost_power, follows, is_read_only: false };
        let found = recover(&*store, wanted, companion.as_deref(), replay)?;
        if mark.is_none() && found.recovery.last > Lsn::NONE {
            tracing::warn!(
                "the data folder has no file `{}`: an earlier version left it, or the file was removed; records that are \
                 missing at the journal's end could not be noticed at this start; the file is made now",
                synced_file::PATH
            );
        }
        let writer = Writer::begin(&*store, id, &found)?;
        // Recovery has synced all records that it found.
        let synced_file = SyncedFile::begin(&*store, id, found.recovery.last)?;
        following_mark::clear(&*store)?;
        let archive = ArchiveState { list: Mutex::new(found.list), losses: RwLock::new(found.losses) };
        let files = Files::new(store, id, companion, (writer, found.segments), archive);
        let journal = Arc::new(Self::new(id, options, &found.recovery, found.end, Some(files), Some(synced_file)));
        journal.prepare_next();
        journal.start_threads()?;
        journal.start_synced_thread()?;
        Ok((journal, found.recovery))
    }

    fn new(
        id: JournalId,
        options: Options,
        recovery: &Recovery,
        end: LogOffset,
        files: Option<Files>,
        synced_file: Option<SyncedFile>,
    ) -> Self {
        let last = recovery.last;
        let marks = Watermarks::default();
        for (mark, at) in [(&marks.appended, end.0), (&marks.written, end.0)] {
            mark.store(at, Ordering::Release);
        }
        for mark in [&marks.last, &marks.committed, &marks.synced] {
            mark.store(last.0, Ordering::Release);
        }
        Self {
            options,
            buffer: CachePadded(Mutex::new(Buffer::new(id, recovery.epoch, last, end, options.tail_bytes))),
            marks: CachePadded(marks),
            files,
            waiters: Waiters::new(),
            failures: Waiters::new(),
            followers: Waiters::new(),
            spots: PositionCache::default(),
            audited: Mutex::new(AuditedBlocks::after(last)),
            record_ends: RecordEnds::default(),
            shipped_waiters: Waiters::new(),
            ingestion: Mutex::default(),
            pace: DiskPace::default(),
            threads: Threads::default(),
            synced_file,
        }
    }

    /// Appends a record of events. It cannot fail: a failed journal returns its failure to the calls that wait.
    pub fn append(&self, owner: u64, events: &[u8]) -> Appended {
        self.append_marked(owner, events, true)
    }

    /// As [`Journal::append`], for a record that no audit shows unless it asks for payments.
    pub fn append_unaudited(&self, owner: u64, events: &[u8]) -> Appended {
        self.append_marked(owner, events, false)
    }

    #[inline]
    fn append_marked(&self, owner: u64, events: &[u8], is_audited: bool) -> Appended {
        let mut buffer = self.buffer.lock();
        let appended = buffer.put(Kind::Events, owner, &[events], &self.marks);
        if owner == 0 {
            self.marks.shared.store(appended.lsn.0, Ordering::Release);
        }
        // Before a reader learns of the record.
        if is_audited {
            self.mark_audited(appended, appended.lsn);
        }
        self.publish(buffer);
        appended
    }

    /// Appends a group, of which recovery finds all parts or none. Returns the parts, and the number of the group's end to
    /// wait for.
    pub fn append_group(&self, parts: &[(u64, Vec<u8>)]) -> (Vec<Appended>, Lsn) {
        let mut buffer = self.buffer.lock();
        let begin = buffer.put(Kind::Begin, 0, &[], &self.marks);
        let group = begin.lsn.0.to_le_bytes();
        let put = |(owner, events): &(u64, Vec<u8>)| buffer.put(Kind::Part, *owner, &[&group, events], &self.marks);
        let appended = parts.iter().map(put).collect();
        let count = u32::try_from(parts.len()).unwrap_or(u32::MAX);
        let end = buffer.put(Kind::End, 0, &[&group, &count.to_le_bytes()], &self.marks).lsn;
        self.marks.shared.store(end.0, Ordering::Release);
        self.mark_audited(begin, end);
        self.publish(buffer);
        (appended, end)
    }

    /// Publishes the watermarks of the buffer while its lock is held, so that they only increase; then releases it.
    pub(in crate::storage) fn publish(&self, buffer: MutexGuard<'_, Buffer>) {
        self.marks.appended.store(buffer.end().0, Ordering::Release);
        self.marks.last.store(buffer.last().0, Ordering::Release);
        let (too_long, wants_spare) = (buffer.too_long(), buffer.wants_spare());
        let appended_while_following = buffer.appended_while_following();
        if self.files.is_none() && too_long.is_none() {
            for mark in [&self.marks.committed, &self.marks.synced] {
                mark.store(buffer.last().0, Ordering::Release);
            }
            self.followers.wake();
        }
        drop(buffer);
        // A payment does not wait for new memory, unless no thread is there to prepare it, or a slow disk holds it up.
        let is_prepared = || self.files.is_some() && !self.pace.is_slow() && self.threads.write.notify_to_prepare();
        if wants_spare && !is_prepared() {
            self.prepare_spare();
        }
        if appended_while_following {
            self.fail("a record was appended while the journal follows that of another daemon");
        }
        if let Some(bytes) = too_long {
            self.fail(&format!("a record of {bytes} bytes is longer than a record may be"));
        }
    }

    /// The number of the newest record.
    #[must_use]
    pub fn last(&self) -> Lsn {
        Lsn(self.marks.last.load(Ordering::Acquire))
    }

    /// The number of the newest record that is not of one customer alone: of none, or of several in a group. What one
    /// customer comes to rests on this one, and on the newest of that customer.
    #[must_use]
    pub fn last_shared(&self) -> Lsn {
        Lsn(self.marks.shared.load(Ordering::Acquire))
    }

    /// The offset after the newest record.
    #[must_use]
    pub fn end(&self) -> LogOffset {
        LogOffset(self.marks.appended.load(Ordering::Acquire))
    }

    /// The last record that is known to be on the medium; for a journal in memory the last record.
    #[must_use]
    pub fn synced(&self) -> Lsn {
        self.marks.synced()
    }

    /// Whether the write backlog is full, so that new work should be refused. With [`Journal::limit_unshipped`] records that
    /// are not shipped count as well.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.backlog_bytes() >= BACKLOG_BYTES_MAX || self.is_unshipped_full()
    }

    /// Whether the record is committed by [`Options::sync`].
    #[must_use]
    pub fn is_committed(&self, lsn: Lsn) -> bool {
        lsn.0 <= self.marks.committed.load(Ordering::Acquire)
    }

    /// The outcome of a record, if it is known without waiting.
    pub(in crate::storage) fn outcome(&self, lsn: Lsn) -> Option<Result<(), Failed>> {
        if self.is_committed(lsn) { Some(Ok(())) } else { self.marks.failure().map(Err) }
    }

    /// Waits until the record is committed. Blocks the thread. A background thread leaves the writing to the journal's own
    /// thread: payments would wait for a writer with a lower priority.
    ///
    /// # Errors
    /// The journal has failed: the record may be recorded or not.
    pub fn commit(&self, lsn: Lsn) -> Result<(), Failed> {
        let lsn = lsn.min(self.last());
        if let Some(outcome) = self.outcome(lsn) {
            return outcome;
        }
        if self.options.sync != Sync::Always {
            let is_left = self.files.is_some() && is_background_thread() && self.threads.write.notify();
            return if is_left { self.waiters.wait(|| self.outcome(lsn)) } else { self.lead(lsn) };
        }
        if !self.threads.sync.notify() {
            return self.sync().map(drop);
        }
        self.waiters.wait(|| self.outcome(lsn))
    }

    /// [`Journal::commit`] for a task, without blocking its worker: the task writes the batch itself only if the writer is free
    /// and the disk is fast; otherwise it waits for the thread or task that writes.
    ///
    /// # Errors
    /// The journal has failed: the record may be recorded or not.
    pub async fn committed(&self, lsn: Lsn) -> Result<(), Failed> {
        let lsn = lsn.min(self.last());
        if let Some(outcome) = self.outcome(lsn) {
            return outcome;
        }
        if self.options.sync != Sync::Always {
            return match self.lead_in_turn(lsn).await {
                Some(outcome) => outcome,
                None => self.waiters.until(|| self.try_lead(lsn)).await,
            };
        }
        if !self.threads.sync.notify() {
            return self.commit(lsn);
        }
        self.waiters.until(|| self.outcome(lsn)).await
    }

    /// Writes and syncs the buffered records. Returns the last synced record. A background thread leaves the records to the
    /// journal's own thread, as in [`Journal::commit`].
    ///
    /// # Errors
    /// The journal has failed.
    pub fn sync(&self) -> Result<Lsn, Failed> {
        let last = self.last();
        let synced = || if self.synced() >= last { Some(Ok(())) } else { self.marks.failure().map(Err) };
        if self.files.is_some() && is_background_thread() && synced().is_none() && self.threads.sync.notify() {
            self.followers.wait(synced)?;
        }
        self.sync_all(last)
    }

    /// Fails the journal permanently, unless it has failed before, and wakes all waiters.
    pub(in crate::storage) fn fail(&self, cause: &str) -> Failed {
        let failed = self.marks.fail(cause);
        self.buffer.lock().stop();
        self.waiters.wake();
        self.failures.wake();
        self.shipped_waiters.wake();
        self.followers.wake();
        failed
    }

    /// Whether the journal works.
    pub(in crate::storage) fn check(&self) -> Result<(), Failed> {
        self.marks.failure().map_or(Ok(()), Err)
    }

    /// Whether the journal has failed.
    #[must_use]
    pub fn failed(&self) -> bool {
        self.marks.has_failed()
    }

    /// Waits until the journal fails, and returns the failure.
    pub async fn when_failed(&self) -> Failed {
        self.failures.until(|| self.marks.failure()).await
    }

    /// Stops the threads, and writes and syncs the remaining records. Records may still be appended; they are written by the thread
    /// or task that waits for them.
    ///
    /// # Errors
    /// The journal has failed.
    pub fn close(&self) -> Result<(), Failed> {
        self.stop_threads();
        self.sync().map(drop)
    }
}

impl Drop for Journal {
    /// Stops the threads. Uncommitted records may be lost; [`Journal::close`] writes them.
    fn drop(&mut self) {
        self.stop_threads();
    }
}
