//! Threads and tasks that wait for a watermark or for the failure.

use parking_lot::{Condvar, Mutex};
use std::sync::atomic::{AtomicUsize, Ordering, fence};
use tokio::sync::watch;

/// Threads and tasks that wait for a watermark to increase or for the failure.
pub(in crate::storage) struct Waiters {
    moved: Mutex<()>,
    threads: Condvar,
    /// The number of threads that wait, or are about to.
    threads_waiting: AtomicUsize,
    tasks: watch::Sender<()>,
}

impl Waiters {
    pub(in crate::storage) fn new() -> Self {
        Self {
            moved: Mutex::default(),
            threads: Condvar::new(),
            threads_waiting: AtomicUsize::new(0),
            tasks: watch::Sender::new(()),
        }
    }

    /// Wakes all waiters after a change. It costs one fence if there are none.
    pub(in crate::storage) fn wake(&self) {
        // A new waiter is counted before it checks the watermark, so one of the two sees the other.
        fence(Ordering::SeqCst);
        if self.threads_waiting.load(Ordering::Relaxed) > 0 {
            // A thread that checked before the change holds this lock until it sleeps.
            drop(self.moved.lock());
            self.threads.notify_all();
        }
        if self.tasks.receiver_count() > 0 {
            self.tasks.send_replace(());
        }
    }

    /// Blocks the thread until `look` returns a value.
    pub(in crate::storage) fn wait<T>(&self, look: impl Fn() -> Option<T>) -> T {
        let mut moved = self.moved.lock();
        self.threads_waiting.fetch_add(1, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        let value = loop {
            if let Some(value) = look() {
                break value;
            }
            self.threads.wait(&mut moved);
        };
        self.threads_waiting.fetch_sub(1, Ordering::Relaxed);
        value
    }

    /// Waits until `look` returns a value.
    pub(in crate::storage) async fn until<T>(&self, look: impl Fn() -> Option<T>) -> T {
        let mut moved = self.tasks.subscribe();
        fence(Ordering::SeqCst);
        loop {
            if let Some(value) = look() {
                return value;
            }
            if moved.changed().await.is_err() {
                // The sender is a field of this value, so this is never reached.
                std::future::pending::<()>().await;
            }
        }
    }
}
