//! The space that snapshots and the archive's index leave for the journal, and what is removed to give space back.

use crate::daemon::data_folder::{Folder, SNAPSHOTS, SNAPSHOTS_KEPT};
use crate::{
    domain::vocabulary::time::Millis,
    storage::{
        fs::{Room, Space, Store, is_full},
        jobs::Shelf,
        journal::SegmentInfo,
        snapshot,
    },
};
use std::{io, sync::Arc};

/// Why a snapshot ends early.
#[derive(Debug, thiserror::Error)]
#[error("the snapshot was abandoned because the daemon stops; the next start replays the journal instead")]
struct Abandoned;

/// # Errors
/// The snapshot is to be abandoned.
pub(super) fn abandon_if(is_cancelled: bool) -> io::Result<()> {
    if is_cancelled { Err(io::Error::other(Abandoned)) } else { Ok(()) }
}

/// Whether an error of this room says that there is no space.
pub(crate) fn is_no_space(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| cause.downcast_ref::<io::Error>().is_some_and(is_full))
}

/// Removes what killed processes left of snapshots.
fn remove_partial_snapshots(store: &dyn Store) -> io::Result<()> {
    let partial = store.list(SNAPSHOTS)?.into_iter().filter(|name| !name.ends_with(".snap"));
    partial.into_iter().try_for_each(|name| store.remove(&format!("{SNAPSHOTS}/{name}")))
}

impl Folder {
    /// Sets the bytes that snapshots, jobs and the archive's index leave free for the journal: `[store]
    /// min_free_bytes`. `None` is the default, 0 switches the check off.
    pub fn keep_free(&self, min_free_bytes: Option<u64>) {
        self.shelf.headroom().keep_free(min_free_bytes);
    }

    /// Where the folder keeps jobs.
    #[must_use]
    pub fn shelf(&self) -> &Arc<Shelf> {
        &self.shelf
    }

    /// The space of the data folder's file system; `None` if it does not tell.
    ///
    /// # Errors
    /// The file system cannot be asked.
    pub fn space(&self) -> io::Result<Option<Space>> {
        self.store.space()
    }

    /// When the newest snapshot was taken; `None` where there is none that can be read.
    pub(crate) fn newest_snapshot_at(&self) -> Option<Millis> {
        let names = self.store.list(SNAPSHOTS).ok()?;
        let newest = names.iter().rfind(|name| name.ends_with(".snap"))?;
        let file = self.store.open(&format!("{SNAPSHOTS}/{newest}")).ok()?;
        let reader = snapshot::Reader::open(file, self.instance.id.0).ok()?;
        Some(Millis(reader.header().created_at))
    }

    /// Refuses a snapshot for which there is no room: as large as the last one, or larger.
    pub(super) fn room_for_a_snapshot(&self) -> io::Result<Room> {
        const WHAT: &str = "a snapshot";
        remove_partial_snapshots(&*self.store)?;
        let names = self.store.list(SNAPSHOTS)?;
        let last = match names.last() {
            Some(name) => self.store.open(&format!("{SNAPSHOTS}/{name}"))?.len()?,
            None => 0,
        };
        let headroom = self.shelf.headroom();
        headroom.check(WHAT, last)?;
        Ok(headroom.watch(WHAT))
    }

    /// Refuses to add a segment to the archive's index where there is no room: a write that fails leaves an index that
    /// answers nothing until the next start. An index of a segment is smaller than the segment.
    pub(crate) fn room_in_the_index(&self, segment: &SegmentInfo) -> io::Result<()> {
        let bytes = segment.end_place.0.saturating_sub(segment.first_place.0);
        self.shelf.headroom().check("the archive's index", bytes)
    }

    /// Removes all snapshots but the newest. One that cannot be removed costs space and nothing else: the next snapshot
    /// tries again.
    pub(super) fn remove_old_snapshots(&self) {
        let remove = || -> io::Result<()> {
            let mut names = self.store.list(SNAPSHOTS)?;
            names.retain(|name| name.ends_with(".snap"));
            let old = names.len().saturating_sub(SNAPSHOTS_KEPT);
            names.iter().take(old).try_for_each(|name| self.store.remove(&format!("{SNAPSHOTS}/{name}")))
        };
        if let Err(error) = remove() {
            tracing::warn!("an old snapshot could not be removed; the next snapshot tries again: {error}");
        }
    }
}
