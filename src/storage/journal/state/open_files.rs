//! Open files of segments.

use crate::storage::{fs::store::File, journal::model::ids::Lsn};
use std::sync::Arc;

/// The most files that are held open to be read from.
const HANDLES_MAX: usize = 64;

/// Open files of segments, the last used first.
pub(in crate::storage) struct OpenFiles(Vec<(Lsn, Arc<dyn File>)>);

impl OpenFiles {
    pub(in crate::storage) fn new(first: (Lsn, Arc<dyn File>)) -> Self {
        Self(vec![first])
    }

    pub(in crate::storage) fn find(&mut self, first_lsn: Lsn) -> Option<Arc<dyn File>> {
        let at = self.0.iter().position(|(lsn, _)| *lsn == first_lsn)?;
        self.0.get_mut(..=at)?.rotate_right(1);
        self.0.first().map(|(_, file)| Arc::clone(file))
    }

    pub(in crate::storage) fn forget(&mut self, first_lsn: Lsn) {
        self.0.retain(|(lsn, _)| *lsn != first_lsn);
    }

    pub(in crate::storage) fn put(&mut self, first_lsn: Lsn, file: Arc<dyn File>) {
        // Two readers may have opened it at the same time.
        self.forget(first_lsn);
        self.0.insert(0, (first_lsn, file));
        self.0.truncate(HANDLES_MAX);
    }
}
