//! The files of a running journal, and their locks.

use crate::storage::{
    archive_list::ArchiveState,
    fs::store::{File, FileId, Store},
    journal::{
        format::synced_file,
        model::{companion::Companion, ids::JournalId, instance, segment_info::SegmentInfo},
        state::{
            next_segment::NextSegment,
            open_files::OpenFiles,
            segment_writer::{NewestSegment, Writer},
        },
    },
};
use parking_lot::{Mutex, RwLock};
use std::sync::Arc;

/// The files of a journal. The table of locks is in `log.rs`.
pub(in crate::storage) struct Files {
    pub(in crate::storage) store: Arc<dyn Store>,
    pub(in crate::storage) id: JournalId,
    pub(in crate::storage) companion: Option<Arc<dyn Companion>>,
    /// What the data folder was when the journal was opened, where the store can tell.
    pub(in crate::storage) root: Option<FileId>,
    /// The files without which no start goes on from here, and which are not held open.
    pub(in crate::storage) needed: Vec<(&'static str, FileId)>,
    pub(in crate::storage) writer: Mutex<Writer>,
    /// Held while something is synced.
    pub(in crate::storage) syncing: Mutex<()>,
    pub(in crate::storage) unsynced: Mutex<Unsynced>,
    pub(in crate::storage) next: NextSegment,
    /// In order; the last one is written to.
    pub(in crate::storage) segments: RwLock<Vec<SegmentInfo>>,
    /// The segment that is written to, and how far it is written.
    pub(in crate::storage) newest: Mutex<NewestSegment>,
    pub(in crate::storage) handles: Mutex<OpenFiles>,
    /// The archive list and the losses.
    pub(in crate::storage) archive: ArchiveState,
}

/// What rotations have left for the next sync.
#[derive(Default)]
pub(in crate::storage) struct Unsynced {
    /// Sealed segments with records after the synced number. With `Sync::Never` without their files, since nothing
    /// says when they are synced.
    pub(in crate::storage) segments: Vec<(String, Option<Arc<dyn File>>)>,
    /// Whether a segment's name is not durable.
    pub(in crate::storage) names: bool,
}

impl Files {
    pub(in crate::storage) fn new(
        store: Arc<dyn Store>,
        id: JournalId,
        companion: Option<Arc<dyn Companion>>,
        (writer, mut segments): (Writer, Vec<SegmentInfo>),
        archive: ArchiveState,
    ) -> Self {
        let root = store.id("").ok().flatten();
        let needed = [instance::PATH, synced_file::PATH];
        let needed = needed.into_iter().filter_map(|path| Some((path, store.id(path).ok().flatten()?))).collect();
        segments.push(writer.info());
        let handles = OpenFiles::new((writer.first_lsn, Arc::clone(&writer.file)));
        Self {
            store,
            id,
            companion,
            root,
            needed,
            newest: Mutex::new(writer.newest()),
            writer: Mutex::new(writer),
            syncing: Mutex::default(),
            unsynced: Mutex::default(),
            next: NextSegment::default(),
            segments: RwLock::new(segments),
            handles: Mutex::new(handles),
            archive,
        }
    }
}
