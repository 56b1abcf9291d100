//! One open file of the store in memory.

use crate::storage::fs::{
    memory::{
        faults::{ENOSPC, Fault, error_of, to_usize},
        stall::StalledCalls,
        state::{Change, Node, Shared},
    },
    store::{File, FileId, folder_of},
};
use std::{io, sync::Arc};

/// An open file. It refers to its node, independent of the path.
pub(super) struct MemoryFile {
    pub(super) shared: Arc<Shared>,
    pub(super) node: usize,
}

impl MemoryFile {
    /// Blocks while such calls on files of this folder are stalled.
    fn pass_barrier(&self, calls: impl Fn(&'static str) -> StalledCalls) {
        if let Some(folder) = self.shared.barrier.folder() {
            let path = self.shared.state.lock().path_of(self.node);
            let is_in_folder = path.is_some_and(|path| folder_of(&path) == folder);
            self.shared.barrier.pass(|stalled| is_in_folder && stalled == calls(folder));
        }
    }

    fn call<T>(&self, work: impl FnOnce(&mut Node, Result<(), Fault>) -> io::Result<T>) -> io::Result<T> {
        let mut state = self.shared.state.lock();
        let fault = state.call();
        match state.nodes.get_mut(self.node) {
            Some(node) => work(node, fault),
            None => Err(io::Error::from(io::ErrorKind::NotFound)),
        }
    }
}

impl File for MemoryFile {
    fn len(&self) -> io::Result<u64> {
        self.call(|node, fault| {
            fault.map_err(error_of)?;
            Ok(u64::try_from(node.live.len()).unwrap_or(u64::MAX))
        })
    }

    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        let offset = to_usize(offset)?;
        self.call(|node, fault| {
            fault.map_err(error_of)?;
            let from = node.live.get(offset..).unwrap_or_default();
            let len = from.len().min(into.len());
            if let (Some(from), Some(into)) = (from.get(..len), into.get_mut(..len)) {
                into.copy_from_slice(from);
            }
            Ok(len)
        })
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.pass_barrier(StalledCalls::Writes);
        let offset = to_usize(offset)?;
        if self.shared.state.lock().overflows(self.node, offset.saturating_add(bytes.len())) {
            return self.call(|_, fault| Err(error_of(fault.err().unwrap_or(Fault::Error(ENOSPC)))));
        }
        self.call(|node, fault| {
            let written = match fault {
                Ok(()) => bytes,
                Err(Fault::Short(number)) if number > 0 => bytes.get(..bytes.len() / 2).unwrap_or_default(),
                Err(fault) => return Err(error_of(fault)),
            };
            let change = Change::Write { offset, bytes: written.to_vec() };
            change.apply(&mut node.live);
            node.unsynced.push(change);
            fault.map_err(error_of)
        })
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        let len = to_usize(len)?;
        self.call(|node, fault| {
            fault.map_err(error_of)?;
            let change = Change::Truncate(len);
            change.apply(&mut node.live);
            node.unsynced.push(change);
            Ok(())
        })
    }

    fn sync(&self) -> io::Result<()> {
        self.pass_barrier(StalledCalls::Syncs);
        self.call(|node, fault| {
            match fault {
                Err(Fault::Short(0)) => {}
                Err(_) => node.unsynced.clear(),
                Ok(()) => {
                    let changes = std::mem::take(&mut node.unsynced);
                    changes.iter().for_each(|change| change.apply(&mut node.durable));
                }
            }
            fault.map_err(error_of)
        })
    }

    fn id(&self) -> io::Result<Option<FileId>> {
        Ok(Some(self.shared.state.lock().id_of(self.node)))
    }
}
