//! Whether the files of jobs are such that a start takes them; nothing is changed.

use crate::storage::jobs::{BEGUN, ENDED, FOLDER, Frames, JobError, OWNERS, Shelf, kind};

impl Shelf {
    /// Refuses what [`Shelf::open`] refuses.
    ///
    /// # Errors
    /// What is kept of a job is not what was written, or cannot be read.
    pub fn judge(&self) -> Result<(), JobError> {
        let Some(store) = &self.store else { return Ok(()) };
        let names = store.list(FOLDER)?;
        let numbered = |name: &str, end: &str| name.strip_suffix(end)?.parse::<u64>().ok();
        let has_ended = |number: u64| names.iter().any(|name| numbered(name, ENDED) == Some(number));
        for name in &names {
            let path = format!("{FOLDER}/{name}");
            if numbered(name, ENDED).is_some() {
                let mut frames = Frames::open(&path, store.open(&path)?, self.id)?;
                frames.next(&[kind::ENDED])?.ok_or_else(|| frames.damaged())?;
            }
            let begun = numbered(name, BEGUN).filter(|number| !has_ended(*number));
            let Some(number) = begun.filter(|number| !self.keys.is_erased(OWNERS | number)) else { continue };
            let mut frames = Frames::open(&path, store.open(&path)?, self.id)?;
            loop {
                let (kind, body) = frames.next(&[kind::PIECE, kind::BEGUN])?.ok_or_else(|| frames.damaged())?;
                if kind == kind::BEGUN {
                    self.unsealed(number, &body)?;
                    break;
                }
            }
        }
        Ok(())
    }
}
