//! Drafts: jobs whose content is being written.

use crate::{
    domain::vocabulary::time::Millis,
    storage::{
        fs::{disk::create_unnamed_file, headroom::GrowthCheck, store::File},
        jobs::{
            error::JobError,
            frames::{frame, header, kind},
            job::{Job, JobProgress},
            job_store::JobStore,
            paths::{BEGUN, DRAFT, FOLDER, OWNERS, PIECE_BYTES, path_of},
            reader::Reader,
        },
    },
};
use std::{
    io::{self, Write},
    sync::Arc,
};

/// A job whose content is being written. Dropping it leaves nothing.
pub struct Draft {
    jobs: Arc<JobStore>,
    number: u64,
    file: Arc<dyn File>,
    buffered: Vec<u8>,
    at: u64,
    room: GrowthCheck,
    is_begun: bool,
}

impl JobStore {
    /// Creates a draft. Its number is the time in milliseconds, or the next unused number.
    ///
    /// # Errors
    /// The file cannot be created, or there is no room for it.
    pub fn draft(self: &Arc<Self>, now: Millis) -> Result<Draft, JobError> {
        let (head, mut room) = (header(self.id), self.headroom.watch("the file of a job"));
        room.take(head.len() as u64)?;
        let number = {
            let mut last = self.last.lock();
            let mut number = u64::try_from(now.0).unwrap_or(0).max(last.saturating_add(1)) & !OWNERS;
            while self.keys.is_erased(OWNERS | number) {
                number += 1;
            }
            *last = number;
            number
        };
        let file = match &self.store {
            Some(store) => store.create(&path_of(number, DRAFT))?,
            None => create_unnamed_file()?,
        };
        let mut draft =
            Draft { jobs: Arc::clone(self), number, file, buffered: Vec::new(), at: 0, room, is_begun: false };
        draft.file.write_at(&head, 0)?;
        draft.at = head.len() as u64;
        Ok(draft)
    }
}

impl Draft {
    /// The number of the job.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Reads the content that was flushed.
    pub fn reader(&self) -> Reader {
        self.jobs.reader(self.number, &self.file, self.at)
    }

    fn put(&mut self, kind: u8, plain: &[u8]) -> Result<(), JobError> {
        let sealed = self.jobs.seal(self.number, plain)?;
        let bytes = frame(kind, &sealed)?;
        self.room.take(bytes.len() as u64)?;
        self.file.write_at(&bytes, self.at)?;
        self.at += bytes.len() as u64;
        Ok(())
    }

    /// Checks the space for the steps of the job, in marks and in the journal.
    ///
    /// # Errors
    /// There is no room; the caller must drop the draft.
    pub fn check_room(&self, bytes: u64) -> Result<(), JobError> {
        Ok(self.jobs.headroom.check("the steps of a job", bytes)?)
    }

    /// Begins the job: when this returns, the job is on the medium with all of its content. `what` describes the job to the
    /// start that finds it.
    ///
    /// # Errors
    /// Nothing is left of the job.
    pub fn begin(mut self, what: &[u8]) -> Result<Job, JobError> {
        self.flush()?;
        self.put(kind::BEGUN, what)?;
        if let Some(store) = self.jobs.store.clone() {
            // Sealed bytes are useless without their key, so the key is synced first.
            self.jobs.keys.write()?;
            self.jobs.keys.sync()?;
            self.file.sync()?;
            store.rename(&path_of(self.number, DRAFT), &path_of(self.number, BEGUN))?;
            store.sync_folder(FOLDER)?;
        }
        self.is_begun = true;
        let (jobs, number, file) = (Arc::clone(&self.jobs), self.number, Arc::clone(&self.file));
        Ok(Job { jobs, number, file, at: self.at, what: what.to_vec(), progress: JobProgress::default() })
    }
}

impl Write for Draft {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.buffered.extend_from_slice(bytes);
        if self.buffered.len() >= PIECE_BYTES {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let content = std::mem::take(&mut self.buffered);
        if content.is_empty() { Ok(()) } else { Ok(self.put(kind::PIECE, &content)?) }
    }
}

impl Drop for Draft {
    /// Removes the files and the key. Files that cannot be removed are removed by the next start.
    fn drop(&mut self) {
        if self.is_begun {
            return;
        }
        if let Some(store) = &self.jobs.store {
            for end in [DRAFT, BEGUN] {
                let _gone = store.remove(&path_of(self.number, end));
            }
            let _gone = store.sync_folder(FOLDER);
        }
        let _erased = self.jobs.keys.erase(OWNERS | self.number);
    }
}
