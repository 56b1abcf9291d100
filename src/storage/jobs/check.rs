//! Checks whether a start accepts the files of jobs. Nothing is changed.

use crate::storage::jobs::{
    error::JobError,
    frames::{Frames, kind},
    job_store::JobStore,
    paths::{BEGUN, ENDED, FOLDER, OWNERS, number_of},
};

impl JobStore {
    /// Returns the errors of [`JobStore::open`] without changing anything.
    ///
    /// # Errors
    /// A file of a job is damaged, newer or of another journal, or cannot be read.
    pub fn check(&self) -> Result<(), JobError> {
        let Some(store) = &self.store else { return Ok(()) };
        let names = store.list(FOLDER)?;
        let has_ended = |number: u64| names.iter().any(|name| number_of(name, ENDED) == Some(number));
        for name in &names {
            let path = format!("{FOLDER}/{name}");
            if number_of(name, ENDED).is_some() {
                let mut frames = Frames::open(&path, store.open(&path)?, self.id)?;
                frames.next(&[kind::ENDED])?.ok_or_else(|| frames.damaged())?;
            }
            let begun = number_of(name, BEGUN).filter(|number| !has_ended(*number));
            let Some(number) = begun.filter(|number| !self.keys.is_erased(OWNERS | number)) else { continue };
            let mut frames = Frames::open(&path, store.open(&path)?, self.id)?;
            loop {
                let (kind, body) = frames.next(&[kind::PIECE, kind::BEGUN])?.ok_or_else(|| frames.damaged())?;
                if kind == kind::BEGUN {
                    self.unseal(number, &body)?;
                    break;
                }
            }
        }
        Ok(())
    }
}
