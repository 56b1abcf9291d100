//! The running journal: how records get in, and how one waits until they are kept.
//!
//! # Who writes
//!
//! Appending encodes a record into the [`Buffer`] under one short lock and touches no file. Whoever first wants a
//! record committed leads: it takes what has gathered, writes it in one piece and says how far it came; whoever comes
//! meanwhile waits for the leader's lock and finds its record written, or leads the next batch. There is no timer: a
//! batch is what gathered while the last one was written, so it grows with the load. With [`Sync::Always`] a thread of
//! its own leads, and syncs; it is woken by whoever waits and goes on for as long as something has gathered.
//!
//! # Locks
//!
//! `writer`, then `syncing`, then `buffer`; the lists of segments and handles and the bell are leaves. Nothing but a
//! rotation syncs under `writer`, so with [`Sync::Interval`] writing goes on while the medium is busy. Syncs are one at
//! a time, because after one has failed another on the same file may succeed and would say that all is well.
//!
//! # After a failure
//!
//! The first failed write, sync or rotation fails the journal for ever: what waits and what comes is told so, nothing is
//! tried again, records that are appended go nowhere.

use super::{
    Appended, BACKLOG_BYTES_MAX, Companion, Failed, JournalId, Lsn, OpenError, Options, Place, Recovery, Replay, Sync,
    archive_list::ArchiveState,
    buffer::{Buffer, spare},
    follow::Spots,
    frame::Kind,
    marks::{Apart, Bell, Marks, Waiters},
    read::Handles,
    recovery::{Wanted, recover},
    synced_file::{self, SyncedFile},
    write::{Files, Writer},
};
use crate::store::Store;
use parking_lot::{Mutex, MutexGuard, RwLock};
use std::{
    sync::{Arc, Weak, atomic::Ordering},
    thread::JoinHandle,
    time::Duration,
};

/// A journal. See [the room's text](super) for what stands in its files.
pub struct Journal {
    pub(super) options: Options,
    pub(super) buffer: Apart<Mutex<Buffer>>,
    pub(super) marks: Apart<Marks>,
    /// What is on a disk; a journal in memory has none of it.
    pub(super) files: Option<Files>,
    pub(super) waiters: Waiters,
    /// Those who wait for more to last.
    pub(super) followers: Waiters,
    pub(super) spots: Spots,
    /// Where the synced number is kept outside the tail; a journal in memory has none.
    pub(super) synced_file: Option<SyncedFile>,
    bell: Arc<Bell>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Journal {
    /// A journal without files: every record stays in memory, is committed at once, and is gone with the process.
    #[must_use]
    pub fn in_memory() -> Self {
        let options = Options {
            sync: Sync::Never,
            sync_interval: Duration::ZERO,
            segment_bytes: u64::MAX,
            tail_bytes: usize::MAX,
        };
        Self::new(JournalId::default(), options, &Recovery { epoch: 1, ..Recovery::default() }, Place(0), None, None)
    }

    /// Finds the journal in the store, hands over its records behind `after`, and goes on behind the last.
    ///
    /// `after` is up to where a snapshot is true, 0 where there is none; `known_synced` is the number up to which the
    /// journal was synced when that snapshot was written.
    ///
    /// # Errors
    /// What was found is not what a daemon that died would leave, or the store fails. Every refusal comes before the
    /// first change, so nothing was changed then.
    pub fn open(
        store: Arc<dyn Store>,
        id: JournalId,
        options: Options,
        companion: Option<Arc<dyn Companion>>,
        after: Lsn,
        known_synced: Lsn,
        replay: &mut dyn Replay,
    ) -> Result<(Arc<Self>, Recovery), OpenError> {
        let mark = synced_file::read(&*store, id)?;
        let may_have_lost_power = store.may_have_lost_power();
        let wanted = Wanted { id, after, known_synced, mark, may_have_lost_power, only_looks: false };
        let found = recover(&*store, wanted, companion.as_deref(), replay)?;
        if mark.is_none() && found.recovery.last > Lsn::NONE {
            tracing::warn!(
                "the data folder has no file `{}`: an earlier version left it, or the file was removed; records that are \
                 missing at the journal's end could not be noticed at this start; the file is made now",
                synced_file::PATH
            );
        }
        let (writer, segment) = Writer::begin(&*store, id, &found)?;
        // Recovery has made durable whatever it found.
        let synced_file = SyncedFile::begin(&*store, id, found.recovery.last)?;
        let archive = ArchiveState { list: Mutex::new(found.list), lost: RwLock::new(found.lost) };
        let handles = Handles::new(writer.segment_file());
        let mut segments = found.segments;
        segments.push(segment);
        let files = Files {
            store,
            id,
            companion,
            writer: Mutex::new(writer),
            syncing: Mutex::default(),
            segments: RwLock::new(segments),
            archive,
            handles: Mutex::new(handles),
        };
        let journal = Arc::new(Self::new(id, options, &found.recovery, found.end, Some(files), Some(synced_file)));
        journal.start_thread()?;
        journal.start_synced_thread()?;
        Ok((journal, found.recovery))
    }

    fn new(
        id: JournalId,
        options: Options,
        recovery: &Recovery,
        end: Place,
        files: Option<Files>,
        synced_file: Option<SyncedFile>,
    ) -> Self {
        let last = recovery.last;
        let marks = Marks::default();
        for (mark, at) in [(&marks.appended, end.0), (&marks.written, end.0)] {
            mark.store(at, Ordering::Release);
        }
        for mark in [&marks.last, &marks.committed, &marks.synced] {
            mark.store(last.0, Ordering::Release);
        }
        Self {
            options,
            buffer: Apart(Mutex::new(Buffer::new(id, recovery.epoch, last, end, options.tail_bytes))),
            marks: Apart(marks),
            files,
            waiters: Waiters::new(),
            followers: Waiters::new(),
            spots: Spots::default(),
            synced_file,
            bell: Arc::default(),
            thread: Mutex::default(),
        }
    }

    fn start_thread(self: &Arc<Self>) -> Result<(), OpenError> {
        let every = match self.options.sync {
            Sync::Always => None,
            Sync::Interval => Some(self.options.sync_interval),
            Sync::Never => return Ok(()),
        };
        let (bell, journal) = (Arc::clone(&self.bell), Arc::downgrade(self));
        let work = move || while bell.wait(every) && Self::work(&journal) {};
        let started = std::thread::Builder::new().name("journal".to_owned()).spawn(work);
        let thread = started.map_err(|source| OpenError::Io { what: "starting a thread".to_owned(), source })?;
        *self.thread.lock() = Some(thread);
        Ok(())
    }

    /// Syncs for as long as something has gathered; says whether to go on.
    fn work(journal: &Weak<Self>) -> bool {
        let Some(journal) = journal.upgrade() else { return false };
        while journal.synced() < journal.last() {
            if journal.sync().is_err() {
                return false;
            }
            if journal.options.sync == Sync::Interval {
                break;
            }
        }
        true
    }

    /// Adds a record of events. It cannot fail: a journal that has failed tells whoever waits.
    pub fn append(&self, owner: u64, events: &[u8]) -> Appended {
        let mut buffer = self.buffer.lock();
        let appended = buffer.put(Kind::Events, owner, &[events], &self.marks);
        self.leave(buffer);
        appended
    }

    /// Adds a group: all of its parts will be found, or none. Says what became of the parts, and the number of the
    /// group's end, which is the one to wait for.
    pub fn append_group(&self, parts: &[(u64, Vec<u8>)]) -> (Vec<Appended>, Lsn) {
        let mut buffer = self.buffer.lock();
        let begin = buffer.put(Kind::Begin, 0, &[], &self.marks).lsn;
        let group = begin.0.to_le_bytes();
        let put = |(owner, events): &(u64, Vec<u8>)| buffer.put(Kind::Part, *owner, &[&group, events], &self.marks);
        let appended = parts.iter().map(put).collect();
        let count = u32::try_from(parts.len()).unwrap_or(u32::MAX);
        let end = buffer.put(Kind::End, 0, &[&group, &count.to_le_bytes()], &self.marks).lsn;
        self.leave(buffer);
        (appended, end)
    }

    /// Publishes how far the buffer is, while its lock is held, so that the marks only grow; then leaves it.
    fn leave(&self, buffer: MutexGuard<'_, Buffer>) {
        self.marks.appended.store(buffer.end().0, Ordering::Release);
        self.marks.last.store(buffer.last().0, Ordering::Release);
        let (too_long, wants_spare) = (buffer.too_long(), buffer.wants_spare());
        if self.files.is_none() && too_long.is_none() {
            for mark in [&self.marks.committed, &self.marks.synced] {
                mark.store(buffer.last().0, Ordering::Release);
            }
            self.followers.wake_tasks();
        }
        drop(buffer);
        if wants_spare {
            let spare = spare();
            self.buffer.lock().take_spare(spare);
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

    /// The place behind the newest record.
    #[must_use]
    pub fn end(&self) -> Place {
        Place(self.marks.appended.load(Ordering::Acquire))
    }

    /// Up to where the medium has the journal for certain. One in memory has no medium, and says what it has.
    #[must_use]
    pub fn synced(&self) -> Lsn {
        self.marks.synced()
    }

    /// Whether so much waits to be written that new work should be refused.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.files.is_some() && self.end().0.saturating_sub(self.marks.written().0) >= BACKLOG_BYTES_MAX
    }

    /// Whether the record is kept, to the degree that [`Options::sync`] names.
    #[must_use]
    pub fn is_committed(&self, lsn: Lsn) -> bool {
        lsn.0 <= self.marks.committed.load(Ordering::Acquire)
    }

    /// What is known of a record without waiting.
    fn outcome(&self, lsn: Lsn) -> Option<Result<(), Failed>> {
        if self.is_committed(lsn) { Some(Ok(())) } else { self.marks.failure().map(Err) }
    }

    /// Waits until the record is committed; a thread that waits so is blocked.
    ///
    /// # Errors
    /// The journal has failed: the record may be kept or not.
    pub fn commit(&self, lsn: Lsn) -> Result<(), Failed> {
        let lsn = lsn.min(self.last());
        if let Some(outcome) = self.outcome(lsn) {
            return outcome;
        }
        if self.options.sync != Sync::Always {
            return self.lead(lsn);
        }
        if !self.bell.ring() {
            return self.sync().map(drop);
        }
        self.waiters.wait(|| self.outcome(lsn))
    }

    /// The same for a task. Unless every record is synced it never awaits: it writes the batch, or waits for the short
    /// while in which another one does.
    ///
    /// # Errors
    /// The journal has failed: the record may be kept or not.
    pub async fn committed(&self, lsn: Lsn) -> Result<(), Failed> {
        let lsn = lsn.min(self.last());
        if let Some(outcome) = self.outcome(lsn) {
            return outcome;
        }
        if self.options.sync != Sync::Always || !self.bell.ring() {
            return self.commit(lsn);
        }
        self.waiters.until(|| self.outcome(lsn)).await
    }

    /// Writes what has gathered, and makes the medium keep it. Says up to where.
    ///
    /// # Errors
    /// The journal has failed.
    pub fn sync(&self) -> Result<Lsn, Failed> {
        self.sync_all()
    }

    /// Fails the journal for ever, unless it has failed before, and wakes all who wait.
    pub(super) fn fail(&self, cause: &str) -> Failed {
        let failed = self.marks.fail(cause);
        self.buffer.lock().stop();
        self.waiters.wake();
        self.followers.wake_tasks();
        failed
    }

    /// Whether the journal works.
    pub(super) fn check(&self) -> Result<(), Failed> {
        self.marks.failure().map_or(Ok(()), Err)
    }

    /// Whether the journal has failed.
    #[must_use]
    pub fn failed(&self) -> bool {
        self.marks.has_failed()
    }

    /// Waits until the journal fails, and says why; for ever where it does not.
    pub async fn when_failed(&self) -> Failed {
        self.waiters.until(|| self.marks.failure()).await
    }

    /// Stops the thread, writes and syncs what is left. Records may still be appended; they are written by whoever
    /// waits for them.
    ///
    /// # Errors
    /// The journal has failed.
    pub fn close(&self) -> Result<(), Failed> {
        self.stop_thread();
        self.sync().map(drop)
    }

    pub(super) fn stop_thread(&self) {
        if let Some(synced) = &self.synced_file {
            synced.stop();
        }
        self.bell.stop();
        let thread = self.thread.lock().take();
        // The thread itself may be the last that holds the journal; it does not wait for itself.
        if let Some(thread) = thread.filter(|thread| thread.thread().id() != std::thread::current().id()) {
            // It has nothing to say when it ends; what failed stands in the marks.
            let _ended = thread.join();
        }
    }
}

impl Drop for Journal {
    /// Stops the thread. What was not committed may be lost; [`Journal::close`] keeps it.
    fn drop(&mut self) {
        self.stop_thread();
    }
}
