//! The store of jobs: their files, keys and numbers.

use crate::storage::{
    fs::{headroom::Headroom, store::Store},
    jobs::paths::{ENDED, FOLDER, OWNERS, path_of},
    journal::model::ids::JournalId,
    keys::{Keys, KeysError, Unsealed},
};
use parking_lot::Mutex;
use std::{io, sync::Arc};

/// The jobs of a data folder.
pub struct JobStore {
    /// `None`: jobs end with the process.
    pub(super) store: Option<Arc<dyn Store>>,
    pub(super) keys: Arc<Keys>,
    pub(super) id: JournalId,
    /// Checks the space that is reserved for the journal.
    pub(super) headroom: Arc<Headroom>,
    /// The last assigned number.
    pub(super) last: Mutex<u64>,
}

impl JobStore {
    /// The jobs of a data folder.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, keys: Arc<Keys>, id: JournalId) -> Self {
        let headroom = Arc::new(Headroom::of(Arc::clone(&store)));
        Self { store: Some(store), keys, id, headroom, last: Mutex::new(0) }
    }

    /// Jobs that end with the process: their content is sealed in files without names, and the keys are in memory.
    #[must_use]
    pub fn in_memory() -> Self {
        let headroom = Arc::new(Headroom::of_path(std::env::temp_dir()));
        let keys = Arc::new(Keys::in_memory([0; 16]));
        Self { store: None, keys, id: JournalId::default(), headroom, last: Mutex::new(0) }
    }

    /// The check of the space that files of jobs and other secondary files must leave for the journal.
    #[must_use]
    pub fn headroom(&self) -> &Arc<Headroom> {
        &self.headroom
    }

    /// Seals bytes of a job.
    pub(super) fn seal(&self, number: u64, plain: &[u8]) -> Result<Vec<u8>, KeysError> {
        let mut sealed = Vec::with_capacity(plain.len() + 64);
        if self.keys.seal(OWNERS | number, plain, &mut sealed)? {
            return Ok(sealed);
        }
        // Numbers are not reused, so the key of a job is erased only when the job ends.
        Err(KeysError::Io(io::Error::other(format!("job {number} has ended"))))
    }

    /// Opens sealed bytes of a job.
    pub(super) fn unseal(&self, number: u64, sealed: &[u8]) -> Result<Vec<u8>, KeysError> {
        match self.keys.unseal(OWNERS | number, sealed)? {
            Unsealed::Plain(plain) => Ok(plain),
            Unsealed::Erased => Err(KeysError::Io(io::Error::other(format!("job {number} has ended")))),
        }
    }

    /// Removes the result of a job.
    ///
    /// # Errors
    /// The file cannot be removed.
    pub fn forget(&self, number: u64) -> io::Result<()> {
        let Some(store) = &self.store else { return Ok(()) };
        match store.remove(&path_of(number, ENDED)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => store.sync_folder(FOLDER),
        }
    }
}
