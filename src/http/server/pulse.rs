//! Keeps a runtime polling while one of its workers is blocked.
//!
//! One worker at a time waits for the sockets. When they bring it a single task, it runs that without waking another
//! worker; if the task blocks, as in a write to a disk that stalls, no worker waits for the sockets any more though
//! others sleep, and even `/healthz` is not read. So a thread wakes a worker every [`EVERY`]: it takes over what can be
//! taken from the blocked one, and waits for the sockets. What cannot be taken is the one task that the blocked worker
//! would have run next, where its current task has just woken that.
//!
//! A runtime for this has at least two workers; see [`workers`].

use std::{
    num::NonZero,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};
use tokio::runtime::Handle;

/// How often a worker is woken. It bounds how long others wait for the sockets when one blocks.
pub const EVERY: Duration = Duration::from_millis(20);

/// How many workers a runtime has: one for each core, and never fewer than two, so that one may block.
#[must_use]
pub fn workers() -> usize {
    thread::available_parallelism().map_or(2, NonZero::get).max(2)
}

/// Ends the thread when it is dropped.
#[derive(Debug)]
pub struct Pulse(Arc<AtomicBool>);

impl Pulse {
    /// Starts the thread for a runtime of several workers.
    ///
    /// # Errors
    /// The system has no thread left.
    pub fn start(runtime: &Handle) -> std::io::Result<Self> {
        let (ends, runtime) = (Arc::new(AtomicBool::new(false)), runtime.clone());
        let ended = Arc::clone(&ends);
        let wake = move || {
            while !ended.load(Ordering::Relaxed) {
                // A new task each time: one that waits in the queue of a blocked worker would wake no other.
                drop(runtime.spawn(std::future::ready(())));
                thread::sleep(EVERY);
            }
        };
        thread::Builder::new().name("pulse".to_owned()).spawn(wake)?;
        Ok(Self(ends))
    }
}

impl Drop for Pulse {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
