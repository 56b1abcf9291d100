//! The background threads of a daemon.

use crate::scheduling::become_background_thread;
use std::{io, sync::OnceLock, time::Duration};
use tokio::{
    runtime::{Builder, Handle, Runtime},
    task::JoinHandle,
};

/// The threads of this process, once they are started.
static THREADS: OnceLock<Handle> = OnceLock::new();

/// The background threads of a daemon.
pub(crate) struct BackgroundThreads(Runtime);

impl BackgroundThreads {
    /// Starts the first thread; others start with the work.
    ///
    /// # Errors
    /// The system has no thread left.
    pub(crate) fn start() -> io::Result<Self> {
        let mut runtime = Builder::new_multi_thread();
        runtime.worker_threads(1).thread_name("background").on_thread_start(become_background_thread);
        let runtime = runtime.enable_all().build()?;
        // A second daemon in this process would use the threads of the first.
        let _ = THREADS.set(runtime.handle().clone());
        Ok(Self(runtime))
    }

    /// Waits for the work that goes on, at most so long.
    pub(crate) fn end(self, duration_max: Duration) {
        self.0.shutdown_timeout(duration_max);
    }
}

/// Does work on a background thread; on a thread of the caller's runtime where no background threads were started.
pub(crate) fn run<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    match THREADS.get() {
        Some(threads) => threads.spawn_blocking(work),
        None => tokio::task::spawn_blocking(work),
    }
}
