//! The journal's threads: one that syncs and looks after the files, one that writes while tasks must not.

use crate::storage::journal::{
    Sync,
    error::OpenError,
    log::Journal,
    watermarks::{Notifier, Woken},
};
use parking_lot::Mutex;
use std::{
    sync::{Arc, Weak, atomic::Ordering},
    thread::JoinHandle,
    time::{Duration, Instant},
};

/// How often it is checked that the files are still at their paths, without any traffic too.
pub(in crate::storage) const CHECK_EVERY: Duration = Duration::from_secs(1);

/// The threads of a journal, and what wakes them.
#[derive(Default)]
pub(in crate::storage) struct Threads {
    /// Wakes the thread that syncs.
    pub(in crate::storage) sync: Arc<Notifier>,
    /// Wakes the thread that writes and rotates.
    pub(in crate::storage) write: Arc<Notifier>,
    started: Mutex<Vec<JoinHandle<()>>>,
}

impl Journal {
    pub(in crate::storage) fn start_threads(self: &Arc<Self>) -> Result<(), OpenError> {
        let (bell, journal) = (Arc::clone(&self.threads.write), Arc::downgrade(self));
        self.start("journal-write", move || while bell.wait(None) == Woken::Rung && Self::write_for(&journal) {})?;
        let every = (self.options.sync == Sync::Interval).then_some(self.options.sync_interval);
        let (bell, journal) = (Arc::clone(&self.threads.sync), Arc::downgrade(self));
        self.start("journal-sync", move || sync_and_check(&bell, &journal, every))
    }

    fn start(&self, name: &str, work: impl FnOnce() + Send + 'static) -> Result<(), OpenError> {
        let started = std::thread::Builder::new().name(name.to_owned()).spawn(work);
        let thread = started.map_err(|source| OpenError::Io { what: format!("starting the thread {name}"), source })?;
        self.threads.started.lock().push(thread);
        Ok(())
    }

    /// Writes for as long as something has gathered; says whether to go on.
    fn write_for(journal: &Weak<Self>) -> bool {
        let Some(journal) = journal.upgrade() else { return false };
        loop {
            match journal.lead_and_rotate() {
                Err(_) => return false,
                Ok(rotated) => {
                    if rotated && journal.options.sync != Sync::Never {
                        journal.threads.sync.ring();
                    }
                }
            }
            journal.prepare_next();
            let marks = &journal.marks;
            if marks.written.load(Ordering::Acquire) >= marks.appended.load(Ordering::Acquire) {
                return true;
            }
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

fn sync_and_check(bell: &Notifier, journal: &Weak<Journal>, every: Option<Duration>) {
    let (mut synced_at, mut checked_at) = (Instant::now(), Instant::now());
    loop {
        let left = |since: Instant, every: Duration| every.saturating_sub(since.elapsed());
        let until_check = left(checked_at, CHECK_EVERY);
        let woken = bell.wait(Some(every.map_or(until_check, |every| left(synced_at, every).min(until_check))));
        let Some(journal) = journal.upgrade().filter(|_| woken != Woken::Stop) else { return };
        if woken == Woken::Rung || every.is_some_and(|every| synced_at.elapsed() >= every) {
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
