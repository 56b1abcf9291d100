//! Reads the jobs of a data folder at a start.

use crate::storage::{
    fs::store::File,
    jobs::{
        error::JobError,
        frames::{Frames, kind},
        job::{Job, JobProgress},
        job_store::JobStore,
        paths::{BEGUN, DRAFT, ENDED, FOLDER, OWNERS, number_of},
    },
    journal::model::ids::Lsn,
};
use std::sync::Arc;

/// The jobs that a start finds.
#[derive(Default)]
pub struct JobsOnDisk {
    /// Jobs that have begun and not ended, the oldest first.
    pub unfinished: Vec<Job>,
    /// The results of jobs that have ended, the oldest first.
    pub ended: Vec<(u64, Vec<u8>)>,
    /// Jobs without a result whose keys are erased: they never began, or were copied while they ended.
    pub keyless: Vec<u64>,
}

impl JobStore {
    /// Reads all jobs at a start, while the journal's last record is still `last`. Drafts are removed, and so are the
    /// remains of jobs that have ended.
    ///
    /// # Errors
    /// A file is damaged, newer, or of another journal; or the folder cannot be read or written.
    pub fn open(self: &Arc<Self>, last: Lsn) -> Result<JobsOnDisk, JobError> {
        let Some(store) = &self.store else { return Ok(JobsOnDisk::default()) };
        let mut found = JobsOnDisk::default();
        let names = store.list(FOLDER)?;
        let has_ended = |number: u64| names.iter().any(|name| number_of(name, ENDED) == Some(number));
        for name in &names {
            let path = format!("{FOLDER}/{name}");
            if let Some(number) = number_of(name, ENDED) {
                let mut frames = Frames::open(&path, store.open(&path)?, self.id)?;
                let ended = frames.next(&[kind::ENDED])?.ok_or_else(|| frames.damaged())?;
                found.ended.push((number, ended.1));
                self.note_number(number);
                if !self.keys.is_erased(OWNERS | number) {
                    self.keys.erase(OWNERS | number)?;
                }
            } else if number_of(name, BEGUN)
                .is_some_and(|number| !has_ended(number) && self.keys.is_erased(OWNERS | number))
            {
                found.keyless.extend(number_of(name, BEGUN));
                store.remove(&path)?;
                store.sync_folder(FOLDER)?;
            } else if let Some(number) = number_of(name, BEGUN).filter(|number| !has_ended(*number)) {
                self.note_number(number);
                let file = store.open(&path)?;
                found.unfinished.push(self.read_job(number, &path, file, last)?);
            } else {
                // A draft, or a result that was not whole.
                store.remove(&path)?;
                store.sync_folder(FOLDER)?;
                if let Some(number) = number_of(name, DRAFT) {
                    self.note_number(number);
                    self.keys.erase(OWNERS | number)?;
                }
            }
        }
        Ok(found)
    }

    fn note_number(&self, number: u64) {
        let mut last = self.last.lock();
        *last = number.max(*last);
    }

    fn read_job(self: &Arc<Self>, number: u64, path: &str, file: Arc<dyn File>, last: Lsn) -> Result<Job, JobError> {
        let mut frames = Frames::open(path, Arc::clone(&file), self.id)?;
        let what = loop {
            let (kind, body) = frames.next(&[kind::PIECE, kind::BEGUN])?.ok_or_else(|| frames.damaged())?;
            if kind == kind::BEGUN {
                break self.unseal(number, &body)?;
            }
        };
        let mut progress = JobProgress::default();
        let mut at = frames.at;
        // A mark that is not whole is ignored, and so is one that names a record which the journal has lost.
        while let Ok(Some((_, body))) = frames.next(&[kind::MARK]) {
            let Some((words, data)) = body.split_at_checked(16) else { break };
            let word = |at: usize| words[at..at + 8].try_into().map(u64::from_le_bytes).unwrap_or_default();
            if word(8) > last.0 {
                break;
            }
            (progress, at) = (JobProgress { steps_done: word(0), data: data.to_vec() }, frames.at);
        }
        if file.len()? > at {
            file.truncate(at)?;
            // The numbers of lost records are assigned again, so a mark that names one must not be read later.
            file.sync()?;
        }
        Ok(Job { jobs: Arc::clone(self), number, file, at, what, progress })
    }
}
