//! The files of the store in memory: live and durable bytes, live and durable names, and the changes between them.
//!
//! Unsynced writes that do not overlap are kept or lost independently, so any subset equals any order. Overlapping
//! writes meet in one page of the system's cache, where the later one wins; they are applied in the order of the calls.

use crate::storage::fs::{
    memory::{
        faults::{Fault, Keep, error_of},
        stall::CallBarrier,
    },
    store::{FileId, Space, folder_of},
};
use parking_lot::Mutex;
use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    sync::Arc,
};

/// A change of one file that is not synced.
#[derive(Debug, Clone)]
pub(super) enum Change {
    Write { offset: usize, bytes: Vec<u8> },
    Truncate(usize),
}

impl Change {
    pub(super) fn apply(&self, to: &mut Vec<u8>) {
        match self {
            Self::Write { offset, bytes } => put(to, *offset, bytes),
            Self::Truncate(len) => to.resize(*len, 0),
        }
    }

    pub(super) fn apply_part(&self, keep: Keep, to: &mut Vec<u8>) {
        let Self::Write { offset, bytes } = self else {
            if keep != Keep::Nothing {
                self.apply(to);
            }
            return;
        };
        match keep {
            Keep::Nothing => {}
            Keep::All => self.apply(to),
            Keep::Prefix(len) => put(to, *offset, bytes.get(..len).unwrap_or(bytes)),
            Keep::Sectors(mask) => {
                to.resize(to.len().max(offset + bytes.len()), 0);
                for (sector, piece) in bytes.chunks(512).enumerate() {
                    if mask >> (sector % 64) & 1 == 1 {
                        put(to, offset + sector * 512, piece);
                    }
                }
            }
            Keep::Length => to.resize(to.len().max(offset + bytes.len()), 0),
        }
    }
}

fn put(to: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    let end = offset + bytes.len();
    to.resize(to.len().max(end), 0);
    if let Some(place) = to.get_mut(offset..end) {
        place.copy_from_slice(bytes);
    }
}

#[derive(Debug, Clone, Default)]
pub(super) struct Node {
    pub(super) live: Vec<u8>,
    pub(super) durable: Vec<u8>,
    pub(super) unsynced: Vec<Change>,
}

/// A change of names: the path that a file loses, the path that it gets, and the folders that must still be synced.
#[derive(Debug, Clone)]
pub(super) struct NameChange {
    pub(super) node: usize,
    pub(super) from: Option<String>,
    pub(super) to: Option<String>,
    pub(super) unsynced_folders: BTreeSet<String>,
}

impl NameChange {
    pub(super) fn apply(&self, names: &mut BTreeMap<String, usize>) {
        if let Some(from) = self.from.as_ref().filter(|from| names.get(*from) == Some(&self.node)) {
            names.remove(from);
        }
        if let Some(to) = &self.to {
            names.insert(to.clone(), self.node);
        }
    }
}

#[derive(Debug, Clone, Default)]
pub(super) struct State {
    /// Never shrinks, so that the node number of an open file stays valid.
    pub(super) nodes: Vec<Node>,
    pub(super) live: BTreeMap<String, usize>,
    pub(super) durable: BTreeMap<String, usize>,
    pub(super) unsynced: Vec<NameChange>,
    pub(super) calls: u64,
    pub(super) faults: BTreeMap<u64, Fault>,
    pub(super) frozen_from: Option<u64>,
    /// The size of the disk in bytes; `None`: it reports no size and is never full.
    pub(super) capacity: Option<u64>,
    pub(super) creations_fail: Option<i32>,
}

impl State {
    /// Bytes of the files that have a name.
    pub(super) fn used_bytes(&self) -> u64 {
        let nodes = self.live.values().filter_map(|node| self.nodes.get(*node));
        nodes.map(|node| u64::try_from(node.live.len()).unwrap_or(u64::MAX)).sum()
    }

    /// The space of the disk; `None` if it has no size.
    pub(super) fn space(&self) -> Option<Space> {
        self.capacity.map(|total| Space { free: total.saturating_sub(self.used_bytes()), total })
    }

    /// Whether a write up to `end` of a file needs more space than the disk has.
    pub(super) fn overflows(&self, node: usize, end: usize) -> bool {
        let Some(Space { free, .. }) = self.space() else { return false };
        let len = self.nodes.get(node).map_or(0, |node| node.live.len());
        u64::try_from(end.saturating_sub(len)).unwrap_or(u64::MAX) > free
    }

    /// Counts a call and returns the fault that a test set for it.
    pub(super) fn call(&mut self) -> Result<(), Fault> {
        self.calls += 1;
        if self.frozen_from.is_some_and(|from| self.calls >= from) {
            // A frozen store changes nothing, so a failed sync loses nothing either.
            return Err(Fault::Short(0));
        }
        self.faults.get(&self.calls).map_or(Ok(()), |fault| Err(*fault))
    }

    pub(super) fn plain_call(&mut self) -> io::Result<()> {
        self.call().map_err(error_of)
    }

    pub(super) fn rename(&mut self, node: usize, from: Option<&str>, to: Option<&str>) {
        let unsynced_folders = from.iter().chain(to.iter()).map(|path| folder_of(path).to_owned()).collect();
        let change = NameChange { node, from: from.map(str::to_owned), to: to.map(str::to_owned), unsynced_folders };
        change.apply(&mut self.live);
        self.unsynced.push(change);
    }

    pub(super) fn path_of(&self, node: usize) -> Option<String> {
        self.live.iter().find(|(_, named)| **named == node).map(|(path, _)| path.clone())
    }

    /// Does not count as a call: it changes nothing.
    pub(super) fn id_of(&self, node: usize) -> FileId {
        let links = if node == usize::MAX || self.path_of(node).is_some() { 1 } else { 0 };
        FileId { device: 0, inode: u64::try_from(node).unwrap_or(u64::MAX), links }
    }

    pub(super) fn node_of(&self, path: &str) -> io::Result<usize> {
        self.live.get(path).copied().ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, format!("no file {path}")))
    }
}

/// What a store and its open files share.
#[derive(Debug, Default)]
pub(super) struct Shared {
    pub(super) state: Mutex<State>,
    pub(super) barrier: Arc<CallBarrier>,
}
