//! The journal's threads. One syncs and looks after the files. The other one prepares memory and writes: for background
//! threads, and for tasks while writes are slow.

use crate::storage::journal::{
    format::synced_file::{self, SyncedMark},
    log::Journal,
    model::{
        error::{Failed, OpenError},
        options::Sync,
    },
    state::{
        buffer::spare,
        notifier::{Notifier, WakeReason},
    },
};
use std::{
    sync::{Arc, Weak, atomic::Ordering},
    time::{Duration, Instant},
};

/// How often it is checked that the files are still at their paths, without any traffic too.
pub(in crate::storage) const CHECK_EVERY: Duration = Duration::from_secs(1);

impl Journal {
    pub(in crate::storage) fn start_threads(self: &Arc<Self>) -> Result<(), OpenError> {
        let (notifier, journal) = (Arc::clone(&self.threads.write), Arc::downgrade(self));
        self.start("journal-write", move || while Self::write_on(notifier.wait(None), &journal) {})?;
        let every = (self.options.sync == Sync::Interval).then_some(self.options.sync_interval);
        let (notifier, journal) = (Arc::clone(&self.threads.sync), Arc::downgrade(self));
        self.start("journal-sync", move || sync_and_check(&notifier, &journal, every))
    }

    fn start(&self, name: &str, work: impl FnOnce() + Send + 'static) -> Result<(), OpenError> {
        let started = std::thread::Builder::new().name(name.to_owned()).spawn(work);
        let thread = started.map_err(|source| OpenError::Io { what: format!("starting the thread {name}"), source })?;
        self.threads.started.lock().push(thread);
        Ok(())
    }

    /// Does what its thread was woken for; says whether to go on.
    fn write_on(woken: WakeReason, journal: &Weak<Self>) -> bool {
        let Some(journal) = journal.upgrade().filter(|_| woken != WakeReason::Stop) else { return false };
        if woken == WakeReason::Signal {
            return journal.write_gathered();
        }
        journal.prepare_spare();
        true
    }

    /// Writes what has gathered: once, or for as long as writes are slow; says whether to go on.
    fn write_gathered(&self) -> bool {
        loop {
            self.prepare_spare();
            match self.lead_and_rotate() {
                Err(_) => return false,
                Ok(rotated) => {
                    if rotated && self.options.sync != Sync::Never {
                        self.threads.sync.notify();
                    }
                }
            }
            self.prepare_next();
            let marks = &self.marks;
            let is_all = marks.written.load(Ordering::Acquire) >= marks.appended.load(Ordering::Acquire);
            // Tasks write the next records themselves where writes are fast, those of a turn at once.
            if is_all || !self.pace.is_slow() {
                return true;
            }
        }
    }

    /// Makes a chunk for when the newest is full, if none stands ready.
    pub(in crate::storage) fn prepare_spare(&self) {
        if self.buffer.lock().wants_spare() {
            let spare = spare();
            self.buffer.lock().add_spare(spare);
        }
    }

    /// Syncs for as long as something has gathered; says whether to go on.
    fn sync_gathered(&self) -> bool {
        while self.synced() < self.last() {
            if self.sync().is_err() {
                return false;
            }
            if self.options.sync != Sync::Always {
                break;
            }
        }
        true
    }

    pub(in crate::storage) fn stop_threads(&self) {
        if let Some(synced) = &self.synced_file {
            synced.stop();
        }
        self.threads.sync.stop();
        self.threads.write.stop();
        let threads = std::mem::take(&mut *self.threads.started.lock());
        for thread in threads {
            // A thread may be the last that holds the journal; it does not wait for itself.
            if thread.thread().id() != std::thread::current().id() {
                // It has nothing to say when it ends; what failed is in the marks.
                let _ended = thread.join();
            }
        }
    }
}

fn sync_and_check(notifier: &Notifier, journal: &Weak<Journal>, every: Option<Duration>) {
    let (mut synced_at, mut checked_at) = (Instant::now(), Instant::now());
    loop {
        let left = |since: Instant, every: Duration| every.saturating_sub(since.elapsed());
        let until_check = left(checked_at, CHECK_EVERY);
        let woken = notifier.wait(Some(every.map_or(until_check, |every| left(synced_at, every).min(until_check))));
        let Some(journal) = journal.upgrade().filter(|_| woken != WakeReason::Stop) else { return };
        if woken == WakeReason::Signal || every.is_some_and(|every| synced_at.elapsed() >= every) {
            synced_at = Instant::now();
            if !journal.sync_gathered() {
                return;
            }
        }
        if checked_at.elapsed() >= CHECK_EVERY {
            checked_at = Instant::now();
            if journal.check_presence().is_err() {
                return;
            }
        }
    }
}

impl Journal {
    /// Starts the thread that writes the synced number to its file while it grows. Payments never wait for it.
    pub(in crate::storage) fn start_synced_thread(self: &Arc<Self>) -> Result<(), OpenError> {
        let Some(synced) = self.synced_file.as_ref().filter(|_| self.options.sync != Sync::Never) else {
            return Ok(());
        };
        let (notifier, journal) = (Arc::clone(&synced.notifier), Arc::downgrade(self));
        let work = move || {
            while notifier.wait(Some(synced_file::INTERVAL)) != WakeReason::Stop && Self::note_synced(&journal) {}
        };
        let started = std::thread::Builder::new().name("journal-synced".to_owned()).spawn(work);
        let thread = started.map_err(|source| OpenError::Io { what: "starting a thread".to_owned(), source })?;
        *synced.thread.lock() = Some(thread);
        Ok(())
    }

    /// Writes the synced number where it has grown; says whether to go on.
    fn note_synced(journal: &Weak<Self>) -> bool {
        let Some(journal) = journal.upgrade() else { return false };
        if let Some(synced) = &journal.synced_file {
            synced.advance(journal.synced());
        }
        true
    }

    /// Syncs everything and marks a clean stop with the last record, so that the next start knows where the journal must
    /// end. May be called again.
    ///
    /// # Errors
    /// The journal has failed. A mark that cannot be written is logged and is no error: the records are on the medium.
    pub fn mark_clean_stop(&self) -> Result<(), Failed> {
        let lsn = self.sync()?;
        let Some(synced) = &self.synced_file else { return Ok(()) };
        let mark = SyncedMark { lsn, is_clean_stop: true };
        for _slot in synced_file::SLOTS {
            if let Err(error) = synced.write(mark) {
                tracing::error!(
                    "{} cannot be written: {error}; the stop is not marked as clean, so that the next start cannot tell \
                     whether the journal's last records are missing; check the disk",
                    synced_file::PATH
                );
                break;
            }
        }
        Ok(())
    }
}
