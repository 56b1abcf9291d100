//! How far a journal is, whether it has failed, and who waits for that.

use crate::{
    domain::transaction::record::LogOffset,
    storage::journal::{Lsn, error::Failed},
};
use parking_lot::{Condvar, Mutex};
use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering, fence},
    },
    time::Duration,
};
use tokio::sync::watch;

/// Something that every thread writes, in cache lines of its own: what lies beside it is read by every request.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct CachePadded<T>(pub(crate) T);

impl<T> std::ops::Deref for CachePadded<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

/// How far things are; each only grows.
#[derive(Debug, Default)]
pub(in crate::storage) struct Watermarks {
    pub(in crate::storage) last: AtomicU64,
    /// The last record that is not of one customer alone.
    pub(in crate::storage) shared: AtomicU64,
    pub(in crate::storage) appended: AtomicU64,
    pub(in crate::storage) written: AtomicU64,
    pub(in crate::storage) committed: AtomicU64,
    pub(in crate::storage) synced: AtomicU64,
    has_failed: AtomicBool,
    cause: OnceLock<Arc<str>>,
}

impl Watermarks {
    /// Up to where the file is known to be synced.
    pub(in crate::storage) fn synced(&self) -> Lsn {
        Lsn(self.synced.load(Ordering::Acquire))
    }

    /// Up to which place records were written, so that they may leave the tail.
    pub(in crate::storage) fn written(&self) -> LogOffset {
        LogOffset(self.written.load(Ordering::Acquire))
    }

    /// Notes a failure; the first one stays the cause.
    pub(in crate::storage) fn fail(&self, cause: &str) -> Failed {
        let cause = Arc::clone(self.cause.get_or_init(|| Arc::from(cause)));
        self.has_failed.store(true, Ordering::Release);
        Failed { cause }
    }

    pub(in crate::storage) fn has_failed(&self) -> bool {
        self.has_failed.load(Ordering::Acquire)
    }

    pub(in crate::storage) fn failure(&self) -> Option<Failed> {
        if !self.has_failed() {
            return None;
        }
        Some(Failed { cause: self.cause.get().map_or_else(|| Arc::from("for an unknown reason"), Arc::clone) })
    }
}

/// Those who wait for a mark to move or for the failure: threads, and tasks.
pub(in crate::storage) struct Waiters {
    moved: Mutex<()>,
    threads: Condvar,
    tasks: watch::Sender<()>,
}

impl Waiters {
    pub(in crate::storage) fn new() -> Self {
        Self { moved: Mutex::default(), threads: Condvar::new(), tasks: watch::Sender::new(()) }
    }

    /// A mark has moved.
    pub(in crate::storage) fn wake(&self) {
        // Whoever looked before the mark moved holds this lock until it sleeps.
        drop(self.moved.lock());
        self.threads.notify_all();
        self.tasks.send_replace(());
    }

    /// The same where no thread waits, at hardly any cost where no task does either.
    pub(in crate::storage) fn wake_tasks(&self) {
        // Whoever comes to wait is counted before it looks at the mark, so one of the two sees the other.
        fence(Ordering::SeqCst);
        if self.tasks.receiver_count() > 0 {
            self.tasks.send_replace(());
        }
    }

    /// Blocks the thread until there is something to say.
    pub(in crate::storage) fn wait<T>(&self, look: impl Fn() -> Option<T>) -> T {
        let mut moved = self.moved.lock();
        loop {
            if let Some(seen) = look() {
                return seen;
            }
            self.threads.wait(&mut moved);
        }
    }

    /// Waits until there is something to say.
    pub(in crate::storage) async fn until<T>(&self, look: impl Fn() -> Option<T>) -> T {
        let mut moved = self.tasks.subscribe();
        fence(Ordering::SeqCst);
        loop {
            if let Some(seen) = look() {
                return seen;
            }
            if moved.changed().await.is_err() {
                // The sender lives in this very place, so this is never reached.
                std::future::pending::<()>().await;
            }
        }
    }
}

/// Wakes a thread of the journal.
#[derive(Default)]
pub(in crate::storage) struct Notifier {
    rung: Mutex<Rung>,
    wakes: Condvar,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Rung {
    #[default]
    No,
    Yes,
    /// The thread ends, or has ended.
    Stop,
}

/// Why a thread of the journal woke.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::storage) enum Woken {
    /// The bell rang.
    Rung,
    /// The time is over.
    Time,
    /// The thread ends.
    Stop,
}

impl Notifier {
    /// Says whether somebody hears it.
    pub(in crate::storage) fn ring(&self) -> bool {
        let mut rung = self.rung.lock();
        if *rung == Rung::No {
            *rung = Rung::Yes;
            self.wakes.notify_one();
        }
        *rung != Rung::Stop
    }

    pub(in crate::storage) fn stop(&self) {
        *self.rung.lock() = Rung::Stop;
        self.wakes.notify_all();
    }

    /// Waits for the bell, or for a time.
    pub(in crate::storage) fn wait(&self, most: Option<Duration>) -> Woken {
        let mut rung = self.rung.lock();
        match most {
            None => self.wakes.wait_while(&mut rung, |rung| *rung == Rung::No),
            Some(most) => {
                self.wakes.wait_while_for(&mut rung, |rung| *rung == Rung::No, most);
            }
        }
        match *rung {
            Rung::No => Woken::Time,
            Rung::Yes => {
                *rung = Rung::No;
                Woken::Rung
            }
            Rung::Stop => Woken::Stop,
        }
    }
}
