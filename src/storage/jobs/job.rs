//! Jobs that have begun.

use crate::storage::{
    fs::{store::File, unfinished::Unfinished},
    jobs::{
        error::JobError,
        frames::{frame, header, kind},
        job_store::JobStore,
        paths::{BEGUN, ENDED, ENDING, FOLDER, OWNERS, path_of},
        reader::Reader,
    },
    journal::model::ids::Lsn,
};
use std::{io, sync::Arc};

/// The progress of a job.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JobProgress {
    /// How many steps are done.
    pub steps_done: u64,
    /// The data that was stored with it.
    pub data: Vec<u8>,
}

/// A job that has begun.
pub struct Job {
    pub(super) jobs: Arc<JobStore>,
    pub(super) number: u64,
    pub(super) file: Arc<dyn File>,
    /// The end of the last whole frame.
    pub(super) at: u64,
    /// The description of the job.
    pub what: Vec<u8>,
    /// How far the job was when it was read.
    pub progress: JobProgress,
}

impl Job {
    /// The number of the job.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Reads the content from the start.
    pub fn reader(&self) -> Reader {
        self.jobs.reader(self.number, &self.file, u64::MAX)
    }

    /// Writes a mark: the done steps are in the journal up to record `last`.
    ///
    /// # Errors
    /// The mark cannot be written; the job keeps its old one.
    pub fn write_mark(&mut self, progress: &JobProgress, last: Lsn) -> io::Result<()> {
        if self.jobs.store.is_none() {
            return Ok(());
        }
        let mut body = Vec::with_capacity(16 + progress.data.len());
        body.extend_from_slice(&progress.steps_done.to_le_bytes());
        body.extend_from_slice(&last.0.to_le_bytes());
        body.extend_from_slice(&progress.data);
        let bytes = frame(kind::MARK, &body)?;
        self.file.write_at(&bytes, self.at)?;
        self.at += bytes.len() as u64;
        Ok(())
    }

    /// Ends the job after all of its steps are on the medium: writes the result, removes the content and erases the key.
    ///
    /// # Errors
    /// The job has ended, or the next start finishes it again, which changes nothing.
    pub fn end(self, result: &[u8]) -> Result<(), JobError> {
        let owner = OWNERS | self.number;
        if let Some(store) = &self.jobs.store {
            let (ending, ended) = (path_of(self.number, ENDING), path_of(self.number, ENDED));
            let mut bytes = header(self.jobs.id);
            bytes.extend_from_slice(&frame(kind::ENDED, result)?);
            let unfinished = Unfinished::create(&**store, &ending)?;
            unfinished.file().write_at(&bytes, 0)?;
            unfinished.finish(&ended)?;
            store.remove(&path_of(self.number, BEGUN))?;
            store.sync_folder(FOLDER)?;
        }
        self.jobs.keys.erase(owner)?;
        Ok(())
    }
}
