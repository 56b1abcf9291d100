//! Group commit: the thread or task that holds the writer writes the records of all.

use crate::{
    domain::transaction::log_offset::LogOffset,
    storage::journal::{
        log::Journal,
        model::{error::Failed, ids::Lsn, options::Sync},
        state::{files::Files, segment_writer::Writer, waiters::Waiters},
        turn_taking,
        write::BatchMode,
    },
};
use parking_lot::MutexGuard;
use std::{
    ops::{Deref, DerefMut},
    sync::atomic::Ordering,
    time::Duration,
};
use tokio::task;

/// How often a task yields before it waits to be woken.
const YIELDS_MAX: u32 = 4;

/// The locked writer. Fields are dropped in order: the writer is unlocked before the waiters are woken.
pub(in crate::storage) struct WriterGuard<'a> {
    writer: MutexGuard<'a, Writer>,
    wakes: WakeOnDrop<'a>,
}

/// Wakes waiters when it is dropped. With [`Sync::Always`] none waits for the writer.
struct WakeOnDrop<'a>(Option<&'a Waiters>);

impl Drop for WakeOnDrop<'_> {
    fn drop(&mut self) {
        if let Some(waiters) = self.0 {
            waiters.wake();
        }
    }
}

impl WriterGuard<'_> {
    /// Releases the writer without waking a waiter: the notified thread takes it, and wakes them when it has written.
    fn leave_to_thread(mut self) {
        self.wakes.0 = None;
    }
}

impl Deref for WriterGuard<'_> {
    type Target = Writer;

    fn deref(&self) -> &Writer {
        &self.writer
    }
}

impl DerefMut for WriterGuard<'_> {
    fn deref_mut(&mut self) -> &mut Writer {
        &mut self.writer
    }
}

impl Journal {
    fn guard<'a>(&'a self, writer: MutexGuard<'a, Writer>) -> WriterGuard<'a> {
        let waiters = (self.options.sync != Sync::Always).then_some(&self.waiters);
        WriterGuard { writer, wakes: WakeOnDrop(waiters) }
    }

    /// Locks the writer. Blocks.
    pub(in crate::storage) fn lock_writer<'a>(&'a self, files: &'a Files) -> WriterGuard<'a> {
        self.guard(files.writer.lock())
    }

    /// Writes the batch of a record, unless another thread has written it; syncs after a rotation. Blocks.
    pub(in crate::storage) fn lead(&self, lsn: Lsn) -> Result<(), Failed> {
        let Some(files) = &self.files else { return self.check() };
        let rotated = {
            let mut lead = self.lock_writer(files);
            if self.is_committed(lsn) {
                return Ok(());
            }
            let segment = lead.first_lsn;
            self.write_batch(files, &mut lead, BatchMode::Blocking)?;
            lead.first_lsn != segment
        };
        if rotated { self.finish_rotation() } else { Ok(()) }
    }

    /// Writes the buffered records, and begins another segment if that is due. Returns whether it did. Blocks.
    pub(in crate::storage) fn lead_and_rotate(&self) -> Result<bool, Failed> {
        let Some(files) = &self.files else { return self.check().map(|()| false) };
        let mut lead = self.lock_writer(files);
        let segment = lead.first_lsn;
        self.write_batch(files, &mut lead, BatchMode::Blocking)?;
        if self.pace.rotation_is_due.swap(false, Ordering::AcqRel) && self.is_full_segment(&lead, lead.offset) {
            self.next_segment(files, &mut lead).map_err(|cause| self.fail(&cause))?;
        }
        Ok(lead.first_lsn != segment)
    }

    /// Whether a segment that ends at an offset is full.
    pub(in crate::storage) fn is_full_segment(&self, writer: &Writer, to: LogOffset) -> bool {
        writer.has_records() && writer.file_offset(to) > self.options.segment_bytes
    }

    /// For tasks: the outcome of a record, after writing it if that waits for no other thread. `None`: another thread or task
    /// writes it, and then wakes the waiters.
    pub(in crate::storage) fn try_lead(&self, lsn: Lsn) -> Option<Result<(), Failed>> {
        if let Some(outcome) = self.outcome(lsn) {
            return Some(outcome);
        }
        let Some(files) = &self.files else { return Some(self.check()) };
        if self.pace.is_slow() && self.threads.write.notify() {
            return None;
        }
        let mut lead = self.guard(files.writer.try_lock()?);
        if let Some(outcome) = self.outcome(lsn) {
            return Some(outcome);
        }
        match self.write_batch(files, &mut lead, BatchMode::WriteOnly) {
            Err(failed) => Some(Err(failed)),
            Ok(true) => {
                drop(lead);
                self.outcome(lsn)
            }
            Ok(false) => {
                if self.threads.write.notify() {
                    lead.leave_to_thread();
                    return None;
                }
                // After a close there is no thread, so the task must block.
                Some(self.write_batch(files, &mut lead, BatchMode::Blocking).map(|_| ()))
            }
        }
    }

    /// [`Journal::try_lead`] once a turn: while several tasks take turns on this thread and that saves writes, the task first
    /// yields, see [`turn_taking`]. The scheduler polls it again when all ready tasks have been polled and have appended their
    /// records. The first of them that is polled again writes the records of all, and the others find theirs written. A task
    /// that finds the writer locked by another thread yields again, which costs less than to be woken. `None`: the task waits
    /// to be woken.
    pub(in crate::storage) async fn lead_in_turn(&self, lsn: Lsn) -> Option<Result<(), Failed>> {
        if self.pace.is_slow() || !turn_taking::yields() {
            return self.try_lead(lsn);
        }
        for round in 0..YIELDS_MAX {
            task::yield_now().await;
            if round == 0 {
                turn_taking::learn(self.last() != lsn || self.is_committed(lsn));
            }
            let outcome = self.try_lead(lsn);
            if outcome.is_some() || self.pace.is_slow() {
                return outcome;
            }
        }
        None
    }

    /// How many writes of batches took 25 ms or longer.
    #[must_use]
    pub fn slow_writes(&self) -> u64 {
        self.pace.slow_writes()
    }

    /// Bytes of records that are not written.
    #[must_use]
    pub fn backlog_bytes(&self) -> u64 {
        if self.files.is_some() { self.end().0.saturating_sub(self.marks.written().0) } else { 0 }
    }

    /// From now on this function is called with the time of each sync. Only the first one is kept.
    pub fn observe_syncs(&self, observer: fn(Duration)) {
        self.pace.observe_syncs(observer);
    }

    /// How long the oldest unwritten record waits; zero if there is none.
    #[must_use]
    pub fn oldest_unwritten(&self) -> Duration {
        let in_batch = self.pace.unwritten_for();
        in_batch.unwrap_or_else(|| self.buffer.lock().waits_since().map_or(Duration::ZERO, |since| since.elapsed()))
    }

    /// How many segments were begun since the start.
    #[must_use]
    pub fn rotations(&self) -> u64 {
        self.pace.rotations()
    }
}
