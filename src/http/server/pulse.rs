//! Keeps a runtime polling while one of its workers is blocked.
//!
//! One worker at a time polls the sockets. When they make a single task ready, the worker runs it without waking another
//! worker. If the task blocks, as in a write to a disk that stalls, no worker polls the sockets although others sleep,
//! and even `/healthz` is not read. So a thread wakes a worker every [`PULSE_INTERVAL`]: it steals the tasks of the
//! blocked worker and polls the sockets. It cannot steal the task in the blocked worker's next-task slot, which holds a
//! task that the running task has just woken.
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

/// How often a worker is woken. It bounds the time without polling when a worker blocks.
pub const PULSE_INTERVAL: Duration = Duration::from_millis(20);

/// The number of workers of a runtime: one for each core, and at least two, so that one may block.
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
        let (stop, runtime) = (Arc::new(AtomicBool::new(false)), runtime.clone());
        let is_stopped = Arc::clone(&stop);
        let wake = move || {
            while !is_stopped.load(Ordering::Relaxed) {
                // A new task each time: a task in the queue of a blocked worker would wake no other worker.
                drop(runtime.spawn(std::future::ready(())));
                thread::sleep(PULSE_INTERVAL);
            }
        };
        thread::Builder::new().name("pulse".to_owned()).spawn(wake)?;
        Ok(Self(stop))
    }
}

impl Drop for Pulse {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
