//! Progress bars on a terminal; nothing elsewhere.

use indicatif::{ProgressBar, ProgressStyle};
use std::{
    fs::File,
    io::{self, IsTerminal, Read},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

/// How often the bar is drawn.
const DRAW_INTERVAL: Duration = Duration::from_millis(100);

/// A bar if standard error is a terminal, else a hidden one.
pub(in crate::cli) fn bar(length: u64, template: &str) -> anyhow::Result<ProgressBar> {
    if !io::stderr().is_terminal() {
        return Ok(ProgressBar::hidden());
    }
    Ok(ProgressBar::new(length).with_style(ProgressStyle::with_template(template)?))
}

/// How many bytes of a file have been read.
pub(in crate::cli) struct ReadProgress {
    pub(in crate::cli) bytes: u64,
    done: Arc<AtomicU64>,
}

impl ReadProgress {
    /// The progress of a file of this length.
    pub(in crate::cli) fn new(bytes: u64) -> Self {
        Self { bytes, done: Arc::default() }
    }

    /// The bytes that have been read.
    pub(in crate::cli) fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    /// Counts what is read of the file, from zero.
    pub(in crate::cli) fn count(&self, file: File) -> CountingReader {
        self.done.store(0, Ordering::Relaxed);
        CountingReader { file, done: Arc::clone(&self.done) }
    }
}

pub(in crate::cli) struct CountingReader {
    file: File,
    done: Arc<AtomicU64>,
}

impl Read for CountingReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        self.done.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

/// Runs `work` while a bar shows its progress: first the bytes that are read, then the rows of the job. `job_status`
/// returns the job as `/v1/merchants/{m}/customers/jobs/{id}` shows it.
///
/// # Errors
/// `work` panicked.
pub(in crate::cli) fn with_import_progress<T: Send>(
    read: &ReadProgress,
    job_status: impl Fn() -> Option<serde_json::Value>,
    work: impl FnOnce() -> T + Send,
) -> anyhow::Result<T> {
    let bar = bar(read.bytes, "{bar:40} {pos}/{len} {msg}")?;
    let (done, ended) = mpsc::channel::<()>();
    let worked = thread::scope(|scope| {
        let working = scope.spawn(move || {
            let worked = work();
            drop(done);
            worked
        });
        while ended.recv_timeout(DRAW_INTERVAL) == Err(mpsc::RecvTimeoutError::Timeout) {
            if bar.is_hidden() {
                continue;
            }
            let job = job_status();
            let count = |name: &str| job.as_ref().and_then(|job| job[name].as_u64());
            match (count("rows"), count("rows_done"), job.as_ref().and_then(|job| job["state"].as_str())) {
                (Some(rows), Some(rows_done), Some(state)) => {
                    bar.set_length(rows);
                    bar.set_position(rows_done);
                    bar.set_message(format!("rows, {state}"));
                }
                _ => {
                    bar.set_position(read.done.load(Ordering::Relaxed));
                    bar.set_message("bytes sent");
                }
            }
        }
        working.join()
    });
    bar.finish_and_clear();
    worked.map_err(|_| anyhow::anyhow!("the import panicked"))
}
