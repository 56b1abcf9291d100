//! The file of the next segment, which is created ahead.

use crate::storage::{
    fs::store::{File, Store},
    journal::{format::segment_head::SEGMENT_HEAD_BYTES, model::paths::NEXT, state::segment_lock},
};
use parking_lot::Mutex;
use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// How long after the next file could not be created it is tried again.
pub(in crate::storage) const PREPARE_AGAIN: Duration = Duration::from_secs(5);

/// The next segment's file.
#[derive(Default)]
pub(in crate::storage) struct NextSegment {
    pub(in crate::storage) ready: Mutex<Option<Arc<dyn File>>>,
    /// Held while the file is created, and while it gets its name: its holder is the only user of the path [`NEXT`].
    pub(in crate::storage) preparing: Mutex<Preparing>,
    pub(in crate::storage) postponed: AtomicU64,
}

/// Since when the file cannot be created; `None`: it can.
pub(in crate::storage) type Preparing = Option<Instant>;

impl NextSegment {
    /// Creates the file if there is none. Returns whether there is one. Blocks.
    pub(in crate::storage) fn prepare(&self, failed_at: &mut Preparing, store: &dyn Store) -> bool {
        if self.ready.lock().is_some() {
            return true;
        }
        if failed_at.is_some_and(|at| at.elapsed() < PREPARE_AGAIN) {
            return false;
        }
        match create(store) {
            Ok(file) => {
                *failed_at = None;
                *self.ready.lock() = Some(file);
                true
            }
            Err(error) => {
                *failed_at = Some(Instant::now());
                self.postponed.fetch_add(1, Ordering::Relaxed);
                tracing::warn!(
                    "the file of the journal's next segment, {}, cannot be created: {error}; records go on in the current \
                     segment, and it is tried again in {} s: see that the disk has room and the process descriptors",
                    store.full_path(NEXT),
                    PREPARE_AGAIN.as_secs()
                );
                false
            }
        }
    }
}

/// Creates the file, with room for its head, so that a disk that is full later cannot refuse that.
fn create(store: &dyn Store) -> io::Result<Arc<dyn File>> {
    let file = match store.create(NEXT) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            // An earlier attempt has left it, or the start could not remove it.
            store.remove(NEXT)?;
            store.create(NEXT)?
        }
        created => created?,
    };
    let room = [0; SEGMENT_HEAD_BYTES];
    if let Err(error) = file.write_at(&room, 0) {
        // If the removal fails too, the next attempt removes the file.
        let _removed = store.remove(NEXT);
        return Err(error);
    }
    segment_lock::lock(&*file, NEXT).map_err(io::Error::other)?;
    Ok(file)
}
