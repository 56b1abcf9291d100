//! One open file of the store for tests.

use crate::storage::fs::memory::{Change, ENOSPC, Fault, Node, Shared, Stalls, bytes_from, failure};
use crate::storage::fs::{File, FileId, folder_of};
use std::{io, sync::Arc};

/// An open file; it has its node, whatever the path is.
pub(super) struct InMemory {
    pub(super) shared: Arc<Shared>,
    pub(super) node: usize,
}

impl InMemory {
    /// Waits where such calls on files of this folder are stalled.
    fn pass(&self, stalls: impl Fn(&'static str) -> Stalls) {
        if let Some(folder) = self.shared.gate.folder() {
            let path = self.shared.state.lock().path_of(self.node);
            let is_there = path.is_some_and(|path| folder_of(&path) == folder);
            self.shared.gate.pass(|stalled| is_there && stalled == stalls(folder));
        }
    }

    fn with<T>(&self, work: impl FnOnce(&mut Node, Result<(), Fault>) -> io::Result<T>) -> io::Result<T> {
        let mut state = self.shared.state.lock();
        let called = state.call();
        match state.nodes.get_mut(self.node) {
            Some(node) => work(node, called),
            None => Err(io::Error::from(io::ErrorKind::NotFound)),
        }
    }
}

impl File for InMemory {
    fn len(&self) -> io::Result<u64> {
        self.with(|node, called| {
            called.map_err(failure)?;
            Ok(u64::try_from(node.live.len()).unwrap_or(u64::MAX))
        })
    }

    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        let offset = bytes_from(offset)?;
        self.with(|node, called| {
            called.map_err(failure)?;
            let from = node.live.get(offset..).unwrap_or_default();
            let len = from.len().min(into.len());
            if let (Some(from), Some(into)) = (from.get(..len), into.get_mut(..len)) {
                into.copy_from_slice(from);
            }
            Ok(len)
        })
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.pass(Stalls::Writes);
        let offset = bytes_from(offset)?;
        if self.shared.state.lock().overflows(self.node, offset.saturating_add(bytes.len())) {
            return self.with(|_, called| Err(failure(called.err().unwrap_or(Fault::Error(ENOSPC)))));
        }
        self.with(|node, called| {
            let written = match called {
                Ok(()) => bytes,
                Err(Fault::Short(number)) if number > 0 => bytes.get(..bytes.len() / 2).unwrap_or_default(),
                Err(fault) => return Err(failure(fault)),
            };
            let change = Change::Write { offset, bytes: written.to_vec() };
            change.apply(&mut node.live);
            node.unsynced.push(change);
            called.map_err(failure)
        })
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        let len = bytes_from(len)?;
        self.with(|node, called| {
            called.map_err(failure)?;
            let change = Change::Truncate(len);
            change.apply(&mut node.live);
            node.unsynced.push(change);
            Ok(())
        })
    }

    fn sync(&self) -> io::Result<()> {
        self.pass(Stalls::Syncs);
        self.with(|node, called| {
            match called {
                Err(Fault::Short(0)) => {}
                Err(_) => node.unsynced.clear(),
                Ok(()) => {
                    let changes = std::mem::take(&mut node.unsynced);
                    changes.iter().for_each(|change| change.apply(&mut node.durable));
                }
            }
            called.map_err(failure)
        })
    }

    fn id(&self) -> io::Result<Option<FileId>> {
        Ok(Some(self.shared.state.lock().id_of(self.node)))
    }
}
