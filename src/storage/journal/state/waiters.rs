//! Threads and tasks that wait for a watermark or for the failure.

use parking_lot::{Condvar, Mutex};
use std::sync::atomic::{Ordering, fence};
use tokio::sync::watch;

/// Threads and tasks that wait for a watermark to increase or for the failure.
pub(in crate::storage) struct Waiters {
    moved: Mutex<()>,
    threads: Condvar,
    tasks: watch::Sender<()>,
}

impl Waiters {
    pub(in crate::storage) fn new() -> Self {
        Self { moved: Mutex::default(), threads: Condvar::new(), tasks: watch::Sender::new(()) }
    }

    /// Wakes all waiters after a change.
    pub(in crate::storage) fn wake(&self) {
        // A thread that checked before the change holds this lock until it sleeps.
        drop(self.moved.lock());
        self.threads.notify_all();
        self.tasks.send_replace(());
    }

    /// Wakes the waiting tasks. It costs one fence if there are none.
    pub(in crate::storage) fn wake_tasks(&self) {
        // A new waiter is counted before it checks the watermark, so one of the two sees the other.
        fence(Ordering::SeqCst);
        if self.tasks.receiver_count() > 0 {
            self.tasks.send_replace(());
        }
    }

    /// Blocks the thread until `look` returns a value.
    pub(in crate::storage) fn wait<T>(&self, look: impl Fn() -> Option<T>) -> T {
        let mut moved = self.moved.lock();
        loop {
            if let Some(value) = look() {
                return value;
            }
            self.threads.wait(&mut moved);
        }
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
